"""One plain connection to the configured server, for looking at what an engine would refuse to work with."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg2.extensions

from tenantry.naming import SchemaName, quoted
from tenantry.pool import Pool, PoolSettings
from tenantry.pool.connection import Connection

_FACTS = """
    SELECT r.rolname, r.rolsuper, r.rolbypassrls, current_database(),
        (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'search_path'),
        has_database_privilege(r.rolname, current_database(), 'CREATE'),
        has_schema_privilege('public', 'public', 'CREATE'),
        has_database_privilege('public', current_database(), 'TEMP'),
        current_setting('server_version_num')::int, current_setting('server_version')
    FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user
"""


@dataclass(frozen=True, slots=True)
class RoleFacts:
    """What the server says of itself, and of the role that we come as."""

    role: str
    superuser: bool
    bypasses_rls: bool
    database: str
    path: str
    may_create_schemas: bool
    public_is_open: bool  # Every role may create in the schema public.
    temp_is_open: bool  # Every role may make temporary tables.
    version: int
    version_text: str

    @property
    def has_empty_path(self) -> bool:
        """Whether what escapes the prefix of a statement resolves nothing."""
        return self.path in ("", '""')

    @property
    def empty_path_sql(self) -> str:
        """The statement that gives the role an empty path in this database."""
        role, database = quoted(SchemaName(self.role)), quoted(SchemaName(self.database))
        return f"ALTER ROLE {role} IN DATABASE {database} SET search_path = ''"


@contextlib.contextmanager
def connected(url: str) -> Iterator[Connection]:
    """Give one connection to *url*, asked for once, whatever the role's default path is.

    Raises:
        ConfigError: *url* is no URL of a database.
        ServerError: the server cannot be reached.
    """
    pool = Pool(url, PoolSettings(size=1, connect_attempts=1, allow_default_path=True))
    connection = pool.take("")
    try:
        yield connection
    finally:
        pool.discard(connection)
        pool.close()


def facts(connection: psycopg2.extensions.connection) -> RoleFacts:
    """Ask for all that is looked at, in one query."""
    cursor = connection.cursor()
    cursor.execute(_FACTS)
    return RoleFacts(*(cursor.fetchone() or ()))


@dataclass(frozen=True, slots=True)
class PoolerFacts:
    """What shows that a pooler stands before the server. That it lends for a transaction is seen, or not: never that
    it does not.
    """

    is_there: bool  # It has made up the number of the backend.
    lends_for_transaction: bool  # Two connections have met one backend, or one has met two.


def pooler_facts(url: str) -> PoolerFacts:
    """Look which backends two connections to *url* meet.

    Raises:
        ConfigError, ServerError: see :func:`connected`.
    """
    with connected(url) as one, connected(url) as other:
        met = [{_backend(each), _backend(each)} for each in (one, other)]
        return PoolerFacts(one.pooled, bool(met[0] & met[1]) or any(len(each) > 1 for each in met))


def _backend(connection: Connection) -> int:
    cursor = connection.cursor()
    cursor.execute("SELECT pg_catalog.pg_backend_pid()")
    return int((cursor.fetchone() or (0,))[0])
