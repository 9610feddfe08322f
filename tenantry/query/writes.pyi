"""Writes, as the checkers see them: `Back` are the tables whose columns can be given back, rows of `M` are written."""

from typing import Any, Generic, Self, TypeVar, overload

from tenantry.query.assignments import Assignments
from tenantry.query.expressions import Column, Decoy, Selected, Tag
from tenantry.query.statement import Results, Runnable

M = TypeVar("M")
Req = TypeVar("Req")
All = TypeVar("All")
Back = TypeVar("Back")
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

class Write(Runnable, Generic[Back, M]):
    def __init__(self, query: Any, target: Any) -> None: ...
    def execute(self) -> int: ...
    @overload
    def returning(self) -> Returned[M]: ...
    @overload
    def returning(
        self,
        c1: Selected[Back, Back, T1],
        /,
    ) -> Returned[tuple[T1]]: ...
    @overload
    def returning(
        self,
        c1: Selected[Back, Back, T1],
        c2: Selected[Back, Back, T2],
        /,
    ) -> Returned[tuple[T1, T2]]: ...
    @overload
    def returning(
        self,
        c1: Selected[Back, Back, T1],
        c2: Selected[Back, Back, T2],
        c3: Selected[Back, Back, T3],
        /,
    ) -> Returned[tuple[T1, T2, T3]]: ...
    @overload
    def returning(
        self,
        c1: Selected[Back, Back, T1],
        c2: Selected[Back, Back, T2],
        c3: Selected[Back, Back, T3],
        c4: Selected[Back, Back, T4],
        /,
    ) -> Returned[tuple[T1, T2, T3, T4]]: ...
    @overload
    def returning(
        self,
        c1: Selected[Back, Back, T1],
        c2: Selected[Back, Back, T2],
        c3: Selected[Back, Back, T3],
        c4: Selected[Back, Back, T4],
        c5: Selected[Back, Back, T5],
        /,
    ) -> Returned[tuple[T1, T2, T3, T4, T5]]: ...
    @overload
    def returning(
        self,
        c1: Selected[Back, Back, T1],
        c2: Selected[Back, Back, T2],
        c3: Selected[Back, Back, T3],
        c4: Selected[Back, Back, T4],
        c5: Selected[Back, Back, T5],
        c6: Selected[Back, Back, T6],
        /,
    ) -> Returned[tuple[T1, T2, T3, T4, T5, T6]]: ...
    @overload
    def returning(
        self,
        c1: Selected[Back, Back, T1],
        c2: Selected[Back, Back, T2],
        c3: Selected[Back, Back, T3],
        c4: Selected[Back, Back, T4],
        c5: Selected[Back, Back, T5],
        c6: Selected[Back, Back, T6],
        c7: Selected[Back, Back, T7],
        /,
    ) -> Returned[tuple[T1, T2, T3, T4, T5, T6, T7]]: ...
    @overload
    def returning(
        self,
        c1: Selected[Back, Back, T1],
        c2: Selected[Back, Back, T2],
        c3: Selected[Back, Back, T3],
        c4: Selected[Back, Back, T4],
        c5: Selected[Back, Back, T5],
        c6: Selected[Back, Back, T6],
        c7: Selected[Back, Back, T7],
        c8: Selected[Back, Back, T8],
        /,
    ) -> Returned[tuple[T1, T2, T3, T4, T5, T6, T7, T8]]: ...
    @overload
    def returning(
        self,
        c1: Selected[Back, Back, T1],
        c2: Selected[Back, Back, T2],
        c3: Selected[Back, Back, T3],
        c4: Selected[Back, Back, T4],
        c5: Selected[Back, Back, T5],
        c6: Selected[Back, Back, T6],
        c7: Selected[Back, Back, T7],
        c8: Selected[Back, Back, T8],
        c9: Selected[Back, Back, T9],
        /,
    ) -> Returned[tuple[T1, T2, T3, T4, T5, T6, T7, T8, T9]]: ...
    @overload
    def returning(
        self,
        c1: Selected[Back, Back, T1],
        c2: Selected[Back, Back, T2],
        c3: Selected[Back, Back, T3],
        c4: Selected[Back, Back, T4],
        c5: Selected[Back, Back, T5],
        c6: Selected[Back, Back, T6],
        c7: Selected[Back, Back, T7],
        c8: Selected[Back, Back, T8],
        c9: Selected[Back, Back, T9],
        c10: Selected[Back, Back, T10],
        /,
    ) -> Returned[tuple[T1, T2, T3, T4, T5, T6, T7, T8, T9, T10]]: ...
    @overload
    def returning(
        self,
        c1: Selected[Back, Back, T1],
        c2: Selected[Back, Back, T2],
        c3: Selected[Back, Back, T3],
        c4: Selected[Back, Back, T4],
        c5: Selected[Back, Back, T5],
        c6: Selected[Back, Back, T6],
        c7: Selected[Back, Back, T7],
        c8: Selected[Back, Back, T8],
        c9: Selected[Back, Back, T9],
        c10: Selected[Back, Back, T10],
        c11: Selected[Back, Back, T11],
        /,
    ) -> Returned[tuple[T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11]]: ...
    @overload
    def returning(
        self,
        c1: Selected[Back, Back, T1],
        c2: Selected[Back, Back, T2],
        c3: Selected[Back, Back, T3],
        c4: Selected[Back, Back, T4],
        c5: Selected[Back, Back, T5],
        c6: Selected[Back, Back, T6],
        c7: Selected[Back, Back, T7],
        c8: Selected[Back, Back, T8],
        c9: Selected[Back, Back, T9],
        c10: Selected[Back, Back, T10],
        c11: Selected[Back, Back, T11],
        c12: Selected[Back, Back, T12],
        /,
    ) -> Returned[tuple[T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12]]: ...
    @overload
    def returning(
        self, column: Selected[Back, Back, object], /, *columns: Selected[Back, Back, object]
    ) -> Returned[tuple[Any, ...]]: ...

class Update(Write[Back, M], Assignments[Back, Back, Tag[M]]):
    def __init__(self, query: Any) -> None: ...

class Delete(Write[Back, M]):
    def __init__(self, query: Any) -> None: ...

class Insert(Write[Tag[M], M], Assignments[Req, All, Tag[M]], Generic[Req, All, M]):
    def ignore_conflicts(self) -> Self: ...
    def update_conflicts(self, *key: Column[Tag[M], Any] | Decoy) -> Self: ...

class Returned(Results[Row_co]): ...
