-- The tables that each tenant has one of. A name without a schema is the tenant's own; shared tables are named with theirs.
CREATE TABLE invoice (
    id serial PRIMARY KEY,
    customer text NOT NULL,
    total numeric(10, 2) NOT NULL CHECK (total > 0),
    plan_id int REFERENCES public.plan
);
