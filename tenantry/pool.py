"""The connections to one server: few, shared by all tenants, lent for a statement or a transaction.

What makes the pool cheap: a free place and an idle connection are taken from two C structures whose single operations
are atomic, so there is no lock on the way of a statement; and an idle connection is judged by its socket, not by a
question to the server.
"""

from __future__ import annotations

import os
import random
import re
import select
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

import psycopg2
import psycopg2.extensions

from tenantry.context import this_process
from tenantry.errors import (
    ConfigError,
    PoolClosed,
    PoolTimeout,
    ServerError,
    ServerRefused,
    ServerUnreachable,
    UnsafeDefaultPath,
)

IDLE = psycopg2.extensions.TRANSACTION_STATUS_IDLE
UNKNOWN = psycopg2.extensions.TRANSACTION_STATUS_UNKNOWN

# All that DISCARD ALL does, spelled out, for that one is refused beside other statements. In a transaction of its own,
# so that neither the failure nor the rollback of what follows undoes it, and so that what follows still begins with its
# first query (SET TRANSACTION, snapshots).
SCRUB = (
    "BEGIN; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; DEALLOCATE ALL; CLOSE ALL; UNLISTEN *; "
    "SELECT pg_catalog.pg_advisory_unlock_all(); DISCARD PLANS; DISCARD SEQUENCES; DISCARD TEMP; COMMIT;\n"
)
# psycopg2 reads dates in the ISO style only and sets it when it connects; where the role's default is another, RESET
# ALL would bring that back.
ISO_DATES = "SET DateStyle TO 'ISO';\n"

MAX_BACKOFF_S = 2.0  # A server that restarts is up again in seconds: longer waits only make its users wait for us.

# What libpq and a starting, stopping or crowded server say; anything else (a wrong password) will not be better in a
# moment. There is no SQLSTATE to go by: psycopg2 has none for an error of connecting.
_PASSES = re.compile(
    r"connection refused|no such file or directory|timeout expired|timed out|server closed the connection|"
    r"connection reset|could not connect|network is unreachable|no route to host|could not translate host name|"
    r"starting up|shutting down|in recovery mode|not yet accepting|too many clients|connection slots",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSettings:
    """How a pool behaves. Times are in seconds."""

    size: int = 10  # Per server and process. PostgreSQL's own default is 100 connections for everyone.
    wait_s: float = 5.0  # How long to wait for a free connection, and for a new one to open.
    ask_after_s: float = 60.0  # A connection that was idle for longer is asked before it is used.
    idle_s: float = (
        300.0  # Then it is closed: below the 350 s after which common load balancers drop it without a word.
    )
    # Then it is recycled: a backend keeps about 0.16 MB of catalog for each tenant of 20 tables.
    tenants_per_connection: int = 1_000
    connect_attempts: int = 4
    # The longest wait before the second attempt; doubled for each further one. A random part of it is waited.
    backoff_s: float = 0.2
    allow_default_path: bool = False

    def __post_init__(self) -> None:
        for name in ("size", "tenants_per_connection", "connect_attempts"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1:
                raise ConfigError(
                    f"pool setting {name}={getattr(self, name)!r}: it must be a whole number of at least 1"
                )
        for name in ("wait_s", "ask_after_s", "idle_s", "backoff_s"):
            if getattr(self, name) < 0:
                raise ConfigError(f"pool setting {name}={getattr(self, name)!r}: a time in seconds cannot be negative")


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has a connection, since when, and for which schema."""

    schema: str
    thread: str
    held_s: float

    def __str__(self) -> str:  # Without the schema: the text of an error may reach another tenant's people.
        return f"thread {self.thread!r} for {self.held_s:.1f} s"


@dataclass(frozen=True, slots=True)
class PoolFigures:
    """A pool at one moment: its connections now, and its counts since it was made."""

    size: int
    in_use: int
    idle: int
    waiting: int
    opened: int
    closed: int
    recycled: int
    waits: int
    timeouts: int


@dataclass(frozen=True, slots=True)
class Health:
    """The answer of a server to a question that costs it nothing."""

    ok: bool
    latency_s: float | None
    error: ServerError | None
    figures: PoolFigures


class Connection(psycopg2.extensions.connection):
    """A connection that knows who has it, and what the next statement on it must do first."""

    pool: Pool | None = None  # While it is lent.
    lent = 0  # How often it was lent: what belongs to an earlier time must never touch it again.
    schema = ""  # Of the tenant who has it, or had it last.
    thread = 0
    since = 0.0  # When it was lent, or came back.
    marked = False  # Something that no text shows may be left on it: the next message begins with the scrub.
    scrub = SCRUB
    served: set[str]
    poller: Any
    process: object

    def __del__(self) -> None:
        # Whoever had it is gone without giving it back: a thread that died in a transaction. Its place must not be lost
        # with it.
        if self.pool is not None and self.process is this_process():
            self.pool.discard(self)


class _Select:  # pragma: no cover
    """Stands for poll() on Windows, which has none; there select() knows no limit on the numbers of descriptors."""

    def register(self, descriptor: int, _: int) -> None:
        self._descriptor = descriptor

    def poll(self, timeout: float) -> list[Any]:
        return select.select([self._descriptor], [], [], timeout)[0]


class Pool:
    """The connections to one server, bounded by configuration and never by the number of tenants.

    Nothing is opened before it is needed. After a fork the child begins with an empty pool: the sockets are its
    parent's, and to close one would end the parent's session.
    """

    def __init__(
        self,
        url: str,
        settings: PoolSettings | None = None,
        *,
        on_connect: Callable[[psycopg2.extensions.connection], None] | None = None,
    ) -> None:
        self.settings = settings or PoolSettings()
        self._on_connect = on_connect
        self._parameters = _parameters(url, self.settings.wait_s)
        self._version: int | None = None
        self._closed = False
        self._reset()
        _pools.add(self)

    def _reset(self) -> None:
        # Reentrant: the collector may end a forgotten connection, which comes back here, while this thread holds the
        # lock.
        self._lock = threading.RLock()
        self._places: SimpleQueue[bool] = SimpleQueue()  # True is a place; False says that the pool is closed.
        self._idle: deque[Connection] = deque()
        self._all: weakref.WeakSet[Connection] = weakref.WeakSet()
        self._waiting = self._opened = self._ended = self._recycled = self._waits = self._timeouts = 0
        self._next_sweep = 0.0
        for _ in range(self.settings.size):
            self._places.put(not self._closed)

    def __repr__(self) -> str:
        return f"<Pool of {self.settings.size} at {self.address}>"

    @property
    def address(self) -> str:
        """Where the server is, without the password."""
        host = self._parameters.get("host") or "the local socket"
        return f"{host}:{self._parameters.get('port', 5432)}/{self._parameters.get('dbname', '')}"

    @property
    def server_version(self) -> int:
        """PostgreSQL's version as libpq counts it: 150002 is 15.2. Connects, the first time."""
        if self._version is None:
            self.give(self.take("server_version"))
        assert self._version is not None
        return self._version

    def take(self, schema: str, *, nested: bool = False) -> Connection:
        """Lend a connection to somebody who works on *schema*; :meth:`give` it back.

        With *nested*, whoever asks holds a connection already, and gets this one only if it is free: to wait could be
        to wait for itself.

        Raises:
            PoolTimeout: none was free in time.
            ServerUnreachable, ServerRefused, UnsafeDefaultPath: a new one could not be opened.
            PoolClosed: the engine was closed.
        """
        try:
            place = self._places.get_nowait()
        except Empty:
            place = self._wait(nested)
        if not place or self._closed:
            self._places.put(False)  # For the next who waits.
            raise PoolClosed
        try:
            connection = self._take_idle() or self._connect()
        except BaseException:
            self._places.put(True)
            raise
        connection.pool = self
        connection.lent += 1
        connection.thread = threading.get_ident()
        connection.since = time.monotonic()
        if connection.schema != schema:
            connection.schema = schema
            connection.served.add(schema)
        return connection

    def give(self, connection: Connection) -> None:
        """Take *connection* back.

        Harmless when it is here already: the garbage collector may end a cursor and its connection in any order.
        """
        if connection.pool is not self:
            return
        connection.pool = None
        connection.since = now = time.monotonic()
        if connection.notices:
            del connection.notices[:]  # Or the next tenant would read them.
        # Whoever gives it back has ended its transaction. Should one ever not have, the next tenant must not find it.
        if self._closed or connection.get_transaction_status() != IDLE:
            self._close(connection)
        elif len(connection.served) > self.settings.tenants_per_connection:
            self._recycled += 1
            self._close(connection)
        else:
            self._idle.append(connection)
        if now > self._next_sweep:
            self._sweep(now)
        self._places.put(not self._closed)

    def discard(self, connection: Connection) -> None:
        """Take *connection* back and end it: nobody knows what state it is in."""
        connection.close()
        self.give(connection)

    def warm_up(self, connections: int | None = None) -> int:
        """Open *connections* ahead of the first requests, all that may be by default, and return how many are open.

        Raises:
            ServerError: see :meth:`take`.
        """
        wanted = min(connections or self.settings.size, self.settings.size)
        taken: list[Connection] = []
        try:
            while len(taken) < wanted and (not taken or self._places.qsize()):
                taken.append(self.take("warm_up", nested=bool(taken)))
        except PoolTimeout:
            pass  # Others are at work: their connections are open as well.
        finally:
            for connection in taken:
                self.give(connection)
        return self.figures().in_use + len(self._idle)

    def health(self) -> Health:
        """Ask the server whether it is there, over a connection of the pool, and measure how long it takes."""
        begun = time.perf_counter()
        try:
            connection = self.take("health")
        except ServerError as error:
            return Health(False, None, error, self.figures())
        ok = _answers(connection)
        self.give(connection) if ok else self.discard(connection)
        latency = time.perf_counter() - begun
        silence = None if ok else ServerUnreachable(address=self.address, attempts=1, reason="it did not answer")
        return Health(ok, latency, silence, self.figures())

    def figures(self) -> PoolFigures:
        """Return what can be counted without asking the server or stopping anybody."""
        in_use = len(self._lent())
        idle = len(self._idle)
        return PoolFigures(
            self.settings.size,
            in_use,
            idle,
            self._waiting,
            self._opened,
            self._ended,
            self._recycled,
            self._waits,
            self._timeouts,
        )

    def holders(self) -> list[Holder]:
        """List who has a connection now, the longest first."""
        now, names = time.monotonic(), {thread.ident: thread.name for thread in threading.enumerate()}
        held = [Holder(c.schema, names.get(c.thread, "one that has ended"), now - c.since) for c in self._lent()]
        return sorted(held, key=lambda holder: -holder.held_s)

    def close(self) -> None:
        """Close what is idle now, and what is in use when it comes back. Who waits is told so."""
        self._closed = True
        while self._idle:
            self._close(self._idle.pop())
        self._places.put(False)

    def _lent(self) -> list[Connection]:
        with self._lock:
            return [connection for connection in self._all if connection.pool is self and not connection.closed]

    def _wait(self, nested: bool) -> bool:
        with self._lock:
            self._waiting += 1
            self._waits += 1
        wait_s = 0.0 if nested else self.settings.wait_s
        try:
            return self._places.get(timeout=wait_s)
        except Empty:
            with self._lock:
                self._timeouts += 1
            holders = [str(holder) for holder in self.holders()]
            raise PoolTimeout(size=self.settings.size, waited_s=wait_s, holders=holders, nested=nested) from None
        finally:
            with self._lock:
                self._waiting -= 1

    def _take_idle(self) -> Connection | None:
        while True:
            try:
                connection = self._idle.pop()  # The one used last: it is the warmest, and the others may grow old.
            except IndexError:
                return None
            if self._is_alive(connection):
                return connection
            self._close(connection)

    def _is_alive(self, connection: Connection) -> bool:
        if connection.closed:
            return False
        # Nothing is under way on an idle connection: what can be read there is a goodbye, or news (a changed setting)
        # that nobody asked for.
        if not connection.poller.poll(0) and time.monotonic() - connection.since < self.settings.ask_after_s:
            return True
        return _answers(connection)

    def _sweep(self, now: float) -> None:
        """Close what has been idle for too long.

        There is no thread for it: who gives a connection back does it, now and then.
        """
        self._next_sweep = now + max(self.settings.idle_s / 10, 0.1)
        while True:
            try:
                connection = self._idle.popleft()
            except IndexError:
                return
            if now - connection.since < self.settings.idle_s:
                self._idle.appendleft(connection)
                return
            self._close(connection)

    def _close(self, connection: Connection) -> None:
        connection.close()
        with self._lock:
            self._ended += 1
            self._all.discard(connection)

    def _connect(self) -> Connection:
        """Open a connection; try again, after a growing and random time, what may pass by itself.

        Full jitter: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
        """
        attempts = self.settings.connect_attempts
        for attempt in range(1, attempts + 1):
            try:
                return self._open()
            except psycopg2.OperationalError as error:
                reason = str(error).strip()
                if not _PASSES.search(reason):
                    raise ServerRefused(address=self.address, reason=reason) from error
                if attempt == attempts:
                    raise ServerUnreachable(address=self.address, attempts=attempts, reason=reason) from error
            time.sleep(random.uniform(0, min(MAX_BACKOFF_S, self.settings.backoff_s * 2 ** (attempt - 1))))
        raise AssertionError("unreachable")

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
        connection.process, connection.served = this_process(), set()
        connection.poller = select.poll() if hasattr(select, "poll") else _Select()
        connection.poller.register(connection.fileno(), getattr(select, "POLLIN", 0))
        self._version = connection.server_version
        with self._lock:
            self._opened += 1
            self._all.add(connection)
        return connection

    def _look_at(self, connection: Connection) -> None:
        cursor = connection.cursor()
        cursor.execute(
            "SELECT current_user, reset_val, (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'search_path') "
            "FROM pg_catalog.pg_settings WHERE name = 'DateStyle'"
        )
        role, dates, path = cursor.fetchone()  # type: ignore[misc]  # one row: both settings exist in every version
        if not dates.startswith("ISO"):
            connection.scrub = SCRUB + ISO_DATES
        if path not in ("", '""') and not self.settings.allow_default_path:
            raise UnsafeDefaultPath(role=role, database=str(self._parameters.get("dbname", role)), path=path)


def _parameters(url: str, wait_s: float) -> dict[str, Any]:
    try:
        given = psycopg2.extensions.parse_dsn(url)
    except psycopg2.ProgrammingError:  # Its text is not passed on: it quotes the URL, password and all.
        shown = re.sub(r"(?<=:)[^:@/]+(?=@)", "***", url)
        raise ConfigError(
            f"{shown!r} is not the URL of a database: it looks like postgresql://user@host/database"
        ) from None
    wait_ms = int(max(wait_s, 1.0) * 1000)
    defaults = {
        "connect_timeout": max(2, round(wait_s)),  # libpq takes 1 as 2.
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": max(
            wait_ms, 30_000
        ),  # Milliseconds: a peer that vanished is noticed by the first statement sent to it.
        "fallback_application_name": "tenantry",
    }
    return defaults | given


def _answers(connection: Connection) -> bool:
    try:
        connection.cursor().execute("SELECT 1")
    except psycopg2.Error:
        return False
    return True


_pools: weakref.WeakSet[Pool] = weakref.WeakSet()


def _forget_connections() -> None:
    for pool in list(_pools):
        pool._reset()  # With a new lock: another thread of the parent may have held the old one.


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_connections)
