"""Expressions that are three things at once: what the builder makes of them, their value, and its promised type.

The value follows SQL: None is unknown. The promise is the stub's, written down again: an `Expr` is None where one of
its tables may be missing, a `Fixed` only where it says so itself.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterable, Sequence
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
    is_entity: bool = False
    plain: Callable[[Any], Any] = lambda value: round(value, 6) if isinstance(value, Decimal) else value

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

    text = f"{model.__name__}.{name}"
    if kind == "json":
        return Drawn(
            text, lambda give: getattr(model, name), of, JSON, null, frozenset({model}), is_exact=False, plain=_as_json
        )
    kinds = frozenset({int if kind == "big" else kind})
    return Drawn(text, lambda give: getattr(model, name), of, kinds, null, frozenset({model}))


def entity(model: Any) -> Drawn:
    """Return the row of a model as a whole."""
    text = f"fn.row({model.__name__})"
    return Drawn(
        text,
        lambda give: fn.row(model),
        lambda place: place.row[model],
        frozenset({model}),
        owners=frozenset({model}),
        is_entity=True,
    )


JSON = frozenset({dict, list, str, int, float, bool})


def _as_json(value: Any) -> Any:
    return None if value is None else json.dumps(value, sort_keys=True)


def path(a: Drawn, *keys: str | int) -> Drawn:
    """Return what is in a document at a path."""

    def of(at: Place) -> Any:
        value = a.of(at)
        for key in keys:
            if isinstance(value, dict if isinstance(key, str) else list):
                value = value.get(key) if isinstance(key, str) else value[key] if len(value) > key else None
            else:
                return None
        return value

    def build(give: Give) -> Any:
        node = a.build(give)
        for key in keys:
            node = node[key]
        return node

    return replace(a, text=f"{a}{''.join(f'[{key!r}]' for key in keys)}", build=build, of=of, null=True)


def is_json(a: Drawn, value: Any) -> Drawn:
    """Say whether a document is this *value*: of JSON true is no 1."""
    held = Literal(value)
    same = known(lambda found: _as_json(found) == _as_json(value))
    return condition(f"({a} == {held})", lambda give: a.build(give) == give(held), lambda at: same(a.of(at)), a)


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


def cast(a: Drawn, to: str, kind: type, apply: Callable[[Any], Any]) -> Drawn:
    return replace(
        a,
        text=f"cast({a}, {to!r})",
        build=lambda give: fn.cast(a.build(give), to, kind),
        of=lambda at: known(apply)(a.of(at)),
        types=frozenset({kind}),
        null=True,
        fixed=True,
    )


def call(name: str, kind: type, apply: Callable[..., Any], *arguments: Drawn) -> Drawn:
    """Return what a function makes of values, none of which it takes for null."""
    return Drawn(
        f"call({name!r}, {arguments})",
        lambda give: fn.call(name, *[each.build(give) for each in arguments], returns=kind),
        lambda at: known(apply)(*[each.of(at) for each in arguments]),
        frozenset({kind}),
        null=True,
        owners=frozenset().union(*(each.owners for each in arguments)),
        fixed=True,
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

    mean = frozenset({float if a and a.types == {float} else Decimal})
    types = frozenset({int}) if name == "count" else mean if name == "avg" else a.types if a else BOOL
    owners = (a.owners if a else frozenset()) | (filtered.owners if filtered else frozenset())
    text = f"{name}({'distinct ' * distinct}{a or ''})" + (f" filter {filtered}" if filtered else "")
    return Drawn(text, build, of, types, name != "count", owners, fixed=True, is_exact=name != "avg")


def _mean(values: list[Any]) -> Any:
    return sum(values) / len(values) if isinstance(values[0], float) else Decimal(sum(values)) / len(values)


def collected(a: Drawn, filtered: Drawn | None, separator: str | None = None) -> Drawn:
    """Return all values of a group, in any order: as a list, or as one text."""

    def build(give: Give) -> Any:
        node = a.build(give)
        made = fn.array_agg(node) if separator is None else fn.string_agg(node, separator)
        return made.filter(filtered.build(give)) if filtered else made

    def of(at: Place) -> Any:
        places = [replace(at, row=row) for row in at.rows]
        values = [a.of(each) for each in places if filtered is None or filtered.of(each) is True]
        if separator is None:
            return values or None
        texts = [value for value in values if value is not None]
        return separator.join(texts) if texts else None

    def plain(value: Any) -> Any:
        """Return what is in it, with its types, in one order."""
        parts = value if separator is None or value is None else value.split(separator)
        return None if parts is None else tuple(sorted((type(each).__name__, str(a.plain(each))) for each in parts))

    name = "array_agg" if separator is None else "string_agg"
    text = f"{name}({a})" + (f" filter {filtered}" if filtered else "")
    owners = a.owners | (filtered.owners if filtered else frozenset())
    types = frozenset({list if separator is None else str})
    return Drawn(text, build, of, types, True, owners, fixed=True, is_exact=False, plain=plain)


AGGREGATES: dict[str, Callable[[Any], Any]] = {
    "count": len,
    "sum": lambda values: sum(values) if values else None,
    "avg": lambda values: _mean(list(values)) if values else None,
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


def ordered_over(name: str, made: Drawn | None, partition: Drawn | None, orders: Sequence[Any]) -> Drawn:
    """Return the number or the rank of a row in its window, or what *made* is of the rows up to it and its peers."""

    def build(give: Give) -> Any:
        node = made.build(give) if made else getattr(fn, name)()
        parts = {"partition_by": [partition.build(give)]} if partition else {}
        return node.over(order_by=[each.build(give) for each in orders], **parts)

    def of(at: Place) -> Any:
        def key(row: Row) -> Any:
            return tuple(each.key(each.by.of(replace(at, row=row))) for each in orders)

        mine, own = key(at.row), partition and partition.of(at)
        rows = [row for row in at.rows if partition is None or partition.of(replace(at, row=row)) == own]
        if made:
            return made.of(replace(at, rows=[row for row in rows if not mine < key(row)]))
        before = sum(key(row) < mine for row in rows)
        return before + 1

    text = f"{made or name} over {partition} by {orders}"
    if made:
        return replace(made, text=text, build=build, of=of)
    return Drawn(text, build, of, frozenset({int}), fixed=True)
