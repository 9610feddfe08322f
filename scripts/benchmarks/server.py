"""The server that is measured, and the database in it that is made for the run."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import make_dsn, parse_dsn

ROLE = DATABASE = "tenantry_bench"


@dataclass(frozen=True)
class Server:
    """Where things are measured: *url* is the ordinary role's, *admin* a superuser's connection to its database."""

    url: str
    admin: Connection
    kind: str
    role: str = ROLE

    def parameters(self, **others: Any) -> dict[str, Any]:
        """Say *url* as psycopg2's and peewee's keywords, with *others*."""
        return {**parse_dsn(self.url), **others}

    def ask(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask as the superuser."""
        cursor = self.admin.cursor()
        cursor.execute(sql, values or None)
        return cursor.fetchall()

    def backends(self) -> list[int]:
        """The process ids behind the connections of the ordinary role."""
        return [pid for (pid,) in self.ask("SELECT pid FROM pg_stat_activity WHERE usename = %s", ROLE)]

    def describe(self) -> str:
        """What matters about it for the numbers."""
        names = ("server_version", "fsync", "synchronous_commit", "shared_buffers")
        version, *settings = (self.ask(f"SHOW {name}")[0][0] for name in names)
        shown = ", ".join(f"{name} {value}" for name, value in zip(names[1:], settings, strict=True))
        return f"PostgreSQL {version.split()[0]}, {self.kind} ({shown})"


@contextlib.contextmanager
def open_server(superuser_url: str | None) -> Iterator[Server]:
    """Use the server at *superuser_url*, or start an embedded one that is gone afterwards."""
    if superuser_url:
        with _database(superuser_url, "by its URL") as server:
            yield server
        return
    from tenantry.embedded import parse, start

    directory = Path(tempfile.mkdtemp(prefix="tenantry-bench-"))
    data: Path | None = None
    try:
        with start(parse(f"embedded:{quote(str(directory))}", base=directory)) as embedded:
            data = embedded.data
            with _database(embedded.admin_url, "embedded") as server:
                yield server
    finally:
        for made in (directory, *([data.parent] if data else [])):  # For root the data is elsewhere.
            shutil.rmtree(made, ignore_errors=True)


@contextlib.contextmanager
def _database(superuser_url: str, kind: str) -> Iterator[Server]:
    """Make the role and the database of the run, anew, and drop them at its end."""
    with contextlib.closing(psycopg2.connect(superuser_url)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        _drop(cursor)
        cursor.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{ROLE}'")
        cursor.execute(f"CREATE DATABASE {DATABASE} OWNER {ROLE}")
        cursor.execute(f"ALTER ROLE {ROLE} IN DATABASE {DATABASE} SET search_path = ''")
        try:
            with contextlib.closing(psycopg2.connect(make_dsn(superuser_url, dbname=DATABASE))) as admin:
                admin.autocommit = True
                yield Server(make_dsn(superuser_url, user=ROLE, password=ROLE, dbname=DATABASE), admin, kind)
        finally:
            _drop(cursor)


def _drop(cursor: Any) -> None:
    cursor.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
    cursor.execute(f"DROP ROLE IF EXISTS {ROLE}")


def is_local(connection: Connection) -> bool:
    """Whether the server runs on this machine, so that its processes can be pinned."""
    host = connection.info.host
    return host.startswith(os.sep) or host in ("", "localhost", "127.0.0.1", "::1")
