"""Assignments, as the checkers see them: a column takes what is of its type in the scope of the query."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Generic, Self, TypeVar, overload

from tenantry.query.expressions import Column, Decoy, ForeignKeyColumn, Selected
from tenantry.query.sources import Step

Req = TypeVar("Req")
All = TypeVar("All")
Target = TypeVar("Target")
Value = TypeVar("Value")
Row = TypeVar("Row")

class Assignments(Generic[Req, All, Target]):
    _query: Any
    _target: Any
    _values: Mapping[str, tuple[Any, Any]]
    @overload
    def set(self, column: Column[Target, Value] | Decoy, value: Selected[Req, All, Value]) -> Self: ...
    @overload
    def set(self, column: Column[Target, Value] | Decoy, value: Value) -> Self: ...
    # What the driver takes for a column, and does not give.
    @overload
    def set(self, column: Column[Target, Decimal] | Column[Target, Decimal | None] | Decoy, value: int) -> Self: ...
    @overload
    def set(self, column: Column[Target, Decimal] | Decoy, value: Selected[Req, All, Decimal | int]) -> Self: ...
    @overload
    def set(
        self, column: Column[Target, Decimal | None] | Decoy, value: Selected[Req, All, Decimal | int | None]
    ) -> Self: ...
    @overload
    def set(
        self, column: Column[Target, memoryview] | Column[Target, memoryview | None] | Decoy, value: bytes
    ) -> Self: ...
    @overload
    def set(self, column: Column[Target, bool] | Decoy, value: Selected[Req, All, bool | None]) -> Self: ...
    @overload
    def set(self, column: ForeignKeyColumn[Target, Any, Row] | Decoy, value: Row) -> Self: ...
    def _copy(self) -> Self: ...

class Filling(Assignments[Req, All, Target], Step):
    def __init__(self, query: Any, target: Any) -> None: ...
    def node(self, names: list[str]) -> Any: ...
