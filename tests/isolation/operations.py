"""What may be done in the world: one vocabulary for the machine, the schedules, the threads and the tasks.

An operation takes an actor, a tenant and a small number, and chooses with these. It does not run where it does not fit.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import gc
import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import peewee
from playhouse.postgres_ext import ServerSide
from psycopg2.extensions import AsIs

from isolation.actor import REFUSED, Actor, Block, Held, Mistake
from isolation.world import MODELS, POOL_SIZE, PREFIX, SHARED, Author, Bait, Note, Plan, tally
from tenantry import TenantExecutor, across, compiled, fn, stream, with_shared, wrap
from tenantry.errors import (
    GeneratorSuspended,
    NoTenantBound,
    NothingBound,
    PoolTimeout,
    ServerError,
    SessionRequired,
    TenantBound,
    TenantDropped,
    TenantExists,
    TenantSuspended,
    TransactionElsewhere,
    TransactionLeftOpen,
    TransactionOpen,
    UnknownTenant,
    WrongTenant,
)

Work = Callable[[Actor, str, int], None]
Fits = Callable[[Actor], bool]


@dataclass(frozen=True)
class Operation:
    name: str
    work: Work
    fits: Fits
    weight: int
    parallel: bool  # Others may move while it runs.
    direct: bool  # A pooler in transaction mode refuses it, or does it with other backends.

    def run(self, actor: Actor, tenant: str, number: int) -> None:
        tally["steps"] += 1
        tally[f"did: {self.name}"] += 1
        self.work(actor, tenant, number)


OPERATIONS: dict[str, Operation] = {}


def anywhere(actor: Actor) -> bool:
    return True


def bound(actor: Actor) -> bool:
    return actor.place is not None


def at_work(actor: Actor) -> bool:
    return actor.is_at_work()


def outside_transactions(actor: Actor) -> bool:
    return not actor.layers()


def operation(
    fits: Fits = anywhere, *, weight: int = 1, parallel: bool = True, direct: bool = False
) -> Callable[[Work], Work]:
    def register(work: Work) -> Work:
        OPERATIONS[work.__name__] = Operation(work.__name__, work, fits, weight, parallel, direct)
        return work

    return register


# Blocks.


def refusal_to_enter(actor: Actor, tenant: str) -> type[Exception] | None:
    world = actor.world
    if tenant not in world.living:
        return TenantDropped if world.lives[tenant] else UnknownTenant
    if tenant in world.suspended:
        return TenantSuspended
    return TransactionOpen if any(layer.place != world.living[tenant] for layer in actor.layers()) else None


@operation(lambda actor: len(actor.blocks) < 6, weight=8)
def enter(actor: Actor, tenant: str, _: int) -> None:
    refusal = refusal_to_enter(actor, tenant)
    if refusal is not None:
        with actor.refused(refusal, about=tenant):
            actor.world.engine.use(tenant).__enter__()
    else:
        actor.enter(actor.world.engine.use(tenant), "use", actor.world.living[tenant])


@operation(lambda actor: len(actor.blocks) < 6)
def enter_shared(actor: Actor, _: str, __: int) -> None:
    if any(layer.place != SHARED for layer in actor.layers()):
        with actor.refused(TransactionOpen):
            actor.world.engine.shared().__enter__()
    else:
        actor.enter(actor.world.engine.shared(), "use", SHARED)


@operation(lambda actor: bool(actor.layers()) and len(actor.blocks) < 6, weight=2)
def enter_beside(actor: Actor, tenant: str, _: int) -> None:
    """Another tenant, with a connection of its own, whose work stays when the transaction is rolled back."""
    if tenant in actor.world.living and tenant not in actor.world.suspended:
        use = actor.world.engine.use(tenant, beside_transaction=True)
        actor.enter(use, "use", actor.world.living[tenant])


@operation(lambda actor: any(block.kind != "generator" for block in actor.blocks), weight=4)
def leave(actor: Actor, _: str, number: int) -> None:
    """Leave the innermost block, also when a generator has entered one inside of it that is still open."""
    block = next(block for block in reversed(actor.blocks) if block.kind != "generator")
    actor.leave(block, Mistake() if number % 3 == 0 else None)


@operation(lambda actor: len(actor.blocks) > 1)
def leave_out_of_order(actor: Actor, _: str, number: int) -> None:
    """Leave a block while those inside of it go on; not one that a transaction was begun in."""
    blocks = [b for i, b in enumerate(actor.blocks) if b.kind == "use" and not _encloses_transaction(actor, i)]
    if blocks:
        actor.leave(blocks[number % len(blocks)])


def _encloses_transaction(actor: Actor, index: int) -> bool:
    return any(block.kind == "atomic" for block in actor.blocks[index:])


def _may_begin(actor: Actor) -> bool:
    # A second one on another place, and a statement beside them, must find a connection.
    return actor.place is not None and len(actor.layers()) < 4


@operation(_may_begin, weight=4)
def begin(actor: Actor, _: str, __: int) -> None:
    """A transaction, or a savepoint in one."""
    place = actor.place
    assert place is not None
    atomic = actor.world.engine.database.atomic()
    if actor.refusal(shared=True) is None:
        actor.enter(atomic, "atomic", place)
    else:
        with actor.refused(*(actor.refusal(shared=True) or ())):
            atomic.__enter__()


@operation(outside_transactions)
def leave_transaction_open(actor: Actor, tenant: str, number: int) -> None:
    """What was begun by hand, and not ended, is rolled back at the end of the block."""
    if refusal_to_enter(actor, tenant) is not None:
        return
    with contextlib.suppress(Mistake) if number % 2 else actor.refused(TransactionLeftOpen):
        with actor.world.engine.use(tenant):
            actor.world.engine.database.begin()
            Note.create(value=actor.new(actor.world.living[tenant]))
            if number % 2:
                raise Mistake


# Statements.


@operation(lambda actor: not actor.is_at_work(), weight=2)
def touch_without_tenant(actor: Actor, _: str, number: int) -> None:
    """Where no tenant is bound, or the transaction aborted, nothing is done; and where it can be, nothing is sent."""
    ways: list[Callable[[], Any]] = [
        lambda: Note.create(value="nobody's"),
        lambda: list(Note.select()),
        lambda: Note.update(value="nobody's").execute(),
        lambda: Note.delete().execute(),
        lambda: Note.get_by_id(1),
        lambda: Note(id=1, value="nobody's").save(),
        lambda: list(Author(id=1).notes),
        lambda: Note.select().count(),
        lambda: Note.insert_many([{"value": "nobody's"}]).execute(),
        lambda: Note.bulk_create([Note(value="nobody's")]),
        lambda: Note.create_table(),
        lambda: list(Note.raw("SELECT * FROM note")),
    ]
    actor.do(ways[number])


@operation(bound, weight=4)
def create(actor: Actor, _: str, number: int) -> None:
    plans = [key.id for key in [*actor.world.committed] if key.table == "plan"]
    value, plan = actor.new(), plans[number % len(plans)] if plans and number % 2 else None
    note = actor.do(lambda: Note.create(value=value, plan=plan))
    if note is not REFUSED:
        actor.put("note", note.id, value)


@operation(bound, weight=2)
def create_with_author(actor: Actor, _: str, __: int) -> None:
    value = actor.new()
    author = actor.do(lambda: Author.create(value=value))
    if author is not REFUSED:
        actor.put("author", author.id, value)
        note = actor.do(lambda: Note.create(value=value, author=author))
        actor.put("note", note.id, value)
        actor.shelf += [Held("row", actor.place, note), Held("row", actor.place, author)]


@operation(bound)
def create_plan(actor: Actor, _: str, __: int) -> None:
    value = actor.new(SHARED)
    plan = actor.do(lambda: Plan.create(value=value), shared=True)
    if plan is not REFUSED:
        actor.put("plan", plan.id, value)


@operation(bound)
def insert_many(actor: Actor, _: str, number: int) -> None:
    values = [actor.new() for _ in range(number % 3 + 1)]
    rows = actor.do(lambda: list(Note.insert_many([{"value": value} for value in values]).returning(Note.id).execute()))
    if rows is not REFUSED:
        for row, value in zip(rows, values, strict=True):
            actor.put("note", row.id, value)


@operation(bound)
def bulk_create(actor: Actor, _: str, __: int) -> None:
    notes = [Note(value=actor.new()) for _ in range(2)]
    if actor.do(lambda: Note.bulk_create(notes)) is not REFUSED:
        for note in notes:
            actor.put("note", note.id, note.value)


@operation(bound)
def upsert(actor: Actor, _: str, number: int) -> None:
    """Insert a value that is there already, perhaps, and change it then."""
    own = sorted(actor.own().items()) if actor.place else []
    old = own[number % len(own)][1] if own and number % 3 else actor.new()
    new = actor.new()

    def insert() -> Any:
        query = Note.insert(value=old).on_conflict(conflict_target=[Note.value], update={Note.value: new})
        return query.returning(Note.id, Note.value).execute()

    rows = actor.do(insert)
    if rows is not REFUSED:
        (row,) = rows
        actor.put("note", row.id, row.value)
        assert row.value == (new if (row.id, old) in own else old)


@operation(bound, weight=2)
def update(actor: Actor, _: str, number: int) -> None:
    own = sorted(actor.own().items()) if actor.place else []
    key, old = own[number % len(own)] if own else (0, "")
    value = actor.new()
    changed = actor.do(lambda: Note.update(value=value).where(Note.value == old).execute())
    if changed is not REFUSED:
        assert changed == bool(own)
        if own:
            actor.put("note", key, value)


@operation(bound)
def delete(actor: Actor, _: str, number: int) -> None:
    own = sorted(actor.own().items()) if actor.place else []
    key, old = own[number % len(own)] if own else (0, "")
    deleted = actor.do(lambda: Note.delete().where(Note.value == old).execute())
    if deleted is not REFUSED and own:
        assert deleted == 1
        actor.put("note", key, None)


@operation(bound, weight=4)
def read(actor: Actor, _: str, number: int) -> None:
    """The same rows, in different ways."""
    table = ("note", "author", "plan")[number % 3]
    model: Any = MODELS[table]
    ways: list[Callable[[], Any]] = [
        lambda: list(model.select()),
        lambda: list(model.select().iterator()),
        lambda: list(model.raw(f"SELECT id, value FROM {'i_commons.' if table == 'plan' else ''}{table}")),
        lambda: list(model.select(model.id, model.value).namedtuples()),
        lambda: list(model.select() | model.select()),
    ]
    rows = actor.do(ways[number % len(ways)], shared=table == "plan")
    if rows is not REFUSED:
        actor.compare(table, {row.id: row.value for row in rows})


@operation(at_work)
def read_what_it_lacks(actor: Actor, _: str, __: int) -> None:
    """A table that is in public, and is not the tenant's."""
    with actor.refused(peewee.ProgrammingError):
        Bait.select().count()
    for layer in actor.layers(actor.place)[-1:]:
        layer.broken = True


@operation(bound)
def count(actor: Actor, _: str, __: int) -> None:
    found = actor.do(lambda: (Note.select().count(), Note.select().exists()))
    if found is not REFUSED and actor.exact:
        assert found == (len(actor.rows("note")), bool(actor.rows("note")))


@operation(bound)
def join(actor: Actor, _: str, __: int) -> None:
    """Over the tenant's tables, and with the shared one."""
    query = Note.select(Note, Author, Plan).left_outer_join(Author).switch(Note).left_outer_join(Plan)
    rows = actor.do(lambda: list(query))
    if rows is not REFUSED:
        actor.compare("note", {row.id: row.value for row in rows})
        actor.check_provenance([row.author.value for row in rows if row.author], actor.place)
        actor.check_provenance([row.plan.value for row in rows if row.plan], SHARED)


@operation(bound)
def follow(actor: Actor, _: str, __: int) -> None:
    """To the author of a note, and to the notes of an author."""
    authors = actor.do(lambda: list(Author.select()))
    if authors is not REFUSED:
        for author in authors:
            actor.check_provenance([note.value for note in author.notes], actor.place)
            actor.check_provenance([note.author.value for note in author.notes], actor.place)


# SQL by hand.


@operation(bound, weight=2)
def raw(actor: Actor, _: str, __: int) -> None:
    value = actor.new()
    database = actor.world.engine.database
    sql = "INSERT INTO note (value) VALUES (%s) RETURNING id"
    rows = actor.do(lambda: database.execute_sql(sql, (value,)).fetchall()) if actor.place != SHARED else REFUSED
    if rows is not REFUSED:
        actor.put("note", rows[0][0], value)


@operation(lambda actor: at_work(actor) and not actor.layers(actor.place), direct=True)
def raw_transaction(actor: Actor, _: str, number: int) -> None:
    """Begun and ended in one text. It begins with a verb of transactions, and needs its path all the same."""
    value, end = actor.new(), "ROLLBACK" if number % 3 == 0 else "COMMIT"
    actor.world.engine.database.execute_sql(f"BEGIN; INSERT INTO note (value) VALUES ('{value}'); {end}")
    (row,) = [*Note.select().where(Note.value == value)] or [None]
    assert (row is None) == (end == "ROLLBACK")
    if row is not None:
        actor.put("note", row.id, value)


@operation(lambda actor: at_work(actor) and not actor.layers(actor.place), direct=True)
def raw_escape(actor: Actor, _: str, __: int) -> None:
    """What follows a COMMIT in one text has lost its path, and finds nothing."""
    with actor.refused(peewee.ProgrammingError):
        actor.world.engine.database.execute_sql("COMMIT; SELECT value FROM note")


_TRACES = (
    "SELECT set_config('search_path', '{other}', false)",
    "SELECT i_commons.leave_path('{other}')",
    "SELECT set_config('search_path', '{other}', true)",
    "SET LOCAL search_path TO {other}",
    "SELECT pg_advisory_lock({unique})",  # Two of one number would wait for each other: an idle connection keeps it.
    "SELECT set_config('work_mem', '1MB', false)",
    "DO $$BEGIN EXECUTE 'PREPARE left_{unique} AS SELECT 1'; END$$",
    "DO $$BEGIN EXECUTE 'LISTEN left_behind'; END$$",
    "DO $$BEGIN EXECUTE 'DECLARE left_{unique} CURSOR WITH HOLD FOR SELECT value FROM note'; END$$",
    "DO $$BEGIN EXECUTE 'SET ROLE ' || quote_ident(session_user); END$$",
    (
        "DO $$BEGIN EXECUTE 'CREATE TEMP TABLE IF NOT EXISTS note (id int, value text, author_id int, plan_id int)';"
        "EXECUTE 'INSERT INTO pg_temp.note VALUES (1, ''bait:0:0'')'; END$$"
    ),
    "DO $$BEGIN EXECUTE 'CREATE TEMP TABLE IF NOT EXISTS left_behind (value text)'; END$$",
)
_unique = itertools.count()


@operation(at_work, weight=3)
def leave_traces(actor: Actor, tenant: str, number: int) -> None:
    """SQL that leaves something on a connection which no text shows. What follows must not be touched by it."""
    text = _TRACES[number % len(_TRACES)].format(other=PREFIX + tenant, unique=next(_unique))
    database = actor.world.engine.database
    if not text.startswith("SET"):
        database.execute_sql(text)
    elif actor.layers(actor.place):
        database.execute_sql(text)
        actor.compare("note", {row.id: row.value for row in Note.select()})


@operation(lambda actor: actor.place is not None)
def ask_for_what_would_stay(actor: Actor, tenant: str, number: int) -> None:
    text = (f"SET search_path TO {PREFIX}{tenant}", "LISTEN a", "PREPARE a AS SELECT 1", "RESET ALL")[number % 4]
    with actor.refused(SessionRequired, NothingBound, silent=True, about=tenant):
        actor.world.engine.database.execute_sql(text)


@operation(lambda actor: at_work(actor) and not actor.layers(actor.place), parallel=False, direct=True)
def session(actor: Actor, tenant: str, number: int) -> None:
    """A connection of its own, with a path that is changed: nothing of it is left when the block ends."""
    database = actor.world.engine.database
    with contextlib.suppress(Mistake), database.session():
        actor.compare("note", {row.id: row.value for row in Note.select()})
        database.execute_sql("CREATE TEMP TABLE left_behind (value text)")
        database.execute_sql("LISTEN left_behind")
        database.execute_sql(f"SET search_path TO {PREFIX}{tenant}")
        if number % 2:
            database.execute_sql("BEGIN")
            raise Mistake


# Errors, and connections that die.

_WRONG = (
    "selec 1",
    "SELECT 1 / 0",
    "SELECT * FROM nowhere",
    "INSERT INTO note (value) VALUES (NULL)",
    "SELECT pg_advisory_lock({unique})::text::int",  # It takes the lock, and fails.
)


@operation(bound, weight=2)
def fail(actor: Actor, _: str, number: int) -> None:
    """A statement that the server refuses. In a transaction it aborts it, also when it is the first, and caught."""
    database = actor.world.engine.database
    text = _WRONG[number % len(_WRONG)].format(unique=next(_unique))
    if actor.refusal() is not None:
        if actor.place != SHARED:
            with actor.refused(*(actor.refusal() or ()), peewee.ProgrammingError):  # It is parsed before all else.
                database.execute_sql(text)
        return
    with actor.refused(peewee.DatabaseError):
        database.execute_sql(text)
    for layer in actor.layers(actor.place)[-1:]:
        layer.broken = True


@operation(at_work)
def be_refused_by_driver(actor: Actor, _: str, __: int) -> None:
    """Values that the driver refuses harm no transaction."""
    with actor.refused(peewee.ProgrammingError):
        actor.world.engine.database.execute_sql("SELECT %s", (object(),))


@operation(lambda actor: at_work(actor) and bool(actor.layers(actor.place)), weight=2, parallel=False)
def lose_connection(actor: Actor, _: str, __: int) -> None:
    """The backend of the open transaction is killed. Nothing of the transaction may be done, or go on elsewhere."""
    ((pid,),) = actor.world.engine.database.execute_sql("SELECT pg_backend_pid()").fetchall()
    actor.world.kill(pid)
    for layer in actor.layers(actor.place):
        layer.lost = True


@operation(parallel=False, direct=True)
def lose_idle_connections(actor: Actor, _: str, number: int) -> None:
    for pid in actor.world.backends("idle")[: number + 1]:
        actor.world.kill(pid)


@operation(lambda actor: at_work(actor) and not actor.layers(actor.place), parallel=False)
def exhaust_pool(actor: Actor, _: str, __: int) -> None:
    """While every connection is in use, a statement is refused after its wait; then all is well."""
    pool, taken = actor.world.engine.parts.pool, []
    with contextlib.suppress(PoolTimeout):
        while True:
            taken.append(pool.take("", patient=False))
    assert len(taken) <= POOL_SIZE
    try:
        with actor.refused(PoolTimeout):
            Note.create(value=actor.new())
    finally:
        for connection in taken:
            pool.give(connection)


# Things that outlive the block in which they were made.


@operation(at_work, weight=5)
def hold(actor: Actor, _: str, number: int) -> None:
    """A query, a result, an iterator or rows, for later."""
    query = Note.select().order_by(Note.id)
    kind = ("query", "result", "iterator", "row", "row", "author")[number % 6]
    if kind == "query":
        actor.shelf.append(Held(kind, actor.place, query))
    elif kind == "result":
        actor.shelf.append(Held(kind, actor.place, query.execute()))
    elif kind == "iterator":
        rows = iter(query) if number % 2 else query.iterator()
        actor.check_provenance([row.value for row in itertools.islice(rows, 1)], actor.place)
        actor.shelf.append(Held(kind, actor.place, rows))
    elif kind == "row":
        actor.shelf += [Held(kind, actor.place, row) for row in query.limit(2)]
    else:
        actor.shelf += [Held("row", actor.place, row) for row in Author.select().limit(2)]


@operation(lambda actor: actor.place is None)
def hold_what_is_nobodys(actor: Actor, _: str, __: int) -> None:
    """A query built where nothing is bound runs for whoever is, freshly each time."""
    actor.shelf.append(Held("anybody's", None, Note.select().order_by(Note.id)))


@operation(lambda actor: bool(actor.shelf), weight=8)
def use_held(actor: Actor, _: str, number: int) -> None:
    held = actor.shelf[-1 - number % min(len(actor.shelf), 5)]
    USES[held.kind](actor, held, number)


def _use_query(actor: Actor, held: Held, number: int) -> None:
    ways: list[Callable[[], Any]] = [
        lambda: list(held.what.clone()),
        lambda: list(held.what.clone().where(Note.id > 0)),
        lambda: list(Note.select().where(Note.id.in_(held.what.clone().select(Note.id)))),
    ]
    rows = actor.do_with(held, ways[number % 3])
    if rows is not REFUSED:
        actor.compare("note", {row.id: row.value for row in rows})


def _use_result(actor: Actor, held: Held, number: int) -> None:
    ways: list[Callable[[], Any]] = [
        lambda: list(held.what),
        lambda: held.what[:2],
        lambda: [] if len(held.what) >= 0 else None,
    ]
    rows = actor.do_with(held, ways[number % 3], cached=True)
    if rows is not REFUSED:
        actor.check_provenance([row.value for row in rows], held.place)


def _use_iterator(actor: Actor, held: Held, _: int) -> None:
    row = actor.do_with(held, lambda: next(held.what, None), cached=True)
    if row is not REFUSED and row is not None:
        actor.check_provenance([row.value], held.place)


def _use_anybodys(actor: Actor, held: Held, _: int) -> None:
    rows = actor.do(lambda: list(held.what))
    if rows is not REFUSED:
        actor.compare("note", {row.id: row.value for row in rows})


def _use_row(actor: Actor, held: Held, number: int) -> None:
    _compare_key(actor, held)
    ways = [_save, _delete_row, _bulk_update, _as_value, _follow_row, _refer, _bulk_insert, _as_typed_value, _as_given]
    ways[number % len(ways)](actor, held)


def _table(held: Held) -> str:
    return "note" if isinstance(held.what, Note) else "author"


def _may_change(actor: Actor, held: Held) -> bool:
    """Say whether a change of the row waits for nobody else's."""
    if actor.place != held.place:
        return True  # For it is to be refused.
    return held.what.id in actor.own(_table(held)) or held.what.id not in actor.rows(_table(held))


def _save(actor: Actor, held: Held) -> None:
    table, row = _table(held), held.what
    if not _may_change(actor, held):
        return
    row.value = actor.new(held.place)
    saved = actor.do_with(held, lambda: row.save(only=[type(row).value]))
    if saved is not REFUSED:
        assert saved == (row.id in actor.rows(table))
        if saved:
            actor.put(table, row.id, row.value)


def _delete_row(actor: Actor, held: Held) -> None:
    if _table(held) == "note" and _may_change(actor, held):
        deleted = actor.do_with(held, held.what.delete_instance)
        if deleted is not REFUSED and deleted:
            actor.put("note", held.what.id, None)


def _bulk_update(actor: Actor, held: Held) -> None:
    if not _may_change(actor, held):
        return
    table, row = _table(held), held.what
    row.value = actor.new(held.place)
    changed = actor.do_with(held, lambda: type(row).bulk_update([row], fields=["value"]))
    if changed is not REFUSED and changed:
        actor.put(table, row.id, row.value)


def _as_value(actor: Actor, held: Held) -> None:
    """Its key in a query that is built here."""
    field = Note.author if _table(held) == "author" else Note.id
    rows = actor.do_with(held, lambda: list(Note.select().where(field == held.what)))
    if rows is not REFUSED:
        actor.check_provenance([row.value for row in rows], held.place)


def _follow_row(actor: Actor, held: Held) -> None:
    """To the author, who may have been read before, or to the notes."""
    if _table(held) == "note":
        if held.what.author_id is not None:
            cached = "author" in held.what.__rel__
            try:
                author = actor.do_with(held, lambda: held.what.author, cached=cached)
            except Author.DoesNotExist:  # The transaction that made the author was rolled back.
                return
            if author is not REFUSED:
                actor.check_provenance([author.value], held.place)
    else:
        notes = actor.do_with(held, lambda: list(held.what.notes))
        if notes is not REFUSED:
            actor.check_provenance([note.value for note in notes], held.place)


def _refer(actor: Actor, held: Held) -> None:
    """From a row that is made here."""
    if _table(held) == "author" and (actor.place != held.place or held.what.id in actor.own("author")):
        value = actor.new(held.place)
        note = actor.do_with(held, lambda: Note.create(value=value, author=held.what))
        if note is not REFUSED:
            actor.put("note", note.id, value)


def _compare_key(actor: Actor, held: Held) -> None:
    """A row of another tenant with the same key is another row."""
    if actor.refusal() is None:
        other = type(held.what).get_or_none(id=held.what.id)
        assert (other == held.what) == (other is not None and actor.place == held.place)


def _bulk_insert(actor: Actor, held: Held) -> None:
    if actor.place != held.place:
        actor.do_with(held, lambda: type(held.what).bulk_create([held.what]))


def _as_typed_value(actor: Actor, held: Held) -> None:
    """Its key in a query of the builder's."""
    field = Note.author if _table(held) == "author" else Note.id
    rows = actor.do_with(held, lambda: with_shared(Note).where(field == held.what).select(Note.value).execute())
    if rows is not REFUSED:
        actor.check_provenance([value for (value,) in rows], held.place)


def _as_given(actor: Actor, held: Held) -> None:
    """Its key for the parameter of a compiled query."""
    query = _of_author if _table(held) == "author" else _of_note
    rows = actor.do_with(held, lambda: query.execute(held.what))
    if rows is not REFUSED:
        actor.check_provenance([value for (value,) in rows], held.place)


USES = {
    "query": _use_query,
    "result": _use_result,
    "iterator": _use_iterator,
    "row": _use_row,
    "anybody's": _use_anybodys,
}


@operation(lambda actor: at_work(actor) and not actor.layers())
def copy_row(actor: Actor, tenant: str, _: int) -> None:
    """The way to take a row to another tenant: a copy, without its key."""
    row = Author.select().first()
    if row is not None and refusal_to_enter(actor, tenant) is None:
        place = actor.world.living[tenant]
        copy = row.copy_to(tenant, value=actor.new(place))
        with actor.world.engine.use(tenant):
            copy.save()
        actor.put("author", copy.id, copy.value, place=place, alone=True)


@operation(lambda actor: at_work(actor) and not actor.layers(), parallel=False)
def read_in_pieces(actor: Actor, tenant: str, number: int) -> None:
    """A result that stays in the server; somebody else works meanwhile, and it may be given up half-read."""
    rows = iter(ServerSide(Note.select().order_by(Note.id), array_size=1))
    found = [row.value for row in itertools.islice(rows, number % 3)]
    unread = 0 < len(found) < len(actor.rows("note"))
    if unread and refusal_to_enter(actor, tenant) is None and actor.world.living[tenant] != actor.place:
        with actor.world.engine.use(tenant), actor.refused(WrongTenant):
            next(rows)
    value = actor.new()
    actor.put("note", Note.create(value=value).id, value)  # No part of the transaction that the result lives in.
    if number % 2:
        found += [row.value for row in rows]
    actor.check_provenance(found, actor.place)
    del rows
    gc.collect(0)


# The builder's queries.


@compiled
def _of_author(author: Any) -> Any:
    return with_shared(Note).where(Note.author == author).select(Note.value)


@compiled
def _of_note(note: Any) -> Any:
    return with_shared(Note).where(Note.id == note).select(Note.value)


@compiled
def _notes_from(least: int) -> Any:
    return with_shared(Note).where(Note.id >= least).select(Note.id, Note.value)


@compiled
def _plans_from(least: int) -> Any:
    return with_shared(Plan).where(Plan.id >= least).select(Plan.id, Plan.value)


@compiled
def _rows_from(least: int) -> Any:
    return with_shared(Note).where(Note.id >= least)


@compiled
def _coalesced(value: Any) -> Any:
    return with_shared(Note).select(fn.call("coalesce", value, returns=str), fn.count())


def _streamed(query: Any, chunk: int) -> list[Any]:
    with query.stream(chunk=chunk) as rows:
        return list(rows)


def _ways_of(query: Any, model: Any, number: int) -> Callable[[], list[Any]]:
    """Return a way to have the ids and values of a builder's query, for later."""
    pair = query.select(model.id, model.value)
    ways: list[Callable[[], list[Any]]] = [
        pair.execute,
        lambda: [(row.id, row.value) for row in query.execute()],
        lambda: [(row["id"], row["value"]) for row in pair.dicts()],
        lambda: _streamed(pair, number % 3 + 1),
        lambda: with_shared(model).where(model.id.in_(query.select(model.id))).select(model.id, model.value).execute(),
        lambda: [(row.id, row.value) for row in model.select().where(model.id.in_(query.select(model.id)))],
        lambda: pair.into(lambda number, value: (number, value)).execute(),
    ]
    return ways[number % len(ways)]


@operation(bound, weight=4)
def ask(actor: Actor, _: str, number: int) -> None:
    """The same rows by the builder, in different ways."""
    table = ("note", "plan", "author")[number // 4]
    model: Any = MODELS[table]
    rows = actor.do(lambda: _ways_of(with_shared(model), model, number)(), shared=table == "plan")
    if rows is not REFUSED:
        actor.compare(table, dict(rows))


@operation(bound)
def ask_with_shared(actor: Actor, _: str, __: int) -> None:
    """Over the tenant's tables, and the shared one."""
    query = (
        with_shared(Note)
        .left_join(Author, on=Note.author == Author.id)
        .left_join(Plan, on=Note.plan == Plan.id)
        .select(Note.id, Note.value, Author.value, Plan.value)
    )
    rows = actor.do(query.execute)
    if rows is not REFUSED:
        actor.compare("note", {key: value for key, value, _, _ in rows})
        actor.check_provenance([author for _, _, author, _ in rows if author is not None], actor.place)
        actor.check_provenance([plan for _, _, _, plan in rows if plan is not None], SHARED)


@operation(bound)
def ask_shared_with_tenants(actor: Actor, _: str, number: int) -> None:
    """Of the shared table, with a part that is a tenant's: it needs a tenant, and finds nothing of that name else."""
    query = with_shared(Plan).where(fn.exists(with_shared(Note)) | (Plan.id > 0)).select(Plan.id, Plan.value)
    rows = actor.do((query.execute, query.compile().execute)[number % 2])
    if rows is not REFUSED:
        actor.compare("plan", dict(rows))


@operation(lambda actor: not actor.layers(), weight=2, parallel=False)
def ask_across(actor: Actor, _: str, __: int) -> None:
    """Where nothing or the shared schema is bound each row is its tenant's, and inside a tenant there are none."""
    world = actor.world
    query = across(world.engine, with_shared(Note).select(Note.value))
    if actor.place not in (None, SHARED):
        with actor.refused(TenantBound, silent=True):
            query.execute()
    elif actor.binding is None or actor.binding.kind == "use":
        for tenant, (value,) in query.execute():
            actor.check_provenance([value], world.living[tenant])


@operation(bound)
def ask_for_few(actor: Actor, _: str, __: int) -> None:
    query = with_shared(Note).order_by(Note.id).select(Note.value)
    found = actor.do(lambda: (query.count(), query.exists(), query.first(), query.limit(1).one_or_none()))
    if found is not REFUSED:
        count, exists, first, one = found
        actor.check_provenance([value for (value,) in filter(None, (first, one))], actor.place)
        if actor.exact:
            rows = [(value,) for _, value in sorted(actor.rows("note").items())]
            assert (count, exists) == (len(rows), bool(rows))
            assert first == one == next(iter(rows), None)


@operation(weight=4)
def run_compiled(actor: Actor, _: str, number: int) -> None:
    """What was compiled once, in whatever example was the first, runs for whoever is bound."""
    if number % 4 == 3:
        rows = actor.do(lambda: _plans_from.execute(0), shared=True)
        table = "plan"
    elif number % 4 == 2:
        rows = actor.do(lambda: [(row.id, row) for row in _rows_from.execute(0)])
        table = "note"
        if rows is not REFUSED:
            actor.shelf += [Held("row", actor.place, row) for _, row in rows[:1]]
            rows = [(key, row.value) for key, row in rows]
    else:
        rows = actor.do(lambda: _notes_from.execute(least=0))
        table = "note"
    if rows is not REFUSED:
        actor.compare(table, dict(rows))


@operation(at_work, weight=4)
def hold_typed(actor: Actor, _: str, number: int) -> None:
    """A query of the builder's that is begun here is this tenant's; its rows are so in any case."""
    query = with_shared(Note).where(Note.id > 0)
    if number % 3:
        actor.shelf.append(Held("typed", actor.place, query))
    else:
        actor.shelf += [Held("row", actor.place, row) for row in query.limit(2).execute()]


@operation(lambda actor: actor.own_binding is None)
def hold_typed_of_nobody(actor: Actor, _: str, __: int) -> None:
    actor.shelf.append(Held("typed", None, with_shared(Note).where(Note.id > 0)))


def _use_typed(actor: Actor, held: Held, number: int) -> None:
    query = held.what
    if number >= 10:  # Once it is compiled it is nobody's.
        rows = actor.do(query.select(Note.id, Note.value).compile().execute)
    elif number >= 7:
        found = actor.do_with(held, (query.count, query.exists, query.first)[number - 7])
        if isinstance(found, Note):
            actor.check_provenance([found.value], actor.place)
        return
    else:
        rows = actor.do_with(held, _ways_of(query, Note, number))
    if rows is not REFUSED:
        actor.compare("note", dict(rows))


USES["typed"] = _use_typed


@operation(at_work, weight=2)
def leave_typed_traces(actor: Actor, tenant: str, number: int) -> None:
    """By a function that the builder calls, or by SQL that is given for a value."""
    setting = (("search_path", PREFIX + tenant), ("work_mem", "1MB"))[number % 2]
    query = with_shared(Note).select(fn.call("set_config", *setting, False, returns=str), fn.count())
    ways: list[Callable[[], Any]] = [
        query.execute,
        query.first,
        query.compile().execute,
        lambda: _streamed(query, 1),
        lambda: _coalesced.execute(AsIs("set_config('{}', '{}', false)".format(*setting))),
    ]
    ways[number // 2 % len(ways)]()


def _open_rows(actor: Actor) -> list[Block]:
    return [block for block in actor.blocks if block.kind == "rows"]


def _may_open_rows(actor: Actor) -> bool:
    # Its connection is one of those that the others need: one at a time.
    is_first = actor.exact and not any(_open_rows(other) for other in actor.world.actors)
    return is_first and actor.is_at_work() and not actor.layers() and len(actor.blocks) < 6


@operation(_may_open_rows, weight=4, parallel=False)
def open_rows(actor: Actor, _: str, number: int) -> None:
    """A result of the builder's that stays in the server, and is read while other things are done."""
    place = actor.place
    assert place is not None
    query = with_shared(Note).order_by(Note.id)
    actor.enter(query.stream(chunk=number % 3 + 1), "rows", place)
    actor.blocks[-1].unread = [value for _, value in sorted(actor.rows("note").items())]


@operation(lambda actor: bool(_open_rows(actor)), weight=8, parallel=False)
def read_rows(actor: Actor, _: str, number: int) -> None:
    """The next ones, as they were when it was opened; elsewhere none, and none is lost by asking there."""
    (block,) = _open_rows(actor)
    held, wanted = Held("rows", block.place, block.rows), number % 2 + 1
    rows = actor.do_with(held, lambda: list(itertools.islice(held.what, wanted)), cached=True)
    if rows is not REFUSED:
        found = [row.value for row in rows]
        actor.check_provenance(found, block.place)
        assert found == block.unread[:wanted]
        del block.unread[:wanted]


# Generators.


@operation(lambda actor: not actor.layers() and len(actor.blocks) < 6)
def start_generator(actor: Actor, tenant: str, _: int) -> None:
    """A generator that works for a tenant. While it is suspended, its consumer has entered nothing."""
    if refusal_to_enter(actor, tenant) is not None:
        return

    def steps() -> Iterator[Any]:
        with actor.world.engine.use(tenant):
            while True:
                value = actor.new(block.place)
                yield value, Note.create(value=value).id if (yield "ready") else [n.value for n in Note.select()]

    generator = steps()
    block = Block("generator", actor.world.living[tenant], lambda _: generator.close(), generator=generator)
    next(generator)
    actor.blocks.append(block)


def _generators(actor: Actor) -> list[Block]:
    return [block for block in actor.blocks if block.kind == "generator"]


@operation(lambda actor: bool(_generators(actor)), weight=2)
def step_generator(actor: Actor, _: str, number: int) -> None:
    """It works for its own tenant, whoever is bound where it is asked for its next value."""
    block = _generators(actor)[-1]
    value, answer = block.generator.send(number % 2)
    next(block.generator)
    if number % 2:
        actor.put("note", answer, value, place=block.place)
    else:
        actor.check_provenance(answer, block.place)


@operation(lambda actor: bool(_generators(actor)), weight=2)
def end_generator(actor: Actor, _: str, number: int) -> None:
    """Close it, or drop it and have it collected."""
    generators = _generators(actor)
    block = generators[number % len(generators)]
    if number % 2:
        actor.leave(block)
    else:
        actor.blocks.remove(block)
        block.end = lambda _: None
        del block.generator, block, generators
        gc.collect(0)


# Other threads, tasks and processes.


def _elsewhere(work: Callable[[], Any]) -> tuple[Any, Exception | None]:
    """Run *work* in a thread of its own, and return its result, or its error."""
    answers: list[Any] = []

    def caught() -> None:
        try:
            answers.append((work(), None))
        except Exception as error:
            answers.append((None, error))

    thread = threading.Thread(target=caught)
    thread.start()
    thread.join()
    return answers[0]


@operation()
def start_thread(actor: Actor, _: str, __: int) -> None:
    """Which starts with nothing bound."""
    _, error = _elsewhere(lambda: Note.create(value=actor.new()))
    assert type(error) is NoTenantBound, error
    actor.check_text(error)


@operation(weight=2)
def take_along(actor: Actor, _: str, number: int) -> None:
    """By wrap(), by the executor, in a copied context: never with the transaction.

    What is wrapped beside a suspended generator is its consumer's, who has entered what is around it.
    """
    binding = actor.binding if number % 3 == 2 else actor.own_binding
    value = actor.new(None if binding is None else binding.place)

    def work() -> int:
        return Note.create(value=value).id

    if number % 3 == 0:
        made, error = _elsewhere(wrap(work))
    elif number % 3 == 1:
        with TenantExecutor(1) as executor:
            made, error = _outcome(executor.submit(work))
    else:
        made, error = _elsewhere(functools.partial(contextvars.copy_context().run, work))
    _expect_outside_transaction(actor, binding, value, made, error)


def _outcome(future: Any) -> tuple[Any, Exception | None]:
    error = future.exception()
    return (None, error) if error is not None else (future.result(), None)


def _expect_outside_transaction(
    actor: Actor, binding: Block | None, value: str, made: Any, error: Exception | None
) -> None:
    if binding is None or binding.place == SHARED:
        assert type(error) is NoTenantBound, error
    elif binding.kind == "generator":
        assert type(error) is GeneratorSuspended, error
    elif actor.layers(binding.place):
        assert type(error) is TransactionElsewhere, error
    elif error is not None:
        raise error
    else:
        actor.put("note", made, value, place=binding.place, alone=True)


@operation(lambda actor: asyncio._get_running_loop() is None)
def start_task(actor: Actor, _: str, __: int) -> None:
    """Of an event loop that runs in this thread: it carries what is bound, and not the transaction."""
    value = actor.new()

    async def work() -> int:
        return Note.create(value=value).id

    async def run() -> Any:
        return await asyncio.gather(asyncio.create_task(work()), return_exceptions=True)

    context = contextvars.copy_context()
    (answer,) = context.run(lambda: asyncio.run(run()))
    failed = isinstance(answer, Exception)
    made, error = (None, answer) if failed else (answer, None)
    _expect_outside_transaction(actor, actor.binding, value, made, error)


@operation(lambda actor: at_work(actor) and not actor.layers())
def start_stream(actor: Actor, _: str, __: int) -> None:
    """What a web server reads later, in whatever context."""
    place = actor.place

    def steps() -> Iterator[Any]:
        for _ in range(4):
            value = actor.new(place)
            yield Note.create(value=value).id, value, [note.value for note in Note.select()]

    actor.shelf.append(Held("stream", place, stream(steps())))


def _use_stream(actor: Actor, held: Held, number: int) -> None:
    assert held.place is not None
    if number % 5 == 0:
        held.what.close()
        return
    if held.place not in actor.world.living.values():
        return  # Its tenant was dropped meanwhile.
    for key, value, found in itertools.islice(held.what, 1):
        actor.put("note", key, value, place=held.place, alone=True)
        actor.check_provenance(found, held.place)


USES["stream"] = _use_stream


@operation()
def work_in_other_process(actor: Actor, tenant: str, _: int) -> None:
    """An engine of its own, which must know at once what this one has done to the tenant."""
    world, refusal = actor.world, refusal_to_enter(actor, tenant)
    if refusal in (None, TransactionOpen):  # Which is no business of another engine's.
        place = world.living[tenant]
        value = actor.new(place)
        with world.other.use(tenant):
            note = Note.create(value=value)
            actor.check_provenance([note.value for note in Note.select()], place)
            actor.check_provenance([value for _, value in _notes_from.execute(0)], place)
        actor.put("note", note.id, value, place=place, alone=True)
    else:
        with actor.refused(refusal, about=tenant):
            world.other.use(tenant).__enter__()


# What is done to tenants.


def _is_quiet(actor: Actor) -> bool:
    """Say whether nobody is in a transaction or reads a result in pieces, and only this one moves."""
    return actor.exact and not any(other.layers() or _open_rows(other) for other in actor.world.actors)


def _is_used(actor: Actor, tenant: str) -> bool:
    place = actor.world.living.get(tenant)
    return any(block.place == place for other in actor.world.actors for block in other.blocks)


@operation(_is_quiet, weight=2, parallel=False)
def create_tenant(actor: Actor, tenant: str, _: int) -> None:
    if tenant in actor.world.living:
        with actor.refused(TenantExists, about=tenant):
            actor.world.engine.create(tenant)
    else:
        actor.world.create(tenant)


@operation(_is_quiet, parallel=False)
def drop_tenant(actor: Actor, tenant: str, _: int) -> None:
    if tenant not in actor.world.living:
        with actor.refused(TenantDropped, UnknownTenant, about=tenant):
            actor.world.engine.drop(tenant)
    elif not _is_used(actor, tenant):
        actor.world.drop(tenant)


@operation(_is_quiet, weight=2, parallel=False)
def remake_tenant(actor: Actor, tenant: str, _: int) -> None:
    """Drop it, and make another with the same id: what is held of the first is not the second's."""
    if tenant in actor.world.living and not _is_used(actor, tenant):
        actor.world.drop(tenant)
        actor.world.create(tenant)


@operation(_is_quiet, parallel=False)
def suspend_or_resume(actor: Actor, tenant: str, _: int) -> None:
    world = actor.world
    if tenant in world.suspended:
        world.engine.resume(tenant)
        world.suspended.discard(tenant)
    elif tenant in world.living:
        world.engine.suspend(tenant)
        world.suspended.add(tenant)


@operation(_is_quiet, parallel=False)
def migrate(actor: Actor, tenant: str, _: int) -> None:
    if tenant in actor.world.living and actor.world.extra[actor.world.living[tenant]] < 3:
        actor.world.migrate(tenant)


@operation(lambda actor: bool(actor.layers()) and actor.exact, parallel=False)
def provision_in_transaction(actor: Actor, tenant: str, number: int) -> None:
    engine = actor.world.engine
    own = actor.world.living.get(tenant) in {layer.place for layer in actor.layers()}
    if not own and tenant in actor.world.living:
        with actor.refused(TransactionOpen, about=tenant):
            (engine.drop, engine.suspend)[number % 2](tenant)


@operation(lambda actor: actor.exact, parallel=False)
def look_at_connections(actor: Actor, _: str, __: int) -> None:
    """As the next borrower of each finds it."""
    with contextlib.suppress(ServerError):  # One of them was killed.
        actor.world.check_borrowers()
