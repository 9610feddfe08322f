"""All workers at once: threads, tasks that work in threads, tasks that share one thread; and who disturbs them."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg2

from hammering.worker import Finding, Operation, Worker, drive
from hammering.world import POOL_SIZE, ROLE, World
from tenantry import Tenantry

THREADS = 16
TASKS_IN_THREADS = 10
# Tasks that hold a transaction while others run in their thread. Far fewer than the pool has: while one of them waits
# for a connection none of them can give one back.
TASKS_IN_LOOP = 6

PATIENCE_S = 30.0  # For the workers to end after their time is over: longer than any wait of a pool.

_VICTIM = f"SELECT pid FROM pg_stat_activity WHERE usename = '{ROLE}' AND state = %s ORDER BY random() LIMIT 1"


class Crowd:
    """The workers of one run; they stop when the time is over, or at the first finding."""

    def __init__(self, world: World, tenants: Tenantry, seed: int, seconds: float) -> None:
        self.world, self.seed, self.seconds = world, seed, seconds
        count = THREADS + TASKS_IN_THREADS + TASKS_IN_LOOP
        self.workers = [Worker(number, tenants, seed, waits=number >= count - TASKS_IN_LOOP) for number in range(count)]
        self.findings: list[tuple[str, BaseException, Worker | None]] = []
        self.disturbed: Counter[str] = Counter()
        self.most_backends = 0
        self._over = threading.Event()

    def run(self) -> None:
        """Let everybody work, until the time is over or something is found."""
        threads = [threading.Thread(target=self._thread, args=(w,), name=f"thread-{w.number}") for w in self._threads]
        threads += [threading.Thread(target=self._tasks, name="tasks")]
        threads += [
            threading.Thread(target=self._beside, args=(work,), name=work.__name__)
            for work in (self._disturb, self._count_backends, self._collect_garbage)
        ]
        for thread in threads:
            thread.daemon = True
            thread.start()
        self._over.wait(self.seconds)
        self._over.set()
        patience = time.monotonic() + PATIENCE_S
        for thread in threads:
            thread.join(max(0.0, patience - time.monotonic()))
        stuck = [thread.name for thread in threads if thread.is_alive()]
        if stuck:
            self._found(f"stuck for {PATIENCE_S:g} s: {', '.join(stuck)}", Finding("somebody waits for ever"), None)

    @property
    def _threads(self) -> list[Worker]:
        return self.workers[:THREADS]

    def _found(self, who: str, error: BaseException, worker: Worker | None) -> None:
        self.findings.append((who, error, worker))
        self._over.set()

    def _thread(self, worker: Worker) -> None:
        try:
            while not self._over.is_set():
                operation, tenant = worker.draw()
                with worker.tenants.use(tenant) if operation.bound else contextlib.nullcontext():
                    drive(worker.perform(operation, tenant))
        except BaseException as error:
            self._found(str(worker), error, worker)

    def _tasks(self) -> None:
        async def all_of_them() -> None:
            asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(TASKS_IN_THREADS))
            await asyncio.gather(*(self._task(worker) for worker in self.workers[THREADS:]))

        asyncio.run(all_of_them())

    async def _task(self, worker: Worker) -> None:
        try:
            while not self._over.is_set():
                operation, tenant = worker.draw()
                with worker.tenants.use(tenant) if operation.bound else contextlib.nullcontext():
                    await self._in_task(worker, operation, tenant)
                await asyncio.sleep(0)
        except BaseException as error:
            self._found(str(worker), error, worker)

    async def _in_task(self, worker: Worker, operation: Operation, tenant: str) -> None:
        if worker.waits:
            await worker.perform(operation, tenant)
        else:
            await asyncio.to_thread(lambda: drive(worker.perform(operation, tenant)))

    # Beside the workers.

    def _beside(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            self._found(work.__name__, error, None)

    def _disturb(self) -> None:
        """Kill and cancel at random, as an administrator or a failover does."""
        chance = random.Random(f"{self.seed}:disturb")
        with contextlib.closing(psycopg2.connect(self.world.admin_url)) as connection:
            connection.autocommit = True
            cursor = connection.cursor()
            while not self._over.wait(chance.uniform(0.02, 0.2)):
                verb = chance.choice(("pg_terminate_backend", "pg_cancel_backend", "pg_cancel_backend"))
                state = chance.choice(("idle", "active", "idle in transaction"))
                cursor.execute(f"SELECT {verb}(pid) FROM ({_VICTIM}) victim", (state,))
                self.disturbed[f"{verb} of one {state}"] += cursor.rowcount

    def _count_backends(self) -> None:
        """More than the pool's size must not be there; who was killed or closed a moment ago may still be leaving."""
        with contextlib.closing(psycopg2.connect(self.world.admin_url)) as connection:
            connection.autocommit = True
            cursor = connection.cursor()
            seen: list[set[int]] = []
            while not self._over.wait(0.05):
                cursor.execute("SELECT pid FROM pg_stat_activity WHERE usename = %s", (ROLE,))
                seen = [*seen[-9:], {pid for (pid,) in cursor.fetchall()}]
                lasting = set.intersection(*seen) if len(seen) == 10 else set()
                self.most_backends = max(self.most_backends, len(lasting))
                if len(lasting) > POOL_SIZE:
                    raise Finding(f"{len(lasting)} backends for half a second, with a pool of {POOL_SIZE}")

    def _collect_garbage(self) -> None:
        """End what was dropped, in a thread that has nothing to do with it."""
        gc.collect()
        gc.freeze()
        while not self._over.wait(0.2):
            gc.collect()
