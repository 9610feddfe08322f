"""Expressions that are three things at once: what the builder makes of them, their value, and its promised type.

The value follows SQL: None is unknown. The promise is the stub's, written down again: an `Expr` is None where one of
its tables may be missing, a `Fixed` only where it says so itself.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from tenantry import fn

Row = dict[Any, dict[str, Any] | None]  # What each model's table has in this row: None where it has none.
Give = Callable[["Literal"], Any]  # What stands in a query for a literal: its value, or a parameter.


@dataclass(frozen=True)
class Place:
    """Where a value is computed: in a row, among the rows of its group."""

    row: Row
    rows: list[Row]
    tables: dict[Any, list[dict[str, Any]]]


@dataclass(frozen=True, eq=False)
class Literal:
    value: Any

    def __repr__(self) -> str:
        return repr(self.value)


@dataclass(frozen=True, eq=False, repr=False)
class Drawn:
    """An expression."""

    text: str
    build: Callable[[Give], Any]
    of: Callable[[Place], Any]
    types: frozenset[type]
    null: bool = False  # Its own type has None.
    owners: frozenset[Any] = frozenset()
    fixed: bool = False
    is_exact: bool = True  # It can be compared, and told from others.

    def __repr__(self) -> str:
        return self.text

    def allows(self, value: Any, required: Iterable[Any]) -> bool:
        """Say whether *value* is of the type that is promised where the tables of *required* are always there."""
        if value is None:
            return self.null or not (self.fixed or self.owners <= set(required))
        return type(value) in self.types


def column(model: Any, name: str, kind: Any, *, null: bool) -> Drawn:
    def of(place: Place) -> Any:
        row = place.row[model]
        return None if row is None else row[name]

    kinds = frozenset({int if kind == "big" else kind})
    text = f"{model.__name__}.{name}"
    return Drawn(text, lambda give: getattr(model, name), of, kinds, null, frozenset({model}))


def entity(model: Any) -> Drawn:
    """Return the row of a model as a whole."""
    text = f"fn.row({model.__name__})"
    return Drawn(
        text, lambda give: fn.row(model), lambda place: place.row[model], frozenset({model}), owners=frozenset({model})
    )


# The logic of three values.


def conjunction(a: Any, b: Any) -> Any:
    return False if a is False or b is False else None if a is None or b is None else True


def negation(a: Any) -> Any:
    return None if a is None else not a


def disjunction(a: Any, b: Any) -> Any:
    return negation(conjunction(negation(a), negation(b)))


def known(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let *function* be unknown where a value is."""
    return lambda *values: None if None in values else function(*values)


def is_in(value: Any, among: Iterable[Any]) -> Any:
    found: Any = False
    for each in among:
        found = disjunction(found, known(operator.eq)(value, each))
    return found


def divided(a: Any, b: Any) -> Any:
    if isinstance(a, int) and isinstance(b, int):
        return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
    return a / b


def like(text: str, pattern: str) -> bool:
    parts = {"%": ".*", "_": "."}
    return re.fullmatch("".join(parts.get(each) or re.escape(each) for each in pattern), text, re.DOTALL) is not None


OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": divided,
}
_PYTHONS = {**OPERATORS, "/": operator.truediv}

BOOL = frozenset({bool})


def condition(text: str, build: Callable[[Give], Any], of: Callable[[Place], Any], *parts: Drawn) -> Drawn:
    owners = frozenset().union(*(part.owners for part in parts))
    return Drawn(text, build, of, BOOL, True, owners)


def compare(sign: str, a: Drawn, b: Drawn) -> Drawn:
    apply, python = known(OPERATORS[sign]), _PYTHONS[sign]
    return condition(
        f"({a} {sign} {b})",
        lambda give: python(a.build(give), b.build(give)),
        lambda at: apply(a.of(at), b.of(at)),
        a,
        b,
    )


def negated(a: Drawn) -> Drawn:
    return condition(f"~{a}", lambda give: ~a.build(give), lambda at: negation(a.of(at)), a)


def both(a: Drawn, b: Drawn) -> Drawn:
    return condition(
        f"({a} & {b})", lambda give: a.build(give) & b.build(give), lambda at: conjunction(a.of(at), b.of(at)), a, b
    )


def either(a: Drawn, b: Drawn) -> Drawn:
    return condition(
        f"({a} | {b})", lambda give: a.build(give) | b.build(give), lambda at: disjunction(a.of(at), b.of(at)), a, b
    )


def literal(value: Any) -> Drawn:
    """Return a value of Python's in an expression. Each one may become a parameter."""
    held = Literal(value)
    return Drawn(str(held), lambda give: give(held), lambda at: value, frozenset({type(value)}))


def computed(sign: str, a: Drawn, b: Drawn) -> Drawn:
    """Return what a sum or a product of numbers is."""
    apply, python = known(OPERATORS[sign]), _PYTHONS[sign]
    return Drawn(
        f"({a} {sign} {b})",
        lambda give: python(a.build(give), b.build(give)),
        lambda at: apply(a.of(at), b.of(at)),
        a.types | b.types,
        a.null or b.null,
        a.owners | b.owners,
    )


def of_one(name: str, a: Drawn, apply: Callable[[Any], Any], kind: type = str) -> Drawn:
    """Return what `fn`'s *name* makes of one value."""
    return replace(
        a,
        text=f"{name}({a})",
        build=lambda give: getattr(fn, name)(a.build(give)),
        of=lambda at: known(apply)(a.of(at)),
        types=frozenset({kind}),
    )


def coalesce(a: Drawn, b: Drawn) -> Drawn:
    def of(at: Place) -> Any:
        value = a.of(at)
        return b.of(at) if value is None else value

    return Drawn(
        f"coalesce({a}, {b})",
        lambda give: fn.coalesce(a.build(give), b.build(give)),
        of,
        a.types | b.types,
        owners=a.owners,
        fixed=True,
    )


def case(when: Drawn, then: Drawn, default: Drawn | None) -> Drawn:
    def of(at: Place) -> Any:
        return then.of(at) if when.of(at) is True else default.of(at) if default else None

    def build(give: Give) -> Any:
        branch = (when.build(give), then.build(give))
        return fn.case(branch, default=default.build(give)) if default else fn.case(branch)

    types = then.types | default.types if default else then.types
    return Drawn(f"case({when}, {then}, {default})", build, of, types, default is None, when.owners, fixed=True)


# Of many rows.


def aggregate(name: str, a: Drawn | None, filtered: Drawn | None, *, distinct: bool = False) -> Drawn:
    """Return what `fn`'s *name* makes of the rows of a group."""

    def build(give: Give) -> Any:
        options = {"distinct": True} if distinct else {}
        made = getattr(fn, name)(*([a.build(give)] if a else []), **options)
        return made.filter(filtered.build(give)) if filtered else made

    def of(at: Place) -> Any:
        places = [replace(at, row=row) for row in at.rows]
        kept = [each for each in places if filtered is None or filtered.of(each) is True]
        if a is None:
            return len(kept)
        values = [value for value in map(a.of, kept) if value is not None]
        return AGGREGATES[name](set(values) if distinct else values)

    types = frozenset({int}) if name == "count" else frozenset({Decimal}) if name == "avg" else a.types if a else BOOL
    owners = (a.owners if a else frozenset()) | (filtered.owners if filtered else frozenset())
    text = f"{name}({'distinct ' * distinct}{a or ''})" + (f" filter {filtered}" if filtered else "")
    return Drawn(text, build, of, types, name != "count", owners, fixed=True, is_exact=name != "avg")


AGGREGATES: dict[str, Callable[[Any], Any]] = {
    "count": len,
    "sum": lambda values: sum(values) if values else None,
    "avg": lambda values: Decimal(sum(values)) / len(values) if values else None,
    "min": lambda values: min(values, default=None),
    "max": lambda values: max(values, default=None),
    "bool_and": lambda values: all(values) if values else None,
    "bool_or": lambda values: any(values) if values else None,
}


def over(made: Drawn, partition: Drawn) -> Drawn:
    """Return an aggregate of the rows that have the same value as this one."""

    def of(at: Place) -> Any:
        mine = partition.of(at)
        return made.of(replace(at, rows=[row for row in at.rows if partition.of(replace(at, row=row)) == mine]))

    return replace(
        made,
        text=f"{made} over {partition}",
        build=lambda give: made.build(give).over(partition_by=[partition.build(give)]),
        of=of,
        owners=made.owners | partition.owners,
    )
