"""Many schemas: who is behind is asked in one query, and only those are handed to workers, one by one."""

from __future__ import annotations

import contextvars
import enum
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from tenantry.databases import SchemaDatabase
from tenantry.errors import ConfigError, MigrationBlocked
from tenantry.migrations.apply import LOCK_TIMEOUT_S, apply
from tenantry.migrations.files import MigrationFile
from tenantry.migrations.plan import Plan
from tenantry.migrations.python_file import Binding, unbound
from tenantry.migrations.status import Server, Target
from tenantry.pool import Pool

JOBS = 4  # The server is the limit: eight connections were at most 8 % faster than four.
ATTEMPTS = 4  # For a lock. With the timeout of 2 s one tenant keeps a worker for about ten seconds, and is deferred.
BACKOFF_S = 0.2  # The longest wait before the second attempt; doubled for each further one.


class OutcomeState(enum.Enum):
    """How it ended for one schema."""

    DONE = "done"
    UP_TO_DATE = "up_to_date"
    FAILED = "failed"
    DEFERRED = "deferred"  # A lock was not to be had: nothing is wrong with it, and the next run may find it free.


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run did to one schema. *applied* is empty unless it is done."""

    schema: str
    state: OutcomeState
    applied: tuple[str, ...] = ()
    duration_s: float = 0.0
    error: Exception | None = None


Tell = Callable[[int, Outcome], None]


def migrate(
    databases: Iterable[SchemaDatabase],
    files: Iterable[MigrationFile],
    *,
    jobs: int = JOBS,
    lock_timeout_s: float = LOCK_TIMEOUT_S,
    on_outcome: Callable[[Outcome], object] | None = None,
    bound: Binding = unbound,
    known: Mapping[str, str] | None = None,
) -> list[Outcome]:
    """Bring the schemas of all *databases* up to the *files*, and return what happened to each, in their order.

    A schema that fails stops no other. *on_outcome* is told of each as it ends, in the calling thread. There are never
    more workers than connections in the pool. On Ctrl-C those under way end, and nothing new begins. Who has asked for
    the :func:`versions` already may pass them as *known*. See :func:`apply` for *lock_timeout_s* (seconds) and *bound*.

    Raises:
        ConfigError: *jobs* is below 1.
        ServerError: a server cannot be asked what is pending.
    """
    if jobs < 1:
        raise ConfigError(f"jobs={jobs!r}: at least one worker is needed")
    outcomes: dict[int, Outcome] = {}

    def tell(position: int, outcome: Outcome) -> None:
        outcomes[position] = outcome
        if on_outcome is not None:
            on_outcome(outcome)

    tasks = list(_behind(databases, Target(files), known, tell))
    if tasks:
        crew = _Crew(tasks, lambda task, stop: _migrate(task, stop, lock_timeout_s, bound))
        crew.work(min(jobs, _most_workers(tasks)), tell)
    return [outcomes[position] for position in sorted(outcomes)]


# What is pending.


@dataclass(frozen=True, slots=True)
class _Task:
    """A schema that is behind, and its place among those given."""

    position: int
    database: SchemaDatabase
    plan: Plan


def _behind(
    databases: Iterable[SchemaDatabase], target: Target, known: Mapping[str, str] | None, tell: Tell
) -> Iterator[_Task]:
    """Go through the databases that are behind, and *tell* of the others."""
    servers: dict[Pool, Server] = {}
    for position, database in enumerate(databases):
        server = servers.get(database.pool) or servers.setdefault(database.pool, Server(database, known))
        found = server.status(database.schema, target)
        if found.plan is not None:
            yield _Task(position, database, found.plan)
        else:
            state = OutcomeState.UP_TO_DATE if found.error is None else OutcomeState.FAILED
            tell(position, Outcome(found.schema, state, error=found.error))


# The work.


def _migrate(task: _Task, stop: threading.Event, lock_timeout_s: float, bound: Binding) -> Outcome:
    """Apply one plan; again, after a growing and random time, while a lock is in the way."""
    begun, schema, attempt = time.perf_counter(), task.database.schema, 1
    while True:
        try:
            done = apply(task.plan, task.database, lock_timeout_s=lock_timeout_s, bound=bound)
        except MigrationBlocked as error:
            if attempt == ATTEMPTS or stop.wait(random.uniform(0, BACKOFF_S * 2 ** (attempt - 1))):
                return Outcome(schema, OutcomeState.DEFERRED, (), time.perf_counter() - begun, error)
        except Exception as error:
            return Outcome(schema, OutcomeState.FAILED, (), time.perf_counter() - begun, error)
        else:
            state = OutcomeState.DONE if done.names else OutcomeState.UP_TO_DATE
            return Outcome(schema, state, done.names, time.perf_counter() - begun)
        attempt += 1


def _most_workers(tasks: list[_Task]) -> int:
    pools = {task.database.pool for task in tasks}
    return min(len(tasks), sum(pool.settings.size for pool in pools))


class _Crew:
    """Threads that take task after task, and hand what came of each to the thread that waits for them."""

    def __init__(self, tasks: Iterable[_Task], do: Callable[[_Task, threading.Event], Outcome]) -> None:
        self._tasks: SimpleQueue[_Task] = SimpleQueue()
        for task in tasks:
            self._tasks.put(task)
        self._do = do
        self._ended: SimpleQueue[tuple[int, Outcome] | None] = SimpleQueue()  # None: a worker has ended.
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._running = 0

    def work(self, workers: int, tell: Tell) -> None:
        """Do all tasks with so many *workers*, and *tell* of each."""
        try:
            for number in range(workers):
                self._start(number)
            self._tell(tell)
        except KeyboardInterrupt:
            self._stop.set()
            self._tell(tell)  # Those under way.
            raise
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join()

    def _start(self, number: int) -> None:
        # An empty context, which is what a thread starts with only in some versions of Python: no tenant or transaction
        # of the caller's may reach a worker. Daemons: a second Ctrl-C ends the process, and the server rolls back.
        context = contextvars.Context()
        thread = threading.Thread(target=context.run, args=(self._work,), name=f"migrate-{number}", daemon=True)
        thread.start()
        self._threads.append(thread)
        self._running += 1

    def _work(self) -> None:
        try:
            while not self._stop.is_set() and (task := self._next()) is not None:
                self._ended.put((task.position, self._do(task, self._stop)))
        finally:
            self._ended.put(None)

    def _next(self) -> _Task | None:
        try:
            return self._tasks.get_nowait()
        except Empty:
            return None

    def _tell(self, tell: Tell) -> None:
        while self._running:
            ended = self._ended.get()
            if ended is None:
                self._running -= 1
            else:
                tell(*ended)
