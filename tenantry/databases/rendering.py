"""peewee's rendering of queries, with its commonest steps done in fewer calls.

Rendering takes peewee longer than the statement takes the server, and most of it goes into names: for one column it
makes three nodes and enters a scope. The SQL is the same to the letter.
"""

# peewee's stubs leave out its private names, which rendering lives on.
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from types import NoneType
from typing import Any
from uuid import UUID

from peewee import (
    SCOPE_NORMAL,
    SCOPE_VALUES,
    AliasManager,
    Column,
    Context,
    Entity,
    Field,
    Model,
    NodeList,
    State,
    Table,
    Value,
)

from tenantry.context import Pin
from tenantry.errors import WrongTenant

# What the driver takes as it is: no node of a query, and no model.
PARAMETERS = frozenset({NoneType, bool, int, float, str, bytes, Decimal, datetime, date, time, timedelta, UUID})


def quoted_name(name: str) -> str:
    """Quote any name, which may be no schema's."""
    return '"' + name.replace('"', '""') + '"'


_sort_key = operator.attrgetter("_sort_key")


@functools.cache
def is_column(kind: Any) -> bool:
    """Say whether fields of this class are rendered as nothing but their column."""
    return kind.__sql__ is Field.__sql__ and kind.column is Field.column


class Rendering(Context):
    """The text and the values of one query while it is rendered.

    Each shortcut stands for one class of peewee's and none below it, which may render itself otherwise.
    """

    __slots__ = ("pin",)

    def __init__(self, options: Mapping[str, Any], pin: Pin | None = None, scope: int = SCOPE_NORMAL) -> None:
        self.pin = pin  # Whose the query will be: nothing of another may be in it.
        self.stack = []
        self._sql: list[str] = []
        self._values: list[Any] = []
        self.alias_manager = AliasManager()
        self.state = State(scope, False, options)

    def as_new(self) -> Rendering:
        return type(self)(self.state.settings, self.pin)

    def __call__(self, scope: int | None = None, parentheses: bool = False, **settings: Any) -> Rendering:
        state = self.state
        self.stack.append(state)
        self.state = State(
            scope or state.scope, parentheses, {**state.settings, **settings} if settings else state.settings
        )
        return self

    def __enter__(self) -> Rendering:
        if self.state.parentheses:
            self._sql.append("(")
        return self

    def __exit__(self, *_: object) -> None:
        if self.state.parentheses:
            self._sql.append(")")
        self.state = self.stack.pop()

    def sql(self, obj: Any) -> Any:
        kind: Any = type(obj)
        if kind is Value and obj.values is None:
            return self.value(obj.value, obj.converter)
        if kind is Entity:
            self._sql.append(".".join(map(quoted_name, obj._path)))
        elif kind is Column and type(obj.source) is Table:
            self._column(obj.source, obj.name)
        elif isinstance(obj, Field) and is_column(kind) and type(obj.model._meta.table) is Table:
            self._column(obj.model._meta.table, obj.column_name)
        elif kind is NodeList and len(obj.nodes) > 1:
            self._list(obj)
        else:
            return super().sql(obj)  # type: ignore[no-untyped-call]  # peewee's stubs
        return self

    def value(self, value: Any, converter: Any = None, add_param: bool = True) -> Any:
        if isinstance(value, Model):
            self.admit(value)
        if converter and add_param:
            value, converter = converter(value), False  # Converted already.
            if type(value) in PARAMETERS and not self.state.value_literals:
                self._values.append(value)
                self._sql.append(self.state.param or "?")
                return self
        return super().value(value, converter, add_param)

    def admit(self, row: Any) -> None:
        """Check that *row* may stand in the query for its key.

        Raises:
            WrongTenant: it belongs to another tenant.
        """
        own = getattr(row, "_pin", None)
        if own is not None and self.pin is not None and not own.admits(self.pin):
            raise WrongTenant(row.pinned_name, made_in=own, bound=self.pin)

    def row(self, values: Mapping[Any, Any]) -> Rendering:
        """Write the columns and the values of one row that is inserted."""
        fields = sorted(values, key=_sort_key)
        self._sql.append(f"({', '.join([quoted_name(field.column_name) for field in fields])}) VALUES (")
        with self(SCOPE_VALUES, subquery=True):
            for number, field in enumerate(fields):
                if number:
                    self._sql.append(", ")
                self.value(values[field], field.db_value)
        self._sql.append(")")
        return self

    def _list(self, several: Any) -> None:
        with self(parentheses=several.parens):
            for number, node in enumerate(several.nodes):
                if number:
                    self._sql.append(several.glue)
                self.sql(node)

    def _column(self, table: Any, column: str) -> None:
        name = quoted_name(column)
        if self.state.scope != SCOPE_VALUES:  # Where a column is written to, it has no table in front.
            if table._alias:
                self.alias_manager[table] = table._alias
            name = f"{quoted_name(self.alias_manager[table])}.{name}"
        self._sql.append(name)
