"""The builder of queries over tenants' and shared tables. What the checkers know of it is in the stub beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import peewee
from peewee import JOIN

from tenantry.binding import BoundDatabase, SharedModel
from tenantry.binding.pins import admit, pin_here
from tenantry.errors import InvalidQuery
from tenantry.query.compiled import Compiled
from tenantry.query.rows import Entity, Shape, checked
from tenantry.query.statement import Statement


def with_shared(model: Any) -> Query:
    """Begin a query of *model*, which may join tables of the tenant and shared ones, and names the schema of each.

    >>> with_shared(Invoice).left_join(Plan, on=Invoice.plan == Plan.id).select(Invoice.id, Plan.name)  # doctest: +SKIP
    """
    shape = Shape([Entity(_model(model))], single=True)
    node = _Select([_model(model)._meta.table], shape.nodes, model=model)
    return Query(node, shape, _proxy_of(model) or SharedModel._meta.database)


class _Select(peewee.Select):  # type: ignore[misc]  # peewee's stubs
    """A SELECT that belongs to whoever was bound where it was begun, if anybody was."""

    def __init__(self, *args: Any, model: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.model, self._pin = model, pin_here()

    @property
    def pinned_name(self) -> str:
        """What an error calls it."""
        return f"this query of {self.model.__name__}"

    def __sql__(self, ctx: Any) -> Any:
        pin = getattr(ctx, "pin", None)
        if pin is not None and self._pin is not None and self._pin is not pin:
            admit(self, pin)
        return super().__sql__(ctx)


class Query(Statement[Any], peewee.Node):  # type: ignore[misc]  # peewee's stubs
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
        """Join *model*'s table: all of its rows, and None for the others' columns where they have none."""
        return self._joined(model, JOIN.RIGHT_OUTER, on)

    def full_join(self, model: Any, on: Any) -> Query:
        """Join *model*'s table: the rows of both sides, each with None where the other has none."""
        return self._joined(model, JOIN.FULL_OUTER, on)

    def cross_join(self, model: Any) -> Query:
        """Join each row with each of *model*'s."""
        return self._joined(model, JOIN.CROSS, None)

    def correlate(self, model: Any) -> Query:
        """Let columns of *model* be named that the query around this one has: for `fn.exists()` and `as_scalar()`."""
        _model(model)
        return self

    # Which rows, in which order.

    def where(self, *conditions: Any) -> Query:
        """Keep the rows for which all *conditions* hold."""
        return self._with(self._node.where(*_nodes("where", conditions)))

    def group_by(self, *columns: Any) -> Query:
        """Make one row of those that have the same values of *columns*."""
        return self._with(self._node.group_by(*_nodes("group_by", columns)))

    def having(self, *conditions: Any) -> Query:
        """Keep the groups for which all *conditions* hold."""
        return self._with(self._node.having(*_nodes("having", conditions)))

    def order_by(self, *columns: Any) -> Query:
        """Order the rows: `Invoice.total.desc(nulls="last")`."""
        return self._with(self._node.order_by(*_nodes("order_by", columns)))

    def distinct(self, *on: Any) -> Query:
        """Leave out rows that are there already: of all their columns, or of those *on* which they are compared."""
        return self._with(self._node.distinct(*(_nodes("distinct", on) or (True,))))

    def limit(self, rows: int) -> Query:
        """Return at most so many *rows*."""
        return self._with(self._node.limit(_number("limit", rows)))

    def offset(self, rows: int) -> Query:
        """Leave out the first *rows*."""
        return self._with(self._node.offset(_number("offset", rows)))

    def for_update(self, *of: Any, nowait: bool = False, skip_locked: bool = False) -> Query:
        """Lock the rows until the transaction ends: those of the models that are named, or of all."""
        tables = [_model(model)._meta.table for model in of] or None
        return self._with(self._node.for_update(of=tables, nowait=nowait, skip_locked=skip_locked))

    # What its rows are.

    def select(self, *columns: Any) -> Query:
        """Say what a row is: a tuple of *columns*, which are columns, expressions, and models for whole rows."""
        if not columns:
            raise InvalidQuery("select() needs a column")
        shape = Shape([each if isinstance(each, Entity) else _node("select", each) for each in columns])
        return Query(self._node.columns(*shape.nodes), shape, self._proxy)

    def into(self, make: Callable[..., Any]) -> Query:
        """Make each row by calling *make* with its values: a dataclass, a NamedTuple, any callable.

        Raises:
            InvalidQuery: it takes another number of values, or its fields have other names than the columns.
        """
        shape = Shape(self._shape.columns, checked(make, self._shape.columns))
        return Query(self._node, shape, self._proxy)

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

    def _joined(self, model: Any, kind: str, on: Any) -> Query:
        if kind != JOIN.CROSS and not isinstance(on, peewee.Node):
            raise InvalidQuery(
                f"the join of {_model(model).__name__} needs a condition, and has {on!r}: on=A.b == B.id"
            )
        query = self._with(self._node.join(_model(model)._meta.table, kind, on))
        if not query._proxy.tenant_only:
            query._proxy = _proxy_of(model) or query._proxy
        return query

    def _with(self, node: Any) -> Query:
        return Query(node, self._shape, self._proxy)

    def _ask(self, sources: list[Any], column: Any) -> Any:
        node = _Select(sources, [column], model=self._node.model)
        asked: Statement[tuple[Any]] = Statement(node, Shape([column]), self._proxy)
        return asked.execute()[0][0]


def _model(model: Any) -> Any:
    if not (isinstance(model, type) and issubclass(model, peewee.Model)):
        raise InvalidQuery(f"{model!r} is not a model")
    return model


def _proxy_of(model: Any) -> BoundDatabase | None:
    database = model._meta.database
    return database if type(database) is BoundDatabase else None


def _node(method: str, value: Any) -> Any:
    if not isinstance(value, peewee.Node):
        raise InvalidQuery(f"{method}() takes columns and expressions, and was given {value!r}")
    return value


def _nodes(method: str, values: Any) -> Any:
    return tuple(_node(method, value) for value in values)


def _number(method: str, value: Any) -> Any:
    if isinstance(value, peewee.Node):  # A parameter of a compiled query.
        return value
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InvalidQuery(f"{method}() takes a number of rows, and was given {value!r}")
    return value
