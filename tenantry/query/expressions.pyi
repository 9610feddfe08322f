"""What the checkers know of columns and expressions. When a program runs they are peewee's own.

Each expression knows its value's type and the tables that it needs (its owners, a union of :class:`Tag`). A query knows
the tables whose row is always there and all that are joined. `select()` asks each expression what it gives in the
query's scope: its type where its tables are always there, the type or None where one may be missing, and nothing, which
is an error, where one is not joined. The checker answers that for each argument by the overloads of `__select__`.
"""

# In a condition == is no comparison but makes one.
# pyright: reportIncompatibleMethodOverride=false

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Generic, Literal, Protocol, Self, TypeAlias, TypeVar, overload

import peewee

from tenantry.query.select import Query

TagM = TypeVar("TagM")
Owner = TypeVar("Owner")
Owner_co = TypeVar("Owner_co", covariant=True)
Owner2 = TypeVar("Owner2")
Value = TypeVar("Value")
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

class Operand(Generic[Owner_co]):
    """What can stand in an expression, and needs its owners' tables."""

    def _needs(self) -> Owner_co: ...

class Ordering(Operand[Owner_co]):
    """A direction to order by."""

class Comparable(Operand[Owner_co]):
    """The operators of peewee that give a condition. An operand of another type is PostgreSQL's to refuse."""

    @overload  # type: ignore[override]
    def __eq__(self, other: Operand[Owner2]) -> Condition[Owner_co | Owner2]: ...
    @overload
    def __eq__(self, other: object) -> Condition[Owner_co]: ...
    @overload  # type: ignore[override]
    def __ne__(self, other: Operand[Owner2]) -> Condition[Owner_co | Owner2]: ...
    @overload
    def __ne__(self, other: object) -> Condition[Owner_co]: ...
    @overload
    def __lt__(self, other: Operand[Owner2]) -> Condition[Owner_co | Owner2]: ...
    @overload
    def __lt__(self, other: object) -> Condition[Owner_co]: ...
    @overload
    def __le__(self, other: Operand[Owner2]) -> Condition[Owner_co | Owner2]: ...
    @overload
    def __le__(self, other: object) -> Condition[Owner_co]: ...
    @overload
    def __gt__(self, other: Operand[Owner2]) -> Condition[Owner_co | Owner2]: ...
    @overload
    def __gt__(self, other: object) -> Condition[Owner_co]: ...
    @overload
    def __ge__(self, other: Operand[Owner2]) -> Condition[Owner_co | Owner2]: ...
    @overload
    def __ge__(self, other: object) -> Condition[Owner_co]: ...
    def __hash__(self) -> int: ...
    def is_null(self, is_null: bool = True) -> Condition[Owner_co]: ...
    def in_(self, values: Iterable[object] | Query[Any, Any, tuple[Any]]) -> Condition[Owner_co]: ...
    def not_in(self, values: Iterable[object] | Query[Any, Any, tuple[Any]]) -> Condition[Owner_co]: ...
    def between(self, low: object, high: object) -> Condition[Owner_co]: ...
    @overload
    def like(self, pattern: Operand[Owner2]) -> Condition[Owner_co | Owner2]: ...
    @overload
    def like(self, pattern: str) -> Condition[Owner_co]: ...
    @overload
    def ilike(self, pattern: Operand[Owner2]) -> Condition[Owner_co | Owner2]: ...
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

class Expr(Comparable[Owner_co], Generic[Owner_co, Value_co]):
    """A value that is missing where one of its tables is: `V`, and `V | None` when that table is outer-joined."""

    @overload
    def __select__(self, scope: RequiredScope[Owner_co], /) -> Value_co: ...
    @overload
    def __select__(self, scope: JoinedScope[Owner_co], /) -> Value_co | None: ...

    # Numbers. A type wider than what comes is true, and a narrower one is not: hence the unions.
    @overload
    def __add__(
        self: Expr[Owner, _Number], other: Expr[Owner2, _Number2]
    ) -> Expr[Owner | Owner2, _Number | _Number2]: ...
    @overload
    def __add__(self: Expr[Owner, _Number], other: int) -> Expr[Owner, _Number]: ...
    @overload
    def __add__(self: Expr[Owner, _Number], other: Decimal) -> Expr[Owner, _Number | Decimal]: ...
    @overload
    def __sub__(
        self: Expr[Owner, _Number], other: Expr[Owner2, _Number2]
    ) -> Expr[Owner | Owner2, _Number | _Number2]: ...
    @overload
    def __sub__(self: Expr[Owner, _Number], other: int) -> Expr[Owner, _Number]: ...
    @overload
    def __sub__(self: Expr[Owner, _Number], other: Decimal) -> Expr[Owner, _Number | Decimal]: ...
    @overload
    def __mul__(
        self: Expr[Owner, _Number], other: Expr[Owner2, _Number2]
    ) -> Expr[Owner | Owner2, _Number | _Number2]: ...
    @overload
    def __mul__(self: Expr[Owner, _Number], other: int) -> Expr[Owner, _Number]: ...
    @overload
    def __mul__(self: Expr[Owner, _Number], other: Decimal) -> Expr[Owner, _Number | Decimal]: ...
    @overload
    def __truediv__(
        self: Expr[Owner, _Number], other: Expr[Owner2, _Number2]
    ) -> Expr[Owner | Owner2, _Number | _Number2]: ...
    @overload
    def __truediv__(self: Expr[Owner, _Number], other: int) -> Expr[Owner, _Number]: ...
    @overload
    def __truediv__(self: Expr[Owner, _Number], other: Decimal) -> Expr[Owner, _Number | Decimal]: ...
    @overload
    def concat(self: Expr[Owner, _Text], other: Expr[Owner2, _Text2]) -> Expr[Owner | Owner2, _Text | _Text2]: ...
    @overload
    def concat(self: Expr[Owner, _Text], other: str) -> Expr[Owner, _Text]: ...

_Number = TypeVar("_Number", bound=float | Decimal | None)
_Number2 = TypeVar("_Number2", bound=float | Decimal | None)
_Text = TypeVar("_Text", bound=str | None)
_Text2 = TypeVar("_Text2", bound=str | None)

class Fixed(Comparable[Owner_co], Generic[Owner_co, Value_co]):
    """A value whose type is the same however its tables are joined: COUNT, COALESCE."""

    def __select__(self, scope: JoinedScope[Owner_co], /) -> Value_co: ...

class Aggregate(Fixed[Owner_co, Value_co]):
    """A function of many rows."""

    def filter(self, condition: Condition[Owner2]) -> Aggregate[Owner_co | Owner2, Value_co]: ...
    @overload
    def over(self) -> Fixed[Owner_co, Value_co]: ...
    @overload
    def over(
        self,
        *,
        partition_by: Sequence[Operand[Owner2]] = (),
        order_by: Sequence[Operand[Owner2]] = (),
    ) -> Fixed[Owner_co | Owner2, Value_co]: ...

class Condition(Expr[Owner_co, bool | None]):
    """True, false, or unknown where a null is compared."""

    def __and__(self, other: Condition[Owner2]) -> Condition[Owner_co | Owner2]: ...
    def __or__(self, other: Condition[Owner2]) -> Condition[Owner_co | Owner2]: ...
    def __invert__(self) -> Condition[Owner_co]: ...

class Owned(Generic[Owner]):
    _owner: Owner

class Computed(Expr[Owner, Value], Owned[Owner], Generic[Owner, Value]):
    """What a function makes of one value."""

class Column(Computed[Owner, Value]):
    """A column of a table."""

    name: str
    column_name: str

class JsonColumn(Column[Owner, Any]):
    """A column of JSON, whose values are whatever is in it."""

    def __getitem__(self, key: str | int) -> JsonColumn[Owner]: ...

# mypy takes the parameter's type as the context in which it solves a descriptor's `__get__`, and would solve the model
# from it. With two members that contradict each other it gives up, and takes the model from the class that is asked.
class _NobodyA(peewee.Model): ...
class _NobodyB(peewee.Model): ...

Decoy: TypeAlias = Owned[Tag[_NobodyA]] | Owned[Tag[_NobodyB]]
