"""The connections to one server: few, shared by all tenants, lent for a statement or a transaction.

What makes the pool cheap: a free place and an idle connection are taken from two C structures whose single operations
are atomic, so there is no lock on the way of a statement; and an idle connection is judged by its socket, not by a
question to the server.
"""

from __future__ import annotations

import contextlib
import threading
import time
import weakref
from collections import deque
from queue import Empty, SimpleQueue
from threading import get_ident

from tenantry.errors import PoolClosed, PoolTimeout, ServerError, ServerUnreachable
from tenantry.forks import renew_after_fork
from tenantry.pool.connection import IDLE, Address, Connection, Loan, OnConnect
from tenantry.pool.figures import Health, Holder, PoolFigures
from tenantry.pool.login import Login
from tenantry.pool.settings import PoolSettings
from tenantry.pool.shares import Places, Shares


class Pool:
    """The connections to one server, bounded by configuration and never by the number of tenants.

    Nothing is opened before it is needed. After a fork the child begins with an empty pool: the sockets are its
    parent's, and to close one would end the parent's session.
    """

    retired = False  # Then it holds on to nothing that is idle.

    def __init__(
        self,
        url: str,
        settings: PoolSettings | None = None,
        *,
        on_connect: OnConnect | None = None,
        login: Login | None = None,
        family: Pool | None = None,
    ) -> None:
        self.settings = settings or PoolSettings()
        self.address = Address(url, self.settings, on_connect, login)
        self._family = family
        self._version: int | None = None if family is None else family._version
        self._database: str = "" if family is None else family._database
        self._pooled: bool | None = None if family is None else family._pooled
        self._closed = False
        self.renew()
        renew_after_fork(self)

    def renew(self) -> None:
        """Begin with no connection and all places free. In a forked child: the connections are its parent's."""
        # Reentrant: the collector may end a forgotten connection, which comes back here, while this thread holds the
        # lock.
        self._lock = threading.RLock()
        self._places: Places = SimpleQueue()
        share = self.settings.tenant_share
        self._shares = None if share is None else Shares(share, self.settings.uncapped)
        self._idle: deque[Connection] = deque()
        self._all: weakref.WeakSet[Connection] = weakref.WeakSet()
        self._waiting = self._opened = self._ended = self._recycled = self._waits = self._timeouts = 0
        self._next_sweep = 0.0
        for _ in range(self.settings.size):
            self._places.put(not self._closed)

    def __repr__(self) -> str:
        return f"<Pool of {self.settings.size} at {self.address}>"

    @property
    def family(self) -> Pool:
        """The pool that stands for the engine: itself, or the main one where this is a tenant's."""
        return self if self._family is None else self._family

    @property
    def server_version(self) -> int:
        """PostgreSQL's version as libpq counts it: 150002 is 15.2. Connects, the first time."""
        if self._version is None:
            self.give(self.take(""))
        assert self._version is not None
        return self._version

    @property
    def database(self) -> str:
        """The name of the database, as the server has it. Connects, the first time."""
        if not self._database:
            self.give(self.take(""))
        return self._database

    @property
    def pooled(self) -> bool:
        """Whether a pooler in transaction mode stands between, so that no session can be held and raw SQL is scrubbed
        at the end of its own transaction. Connects, the first time.
        """
        if self._pooled is None:
            self.give(self.take(""))
        return bool(self._pooled)

    def take(self, schema: str, *, patient: bool = True, nested: bool = False) -> Connection:
        """Lend a connection to somebody who works on *schema*, or on none (""); :meth:`give` it back.

        With *patient* false it is lent only if it is free now. *nested* tells that whoever asks holds one already.

        Raises:
            PoolTimeout: none was free in time, or the schema's share of them was in use.
            ServerUnreachable, ServerRefused, UnsafeDefaultPath: a new one could not be opened.
            PoolClosed: the engine was closed.
        """
        place, now = False, time.monotonic()
        share = None if self._shares is None else self._take_share(self._shares.of(schema), now, patient, nested)
        try:
            try:
                place = self._places.get_nowait()
            except Empty:
                place = self._wait(self._places, now, patient, nested)
            if not place or self._closed:
                place = False
                self._places.put(False)  # For the next who waits.
                raise PoolClosed
            connection = self._take_idle(now) or self._connect()
            loan, place = Loan(self, share), False  # From here on the loan has the place, and the share.
        except BaseException:
            if place:
                self._places.put(True)
            if share is not None:
                share.put(not self._closed)
            raise
        connection.loan = loan
        connection.thread = get_ident()
        connection.since = now
        if connection.schema != schema:
            connection.schema = schema
            if schema:
                connection.served.add(schema)
        return connection

    def give(self, connection: Connection) -> None:
        """Take *connection* back.

        Harmless when it is here already: the garbage collector may end a cursor and its connection in any order.
        """
        loan = connection.loan
        if loan is None or loan.end() is not self:
            return
        try:
            self._put_away(connection)
        finally:  # Whatever comes in between, a Ctrl-C too: the place must not be lost.
            self._places.put(not self._closed)
            if loan.share is not None:
                loan.share.put(not self._closed)

    def _put_away(self, connection: Connection) -> None:
        connection.loan = None
        connection.since = now = time.monotonic()
        if connection.notices or connection.notifies:  # The next tenant would read them.
            del connection.notices[:], connection.notifies[:]
        # Whoever gives it back has ended its transaction. Should one ever not have, the next tenant must not find it.
        changed = connection.exposed and _is_changed(connection)
        if connection.marked and connection.pooled:
            connection.marked = False  # The backend was scrubbed where the transaction ended; the next is another.
        if (
            changed
            or self._closed
            or connection.get_transaction_status() != IDLE
            or (connection.marked and not connection.is_understood())
        ):
            self._close(connection)
        elif len(connection.served) > self.settings.tenants_per_connection:
            self._recycled += 1
            self._close(connection)
        else:
            self._idle.append(connection)
            if self.retired:  # Asked last: it may be retired at any moment.
                self.close_idle()
        if now > self._next_sweep:
            self.sweep(now)

    def regain_place(self, share: Places | None) -> None:
        """Take the place of a connection back that is gone without having been given back, and that of its *share*."""
        with self._lock:
            self._ended += 1
        self._places.put(not self._closed)
        if share is not None:
            share.put(not self._closed)

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
                taken.append(self.take("", patient=not taken))
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
            connection = self.take("")
        except ServerError as error:
            return Health(False, None, error, self.figures())
        ok = connection.answers()
        self.give(connection) if ok else self.discard(connection)
        latency = time.perf_counter() - begun
        silence = None if ok else ServerUnreachable(address=str(self.address), attempts=1, reason="it did not answer")
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
        self.close_idle()
        self._places.put(False)
        if self._shares is not None:
            self._shares.close()

    def close_idle(self) -> None:
        """Close what is idle now."""
        with contextlib.suppress(IndexError):  # Others may take some of them meanwhile.
            while True:
                self._close(self._idle.pop())

    def _lent(self) -> list[Connection]:
        with self._lock:
            return [connection for connection in self._all if connection.loan is not None and not connection.closed]

    def _take_share(self, share: Places | None, since: float, patient: bool, nested: bool) -> Places | None:
        """Take a place of a tenant's *share* before one of the pool: who waits for it keeps none from the others."""
        if share is not None:
            try:
                place = share.get_nowait()
            except Empty:
                place = self._wait(share, since, patient, nested)
            if not place:
                share.put(False)
                raise PoolClosed
        return share

    def _wait(self, places: Places, since: float, patient: bool, nested: bool) -> bool:
        with self._lock:
            self._waiting += 1
            self._waits += 1
        wait_s = self.settings.wait_s if patient else 0.0
        try:
            return places.get(timeout=max(0.0, since + wait_s - time.monotonic()))  # One time for both waits.
        except Empty:
            with self._lock:
                self._timeouts += 1
            raise PoolTimeout(
                size=self.settings.size,
                waited_s=wait_s,
                holders=[str(holder) for holder in self.holders()],
                nested=nested,
                tenant_share=None if places is self._places else self.settings.tenant_share,
                setting="pool_size" if self._family is None else "tenant_pool_size",
            ) from None
        finally:
            with self._lock:
                self._waiting -= 1

    def _take_idle(self, now: float) -> Connection | None:
        while True:
            try:
                connection = self._idle.pop()  # The one used last: it is the warmest, and the others may grow old.
            except IndexError:
                return None
            if connection.is_alive(now - self.settings.ask_after_s):
                return connection
            self._close(connection)

    def sweep(self, now: float) -> None:
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
        connection = self.address.connect()
        self._version, self._database, self._pooled = connection.server_version, connection.database, connection.pooled
        with self._lock:
            self._opened += 1
            self._all.add(connection)
        return connection


def _is_changed(connection: Connection) -> bool:
    """Say whether the application has left the driver's side of a connection other than it was."""
    connection.exposed = False
    return connection.driver_state() != connection.as_opened
