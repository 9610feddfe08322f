"""Wrong uses, each of which must be refused before anything is sent."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable

from hammering.worker import Worker, name_of, operation
from hammering.world import TENANTS, Journal, Note


@operation(4)
async def another_tenant_in_transaction(w: Worker, tenant: str) -> None:
    other = w.random.choice([name for name in TENANTS if name != tenant])
    with w.transaction(tenant) as changes:
        w.insert(tenant, changes)
        await w.pause()
        with w.refused("TransactionOpen"), w.tenants.use(other):
            pass
        with w.refused("TransactionOpen"), w.tenants.shared():
            pass
        w.insert(tenant, changes)
        w.look(tenant, changes)


@operation(4)
async def transaction_used_elsewhere(w: Worker, tenant: str) -> None:
    """A thread or task that is started inside a transaction carries it along, and may not use it."""
    with w.transaction(tenant) as changes:
        if w.random.random() < 0.7:
            w.insert(tenant, changes)
        wrong = w.new(tenant)

        def use_it() -> None:
            Note.create(worker=w.number, value=wrong)

        error = await elsewhere(w, use_it)
        w.must(error is not None, f"a write of another thread or task got into the transaction: {wrong}")
        if name_of(error or Exception()) != "TransactionElsewhere":
            raise error or AssertionError
        w.met(error)
        await w.pause()
        w.insert(tenant, changes)
        w.look(tenant, changes)


# One at a time: it holds a connection while it waits for another one, which many at once would do for ever.
_two_connections = threading.Lock()


@operation(3)
async def started_elsewhere(w: Worker, tenant: str) -> None:
    """A thread that does not carry the transaction writes beside it, also when it is of the same tenant."""
    if not _two_connections.acquire(blocking=False):
        return
    try:
        _write_beside(w, tenant)
    finally:
        _two_connections.release()
    w.look(tenant)


def _write_beside(w: Worker, tenant: str) -> None:
    with w.transaction(tenant) as changes:
        w.insert(tenant, changes)
        with w.alone(tenant) as others:
            value = others.add(w.new(tenant))

            def beside() -> None:
                with w.tenants.use(tenant):
                    Note.create(worker=w.number, value=value)

            error = in_thread(contextvars.Context(), beside)
            if error is not None:
                raise error
        changes.doomed = True
        w.db.rollback()


@operation(3, bound=False)
async def no_tenant(w: Worker, tenant: str) -> None:
    with w.refused("NoTenantBound"):
        Note.create(worker=w.number, value=w.new(tenant))
    with w.refused("NothingBound"):
        Journal.create(worker=w.number, value=w.new(tenant))
    with w.refused("NothingBound"):
        w.db.execute_sql("SELECT 1")
    with w.tenants.shared(), w.refused("NoTenantBound"):
        Note.select().count()


@operation(3)
async def what_would_stay(w: Worker, tenant: str) -> None:
    sql = w.random.choice(("SET search_path TO public", "PREPARE p AS SELECT 1", "LISTEN hammer", "SET ROLE postgres"))
    with w.refused("SessionRequired"):
        w.db.execute_sql(sql)
    w.look(tenant)


async def elsewhere(w: Worker, work: Callable[[], None]) -> Exception | None:
    """Run *work* in another thread or task that was started here, and return its error."""
    if not w.waits or w.random.random() < 0.5:
        return in_thread(contextvars.copy_context(), work)

    async def task() -> None:
        work()

    (error,) = await asyncio.gather(asyncio.create_task(task()), return_exceptions=True)
    return error if isinstance(error, Exception) else None


def in_thread(context: contextvars.Context, work: Callable[[], None]) -> Exception | None:
    """Run *work* in *context*, in a thread of its own, and return its error."""
    errors: list[Exception] = []

    def caught() -> None:
        try:
            work()
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=context.run, args=(caught,), name=f"{threading.current_thread().name}'s child")
    thread.start()
    thread.join()
    return errors[0] if errors else None
