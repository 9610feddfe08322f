"""The aggregates of many tenants, combined by the server as if their tables were one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import peewee

from tenantry.errors import InvalidQuery
from tenantry.naming import SchemaName
from tenantry.query.nodes import clause_of
from tenantry.query.rendering import of_tenants
from tenantry.query.rows import Entity, Row, bare, inner, name_of
from tenantry.query.sources import ColumnOfDerived
from tenantry.query.statement import Statement
from tenantry.query.union import Union, branch, checked

Carried = list[tuple[str | None, ...]]

# What becomes of each tenant's value of an aggregate. Names are qualified: a shared schema may have a sum() of its own.
_FOLDS = {
    "COUNT": "CAST(pg_catalog.sum({0}) AS pg_catalog.int8)",  # The sum of bigint is numeric.
    "SUM": "pg_catalog.sum({0})",
    "MIN": "pg_catalog.min({0})",
    "MAX": "pg_catalog.max({0})",
    "BOOL_AND": "pg_catalog.bool_and({0})",
    "BOOL_OR": "pg_catalog.bool_or({0})",
}
_COMBINED = (*_FOLDS, "AVG")
_OTHERS = frozenset(
    """
    ANY_VALUE ARRAY_AGG BIT_AND BIT_OR BIT_XOR CORR COVAR_POP COVAR_SAMP EVERY JSON_AGG JSON_OBJECT_AGG JSONB_AGG
    JSONB_OBJECT_AGG MODE PERCENTILE_CONT PERCENTILE_DISC RANGE_AGG REGR_SLOPE STDDEV STDDEV_POP STDDEV_SAMP STRING_AGG
    VAR_POP VAR_SAMP VARIANCE XMLAGG
    """.split()
)
_KEY = "{0}"
_WHOLE = (peewee.SelectBase, peewee.Field, peewee.Table, ColumnOfDerived)  # What has nothing in it that is to be seen.


class _Part(NamedTuple):
    """What each tenant computes, and how several of it become one: a key is left as it is, and grouped by."""

    node: Any
    fold: str

    def folded(self, name: str) -> str:
        return self.fold.format(name)

    def kind(self, name: str) -> str:
        """Write what its type is. A sum's is that of the tenants' sums: a sum of these may be wider."""
        value = f"pg_catalog.min({name})" if self.fold == _FOLDS["SUM"] else self.folded(name)
        # With -1 for its modifier the name casts to what it names: "character" would cut texts to one character.
        return f"pg_catalog.format_type(pg_catalog.pg_typeof({value}), -1)"


class Combined:
    """A query with aggregates, whose rows are to come together over many tenants.

    Raises:
        InvalidQuery: it has what cannot be combined; and as :class:`Union`.
    """

    def __init__(self, query: Statement[Any], place: object, *, engine: object) -> None:
        node: Any = _combinable(checked(query)._node)
        self.shape = query._shape
        self._parts: list[_Part] = []
        self._outputs: list[str] = []
        self._narrow: list[tuple[int, str]] = []  # Sums that are bigint or numeric, which only the server knows.
        self._called: list[Any] = []
        for column in self._columns():
            self._add(column)
        if not node._group_by and all(part.fold == _KEY for part in self._parts):
            raise InvalidQuery("combined() combines aggregates, and the query has none: execute() gives its rows")
        # Where the server takes one for an aggregate that is not known here, it refuses to group by it.
        grouped = [*(node._group_by or ()), *self._called]
        self._parts += [_Part(bare(each), _KEY) for each in node._group_by or () if not _is_among(each, self._parts)]
        nodes = [part.node for part in self._parts]
        proxy = query._proxy
        branches: Any = type(query)(node.columns(*nodes).group_by(*grouped), self.shape, proxy)
        self.union: Union[Any] = Union(branches, place, engine=engine)
        self._names = [f'"c{number}"' for number in range(len(nodes))]

    def carrying(self, schemas: Sequence[SchemaName], carried: Carried) -> tuple[str, list[Any]]:
        """Write what brings the rows of *schemas* and of earlier statements together, as texts with their types."""
        columns = []
        for part, name in zip(self._parts, self._names, strict=True):
            columns += [f"CAST({part.folded(name)} AS pg_catalog.text)", part.kind(name)]
        return self._statement(columns, schemas, carried)

    def ending(self, schemas: Sequence[SchemaName], carried: Carried) -> tuple[str, list[Any]]:
        """Write what brings all together, as the query promises it."""
        checks = [f"{_Part(None, _FOLDS['SUM']).kind(name)} = 'bigint'" for _, name in self._narrow]
        return self._statement([*self._outputs, *checks], schemas, carried)

    def rows(self, found: list[Row]) -> list[Row]:
        """Return rows of the last statement as the query promises them."""
        return [self._narrowed(row) for row in found] if self._narrow else found

    def refusal(self, reason: str) -> InvalidQuery:
        """Return what is to be raised where the server finds another aggregate among the columns."""
        return InvalidQuery(f"combined() takes the plain aggregates {', '.join(_COMBINED).lower()} alone: {reason}")

    def of_none(self) -> list[Row]:
        """Return the rows of no tenants: without groups there is always one, and the count of nothing is 0."""
        if any(part.fold == _KEY for part in self._parts):
            return []
        return [
            (*(0 if output.startswith("CAST(") else None for output in self._outputs), *(False,) * len(self._narrow))
        ]

    def _columns(self) -> Iterator[Any]:
        for column in self.shape.columns:
            if not isinstance(column, Entity):
                yield column
            elif getattr(column.model, "_is_shared", False):
                yield from column.model._meta.sorted_fields
            else:
                name = column.model.__name__
                raise InvalidQuery(
                    f"combined() has rows of nobody, and a row of {name} belongs to a tenant: select columns"
                )

    def _add(self, column: Any) -> None:
        """Add a column of the result, and what each tenant is to compute for it."""
        node = bare(column)
        name = _called(node)
        if name in _COMBINED:
            self._refuse_within(column, [node.arguments, node._filter])
            self._add_aggregate(name, node)
            return
        self._refuse_within(column, [node])
        if any(_called(each) not in ("", "EXISTS") for each in _within(node)):
            self._called.append(node)
        self._outputs.append(self._fold(column, _KEY))

    def _add_aggregate(self, name: str, node: Any) -> None:
        if name == "AVG":
            added = self._fold(_like(node, "SUM", *map(_exact, node.arguments)), _FOLDS["SUM"])
            count = self._fold(_like(node, "COUNT", *node.arguments), _FOLDS["COUNT"])
            self._outputs.append(f"{added} OPERATOR(pg_catalog./) NULLIF({count}, 0)")
            return
        if name == "SUM" and node._python_value is None:
            self._narrow.append((len(self._outputs), f'"c{len(self._parts)}"'))
        self._outputs.append(self._fold(node, _FOLDS[name]))

    def _fold(self, node: Any, fold: str) -> str:
        self._parts.append(_Part(node, fold))
        return self._parts[-1].folded(f'"c{len(self._parts) - 1}"')

    def _refuse_within(self, column: Any, inside: Any) -> None:
        """Refuse what cannot be had from the tenants' values: DISTINCT, a window, an aggregate in an expression."""
        for node in _within(inside):
            what = None
            if isinstance(node, peewee.Window):
                what = "is of a window"
            elif _called(node) == "DISTINCT" or (isinstance(node, peewee.SQL) and node.sql.upper() == "DISTINCT"):
                what = "is an aggregate of distinct values"
            elif isinstance(node, peewee.SQL) and "(" in node.sql and not node.sql.startswith("AS "):
                what = "has raw SQL in it"
            elif type(node) is peewee.NodeList and isinstance(node.nodes[0], peewee.SelectBase):
                what = "has a query in it, which is each tenant's own"
            elif (name := _called(node)) in _COMBINED or name in _OTHERS:
                what = f"has {name} in it"
            if what is not None:
                named = name_of(column) or f"column_{len(self._outputs) + 1}"
                raise InvalidQuery(
                    f"combined() cannot combine {named!r}, which {what}: it takes the plain aggregates "
                    f"{', '.join(_COMBINED).lower()}. Without it each tenant's value can be had by execute()"
                )

    def _statement(self, columns: list[str], schemas: Sequence[SchemaName], carried: Carried) -> tuple[str, list[Any]]:
        text = self.union.text
        sources = [f'SELECT "b".* FROM ({branch(text, schema)}) AS "b"' for schema in schemas]
        values = text.values * len(schemas)
        if carried:
            kinds = [f"CAST(%s AS {kind.replace('%', '%%')})" for kind in carried[0][1::2] if kind]
            row = f"({', '.join(kinds)})"
            sources.append(f"VALUES {', '.join([row] * len(carried))}")
            values += [value for each in carried for value in each[::2]]
        keys = [name for part, name in zip(self._parts, self._names, strict=True) if part.fold == _KEY]
        grouped = f" GROUP BY {', '.join(keys)}" if keys else ""
        names = ", ".join(self._names)
        return f'SELECT {", ".join(columns)} FROM ({" UNION ALL ".join(sources)}) AS "q" ({names}){grouped}', values

    def _narrowed(self, row: Row) -> Row:
        """Make sums whole again that only the sum of the tenants' sums has made numeric."""
        values, checks = [*row[: len(self._outputs)]], row[len(self._outputs) :]
        for (at, _), is_whole in zip(self._narrow, checks, strict=True):
            if is_whole and values[at] is not None:
                values[at] = int(values[at])
        return tuple(values)


def _combinable(node: Any) -> Any:
    if isinstance(node, peewee.CompoundSelectQuery):
        raise InvalidQuery("combined() takes no union, whose rows have no aggregates: combine its queries one by one")
    clause = clause_of(node, allowed=("group_by()", "for_update()"))  # Locks are refused as it is rendered.
    if clause is not None:
        raise InvalidQuery(
            f"combined() takes no {clause}, which each tenant would apply to its own rows: leave it out, and do it "
            "to the rows that are combined"
        )
    if not _has_tenants_row(node._from_list[0]):
        raise InvalidQuery(
            "combined() takes queries whose every row has one of a tenant's table: a shared row that stands alone "
            "would be counted once for each tenant. Begin with the tenant's model, or join() it"
        )
    if any(isinstance(each, peewee.SQL) for each in node._group_by or ()):
        raise InvalidQuery("combined() groups by columns and expressions, and was given raw SQL in group_by()")
    return node


def _has_tenants_row(source: Any) -> bool:
    """Say whether each row of the joined tables has one of a tenant's table in it."""
    if not isinstance(source, peewee.Join):
        return of_tenants(source._model) is not None
    join: Any = source
    left, right = _has_tenants_row(join.lhs), _has_tenants_row(join.rhs)
    kept = {peewee.JOIN.LEFT_OUTER: left, peewee.JOIN.RIGHT_OUTER: right, peewee.JOIN.FULL_OUTER: left and right}
    return kept.get(join.join_type, left or right)


def _like(node: Any, name: str, *arguments: Any) -> Any:
    made: Any = peewee.Function(name, arguments, coerce=False)
    made._filter = node._filter
    return made


def _exact(node: Any) -> Any:
    """Return *node* as what its mean is computed in: a sum of real numbers would lose what their mean keeps."""
    node = bare(node)
    fields = [*map(inner, _within(node))]
    is_real = any(isinstance(each, peewee.FloatField) and not isinstance(each, peewee.DoubleField) for each in fields)
    return peewee.Cast(node, "double precision") if is_real and _called(node) != "CAST" else node


def _called(node: Any) -> str:
    """Return the name of a function, in capitals."""
    return str(node.name).upper() if isinstance(node, peewee.Function) else ""


def _is_among(node: Any, parts: list[_Part]) -> bool:
    return any(bare(part.node) is bare(node) for part in parts)


def _within(value: Any) -> Iterator[Any]:
    """Yield the nodes of an expression; of a query in it not its own, which is each tenant's."""
    if isinstance(value, list | tuple):
        for each in value:
            yield from _within(each)
    elif isinstance(value, peewee.Node):
        yield value
        if not isinstance(value, _WHOLE):
            yield from _within(list(vars(value).values()))
