"""Assignments, as the checkers see them: a column takes what is of its type in the scope of the query."""

from collections.abc import Mapping
from typing import Any, Generic, Self, TypeVar, overload

from tenantry.query.expressions import Column, Decoy, Selectable
from tenantry.query.sources import Step

Req = TypeVar("Req")
All = TypeVar("All")
Target = TypeVar("Target")
Value = TypeVar("Value")

class Assignments(Generic[Req, All, Target]):
    _query: Any
    _target: Any
    _values: Mapping[str, tuple[Any, Any]]
    @overload
    def set(self, column: Column[Target, Value] | Decoy, value: Selectable[Req, All, Value] | Decoy) -> Self: ...
    @overload
    def set(self, column: Column[Target, Value] | Decoy, value: Value) -> Self: ...
    def _copy(self) -> Self: ...

class Filling(Assignments[Req, All, Target], Step):
    def __init__(self, query: Any, target: Any) -> None: ...
    def node(self, names: list[str]) -> Any: ...
