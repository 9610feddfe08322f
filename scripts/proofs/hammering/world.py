"""The server that is hammered: a role, a database, fifty schemas, and a bait in public."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import peewee
import psycopg2
from psycopg2.extensions import make_dsn

from tenantry import FixedCatalog, SharedModel, Tenant, TenantModel, Tenantry
from tenantry.naming import quoted, schema_name, tenant_id

ROLE = DATABASE = "tenantry_hammer"
OTHER_ROLE = "tenantry_hammer_other"  # What a function switches to, and forgets to switch back from.
POOL_SIZE = 10
TENANTS = tuple(f"h{number:02}" for number in range(50))
BAIT = ("public:bait",)  # In public.note: whatever reads or writes it has lost its tenant.

_TABLE = "CREATE TABLE {schema}.note (id serial PRIMARY KEY, worker int NOT NULL, value text NOT NULL UNIQUE)"


class Note(TenantModel):
    """What a worker has written for a tenant: `<tenant>:<worker>:<number>`."""

    worker = peewee.IntegerField()
    value = peewee.TextField(unique=True)


class Journal(SharedModel):
    """The same beside the tenants, for transactions that write both."""

    worker = peewee.IntegerField()
    value = peewee.TextField(unique=True)


@dataclass(frozen=True)
class World:
    """Where the server is: *url* for the application's role, *admin_url* for a superuser in the same database."""

    url: str
    admin_url: str

    def engine(self) -> Tenantry:
        """Make the engine that is hammered."""
        catalog = FixedCatalog(Tenant(tenant_id(name), schema_name(f"t_{name}")) for name in TENANTS)
        # Databases for half of the tenants: the others make room for one another all the time, in transactions too.
        return Tenantry(self.url, catalog=catalog, pool_size=POOL_SIZE, tenants_per_connection=40, databases=25)

    def ask(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        """Run SQL as the superuser, on a connection of its own: the independent truth."""
        with contextlib.closing(psycopg2.connect(self.admin_url)) as connection:
            connection.autocommit = True
            cursor = connection.cursor()
            cursor.execute(sql, params or None)
            return cursor.fetchall() if cursor.description else []


@contextlib.contextmanager
def a_world(url: str | None) -> Iterator[World]:
    """Make the world on the server at *url*, else on $TENANTRY_TEST_URL, else on an embedded one."""
    named = url or os.environ.get("TENANTRY_TEST_URL")
    if named:
        yield _made(named)
        return
    from tenantry.embedded import parse, start

    with start(parse("embedded:?ephemeral=1", base=Path.cwd())) as server:
        yield _made(server.admin_url)


def _made(superuser_url: str) -> World:
    outside = World("", superuser_url)
    outside.ask(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
    for role in (ROLE, OTHER_ROLE):
        outside.ask(f"DROP ROLE IF EXISTS {role}")
    outside.ask(
        f"CREATE ROLE {ROLE} LOGIN PASSWORD 'tenantry' NOSUPERUSER NOCREATEROLE NOBYPASSRLS; "
        f"CREATE ROLE {OTHER_ROLE} NOLOGIN; GRANT {OTHER_ROLE} TO {ROLE}"
    )
    outside.ask(f"CREATE DATABASE {DATABASE} OWNER {ROLE}")
    outside.ask(f"ALTER ROLE {ROLE} IN DATABASE {DATABASE} SET search_path = ''")
    world = World(
        make_dsn(superuser_url, user=ROLE, password="tenantry", dbname=DATABASE),
        make_dsn(superuser_url, dbname=DATABASE),
    )
    schemas = [quoted(schema_name(f"t_{name}")) for name in TENANTS]
    world.ask(f"SET ROLE {ROLE};" + "".join(f"CREATE SCHEMA {s};{_TABLE.format(schema=s)};" for s in schemas))
    world.ask(
        f"SET ROLE {ROLE};{_TABLE.format(schema='public')};{_TABLE.format(schema='public').replace('note', 'journal')};"
        f"INSERT INTO public.note (worker, value) VALUES (0, '{BAIT[0]}')"
    )
    return world
