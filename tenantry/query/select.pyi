"""The builder of queries, as the checkers see it: `Req` are the tables whose row is always there, `All` all of them."""

from collections.abc import Callable
from typing import Any, Generic, Never, Self, TypeVar, TypeVarTuple, overload

import peewee

from tenantry.query.assignments import Filling
from tenantry.query.compiled import Compiled
from tenantry.query.expressions import (
    AnyColumn,
    Decoy,
    Derivable,
    Fixed,
    Holding,
    Needed,
    Opaque,
    Reference,
    Selected,
    Tag,
)
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

class _TakenUntyped(Taken[Any]):
    def __get__(self, row: None, model: type[D]) -> AnyColumn[Tag[D]]: ...

class Selection(Statement[Row_co]):
    def limit(self, rows: int) -> Self: ...
    def offset(self, rows: int) -> Self: ...
    def union(self, other: Statement[Made]) -> Compound[Row_co | Made]: ...
    def union_all(self, other: Statement[Made]) -> Compound[Row_co | Made]: ...
    def intersect(self, other: Statement[Made]) -> Compound[Row_co | Made]: ...
    def except_(self, other: Statement[Made]) -> Compound[Row_co | Made]: ...
    def as_scalar(self: Selection[tuple[Value]]) -> Fixed[Never, Value | None]: ...
    def count(self) -> int: ...
    def exists(self) -> bool: ...
    def compile(self) -> Compiled[[], Row_co]: ...
    @property
    def node(self) -> Any: ...

class Compound(Selection[Row_co]):
    def order_by(self, *columns: int) -> Self: ...

class Query(Selection[Row_co], Generic[Req, All, Row_co]):
    def join(self, model: type[M], on: Holding[All | Tag[M]]) -> Query[Req | Tag[M], All | Tag[M], Row_co]: ...
    def left_join(self, model: type[M], on: Holding[All | Tag[M]]) -> Query[Req, All | Tag[M], Row_co]: ...
    def right_join(
        self: Query[Req, All, peewee.Model | None], model: type[M], on: Holding[All | Tag[M]]
    ) -> Query[Tag[M], All | Tag[M], Row_co | None]: ...
    def full_join(
        self: Query[Req, All, peewee.Model | None], model: type[M], on: Holding[All | Tag[M]]
    ) -> Query[Never, All | Tag[M], Row_co | None]: ...
    def cross_join(self, model: type[M]) -> Query[Req | Tag[M], All | Tag[M], Row_co]: ...
    def correlate(self, model: type[M]) -> Query[Req | Tag[M], All | Tag[M], Row_co]: ...
    def lookup(self, key: Reference[All, M | None] | Decoy) -> Query[Req, All | Tag[M], Row_co]: ...
    def where(self, *conditions: Holding[All]) -> Query[Req, All, Row_co]: ...
    def group_by(self, *columns: Needed[All]) -> Query[Req, All, Row_co]: ...
    def having(self, *conditions: Holding[All]) -> Query[Req, All, Row_co]: ...
    def order_by(self, *columns: Needed[All]) -> Query[Req, All, Row_co]: ...
    def distinct(self, *on: Needed[All]) -> Query[Req, All, Row_co]: ...
    def for_update(
        self, *of: type[peewee.Model], nowait: bool = False, skip_locked: bool = False
    ) -> Query[Req, All, Row_co]: ...
    @overload
    def select(self, c1: Selected[Req, All, T1], /) -> Query[Req, All, tuple[T1]]: ...
    @overload
    def select(self, c1: Selected[Req, All, T1], c2: Selected[Req, All, T2], /) -> Query[Req, All, tuple[T1, T2]]: ...
    @overload
    def select(
        self,
        c1: Selected[Req, All, T1],
        c2: Selected[Req, All, T2],
        c3: Selected[Req, All, T3],
        /,
    ) -> Query[Req, All, tuple[T1, T2, T3]]: ...
    @overload
    def select(
        self,
        c1: Selected[Req, All, T1],
        c2: Selected[Req, All, T2],
        c3: Selected[Req, All, T3],
        c4: Selected[Req, All, T4],
        /,
    ) -> Query[Req, All, tuple[T1, T2, T3, T4]]: ...
    @overload
    def select(
        self,
        c1: Selected[Req, All, T1],
        c2: Selected[Req, All, T2],
        c3: Selected[Req, All, T3],
        c4: Selected[Req, All, T4],
        c5: Selected[Req, All, T5],
        /,
    ) -> Query[Req, All, tuple[T1, T2, T3, T4, T5]]: ...
    @overload
    def select(
        self,
        c1: Selected[Req, All, T1],
        c2: Selected[Req, All, T2],
        c3: Selected[Req, All, T3],
        c4: Selected[Req, All, T4],
        c5: Selected[Req, All, T5],
        c6: Selected[Req, All, T6],
        /,
    ) -> Query[Req, All, tuple[T1, T2, T3, T4, T5, T6]]: ...
    @overload
    def select(
        self,
        c1: Selected[Req, All, T1],
        c2: Selected[Req, All, T2],
        c3: Selected[Req, All, T3],
        c4: Selected[Req, All, T4],
        c5: Selected[Req, All, T5],
        c6: Selected[Req, All, T6],
        c7: Selected[Req, All, T7],
        /,
    ) -> Query[Req, All, tuple[T1, T2, T3, T4, T5, T6, T7]]: ...
    @overload
    def select(
        self,
        c1: Selected[Req, All, T1],
        c2: Selected[Req, All, T2],
        c3: Selected[Req, All, T3],
        c4: Selected[Req, All, T4],
        c5: Selected[Req, All, T5],
        c6: Selected[Req, All, T6],
        c7: Selected[Req, All, T7],
        c8: Selected[Req, All, T8],
        /,
    ) -> Query[Req, All, tuple[T1, T2, T3, T4, T5, T6, T7, T8]]: ...
    @overload
    def select(
        self,
        c1: Selected[Req, All, T1],
        c2: Selected[Req, All, T2],
        c3: Selected[Req, All, T3],
        c4: Selected[Req, All, T4],
        c5: Selected[Req, All, T5],
        c6: Selected[Req, All, T6],
        c7: Selected[Req, All, T7],
        c8: Selected[Req, All, T8],
        c9: Selected[Req, All, T9],
        /,
    ) -> Query[Req, All, tuple[T1, T2, T3, T4, T5, T6, T7, T8, T9]]: ...
    @overload
    def select(
        self,
        c1: Selected[Req, All, T1],
        c2: Selected[Req, All, T2],
        c3: Selected[Req, All, T3],
        c4: Selected[Req, All, T4],
        c5: Selected[Req, All, T5],
        c6: Selected[Req, All, T6],
        c7: Selected[Req, All, T7],
        c8: Selected[Req, All, T8],
        c9: Selected[Req, All, T9],
        c10: Selected[Req, All, T10],
        /,
    ) -> Query[Req, All, tuple[T1, T2, T3, T4, T5, T6, T7, T8, T9, T10]]: ...
    @overload
    def select(
        self,
        c1: Selected[Req, All, T1],
        c2: Selected[Req, All, T2],
        c3: Selected[Req, All, T3],
        c4: Selected[Req, All, T4],
        c5: Selected[Req, All, T5],
        c6: Selected[Req, All, T6],
        c7: Selected[Req, All, T7],
        c8: Selected[Req, All, T8],
        c9: Selected[Req, All, T9],
        c10: Selected[Req, All, T10],
        c11: Selected[Req, All, T11],
        /,
    ) -> Query[Req, All, tuple[T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11]]: ...
    @overload
    def select(
        self,
        c1: Selected[Req, All, T1],
        c2: Selected[Req, All, T2],
        c3: Selected[Req, All, T3],
        c4: Selected[Req, All, T4],
        c5: Selected[Req, All, T5],
        c6: Selected[Req, All, T6],
        c7: Selected[Req, All, T7],
        c8: Selected[Req, All, T8],
        c9: Selected[Req, All, T9],
        c10: Selected[Req, All, T10],
        c11: Selected[Req, All, T11],
        c12: Selected[Req, All, T12],
        /,
    ) -> Query[Req, All, tuple[T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12]]: ...
    @overload
    def select(self, *columns: Selected[Req, All, object]) -> Query[Req, All, tuple[Any, ...]]: ...
    @overload
    def column(self, column: Opaque[All]) -> _TakenUntyped: ...
    @overload
    def column(self, column: Derivable[Req, All, Value]) -> Taken[Value]: ...
    def into(self: Query[Req, All, tuple[*Ts]], make: Callable[[*Ts], Made]) -> Query[Req, All, Made]: ...
    def fill(self, derived: type[D]) -> Filling[Req, All, Tag[D]]: ...
    # All tables, or an outer join would not be refused; mypy does not see that one.
    def update(self: Query[All, All, peewee.Model]) -> Update[All, Row_co]: ...
    def delete(self: Query[All, All, peewee.Model]) -> Delete[All, Row_co]: ...
    def insert(self, model: type[Written]) -> Insert[Req, All, Written]: ...
