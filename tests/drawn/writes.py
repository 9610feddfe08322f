"""Writes that are drawn: what they leave in the table and give back is computed in plain Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from drawn import values as v
from drawn.drawing import Drawing, conditions, joined_inside
from drawn.queries import DrawnQuery, Tables
from drawn.tables import COLUMNS, TABLES, VALUES, table_of
from drawn.values import Drawn, Give, Place, Row
from drawn.ways import as_value, with_parameters

# A row of a table, as it is written.
Written = dict[str, Any]


@dataclass(frozen=True, repr=False)
class DrawnWrite:
    """An update, a delete or an insert of the rows that *query* finds. It gives back what *query* selects."""

    way: str
    query: DrawnQuery
    target: Any
    values: tuple[tuple[str, Drawn], ...] = ()

    def __repr__(self) -> str:
        return f"{self.way} {self.target.__name__} {dict(self.values)} of {self.query}"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))

    def build(self, give: Give) -> Any:
        """Make it with the builder."""
        query = self.query.without_columns(give)
        made = query.insert(self.target) if self.way == "insert" else getattr(query, self.way)()
        for name, drawn in self.values:
            made = made.set(getattr(self.target, name), drawn.build(give))
        return made

    def _returning(self, give: Give) -> Any:
        return self.build(give).returning(*[each.build(give) for each in self.query.selected])

    def ways(self) -> Iterator[Callable[[], Any]]:
        """Give the ways to run it: as it is and compiled, for how many rows it wrote or for what it gives back."""
        yield self.build(as_value).execute
        yield self._returning(as_value).execute
        for build in (self.build, self._returning):
            prepared, values = with_parameters(build)
            yield lambda prepared=prepared, values=values: prepared.execute(*values)
        if self.way != "insert":
            yield lambda: [(row,) for row in self.build(as_value).returning().execute()]

    # In Python.

    def written(self, tables: Tables) -> list[tuple[Row, Written]]:
        """Return each row that is written, beside those that it is written by."""
        places = [Place(row, [], tables) for row in self.query.kept(tables, {})]
        if self.way == "insert":
            return [(at.row, self._set(at)) for at in places]
        return [(at.row, {**at.row[self.target], **self._set(at)}) for at in places]  # type: ignore[dict-item]

    def _set(self, at: Place) -> Written:
        """Return what the columns become. Into a column of decimals whole numbers go as such."""
        made = {name: drawn.of(at) for name, drawn in self.values}
        decimals = {name for name in made if COLUMNS[self.target][name][0] is Decimal}
        return {
            name: Decimal(value) if name in decimals and value is not None else value for name, value in made.items()
        }

    def left(self, tables: Tables) -> Tables:
        """Return what the tables have when it is done, but for one of which nobody can say."""
        model = table_of(self.target)
        if self.way == "update" and not self.is_certain(tables):
            return {each: rows for each, rows in tables.items() if each is not model}
        there, written = tables[model], [row for _, row in self.written(tables)]
        if self.way == "insert":
            return tables | {model: there + written}
        by_key = {row["id"]: row for row in written}
        kept = [row for row in there if row["id"] not in by_key]
        return tables | {model: kept if self.way == "delete" else [*kept, *by_key.values()]}

    def is_certain(self, tables: Tables) -> bool:
        """Say whether each row is written by one of those that it is joined to: else any of them may be the one."""
        keys = [row[self.target]["id"] for row, _ in self.written(tables)] if self.way != "insert" else []
        return len(keys) == len(set(keys))

    def check(self, found: Any, tables: Tables) -> None:
        """See that these, or so many, are the rows that it has written."""
        written = self.written(tables)
        count = len(written if self.way == "insert" else {row[self.target]["id"] for row, _ in written})  # type: ignore[index]
        if isinstance(found, int):
            assert found == count
            return
        entity = replace(self.query, selected=(v.entity(self.target),), required=frozenset([self.target]))
        is_entity = bool(found) and isinstance(found[0][0], self.target)
        query = entity if is_entity else self.query
        places = [Place(row | {self.target: new}, [], tables) for row, new in written]
        rows = [tuple(each.of(place) for each in query.selected) for place in places]
        if self.is_certain(tables):
            query.check_rows(found, [rows])
        else:
            assert len(found) == count
            assert {*map(query.plain, found)} <= {*map(query.plain, rows)}


@st.composite
def writes(draw: Any) -> DrawnWrite:
    """Draw a write."""
    drawing, query = joined_inside(draw)
    way = drawing.one_of(("update", "delete", "insert"))
    target = drawing.one_of(TABLES) if way == "insert" else query.model
    names = [*COLUMNS[target]] if way == "insert" else [name for name in COLUMNS[target] if drawing.maybe(3)]
    if way == "update":
        names = [name for name in names if name != "id"] or [[*COLUMNS[target]][-1]]
    values = () if way == "delete" else tuple((name, _value(drawing, target, name)) for name in names)
    back = Drawing(draw, [target]) if way == "insert" else drawing
    selected = tuple(back.value() for _ in back.some(1, 3))
    query = replace(query, where=conditions(drawing), selected=selected, required=frozenset([*drawing.models, target]))
    return DrawnWrite(way, query, target, values)


def _value(drawing: Drawing, model: Any, name: str) -> Drawn:
    """Draw what a column may become: a value, a column, or what is computed."""
    kind, null = COLUMNS[model][name]
    if name == "qty":
        return v.literal(drawing.one_of((1, 2, 4)))  # It is divided by, and exactly.
    if null and drawing.maybe(4):
        return v.literal(None)
    made: Drawn | None = drawing.column(kind) if drawing.maybe() else None
    if kind is Decimal and drawing.maybe():
        made = drawing.number()
    elif kind is str and drawing.maybe():
        made = drawing.text()
    elif kind is bool and drawing.maybe():
        made = drawing.condition(1)
    elif kind == "big" and drawing.maybe():
        made = drawing.column(int, "big")
    return v.literal(drawing.one_of(VALUES[kind])) if made is None or (made.null and not null) else made
