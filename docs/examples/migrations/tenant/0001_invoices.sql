CREATE TABLE customer (
    id serial PRIMARY KEY,
    name text NOT NULL UNIQUE
);

-- Shared tables are not on a tenant's path: they are always named with their schema.
CREATE TABLE invoice (
    id serial PRIMARY KEY,
    customer_id int NOT NULL REFERENCES customer,
    plan_id int REFERENCES public.plan,
    total numeric(10, 2) NOT NULL CHECK (total > 0),
    note text NOT NULL DEFAULT '',
    issued date NOT NULL DEFAULT current_date
);
