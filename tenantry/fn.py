"""The functions of SQL, typed: `fn.count()`, `fn.sum(Invoice.total)`, `fn.coalesce(Plan.name, "none")`.

Each is what peewee's `fn` makes, and knows how its value is made what its type says. `fn.call()` is for all others.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any
from uuid import UUID

import peewee

from tenantry.errors import InvalidQuery
from tenantry.query.rendering import WHOLE, Parameter, as_it_is
from tenantry.query.rows import Convert, Entity, bare, converter

_CONVERTED: dict[Any, Convert] = {
    UUID: lambda value: value if isinstance(value, UUID) else UUID(value),
    bytes: bytes,
    int: int,
    float: float,
    Decimal: Decimal,
}


def _function(name: str, *arguments: Any, convert: Convert | None = None) -> Any:
    return peewee.Function(name, arguments, coerce=False, python_value=convert)


def _is_whole(node: Any) -> bool:
    node = bare(node)
    if isinstance(node, peewee.Expression):
        return _is_whole(node.lhs) and _is_whole(node.rhs)
    if isinstance(node, peewee.ForeignKeyField):
        return _is_whole(node.rel_field)
    if isinstance(node, peewee.Function):
        return node.name in {"COUNT", "LENGTH"} or converter(node) is int
    return node.kind is int if isinstance(node, Parameter) else isinstance(node, (*WHOLE, int))


def count(value: Any = None, *, distinct: bool = False) -> Any:
    """Count rows, or those in which *value* is not null."""
    what = peewee.SQL("*") if value is None else value
    return _function("COUNT", what.distinct() if distinct else what)


def sum(value: Any) -> Any:
    """Add up. Of no rows it is None."""
    return _function("SUM", value, convert=int if _is_whole(value) else None)  # PostgreSQL's sum of bigint is numeric.


def avg(value: Any) -> Any:
    """Return the mean; of whole numbers a Decimal."""
    return _function("AVG", value)


def min(value: Any) -> Any:
    """Return the least value."""
    return _function("MIN", value, convert=converter(value))


def max(value: Any) -> Any:
    """Return the greatest value."""
    return _function("MAX", value, convert=converter(value))


def array_agg(value: Any) -> Any:
    """Collect the values in a list."""
    convert = converter(value)
    each = convert and (lambda found: [None if one is None else convert(one) for one in found])
    return _function("ARRAY_AGG", value, convert=each)


def string_agg(value: Any, separator: str) -> Any:
    """Join texts."""
    return _function("STRING_AGG", value, separator)


def bool_and(value: Any) -> Any:
    """Say whether all are true."""
    return _function("BOOL_AND", value)


def bool_or(value: Any) -> Any:
    """Say whether one is true."""
    return _function("BOOL_OR", value)


def row_number() -> Any:
    """Number the rows of a window: `fn.row_number().over(order_by=[Invoice.id])`."""
    return _function("ROW_NUMBER")


def rank() -> Any:
    """Rank the rows of a window."""
    return _function("RANK")


def coalesce(value: Any, default: Any) -> Any:
    """Return *value*, or *default* where it is null."""
    return _function("COALESCE", value, _adapted(value, default), convert=converter(value))


def _adapted(value: Any, default: Any) -> Any:
    field = bare(value)
    if isinstance(field, peewee.Field) and not isinstance(default, peewee.Node):
        return peewee.Value(default, converter=as_it_is(field.db_value), unpack=False)
    return default


def lower(value: Any) -> Any:
    """Return a text in lower case."""
    return _function("LOWER", value)


def upper(value: Any) -> Any:
    """Return a text in upper case."""
    return _function("UPPER", value)


def length(value: Any) -> Any:
    """Return how many characters a text has."""
    return _function("LENGTH", value)


def cast(value: Any, sql_type: str, returns: Any) -> Any:
    """Cast to *sql_type*, a type of PostgreSQL, whose values are *returns* in Python.

    >>> fn.cast(Invoice.id, "text", str)  # doctest: +SKIP
    """
    if not _TYPE.fullmatch(sql_type):
        raise InvalidQuery(f"{sql_type!r} is not the name of a type of PostgreSQL")
    return _function("CAST", peewee.NodeList((value, peewee.SQL(f"AS {sql_type}"))), convert=_CONVERTED.get(returns))


_TYPE = re.compile(r"[a-z_][\w. ]*(\(\d+(, ?\d+)?\))?[\w ]*(\[\])*", re.IGNORECASE)
_NAME = re.compile(r"[a-z_]\w*(\.[a-z_]\w*)?", re.IGNORECASE)


def case(*branches: Any, default: Any = None) -> Any:
    """Return the value of the first branch whose condition is true: `fn.case((Invoice.paid == True, "paid"))`."""
    made: Any = peewee.Case(None, branches, default)
    values = [value for _, value in branches] + ([] if default is None else [default])
    kinds = {value.kind if isinstance(value, Parameter) else type(value) for value in values}
    if float in kinds and kinds <= {float, int}:
        kinds = {float}
    if len(kinds) == 1:  # PostgreSQL takes Decimal(0) for an int, 1.5 for numeric and a UUID for text.
        made._python_value = _CONVERTED.get(*kinds)
    return made


def exists(query: Any) -> Any:
    """Say whether *query* has a row."""
    return _function("EXISTS", query.node)


def call(name: str, *arguments: Any, returns: Any) -> Any:
    """Call any function of PostgreSQL, whose value is a *returns*."""
    if not _NAME.fullmatch(name):
        raise InvalidQuery(f"{name!r} is not the name of a function")
    return _function(name, *arguments, convert=_CONVERTED.get(returns))


def row(model: Any) -> Any:
    """Return the whole row of *model*, an instance: one column among others in `select()`."""
    return Entity(model)
