CREATE TABLE plan (
    id serial PRIMARY KEY,
    name text NOT NULL UNIQUE,
    price numeric(10, 2) NOT NULL,
    places int NOT NULL CHECK (places >= 0)
);

INSERT INTO plan (name, price, places) VALUES ('Basic', 9, 1000), ('Pro', 49, 100), ('Founder', 199, 3);
