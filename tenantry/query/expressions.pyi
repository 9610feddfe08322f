"""What the checkers know of columns and expressions. When a program runs they are peewee's own.

Each expression knows its value's type and the tables that it needs (its owners, a union of :class:`Tag`). A query knows
the tables whose row is always there and all that are joined. `select()` asks each expression what it gives in the
query's scope: its type where its tables are always there, the type or None where one may be missing, and nothing, which
is an error, where one is not joined. The checker answers that for each argument by the overloads of `__select__`.
"""

# In a condition == is no comparison but makes one.
# pyright: reportIncompatibleMethodOverride=false, reportOverlappingOverload=false, reportInvalidTypeVarUse=false
# mypy: disable-error-code="overload-overlap,overload-cannot-match"

from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Generic, Literal, Never, Protocol, Self, TypeAlias, overload

import peewee
from typing_extensions import TypeVar

from tenantry.query.select import Selection

TagM = TypeVar("TagM")
Owner = TypeVar("Owner")
Owner_co = TypeVar("Owner_co", covariant=True)
Owner2 = TypeVar("Owner2")
Owner3 = TypeVar("Owner3", default=Never)
Owner4 = TypeVar("Owner4", default=Never)
Value = TypeVar("Value")
Req = TypeVar("Req")
All = TypeVar("All")
Value_co = TypeVar("Value_co", covariant=True)
Value2 = TypeVar("Value2")
Required_co = TypeVar("Required_co", covariant=True)
Required_contra = TypeVar("Required_contra", contravariant=True)
Joined_co = TypeVar("Joined_co", covariant=True)
Joined_contra = TypeVar("Joined_contra", contravariant=True)

class Tag(Generic[TagM]):
    """A table. Invariant: one that is made by subclassing, an alias, is another table."""

    _model: TagM

class RequiredScope(Generic[Required_contra]):
    def _required(self, tables: Required_contra) -> None: ...

class JoinedScope(Generic[Joined_contra]):
    def _joined(self, tables: Joined_contra) -> None: ...

class Scope(RequiredScope[Required_contra], JoinedScope[Joined_contra], Generic[Required_contra, Joined_contra]):
    """The tables of a query: those whose row is always there, and all."""

class Selectable(Protocol[Required_co, Joined_co, Value_co]):
    """What can be selected in a scope, and what it gives there."""

    def __select__(self, scope: Scope[Required_co, Joined_co], /) -> Value_co: ...

class _Named(Selectable[Required_co, Joined_co, Value_co], Protocol[Required_co, Joined_co, Value_co]):
    def alias(self, name: str, /) -> object: ...

class Operand(Generic[Owner_co]):
    """What can stand in an expression, and needs its owners' tables."""

    def _needs(self) -> Owner_co: ...

class Ordering(Operand[Owner_co]):
    """A direction to order by."""

class Comparable(Operand[Owner_co]):
    """The operators of peewee that give a condition. An operand of another type is PostgreSQL's to refuse."""

    @overload  # type: ignore[override]
    def __eq__(self, other: Operand[Owner2] | Decoy) -> Condition[Owner_co | Owner2]: ...
    @overload
    def __eq__(self, other: object) -> Condition[Owner_co]: ...
    @overload  # type: ignore[override]
    def __ne__(self, other: Operand[Owner2] | Decoy) -> Condition[Owner_co | Owner2]: ...
    @overload
    def __ne__(self, other: object) -> Condition[Owner_co]: ...
    @overload
    def __lt__(self, other: Operand[Owner2] | Decoy) -> Condition[Owner_co | Owner2]: ...
    @overload
    def __lt__(self, other: object) -> Condition[Owner_co]: ...
    @overload
    def __le__(self, other: Operand[Owner2] | Decoy) -> Condition[Owner_co | Owner2]: ...
    @overload
    def __le__(self, other: object) -> Condition[Owner_co]: ...
    @overload
    def __gt__(self, other: Operand[Owner2] | Decoy) -> Condition[Owner_co | Owner2]: ...
    @overload
    def __gt__(self, other: object) -> Condition[Owner_co]: ...
    @overload
    def __ge__(self, other: Operand[Owner2] | Decoy) -> Condition[Owner_co | Owner2]: ...
    @overload
    def __ge__(self, other: object) -> Condition[Owner_co]: ...
    def __hash__(self) -> int: ...
    def is_null(self, is_null: bool = True) -> Condition[Owner_co]: ...
    @overload
    def in_(self, values: Selection[tuple[Any]]) -> Condition[Owner_co]: ...
    @overload
    def in_(self, values: Iterable[Operand[Owner2] | Decoy]) -> Condition[Owner_co | Owner2]: ...
    @overload
    def in_(self, values: Iterable[object]) -> Condition[Owner_co]: ...
    @overload
    def not_in(self, values: Selection[tuple[Any]]) -> Condition[Owner_co]: ...
    @overload
    def not_in(self, values: Iterable[Operand[Owner2] | Decoy]) -> Condition[Owner_co | Owner2]: ...
    @overload
    def not_in(self, values: Iterable[object]) -> Condition[Owner_co]: ...
    @overload
    def between(
        self, low: Operand[Owner2] | Decoy, high: Operand[Owner3] | Decoy
    ) -> Condition[Owner_co | Owner2 | Owner3]: ...
    @overload
    def between(self, low: Operand[Owner2] | Decoy, high: object) -> Condition[Owner_co | Owner2]: ...
    @overload
    def between(self, low: object, high: Operand[Owner2] | Decoy) -> Condition[Owner_co | Owner2]: ...
    @overload
    def between(self, low: object, high: object) -> Condition[Owner_co]: ...
    @overload
    def like(self, pattern: Operand[Owner2] | Decoy) -> Condition[Owner_co | Owner2]: ...
    @overload
    def like(self, pattern: str) -> Condition[Owner_co]: ...
    @overload
    def ilike(self, pattern: Operand[Owner2] | Decoy) -> Condition[Owner_co | Owner2]: ...
    @overload
    def ilike(self, pattern: str) -> Condition[Owner_co]: ...
    def contains(self, text: str) -> Condition[Owner_co]: ...
    def startswith(self, text: str) -> Condition[Owner_co]: ...
    def endswith(self, text: str) -> Condition[Owner_co]: ...
    def regexp(self, pattern: str) -> Condition[Owner_co]: ...
    def iregexp(self, pattern: str) -> Condition[Owner_co]: ...
    def alias(self, name: str) -> Self: ...
    def asc(self, *, nulls: Literal["first", "last"] | None = None) -> Ordering[Owner_co]: ...
    def desc(self, *, nulls: Literal["first", "last"] | None = None) -> Ordering[Owner_co]: ...

class Valued(Comparable[Owner_co], Generic[Owner_co, Value_co]):
    """A value of a known type, which is None as well where one of its tables may be missing."""

    def _gives(self) -> Value_co: ...

class Expr(Valued[Owner_co, Value_co]):
    """A value that is missing where one of its tables is: `V`, and `V | None` when that table is outer-joined."""

    @overload
    def __select__(self, scope: RequiredScope[Owner_co], /) -> Value_co: ...
    @overload
    def __select__(self, scope: JoinedScope[Owner_co], /) -> Value_co | None: ...

    # Operators, by the types of both sides. Each `self` says its type itself: mypy holds type variables there to no
    # bound. A type wider than what comes is true, and a narrower one is not: hence the unions. Divided, a whole number
    # may be a Decimal, for PostgreSQL's sum of whole numbers can be numeric. What overlaps does so for None alone.
    @overload
    def __add__(
        self: Expr[Any, float | Decimal | None], other: Valued[Owner2, _Number] | Decoy
    ) -> Computed[Owner_co | Owner2, Value_co | _Number]: ...
    @overload
    def __add__(self: Expr[Any, float | Decimal | None], other: int) -> Expr[Owner_co, Value_co]: ...
    @overload
    def __add__(
        self: Expr[Any, float | Decimal | None], other: float | Decimal
    ) -> Expr[Owner_co, Value_co | Decimal]: ...
    @overload
    def __add__(self: Expr[Any, datetime | time | timedelta | None], other: timedelta) -> Expr[Owner_co, Value_co]: ...
    @overload
    def __add__(self: Expr[Any, date], other: timedelta) -> Expr[Owner_co, datetime]: ...
    @overload
    def __add__(self: Expr[Any, date | None], other: timedelta) -> Expr[Owner_co, datetime | None]: ...
    @overload
    def __add__(self: Expr[Any, date | None], other: int) -> Expr[Owner_co, Value_co]: ...
    @overload
    def __add__(
        self: Expr[Any, datetime | time | timedelta | None], other: Valued[Owner2, timedelta] | Decoy
    ) -> Computed[Owner_co | Owner2, Value_co]: ...
    @overload
    def __add__(
        self: Expr[Any, datetime | time | timedelta | None], other: Valued[Owner2, timedelta | None] | Decoy
    ) -> Computed[Owner_co | Owner2, Value_co | None]: ...
    @overload
    def __add__(
        self: Expr[Any, date | None], other: Valued[Owner2, timedelta | None] | Decoy
    ) -> Computed[Owner_co | Owner2, datetime | None]: ...
    @overload
    def __sub__(
        self: Expr[Any, float | Decimal | None], other: Valued[Owner2, _Number] | Decoy
    ) -> Computed[Owner_co | Owner2, Value_co | _Number]: ...
    @overload
    def __sub__(self: Expr[Any, float | Decimal | None], other: int) -> Expr[Owner_co, Value_co]: ...
    @overload
    def __sub__(
        self: Expr[Any, float | Decimal | None], other: float | Decimal
    ) -> Expr[Owner_co, Value_co | Decimal]: ...
    @overload
    def __sub__(self: Expr[Any, datetime | time | timedelta | None], other: timedelta) -> Expr[Owner_co, Value_co]: ...
    @overload
    def __sub__(self: Expr[Any, date], other: timedelta) -> Expr[Owner_co, datetime]: ...
    @overload
    def __sub__(self: Expr[Any, date | None], other: timedelta) -> Expr[Owner_co, datetime | None]: ...
    @overload
    def __sub__(self: Expr[Any, date | None], other: int) -> Expr[Owner_co, Value_co]: ...
    @overload
    def __sub__(
        self: Expr[Any, datetime | time | timedelta | None], other: Valued[Owner2, timedelta] | Decoy
    ) -> Computed[Owner_co | Owner2, Value_co]: ...
    @overload
    def __sub__(
        self: Expr[Any, datetime | time | timedelta | None], other: Valued[Owner2, timedelta | None] | Decoy
    ) -> Computed[Owner_co | Owner2, Value_co | None]: ...
    @overload
    def __sub__(
        self: Expr[Any, date | None], other: Valued[Owner2, timedelta | None] | Decoy
    ) -> Computed[Owner_co | Owner2, datetime | None]: ...
    @overload
    def __sub__(self: Expr[Any, datetime], other: date) -> Expr[Owner_co, timedelta]: ...
    @overload
    def __sub__(self: Expr[Any, datetime | None], other: date) -> Expr[Owner_co, timedelta | None]: ...
    @overload
    def __sub__(self: Expr[Any, date], other: date) -> Expr[Owner_co, int]: ...
    @overload
    def __sub__(self: Expr[Any, date | None], other: date) -> Expr[Owner_co, int | None]: ...
    @overload
    def __sub__(
        self: Expr[Any, datetime], other: Valued[Owner2, date] | Decoy
    ) -> Computed[Owner_co | Owner2, timedelta]: ...
    @overload
    def __sub__(
        self: Expr[Any, datetime | None], other: Valued[Owner2, date | None] | Decoy
    ) -> Computed[Owner_co | Owner2, timedelta | None]: ...
    @overload
    def __sub__(
        self: Expr[Any, date], other: Valued[Owner2, datetime] | Decoy
    ) -> Computed[Owner_co | Owner2, timedelta]: ...
    @overload
    def __sub__(
        self: Expr[Any, date | None], other: Valued[Owner2, datetime | None] | Decoy
    ) -> Computed[Owner_co | Owner2, timedelta | None]: ...
    @overload
    def __sub__(self: Expr[Any, date], other: Valued[Owner2, date] | Decoy) -> Computed[Owner_co | Owner2, int]: ...
    @overload
    def __sub__(
        self: Expr[Any, date | None], other: Valued[Owner2, date | None] | Decoy
    ) -> Computed[Owner_co | Owner2, int | None]: ...
    @overload
    def __mul__(
        self: Expr[Any, float | Decimal | None], other: Valued[Owner2, _Number] | Decoy
    ) -> Computed[Owner_co | Owner2, Value_co | _Number]: ...
    @overload
    def __mul__(self: Expr[Any, float | Decimal | None], other: int) -> Expr[Owner_co, Value_co]: ...
    @overload
    def __mul__(
        self: Expr[Any, float | Decimal | None], other: float | Decimal
    ) -> Expr[Owner_co, Value_co | Decimal]: ...
    @overload
    def __mul__(self: Expr[Any, timedelta | None], other: float) -> Expr[Owner_co, Value_co]: ...
    @overload
    def __truediv__(
        self: Expr[Any, float | Decimal | None], other: Valued[Owner2, _Number] | Decoy
    ) -> Computed[Owner_co | Owner2, Value_co | _Number | Decimal]: ...
    @overload
    def __truediv__(self: Expr[Any, float | Decimal | None], other: int) -> Expr[Owner_co, Value_co | Decimal]: ...
    @overload
    def __truediv__(
        self: Expr[Any, float | Decimal | None], other: float | Decimal
    ) -> Expr[Owner_co, Value_co | Decimal]: ...
    @overload
    def __truediv__(self: Expr[Any, timedelta | None], other: float) -> Expr[Owner_co, Value_co]: ...
    @overload
    def __radd__(self: Expr[Any, float | Decimal | None], other: int) -> Expr[Owner_co, Value_co]: ...
    @overload
    def __radd__(
        self: Expr[Any, float | Decimal | None], other: float | Decimal
    ) -> Expr[Owner_co, Value_co | Decimal]: ...
    @overload
    def __radd__(self: Expr[Any, datetime | time | timedelta | None], other: timedelta) -> Expr[Owner_co, Value_co]: ...
    @overload
    def __radd__(self: Expr[Any, date], other: timedelta) -> Expr[Owner_co, datetime]: ...
    @overload
    def __radd__(self: Expr[Any, date | None], other: timedelta) -> Expr[Owner_co, datetime | None]: ...
    @overload
    def __rsub__(self: Expr[Any, float | Decimal | None], other: int) -> Expr[Owner_co, Value_co]: ...
    @overload
    def __rsub__(
        self: Expr[Any, float | Decimal | None], other: float | Decimal
    ) -> Expr[Owner_co, Value_co | Decimal]: ...
    @overload
    def __rsub__(self: Expr[Any, datetime], other: date) -> Expr[Owner_co, timedelta]: ...
    @overload
    def __rsub__(self: Expr[Any, datetime | None], other: date) -> Expr[Owner_co, timedelta | None]: ...
    @overload
    def __rsub__(self: Expr[Any, date], other: date) -> Expr[Owner_co, int]: ...
    @overload
    def __rsub__(self: Expr[Any, date | None], other: date) -> Expr[Owner_co, int | None]: ...
    @overload
    def __rmul__(self: Expr[Any, float | Decimal | None], other: int) -> Expr[Owner_co, Value_co]: ...
    @overload
    def __rmul__(
        self: Expr[Any, float | Decimal | None], other: float | Decimal
    ) -> Expr[Owner_co, Value_co | Decimal]: ...
    @overload
    def __rmul__(self: Expr[Any, timedelta | None], other: float) -> Expr[Owner_co, Value_co]: ...
    @overload
    def __rtruediv__(self: Expr[Any, float | Decimal | None], other: int) -> Expr[Owner_co, Value_co | Decimal]: ...
    @overload
    def __rtruediv__(
        self: Expr[Any, float | Decimal | None], other: float | Decimal
    ) -> Expr[Owner_co, Value_co | Decimal]: ...
    @overload
    def concat(
        self: Expr[Any, str | None], other: Valued[Owner2, _Text] | Decoy
    ) -> Computed[Owner_co | Owner2, Value_co | _Text]: ...
    @overload
    def concat(self: Expr[Any, str | None], other: str) -> Expr[Owner_co, Value_co]: ...
    def __and__(
        self: Expr[Any, bool | None], other: Expr[Owner2, bool | None] | Decoy
    ) -> Condition[Owner_co | Owner2]: ...
    def __or__(
        self: Expr[Any, bool | None], other: Expr[Owner2, bool | None] | Decoy
    ) -> Condition[Owner_co | Owner2]: ...
    def __invert__(self: Expr[Any, bool | None]) -> Condition[Owner_co]: ...

_Number = TypeVar("_Number", bound=float | Decimal | None)
_Text = TypeVar("_Text", bound=str | None)

class Fixed(Valued[Owner_co, Value_co]):
    """A value whose type is the same however its tables are joined: COUNT, COALESCE, and what is computed of them."""

    def __select__(self, scope: JoinedScope[Owner_co], /) -> Value_co: ...
    @overload
    def __add__(
        self: Fixed[Any, float | Decimal | None], other: Fixed[Owner2, _Number]
    ) -> Fixed[Owner_co | Owner2, Value_co | _Number]: ...
    @overload
    def __add__(
        self: Fixed[Any, float | Decimal | None], other: Expr[Owner2, _Number] | Decoy
    ) -> Computed[Owner_co | Owner2, Value_co | _Number]: ...
    @overload
    def __add__(self: Fixed[Any, float | Decimal | None], other: int) -> Fixed[Owner_co, Value_co]: ...
    @overload
    def __add__(
        self: Fixed[Any, float | Decimal | None], other: float | Decimal
    ) -> Fixed[Owner_co, Value_co | Decimal]: ...
    @overload
    def __add__(
        self: Fixed[Any, datetime | time | timedelta | None], other: timedelta
    ) -> Fixed[Owner_co, Value_co]: ...
    @overload
    def __add__(self: Fixed[Any, date], other: timedelta) -> Fixed[Owner_co, datetime]: ...
    @overload
    def __add__(self: Fixed[Any, date | None], other: timedelta) -> Fixed[Owner_co, datetime | None]: ...
    @overload
    def __add__(self: Fixed[Any, date | None], other: int) -> Fixed[Owner_co, Value_co]: ...
    @overload
    def __add__(
        self: Fixed[Any, datetime | time | timedelta | None], other: Valued[Owner2, timedelta] | Decoy
    ) -> Computed[Owner_co | Owner2, Value_co]: ...
    @overload
    def __add__(
        self: Fixed[Any, datetime | time | timedelta | None], other: Valued[Owner2, timedelta | None] | Decoy
    ) -> Computed[Owner_co | Owner2, Value_co | None]: ...
    @overload
    def __add__(
        self: Fixed[Any, date | None], other: Valued[Owner2, timedelta | None] | Decoy
    ) -> Computed[Owner_co | Owner2, datetime | None]: ...
    @overload
    def __sub__(
        self: Fixed[Any, float | Decimal | None], other: Fixed[Owner2, _Number]
    ) -> Fixed[Owner_co | Owner2, Value_co | _Number]: ...
    @overload
    def __sub__(
        self: Fixed[Any, float | Decimal | None], other: Expr[Owner2, _Number] | Decoy
    ) -> Computed[Owner_co | Owner2, Value_co | _Number]: ...
    @overload
    def __sub__(self: Fixed[Any, float | Decimal | None], other: int) -> Fixed[Owner_co, Value_co]: ...
    @overload
    def __sub__(
        self: Fixed[Any, float | Decimal | None], other: float | Decimal
    ) -> Fixed[Owner_co, Value_co | Decimal]: ...
    @overload
    def __sub__(
        self: Fixed[Any, datetime | time | timedelta | None], other: timedelta
    ) -> Fixed[Owner_co, Value_co]: ...
    @overload
    def __sub__(self: Fixed[Any, date], other: timedelta) -> Fixed[Owner_co, datetime]: ...
    @overload
    def __sub__(self: Fixed[Any, date | None], other: timedelta) -> Fixed[Owner_co, datetime | None]: ...
    @overload
    def __sub__(self: Fixed[Any, date | None], other: int) -> Fixed[Owner_co, Value_co]: ...
    @overload
    def __sub__(
        self: Fixed[Any, datetime | time | timedelta | None], other: Valued[Owner2, timedelta] | Decoy
    ) -> Computed[Owner_co | Owner2, Value_co]: ...
    @overload
    def __sub__(
        self: Fixed[Any, datetime | time | timedelta | None], other: Valued[Owner2, timedelta | None] | Decoy
    ) -> Computed[Owner_co | Owner2, Value_co | None]: ...
    @overload
    def __sub__(
        self: Fixed[Any, date | None], other: Valued[Owner2, timedelta | None] | Decoy
    ) -> Computed[Owner_co | Owner2, datetime | None]: ...
    @overload
    def __sub__(self: Fixed[Any, datetime], other: date) -> Fixed[Owner_co, timedelta]: ...
    @overload
    def __sub__(self: Fixed[Any, datetime | None], other: date) -> Fixed[Owner_co, timedelta | None]: ...
    @overload
    def __sub__(self: Fixed[Any, date], other: date) -> Fixed[Owner_co, int]: ...
    @overload
    def __sub__(self: Fixed[Any, date | None], other: date) -> Fixed[Owner_co, int | None]: ...
    @overload
    def __sub__(
        self: Fixed[Any, datetime], other: Valued[Owner2, date] | Decoy
    ) -> Computed[Owner_co | Owner2, timedelta]: ...
    @overload
    def __sub__(
        self: Fixed[Any, datetime | None], other: Valued[Owner2, date | None] | Decoy
    ) -> Computed[Owner_co | Owner2, timedelta | None]: ...
    @overload
    def __sub__(
        self: Fixed[Any, date], other: Valued[Owner2, datetime] | Decoy
    ) -> Computed[Owner_co | Owner2, timedelta]: ...
    @overload
    def __sub__(
        self: Fixed[Any, date | None], other: Valued[Owner2, datetime | None] | Decoy
    ) -> Computed[Owner_co | Owner2, timedelta | None]: ...
    @overload
    def __sub__(self: Fixed[Any, date], other: Valued[Owner2, date] | Decoy) -> Computed[Owner_co | Owner2, int]: ...
    @overload
    def __sub__(
        self: Fixed[Any, date | None], other: Valued[Owner2, date | None] | Decoy
    ) -> Computed[Owner_co | Owner2, int | None]: ...
    @overload
    def __mul__(
        self: Fixed[Any, float | Decimal | None], other: Fixed[Owner2, _Number]
    ) -> Fixed[Owner_co | Owner2, Value_co | _Number]: ...
    @overload
    def __mul__(
        self: Fixed[Any, float | Decimal | None], other: Expr[Owner2, _Number] | Decoy
    ) -> Computed[Owner_co | Owner2, Value_co | _Number]: ...
    @overload
    def __mul__(self: Fixed[Any, float | Decimal | None], other: int) -> Fixed[Owner_co, Value_co]: ...
    @overload
    def __mul__(
        self: Fixed[Any, float | Decimal | None], other: float | Decimal
    ) -> Fixed[Owner_co, Value_co | Decimal]: ...
    @overload
    def __mul__(self: Fixed[Any, timedelta | None], other: float) -> Fixed[Owner_co, Value_co]: ...
    @overload
    def __truediv__(
        self: Fixed[Any, float | Decimal | None], other: Fixed[Owner2, _Number]
    ) -> Fixed[Owner_co | Owner2, Value_co | _Number | Decimal]: ...
    @overload
    def __truediv__(
        self: Fixed[Any, float | Decimal | None], other: Expr[Owner2, _Number] | Decoy
    ) -> Computed[Owner_co | Owner2, Value_co | _Number | Decimal]: ...
    @overload
    def __truediv__(self: Fixed[Any, float | Decimal | None], other: int) -> Fixed[Owner_co, Value_co | Decimal]: ...
    @overload
    def __truediv__(
        self: Fixed[Any, float | Decimal | None], other: float | Decimal
    ) -> Fixed[Owner_co, Value_co | Decimal]: ...
    @overload
    def __truediv__(self: Fixed[Any, timedelta | None], other: float) -> Fixed[Owner_co, Value_co]: ...
    @overload
    def __radd__(self: Fixed[Any, float | Decimal | None], other: int) -> Fixed[Owner_co, Value_co]: ...
    @overload
    def __radd__(
        self: Fixed[Any, float | Decimal | None], other: float | Decimal
    ) -> Fixed[Owner_co, Value_co | Decimal]: ...
    @overload
    def __radd__(
        self: Fixed[Any, datetime | time | timedelta | None], other: timedelta
    ) -> Fixed[Owner_co, Value_co]: ...
    @overload
    def __radd__(self: Fixed[Any, date], other: timedelta) -> Fixed[Owner_co, datetime]: ...
    @overload
    def __radd__(self: Fixed[Any, date | None], other: timedelta) -> Fixed[Owner_co, datetime | None]: ...
    @overload
    def __rsub__(self: Fixed[Any, float | Decimal | None], other: int) -> Fixed[Owner_co, Value_co]: ...
    @overload
    def __rsub__(
        self: Fixed[Any, float | Decimal | None], other: float | Decimal
    ) -> Fixed[Owner_co, Value_co | Decimal]: ...
    @overload
    def __rsub__(self: Fixed[Any, datetime], other: date) -> Fixed[Owner_co, timedelta]: ...
    @overload
    def __rsub__(self: Fixed[Any, datetime | None], other: date) -> Fixed[Owner_co, timedelta | None]: ...
    @overload
    def __rsub__(self: Fixed[Any, date], other: date) -> Fixed[Owner_co, int]: ...
    @overload
    def __rsub__(self: Fixed[Any, date | None], other: date) -> Fixed[Owner_co, int | None]: ...
    @overload
    def __rmul__(self: Fixed[Any, float | Decimal | None], other: int) -> Fixed[Owner_co, Value_co]: ...
    @overload
    def __rmul__(
        self: Fixed[Any, float | Decimal | None], other: float | Decimal
    ) -> Fixed[Owner_co, Value_co | Decimal]: ...
    @overload
    def __rmul__(self: Fixed[Any, timedelta | None], other: float) -> Fixed[Owner_co, Value_co]: ...
    @overload
    def __rtruediv__(self: Fixed[Any, float | Decimal | None], other: int) -> Fixed[Owner_co, Value_co | Decimal]: ...
    @overload
    def __rtruediv__(
        self: Fixed[Any, float | Decimal | None], other: float | Decimal
    ) -> Fixed[Owner_co, Value_co | Decimal]: ...
    @overload
    def concat(
        self: Fixed[Any, str | None], other: Fixed[Owner2, _Text]
    ) -> Fixed[Owner_co | Owner2, Value_co | _Text]: ...
    @overload
    def concat(
        self: Fixed[Any, str | None], other: Expr[Owner2, _Text] | Decoy
    ) -> Computed[Owner_co | Owner2, Value_co | _Text]: ...
    @overload
    def concat(self: Fixed[Any, str | None], other: str) -> Fixed[Owner_co, Value_co]: ...

class Aggregate(Fixed[Owner_co, Value_co]):
    """A function of many rows."""

    def filter(self, condition: Condition[Owner2]) -> Aggregate[Owner_co | Owner2, Value_co]: ...
    def order_by(
        self,
        first: Operand[Owner2] | Decoy,
        second: Operand[Owner3] | Decoy = ...,
        third: Operand[Owner4] | Decoy = ...,
        /,
        *more: Operand[object],
    ) -> Aggregate[Owner_co | Owner2 | Owner3 | Owner4, Value_co]: ...
    @overload
    def over(self) -> Fixed[Owner_co, Value_co]: ...
    @overload
    def over(
        self,
        *,
        partition_by: Sequence[Operand[Owner3] | Decoy] = (),
        order_by: Sequence[Operand[Owner4] | Decoy] = (),
        start: Bound | None = None,
        end: Bound | None = None,
        frame_type: Frame | None = None,
    ) -> Fixed[Owner_co | Owner3 | Owner4, Value_co]: ...
    @overload
    def over(
        self,
        *,
        partition_by: Sequence[Operand[object]] = (),
        order_by: Sequence[Operand[object]] = (),
        start: Bound | None = None,
        end: Bound | None = None,
        frame_type: Frame | None = None,
    ) -> Fixed[Owner_co, Value_co]: ...

Bound: TypeAlias = peewee.SQL
"""Where the frame of a window begins or ends: `peewee.Window.preceding(2)`, `peewee.Window.CURRENT_ROW`."""
Frame: TypeAlias = Literal["ROWS", "RANGE", "GROUPS"]

class Collected(Valued[Owner, list[Any] | None], Owned[Owner], Generic[Owner, Value]):
    """A list of the values of many rows. Some of them are None where a table may be missing."""

    @overload
    def __select__(self, scope: RequiredScope[Owner], /) -> list[Value] | None: ...
    @overload
    def __select__(self, scope: JoinedScope[Owner], /) -> list[Value | None] | None: ...
    def filter(self, condition: Condition[Owner2]) -> Collected[Owner | Owner2, Value]: ...
    def order_by(
        self,
        first: Operand[Owner2] | Decoy,
        second: Operand[Owner3] | Decoy = ...,
        third: Operand[Owner4] | Decoy = ...,
        /,
        *more: Operand[object],
    ) -> Collected[Owner | Owner2 | Owner3 | Owner4, Value]: ...
    @overload
    def over(self) -> Collected[Owner, Value]: ...
    @overload
    def over(
        self,
        *,
        partition_by: Sequence[Operand[Owner3] | Decoy] = (),
        order_by: Sequence[Operand[Owner4] | Decoy] = (),
        start: Bound | None = None,
        end: Bound | None = None,
        frame_type: Frame | None = None,
    ) -> Collected[Owner | Owner3 | Owner4, Value]: ...
    @overload
    def over(
        self,
        *,
        partition_by: Sequence[Operand[object]] = (),
        order_by: Sequence[Operand[object]] = (),
        start: Bound | None = None,
        end: Bound | None = None,
        frame_type: Frame | None = None,
    ) -> Collected[Owner, Value]: ...

class Condition(Expr[Owner_co, bool | None]):
    """True, false, or unknown where a null is compared."""

class Owned(Generic[Owner]):
    _owner: Owner

class Computed(Expr[Owner, Value], Owned[Owner], Generic[Owner, Value]):
    """What a function makes of one value."""

class WholeRow(Owned[Owner], Generic[Owner, Value]):
    """A row of a table, whole: it is selected, and nothing is computed of it."""

    @overload
    def __select__(self, scope: RequiredScope[Owner], /) -> Value: ...
    @overload
    def __select__(self, scope: JoinedScope[Owner], /) -> Value | None: ...

class Column(Computed[Owner, Value]):
    """A column of a table."""

    name: str
    column_name: str

class Reference(Generic[Owner_co, Value_co]):
    """What refers to a row of another table."""

    def _refers(self) -> tuple[Owner_co, Value_co]: ...

class ForeignKeyColumn(Column[Owner, Value], Reference[Owner, Value2], Generic[Owner, Value, Value2]):
    """A foreign key: the key of a row of another table. `lookup()` joins that table along it."""

# mypy gives up on the overloads of `select()` where `Any` is among the parameters of a type, and not where it is in its
# base: hence a class for each.
class Untyped(Operand[Owner_co]):
    """Whose values are of no one type."""

    def _is_untyped(self) -> None: ...

class AnyColumn(Column[Owner, Any], Untyped[Owner]):
    """A column whose values are of no one type."""

class AnyFixed(Fixed[Owner_co, Any], Untyped[Owner_co]):
    """A value of no one type."""

class AnyAggregate(Aggregate[Owner_co, Any], Untyped[Owner_co]):
    """A function of many rows, whose value is of no one type."""

class JsonColumn(Column[Owner, Any], Untyped[Owner]):
    """A column of JSON, whose values are whatever is in it."""

    def __getitem__(self, key: str | int) -> JsonPath[Owner]: ...
    def path(self, *keys: str | int) -> JsonPath[Owner]: ...
    def contains(self, value: object) -> Condition[Owner]: ...
    def contained_by(self, value: object) -> Condition[Owner]: ...
    def has_key(self, key: str) -> Condition[Owner]: ...
    def has_keys(self, keys: Sequence[str]) -> Condition[Owner]: ...
    def has_any_keys(self, keys: Sequence[str]) -> Condition[Owner]: ...

class AnyJson(Computed[Owner, Any], Untyped[Owner]):
    """What is somewhere in JSON."""

class JsonPath(Computed[Owner, Any], Untyped[Owner]):
    """A place in a column of JSON."""

    def __getitem__(self, key: str | int) -> JsonPath[Owner]: ...
    def path(self, *keys: str | int) -> JsonPath[Owner]: ...
    def as_text(self) -> Computed[Owner, str | None]: ...
    def contains(self, value: object) -> Condition[Owner]: ...
    def contained_by(self, value: object) -> Condition[Owner]: ...
    def has_key(self, key: str) -> Condition[Owner]: ...
    def has_keys(self, keys: Sequence[str]) -> Condition[Owner]: ...
    def has_any_keys(self, keys: Sequence[str]) -> Condition[Owner]: ...

class BinaryJsonColumn(Column[Owner, Any], Untyped[Owner]):
    """A column of playhouse's BinaryJSONField."""

    def __getitem__(self, key: str | int) -> Computed[Owner, str | None]: ...
    def path(self, *keys: str | int) -> AnyJson[Owner]: ...
    def contains(self, other: object) -> Condition[Owner]: ...
    def contained_by(self, other: object) -> Condition[Owner]: ...
    def contains_any(self, *items: str) -> Condition[Owner]: ...
    def contains_all(self, *items: str) -> Condition[Owner]: ...
    def has_key(self, key: str) -> Condition[Owner]: ...

class ArrayColumn(Column[Owner, Value]):
    """A column of lists."""

    def contains(self, *items: object) -> Condition[Owner]: ...
    def contains_any(self, *items: object) -> Condition[Owner]: ...
    def contained_by(self, *items: object) -> Condition[Owner]: ...

class ListColumn(ArrayColumn[Owner, list[Any]], Untyped[Owner]):
    """A column of lists, of elements of no one type."""

class ListOrNoneColumn(ArrayColumn[Owner, list[Any] | None], Untyped[Owner]):
    """A column of lists, of elements of no one type, or None."""

class TextSearchColumn(Column[Owner, Value]):
    """A column of what is searched for words."""

    def match(
        self, query: str, language: str | None = None, plain: bool = False, websearch: bool = False
    ) -> Condition[Owner]: ...

# mypy takes the parameter's type as the context in which it solves a descriptor's `__get__`, and would solve the model
# from it. With two members that contradict each other it gives up, and takes the model from the class that is asked.
class _NobodyA(peewee.Model): ...
class _NobodyB(peewee.Model): ...

Decoy: TypeAlias = Owned[Tag[_NobodyA]] | Owned[Tag[_NobodyB]]

# mypy solves the operands of an expression from where it stands, too: `query.where(A.x == B.y)` would take B for A.
# Here as well two members that contradict each other make it look at the expression alone.
Selected: TypeAlias = (
    Selectable[Req | Tag[_NobodyA], All | Tag[_NobodyA], Value]
    | Selectable[Req | Tag[_NobodyB], All | Tag[_NobodyB], Value]
    | Decoy
)
"""What can be selected of a query's tables, and gives a `Value`."""
Derivable: TypeAlias = (
    _Named[Req | Tag[_NobodyA], All | Tag[_NobodyA], Value]
    | _Named[Req | Tag[_NobodyB], All | Tag[_NobodyB], Value]
    | Decoy
)
"""What can be a column of a derived table: all that can be selected, but for whole rows."""
Opaque: TypeAlias = Untyped[All | Tag[_NobodyA]] | Untyped[All | Tag[_NobodyB]]
"""What can be one too, whose values are of no one type."""
Needed: TypeAlias = Operand[All | Tag[_NobodyA]] | Operand[All | Tag[_NobodyB]] | Decoy
"""What needs no other tables than a query's."""
Holding: TypeAlias = Valued[All | Tag[_NobodyA], bool | None] | Valued[All | Tag[_NobodyB], bool | None] | Decoy
"""What is true or false for a row of a query's tables."""
