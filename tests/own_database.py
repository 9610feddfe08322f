"""A database of a test's own, whose owner is a login that may make roles."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import make_dsn


def connect(url: str) -> Connection:
    connection: Connection = psycopg2.connect(url)
    connection.autocommit = True
    return connection


@contextlib.contextmanager
def own_database(admin_url: str, database: str, login: str) -> Iterator[Callable[..., list[tuple]]]:
    """Make *database* for *login*, and give what runs SQL in it as the superuser. Its roles go with it."""
    cleaner = connect(admin_url).cursor()

    def drop() -> None:
        cleaner.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
        # Whoever made a role goes after it.
        cleaner.execute(f"SELECT rolname FROM pg_roles WHERE rolname LIKE '%{database}%' ORDER BY rolname = '{login}'")
        for (name,) in cleaner.fetchall():
            cleaner.execute(f'DROP ROLE "{name}"')

    drop()
    cleaner.execute(f"CREATE ROLE {login} LOGIN PASSWORD 'tenantry' CREATEROLE")
    cleaner.execute(f"CREATE DATABASE {database} OWNER {login}")
    cleaner.execute(f"ALTER ROLE {login} IN DATABASE {database} SET search_path = ''")
    connection = connect(make_dsn(admin_url, dbname=database))

    def run(text: str, *params: object) -> list[tuple]:
        cursor = connection.cursor()
        cursor.execute(text, params or None)
        return cursor.fetchall() if cursor.description else []

    yield run
    connection.close()
    drop()
    cleaner.connection.close()
