"""Errors that are swallowed, connections that die, statements that are cancelled."""

from __future__ import annotations

import contextlib
import threading

from hammering.ledger import Changes
from hammering.worker import Planned, Worker, name_of, operation
from hammering.world import ROLE, Note
from tenantry.context import bound_to

ABORTED = "InternalError 25P02"
CANCELLED = "OperationalError 57014"
LOST = "ConnectionLost"


_OF_SERVER = {
    "ProgrammingError 42601": "SELEC value FROM note",
    "ProgrammingError 42P01": "SELECT value FROM no_such_table",
    "DataError 22012": "SELECT 1 / 0",
}


def perhaps_insert(w: Worker, tenant: str, changes: Changes) -> None:
    """What follows is the first statement of its transaction, or it is not."""
    if w.random.random() < 0.5:
        w.insert(tenant, changes)


async def go_on_in_lost(w: Worker, tenant: str, changes: Changes, error: str) -> None:
    """Go on in a transaction that is lost: each statement is refused with *error*, and nothing of the block stays."""
    changes.doomed = True
    await w.pause()
    for _ in range(2):
        with w.refused(error):
            w.insert(tenant, changes)
    if w.random.random() < 0.5:
        raise Planned


def fail(w: Worker, tenant: str, changes: Changes | None) -> None:
    """Let the server refuse a statement, and swallow the error."""
    there = w.ledger.values(tenant, changes)
    kinds = [*_OF_SERVER, *(["IntegrityError 23505"] if there else [])]
    kind = w.random.choice(kinds)
    w.step(f"fail with {kind}")
    with w.refused(kind):
        if kind in _OF_SERVER:
            w.db.execute_sql(_OF_SERVER[kind])
        else:
            Note.create(worker=w.number, value=there[0])


@operation(6)
async def error_swallowed_in_transaction(w: Worker, tenant: str) -> None:
    """The transaction is lost, as in plain PostgreSQL."""
    with w.transaction(tenant) as changes:
        perhaps_insert(w, tenant, changes)
        fail(w, tenant, changes)
        await go_on_in_lost(w, tenant, changes, ABORTED)
    w.look(tenant)


@operation(4)
async def error_swallowed_in_savepoint(w: Worker, tenant: str) -> None:
    """The block inside is lost, the one around it goes on."""
    with w.transaction(tenant) as changes:
        perhaps_insert(w, tenant, changes)
        with contextlib.suppress(Planned), w.savepoint(changes) as inner:
            perhaps_insert(w, tenant, inner)
            fail(w, tenant, inner)
            await w.pause()
            raise Planned
        w.insert(tenant, changes)
        w.look(tenant, changes)
    w.look(tenant)


@operation(4)
async def values_refused_by_driver(w: Worker, tenant: str) -> None:
    """Nothing was sent: the transaction is well, and goes on."""
    with w.transaction(tenant) as changes:
        perhaps_insert(w, tenant, changes)
        with w.refused("ProgrammingError"):
            w.db.execute_sql("SELECT %s", (object(),))
        with w.refused("ValueError", "DataError"):
            w.db.execute_sql("SELECT %s", ("\0",))
        await w.pause()
        w.insert(tenant, changes)
        w.look(tenant, changes)
        if w.random.random() < 0.4:
            raise Planned


@operation(4)
async def error_in_autocommit(w: Worker, tenant: str) -> None:
    fail(w, tenant, None)
    w.look(tenant)


def kill_own_backend(w: Worker) -> None:
    with w.refused(LOST):
        w.db.execute_sql("SELECT pg_terminate_backend(pg_backend_pid())")


@operation(1)
async def own_backend_killed(w: Worker, tenant: str) -> None:
    kill_own_backend(w)
    w.look(tenant)


@operation(2)
async def own_backend_killed_in_transaction(w: Worker, tenant: str) -> None:
    """The rest of the block must not run on another connection."""
    with w.transaction(tenant) as changes:
        perhaps_insert(w, tenant, changes)
        kill_own_backend(w)
        await go_on_in_lost(w, tenant, changes, LOST)


@operation(1)
async def idle_backend_killed(w: Worker, tenant: str) -> None:
    w.db.execute_sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE usename = %s AND state = 'idle' AND pid <> pg_backend_pid() LIMIT 1",
        (ROLE,),
    )


@operation(2)
async def cancelled(w: Worker, tenant: str) -> None:
    """By itself, or by a timeout; alone, or in a transaction, which is lost then."""
    with w.refused(CANCELLED):
        w.db.execute_sql("SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(5)")
    with w.transaction(tenant) as changes:
        perhaps_insert(w, tenant, changes)
        w.db.execute_sql("SET LOCAL statement_timeout = 5")
        with w.refused(CANCELLED):
            w.db.execute_sql("SELECT pg_sleep(5)")
        await go_on_in_lost(w, tenant, changes, ABORTED)
    w.look(tenant)


@operation(1)
async def thread_dies_in_transaction(w: Worker, tenant: str) -> None:
    """Somebody begins, writes, and is gone without an end: nothing of it stays, and the place is free again."""
    changes = Changes()

    def begin_and_die() -> None:
        # Not in a use() block, which would roll back at its end what was left open.
        database = w.tenants.database_of(tenant)
        with contextlib.suppress(Exception), bound_to(database, w.tenants):
            database.begin()
            w.insert(tenant, changes)

    thread = threading.Thread(target=begin_and_die, name=f"{threading.current_thread().name}'s mortal")
    thread.start()
    thread.join()
    w.ledger.failed(changes)
    w.look(tenant)


@operation(1)
async def write_fails_after_commit(w: Worker, tenant: str) -> None:
    """A raw COMMIT in the middle: what was before it stays, what fails behind it does not."""
    with w.alone(tenant) as changes:
        value = changes.add(w.new(tenant))
        try:
            with w.db.atomic():
                Note.create(worker=w.number, value=value)
                w.step("raw commit")
                w.db.execute_sql("COMMIT")
                raise Planned
        except Planned:
            w.step("rolled back, behind the raw commit")
        except Exception as error:
            w.step(name_of(error))
            raise
    w.look(tenant)
