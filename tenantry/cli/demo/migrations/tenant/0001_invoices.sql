CREATE TABLE invoice (
    id serial PRIMARY KEY,
    customer text NOT NULL,
    total numeric(10, 2) NOT NULL,
    plan_id int REFERENCES public.plan
);
