-- What was done to which schema. Types are qualified too: a tenant's schema is first on the path when this runs.
-- Locking a table takes in what was committed while the lock in front of this was waited for: a session that once found
-- no such schema would still believe so.
SELECT FROM pg_catalog.pg_namespace LIMIT 0;

CREATE SCHEMA IF NOT EXISTS tenantry;

-- One row for a schema: "is anything pending?" is one query for all of a server.
CREATE TABLE IF NOT EXISTS tenantry.schemas (
    schema pg_catalog.text PRIMARY KEY,
    count pg_catalog.int4 NOT NULL,
    last pg_catalog.text,
    version pg_catalog.text NOT NULL,
    migrated_at pg_catalog.timestamptz NOT NULL
);

CREATE TABLE IF NOT EXISTS tenantry.history (
    schema pg_catalog.text NOT NULL,
    name pg_catalog.text NOT NULL,
    sha256 pg_catalog.text NOT NULL,
    applied_at pg_catalog.timestamptz NOT NULL,
    duration_ms pg_catalog.float8 NOT NULL,
    state pg_catalog.text NOT NULL,
    PRIMARY KEY (schema, name)
);
