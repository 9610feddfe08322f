"""Somebody who works in the world, and what must be true of what he does: the blocks he is in, and the rows he sees."""

from __future__ import annotations

import contextlib
import contextvars
import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import peewee

from isolation.world import SHARED, TENANTS, Key, World, tally
from tenantry.errors import ConnectionLost, GeneratorSuspended, NoTenantBound, NothingBound, WrongTenant

REFUSED = object()


class Mistake(Exception):
    """What an application raises in the middle of a block."""


@dataclass
class Block:
    """A block that is open. A transaction has *changes*: the rows that it wrote, and None for those it deleted."""

    kind: str  # "use", "atomic", "generator" or "rows"
    place: str
    end: Callable[[Mistake | None], object]
    changes: dict[Key, str | None] = field(default_factory=dict)
    broken: bool = False  # The server has aborted it.
    lost: bool = False  # Its connection has died.
    generator: Any = None
    rows: Any = None  # Of a result that is read in pieces.
    unread: list[str] = field(default_factory=list)  # What it must still give.


@dataclass
class Held:
    """Something of a tenant's that is still in somebody's hands. *place* is None of what was built for nobody."""

    kind: str
    place: str | None
    what: Any


class Actor:
    """One of those who work at the same time, in a context of his own.

    Each changes rows of his own alone, so that nobody waits for a lock. *exact* says that nobody moves between his
    steps: he must find everybody's rows exactly. Else he must find his own, and of others nothing of another tenant's.
    """

    def __init__(self, world: World, number: int = 1, *, exact: bool = True) -> None:
        self.world, self.number, self.exact = world, number, exact
        self.blocks: list[Block] = []
        self.shelf: list[Held] = []
        self.context = contextvars.Context()  # What an example leaves bound, when it fails, is not the next one's.
        self.done: list[Any] = []  # The steps that he has taken.
        self._numbers = world.numbers

    def close(self) -> None:
        """Leave everything, in order."""
        while self.blocks:
            self.leave(self.blocks[-1], Mistake())
        self.shelf.clear()

    # Where he is.

    @property
    def binding(self) -> Block | None:
        return next((block for block in reversed(self.blocks) if block.kind in ("use", "generator")), None)

    @property
    def own_binding(self) -> Block | None:
        """What he has bound for himself: not what a generator has, which he may be the consumer of."""
        return next((block for block in reversed(self.blocks) if block.kind == "use"), None)

    @property
    def place(self) -> str | None:
        """Whose tables his statements must find: of a tenant in one of its lives, or the shared ones."""
        return None if self.binding is None else self.binding.place

    @property
    def tenant(self) -> str:
        return (self.place or "").partition(".")[0]

    def layers(self, place: str | None = None) -> list[Block]:
        """List his open transaction and savepoints, for one place or all, from the outermost."""
        return [b for b in self.blocks if b.kind == "atomic" and (place is None or b.place == place)]

    def is_at_work(self) -> bool:
        """Say whether his statements are expected to work."""
        return self.refusal() is None

    # His blocks.

    def enter(self, manager: Any, kind: str, place: str) -> None:
        entered = manager.__enter__()

        def end(mistake: Mistake | None) -> None:
            manager.__exit__(type(mistake) if mistake else None, mistake, None)

        self.blocks.append(Block(kind, place, end, rows=entered if kind == "rows" else None))

    def leave(self, block: Block, mistake: Mistake | None = None) -> None:
        """Leave *block*, with or without an exception, and see that a transaction ends as it must."""
        outer = self.layers(block.place)[:-1] if block.kind == "atomic" else []
        must_fail: tuple[type[Exception], ...] = ()
        if block.kind == "atomic" and mistake is None:
            if block.lost:
                must_fail = () if outer else (ConnectionLost,)
            elif block.broken and outer:
                must_fail = (peewee.InternalError,)
        self.blocks.remove(block)
        if must_fail:
            with self.refused(*must_fail):
                block.end(mistake)
        else:
            block.end(mistake)
            if mistake is None and block.kind == "atomic" and not (block.broken or block.lost):
                self._apply(block.changes, outer)

    def _apply(self, changes: dict[Key, str | None], outer: list[Block]) -> None:
        for key, value in changes.items():
            self._store(key, value, outer)

    def _store(self, key: Key, value: str | None, layers: list[Block]) -> None:
        if layers:
            layers[-1].changes[key] = value
        elif value is None:
            self.world.committed.pop(key, None)
        else:
            self.world.committed[key] = value

    # His rows.

    def new(self, place: str | None = None) -> str:
        """Make a value that says whose it is."""
        return f"{place or self.place or 'nobody'}:{self.number}:{next(self._numbers)}"

    def put(self, table: str, number: int, value: str | None, *, place: str | None = None, alone: bool = False) -> None:
        """Expect a row to be so from now on: in the open transaction, unless it was written *alone*."""
        place = place or self.place
        assert place is not None
        assert value is None or value.startswith("shared:" if table == "plan" else f"{place}:")
        key = Key(SHARED if table == "plan" else place, table, number)
        self._store(key, value, [] if alone else self.layers(place))

    def rows(self, table: str, place: str | None = None) -> dict[int, str]:
        """Return what he must find in a table, by id."""
        place = place or self.place
        rows: dict[Key, str | None] = {**self.world.committed}
        for layer in self.layers(place):
            rows |= layer.changes
        wanted = SHARED if table == "plan" else place
        return {key.id: v for key, v in rows.items() if v is not None and (key.place, key.table) == (wanted, table)}

    def own(self, table: str = "note") -> dict[int, str]:
        """Return those that he may change."""
        return {number: value for number, value in self.rows(table).items() if self._is_own(value)}

    def _is_own(self, value: str) -> bool:
        return value.split(":")[1] == str(self.number)

    def compare(self, table: str, found: dict[int, str]) -> None:
        """Check what he has *found* in a table, where he is."""
        self.check_provenance(found.values(), SHARED if table == "plan" else self.place)
        expected = self.rows(table)
        if not self.exact:
            found = {number: value for number, value in found.items() if self._is_own(value)}
            expected = self.own(table)
        assert found == expected, f"{table} of {self.place} has {found}, and not {expected}"

    @staticmethod
    def check_provenance(values: Any, place: str | None) -> None:
        tally["values read"] += len(values)
        for value in values:
            assert value.startswith(f"{place}:"), f"{value} was read in {place}"

    # What he is refused.

    def refusal(self, *, shared: bool = False) -> tuple[type[Exception], ...] | None:
        """Return what his statement must raise; None when it must work. *shared*: it needs a shared table alone."""
        binding = self.binding
        if binding is None:
            return (NothingBound,)
        if binding.kind == "generator":
            return (GeneratorSuspended,)
        if binding.place == SHARED and not shared:
            return (NoTenantBound,)
        layers = self.layers(binding.place)
        if layers and layers[-1].lost:
            return (ConnectionLost, peewee.InterfaceError, peewee.OperationalError)
        if layers and layers[-1].broken:
            return (peewee.InternalError,)
        return None

    def do(self, work: Callable[[], Any], *, shared: bool = False) -> Any:
        """Do what takes a statement; where it must be refused, see that it is. Return its result, or REFUSED."""
        refusal = self.refusal(shared=shared)
        if refusal is None:
            return work()
        with self.refused(*refusal, silent=issubclass(refusal[0], NothingBound)):
            work()
        return REFUSED

    def do_with(self, held: Held, work: Callable[[], Any], *, cached: bool = False) -> Any:
        """As :meth:`do`, with something that belongs to a place. What is *cached* needs no statement: it is judged by
        what he has bound for himself, and is had where that is nothing.
        """
        own = self.own_binding
        if cached and (own is None or own.place == held.place):
            return work()
        if not cached and (self.place == held.place or held.place is None):
            return self.do(work)
        kinds = (NothingBound,) if self.place is None else (WrongTenant, NothingBound)
        with self.refused(*kinds, silent=True):
            work()
        return REFUSED

    @contextlib.contextmanager
    def refused(self, *errors: type[Exception], silent: bool = False, about: str = "") -> Iterator[None]:
        """What is done in the block must be refused with one of *errors*, and name no tenant but this and *about*."""
        with self.world.silence() if silent and self.exact else contextlib.nullcontext():
            try:
                yield
            except errors as error:
                tally[f"refused: {type(error).__name__}"] += 1
                self.check_text(error, about)
            else:
                raise AssertionError(f"{' or '.join(error.__name__ for error in errors)} was not raised")

    def check_text(self, error: BaseException, about: str = "") -> None:
        """An error names no tenant but the one that is bound; that a thing of one was used in another tells both."""
        if isinstance(error, WrongTenant):
            return
        for tenant in TENANTS:
            if tenant not in (self.tenant, about):
                assert tenant not in str(error), f"in {self.place}: {error!r}"

    def check_context(self) -> None:
        """Outside of all blocks nothing is bound, and nothing open."""
        from tenantry.context import bound, open_leases

        if not self.blocks:
            assert bound() is None
            if [*open_leases()]:  # Of a cursor that was given up half-read, in an older generation of the collector's.
                gc.collect()
            assert not [*open_leases()]
