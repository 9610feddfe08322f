"""The ways in which a drawn query is run, beside running it as it is."""

from __future__ import annotations

import inspect
from collections import namedtuple
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, make_dataclass, replace
from decimal import Decimal
from typing import Any

import pytest

from drawn import values as v
from drawn.queries import DrawnQuery, Join
from drawn.tables import COLUMNS, Deal, Line, Tier
from drawn.values import Drawn, Give, Literal
from tenantry import Derived, TenantModel, compiled
from tenantry.errors import InvalidQuery, MultipleResultsFound
from tenantry.query import Compiled


def as_value(held: Literal) -> Any:
    return held.value


def with_parameters(build: Callable[[Give], Any]) -> tuple[Compiled[..., Any], list[Any]]:
    """Compile what *build* builds, with a parameter for each literal in it; return their values as well."""
    met: dict[Literal, str] = {}

    def meet(held: Literal) -> Any:
        met.setdefault(held, f"p{len(met)}")
        return held.value

    build(meet)

    def with_given(**given: Any) -> Any:
        return build(lambda held: given[met[held]])

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(name, kind, annotation=type(held.value)) for held, name in met.items()]
    with_given.__signature__ = inspect.Signature(parameters)
    return compiled(with_given), [held.value for held in met]


def in_a_stream(query: DrawnQuery, built: Any, tables: Any) -> None:
    with built.stream(chunk=2) as rows:
        query.check(list(rows), tables)


def as_dicts(query: DrawnQuery, built: Any, tables: Any) -> None:
    try:
        rows = built.dicts()
    except InvalidQuery:  # Two columns have the same name.
        return
    query.check([tuple(row.values()) for row in rows], tables)


def with_names(query: DrawnQuery, built: Any, tables: Any) -> None:
    """With a name for each column: as dicts, and in classes whose fields have these names."""
    if query.combined or not query.values:
        return
    names = [f"c{number}" for number in range(len(query.values))]
    named = replace(query, selected=tuple(map(_called, query.values, names)))
    again = named.build(as_value)
    assert all(list(row) == names for row in again.dicts())
    named.check([tuple(row.values()) for row in again.dicts()], tables)
    for make in (namedtuple("Named", names), make_dataclass("Held", names)):
        rows = again.into(make).execute()
        assert all(type(row) is make for row in rows)
        named.check([tuple(getattr(row, name) for name in names) for row in rows], tables)


def _called(drawn: Drawn, name: str) -> Drawn:
    return replace(drawn, build=lambda give: drawn.build(give).alias(name))


def as_a_table(query: DrawnQuery, built: Any, tables: Any) -> None:
    """As a derived table, whose columns promise what they promise when they are selected."""
    query = replace(query, selected=query.values)
    if query.combined or not query.selected:
        return
    outer = _over(query, as_value)
    query.check(outer.build(as_value).execute(), tables)
    prepared, values = with_parameters(lambda give: _over(query, give).build(give))
    query.check(prepared.execute(*values), tables)
    ties = query.answer(tables)
    if query.limit or query.offset or not all(each.is_exact for each in query.selected):
        return  # Which rows it has, and how, is known to no other than to itself.
    rows = [dict(zip(outer.names, row, strict=True)) for tie in ties for row in tie]
    for joined in (_beside_itself(outer), _beside(outer, Tier), _beside(outer, Line), _added_up(outer)):
        joined.check(joined.build(as_value).execute(), tables | {outer.model: rows})


@dataclass(frozen=True, repr=False)
class Over(DrawnQuery):
    """A query of a derived table."""

    @property
    def names(self) -> list[str]:
        return [f"c{number}" for number in range(len(self.selected))]


def _over(query: DrawnQuery, give: Give) -> Over:
    """Make a derived table of *query*, and select its columns."""
    built = query.build(give)
    columns = {f"c{number}": built.column(each.build(give)) for number, each in enumerate(query.selected)}
    model = type("Found", (Derived,), columns)
    return Over(model, selected=_columns(model, query.selected, query.required), required=frozenset([model]))


def _columns(model: Any, taken: Sequence[Drawn], required: Iterable[Any]) -> tuple[Drawn, ...]:
    """Return the columns of a derived table: each may be None where it might be when it was *taken*."""
    return tuple(
        replace(
            v.column(model, f"c{number}", int, null=each.allows(None, required)), types=each.types, plain=each.plain
        )
        for number, each in enumerate(taken)
    )


def _beside_itself(outer: Over) -> DrawnQuery:
    """Join it to itself, by its first column."""
    again = type("Again", (outer.model,), {"Meta": type("Meta", (), {"alias": True})})
    others = _columns(again, outer.selected, [outer.model])
    on = v.compare("==", outer.selected[0], others[0])
    return replace(outer, joins=(Join("left_join", again, on),), selected=(*outer.selected, *others))


def _beside(outer: Over, model: Any) -> DrawnQuery:
    """Let a table have it beside, where its numbers are keys."""
    keys = [each for each in outer.selected if each.types == {int}]
    key = v.column(model, "id", int, null=False)
    made = replace(outer, selected=(*outer.selected, key))
    if not keys:
        return replace(made, joins=(Join("cross_join", model, None),), required=frozenset([outer.model, model]))
    join = Join("full_join", model, v.compare("==", keys[0], key))
    return replace(made, joins=(join,), required=frozenset())


def _added_up(outer: Over) -> DrawnQuery:
    """Add up what is a number in it, and count the rest."""
    numbers = {frozenset({int}), frozenset({Decimal})}
    made = [v.aggregate("sum" if each.types in numbers else "count", each, None) for each in outer.selected]
    return replace(outer, grouped=(), selected=tuple(made))


def into_something(query: DrawnQuery, built: Any, tables: Any) -> None:
    if not query.combined:
        rows = built.into(lambda *values: list(values)).execute()
        assert all(type(row) is list for row in rows)
        query.check(list(map(tuple, rows)), tables)


def one_by_one(query: DrawnQuery, built: Any, tables: Any) -> None:
    rows, first = built.execute(), built.first()
    query.check([] if first is None else [first], tables, most=1)
    if len(rows) > 1:
        for few in (built.one, built.one_or_none):
            with pytest.raises(MultipleResultsFound):
                few()
    else:
        query.check([row for row in [built.one_or_none()] if row is not None], tables)
        assert len(rows) == 1 or built.scalar() is None


def counted(query: DrawnQuery, built: Any, tables: Any) -> None:
    if not query.combined:
        assert (built.count(), built.exists()) == (len(rows := built.execute()), bool(rows))


def locked(query: DrawnQuery, built: Any, tables: Any) -> None:
    if query.can_lock:
        query.check(built.for_update().execute(), tables)


def after_a_write(query: DrawnQuery, built: Any, tables: Any) -> None:
    """In a transaction that has written to the tables of a tenant and to shared ones, and is rolled back."""
    changed = {model: [dict(row) for row in rows] for model, rows in tables.items()}
    with TenantModel._meta.database.atomic() as block:
        for model, values in {Deal: {"note": "late", "n": 3}, Tier: {"name": "late", "rank": None}}.items():
            model.update(values).where(model.id > 1).execute()
            for row in changed[model]:
                row |= values if row["id"] > 1 else {}
            new = {"id": 9} | {name: None for name in COLUMNS[model] if name != "id"} | {"big": 1, "total": Decimal(7)}
            new = {name: value for name, value in (new | values).items() if name in COLUMNS[model]}
            model.insert(new).execute()
            changed[model].append(new)
        query.check(built.execute(), changed)
        block.rollback()
    query.check(built.execute(), tables)


WAYS = (in_a_stream, as_dicts, with_names, as_a_table, into_something, one_by_one, counted, locked, after_a_write)
