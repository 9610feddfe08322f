"""Queries that are drawn: each is built with the builder, and answered in plain Python."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import groupby
from pprint import pformat
from typing import Any

from drawn.tables import table_of
from drawn.values import Drawn, Give, Literal, Place, Row, condition, is_in
from tenantry import fn, with_shared

Tables = dict[Any, list[dict[str, Any]]]


@dataclass(frozen=True, repr=False)
class Join:
    kind: str
    model: Any
    on: Drawn | None

    def __repr__(self) -> str:
        return f"{self.kind}({self.model.__name__}, on={self.on})"


@dataclass(frozen=True, repr=False)
class Order:
    by: Drawn
    descends: bool
    nulls: str | None

    def build(self, give: Give) -> Any:
        node = self.by.build(give)
        return node.desc(nulls=self.nulls) if self.descends else node.asc(nulls=self.nulls)

    def __repr__(self) -> str:
        return f"{self.by} {'desc' if self.descends else 'asc'} nulls {self.nulls}"

    def key(self, value: Any) -> Any:
        first = self.nulls == "first" or (self.nulls is None and self.descends)
        return (value is None) != first, 0 if value is None else Descending(value) if self.descends else value


class Descending:
    """A value that comes before those that are less."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: Descending) -> bool:
        return bool(other.value < self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Descending) and self.value == other.value


@dataclass(frozen=True)
class Combined:
    """With which rows those of a query come together: its own where other conditions hold, in the order of a column."""

    way: str
    where: tuple[Drawn, ...]
    by: int
    limit: int | None

    def rows(self, mine: list[tuple[Any, ...]], theirs: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        if self.way == "union_all":
            return mine + theirs
        kept = {
            "union": lambda row: True,
            "intersect": lambda row: row in theirs,
            "except_": lambda row: row not in theirs,
        }[self.way]
        return [row for row in dict.fromkeys(mine + theirs if self.way == "union" else mine) if kept(row)]

    def key(self, row: tuple[Any, ...]) -> Any:
        value = row[abs(self.by) - 1]
        first = self.by < 0  # As the server has nulls: last, and first where the order is descending.
        return (value is None) != first, 0 if value is None else Descending(value) if first else value


@dataclass(frozen=True, repr=False)
class DrawnQuery:
    """A query: its parts in the order in which SQL takes them."""

    model: Any
    joins: tuple[Join, ...] = ()
    where: tuple[Drawn, ...] = ()
    correlated: tuple[Any, ...] = ()
    grouped: tuple[Drawn, ...] | None = None  # The columns of the groups; of none, all rows are one.
    having: tuple[Drawn, ...] = ()
    selected: tuple[Drawn, ...] = ()
    distinct: bool = False
    distinct_on: tuple[Drawn, ...] = ()
    order: tuple[Order, ...] = ()
    limit: Literal | None = None
    offset: Literal | None = None
    required: frozenset[Any] = field(default_factory=frozenset)  # Tables whose row is always there.
    combined: Combined | None = None

    def __repr__(self) -> str:
        parts = {name: part for name, part in vars(self).items() if part not in ((), frozenset(), None, False)}
        return f"({', '.join(f'{name}={part}' for name, part in parts.items())})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))  # Hypothesis would print each part of each part.

    def build(self, give: Give) -> Any:
        """Make it with the builder."""
        made = self.without_columns(give).select(*[each.build(give) for each in self.selected])
        if self.combined:
            other = replace(self, where=self.combined.where, combined=None).build(give)
            made = getattr(made, self.combined.way)(other).order_by(self.combined.by)
            made = made if self.combined.limit is None else made.limit(self.combined.limit)
        return made

    def without_columns(self, give: Give) -> Any:
        """Make it with the builder, without what it selects."""
        query = with_shared(self.model)
        for join in self.joins:
            method = getattr(query, join.kind)
            query = method(join.model, on=join.on.build(give)) if join.on else method(join.model)
        for model in self.correlated:
            query = query.correlate(model)
        for name in ("where", "having"):
            if conditions := getattr(self, name):
                query = getattr(query, name)(*[each.build(give) for each in conditions])
        if self.grouped:
            query = query.group_by(*[each.build(give) for each in self.grouped])
        if self.distinct or self.distinct_on:
            query = query.distinct(*[each.build(give) for each in self.distinct_on])
        if self.order:
            query = query.order_by(*[each.build(give) for each in self.order])
        if self.limit:
            query = query.limit(give(self.limit))
        if self.offset:
            query = query.offset(give(self.offset))
        return query

    @property
    def values(self) -> tuple[Drawn, ...]:
        """What is selected, without whole rows."""
        return tuple(each for each in self.selected if not each.is_entity)

    def reads(self, *models: Any) -> bool:
        """Say whether it reads a table of these *models*."""
        return any(model.__name__ in repr(self) for model in models)

    @property
    def can_lock(self) -> bool:
        """Say whether each of its rows is one of each of its tables."""
        outer = {join.kind for join in self.joins} - {"join", "cross_join"}
        windows = any(" over " in drawn.text for drawn in self.selected)
        return not (outer or windows or self.distinct or self.distinct_on or self.combined) and self.grouped is None

    # In Python.

    def sources(self, tables: Tables, outer: Row) -> list[Row]:
        """Return the joined rows of the tables."""
        rows: list[Row] = [{**outer, self.model: each} for each in tables[table_of(self.model)]]
        nothing: Row = {**outer, self.model: None}
        for join in self.joins:
            rows = list(_joined(join, rows, tables, nothing))
            nothing = {**nothing, join.model: None}
        return rows

    def answer(self, tables: Tables, outer: Row | None = None) -> list[list[tuple[Any, ...]]]:
        """Return its rows in order: those between which it does not order are in one list."""
        if self.combined:
            return self._combined(self.combined, tables)
        rows = self.kept(tables, outer or {})
        places = [Place(row, rows, tables) for row in rows]
        if self.grouped is not None:
            places = list(self._groups(rows, tables, outer or {}))
        return self._in_order(places)

    def kept(self, tables: Tables, outer: Row) -> list[Row]:
        """Return the joined rows for which its conditions hold."""
        rows = self.sources(tables, outer)
        return [row for row in rows if all(each.of(Place(row, [], tables)) is True for each in self.where)]

    def together(self, several: list[Tables]) -> list[list[tuple[Any, ...]]]:
        """Return its groups over the rows of *several* tenants, each of which joins its own."""
        rows = [row for tables in several for row in self.kept(tables, {})]
        return self._in_order(list(self._groups(rows, {}, {})))

    def _in_order(self, places: list[Place]) -> list[list[tuple[Any, ...]]]:
        places = [place for place in places if all(each.of(place) is True for each in self.having)]
        made = [
            (
                tuple(each.key(each.by.of(place)) for each in self.order),
                tuple(each.of(place) for each in self.selected),
                tuple(each.of(place) for each in self.distinct_on),
            )
            for place in places
        ]
        made.sort(key=lambda each: each[0])
        if self.distinct:
            made = list({row: (key, row, on) for key, row, on in reversed(made)}.values())[::-1]
            made.sort(key=lambda each: each[0])
        if self.distinct_on:
            firsts: dict[Any, Any] = {}
            for each in made:
                firsts.setdefault(each[2], each)
            made = list(firsts.values())
        ties: list[list[tuple[Any, ...]]] = []
        last = None
        for key, row, _ in made:
            if not ties or key != last:
                ties.append([])
            ties[-1].append(row)
            last = key
        return ties

    def _combined(self, combined: Combined, tables: Tables) -> list[list[tuple[Any, ...]]]:
        mine, theirs = (
            [row for tie in replace(self, where=where, combined=None).answer(tables) for row in tie]
            for where in (self.where, combined.where)
        )
        rows = sorted(combined.rows(mine, theirs), key=combined.key)
        return [list(tie) for _, tie in groupby(rows, combined.key)]

    def _groups(self, rows: list[Row], tables: Tables, outer: Row) -> Iterator[Place]:
        if not self.grouped:
            yield Place(outer, rows, tables)
            return
        groups: dict[Any, list[Row]] = {}
        for row in rows:
            groups.setdefault(tuple(each.of(Place(row, [], tables)) for each in self.grouped), []).append(row)
        for group in groups.values():
            yield Place(group[0], group, tables)

    def check(self, found: list[tuple[Any, ...]], tables: Tables, most: int | None = None) -> None:
        """See that these are its rows, or the first of them: as many, in an order that is right, and of the promised
        types.
        """
        self.check_rows(found, self.answer(tables), most)

    def check_rows(
        self, found: list[tuple[Any, ...]], ties: list[list[tuple[Any, ...]]], most: int | None = None
    ) -> None:
        """As :meth:`check`, with the rows that are right."""
        for row in found:
            assert type(row) is tuple
            assert len(row) == len(self.selected)
            for value, drawn in zip(row, self.selected, strict=True):
                assert drawn.allows(value, self.required), f"{drawn} is {value!r} in {row}"
        start = self.offset.value if self.offset else 0
        end = sum(map(len, ties))
        limit = self.combined.limit if self.combined else self.limit.value if self.limit else None
        if most is not None:
            limit = most if limit is None else min(most, limit)
        if limit is not None:
            end = min(end, start + limit)
        assert len(found) == max(end - start, 0), (found, ties)
        at = 0
        for tie in ties:
            window = slice(max(at, start), max(min(at + len(tie), end), start))
            got = Counter(map(self.plain, found[max(window.start - start, 0) : max(window.stop - start, 0)]))
            wanted = Counter(map(self.plain, tie))
            assert got <= wanted, (found, ties)
            assert window.stop - window.start < len(tie) or got == wanted, (found, ties)
            at += len(tie)

    def plain(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return a row whose values are compared: means are rounded, and rows are what is in them."""
        return tuple(_contents(drawn.plain(value)) for value, drawn in zip(row, self.selected, strict=True))


def _contents(value: Any) -> Any:
    """Return what is in a whole row, as text with its keys in order: a document in it has no hash."""
    data = value if isinstance(value, dict) else getattr(value, "__data__", None)
    if data is None:
        return value
    # Of how many digits a number is written with nobody cares.
    return pformat({name: each.normalize() if isinstance(each, Decimal) else each for name, each in data.items()})


def _joined(join: Join, rows: list[Row], tables: Tables, nothing: Row) -> Iterator[Row]:
    theirs, used = tables[table_of(join.model)], set()
    for row in rows:
        is_alone = True
        for number, each in enumerate(theirs):
            pair = {**row, join.model: each}
            if join.on is None or join.on.of(Place(pair, [], tables)) is True:
                yield pair
                used.add(number)
                is_alone = False
        if is_alone and join.kind in ("left_join", "full_join"):
            yield {**row, join.model: None}
    if join.kind in ("right_join", "full_join"):
        for number, each in enumerate(theirs):
            if number not in used:
                yield {**nothing, join.model: each}


def inner(name: str, query: DrawnQuery, *, value: Drawn | None = None) -> Drawn:
    """Return a query as part of another: whether it has a row, whether *value* is among its, or its one value."""

    def rows(at: Place) -> list[tuple[Any, ...]]:
        return [row for tie in query.answer(at.tables, at.row) for row in tie]

    text = f"{name} {query}"
    if name == "exists":
        return condition(text, lambda give: fn.exists(query.build(give)), lambda at: bool(rows(at)))
    if name == "in":
        assert value is not None
        return condition(
            f"{value} {text}",
            lambda give: value.build(give).in_(query.build(give)),
            lambda at: is_in(value.of(at), [row[0] for row in rows(at)]),
            value,
        )
    (selected,) = query.selected
    return replace(
        selected,
        text=text,
        build=lambda give: query.build(give).as_scalar(),
        of=lambda at: next((row[0] for row in rows(at)), None),
        null=True,
        owners=frozenset(),
        fixed=True,
    )
