"""What each column of a table is to be in the rows of a query. What the checkers know is in the stub beside it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Self

import peewee

from tenantry.errors import InvalidQuery
from tenantry.query.rendering import WHOLE, Converted, Parameter
from tenantry.query.rows import inner
from tenantry.query.sources import ColumnOfDerived, Step
from tenantry.query.statement import Parametrized


class Assignments(Parametrized):
    """What sets columns of one table, a model's or a derived one, from each row of a query. It is a value."""

    _query: Any
    _target: Any
    _values: Mapping[str, tuple[Any, Any]] = {}  # By the name of the column: itself, and what it is to be.

    def set(self, column: Any, value: Any) -> Self:
        """Let *column* be *value*: one of Python's, or an expression of the query's tables.

        Raises:
            InvalidQuery: it is no column of the table that is written, or is set already.
        """
        table = self._target._meta.table
        if _table_of(column) != table:
            raise InvalidQuery(f"set() takes a column of {self._target.__name__} here, and was given {column!r}")
        if column.name in self._values:
            raise InvalidQuery(f"{self._target.__name__}.{column.name} is set twice")
        made = self._copy()
        made._values = {**self._values, column.name: (column, _adapted(column, value))}
        return made

    def _copy(self) -> Self:
        return copy.copy(self)


class Filling(Assignments, Step):
    """Rows for a derived table: what its `step()` returns."""

    def __init__(self, query: Any, target: Any) -> None:
        self._query, self._target = query, target

    def node(self, names: list[str]) -> Any:
        """Return the query of these columns, in their order.

        Raises:
            InvalidQuery: one of them is not set.
        """
        missing = [name for name in names if name not in self._values]
        if missing:
            raise InvalidQuery(f"step() of {self._target.__name__} leaves {', '.join(missing)} open: set() each column")
        return self._query._node.columns(*(self._values[name][1] for name in names))


def _table_of(column: Any) -> Any:
    if isinstance(column, ColumnOfDerived):
        return column.source
    return column.model._meta.table if isinstance(column, peewee.Field) else None


def _adapted(column: Any, value: Any) -> Any:
    convert = _converter(column, inner(column))
    if isinstance(value, Parameter):
        return Converted(value, convert)
    if isinstance(value, peewee.Node) and not isinstance(value, peewee.Model):
        return value
    return peewee.Value(value, converter=convert, unpack=False)


def _converter(column: Any, field: Any) -> Any:
    """Return what makes a value of Python's one of *column*, which is of the kind of *field*."""
    if not isinstance(field, peewee.Field):
        return None
    if not isinstance(field, WHOLE):
        return field.db_value

    def whole(value: Any) -> Any:
        if type(value) in (Decimal, float) and value % 1:  # PostgreSQL would round it.
            raise InvalidQuery(f"{column!r} takes whole numbers, and was given {value!r}: round() it first")
        return field.db_value(value)

    return whole
