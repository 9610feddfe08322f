"""What may be done with the builder beyond a query: derived tables, writes, SQL by hand, and many tenants at once."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from isolation.actor import REFUSED, Actor, Held
from isolation.operations import USES, at_work, bound, operation, refusal_to_enter
from isolation.world import SHARED, Author, Note, Plan
from tenantry import Derived, Step, across, compiled, fn, raw, with_shared
from tenantry.errors import TenantBound, WrongTenant

_notes = with_shared(Note)
_counts = _notes.left_join(Author, on=Note.author == Author.id).group_by(Note.value)


class Noted(Derived):
    id = _notes.column(Note.id)
    value = _notes.column(Note.value)


class OtherNoted(Noted):
    class Meta:
        alias = True


class Counted(Derived, materialized=True):
    value = _counts.column(Note.value)
    number = _counts.column(fn.count(Author.id))


class Below(Derived, distinct=True):
    """Each note, reached from each that comes before it."""

    id = _notes.column(Note.id)
    value = _notes.column(Note.value)

    @staticmethod
    def step() -> Step:
        notes = with_shared(Note).join(Below, on=Note.id > Below.id)
        return notes.fill(Below).set(Below.id, Note.id).set(Below.value, Note.value)


@compiled
def _noted_from(least: int) -> Any:
    notes = with_shared(Note).where(Note.id >= least)

    class Late(Derived):
        id = notes.column(Note.id)
        value = notes.column(Note.value)

    return with_shared(Late).select(Late.id, Late.value)


@operation(bound, weight=2)
def ask_derived(actor: Actor, _: str, number: int) -> None:
    """The same rows by a derived table, in different ways."""
    pair = with_shared(Noted).select(Noted.id, Noted.value)
    joined = with_shared(Noted).join(OtherNoted, on=Noted.id == OtherNoted.id).select(OtherNoted.id, Noted.value)
    counted = with_shared(Note).join(Counted, on=Counted.value == Note.value)
    below = with_shared(Below).select(Below.id, Below.value)
    ways: list[Callable[[], Any]] = [
        pair.execute,
        pair.compile().execute,
        joined.execute,
        counted.select(Note.id, Counted.value).execute,
        below.execute,
        below.compile().execute,
        lambda: _noted_from.execute(0),
        with_shared(Note).where(Note.id.in_(with_shared(Noted).select(Noted.id))).select(Note.id, Note.value).execute,
    ]
    rows = actor.do(ways[number % len(ways)])
    if rows is not REFUSED:
        actor.compare("note", dict(rows))


@operation(at_work, weight=2)
def hold_derived(actor: Actor, _: str, number: int) -> None:
    """A derived table of a query that was begun here is this tenant's, and so is one with a step that was."""
    begun = with_shared(Note)
    first = begun if number % 2 else _notes

    class Own(Derived, distinct=True):
        id = first.column(Note.id)
        value = first.column(Note.value)

    def step() -> Step:
        return begun.join(Own, on=Note.id == Own.id).fill(Own).set(Own.id, Note.id).set(Own.value, Note.value)

    if number % 2 == 0 or number % 3 == 0:
        Own.step = staticmethod(step)  # type: ignore[attr-defined]
    actor.shelf.append(Held("derived", actor.place, Own))


def _use_derived(actor: Actor, held: Held, number: int) -> None:
    own = held.what

    def part() -> Any:
        return with_shared(Note).where(Note.id.in_(with_shared(own).select(own.id))).select(Note.id, Note.value)

    ways: list[Callable[[], Any]] = [
        lambda: with_shared(own).select(own.id, own.value).execute(),
        lambda: part().execute(),
        lambda: part().union(with_shared(own).select(own.id, own.value)).execute(),
    ]
    rows = actor.do_with(held, ways[number % 3])
    if rows is not REFUSED:
        actor.compare("note", dict(rows))


USES["derived"] = _use_derived


@operation(bound)
def look_up(actor: Actor, _: str, __: int) -> None:
    """The author of each note, and the shared plan."""
    query = with_shared(Note).lookup(Note.author).lookup(Note.plan)
    rows = actor.do(query.select(Note.id, Note.value, Author.value, Plan.value).execute)
    if rows is not REFUSED:
        actor.compare("note", {key: value for key, value, _, _ in rows})
        actor.check_provenance([author for _, _, author, _ in rows if author is not None], actor.place)
        actor.check_provenance([plan for _, _, _, plan in rows if plan is not None], SHARED)


# Writes.


@compiled
def _renamed(old: str, new: str) -> Any:
    return with_shared(Note).where(Note.value == old).update().set(Note.value, new).returning(Note.id, Note.value)


def _own_note(actor: Actor, number: int) -> tuple[int, str]:
    own = sorted(actor.own().items()) if actor.place else []
    return own[number % len(own)] if own else (0, "")


@operation(bound, weight=3)
def update_built(actor: Actor, _: str, number: int) -> None:
    key, old = _own_note(actor, number)
    value = actor.new()
    here = with_shared(Note).where(Note.value == old)
    joined = here.join(Noted, on=Noted.id == Note.id).update().set(Note.value, value)
    update = here.update().set(Note.value, value)
    ways: list[Callable[[], Any]] = [
        update.returning(Note.id, Note.value).execute,
        joined.returning(Noted.id, Note.value).execute,
        lambda: [(row.id, row.value) for row in _kept(actor, update.returning().execute())],
        lambda: _renamed.execute(old, value),
        lambda: [(key, value)] * update.execute(),
    ]
    rows = actor.do(ways[number % len(ways)])
    if rows is not REFUSED:
        assert rows == ([(key, value)] if key else [])
        if key:
            actor.put("note", key, value)


def _kept(actor: Actor, rows: list[Any]) -> list[Any]:
    actor.shelf += [Held("row", actor.place, row) for row in rows]
    return rows


@operation(bound)
def delete_built(actor: Actor, _: str, number: int) -> None:
    key, old = _own_note(actor, number)
    delete = with_shared(Note).where(Note.value == old).delete()
    rows = actor.do(
        (delete.returning(Note.id, Note.value).execute, lambda: [(key, old)] * delete.execute())[number % 2]
    )
    if rows is not REFUSED:
        assert rows == ([(key, old)] if key else [])
        if key:
            actor.put("note", key, None)


@operation(bound, weight=2)
def insert_built(actor: Actor, _: str, number: int) -> None:
    """A note for one that is there."""
    key, old = _own_note(actor, number)
    value = actor.new()
    insert = with_shared(Note).where(Note.value == old).insert(Note).set(Note.value, value)
    if number % 2:
        insert = insert.set(Note.author, Note.author).ignore_conflicts()
    rows = actor.do(lambda: _kept(actor, insert.returning().execute()))
    if rows is not REFUSED:
        assert [row.value for row in rows] == ([value] if key else [])
        for row in rows:
            actor.put("note", row.id, value)


@operation(at_work, weight=2)
def hold_write(actor: Actor, _: str, number: int) -> None:
    """What is begun here writes here alone; what is run elsewhere, or holds a row of elsewhere, writes nothing."""
    _, old = _own_note(actor, number)
    here = with_shared(Note).where(Note.value == old)
    insert = here.where(Note.value == "").insert(Author).set(Author.value, Note.value)
    writes = [here.update().set(Note.value, Note.value), here.where(Note.value == "").delete(), insert]
    write = writes[number % 3]
    actor.shelf.append(Held("write", actor.place, write if number % 2 else write.returning()))


def _use_write(actor: Actor, held: Held, _: int) -> None:
    rows = actor.do_with(held, held.what.execute)
    if isinstance(rows, list):
        actor.check_provenance([row.value for row in rows], held.place)


USES["write"] = _use_write


def _as_written_value(actor: Actor, held: Held, number: int) -> None:
    """Its key for a column, in a write that is begun here: of no row, so that nobody waits."""
    field = Note.author if isinstance(held.what, Author) else Note.id
    nothing = with_shared(Note).where(Note.value == "")
    ways: list[Callable[[], Any]] = [
        lambda: nothing.update().set(field, held.what).execute(),
        lambda: nothing.update().set(field, held.what).returning(Note.id).execute(),
        lambda: nothing.insert(Note).set(Note.value, "").set(field, held.what).execute(),
        lambda: nothing.where(field == held.what).delete().execute(),
        lambda: (_referred if field is Note.author else _numbered).execute(held.what),
    ]
    assert actor.do_with(held, ways[number % len(ways)]) in (0, [], REFUSED)


@compiled
def _referred(author: Author) -> Any:
    return with_shared(Note).where(Note.value == "").update().set(Note.author, author)


@compiled
def _numbered(note: Note) -> Any:
    return with_shared(Note).where(Note.value == "").update().set(Note.id, note)


@operation(lambda actor: any(held.kind == "row" for held in actor.shelf), weight=4)
def write_held(actor: Actor, _: str, number: int) -> None:
    rows = [held for held in actor.shelf if held.kind == "row"][-5:]
    _as_written_value(actor, rows[number % len(rows)], number)


# SQL by hand.


@operation(bound, weight=2)
def ask_by_hand(actor: Actor, _: str, number: int) -> None:
    """SQL that names the two schemas."""
    table = ("note", "plan", "author")[number % 3]
    schema = "shared" if table == "plan" else "tenant"
    query = raw(f"SELECT id, value FROM {{{schema}}}.{table} WHERE id > %s", 0)
    ways: list[Callable[[], Any]] = [query.execute, lambda: [(row["id"], row["value"]) for row in query.dicts()]]
    rows = actor.do(ways[number // 3 % 2], shared=table == "plan")
    if rows is not REFUSED:
        actor.compare(table, dict(rows))


@operation(bound)
def write_by_hand(actor: Actor, _: str, __: int) -> None:
    value = actor.new()
    row = actor.do(raw("INSERT INTO {tenant}.note (value) VALUES (%(value)s) RETURNING id", {"value": value}).one)
    if row is not REFUSED:
        actor.put("note", row[0], value)


@operation(at_work)
def hold_by_hand(actor: Actor, _: str, number: int) -> None:
    query = raw("SELECT id, value FROM {tenant}.note")
    actor.shelf.append(Held("by hand", actor.place, query if number % 2 else query.into(lambda *pair: pair)))


@operation(lambda actor: actor.own_binding is None)
def hold_by_hand_of_nobody(actor: Actor, _: str, __: int) -> None:
    actor.shelf.append(Held("by hand", None, raw("SELECT id, value FROM {tenant}.note")))


def _use_by_hand(actor: Actor, held: Held, _: int) -> None:
    rows = actor.do_with(held, held.what.execute)
    if rows is not REFUSED:
        actor.compare("note", dict(rows))


USES["by hand"] = _use_by_hand


# Many tenants.


def _is_outside(actor: Actor) -> bool:
    """Say whether many tenants can be asked: where nothing is bound, or the shared schema by a block of his own."""
    place = actor.place
    return place in (None, SHARED) and (actor.binding is None or actor.binding.kind == "use")


def _living(actor: Actor) -> dict[str, str]:
    world = actor.world
    return {tenant: place for tenant, place in world.living.items() if tenant not in world.suspended}


@operation(lambda actor: not actor.layers() and actor.exact, weight=2, parallel=False)
def ask_across_in_ways(actor: Actor, tenant: str, number: int) -> None:
    """Each row is its tenant's, whatever the query is made of, and nobody is read who is not named."""
    engine = actor.world.engine
    queries = [
        with_shared(Note).select(Note.id, Note.value),
        with_shared(Noted).select(Noted.id, Noted.value),
        with_shared(Below).select(Below.id, Below.value),
        with_shared(Note).lookup(Note.author).select(Note.id, Note.value),
    ]
    asked = across(engine, queries[number % 4], batch=(None, 1, 2)[number % 3])
    if actor.place not in (None, SHARED):
        with actor.refused(TenantBound, silent=True), asked.stream() as rows:
            next(rows)
    elif _is_outside(actor):
        with asked.stream(chunk=number % 3 + 1) as rows:
            found = list(rows)
        for each, place in _living(actor).items():
            assert dict(row for whose, row in found if whose == each) == actor.rows("note", place)
        if refusal_to_enter(actor, tenant) is None:
            among = across(engine, queries[number % 4], among=[tenant]).execute()
            assert {whose for whose, _ in among} <= {tenant}
            actor.check_provenance([value for _, (_, value) in among], actor.world.living[tenant])


@operation(lambda actor: not actor.layers() and actor.exact and _is_outside(actor), parallel=False)
def hold_rows_of_many(actor: Actor, _: str, __: int) -> None:
    """A row of many tenants' is its own tenant's."""
    rows = across(actor.world.engine, with_shared(Author).limit(1)).execute()
    actor.shelf += [Held("row", actor.world.living[tenant], row) for tenant, row in rows]


@operation(lambda actor: not actor.layers() and actor.exact and _is_outside(actor), parallel=False)
def combine(actor: Actor, _: str, number: int) -> None:
    """What is combined is of all who are active, and of nobody else."""
    query = with_shared(Note).select(fn.count(), fn.min(Note.value))
    ((count, least),) = across(actor.world.engine, query, batch=(None, 1)[number % 2]).combined()
    places = _living(actor).values()
    values = [value for place in places for value in actor.rows("note", place).values()]
    assert count == len(values)
    assert least is None or least in values


@operation(lambda actor: not actor.layers() and actor.exact and _is_outside(actor), weight=2, parallel=False)
def ask_across_with_held(actor: Actor, _: str, number: int) -> None:
    """What is one tenant's is refused in a query of many tenants, and before anything is sent."""
    held = [each for each in actor.shelf if each.place not in (None, SHARED) and each.kind in _PARTS]
    for each in itertools.islice(reversed(held), number % 3 + 1):
        query = _PARTS[each.kind](each.what)
        with actor.refused(WrongTenant, silent=True):
            across(actor.world.engine, query).execute()


_PARTS: dict[str, Callable[[Any], Any]] = {
    "derived": lambda own: with_shared(own).select(own.id),
    "typed": lambda query: query,
    "row": lambda row: with_shared(type(row)).where(type(row).id == row).select(type(row).id),
}
