"""What is bound here, and what is open here: carried by ContextVars, each with its owner where it matters."""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections.abc import Iterator, Mapping
from contextvars import ContextVar, Token
from dataclasses import dataclass
from threading import get_ident
from typing import TYPE_CHECKING, Any

from tenantry.errors import TransactionElsewhere

if TYPE_CHECKING:
    from asyncio import Task

    from tenantry.catalog import Tenant

_process = object()  # This process. A forked child is another one, though it inherits every value.


def _forked() -> None:
    global _process
    _process = object()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def this_process() -> object:
    """Return a token of this process: another one after a fork."""
    return _process


def _current_task() -> Task[Any] | None:
    asyncio = sys.modules.get(
        "asyncio"
    )  # Where it was never imported there are no tasks, and importing it takes 40 ms.
    if asyncio is None or asyncio._get_running_loop() is None:
        return None
    task: Task[Any] | None = asyncio.current_task()
    return task


class Owner:
    """The thread, and the asyncio task in it, that something belongs to."""

    __slots__ = ("_process", "_task", "_thread")

    def __init__(self) -> None:
        task = _current_task()
        self._process, self._thread = _process, get_ident()
        self._task = None if task is None else weakref.ref(task)

    def is_here(self) -> bool:
        """Say whether the code that asks runs in this thread and task."""
        if self._thread != get_ident() or self._process is not _process:
            return False
        asyncio = sys.modules.get("asyncio")  # As in _current_task(), spelled out: every statement comes here.
        task = None if asyncio is None or asyncio._get_running_loop() is None else asyncio.current_task()
        return task is None if self._task is None else task is not None and self._task() is task

    def __str__(self) -> str:
        if self._process is not _process:
            return "another process (this one was forked while it was open)"
        task = self._task() if self._task is not None else None
        names = [thread.name for thread in threading.enumerate() if thread.ident == self._thread]
        thread = f"thread {names[0]!r}" if names else "a thread that has ended"
        return f"task {task.get_name()!r} in {thread}" if task is not None else thread


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """What a block is bound to: a tenant of an engine, or its shared schema (then *tenant* is None)."""

    engine: object
    tenant: Tenant | None
    database: Any  # A database of the layer above.
    values: Mapping[str, object]

    @property
    def key(self) -> tuple[object, str]:
        """What a transaction of its database is known by here."""
        key: tuple[object, str] = self.database.wire.key
        return key


_bound: ContextVar[Bound | None] = ContextVar("tenantry_bound", default=None)

bound = _bound.get


# What the databases believe of this context: peewee's "connected", and its stack of blocks. It ends with the block in
# which it began.
beliefs: ContextVar[Any] = ContextVar("tenantry_beliefs", default=None)

Before = tuple[Token[Bound | None], Any]


def bind(value: Bound) -> Before:
    """Bind *value* in this context; give what is returned to :func:`unbind`."""
    return _bound.set(value), beliefs.get()


def unbind(before: Before) -> None:
    """Bring back what was bound before."""
    token, believed = before
    _bound.reset(token)
    beliefs.set(believed)


class Lease:
    """A connection that a context keeps for longer than a statement: for a transaction, or for a session.

    It is carried by the context, not by the thread or the database: a task or thread that was started inside the block
    sees it and is refused, one that was started elsewhere does not see it and cannot join it by accident.
    """

    __slots__ = ("__weakref__", "connection", "key", "outer", "over", "owner", "session", "waiting")

    def __init__(self, key: tuple[object, str] | None, *, session: bool = False) -> None:
        # The pool and the schema: a database can be evicted and made anew while its transaction is open. None is one
        # that no statement can join: that of a server-side cursor.
        self.key = key
        self.session = session
        self.owner = Owner()
        self.connection: Any = None  # None until the first statement: a BEGIN that waits needs no connection.
        self.waiting: list[str] = []  # What travels with the next statement: BEGIN, SAVEPOINT, RELEASE.
        self.over = False
        self.outer = _lease.get()

    def keep(self) -> Lease:
        """Make this what the context carries."""
        _lease.set(self)
        return self

    def end(self) -> None:
        """Carry it no longer. Contexts that were copied meanwhile see that it is over."""
        self.over = True
        _forget_ended()


_lease: ContextVar[Lease | None] = ContextVar("tenantry_lease", default=None)


def _forget_ended() -> None:
    lease = _lease.get()
    while lease is not None and lease.over:
        lease = lease.outer
    _lease.set(lease)


def nothing_open() -> bool:
    """Say whether nothing at all was begun around here: what most statements find."""
    return _lease.get() is None


def open_leases() -> Iterator[Lease]:
    """Go through what this context has open, the innermost first."""
    lease = _lease.get()
    while lease is not None:
        if not lease.over:
            yield lease
        lease = lease.outer


def own_lease(key: tuple[object, str]) -> Lease | None:
    """Return the lease that this context carries for *key*, if it is this thread's and task's own."""
    leases = () if nothing_open() else open_leases()
    return next((lease for lease in leases if lease.key == key and lease.owner.is_here()), None)


def lease_of(key: tuple[object, str]) -> Lease | None:
    """Return the lease that this context carries for *key*, if it carries one.

    Raises:
        TransactionElsewhere: it belongs to another thread, task or process.
    """
    lease = _lease.get()
    if lease is not None and lease.over:  # Ended in another context: by the task or the collector that ended it.
        _forget_ended()
        lease = _lease.get()
    while lease is not None:  # Hardly ever more than one: not through open_leases(), for every statement comes here.
        if not lease.over and lease.key == key:
            if not lease.owner.is_here():
                raise TransactionElsewhere(schema=key[1], owner=str(lease.owner))
            return lease
        lease = lease.outer
    return None
