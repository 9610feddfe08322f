-- The catalog of tenants. Everything is qualified: no path is needed to read it.
-- Locking a table takes in what was committed while the lock in front of this was waited for: a session that once found
-- no such schema would still believe so.
SELECT FROM pg_catalog.pg_namespace LIMIT 0;

CREATE SCHEMA IF NOT EXISTS tenantry;

CREATE TABLE IF NOT EXISTS tenantry.tenants (
    id text PRIMARY KEY,
    schema text NOT NULL,
    server text NOT NULL DEFAULT 'main',
    state text NOT NULL CHECK (state IN ('provisioning', 'active', 'suspended', 'dropped')),
    labels jsonb NOT NULL DEFAULT '{}',
    epoch integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    -- The transaction of the last write. A poll asks for what it may not have seen: a counter would lose rows that
    -- were numbered early and committed late.
    changed xid8 NOT NULL DEFAULT pg_current_xact_id(),
    UNIQUE (server, schema)
);

CREATE INDEX IF NOT EXISTS tenants_changed ON tenantry.tenants (changed);
