"""The process that serves a data directory: whether it answers, whether it lives, and what it has inside."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import psycopg2

from tenantry.embedded.home import Home, is_ours
from tenantry.errors import EmbeddedFailed, EmbeddedUnavailable

ROLE = DATABASE = "tenantry"
ADMIN = "postgres"
START_S = 30.0  # A server that recovers from a crash takes seconds; one that takes longer than this is stuck.
_CONNECT_S = 5.0
_POLL_S = 0.02
_END_S = 5.0
_LOG_LINES = 10

# The question whether a step was done, and the step: whoever began may have died in between.
_ROLE_SETTING = """
    SELECT 1 FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase JOIN pg_roles r ON r.oid = setrole
    WHERE datname = 'tenantry' AND rolname = 'tenantry'
"""
_SETUP = (
    (
        "SELECT 1 FROM pg_roles WHERE rolname = 'tenantry'",
        "CREATE ROLE tenantry LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOREPLICATION",
    ),
    ("SELECT 1 FROM pg_database WHERE datname = 'tenantry'", "CREATE DATABASE tenantry OWNER tenantry"),
    (_ROLE_SETTING, "ALTER ROLE tenantry IN DATABASE tenantry SET search_path = ''"),
)


@dataclass(frozen=True)
class Running:
    """A server that answers. *url* is for applications; *admin_url* is the superuser's, in the same database."""

    pid: int
    version: int
    url: str
    admin_url: str


def running(home: Home, *, wait_s: float = START_S) -> Running | None:
    """Ask the server of *home* what it is, if it runs. One that lives and does not answer yet has *wait_s* seconds.

    Raises:
        EmbeddedFailed: it lives, and did not answer in that time.
    """
    deadline = time.monotonic() + wait_s
    while is_ours(home.socket_directory, home.account):
        try:
            return _ask(home, connect_s=min(wait_s, _CONNECT_S))
        except psycopg2.OperationalError as error:
            pid = living(home)
            if pid is None:
                return None
            if time.monotonic() > deadline:
                what = f"runs as process {pid} and does not answer ({str(error).strip()})"
                raise EmbeddedFailed(what, data=home.data, log=log_tail(home)) from error
        time.sleep(_POLL_S)
    return None


def _ask(home: Home, *, connect_s: float) -> Running:
    # An answer counts, even when the process cannot be seen: it may be in another container that has this directory.
    with _admin(home, connect_s=connect_s) as cursor:
        cursor.execute("SELECT current_setting('server_version_num')::int / 10000")
        (version,) = cursor.fetchone()
    return Running(_recorded_pid(home) or 0, version, _url(home, ROLE), _url(home, ADMIN))


def set_up(home: Home) -> None:
    """Make the role and the database that applications use, if they are not there."""
    with _admin(home) as cursor:
        for question, step in _SETUP:
            cursor.execute(question)
            if cursor.fetchone() is None:
                cursor.execute(step)


@contextlib.contextmanager
def _admin(home: Home, *, connect_s: float = _CONNECT_S) -> Iterator[Any]:
    # libpq would wait for ever at 0, and takes no less than 2.
    connection = psycopg2.connect(_url(home, ADMIN, "postgres"), connect_timeout=max(2, int(connect_s)))
    try:
        connection.autocommit = True  # CREATE DATABASE refuses to run in a transaction.
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


def _url(home: Home, role: str, database: str = DATABASE) -> str:
    # With the port: PGPORT would decide otherwise.
    return f"postgresql://{role}@/{database}?host={quote(str(home.socket_directory))}&port=5432"


def living(home: Home) -> int | None:
    """Find the process that serves the data, if it lives: a zombie does not, nor does another that got its id."""
    pid = _recorded_pid(home)
    return pid if pid is not None and _serves(pid, home) else None


def _recorded_pid(home: Home) -> int | None:
    try:
        return int((home.data / "postmaster.pid").read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None


def socket_setting(home: Home) -> str:
    """Write the argument by which the server of *home* is known among all processes."""
    return f"unix_socket_directories={home.socket_directory}"


def _serves(pid: int, home: Home) -> bool:
    psutil = _psutil()
    try:
        # A zombie has arguments no more.
        return socket_setting(home) in psutil.Process(pid).cmdline()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def _psutil() -> Any:
    try:
        import psutil  # type: ignore[import-untyped]
    except ImportError:
        raise EmbeddedUnavailable from None
    return psutil


def end_leftovers(home: Home) -> None:
    """End a server whose data was deleted under it: when it notices, it would take away the socket of the next one."""
    for process in _psutil().process_iter(["name"]):
        if (process.info["name"] or "").startswith("postgres") and _serves(process.pid, home):
            # Not gently: it has nothing left to save.
            process.send_signal(getattr(signal, "SIGQUIT", signal.SIGTERM))
            _wait_for_end(process.pid, home)


def _wait_for_end(pid: int, home: Home) -> None:
    deadline = time.monotonic() + _END_S
    while _serves(pid, home) and time.monotonic() < deadline:
        time.sleep(_POLL_S)


def log_tail(home: Home) -> list[str]:
    """Read the last lines that the server has said."""
    try:
        return home.log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
    except OSError:
        return []
