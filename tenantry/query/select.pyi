"""The builder of queries, as the checkers see it: `Req` are the tables whose row is always there, `All` all of them."""

from collections.abc import Callable
from typing import Any, Generic, Never, Self, TypeVar, TypeVarTuple, overload

import peewee

from tenantry.query.assignments import Filling
from tenantry.query.compiled import Compiled
from tenantry.query.expressions import Condition, Decoy, Expr, Fixed, Operand, Ordering, Reference, Selectable, Tag
from tenantry.query.sources import Derived, Taken
from tenantry.query.statement import Statement
from tenantry.query.writes import Delete, Insert, Update

M = TypeVar("M", bound=peewee.Model | Derived)
Written = TypeVar("Written", bound=peewee.Model)
D = TypeVar("D", bound=Derived)
Value = TypeVar("Value")
Made = TypeVar("Made")
Ts = TypeVarTuple("Ts")
Req = TypeVar("Req")
All = TypeVar("All")
Row_co = TypeVar("Row_co", covariant=True)
T1 = TypeVar("T1")
T2 = TypeVar("T2")
T3 = TypeVar("T3")
T4 = TypeVar("T4")
T5 = TypeVar("T5")
T6 = TypeVar("T6")
T7 = TypeVar("T7")
T8 = TypeVar("T8")
T9 = TypeVar("T9")
T10 = TypeVar("T10")
T11 = TypeVar("T11")
T12 = TypeVar("T12")

@overload
def with_shared(model: type[Written]) -> Query[Tag[Written], Tag[Written], Written]: ...
@overload
def with_shared(model: type[D]) -> Query[Tag[D], Tag[D], Never]: ...

class Selection(Statement[Row_co]):
    def limit(self, rows: int) -> Self: ...
    def offset(self, rows: int) -> Self: ...
    def union(self, other: Statement[Made]) -> Compound[Row_co | Made]: ...
    def union_all(self, other: Statement[Made]) -> Compound[Row_co | Made]: ...
    def intersect(self, other: Statement[Made]) -> Compound[Row_co]: ...
    def except_(self, other: Statement[Made]) -> Compound[Row_co]: ...
    def as_scalar(self: Selection[tuple[Value]]) -> Fixed[Never, Value | None]: ...
    def count(self) -> int: ...
    def exists(self) -> bool: ...
    def compile(self) -> Compiled[[], Row_co]: ...
    @property
    def node(self) -> Any: ...

class Compound(Selection[Row_co]):
    def order_by(self, *columns: int) -> Self: ...

class Query(Selection[Row_co], Generic[Req, All, Row_co]):
    def join(self, model: type[M], on: Condition[All | Tag[M]]) -> Query[Req | Tag[M], All | Tag[M], Row_co]: ...
    def left_join(self, model: type[M], on: Condition[All | Tag[M]]) -> Query[Req, All | Tag[M], Row_co]: ...
    def right_join(
        self: Query[Req, All, peewee.Model | None], model: type[M], on: Condition[All | Tag[M]]
    ) -> Query[Tag[M], All | Tag[M], Row_co | None]: ...
    def full_join(
        self: Query[Req, All, peewee.Model | None], model: type[M], on: Condition[All | Tag[M]]
    ) -> Query[Never, All | Tag[M], Row_co | None]: ...
    def cross_join(self, model: type[M]) -> Query[Req | Tag[M], All | Tag[M], Row_co]: ...
    def correlate(self, model: type[M]) -> Query[Req | Tag[M], All | Tag[M], Row_co]: ...
    def lookup(self, key: Reference[All, M | None] | Decoy) -> Query[Req, All | Tag[M], Row_co]: ...
    def where(self, *conditions: Condition[All] | Expr[All, bool | None] | Decoy) -> Query[Req, All, Row_co]: ...
    def group_by(self, *columns: Operand[All] | Decoy) -> Query[Req, All, Row_co]: ...
    def having(self, *conditions: Condition[All]) -> Query[Req, All, Row_co]: ...
    def order_by(self, *columns: Operand[All] | Ordering[All] | Decoy) -> Query[Req, All, Row_co]: ...
    def distinct(self, *on: Operand[All] | Decoy) -> Query[Req, All, Row_co]: ...
    def for_update(
        self, *of: type[peewee.Model], nowait: bool = False, skip_locked: bool = False
    ) -> Query[Req, All, Row_co]: ...
    @overload
    def select(self, c1: Selectable[Req, All, T1] | Decoy, /) -> Query[Req, All, tuple[T1]]: ...
    @overload
    def select(
        self, c1: Selectable[Req, All, T1] | Decoy, c2: Selectable[Req, All, T2] | Decoy, /
    ) -> Query[Req, All, tuple[T1, T2]]: ...
    @overload
    def select(
        self,
        c1: Selectable[Req, All, T1] | Decoy,
        c2: Selectable[Req, All, T2] | Decoy,
        c3: Selectable[Req, All, T3] | Decoy,
        /,
    ) -> Query[Req, All, tuple[T1, T2, T3]]: ...
    @overload
    def select(
        self,
        c1: Selectable[Req, All, T1] | Decoy,
        c2: Selectable[Req, All, T2] | Decoy,
        c3: Selectable[Req, All, T3] | Decoy,
        c4: Selectable[Req, All, T4] | Decoy,
        /,
    ) -> Query[Req, All, tuple[T1, T2, T3, T4]]: ...
    @overload
    def select(
        self,
        c1: Selectable[Req, All, T1] | Decoy,
        c2: Selectable[Req, All, T2] | Decoy,
        c3: Selectable[Req, All, T3] | Decoy,
        c4: Selectable[Req, All, T4] | Decoy,
        c5: Selectable[Req, All, T5] | Decoy,
        /,
    ) -> Query[Req, All, tuple[T1, T2, T3, T4, T5]]: ...
    @overload
    def select(
        self,
        c1: Selectable[Req, All, T1] | Decoy,
        c2: Selectable[Req, All, T2] | Decoy,
        c3: Selectable[Req, All, T3] | Decoy,
        c4: Selectable[Req, All, T4] | Decoy,
        c5: Selectable[Req, All, T5] | Decoy,
        c6: Selectable[Req, All, T6] | Decoy,
        /,
    ) -> Query[Req, All, tuple[T1, T2, T3, T4, T5, T6]]: ...
    @overload
    def select(
        self,
        c1: Selectable[Req, All, T1] | Decoy,
        c2: Selectable[Req, All, T2] | Decoy,
        c3: Selectable[Req, All, T3] | Decoy,
        c4: Selectable[Req, All, T4] | Decoy,
        c5: Selectable[Req, All, T5] | Decoy,
        c6: Selectable[Req, All, T6] | Decoy,
        c7: Selectable[Req, All, T7] | Decoy,
        /,
    ) -> Query[Req, All, tuple[T1, T2, T3, T4, T5, T6, T7]]: ...
    @overload
    def select(
        self,
        c1: Selectable[Req, All, T1] | Decoy,
        c2: Selectable[Req, All, T2] | Decoy,
        c3: Selectable[Req, All, T3] | Decoy,
        c4: Selectable[Req, All, T4] | Decoy,
        c5: Selectable[Req, All, T5] | Decoy,
        c6: Selectable[Req, All, T6] | Decoy,
        c7: Selectable[Req, All, T7] | Decoy,
        c8: Selectable[Req, All, T8] | Decoy,
        /,
    ) -> Query[Req, All, tuple[T1, T2, T3, T4, T5, T6, T7, T8]]: ...
    @overload
    def select(
        self,
        c1: Selectable[Req, All, T1] | Decoy,
        c2: Selectable[Req, All, T2] | Decoy,
        c3: Selectable[Req, All, T3] | Decoy,
        c4: Selectable[Req, All, T4] | Decoy,
        c5: Selectable[Req, All, T5] | Decoy,
        c6: Selectable[Req, All, T6] | Decoy,
        c7: Selectable[Req, All, T7] | Decoy,
        c8: Selectable[Req, All, T8] | Decoy,
        c9: Selectable[Req, All, T9] | Decoy,
        /,
    ) -> Query[Req, All, tuple[T1, T2, T3, T4, T5, T6, T7, T8, T9]]: ...
    @overload
    def select(
        self,
        c1: Selectable[Req, All, T1] | Decoy,
        c2: Selectable[Req, All, T2] | Decoy,
        c3: Selectable[Req, All, T3] | Decoy,
        c4: Selectable[Req, All, T4] | Decoy,
        c5: Selectable[Req, All, T5] | Decoy,
        c6: Selectable[Req, All, T6] | Decoy,
        c7: Selectable[Req, All, T7] | Decoy,
        c8: Selectable[Req, All, T8] | Decoy,
        c9: Selectable[Req, All, T9] | Decoy,
        c10: Selectable[Req, All, T10] | Decoy,
        /,
    ) -> Query[Req, All, tuple[T1, T2, T3, T4, T5, T6, T7, T8, T9, T10]]: ...
    @overload
    def select(
        self,
        c1: Selectable[Req, All, T1] | Decoy,
        c2: Selectable[Req, All, T2] | Decoy,
        c3: Selectable[Req, All, T3] | Decoy,
        c4: Selectable[Req, All, T4] | Decoy,
        c5: Selectable[Req, All, T5] | Decoy,
        c6: Selectable[Req, All, T6] | Decoy,
        c7: Selectable[Req, All, T7] | Decoy,
        c8: Selectable[Req, All, T8] | Decoy,
        c9: Selectable[Req, All, T9] | Decoy,
        c10: Selectable[Req, All, T10] | Decoy,
        c11: Selectable[Req, All, T11] | Decoy,
        /,
    ) -> Query[Req, All, tuple[T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11]]: ...
    @overload
    def select(
        self,
        c1: Selectable[Req, All, T1] | Decoy,
        c2: Selectable[Req, All, T2] | Decoy,
        c3: Selectable[Req, All, T3] | Decoy,
        c4: Selectable[Req, All, T4] | Decoy,
        c5: Selectable[Req, All, T5] | Decoy,
        c6: Selectable[Req, All, T6] | Decoy,
        c7: Selectable[Req, All, T7] | Decoy,
        c8: Selectable[Req, All, T8] | Decoy,
        c9: Selectable[Req, All, T9] | Decoy,
        c10: Selectable[Req, All, T10] | Decoy,
        c11: Selectable[Req, All, T11] | Decoy,
        c12: Selectable[Req, All, T12] | Decoy,
        /,
    ) -> Query[Req, All, tuple[T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12]]: ...
    @overload
    def select(self, *columns: Selectable[Req, All, object] | Decoy) -> Query[Req, All, tuple[Any, ...]]: ...
    def column(self, column: Selectable[Req, All, Value] | Decoy) -> Taken[Value]: ...
    def into(self: Query[Req, All, tuple[*Ts]], make: Callable[[*Ts], Made]) -> Query[Req, All, Made]: ...
    def fill(self, derived: type[D]) -> Filling[Req, All, Tag[D]]: ...
    # All tables, or an outer join would not be refused; mypy does not see that one.
    def update(self: Query[All, All, peewee.Model]) -> Update[All, Row_co]: ...
    def delete(self: Query[All, All, peewee.Model]) -> Delete[All, Row_co]: ...
    def insert(self, model: type[Written]) -> Insert[Req, All, Written]: ...
