"""Results that are read in pieces, or not to their end."""

from __future__ import annotations

from typing import Any

from playhouse.postgres_ext import ServerSide

from hammering.worker import OF_DRIVER, Planned, Worker, operation
from hammering.world import Note


@operation(5, may=OF_DRIVER)
async def stream(w: Worker, tenant: str) -> None:
    query = Note.select().where(Note.worker == w.number)
    values = []
    for note in ServerSide(query, array_size=w.random.choice((1, 3, 100))):
        values.append(note.value)
        await w.pause()
    w.check(tenant, values)
    faults = w.ledger.faults(tenant, {("note", value) for value in values}, "note")
    w.must(not faults, f"streamed in {tenant}: {faults}")


@operation(4, may=OF_DRIVER)
async def stream_half_read(w: Worker, tenant: str) -> None:
    """Dropped in the middle: at once, or by the garbage collector, in whatever thread that runs."""
    rows: Any = ServerSide(Note.select(), array_size=2)
    w.check(tenant, [note.value for note in _first(rows, 3)])
    await w.pause()
    if w.random.random() < 0.3:
        circle = [rows]
        circle.append(circle)
    elif w.random.random() < 0.5:
        rows.close()


@operation(4, may=OF_DRIVER)
async def stream_in_transaction(w: Worker, tenant: str) -> None:
    """A cursor in the open transaction: it ends with it, or with a savepoint around it, and breaks nothing."""
    with w.transaction(tenant) as changes:
        w.insert(tenant, changes)
        rows: Any = ServerSide(Note.select(), array_size=2)
        try:
            with w.savepoint(changes) as inner:
                w.insert(tenant, inner)
                w.check(tenant, [note.value for note in _first(rows, 3)])
                await w.pause()
                if w.random.random() < 0.5:
                    raise Planned
        except Planned:
            rows.close()
        w.insert(tenant, changes)
        w.check(tenant, [note.value for note in _first(rows, 3)])
        w.look(tenant, changes)


@operation(2, may=(*OF_DRIVER, "psycopg2.ProgrammingError"))
async def stream_after_its_transaction(w: Worker, tenant: str) -> None:
    """What is left of it may be an error, but never another borrower's business."""
    with w.transaction(tenant) as changes:
        w.insert(tenant, changes)
        rows: Any = ServerSide(Note.select(), array_size=1)
        _first(rows, 1)
    await w.pause()
    for note in rows:
        w.check(tenant, [note.value])


@operation(4)
async def half_read(w: Worker, tenant: str) -> None:
    rows = iter(Note.select().iterator())
    w.check(tenant, [note.value for note in _first(rows, 2)])
    await w.pause()
    w.check(tenant, [note.value for note in _first(rows, 2)])
    cursor = w.db.execute_sql("SELECT value FROM note")
    w.check(tenant, [value for (value,) in cursor.fetchmany(2)])


def _first(rows: Any, count: int) -> list[Any]:
    return [row for _, row in zip(range(count), rows, strict=False)]
