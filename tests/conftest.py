"""A real PostgreSQL for every test: one server for the session, fresh schemas for each test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg2
import pytest
from bouncer import Bouncer
from psycopg2.extensions import make_dsn
from shop import SHARED_DDL, TENANT_DDL, TENANTS

from tenantry import FixedCatalog, Tenant, Tenantry
from tenantry.migrations import MigrationFile, read_folder
from tenantry.naming import quoted, schema_name, tenant_id
from tenantry.pool import Pool, PoolSettings

ROLE = DATABASE = "tenantry_test"
PASSWORD = "tenantry"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get("TENANTRY_TEST_POOLED"):
        needs_session = pytest.mark.skip(reason="a pooler in transaction mode keeps no session")
        for item in items:
            if item.get_closest_marker("direct"):
                item.add_marker(needs_session)


@dataclass(frozen=True)
class Server:
    """Where the tests' server is:

    *url* for the application's ordinary role, *admin_url* for a superuser in the same database.
    """

    url: str
    admin_url: str


@pytest.fixture(scope="session")
def server(direct_server: Server) -> Iterator[Server]:
    """The server as the application sees it: behind a PgBouncer when TENANTRY_TEST_POOLED is set."""
    if not os.environ.get("TENANTRY_TEST_POOLED"):
        yield direct_server
        return
    with Bouncer(direct_server.url, backends=20, passwords={ROLE: PASSWORD}) as bouncer:
        yield replace(direct_server, url=bouncer.url)


@pytest.fixture(scope="session")
def direct_server() -> Iterator[Server]:
    """The server named by TENANTRY_TEST_URL (a superuser's URL; a role and a database are made on it), or an embedded
    one.
    """
    named = os.environ.get("TENANTRY_TEST_URL")
    if named:
        yield prepare(named)
        return
    from tenantry.embedded import parse, start

    with start(parse("embedded:?ephemeral=1", base=Path.cwd())) as embedded:
        yield prepare(embedded.admin_url)


def prepare(superuser_url: str) -> Server:
    """Make the role and the database of the tests on a server, anew."""
    connection = psycopg2.connect(superuser_url)
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
    cursor.execute(f"DROP ROLE IF EXISTS {ROLE}")
    cursor.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}' NOSUPERUSER NOCREATEROLE NOBYPASSRLS")
    cursor.execute(f"CREATE DATABASE {DATABASE} OWNER {ROLE}")
    cursor.execute(f"ALTER ROLE {ROLE} IN DATABASE {DATABASE} SET search_path = ''")
    connection.close()
    return Server(
        url=make_dsn(superuser_url, user=ROLE, password=PASSWORD, dbname=DATABASE),
        admin_url=make_dsn(superuser_url, dbname=DATABASE),
    )


@pytest.fixture(scope="session")
def admin_connection(server: Server) -> Iterator[psycopg2.extensions.connection]:
    connection = psycopg2.connect(server.admin_url)
    connection.autocommit = True
    # What a test that fails leaves open would hold up the next for ever: no signal interrupts the driver.
    connection.cursor().execute("SET lock_timeout = '20s'")
    yield connection
    connection.close()


@pytest.fixture
def sql(admin_connection: psycopg2.extensions.connection) -> Callable[..., list[tuple]]:
    """Run SQL as the superuser, on a connection of its own: the independent truth. Names are to be qualified."""

    def run(text: str, *params: object) -> list[tuple]:
        cursor = admin_connection.cursor()
        cursor.execute(text, params or None)
        return cursor.fetchall() if cursor.description else []

    return run


@pytest.fixture
def shop(sql: Callable[..., list[tuple]]) -> Iterator[FixedCatalog]:
    """Three tenants with empty tables, and the shared table, owned by the application's role."""
    schemas = [schema_name(f"t_{name}") for name in TENANTS]

    def drop() -> None:
        sql(
            "".join(f"DROP SCHEMA IF EXISTS {quoted(schema)} CASCADE;" for schema in schemas)
            + "DROP TABLE IF EXISTS public.plan CASCADE"
        )

    drop()
    sql(
        f"SET ROLE {DATABASE};{SHARED_DDL};"
        + "".join(f"CREATE SCHEMA {quoted(s)};{TENANT_DDL.format(schema=quoted(s))}" for s in schemas)
        + "RESET ROLE"
    )
    yield FixedCatalog(Tenant(tenant_id(name), schema) for name, schema in zip(TENANTS, schemas, strict=True))
    drop()


@pytest.fixture
def make_engine(server: Server, shop: FixedCatalog) -> Iterator[Callable[..., Tenantry]]:
    """Make engines over the shop; they are closed, and looked at for leaks, when the test ends."""
    engines: list[Tenantry] = []

    def make(**options: object) -> Tenantry:
        engine = Tenantry(str(options.pop("url", server.url)), **{"catalog": shop, **options})
        engines.append(engine)
        return engine

    yield make
    for engine in engines:
        engine.close()


@pytest.fixture
def tenants(make_engine: Callable[..., Tenantry]) -> Tenantry:
    """An engine over the shop, with room for four connections."""
    return make_engine(pool_size=4, pool_wait_s=2.0)


@pytest.fixture
def pool(server: Server) -> Iterator[Pool]:
    pool = Pool(server.url, PoolSettings(size=2, wait_s=0.5))
    yield pool
    pool.close()


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., tuple[MigrationFile, ...]]:
    """Write migration files, by their texts in order or by name (``__`` for the dot), and read the folder."""

    def read(*texts: str, **named: str) -> tuple[MigrationFile, ...]:
        for number, text in enumerate(texts, 1):
            (tmp_path / f"{number:04d}_step.sql").write_text(text)
        for name, text in named.items():
            (tmp_path / name.replace("__", ".")).write_text(text)
        return read_folder(tmp_path)

    return read
