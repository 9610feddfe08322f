"""Queries as nodes of peewee's: what is rendered."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import peewee
from peewee import JOIN, CommaNodeList, Entity

from tenantry.binding.pins import admit, pin_here
from tenantry.context import Pin
from tenantry.errors import InvalidQuery
from tenantry.query.rendering import Qualified

# What a SELECT may have beside its tables and their conditions, and the method that gives it.
_CLAUSES = {
    "_group_by": "group_by()",
    "_having": "having()",
    "_distinct": "distinct()",
    "_simple_distinct": "distinct()",
    "_windows": "window()",
    "_order_by": "order_by()",
    "_limit": "limit()",
    "_offset": "offset()",
    "_for_update": "for_update()",
}


def clause_of(select: Any, *, allowed: Sequence[str] = ()) -> str | None:
    """Return the method that has given *select* more than tables and conditions, one that is not *allowed*."""
    for attribute, method in _CLAUSES.items():
        value = getattr(select, attribute)
        # By identity: a limit may be 0, and a condition equals nothing, but gives one more condition.
        is_empty = value is None or value is False or (isinstance(value, list | tuple) and not value)
        if not is_empty and method not in allowed:
            return method
    return None


class Begun:
    """What all queries have in common: they are whose was bound where they were begun, if any was."""

    _pin: Pin | None
    model: Any

    @property
    def pinned_name(self) -> str:
        """What an error calls it."""
        return f"this query of {self.model.__name__}"

    def admit(self, ctx: Any) -> None:
        """Check that it may be rendered for whom *ctx* renders."""
        pin = getattr(ctx, "pin", None)
        if pin is not None:
            admit(self, pin)

    def apart(self, ctx: Any) -> AbstractContextManager[Any]:
        """Return a block in which its tables are its own. In a query of plain peewee they are all one's."""
        return ctx.one_query() if isinstance(ctx, Qualified) else nullcontext()


class SelectNode(Begun, peewee.Select):
    """A SELECT."""

    def __init__(self, *args: Any, model: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.model, self._pin = model, pin_here()

    def __sql__(self, ctx: Any) -> Any:
        self.admit(ctx)
        with self.apart(ctx):
            return super().__sql__(ctx)  # type: ignore[no-untyped-call]


class CompoundNode(Begun, peewee.CompoundSelectQuery):  # type: ignore[misc]  # peewee's stubs
    """Two queries whose rows come together."""

    def __init__(self, left: Any, operator: str, right: Any) -> None:
        super().__init__(left, operator, right)
        self.model, self._pin = left.model, pin_here()

    def __sql__(self, ctx: Any) -> Any:
        self.admit(ctx)
        return super().__sql__(ctx)  # type: ignore[no-untyped-call]


class WriteNode(Begun, peewee.Node):
    """What writes to the table of *model*, by the rows that *select* finds. It gives back *returning*, if anything."""

    def __init__(self, select: Any, model: Any, pin: Pin | None, returning: Any = ()) -> None:
        self.select, self.model, self._pin, self.returning = select, model, pin, returning

    def __sql__(self, ctx: Any) -> Any:
        self.admit(ctx)
        with self.apart(ctx), ctx.scope_normal(converter=None, parentheses=False, subquery=True):
            self.write(ctx)
            if self.returning:
                with ctx.scope_source(in_projection=True):
                    ctx.literal(" RETURNING ").sql(CommaNodeList(self.returning))
        return ctx

    @abstractmethod
    def write(self, ctx: Any) -> None:
        """Render it, but for what it gives back."""

    def _table(self, ctx: Any, verb: str) -> None:
        with ctx.scope_source():
            ctx.literal(verb).sql(self.model._meta.table)

    def _rows(self, ctx: Any, others: str) -> None:
        """Render which rows: the other tables, after the word *others*, and the conditions."""
        tables, conditions = joined_to(self.select._from_list[0], self.model)
        if tables:
            with ctx.scope_source():
                ctx.literal(others).sql(CommaNodeList(tables))
        if self.select._where is not None:
            conditions.append(self.select._where)
        for number, condition in enumerate(conditions):
            ctx.literal(" AND " if number else " WHERE ").sql(condition)


class UpdateNode(WriteNode):
    """UPDATE ... FROM."""

    def __init__(self, *args: Any, values: Mapping[str, tuple[Any, Any]], **options: Any) -> None:
        super().__init__(*args, **options)
        self.values = values

    def write(self, ctx: Any) -> None:
        self._table(ctx, "UPDATE ")
        for number, (column, value) in enumerate(self.values.values()):
            ctx.literal(", " if number else " SET ").sql(Entity(column.column_name)).literal(" = ").sql(value)
        self._rows(ctx, " FROM ")


class DeleteNode(WriteNode):
    """DELETE ... USING."""

    def write(self, ctx: Any) -> None:
        self._table(ctx, "DELETE FROM ")
        self._rows(ctx, " USING ")


class Conflict:
    """What becomes of rows that are there already, by the unique *key*: the other columns of *values* are updated.

    Without a key they are left as they are.
    """

    def __init__(self, key: Sequence[Any], values: Mapping[str, tuple[Any, Any]]) -> None:
        self.key = {column.name for column in key}
        self.columns = [column for column, _ in values.values()]

    def write(self, ctx: Any) -> None:
        """Render it."""
        if not self.key:
            ctx.literal(" ON CONFLICT DO NOTHING")
            return
        names = [Entity(column.column_name) for column in self.columns if column.name in self.key]
        ctx.literal(" ON CONFLICT (").sql(CommaNodeList(names)).literal(") DO UPDATE")
        others = [column for column in self.columns if column.name not in self.key]
        for number, column in enumerate(others):
            name = Entity(column.column_name)
            ctx.literal(", " if number else " SET ").sql(name).literal(" = EXCLUDED.").sql(name)


class InsertNode(WriteNode):
    """INSERT ... SELECT."""

    def __init__(
        self, *args: Any, values: Mapping[str, tuple[Any, Any]], conflict: Conflict | None, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self.values, self.conflict = values, conflict

    def write(self, ctx: Any) -> None:
        self._table(ctx, "INSERT INTO ")
        ctx.literal(" (").sql(CommaNodeList([Entity(column.column_name) for column, _ in self.values.values()]))
        ctx.literal(") ")
        with ctx(subquery=False):
            ctx.sql(self.select.columns(*(value for _, value in self.values.values())))
        if self.conflict is not None:
            self.conflict.write(ctx)


def joined_to(source: Any, model: Any) -> tuple[list[Any], list[Any]]:
    """Return the tables that are joined to *model*'s, and their conditions.

    Raises:
        InvalidQuery: one is outer-joined. PostgreSQL names the table that it writes beside the others, and in no join.
    """
    if not isinstance(source, peewee.Join):
        return [], []
    join: Any = source
    tables, conditions = joined_to(join.lhs, model)
    if join.join_type not in (JOIN.INNER, JOIN.CROSS):
        raise InvalidQuery(
            f"rows of {model.__name__} are written by join() alone, and {join.rhs._model.__name__} has a "
            f"{join.join_type}: ask for a row that is there, or not there, by fn.exists()"
        )
    return [*tables, join.rhs], conditions if join._on is None else [*conditions, join._on]
