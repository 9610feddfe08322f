CREATE TABLE plan (
    id serial PRIMARY KEY, name text NOT NULL UNIQUE, places int NOT NULL
);
INSERT INTO plan (name, places) VALUES ('Basic', 1000), ('Founder', 3);
