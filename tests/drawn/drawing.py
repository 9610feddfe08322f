"""How a query is drawn."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from hypothesis import strategies as st

from drawn import values as v
from drawn.queries import Combined, DrawnQuery, Join, Order, inner
from drawn.tables import COLUMNS, NUMBERS, TABLES, TEXTS, VALUES, Deal, Line, OtherDeal, OtherTier
from drawn.values import Drawn, Literal

MODELS = (*TABLES, OtherDeal, OtherTier)
T = TypeVar("T")
# Between which columns tables are joined: keys and numbers.
_COMPARED = ("<", "<=", ">", ">=", "==", "!=")


class Drawing:
    """Draws expressions of the columns of *models*."""

    def __init__(self, draw: Any, models: list[Any]) -> None:
        self._draw, self.models = draw, models

    def one_of(self, choices: Any) -> Any:
        return self._draw(st.sampled_from(tuple(choices)))

    def maybe(self, odds: int = 2) -> bool:
        """Return True once in *odds* times; an example that is shrunk has False."""
        return bool(self._draw(st.integers(0, odds - 1)) == odds - 1)

    def some(self, least: int, most: int) -> range:
        return range(self._draw(st.integers(least, most)))

    def columns(self, *kinds: Any, models: list[Any] | None = None) -> list[Drawn]:
        return [
            v.column(model, name, kind, null=null)
            for model in models or self.models
            for name, (kind, null) in COLUMNS[model].items()
            if (kind in kinds if kinds else kind != "json")
        ]

    def column(self, *kinds: Any) -> Drawn | None:
        found = self.columns(*kinds)
        return self.one_of(found) if found else None

    def literal(self, drawn: Drawn) -> Drawn:
        """Draw a value that *drawn* might have."""
        (kind,) = drawn.types if len(drawn.types) == 1 else (Decimal,)
        if kind is int and self.maybe(4):
            kind = Decimal
        return v.literal(self.one_of(VALUES[kind]))

    # Values.

    def number(self, depth: int = 2) -> Drawn:
        made: Drawn = self.column(int, "big", Decimal)  # type: ignore[assignment]  # Each table has one.
        for _ in self.some(0, depth):
            sign = self.one_of("+-*/")
            if sign == "/":
                divisors = [each for each in self.columns(int) if each.text == "Line.qty"]
                if divisors:
                    made = v.computed("/", made, divisors[0])
                continue
            # Products of big numbers would be too big.
            other = self.one_of(self.columns(int) if sign == "*" else self.columns(int, "big", Decimal))
            if self.maybe():
                other = v.literal(self.one_of((*NUMBERS, Decimal("1.5"))))
            made = v.computed(sign, made, other)
        return made

    def text(self) -> Drawn | None:
        made = self.column(str)
        if made is None or not self.maybe():
            return made
        way = self.one_of(("lower", "upper", "concat"))
        if way != "concat":
            return v.of_one(way, made, getattr(str, way))
        other = self.one_of(self.columns(str)) if self.maybe() else v.literal(self.one_of(TEXTS))
        owners = made.owners | other.owners
        return Drawn(
            f"{made}.concat({other})",
            lambda give: made.build(give).concat(other.build(give)),
            lambda at: v.known(lambda a, b: a + b)(made.of(at), other.of(at)),
            made.types,
            made.null or other.null,
            owners,
        )

    def length(self) -> Drawn | None:
        # Only of what is no null by itself: that is what its type takes.
        texts = [each for each in self.columns(str) if not each.null]
        return v.of_one("length", self.one_of(texts), len, int) if texts else None

    def value(self) -> Drawn:
        """Draw an expression of a row."""
        way = self.one_of(
            ("column", "number", "text", "condition", "length", "coalesce", "case", "sum", "json", "cast", "call")
        )
        made: Drawn | None = None
        if way == "number":
            made = self.number()
        elif way == "text":
            made = self.text()
        elif way == "condition":
            made = self.condition(1)
        elif way == "length":
            made = self.length()
        elif way == "sum" and (length := self.length()):
            made = v.computed("+", length, self.number(0))
        elif way == "coalesce":
            base = self.number(1) if self.maybe() else self.one_of(self.columns())
            made = v.coalesce(base, self.literal(base))
        elif way == "case":
            then = v.literal(self.one_of(VALUES[self.one_of((int, Decimal, str, bool, UUID, float, date))]))
            made = v.case(self.condition(1), then, self.literal(then) if self.maybe() else None)
        elif way == "json":
            made = self.json()
        elif way == "cast":
            made = self.cast()
        elif way == "call":
            made = self.call()
        return made or self.one_of(self.columns())

    def json(self) -> Drawn | None:
        made = self.column("json")
        keys = self.one_of(((), ("a",), ("b",), ("a", "b"), ("b", 0), ("b", 1), (1, "a"), (0,)))
        return made and v.path(made, *keys) if keys else made

    def cast(self) -> Drawn:
        way = self.one_of(("text", "numeric", "int", "uuid"))
        if way == "int" and (is_so := self.column(bool)):
            return v.cast(is_so, "int", int, int)
        if way == "uuid" and (key := self.column(UUID)):
            return v.cast(v.cast(key, "text", str, str), "uuid", UUID, UUID)
        made: Drawn = self.column(int, "big")  # type: ignore[assignment]  # Each table has a key.
        if way == "numeric":
            return v.cast(made, "numeric(20, 2)", Decimal, Decimal)
        return v.cast(made, "float8", float, float) if way == "int" else v.cast(made, "text", str, str)

    def call(self) -> Drawn:
        text = self.column(str)
        if text and self.maybe():
            texts = [v.literal(self.one_of(("a", "b"))), v.literal(self.one_of(("", "xy")))]
            return v.call("replace", str, str.replace, text, *texts)
        return v.call("abs", int, abs, self.column(int, "big"))  # type: ignore[arg-type]  # Each table has a key.

    # Conditions.

    def condition(self, depth: int = 2) -> Drawn:
        if depth and self.maybe():
            way = self.one_of((v.both, v.either, v.negated))
            if way is v.negated:
                return v.negated(self.condition(depth - 1))
            return way(self.condition(depth - 1), self.condition(depth - 1))
        way = self.one_of(("compare", "columns", "null", "none", "in", "between", "like", "number", "json"))
        if way == "json" and (document := self.json()):
            return v.is_json(document, self.one_of((1, "1", "x", True, False, 2.5)))
        if way == "number":
            return v.compare(self.one_of(_COMPARED), self.number(1), self.number(1))
        if way == "like" and (text := self.column(str)):
            return self._like(text)
        made: Drawn = self.one_of(self.columns())
        if way == "columns":
            return v.compare(self.one_of(_COMPARED), made, self.one_of(self.columns(*self._kinds(made))))
        if way == "null":
            return v.condition(
                f"{made}.is_null()", lambda give: made.build(give).is_null(), lambda at: made.of(at) is None, made
            )
        if way == "none":
            return v.condition(
                f"({made} != None)",
                lambda give: made.build(give) != None,  # noqa: E711
                lambda at: made.of(at) is not None,
                made,
            )
        if way == "in":
            return self._in(made)
        if way == "between" and bool not in made.types:
            low, high = self.literal(made), self.literal(made)
            return v.condition(
                f"{made}.between({low}, {high})",
                lambda give: made.build(give).between(low.build(give), high.build(give)),
                lambda at: v.known(lambda a, b, c: b <= a <= c)(made.of(at), low.of(at), high.of(at)),
                made,
            )
        return v.compare(self.one_of(_COMPARED), made, self.literal(made))

    def _kinds(self, made: Drawn) -> tuple[Any, ...]:
        (kind,) = made.types
        return (int, "big") if kind is int else (kind,)

    def _like(self, text: Drawn) -> Drawn:
        name = self.one_of(("like", "ilike", "contains", "startswith", "endswith"))
        other = v.literal(self.one_of(("%", "a%", "_", "A_%") if name.endswith("like") else TEXTS))

        def holds(value: str, part: str) -> bool:
            if name == "like":
                return v.like(value, part)
            if name == "ilike":
                return v.like(value.lower(), part.lower())
            value, part = value.lower(), part.lower()
            return part in value if name == "contains" else bool(getattr(value, name)(part))

        return v.condition(
            f"{text}.{name}({other})",
            lambda give: getattr(text.build(give), name)(other.build(give)),
            lambda at: v.known(holds)(text.of(at), other.of(at)),
            text,
        )

    def _in(self, made: Drawn) -> Drawn:
        among = [self.literal(made) for _ in self.some(0, 3)]
        name = self.one_of(("in_", "not_in"))

        def of(at: v.Place) -> Any:
            found = v.is_in(made.of(at), [each.of(at) for each in among])
            return found if name == "in_" else v.negation(found)

        return v.condition(
            f"{made}.{name}({among})",
            lambda give: getattr(made.build(give), name)([each.build(give) for each in among]),
            of,
            made,
        )

    # Of many rows.

    def aggregate(self, *, windowed: bool = False) -> Drawn:
        name = self.one_of(
            ("count", "sum", "avg", "min", "max", "bool_and", "bool_or", "distinct", "rows", "float", "list", "joined")
        )
        filtered = self.condition(1) if self.maybe(3) else None
        if name in ("list", "joined"):
            text = self.column(str)
            if name == "joined" and text:
                return v.collected(text, filtered, ",")
            return v.collected(self.one_of(self.columns()) if self.maybe() else self.number(1), filtered)
        if name == "float":
            share = self.column(float) or self.number(1)
            return v.aggregate(self.one_of(("sum", "avg", "min", "max")), share, filtered)
        if name == "rows":
            return v.aggregate("count", None, filtered)
        if name in ("count", "distinct"):
            return v.aggregate(
                "count", self.one_of(self.columns()), filtered, distinct=name == "distinct" and not windowed
            )
        if name.startswith("bool"):
            return v.aggregate(name, self.condition(1), filtered)
        if name in ("min", "max") and self.maybe():
            return v.aggregate(name, self.text() or self.number(1), filtered)
        return v.aggregate(name, self.whole() if self.maybe() else self.number(1), filtered)

    def whole(self) -> Drawn:
        """Draw what is whole, and of which PostgreSQL's sum is not: a big column, a key, what is computed of them."""
        made: Drawn = self.column("big") or self.number(0)
        way = self.one_of(("column", "length", "literal"))
        if way == "length" and (length := self.length()):
            return v.computed("+", length, made)
        return v.computed("*", made, v.literal(2)) if way == "literal" else made


def _join(drawing: Drawing, model: Any) -> Join:
    """Draw how *model* is joined to those that are there."""
    kind = drawing.one_of(("left_join", "join", "right_join", "full_join", "cross_join"))
    if kind == "cross_join":
        return Join(kind, model, None)
    # By numbers, mostly small ones: so rows meet. PostgreSQL has no full join but of equal values.
    on = v.compare("==", drawing.column(int, "big"), drawing.one_of(drawing.columns(int, "big", models=[model])))  # type: ignore[arg-type]
    if kind != "full_join" and drawing.maybe(3):
        on = v.both(on, Drawing(drawing._draw, [*drawing.models, model]).condition(1))
    return Join(kind, model, on)


@st.composite
def queries(draw: Any) -> DrawnQuery:
    """Draw a query."""
    drawing = Drawing(draw, [])
    model = drawing.one_of(MODELS)
    drawing.models.append(model)
    joins, required = [], frozenset([model])
    for _ in drawing.some(0, 3):
        left = [each for each in MODELS if each not in drawing.models]
        join = _join(drawing, drawing.one_of(left))
        joins.append(join)
        drawing.models.append(join.model)
        required = {
            "left_join": required,
            "right_join": frozenset([join.model]),
            "full_join": frozenset(),
        }.get(join.kind, required | {join.model})
    query = DrawnQuery(model, tuple(joins), required=required)
    query = v.replace(query, where=conditions(drawing))
    if drawing.maybe(6):
        return _combined(drawing, query)
    query = _grouped(drawing, query) if drawing.maybe() else _rows(drawing, query)
    if drawing.maybe(3):
        query = v.replace(query, limit=Literal(drawing.one_of((0, 1, 2, 5))))
    if drawing.maybe(4):
        query = v.replace(query, offset=Literal(drawing.one_of((0, 1, 2))))
    return query


@st.composite
def combinable(draw: Any) -> DrawnQuery:
    """Draw a query with groups that can come together over many tenants."""

    def is_so(query: DrawnQuery) -> bool:
        return query.grouped is not None and query.reads(Deal, Line)

    query = draw(queries().filter(is_so))
    drawing = Drawing(draw, [query.model, *(join.model for join in query.joins)])
    made = (each for each in (drawing.aggregate() for _ in drawing.some(1, 3)) if _can_be_combined(each))
    selected = (*query.grouped, *made, v.aggregate("count", None, None))
    return v.replace(query, selected=selected, having=(), order=(), limit=None, offset=None)


def _can_be_combined(made: Drawn) -> bool:
    return not made.text.startswith(("array_agg", "string_agg", "count(distinct"))


def joined_inside(draw: Any) -> tuple[Drawing, DrawnQuery]:
    """Draw tables whose rows are joined where both are there."""
    drawing = Drawing(draw, [])
    joins: list[Join] = []
    drawing.models.append(drawing.one_of(MODELS))
    for _ in drawing.some(0, 2):
        join = _join(drawing, drawing.one_of([each for each in MODELS if each not in drawing.models]))
        joins.append(join if join.kind == "cross_join" else v.replace(join, kind="join"))
        drawing.models.append(join.model)
    return drawing, DrawnQuery(drawing.models[0], tuple(joins))


def conditions(drawing: Drawing) -> tuple[Drawn, ...]:
    return tuple(_where(drawing) for _ in drawing.some(0, 2))


def _where(drawing: Drawing) -> Drawn:
    if not drawing.maybe(3):
        return drawing.condition()
    way = drawing.one_of(("in", "exists", "scalar"))
    if way == "exists":
        made = inner("exists", _correlated(drawing))
        return v.negated(made) if drawing.maybe() else made
    if way == "scalar":
        scalar = _scalar(drawing)
        return v.compare(drawing.one_of(_COMPARED), drawing.number(1), scalar)
    value = drawing.column(int, "big")
    of = Drawing(drawing._draw, [drawing.one_of(MODELS)])
    selected = of.column(int, "big")
    where = (of.condition(1),) if drawing.maybe() else ()
    made = inner("in", DrawnQuery(of.models[0], where=where, selected=(selected,)), value=value)  # type: ignore[arg-type]
    return v.negated(made) if drawing.maybe() else made


def _correlated(drawing: Drawing) -> DrawnQuery:
    """Draw a query of a table that is not in the one around it, and names one that is."""
    model = drawing.one_of(each for each in MODELS if each not in drawing.models)
    around = drawing.one_of(drawing.models)
    of, outer = Drawing(drawing._draw, [model]), Drawing(drawing._draw, [around])
    on = v.compare("==", of.column(int, "big"), outer.column(int, "big"))  # type: ignore[arg-type]
    if drawing.maybe():
        on = v.both(on, Drawing(drawing._draw, [model, around]).condition(1))
    return DrawnQuery(model, where=(on,), correlated=(around,), selected=(of.column("big", int),))  # type: ignore[arg-type]


def _scalar(drawing: Drawing) -> Drawn:
    if drawing.maybe():
        query = _correlated(drawing)
        of = Drawing(drawing._draw, [query.model])
    else:
        of = Drawing(drawing._draw, [drawing.one_of(MODELS)])
        query = DrawnQuery(of.models[0])
    made = v.aggregate(drawing.one_of(("sum", "min", "max")), of.whole(), None)
    return inner("scalar", v.replace(query, grouped=(), selected=(made,)))


def _orders(drawing: Drawing, found: list[Drawn]) -> tuple[Order, ...]:
    return tuple(
        Order(drawing.one_of(found), drawing.maybe(), drawing.one_of((None, "first", "last")))
        for _ in drawing.some(0, 2)
        if found
    )


def _combined(drawing: Drawing, query: DrawnQuery) -> DrawnQuery:
    """Let its rows come together with those of other conditions."""
    selected = [each for each in (drawing.value() for _ in drawing.some(1, 3)) if each.is_exact] or [drawing.number()]
    by = drawing.one_of(range(1, len(selected) + 1)) * drawing.one_of((1, -1))
    way = drawing.one_of(("union", "union_all", "intersect", "except_"))
    limit = drawing.one_of((None, 0, 1, 3))
    where = tuple(drawing.condition() for _ in drawing.some(0, 2))
    return v.replace(query, selected=tuple(selected), combined=Combined(way, where, by, limit))


def _in_order(drawing: Drawing) -> Drawn:
    """Draw what depends on the order in a window."""
    name = drawing.one_of(("row_number", "rank", "running"))
    orders = (Order(drawing.one_of(drawing.columns()), drawing.maybe(), drawing.one_of((None, "first", "last"))),)
    if name == "row_number":  # By all keys in the end: then no two rows are peers.
        keys = [each for each in drawing.columns() if each.text.endswith(".id")]
        orders += tuple(Order(key, drawing.maybe(), None) for key in keys)
    made = v.aggregate(drawing.one_of(("sum", "count", "max")), drawing.number(1), None) if name == "running" else None
    partition = drawing.one_of(drawing.columns()) if drawing.maybe() else None
    return v.ordered_over(name, made, partition, orders)


def _rows(drawing: Drawing, query: DrawnQuery) -> DrawnQuery:
    """Let it have a row for each of its tables'."""
    selected = [drawing.value() for _ in drawing.some(1, 4)]
    if drawing.maybe(4):
        selected.append(_scalar(drawing))
    if drawing.maybe(3):
        selected = [each for each in selected if each.is_exact] or [drawing.number()]
        query = v.replace(query, selected=tuple(selected), distinct=True)
        return v.replace(query, order=_orders(drawing, selected))
    if drawing.maybe(4):
        selected.append(v.entity(drawing.one_of(drawing.models)))
    if drawing.maybe(4):
        whole = v.aggregate("sum", drawing.whole(), None)
        made = drawing.aggregate(windowed=True) if drawing.maybe() else whole
        selected.append(v.over(made, drawing.one_of(drawing.columns())))
    if drawing.maybe(4):
        selected.append(_in_order(drawing))
    query = v.replace(query, selected=tuple(selected))
    on = tuple(drawing.one_of(drawing.columns()) for _ in drawing.some(1, 2)) if drawing.maybe(4) else ()
    order = _orders(drawing, drawing.columns())
    if on or drawing.maybe():
        # By all keys in the end: then only one order is right.
        keys = [each for each in drawing.columns() if each.text.endswith(".id")]
        order = (
            *(Order(each, False, None) for each in on),
            *(() if on else order),
            *(Order(key, drawing.maybe(), None) for key in keys),
        )
    return v.replace(query, distinct_on=on, order=order)


def _grouped(drawing: Drawing, query: DrawnQuery) -> DrawnQuery:
    """Let it have a row for each group."""
    by = tuple(drawing.one_of(drawing.columns()) for _ in drawing.some(0, 2))
    having = tuple(_having(drawing) for _ in drawing.some(0, 1))
    made = [drawing.aggregate() for _ in drawing.some(1, 3)]
    selected = (*by, *made)
    order = _orders(drawing, [each for each in selected if each.is_exact])
    return v.replace(query, grouped=by, having=having, selected=selected, order=order)


def _having(drawing: Drawing) -> Drawn:
    made = v.aggregate("count", None, None) if drawing.maybe() else v.aggregate("sum", drawing.number(1), None)
    condition = v.compare(drawing.one_of(_COMPARED), made, v.literal(drawing.one_of(NUMBERS)))
    return v.negated(condition) if drawing.maybe(3) else condition
