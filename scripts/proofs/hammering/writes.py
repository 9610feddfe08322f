"""What applications do all day: reads, writes, transactions, nested blocks, raw SQL."""

from __future__ import annotations

from hammering.ledger import Changes
from hammering.worker import MOST_ROWS, OF_DRIVER, Planned, Worker, operation
from hammering.world import TENANTS, Journal, Note


@operation(20)
async def read(w: Worker, tenant: str) -> None:
    w.look(tenant)
    await w.pause()
    w.check(tenant, [note.value for note in Note.select().order_by(Note.id.desc()).limit(20)])


@operation(14)
async def insert(w: Worker, tenant: str) -> None:
    with w.alone(tenant) as changes:
        w.insert(tenant, changes)
    w.look(tenant)


@operation(10)
async def update(w: Worker, tenant: str) -> None:
    with w.alone(tenant) as changes:
        w.replace(tenant, changes)
    w.look(tenant)


@operation(10)
async def delete(w: Worker, tenant: str) -> None:
    while len(w.ledger.values(tenant)) > MOST_ROWS:
        with w.alone(tenant) as changes:
            w.delete(tenant, changes)
    with w.alone(tenant) as changes:
        w.delete(tenant, changes)


@operation(10)
async def transaction(w: Worker, tenant: str) -> None:
    with w.transaction(tenant) as changes:
        await write(w, tenant, changes)
    w.look(tenant)


@operation(8)
async def transaction_rolled_back(w: Worker, tenant: str) -> None:
    try:
        with w.transaction(tenant) as changes:
            await write(w, tenant, changes)
            raise Planned
    finally:
        w.look(tenant)


@operation(8)
async def nested_blocks(w: Worker, tenant: str) -> None:
    with w.transaction(tenant) as changes:
        await nested(w, tenant, changes, depth=3)
        w.look(tenant, changes)
        await w.pause()
        w.insert(tenant, changes)
        if w.random.random() < 0.3:
            raise Planned


async def nested(w: Worker, tenant: str, outer: Changes, depth: int) -> None:
    """Go through blocks in blocks; some have statements before, some behind, some none; some are rolled back."""
    for _ in range(w.random.choice((1, 1, 2))):
        try:
            with w.savepoint(outer) as inner:
                if w.random.random() < 0.6:
                    w.insert(tenant, inner)
                await w.pause()
                if depth > 1 and w.random.random() < 0.6:
                    await nested(w, tenant, inner, depth - 1)
                if w.random.random() < 0.6:
                    w.replace(tenant, inner)
                if w.random.random() < 0.4:
                    raise Planned
        except Planned:
            w.step("inner rollback")


@operation(8)
async def shared_and_own(w: Worker, tenant: str) -> None:
    """Write the shared table and the tenant's in one transaction: both, or neither."""
    with w.transaction(tenant) as changes:
        value = w.insert(tenant, changes)
        await w.pause()
        changes.add(value, "journal")
        Journal.create(worker=w.number, value=value)
        for old in w.ledger.values(tenant, table="journal")[: w.random.choice((0, 2))]:
            changes.remove(old, "journal")
            found = Journal.delete().where(Journal.value == old).execute()
            w.must(found == 1, f"delete of {old} in public.journal found {found} rows")
        await w.pause()
        if w.random.random() < 0.4:
            raise Planned


@operation(6, may=OF_DRIVER)
async def raw_sql(w: Worker, tenant: str) -> None:
    with w.alone(tenant) as changes:
        value = changes.add(w.new(tenant))
        sql = "INSERT INTO note (worker, value) VALUES (%s, %s) RETURNING current_schema()"
        schema = w.db.execute_sql(sql, (w.number, value)).fetchone()[0]
    w.must(schema == f"t_{tenant}", f"raw SQL for {tenant} ran in {schema}")
    await w.pause()
    cursor = w.db.cursor()
    cursor.execute("SELECT value FROM note WHERE worker = %s", (w.number,))
    w.check(tenant, [value for (value,) in cursor])


@operation(4)
async def raw_transaction(w: Worker, tenant: str) -> None:
    """BEGIN and COMMIT as raw SQL: who keeps the connection follows from the server's own state."""
    verb = w.random.choice(("commit", "rollback", "/* as some tools write it */ COMMIT"))
    changes = Changes()
    try:
        w.db.execute_sql("begin")
        await write(w, tenant, changes)
        w.step(verb)
    except BaseException:
        w.ledger.failed(changes)
        w.db.rollback()
        raise
    keeps = "commit" in verb.lower()
    with w.alone(tenant) as settled:
        try:
            if keeps:
                settled.take(changes)
            w.db.execute_sql(verb)
        except BaseException:
            w.db.rollback()
            raise
    if not keeps:
        w.ledger.failed(changes)
    w.look(tenant)


@operation(6)
async def use_in_use(w: Worker, tenant: str) -> None:
    other = w.random.choice(TENANTS)
    w.look(tenant)
    with w.tenants.use(other):
        await w.pause()
        with w.alone(other) as changes:
            w.insert(other, changes)
        w.look(other)
        with w.tenants.shared():
            w.must(w.tenants.current_or_none is None, "shared() inside use() has a tenant")
    await w.pause()
    w.look(tenant)


@operation(3, may=("PoolTimeout",))
async def beside_transaction(w: Worker, tenant: str) -> None:
    """Work of another tenant beside an open transaction has its own connection, and stays."""
    other = w.random.choice([name for name in TENANTS if name != tenant])
    with w.transaction(tenant) as changes:
        w.insert(tenant, changes)
        with w.tenants.use(other, beside_transaction=True):
            await w.pause()
            with w.alone(other) as others:
                w.insert(other, others)
            w.look(other)
        w.look(tenant, changes)
        raise Planned


async def write(w: Worker, tenant: str, changes: Changes) -> None:
    """Change some rows, and read them as they are inside the transaction."""
    w.insert(tenant, changes)
    await w.pause()
    w.replace(tenant, changes)
    if w.random.random() < 0.5:
        w.delete(tenant, changes, most=2)
    await w.pause()
    w.look(tenant, changes)
