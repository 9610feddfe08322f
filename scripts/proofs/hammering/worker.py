"""A worker: does one thing after another for random tenants, and knows what must come of it."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any

import peewee
import psycopg2

from hammering.ledger import Changes, Ledger
from hammering.world import TENANTS, Note
from tenantry import Tenantry
from tenantry.context import bound, open_leases

MOST_ROWS = 12  # Of one worker in one tenant; then it deletes.

# Somebody kills and cancels at random, so every statement may meet these. A cancelled statement has done nothing.
DISTURBED = frozenset({"ConnectionLost", "OperationalError 57014"})

# The same where the driver speaks for itself: of a FETCH, and on a cursor or a connection of the driver's own.
OF_DRIVER = (
    "psycopg2.QueryCanceled 57014",
    "psycopg2.AdminShutdown 57P01",
    "psycopg2.OperationalError",
    "psycopg2.InterfaceError",
)


class Finding(Exception):
    """Something happened that tenantry promises never happens."""


class Planned(Exception):
    """The application's own error, that rolls a block back."""


@dataclass(frozen=True)
class Operation:
    """One kind of thing that workers do."""

    name: str
    run: Callable[[Worker, str], Awaitable[None]]
    weight: int
    bound: bool  # Inside `use(tenant)`.
    may: frozenset[str]  # The errors that it may end with, besides those of DISTURBED.


OPERATIONS: list[Operation] = []


def operation(weight: int, *, bound: bool = True, may: Collection[str] = ()) -> Callable[[Any], Any]:
    """Make a coroutine function one of the things that workers do, *weight* times in about two hundred."""

    def register(run: Callable[[Worker, str], Awaitable[None]]) -> Any:
        OPERATIONS.append(Operation(run.__name__.replace("_", " "), run, weight, bound, frozenset(may)))
        return run

    return register


class Worker:
    """Does one operation after another. *waits* says that it awaits between statements, in one thread with others."""

    def __init__(self, number: int, tenants: Tenantry, seed: int, *, waits: bool) -> None:
        self.number, self.tenants, self.db, self.waits = number, tenants, tenants.database, waits
        self.random = random.Random(f"{seed}:{number}")
        self.ledger = Ledger()
        self.steps: deque[str] = deque(maxlen=25)
        self.done: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self._next = 0

    def __str__(self) -> str:
        return f"worker {self.number}"

    def draw(self) -> tuple[Operation, str]:
        """Draw what is to be done next, and for whom."""
        weights = [operation.weight for operation in OPERATIONS]
        return self.random.choices(OPERATIONS, weights)[0], self.random.choice(TENANTS)

    async def perform(self, operation: Operation, tenant: str) -> None:
        """Do one thing. An error that is not expected is a finding, and so is what is left open or bound behind it."""
        self.step(f"{operation.name} for {tenant}")
        try:
            await operation.run(self, tenant)
        except (Finding, Planned) as known:
            if isinstance(known, Finding):
                raise
        except Exception as error:
            name = name_of(error)
            if name not in DISTURBED and name not in operation.may:
                raise Finding(f"{operation.name}: unexpected {name}: {error}") from error
            self.met(error)
        self.done[operation.name] += 1
        # One without a key is of a server-side cursor that the collector has not found yet: no statement can join it.
        lease = next((lease for lease in open_leases() if lease.key is not None), None)
        self.must(lease is None, f"{operation.name} has left a transaction open behind it, on {lease and lease.key}")
        here = bound()
        who = None if here is None else str(here.tenant)
        self.must(who == (tenant if operation.bound else None), f"{operation.name} has left {who} bound")

    async def pause(self) -> None:
        """Let others work between two statements: the tasks of this thread, or the other threads."""
        self.step("...")
        if self.waits:
            await asyncio.sleep(self.random.choice((0, 0, 0.001, 0.003)))
        elif self.random.random() < 0.2:
            time.sleep(0.001)

    # What is written, and what becomes of it.

    def new(self, tenant: str) -> str:
        """Make a value that tells whose it is."""
        self._next += 1
        return f"{tenant}:{self.number}:{self._next}"

    @contextlib.contextmanager
    def alone(self, tenant: str) -> Iterator[Changes]:
        """Settle what one statement changes in autocommit. If the connection dies under it, nobody knows."""
        changes = Changes()
        try:
            yield changes
        except BaseException as error:
            if may_be_done(error):
                self.ledger.unknown(tenant, changes)
            else:
                self.ledger.failed(changes)
            raise
        self.ledger.done(tenant, changes)

    @contextlib.contextmanager
    def transaction(self, tenant: str) -> Iterator[Changes]:
        """Settle what a transaction changes. If the connection dies under COMMIT, nobody knows; earlier, nothing is."""
        changes, ending = Changes(), False
        try:
            with self.db.atomic():
                yield changes
                self.step("commit")
                ending = True
        except BaseException as error:
            if ending and may_be_done(error) and not changes.doomed:
                self.ledger.unknown(tenant, changes)
            else:
                self.ledger.failed(changes)
            raise
        if changes.doomed:
            self.ledger.failed(changes)
        else:
            self.ledger.done(tenant, changes)

    @contextlib.contextmanager
    def savepoint(self, outer: Changes) -> Iterator[Changes]:
        """Settle what a block inside a transaction changes."""
        changes = Changes(outer)
        try:
            with self.db.atomic():
                yield changes
        except BaseException:
            outer.undone |= changes.added | changes.undone
            raise
        outer.take(changes)

    def insert(self, tenant: str, changes: Changes) -> str:
        value = changes.add(self.new(tenant))
        self.step(f"insert {value}")
        Note.create(worker=self.number, value=value)
        return value

    def replace(self, tenant: str, changes: Changes) -> None:
        """Update one of the worker's rows, if it has one."""
        values = self.ledger.values(tenant, changes)
        if values:
            old, new = self.random.choice(values), self.new(tenant)
            self.step(f"update {old} to {new}")
            changes.remove(old)
            changes.add(new)
            found = Note.update(value=new).where(Note.value == old).execute()
            self.must(found == 1, f"update of {old} in {tenant} found {found} rows")

    def delete(self, tenant: str, changes: Changes, most: int = 1) -> None:
        for value in self.ledger.values(tenant, changes)[:most]:
            self.step(f"delete {value}")
            changes.remove(value)
            found = Note.delete().where(Note.value == value).execute()
            self.must(found == 1, f"delete of {value} in {tenant} found {found} rows")

    # What is looked at.

    def look(self, tenant: str, inside: Changes | None = None) -> None:
        """Read the worker's own rows: all that were acknowledged, and no others."""
        self.step("read own rows")
        values = [note.value for note in Note.select().where(Note.worker == self.number)]
        self.check(tenant, values)
        faults = self.ledger.faults(tenant, {("note", value) for value in values}, "note", inside)
        self.must(not faults, f"read in {tenant}: {'; '.join(faults)}")

    def check(self, tenant: str, values: Collection[str]) -> None:
        """Look whether all *values* are the tenant's."""
        foreign = [value for value in values if not value.startswith(f"{tenant}:")]
        self.must(not foreign, f"read in {tenant}: {foreign[:3]}")

    @contextlib.contextmanager
    def refused(self, *names: str) -> Iterator[None]:
        """The block must end with one of these errors."""
        try:
            yield
        except Exception as error:
            if name_of(error) not in names:
                raise
            self.met(error)
        else:
            raise Finding(f"what must be refused with {' or '.join(names)} was done")

    def must(self, holds: bool, fault: str) -> None:
        if not holds:
            raise Finding(fault)

    def met(self, error: BaseException) -> None:
        self.errors[name_of(error)] += 1
        self.step(f"  met {name_of(error)}")

    def step(self, what: str) -> None:
        self.steps.append(f"{threading.current_thread().name}: {what}")


def name_of(error: BaseException) -> str:
    """Name the kind of an error: its class, and what PostgreSQL calls it."""
    driver = getattr(error, "orig", None) if isinstance(error, peewee.PeeweeException) else error
    code = driver.pgcode if isinstance(driver, psycopg2.Error) else None
    package = "psycopg2." if type(error).__module__.startswith("psycopg2") else ""
    return f"{package}{type(error).__name__} {code or ''}".strip()


def may_be_done(error: BaseException) -> bool:
    """Say whether the server may have done a statement that ended with this error."""
    return name_of(error) == "ConnectionLost"


def drive(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that never waits, in this thread."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise AssertionError("it waits for something")
