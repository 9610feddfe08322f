-- The shared tables: one of each, for all tenants.
CREATE TABLE plan (
    id serial PRIMARY KEY,
    name text NOT NULL UNIQUE,
    price numeric(10, 2) NOT NULL
);
