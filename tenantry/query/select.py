"""The builder of queries over tenants' and shared tables. What the checkers know of it is in the stub beside it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Self

import peewee
from peewee import JOIN

from tenantry.binding import SharedModel
from tenantry.errors import InvalidQuery
from tenantry.query.assignments import Filling
from tenantry.query.compiled import Compiled
from tenantry.query.nodes import CompoundNode, SelectNode
from tenantry.query.rendering import Converted, Parameter
from tenantry.query.rows import Entity, Shape, checked, checked_model, proxy_of
from tenantry.query.sources import Taken
from tenantry.query.statement import Parametrized, Statement
from tenantry.query.writes import Delete, Insert, Update


def with_shared(model: Any) -> Query:
    """Begin a query of *model*, which may join tables of the tenant and shared ones, and names the schema of each.

    >>> with_shared(Invoice).left_join(Plan, on=Invoice.plan == Plan.id).select(Invoice.id, Plan.name)  # doctest: +SKIP
    """
    shape = Shape([Entity(model)], single=True)
    node = SelectNode([model._meta.table], shape.nodes, model=model)
    return Query(node, shape, proxy_of(model) or SharedModel._meta.database)


class Selection(Parametrized, Statement[Any], peewee.Node):  # type: ignore[misc]  # peewee's stubs
    """What can be cut short, and come together with the rows of another query."""

    __slots__ = ()

    def limit(self, rows: int) -> Self:
        """Return at most so many *rows*."""
        return self._with(self._node.limit(_number("limit", rows)))

    def offset(self, rows: int) -> Self:
        """Leave out the first *rows*."""
        return self._with(self._node.offset(_number("offset", rows)))

    def union(self, other: Any) -> Compound:
        """Return the rows of both, each once."""
        return self._combined("UNION", other)

    def union_all(self, other: Any) -> Compound:
        """Return the rows of both."""
        return self._combined("UNION ALL", other)

    def intersect(self, other: Any) -> Compound:
        """Return the rows that both have."""
        return self._combined("INTERSECT", other)

    def except_(self, other: Any) -> Compound:
        """Return the rows that *other* has not."""
        return self._combined("EXCEPT", other)

    def __repr__(self) -> str:
        names = "" if self._shape.single else f": {', '.join(self._shape.names())}"
        return f"<query of {self._node.model.__name__}{names}>"

    # Other ways to use it.

    def as_scalar(self) -> Any:
        """Return it as a value in another query: its one row's one column."""
        return peewee.NodeList((self._node,))

    def count(self) -> int:
        """Count its rows."""
        return int(self._ask([self._node.order_by().alias("counted")], peewee.fn.COUNT(peewee.SQL("*"))))

    def exists(self) -> bool:
        """Say whether it has a row."""
        return bool(self._ask([], peewee.fn.EXISTS(self._node)))

    def compile(self) -> Compiled[..., Any]:
        """Render it once, for all tenants and all runs to come."""
        return Compiled(lambda: self)

    @property
    def node(self) -> Any:
        """The query as a node of peewee's."""
        return self._node

    def __sql__(self, ctx: Any) -> Any:
        return ctx.sql(self._node)

    def _combined(self, operator: str, other: Any) -> Compound:
        if not isinstance(other, Selection):
            raise InvalidQuery(f"{operator} takes another query, and was given {other!r}")
        shape = self._shape.with_rows_of(other._shape, operator)
        proxy = self._proxy if self._proxy.tenant_only else other._proxy
        return Compound(CompoundNode(self._node, operator, other._node), shape, proxy)

    def _ask(self, sources: list[Any], column: Any) -> Any:
        node = SelectNode(sources, [column], model=self._node.model)
        asked: Statement[tuple[Any]] = Statement(node, Shape([column]), self._proxy)
        return asked.execute()[0][0]

    def _with(self, node: Any) -> Self:
        return type(self)(node, self._shape, self._proxy)


class Compound(Selection):
    """The rows of two queries together. They have no tables to order by: its columns are known by their numbers."""

    __slots__ = ()

    def order_by(self, *columns: int) -> Compound:
        """Order by columns, which are numbered from 1; a negative number is a descending order."""
        for column in columns:
            if (
                isinstance(column, bool)
                or not isinstance(column, int)
                or not 0 < abs(column) <= len(self._shape.columns)
            ):
                raise InvalidQuery(f"order_by() takes the numbers of columns here, and was given {column!r}")
        order = [peewee.SQL(f"{abs(column)}{' DESC' if column < 0 else ''}") for column in columns]
        return self._with(self._node.order_by(*order))


class Query(Selection):
    """A SELECT. Until :meth:`select` says what its rows are, they are instances of the model that it began with."""

    __slots__ = ()

    # The tables.

    def join(self, model: Any, on: Any) -> Query:
        """Join *model*'s table: rows for which *on* holds."""
        return self._joined(model, JOIN.INNER, on)

    def left_join(self, model: Any, on: Any) -> Query:
        """Join *model*'s table, whose columns are None where it has no row."""
        return self._joined(model, JOIN.LEFT_OUTER, on)

    def right_join(self, model: Any, on: Any) -> Query:
        """Join *model*'s table: all of its rows, and None for the others' columns where they have none.

        Raises:
            InvalidQuery: the columns are selected already, and may be None from now on.
        """
        self._refuse_selected("right_join()", model)
        return self._joined(model, JOIN.RIGHT_OUTER, on)

    def full_join(self, model: Any, on: Any) -> Query:
        """Join *model*'s table: the rows of both sides, each with None where the other has none.

        Raises:
            InvalidQuery: the columns are selected already, and may be None from now on.
        """
        self._refuse_selected("full_join()", model)
        return self._joined(model, JOIN.FULL_OUTER, on)

    def cross_join(self, model: Any) -> Query:
        """Join each row with each of *model*'s."""
        return self._joined(model, JOIN.CROSS, None)

    def lookup(self, key: Any) -> Query:
        """Left-join the table that a foreign key refers to: `lookup(Invoice.plan)`.

        Raises:
            InvalidQuery: *key* is no foreign key, or refers to its own table, which is joined by an alias.
        """
        if not isinstance(key, peewee.ForeignKeyField):
            raise InvalidQuery(f"lookup() takes a foreign key, and was given {key!r}")
        model, name = key.rel_model, f"{key.model.__name__}.{key.name}"
        if model is key.model or key._is_self_reference:
            raise InvalidQuery(
                f"{name} refers to its own table: make an alias of it, a class below {model.__name__} with "
                f"Meta.alias = True, and left_join(Alias, on={name} == Alias.{key.rel_field.name})"
            )
        return self.left_join(model, on=key == key.rel_field)

    def correlate(self, model: Any) -> Query:
        """Let columns of *model* be named that the query around this one has: for `fn.exists()` and `as_scalar()`."""
        checked_model(model)
        return self

    # Which rows, in which order.

    def where(self, *conditions: Any) -> Query:
        """Keep the rows for which all *conditions* hold."""
        return self._with(self._node.where(*_conditions("where", conditions))) if conditions else self

    def group_by(self, *columns: Any) -> Query:
        """Make one row of those that have the same values of *columns*."""
        return self._with(self._node.group_by(*_nodes("group_by", columns)))

    def having(self, *conditions: Any) -> Query:
        """Keep the groups for which all *conditions* hold."""
        return self._with(self._node.having(*_conditions("having", conditions))) if conditions else self

    def order_by(self, *columns: Any) -> Query:
        """Order the rows: `Invoice.total.desc(nulls="last")`."""
        return self._with(self._node.order_by(*_nodes("order_by", columns)))

    def distinct(self, *on: Any) -> Query:
        """Leave out rows that are there already: of all their columns, or of those *on* which they are compared."""
        return self._with(self._node.distinct(*(_nodes("distinct", on) or (True,))))

    def for_update(self, *of: Any, nowait: bool = False, skip_locked: bool = False) -> Query:
        """Lock the rows until the transaction ends: those of the models that are named, or of all."""
        tables = [checked_model(model)._meta.table for model in of]
        for model, table in zip(of, tables, strict=True):
            if table not in _tables(self._node._from_list[0]):
                raise InvalidQuery(
                    f"for_update() locks rows of tables of the query, and {model.__name__} is none: join it first"
                )
        return self._with(self._node.for_update(of=tables or None, nowait=nowait, skip_locked=skip_locked))

    # What its rows are.

    def select(self, *columns: Any) -> Query:
        """Say what a row is: a tuple of *columns*, that is columns, expressions, and `fn.row(Model)` for whole rows."""
        if not columns:
            raise InvalidQuery("select() needs a column")
        shape = Shape([each if isinstance(each, Entity) else _node("select", each) for each in columns])
        return Query(self._node.columns(*shape.nodes), shape, self._proxy)

    def column(self, column: Any) -> Any:
        """Return *column*, or any expression of its tables, as one of a derived table: see :class:`Derived`."""
        return Taken(self, _node("column", column))

    def into(self, make: Callable[..., Any]) -> Query:
        """Make each row by calling *make* with its values: a dataclass, a NamedTuple, any callable.

        Raises:
            InvalidQuery: it takes another number of values, or its fields have other names than the columns.
        """
        shape = Shape(self._shape.columns, checked(make, self._shape.columns))
        return Query(self._node, shape, self._proxy)

    # Its rows for a table.

    def fill(self, derived: Any) -> Filling:
        """Begin the rows that it adds to a derived table: for what `step()` returns."""
        return Filling(self, derived)

    def update(self) -> Update:
        """Begin an UPDATE of the rows of the model that it began with: those that it would find."""
        return Update(self)

    def delete(self) -> Delete:
        """Begin a DELETE of the rows of the model that it began with: those that it would find."""
        return Delete(self)

    def insert(self, model: Any) -> Insert:
        """Begin an INSERT into *model*'s table: a row for each that it finds."""
        return Insert(self, model)

    def _joined(self, model: Any, kind: str, on: Any) -> Query:
        if kind != JOIN.CROSS and not isinstance(on, peewee.Node):
            raise InvalidQuery(
                f"the join of {checked_model(model).__name__} needs a condition, and has {on!r}: on=A.b == B.id"
            )
        on = _condition(f"the join of {checked_model(model).__name__}", on)
        if model._meta.table in _tables(self._node._from_list[0]):
            raise InvalidQuery(
                f"{model.__name__} is in the query already: to join its table once more, make an alias of it, a "
                "class below it with Meta.alias = True"
            )
        query = self._with(self._node.join(model._meta.table, kind, on))
        if not query._proxy.tenant_only:
            query._proxy = proxy_of(model) or query._proxy
        return query

    def _refuse_selected(self, join: str, model: Any) -> None:
        if not self._shape.single:
            raise InvalidQuery(
                f"the {join} of {checked_model(model).__name__} comes after select(), and would leave its "
                "columns without values: join first, and select then"
            )


def _tables(source: Any) -> list[Any]:
    """Return the tables that are joined."""
    return [*_tables(source.lhs), source.rhs] if isinstance(source, peewee.Join) else [source]


def _node(method: str, value: Any) -> Any:
    if not isinstance(value, peewee.Node) or isinstance(value, peewee.Model):
        is_model = method == "select" and isinstance(value, type) and issubclass(value, peewee.Model)
        row = f": the whole row is fn.row({value.__name__})" if is_model else ""
        raise InvalidQuery(f"{method}() takes columns and expressions, and was given {value!r}{row}")
    return value


def _condition(method: str, value: Any) -> Any:
    if isinstance(value, peewee.Field) and not isinstance(value, peewee.BooleanField):
        raise InvalidQuery(f"{method} takes conditions, and was given the column {value!r}: compare it with something")
    if isinstance(value, Selection):
        raise InvalidQuery(
            f"{method} takes conditions, and was given a query: say fn.exists(query), or column.in_(query)"
        )
    # peewee puts others in parentheses, and joins these as they are: an OR in them would reach beyond them.
    return peewee.EnclosedNodeList([value]) if isinstance(value, (peewee.SQL, peewee.NodeList)) else value


def _nodes(method: str, values: Any) -> Any:
    for value in values:
        if isinstance(value, Parameter):
            raise InvalidQuery(f"{method}() takes columns and expressions, and {value!r} is one value for all rows")
    return tuple(_node(method, value) for value in values)


def _conditions(method: str, values: Any) -> Any:
    return tuple(_condition(f"{method}()", _node(method, value)) for value in values)


def _number(method: str, value: Any) -> Any:
    if isinstance(value, Parameter):
        return Converted(value, functools.partial(_number, method))
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InvalidQuery(f"{method}() takes a number of rows, and was given {value!r}")
    return value
