"""The functions of SQL, as the checkers see them.

A function of a `Fixed` is `Fixed`, whatever is joined; one of a column is None where its table is missing. Those that
take several values, of which one may be missing, may be None themselves.
"""

# A type variable that a call leaves open is nobody: hence the defaults.
# What overlaps does so for a decoy, or for a value that is None alone: nobody has one.
# pyright: reportOverlappingOverload=false, reportInvalidTypeVarUse=false
# mypy: disable-error-code="overload-overlap"

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal, Never, TypeAlias, overload
from uuid import UUID

import peewee
from typing_extensions import TypeVar

from tenantry.query.expressions import (
    Aggregate,
    AnyAggregate,
    AnyFixed,
    Collected,
    Computed,
    Condition,
    Decoy,
    Expr,
    Fixed,
    Operand,
    Tag,
    Valued,
    WholeRow,
)
from tenantry.query.select import Selection

M = TypeVar("M", bound=peewee.Model)
Owner = TypeVar("Owner", default=Never)
Owner2 = TypeVar("Owner2", default=Never)
Owner3 = TypeVar("Owner3", default=Never)
Owner4 = TypeVar("Owner4", default=Never)
Owner5 = TypeVar("Owner5", default=Never)
Owner6 = TypeVar("Owner6", default=Never)
Owner7 = TypeVar("Owner7", default=Never)
Owner8 = TypeVar("Owner8", default=Never)
Owner9 = TypeVar("Owner9", default=Never)
Value = TypeVar("Value", default=Never)
Value2 = TypeVar("Value2", default=Never)
Value3 = TypeVar("Value3", default=Never)
Value4 = TypeVar("Value4", default=Never)
Number = TypeVar("Number", bound=float | Decimal | timedelta, default=Never)
Numeric = TypeVar("Numeric", bound=float | Decimal | None, default=Never)
Exact = TypeVar("Exact", bound=Decimal | None, default=Never)
Text = TypeVar("Text", bound=str | None, default=Never)
Whole = TypeVar("Whole", bound=int | Decimal | None, default=Never)
Whole2 = TypeVar("Whole2", bound=int | Decimal | None, default=Never)

# What stands for itself. A column is none of these, so that it is not taken for the value that is returned.
Plain: TypeAlias = (
    bool | int | float | Decimal | str | bytes | date | time | timedelta | UUID | list[Any] | dict[str, Any] | None
)
P = TypeVar("P", bound=Plain, default=Never)
# What PostgreSQL knows the type of. A list or a document is known beside a column of such.
Scalar: TypeAlias = bool | int | float | Decimal | str | bytes | date | time | timedelta | UUID | None
S = TypeVar("S", bound=Scalar, default=Never)
S2 = TypeVar("S2", bound=Scalar, default=Never)
# An argument, or a branch of a case. Each has its own owner: mypy would take several tables for none that is known.
Argument: TypeAlias = Operand[Owner] | Decoy | Plain
When: TypeAlias = Valued[Owner, bool | None] | Decoy
Literal_ = TypeVar("Literal_", bool, int, float, Decimal, str, UUID, date, datetime, timedelta)
Part: TypeAlias = Literal[
    "century",
    "day",
    "decade",
    "dow",
    "doy",
    "epoch",
    "hour",
    "isodow",
    "isoyear",
    "microseconds",
    "millennium",
    "milliseconds",
    "minute",
    "month",
    "quarter",
    "second",
    "week",
    "year",
]

# Of many rows.

@overload
def count() -> Aggregate[Never, int]: ...
@overload
def count(value: Operand[Owner] | Decoy, *, distinct: bool = False) -> Aggregate[Owner, int]: ...
def sum(value: Valued[Owner, Number | None] | Decoy) -> Aggregate[Owner, Number | None]: ...
@overload
def avg(value: Valued[Owner, int | None] | Decoy) -> Aggregate[Owner, Decimal | None]: ...
@overload
def avg(value: Valued[Owner, Decimal | int | None] | Decoy) -> Aggregate[Owner, Decimal | None]: ...
@overload
def avg(value: Valued[Owner, float | Decimal | None] | Decoy) -> Aggregate[Owner, float | Decimal | None]: ...
def min(value: Valued[Owner, Value | None] | Decoy) -> Aggregate[Owner, Value | None]: ...
def max(value: Valued[Owner, Value | None] | Decoy) -> Aggregate[Owner, Value | None]: ...
@overload
def array_agg(value: Fixed[Owner, Value]) -> Aggregate[Owner, list[Value] | None]: ...
@overload
def array_agg(value: Expr[Owner, Value] | Decoy) -> Collected[Owner, Value]: ...
def jsonb_agg(value: Operand[Owner] | Decoy) -> AnyAggregate[Owner]: ...
def jsonb_build_object(**values: Operand[object] | Plain) -> AnyFixed[Never]: ...
def string_agg(value: Valued[Owner, str | None] | Decoy, separator: str) -> Aggregate[Owner, str | None]: ...
def bool_and(value: Valued[Owner, bool | None] | Decoy) -> Aggregate[Owner, bool | None]: ...
def bool_or(value: Valued[Owner, bool | None] | Decoy) -> Aggregate[Owner, bool | None]: ...

# Windows. What is taken from another row is None where there is none.

def row_number() -> Aggregate[Never, int]: ...
def rank() -> Aggregate[Never, int]: ...
def dense_rank() -> Aggregate[Never, int]: ...
def percent_rank() -> Aggregate[Never, float]: ...
def cume_dist() -> Aggregate[Never, float]: ...
def ntile(buckets: int) -> Aggregate[Never, int]: ...
def lag(value: Valued[Owner, Value | None] | Decoy, offset: int = 1) -> Aggregate[Owner, Value | None]: ...
def lead(value: Valued[Owner, Value | None] | Decoy, offset: int = 1) -> Aggregate[Owner, Value | None]: ...
def first_value(value: Valued[Owner, Value | None] | Decoy) -> Aggregate[Owner, Value | None]: ...
def last_value(value: Valued[Owner, Value | None] | Decoy) -> Aggregate[Owner, Value | None]: ...

# Values.

def value(value: Literal_) -> Fixed[Never, Literal_]: ...
@overload
def coalesce(value: Valued[Owner, Value | None] | Decoy, default: P, /) -> Fixed[Owner, Value | P]: ...
@overload
def coalesce(
    value: Valued[Owner, Value | None] | Decoy, default: Fixed[Owner2, Value2], /
) -> Fixed[Owner | Owner2, Value | Value2]: ...
@overload
def coalesce(
    value: Valued[Owner, Value | None] | Decoy, default: Expr[Owner2, Value2] | Decoy, /
) -> Computed[Owner | Owner2, Value | Value2]: ...
@overload
def coalesce(
    value: Valued[Owner, Value | None] | Decoy, second: Valued[Owner2, Value2 | None] | Decoy, default: P, /
) -> Fixed[Owner | Owner2, Value | Value2 | P]: ...
@overload
def coalesce(
    value: Valued[Owner, Value | None] | Decoy,
    second: Valued[Owner2, Value2 | None] | Decoy,
    third: Valued[Owner3, Value3 | None] | Decoy,
    default: P,
    /,
) -> Fixed[Owner | Owner2 | Owner3, Value | Value2 | Value3 | P]: ...
@overload
def coalesce(
    value: Valued[Owner, Value | None] | Decoy,
    second: Valued[Owner2, Value2] | Decoy,
    third: Valued[Owner3, Value3] | Decoy,
    fourth: Valued[Owner4, Value4] | Decoy = ...,
    /,
) -> Computed[Owner | Owner2 | Owner3 | Owner4, Value | Value2 | Value3 | Value4]: ...
def nullif(
    value: Valued[Owner, Value | None] | Decoy, other: Valued[Owner2, Value | None] | Decoy | Plain
) -> Fixed[Owner | Owner2, Value | None]: ...
@overload
def greatest(value: Valued[Owner, Value | None] | Decoy, other: P, /) -> Fixed[Owner, Value | P]: ...
@overload
def greatest(
    value: Valued[Owner, Value | None] | Decoy,
    second: Valued[Owner2, Value2 | None] | Decoy,
    third: Valued[Owner3, Value3 | None] | Decoy = ...,
    fourth: Valued[Owner4, Value4 | None] | Decoy = ...,
    /,
) -> Fixed[Owner | Owner2 | Owner3 | Owner4, Value | Value2 | Value3 | Value4 | None]: ...
@overload
def least(value: Valued[Owner, Value | None] | Decoy, other: P, /) -> Fixed[Owner, Value | P]: ...
@overload
def least(
    value: Valued[Owner, Value | None] | Decoy,
    second: Valued[Owner2, Value2 | None] | Decoy,
    third: Valued[Owner3, Value3 | None] | Decoy = ...,
    fourth: Valued[Owner4, Value4 | None] | Decoy = ...,
    /,
) -> Fixed[Owner | Owner2 | Owner3 | Owner4, Value | Value2 | Value3 | Value4 | None]: ...

# Numbers.

@overload
def abs(value: Fixed[Owner, Numeric]) -> Fixed[Owner, Numeric]: ...
@overload
def abs(value: Expr[Owner, Numeric] | Decoy) -> Computed[Owner, Numeric]: ...
@overload
def floor(value: Fixed[Owner, Numeric]) -> Fixed[Owner, Numeric]: ...
@overload
def floor(value: Expr[Owner, Numeric] | Decoy) -> Computed[Owner, Numeric]: ...
@overload
def ceil(value: Fixed[Owner, Numeric]) -> Fixed[Owner, Numeric]: ...
@overload
def ceil(value: Expr[Owner, Numeric] | Decoy) -> Computed[Owner, Numeric]: ...
@overload
def round(value: Fixed[Owner, Numeric], digits: None = None) -> Fixed[Owner, Numeric]: ...
@overload
def round(value: Expr[Owner, Numeric] | Decoy, digits: None = None) -> Computed[Owner, Numeric]: ...
@overload
def round(value: Fixed[Owner, Exact], digits: int) -> Fixed[Owner, Exact]: ...
@overload
def round(value: Expr[Owner, Exact] | Decoy, digits: int) -> Computed[Owner, Exact]: ...
@overload
def mod(value: Fixed[Owner, Whole], divisor: int) -> Fixed[Owner, Whole]: ...
@overload
def mod(value: Expr[Owner, Whole] | Decoy, divisor: int) -> Computed[Owner, Whole]: ...
@overload
def mod(
    value: Valued[Owner, Whole] | Decoy, divisor: Valued[Owner2, Whole2] | Decoy
) -> Computed[Owner | Owner2, Whole | Whole2]: ...

# Texts.

@overload
def lower(value: Fixed[Owner, Text]) -> Fixed[Owner, Text]: ...
@overload
def lower(value: Expr[Owner, Text] | Decoy) -> Computed[Owner, Text]: ...
@overload
def upper(value: Fixed[Owner, Text]) -> Fixed[Owner, Text]: ...
@overload
def upper(value: Expr[Owner, Text] | Decoy) -> Computed[Owner, Text]: ...
@overload
def length(value: Fixed[Owner, str]) -> Fixed[Owner, int]: ...
@overload
def length(value: Fixed[Owner, str | None]) -> Fixed[Owner, int | None]: ...
@overload
def length(value: Expr[Owner, str] | Decoy) -> Computed[Owner, int]: ...
@overload
def length(value: Expr[Owner, str | None] | Decoy) -> Computed[Owner, int | None]: ...
def concat(
    value: Argument[Owner],
    second: Argument[Owner2] = ...,
    third: Argument[Owner3] = ...,
    fourth: Argument[Owner4] = ...,
    fifth: Argument[Owner5] = ...,
    /,
    *more: Argument[object],
) -> Fixed[Owner | Owner2 | Owner3 | Owner4 | Owner5, str]: ...
@overload
def replace(value: Fixed[Owner, Text], old: str, new: str) -> Fixed[Owner, Text]: ...
@overload
def replace(value: Expr[Owner, Text] | Decoy, old: str, new: str) -> Computed[Owner, Text]: ...
@overload
def trim(value: Fixed[Owner, Text], characters: str = " ") -> Fixed[Owner, Text]: ...
@overload
def trim(value: Expr[Owner, Text] | Decoy, characters: str = " ") -> Computed[Owner, Text]: ...
@overload
def substring(value: Fixed[Owner, Text], start: int, length: int | None = None) -> Fixed[Owner, Text]: ...
@overload
def substring(value: Expr[Owner, Text] | Decoy, start: int, length: int | None = None) -> Computed[Owner, Text]: ...

# Dates and times.

def now() -> Fixed[Never, datetime]: ...
@overload
def date_part(part: Part, value: Fixed[Owner, date]) -> Fixed[Owner, float]: ...
@overload
def date_part(part: Part, value: Fixed[Owner, date | None]) -> Fixed[Owner, float | None]: ...
@overload
def date_part(part: Part, value: Expr[Owner, date] | Decoy) -> Computed[Owner, float]: ...
@overload
def date_part(part: Part, value: Expr[Owner, date | None] | Decoy) -> Computed[Owner, float | None]: ...
@overload
def date_trunc(part: Part, value: Fixed[Owner, date]) -> Fixed[Owner, datetime]: ...
@overload
def date_trunc(part: Part, value: Fixed[Owner, date | None]) -> Fixed[Owner, datetime | None]: ...
@overload
def date_trunc(part: Part, value: Expr[Owner, date] | Decoy) -> Computed[Owner, datetime]: ...
@overload
def date_trunc(part: Part, value: Expr[Owner, date | None] | Decoy) -> Computed[Owner, datetime | None]: ...

# Others.

def cast(value: Operand[Owner] | Decoy, sql_type: str, returns: type[Value]) -> Fixed[Owner, Value | None]: ...
@overload
def case(
    first: tuple[When[Owner], S],
    second: tuple[When[Owner2], S] = ...,
    third: tuple[When[Owner3], S] = ...,
    fourth: tuple[When[Owner4], S] = ...,
    /,
    *more: tuple[When[object], S],
) -> Fixed[Owner | Owner2 | Owner3 | Owner4, S | None]: ...
@overload
def case(
    first: tuple[When[Owner], S],
    second: tuple[When[Owner2], S] = ...,
    third: tuple[When[Owner3], S] = ...,
    fourth: tuple[When[Owner4], S] = ...,
    /,
    *more: tuple[When[object], S],
    default: S2,
) -> Fixed[Owner | Owner2 | Owner3 | Owner4, S | S2]: ...
@overload
def case(
    first: tuple[When[Owner], Valued[Owner5, Value] | Decoy | S],
    second: tuple[When[Owner2], Valued[Owner6, Value] | Decoy | S] = ...,
    third: tuple[When[Owner3], Valued[Owner7, Value] | Decoy | S] = ...,
    fourth: tuple[When[Owner4], Valued[Owner8, Value] | Decoy | S] = ...,
    /,
    *more: tuple[When[object], Valued[object, Value] | Decoy | S],
) -> Fixed[Owner | Owner2 | Owner3 | Owner4 | Owner5 | Owner6 | Owner7 | Owner8, Value | S | None]: ...
@overload
def case(
    first: tuple[When[Owner], Valued[Owner5, Value] | Decoy | S],
    second: tuple[When[Owner2], Valued[Owner6, Value] | Decoy | S] = ...,
    third: tuple[When[Owner3], Valued[Owner7, Value] | Decoy | S] = ...,
    fourth: tuple[When[Owner4], Valued[Owner8, Value] | Decoy | S] = ...,
    /,
    *more: tuple[When[object], Valued[object, Value] | Decoy | S],
    default: S2,
) -> Computed[Owner | Owner2 | Owner3 | Owner4 | Owner5 | Owner6 | Owner7 | Owner8, Value | S | S2]: ...
@overload
def case(
    first: tuple[When[Owner], Valued[Owner5, Value] | Decoy | S],
    second: tuple[When[Owner2], Valued[Owner6, Value] | Decoy | S] = ...,
    third: tuple[When[Owner3], Valued[Owner7, Value] | Decoy | S] = ...,
    fourth: tuple[When[Owner4], Valued[Owner8, Value] | Decoy | S] = ...,
    /,
    *more: tuple[When[object], Valued[object, Value] | Decoy | S],
    default: Valued[Owner9, Value2] | Decoy,
) -> Computed[Owner | Owner2 | Owner3 | Owner4 | Owner5 | Owner6 | Owner7 | Owner8 | Owner9, Value | S | Value2]: ...
def exists(query: Selection[Any]) -> Condition[Never]: ...
def call(
    name: str,
    first: Argument[Owner] = ...,
    second: Argument[Owner2] = ...,
    third: Argument[Owner3] = ...,
    fourth: Argument[Owner4] = ...,
    /,
    *more: Argument[object],
    returns: type[Value],
) -> Fixed[Owner | Owner2 | Owner3 | Owner4, Value | None]: ...
def row(model: type[M]) -> WholeRow[Tag[M], M]: ...
