"""One connection to a server: how it is opened, judged and cleaned."""

from __future__ import annotations

import random
import re
import select
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import psycopg2
import psycopg2.extensions

from tenantry.config import masked
from tenantry.context import this_process
from tenantry.errors import ConfigError, ServerRefused, ServerUnreachable, UnsafeDefaultPath
from tenantry.naming import quoted_text
from tenantry.pool.login import Login
from tenantry.pool.settings import PoolSettings
from tenantry.pool.shares import Places

if TYPE_CHECKING:
    from tenantry.pool.pool import Pool

IDLE = psycopg2.extensions.TRANSACTION_STATUS_IDLE
INERROR = psycopg2.extensions.TRANSACTION_STATUS_INERROR
UNKNOWN = psycopg2.extensions.TRANSACTION_STATUS_UNKNOWN

# What no rollback takes back.
_UNLOCK = "SELECT pg_catalog.pg_advisory_unlock_all(); DEALLOCATE ALL; "
# All that DISCARD ALL does, spelled out, for that one is refused beside other statements.
_CLEAN = (
    "SET SESSION AUTHORIZATION DEFAULT; RESET ALL; CLOSE ALL; UNLISTEN *; "
    f"{_UNLOCK}DISCARD PLANS; DISCARD SEQUENCES; DISCARD TEMP; "
)
# Committed by itself, so that neither the failure nor the rollback of what follows undoes it, and so that what follows
# still begins with its first query (SET TRANSACTION, snapshots). Without a BEGIN: when it is cancelled half-way, no
# transaction may be left open. PostgreSQL warns of a COMMIT without one, and nobody needs to read that.
SCRUB = f"{_CLEAN}SET LOCAL client_min_messages TO error; COMMIT;\n"
# psycopg2 reads dates in the ISO style only and sets it when it connects; where the role's default is another, RESET
# ALL would bring that back.
ISO_DATES = "SET DateStyle TO 'ISO';\n"

# What a pooler keeps for each of its clients: it takes a RESET ALL for the client's wish.
_KEPT_BY_POOLERS = ("client_encoding", "DateStyle", "TimeZone", "application_name")

MAX_BACKOFF_S = 2.0  # A server that restarts is up again in seconds: longer waits only make its users wait for us.

# What libpq and a starting, stopping or crowded server say; anything else (a wrong password) will not be better in a
# moment. There is no SQLSTATE to go by: psycopg2 has none for an error of connecting.
_PASSES = re.compile(
    r"connection refused|no such file or directory|timeout expired|timed out|server closed the connection|"
    r"connection reset|could not connect|network is unreachable|no route to host|could not translate host name|"
    r"starting up|shutting down|in recovery mode|not yet accepting|too many clients|connection slots|"
    r"canceling statement|terminating connection",
    re.IGNORECASE,
)

# As libpq reads it: ASCII digits, with blanks around and a sign before them.
_PORT = re.compile(r"\s*\+?0*[1-9]\d{0,4}\s*", re.ASCII)

OnConnect = Callable[[psycopg2.extensions.connection], None]


class _Select:  # pragma: no cover
    """Stands for poll() on Windows, which has none; there select() knows no limit on the numbers of descriptors."""

    def register(self, descriptor: int, _: int) -> None:
        self._descriptor = descriptor

    def poll(self, timeout: float) -> list[Any]:
        return select.select([self._descriptor], [], [], timeout)[0]


class Loan:
    """A place in the pool, held by a connection while it is lent; and one of the tenant's *share*, if that is capped.

    When whoever had the connection is gone without giving it back (a thread that died in a transaction), the connection
    goes with its last reference, and the place comes back. This is an object of its own, and new each time, because
    Python finalizes an object once: a connection that came back to life would lose its place the second time.
    """

    __slots__ = ("pool", "process", "share")

    def __init__(self, pool: Pool, share: Places | None) -> None:
        self.pool: Pool | None = pool
        self.share = share
        self.process = this_process()

    def end(self) -> Pool | None:
        """End it, and return the pool that the place belongs to; None when it has ended, or is another process's."""
        pool, self.pool = self.pool, None
        return pool if self.process is this_process() else None

    def __del__(self) -> None:
        pool = self.end()
        if pool is not None:
            pool.regain_place(self.share)


class Connection(psycopg2.extensions.connection):
    """A connection that knows who has it, and what the next statement on it must do first."""

    loan: Loan | None = None  # While it is lent. A new one each time: what belongs to an earlier one never touches it.
    schema = ""  # Of the tenant who has it, or had it last.
    thread = 0
    since = 0.0  # When it was lent, or came back.
    marked = False  # Something that no text shows may be left on it: the next message begins with the scrub.
    client_encoding: str | None = None  # What it was opened with.
    database = ""  # As the server calls it: a pooler between may have another name for it.
    exposed = False  # The application has had it in its hands, and may have changed how the driver treats it.
    scrub = SCRUB
    pooled = False  # A pooler stands between, and each transaction may meet another backend.
    cleaning = _CLEAN  # Of a backend behind a pooler.

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.served: set[str] = set()
        self.poller: Any = select.poll() if hasattr(select, "poll") else _Select()
        self.poller.register(self.fileno(), getattr(select, "POLLIN", 0))
        self.as_opened: object = None

    def expose(self) -> Connection:
        """Mark it as handed to the application, which may do with it what it likes until it comes back."""
        self.marked = self.exposed = True
        return self

    def ending(self, verb: str) -> str:
        """Return what ends a transaction with *verb*, as the driver takes it with values: ``%`` is doubled.

        Behind a pooler that is the scrub as well. The next message may reach another backend, and this one be lent to
        somebody else. It has a transaction of its own: when it is cancelled half-way, the backend is still ours, and
        the rollback that follows scrubs it.
        """
        if not (self.pooled and self.marked):
            return verb
        # The COMMIT may fail, and that ends the message.
        before = "" if self.get_transaction_status() == INERROR else _UNLOCK
        return f"{before}{verb}\n;BEGIN;{self.cleaning}COMMIT"

    def driver_state(self) -> object:
        """Return what the driver keeps of it, and no server can scrub."""
        casters = dict(self.string_types), dict(self.binary_types)
        modes = self.autocommit, self.isolation_level, self.readonly, self.deferrable
        return modes, self.cursor_factory, self.encoding, id(self.notices), id(self.notifies), casters

    def is_understood(self) -> bool:
        """Say whether the server reads what is sent as it did at first: it decodes a message before it runs the scrub
        that would put the encoding right.
        """
        return self.get_parameter_status("client_encoding") == self.client_encoding

    def answers(self) -> bool:
        """Ask the server whether it is still there."""
        try:
            self.cursor().execute("SELECT 1")
        except psycopg2.Error:
            return False
        return True

    def is_alive(self, ask_if_before: float) -> bool:
        """Judge an idle connection by its socket; ask the server only if it came back before *ask_if_before*.

        Nothing is under way on it: what can be read there is a goodbye, or news (a changed setting) that nobody asked
        for, and then the server is asked as well.
        """
        if self.closed:
            return False
        return (self.since > ask_if_before and not self.poller.poll(0)) or self.answers()


class Address:
    """Where a server is, and how to get in.

    Raises:
        ConfigError: *url* is not the URL of a database.
    """

    def __init__(
        self, url: str, settings: PoolSettings, on_connect: OnConnect | None, login: Login | None = None
    ) -> None:
        self._settings, self._on_connect, self._login = settings, on_connect, login
        self._parameters = _with_defaults(parameters_of(url), settings.wait_s)
        if login is not None:
            self._parameters |= {"user": login.role, "password": login.password}

    def __str__(self) -> str:  # Without the password.
        host = self._parameters.get("host") or "the local socket"
        return f"{host}:{self._parameters.get('port', 5432)}/{self._parameters.get('dbname', '')}"

    def connect(self) -> Connection:
        """Open a connection; try again, after a growing and random time, what may pass by itself.

        Full jitter: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.

        Raises:
            ServerRefused: the server answered, and would not let us in.
            ServerUnreachable: no attempt was answered.
            UnsafeDefaultPath: the role's own search_path is not empty.
        """
        attempts = self._settings.connect_attempts
        for attempt in range(1, attempts + 1):
            try:
                return self._open()
            except psycopg2.OperationalError as error:
                reason = str(error).strip()
                if not _PASSES.search(reason):
                    raise ServerRefused(address=str(self), reason=reason) from error
                if attempt == attempts:
                    raise ServerUnreachable(address=str(self), attempts=attempts, reason=reason) from error
            time.sleep(random.uniform(0, min(MAX_BACKOFF_S, self._settings.backoff_s * 2 ** (attempt - 1))))
        raise AssertionError("the last attempt returns or raises")

    def _open(self) -> Connection:
        connection: Connection = psycopg2.connect(connection_factory=Connection, **self._parameters)
        try:
            connection.autocommit = True
            self._look_at(connection)
            if self._on_connect is not None:
                self._on_connect(connection)
        except BaseException:
            connection.close()
            raise
        connection.as_opened = connection.driver_state()
        connection.client_encoding = connection.get_parameter_status("client_encoding")
        return connection

    def _look_at(self, connection: Connection) -> None:
        cursor = connection.cursor()
        # Defaults, and not what is set now: behind a pooler that may be what another program has left.
        cursor.execute(
            "SELECT session_user, current_database(), pg_catalog.pg_backend_pid(), reset_val, "
            "(SELECT reset_val FROM pg_catalog.pg_settings WHERE name = 'search_path') "
            "FROM pg_catalog.pg_settings WHERE name = 'DateStyle'"
        )
        role, connection.database, backend, dates, path = cursor.fetchone()  # type: ignore[misc]  # one row, always
        if self._login is not None and role != self._login.role:  # A pooler between may have a user of its own.
            reason = f"it let us in as {role!r}, and not as {self._login.role!r}"
            raise ServerRefused(address=str(self), reason=reason)
        if not dates.startswith("ISO"):
            connection.scrub = SCRUB + ISO_DATES
        # A pooler makes a number of its own up for each of its clients.
        seems_pooled = backend != connection.get_backend_pid()
        if self._settings.pooler == "transaction" or (self._settings.pooler == "auto" and seems_pooled):
            connection.pooled = True
            kept = {name: connection.get_parameter_status(name) or "" for name in _KEPT_BY_POOLERS}
            texts = (f"SET {name} TO {quoted_text(value)};" for name, value in kept.items())
            connection.cleaning = _CLEAN + "".join(texts).replace("%", "%%")
        if path not in ("", '""') and not self._settings.allow_default_path:
            raise UnsafeDefaultPath(role=role, database=str(self._parameters.get("dbname", role)), path=path)


def parameters_of(url: str) -> dict[str, str]:
    """Read *url* as libpq does, and return its parameters: the password among them.

    Raises:
        ConfigError: it is not the URL of a database, or not the one that was meant. No password is shown.
    """
    if _has_a_stray_at(url):
        raise ConfigError(
            f"{masked(url)!r} has a @ or a / too many: in a password, or a name, a @ is written as %40 and a / as %2F"
        )
    try:
        found = psycopg2.extensions.parse_dsn(url)
    except psycopg2.ProgrammingError:  # Its text is not passed on: it quotes the URL, password and all.
        raise ConfigError(
            f"{masked(url)!r} is not the URL of a database: it looks like postgresql://user@host/database"
        ) from None
    if not all(map(_is_port, found.get("port", "").split(","))):  # One for each host, or one for all of them.
        # It is not shown by itself: it may be the beginning of a password.
        raise ConfigError(
            f"{masked(url)!r} has a port that is none: it is a number from 1 to 65535, and a / in a password is "
            "written as %2F"
        )
    return found


def _has_a_stray_at(url: str) -> bool:
    """Say whether there is a @ before the parameters that does not end the login: libpq takes it as a part of the host
    or of the database's name, and both end up in messages.
    """
    if not url.startswith(("postgresql://", "postgres://")):
        return False
    rest = url.partition("://")[2]
    login, at, behind = rest.partition("@")  # The login ends with the first @, unless a / comes before that.
    return "@" in (behind if at and "/" not in login else rest).partition("?")[0]


def _is_port(text: str) -> bool:
    return not text or (_PORT.fullmatch(text) is not None and int(text) < 2**16)


def _with_defaults(given: dict[str, str], wait_s: float) -> dict[str, Any]:
    defaults = {
        "connect_timeout": max(2, round(wait_s)),  # libpq takes 1 as 2.
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,  # Milliseconds. A peer that vanished is noticed by the first statement sent to it.
        "fallback_application_name": "tenantry",
        # By default libpq tries Kerberos over TCP, and the libraries that come with psycopg2-binary crash the process
        # when several threads connect at once (https://github.com/psycopg/psycopg/issues/1213).
        "gssencmode": "disable",
    }
    return defaults | given
