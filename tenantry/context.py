"""What is bound here, and what is open here: carried by ContextVars, each with its owner where it matters."""

from __future__ import annotations

import gc
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from threading import get_ident
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from tenantry.errors import EndedByCollector, TransactionElsewhere

if TYPE_CHECKING:
    from asyncio import Task

    from tenantry.catalog import Tenant

T = TypeVar("T")
_NO_VALUES: Mapping[str, object] = MappingProxyType({})

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


# Before Python 3.12 the collector may run in the middle of ContextVar.set(), of anybody's variable, and end a generator
# that leaves a block. If that set a variable of the same context, the set that was interrupted would go on in a state
# that has been freed, and the interpreter would crash (https://github.com/python/cpython/issues/148891). So nothing is
# set while the collector runs: what ends then is marked as over, and passed over by whoever looks.
_collector = 0  # The thread in which the collector is running.


def _note_collector(phase: str, _: object) -> None:
    global _collector
    _collector = get_ident() if phase == "start" else 0


if sys.version_info < (3, 12):
    gc.callbacks.append(_note_collector)


def is_collecting() -> bool:
    """Say whether this code was called by the collector, in the middle of anything."""
    return _collector == get_ident()


def put(variable: ContextVar[T], value: T) -> None:
    """Set *variable* in this context.

    Raises:
        EndedByCollector: the collector is running: nothing can begin here.
    """
    if _collector == get_ident():
        raise EndedByCollector
    variable.set(value)


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


class Pin:
    """Whose a row, a query or a result is: a tenant's of one engine, in one of its lives, or of the engine's shared
    schema (then *tenant* is None).
    """

    __slots__ = ("epoch", "place", "shared", "tenant")

    def __init__(self, place: object, tenant: str | None = None, epoch: int = 0) -> None:
        self.place: Any = place  # The engine's pool; once this has been pickled, its server and database.
        self.tenant, self.epoch = tenant, epoch
        self.shared: Pin = self if tenant is None else Pin(place)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Pin):
            return NotImplemented
        if (self.tenant, self.epoch) != (other.tenant, other.epoch):
            return False
        if isinstance(self.place, str) or isinstance(other.place, str):
            return _name_of(self.place) == _name_of(other.place)
        return self.place is other.place

    def __hash__(self) -> int:
        return hash((self.tenant, self.epoch))

    def __str__(self) -> str:
        return "the shared schema" if self.tenant is None else f"tenant {self.tenant!r}"

    def admits(self, other: Pin) -> bool:
        """Say whether what belongs to this may be used by *other*: what is shared, by every tenant of its engine."""
        return self is other or self == other or (self.tenant is None and self == other.shared)

    # Copied and pickled with what it is on. In another process the engine is known by its server and database.

    def __deepcopy__(self, memo: object) -> Pin:
        return self

    def __reduce__(self) -> Any:
        return Pin, (_name_of(self.place), self.tenant, self.epoch)


def _name_of(place: Any) -> str:
    return place if isinstance(place, str) else str(place.address)


class Bound:
    """A block, and what it has bound: a tenant of an engine, or its shared schema (then *tenant* is None)."""

    __slots__ = (
        "__weakref__",
        "around",
        "beside",
        "collected",
        "database",
        "engine",
        "frame",
        "over",
        "owner",
        "pin",
        "plain",
        "tenant",
        "values",
    )

    def __init__(self, engine: object, tenant: Tenant | None, database: Any, values: Mapping[str, object]) -> None:
        self.engine, self.tenant, self.values = engine, tenant, values
        self.database = database  # A database of the layer above.
        self.pin: Pin = database.pin
        self.frame: Any = None  # Of the generator that has entered it, where its consumer is not meant.
        self.over = self.collected = False
        self.around: Bound | None = None  # The block of whom has entered it.
        self.beside = False  # A generator stood still in a block of its own when it was entered, and may go on inside.
        self.plain = True  # It is for whom runs, without a look: it is no generator's, nor beside one's.

    def keep_to(self, frame: Any) -> None:
        """Bind for the generator of *frame* alone, which enters this."""
        self.frame, self.owner, self.plain = frame, Owner(), False
        generators_blocks.add(weakref.ref(self, generators_blocks.discard))

    @property
    def key(self) -> tuple[object, str]:
        """What a transaction of its database is known by here."""
        key: tuple[object, str] = self.database.wire.key
        return key

    @property
    def is_gone(self) -> bool:
        """Whether it is over where it was entered, and could not be taken away from here: the collector has ended it,
        or a generator in another context. (A block that is no generator's goes on in a thread that was begun in it.)
        """
        return self.collected or (self.over and self.frame is not None)

    @property
    def is_suspended(self) -> bool:
        """Whether the generator that has entered it stands still here: who runs is another, who has not entered it.

        A thread or task with a copy of the context may have been started by the generator or by its consumer: it counts
        as the consumer, and :func:`keep_bound` is for what the generator starts.
        """
        return self.frame is not None and (self.frame.f_back is None or not self.owner.is_here())

    def is_within(self, frame: Any) -> bool:
        """Say whether the generator of *frame* has entered this, or what runs inside of it."""
        block: Bound | None = self
        while block is not None and block.frame is not frame:
            block = block.around
        return block is not None


# The blocks that are open here, from the innermost outwards. A value: contexts that were copied share it.
_Blocks = tuple[Bound, "_Blocks"] | None
_blocks: ContextVar[_Blocks] = ContextVar("tenantry_blocks", default=None)
blocks_here = _blocks.get  # For those who ask for each row, and to whom the first of them will do when it is plain.

# What the databases believe of this context: peewee's "connected", and its stack of blocks. It ends with the block in
# which it began.
beliefs: ContextVar[Any] = ContextVar("tenantry_beliefs", default=None)


# The blocks that generators have entered for themselves and not left, in all contexts.
generators_blocks: set[weakref.ref[Bound]] = set()


def bound() -> Bound | None:
    """Return what is bound here, or what a generator has bound for itself, though it may be suspended."""
    blocks = _blocks.get()
    return blocks and blocks[0] if blocks is None or blocks[0].plain else _innermost(blocks)


def own_block() -> Bound | None:
    """Return what is bound here for whom runs: the innermost block, but for those of generators that do not run."""
    blocks = _blocks.get()
    return blocks and blocks[0] if blocks is None or blocks[0].plain else _innermost(blocks, own=True)


def _innermost(blocks: _Blocks, *, own: bool = False) -> Bound | None:
    """Return the innermost block of whom runs. What a generator has entered that stands still is passed over if it must
    be his *own*.

    A generator that goes on inside a block that its consumer has entered meanwhile is in its own block all the same. It
    is found on the stack, and then its blocks are those that were entered by it, or inside of it.
    """
    running, looked = None, False
    while blocks is not None:
        block = blocks[0]
        if block.beside and not looked:
            running, looked = _running_generator(blocks), True
        if not (
            block.is_gone or (running is not None and not block.is_within(running)) or (own and block.is_suspended)
        ):
            return block
        blocks = blocks[1]
    return None


def _running_generator(blocks: _Blocks) -> Any:
    """Return the frame of the generator that runs here in one of *blocks*; of several, the one that was called last."""
    frames = set()
    while blocks is not None:
        if blocks[0].frame is not None and not blocks[0].over:
            frames.add(blocks[0].frame)
        blocks = blocks[1]
    frame: Any = sys._getframe(2) if frames else None
    while frame is not None and frame not in frames:
        frame = frame.f_back
    return frame


def moved_block() -> Bound | None:
    """Return the block of a generator that runs here, if it was entered in another context and so binds nothing here.

    A generator that is begun in one thread or task and goes on in another is inside of its block by its text alone.
    What has a context of its own, by :func:`go_on`, is not inside of it.
    """
    for each in [ref() for ref in tuple(generators_blocks)]:
        if each is not None and each.frame.f_back is not None and not _is_in(_blocks.get(), each):
            frame: Any = sys._getframe(1)
            while frame is not None and frame is not each.frame and frame.f_code is not go_on.__code__:
                frame = frame.f_back
            if frame is each.frame:
                return each
    return None


def _is_in(blocks: _Blocks, value: Bound) -> bool:
    while blocks is not None and blocks[0] is not value:
        blocks = blocks[1]
    return blocks is not None


def bind(value: Bound) -> Any:
    """Bind *value* in this context; give what is returned to :func:`unbind`."""
    blocks = _blocks.get()
    if blocks is not None:
        value.around, value.beside = own_block(), _has_suspended(blocks)
        value.plain = value.plain and not value.beside
    put(_blocks, (value, blocks))
    return beliefs.get()


def _has_suspended(blocks: _Blocks) -> bool:
    while blocks is not None and not blocks[0].is_suspended:
        blocks = blocks[1]
    return blocks is not None


def unbind(value: Bound, believed: Any) -> None:
    """End the block of *value*. What was bound inside of it and has not ended (generators can do that) stays bound."""
    value.over = True
    if value.frame is not None:
        generators_blocks.discard(weakref.ref(value))
    if is_collecting():
        value.collected, value.plain = True, False
        return
    blocks = _blocks.get()
    if blocks is not None and blocks[0] is value:
        put(beliefs, believed)
    put(_blocks, _without(blocks, value))


@contextmanager
def bound_to(database: Any, engine: object = None) -> Iterator[None]:
    """Bind *database* itself for the block, whatever a catalog says of its tenant."""
    here = Bound(engine, getattr(database, "tenant", None), database, _NO_VALUES)
    believed = bind(here)
    try:
        yield
    finally:
        unbind(here, believed)


def _without(blocks: _Blocks, value: Bound) -> _Blocks:
    if blocks is None or blocks[0] is value:
        return blocks and blocks[1]
    return blocks[0], _without(blocks[1], value)


def keep_bound() -> None:
    """Make what is bound here everybody's, in a copy of this context: there is no generator in it, and no consumer."""
    here = own_block()
    if here is not None and not here.plain:
        here = Bound(here.engine, here.tenant, here.database, here.values)
    _blocks.set(None if here is None else (here, None))


def go_on(work: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
    """Call *work* in a context that is its alone: the generators that have bound something in it may change threads."""
    blocks = _blocks.get()
    while blocks is not None:
        if blocks[0].frame is not None:
            blocks[0].owner = Owner()
        blocks = blocks[1]
    return work(*args, **kwargs)


class Lease:
    """A connection that a context keeps for longer than a statement: for a transaction, or for a session.

    It is carried by the context, not by the thread or the database: a task or thread that was started inside the block
    sees it and is refused, one that was started elsewhere does not see it and cannot join it by accident.
    """

    __slots__ = ("__weakref__", "block", "connection", "key", "outer", "over", "owner", "session", "waiting")

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
        self.block = own_block()  # In which it was begun, and in which it is to end.

    def keep(self) -> Lease:
        """Make this what the context carries."""
        put(_lease, self)
        return self

    def end(self) -> None:
        """Carry it no longer. Contexts that were copied meanwhile see that it is over."""
        self.over = True
        if not is_collecting():
            _forget_ended()


_lease: ContextVar[Lease | None] = ContextVar("tenantry_lease", default=None)


def _forget_ended() -> None:
    lease = _lease.get()
    while lease is not None and lease.over:
        lease = lease.outer
    put(_lease, lease)


def nothing_open() -> bool:
    """Say whether nothing at all was begun around here: what most statements find."""
    lease = _lease.get()
    while lease is not None and lease.over:  # The collector could not take it away.
        lease = lease.outer
    return lease is None


def is_alone(lease: Lease | None) -> bool:
    """Say whether nothing but *lease* was begun around here: what most first statements find."""
    return _lease.get() is lease and (lease is None or lease.outer is None)


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
    if (
        lease is not None and lease.over and not is_collecting()
    ):  # Ended in another context: by the task or the collector that ended it.
        _forget_ended()
        lease = _lease.get()
    while lease is not None:  # Hardly ever more than one: not through open_leases(), for every statement comes here.
        if not lease.over and lease.key == key:
            if not lease.owner.is_here():
                raise TransactionElsewhere(schema=key[1], owner=str(lease.owner))
            return lease
        lease = lease.outer
    return None
