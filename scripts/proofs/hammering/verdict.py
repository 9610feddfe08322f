"""What must be true when everybody has gone home."""

from __future__ import annotations

import contextlib
import gc
import threading
import time
from collections.abc import Iterator

from hammering.traces import TRACES, faults_of, path_of
from hammering.worker import Worker
from hammering.world import BAIT, DATABASE, POOL_SIZE, TENANTS, World
from tenantry import Tenantry
from tenantry.pool import IDLE

_TABLES = """
SELECT n.nspname || '.' || c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
AND n.nspname NOT LIKE 'pg\\_%'
"""


def faults(world: World, tenants: Tenantry, workers: list[Worker]) -> Iterator[str]:
    """Say all that is wrong at the end, in the server and in the pool."""
    gc.collect()
    yield from _of_tables(world)
    yield from _of_rows(world, workers)
    yield from _of_pool(tenants)


def _of_tables(world: World) -> Iterator[str]:
    expected = {f"t_{name}.note" for name in TENANTS} | {"public.note", "public.journal"}
    found = {name for (name,) in world.ask(_TABLES)}
    if found != expected:
        yield f"tables that nobody made, or that are gone: {sorted(found ^ expected)}"


def _of_rows(world: World, workers: list[Worker]) -> Iterator[str]:
    """Compare each schema with what its writers know. The rows are read by a superuser, with qualified names."""
    if [value for (value,) in world.ask("SELECT value FROM public.note")] != list(BAIT):
        yield "public.note was written to"
    journal = world.ask("SELECT worker, value FROM public.journal")
    for tenant in TENANTS:
        rows = [("note", *row) for row in world.ask(f'SELECT worker, value FROM "t_{tenant}".note')]
        rows += [("journal", *row) for row in journal if row[1].startswith(f"{tenant}:")]
        for _, worker, value in rows:
            if not value.startswith(f"{tenant}:{worker}:") or not 0 <= worker < len(workers):
                yield f"t_{tenant}.note has the row {value!r} of worker {worker}"
        for worker in workers:
            own = {(table, value) for table, number, value in rows if number == worker.number}
            for fault in worker.ledger.faults(tenant, own):
                yield f"{worker} in {tenant}: {fault}"
    if strays := [value for _, value in journal if value.split(":")[0] not in TENANTS]:
        yield f"public.journal has rows of nobody: {strays[:3]}"


def _of_pool(tenants: Tenantry) -> Iterator[str]:
    deadline = time.monotonic() + 5.0
    while tenants.figures().in_use and time.monotonic() < deadline:
        time.sleep(0.05)
    figures = tenants.figures()
    if figures.in_use or figures.waiting:
        yield f"connections are still in use: {figures}, {[str(holder) for holder in tenants.parts.pool.holders()]}"
        return
    borrowed = list(_of_all_connections(tenants))
    yield from borrowed
    if not borrowed:
        yield from _of_idle_connections(tenants)


def _of_all_connections(tenants: Tenantry) -> Iterator[str]:
    """Borrow all connections at once, each in a transaction: all places are there, and nobody meets a trace."""
    together = threading.Barrier(POOL_SIZE)
    found: list[str] = []

    def borrow(tenant: str) -> None:
        try:
            with tenants.use(tenant), tenants.database.atomic():
                rows = tenants.database.execute_sql(TRACES)
                found.extend(faults_of(rows.description, rows.fetchone(), path_of(tenant)))
                together.wait(10.0)
        except Exception as error:
            found.append(f"not all {POOL_SIZE} connections could be borrowed at once: {type(error).__name__} {error}")

    threads = [threading.Thread(target=borrow, args=(tenant,)) for tenant in TENANTS[:POOL_SIZE]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    yield from found


def _of_idle_connections(tenants: Tenantry) -> Iterator[str]:
    """Look at the connections as they lie in the pool, past everything that tenantry puts before a statement."""
    with contextlib.ExitStack() as stack:
        for _ in range(POOL_SIZE):
            connection = tenants.parts.pool.take(DATABASE, nested=True)
            stack.callback(tenants.parts.pool.give, connection)
            if connection.get_transaction_status() != IDLE or not connection.autocommit or connection.notifies:
                yield f"an idle connection is not idle: {connection}, notified of {connection.notifies}"
            cursor = connection.cursor()
            cursor.execute(TRACES)
            yield from (
                f"on an idle connection: {fault}" for fault in faults_of(cursor.description, cursor.fetchone(), "")
            )
