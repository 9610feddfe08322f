"""The functions of SQL, typed: `fn.count()`, `fn.sum(Invoice.total)`, `fn.coalesce(Plan.name, "none")`.

Each is what peewee's `fn` makes, and knows how its value is made what its type says. `fn.call()` is for all others.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import peewee

from tenantry.errors import InvalidQuery
from tenantry.query.checks import check_name
from tenantry.query.rendering import Converted, Parameter, as_it_is
from tenantry.query.rows import Convert, Entity, converter, inner, is_whole, may_be_numeric

_CONVERTED: dict[Any, Convert] = {
    UUID: lambda value: value if isinstance(value, UUID) else UUID(value),
    bytes: bytes,
    int: int,
    float: float,
    Decimal: Decimal,
}
# What PostgreSQL would take a value of Python's for another type than its own without being told.
_SQL_TYPES = {float: "float8", Decimal: "numeric", UUID: "uuid", bytes: "bytea", str: "text"}

# What cast() and call() write into the text.
_TYPE = re.compile(r"[a-z_][\w. ]*(\(\d+(, ?\d+)?\))?[\w ]*(\[\])*", re.IGNORECASE)
_NAME = re.compile(r"[a-z_]\w*(\.[a-z_]\w*)?", re.IGNORECASE)


def _function(name: str, *arguments: Any, convert: Convert | None = None, whole: bool = False) -> Any:
    made: Any = peewee.Function(name, arguments, coerce=False, python_value=convert)
    made.whole, made.numeric = whole, whole and convert is int  # Read by is_whole() and may_be_numeric().
    return made


def _one_of(name: str, *values: Any) -> Any:
    """Make a function whose value is one of *values*, or of their type."""
    convert, whole = _common(values)
    return _function(name, *values, convert=convert, whole=whole)


def _common(values: Sequence[Any]) -> tuple[Convert | None, bool]:
    """Return what makes a value of what is one of *values*, and whether it is whole."""
    whole = all(map(is_whole, values))
    own = (convert for convert in map(converter, values) if convert not in (None, int))
    return next(own, int if whole and any(map(may_be_numeric, values)) else None), whole


def _whole_as(name: str, *values: Any) -> Any:
    """Make a function that PostgreSQL has for numeric and double alone: of a whole number it is whole all the same."""
    return _function(name, *values, convert=int, whole=True) if is_whole(values[0]) else _function(name, *values)


def count(value: Any = None, *, distinct: bool = False) -> Any:
    """Count rows, or those in which *value* is not null."""
    what = peewee.SQL("*") if value is None else value
    return _function("COUNT", what.distinct() if distinct else what, whole=True)


def sum(value: Any) -> Any:
    """Add up. Of no rows it is None."""
    # PostgreSQL's sum of bigint is numeric.
    return _function("SUM", value, convert=int if is_whole(value) else None, whole=is_whole(value))


def avg(value: Any) -> Any:
    """Return the mean; of whole numbers a Decimal."""
    return _function("AVG", value)


def min(value: Any) -> Any:
    """Return the least value."""
    return _one_of("MIN", value)


def max(value: Any) -> Any:
    """Return the greatest value."""
    return _one_of("MAX", value)


def array_agg(value: Any) -> Any:
    """Collect the values in a list: `fn.array_agg(Invoice.id).order_by(Invoice.total)`."""
    convert = converter(value)
    each = convert and (lambda found: [None if one is None else convert(one) for one in found])
    return _function("ARRAY_AGG", value, convert=each)


def jsonb_agg(value: Any) -> Any:
    """Collect the values in JSON, as lists, dicts and what JSON has for the rest."""
    return _function("JSONB_AGG", value)


def jsonb_build_object(**values: Any) -> Any:
    """Make an object of JSON: `fn.jsonb_build_object(id=Invoice.id, total=Invoice.total)`."""
    return _function("JSONB_BUILD_OBJECT", *(_typed(part) for pair in values.items() for part in pair))


def string_agg(value: Any, separator: str) -> Any:
    """Join texts."""
    return _function("STRING_AGG", value, separator)


def bool_and(value: Any) -> Any:
    """Say whether all are true."""
    return _function("BOOL_AND", value)


def bool_or(value: Any) -> Any:
    """Say whether one is true."""
    return _function("BOOL_OR", value)


# Windows.


def row_number() -> Any:
    """Number the rows of a window: `fn.row_number().over(order_by=[Invoice.id])`."""
    return _function("ROW_NUMBER", whole=True)


def rank() -> Any:
    """Rank the rows of a window: after two of rank 1 comes 3."""
    return _function("RANK", whole=True)


def dense_rank() -> Any:
    """Rank the rows of a window: after two of rank 1 comes 2."""
    return _function("DENSE_RANK", whole=True)


def percent_rank() -> Any:
    """Rank the rows of a window from 0 to 1."""
    return _function("PERCENT_RANK")


def cume_dist() -> Any:
    """Return the part of a window's rows, of 1, that come no later than this one."""
    return _function("CUME_DIST")


def ntile(buckets: int) -> Any:
    """Number so many *buckets*, into which the rows of a window are put evenly."""
    return _function("NTILE", buckets, whole=True)


def lag(value: Any, offset: int = 1) -> Any:
    """Return the value in the row that is *offset* rows before this one, or None."""
    return _of_window("LAG", value, offset)


def lead(value: Any, offset: int = 1) -> Any:
    """Return the value in the row that is *offset* rows after this one, or None."""
    return _of_window("LEAD", value, offset)


def first_value(value: Any) -> Any:
    """Return the value in the first row of the frame, or None."""
    return _of_window("FIRST_VALUE", value)


def last_value(value: Any) -> Any:
    """Return the value in the last row of the frame, or None. Unless you say another, it ends with this row."""
    return _of_window("LAST_VALUE", value)


def _of_window(name: str, value: Any, *arguments: Any) -> Any:
    made = _one_of(name, value)
    made.arguments += arguments
    return made


# Values.


def value(value: Any) -> Any:
    """Return a *value* of Python's as a column: `fn.value("invoice").alias("kind")`."""
    return _function("", _typed(value), convert=_CONVERTED.get(type(value)), whole=type(value) is int)


def _kind(value: Any) -> Any:
    return value.kind if isinstance(value, Parameter) else type(value)


def _typed(value: Any) -> Any:
    """Return *value* with its type, if it is none of PostgreSQL's own."""
    kind = _kind(value)
    if kind not in _SQL_TYPES:
        return value
    node = value if isinstance(value, Parameter) else peewee.Value(value, converter=False)
    return peewee.Cast(node, _SQL_TYPES[kind])


def coalesce(value: Any, *others: Any) -> Any:
    """Return the first of the values that is not null: `fn.coalesce(Invoice.note, Plan.name, "none")`."""
    return _one_of("COALESCE", value, *(_adapted(value, other) for other in others))


def _adapted(value: Any, other: Any) -> Any:
    field = inner(value)
    if _kind(other) is float and is_whole(value):
        return _typed(other)
    if isinstance(field, peewee.Field) and isinstance(other, Parameter) and not is_whole(field):
        return Converted(other, as_it_is(field.db_value))
    if isinstance(field, peewee.Field) and not isinstance(other, peewee.Node):
        whole = is_whole(field) and type(other) is int
        return other if whole else peewee.Value(other, converter=as_it_is(field.db_value), unpack=False)
    return other


def nullif(value: Any, other: Any) -> Any:
    """Return *value*, or None where it equals *other*."""
    made = _one_of("NULLIF", value)
    made.arguments += (_adapted(value, other),)
    return made


def greatest(value: Any, *others: Any) -> Any:
    """Return the greatest of the values that are not null, or None."""
    return _one_of("GREATEST", value, *(_adapted(value, other) for other in others))


def least(value: Any, *others: Any) -> Any:
    """Return the least of the values that are not null, or None."""
    return _one_of("LEAST", value, *(_adapted(value, other) for other in others))


# Numbers.


def abs(value: Any) -> Any:
    """Return a number without its sign."""
    return _one_of("ABS", value)


def round(value: Any, digits: int | None = None) -> Any:
    """Round to a whole number, or to so many *digits* after the point."""
    return _whole_as("ROUND", value) if digits is None else _function("ROUND", value, digits)


def floor(value: Any) -> Any:
    """Return the whole number that is next below."""
    return _whole_as("FLOOR", value)


def ceil(value: Any) -> Any:
    """Return the whole number that is next above."""
    return _whole_as("CEIL", value)


def mod(value: Any, divisor: Any) -> Any:
    """Return what is left over of a division. peewee's `%` is LIKE."""
    return _one_of("MOD", value, divisor)


# Texts.


def lower(value: Any) -> Any:
    """Return a text in lower case."""
    return _function("LOWER", value)


def upper(value: Any) -> Any:
    """Return a text in upper case."""
    return _function("UPPER", value)


def length(value: Any) -> Any:
    """Return how many characters a text has."""
    return _function("LENGTH", value, whole=True)


def concat(*values: Any) -> Any:
    """Put texts and other values together to one text; nulls are left out of it."""
    return _function("CONCAT", *map(_typed, values))


def replace(value: Any, old: str, new: str) -> Any:
    """Return a text with *new* for each *old* in it."""
    return _function("REPLACE", value, old, new)


def trim(value: Any, characters: str = " ") -> Any:
    """Return a text without the *characters* at its ends."""
    return _function("BTRIM", value, characters)


def substring(value: Any, start: int, length: int | None = None) -> Any:
    """Return the part of a text from its character *start* on, from 1, of *length* characters or to its end."""
    return _function("SUBSTR", value, start, *(() if length is None else (length,)))


# Dates and times.


def now() -> Any:
    """Return when the transaction began, with its time zone."""
    return _function("NOW")


def date_part(part: str, value: Any) -> Any:
    """Return a *part* of a date as a float: `fn.date_part("year", Invoice.due)`."""
    return _function("DATE_PART", _part(part), value)


def date_trunc(part: str, value: Any) -> Any:
    """Return the moment at which a date's *part* begins: `fn.date_trunc("month", Invoice.due)`."""
    return _function("DATE_TRUNC", _part(part), value)


def _part(part: str) -> Any:
    # In the text and not among the values: an expression that is grouped by must be the same text where it is selected.
    if not (isinstance(part, str) and part.isascii() and part.isalpha()):
        raise InvalidQuery(f"{part!r} is not a part of a date")
    return peewee.SQL(f"'{part}'")


# Others.


def cast(value: Any, sql_type: str, returns: Any) -> Any:
    """Cast to *sql_type*, a type of PostgreSQL, whose values are *returns* in Python.

    >>> fn.cast(Invoice.id, "text", str)  # doctest: +SKIP
    """
    if not _TYPE.fullmatch(sql_type):
        raise InvalidQuery(f"{sql_type!r} is not the name of a type of PostgreSQL")
    check_name(sql_type)
    made = peewee.NodeList((value, peewee.SQL(f"AS {sql_type}")))
    return _function("CAST", made, convert=_CONVERTED.get(returns), whole=returns is int)


def case(*branches: Any, default: Any = None) -> Any:
    """Return the value of the first branch whose condition is true: `fn.case((Invoice.paid == True, "paid"))`."""
    for _, value in (*branches, (None, default)):
        if isinstance(value, (list, tuple, dict)):
            raise InvalidQuery(f"case() takes values of one type that PostgreSQL knows, and was given {value!r}")
    typed = [(condition, _typed(value)) for condition, value in branches]
    made: Any = peewee.Case(None, typed, _typed(default))
    values = [value for _, value in branches] + ([] if default is None else [default])
    convert, made.whole = _common(values)
    made.numeric = convert is int
    kinds = {_kind(value) for value in values}
    made._python_value = _CONVERTED[kinds.pop()] if kinds in ({UUID}, {bytes}) else convert
    return made


def exists(query: Any) -> Any:
    """Say whether *query* has a row."""
    if not hasattr(query, "node"):
        raise InvalidQuery(f"exists() takes a query, as with_shared() begins one, and was given {query!r}")
    return _function("EXISTS", query.node)


def call(name: str, *arguments: Any, returns: Any) -> Any:
    """Call any function of PostgreSQL, whose value is a *returns*."""
    if not _NAME.fullmatch(name):
        raise InvalidQuery(f"{name!r} is not the name of a function")
    check_name(name)
    return _function(name, *arguments, convert=_CONVERTED.get(returns), whole=returns is int)


def row(model: Any) -> Any:
    """Return the whole row of *model*, an instance: one column among others in `select()`."""
    return Entity(model)
