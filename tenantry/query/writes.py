"""Queries that write: the rows that a query finds are changed, deleted, or put into another table."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Self

import peewee

from tenantry.binding import BoundDatabase
from tenantry.binding.pins import pin_here
from tenantry.errors import InvalidQuery
from tenantry.query.assignments import Assignments
from tenantry.query.nodes import Conflict, DeleteNode, InsertNode, UpdateNode, WriteNode, clause_of, joined_to
from tenantry.query.rows import Entity, Shape, checked_model, proxy_of
from tenantry.query.statement import Parametrized, Results, Runnable


class Write(Parametrized, Runnable):
    """What writes. It says how many rows it has written, or gives them back."""

    def __init__(self, query: Any, target: Any) -> None:
        self._query, self._target = query, checked_model(target)
        if not issubclass(target, peewee.Model):
            raise InvalidQuery(f"{target.__name__} is a derived table: there is nothing to write to")
        self._pin = query._node._pin or pin_here()

    def execute(self) -> int:
        """Run it, and return how many rows it has written.

        Raises:
            NothingBound, NoTenantBound: nothing is bound here, or no tenant. Nothing was sent.
            WrongTenant: it was begun in another tenant.
            InvalidQuery: it names a column of a table that it does not join.
        """
        database = self._database()
        text = self._text(database)
        rows = database.fetch(text.of(database), text.values, marks=text.marks())
        return int(rows.rowcount)

    def returning(self, *columns: Any) -> Returned:
        """Let it give back these *columns* of each row that it has written; without any, the rows as instances."""
        shape = Shape(columns) if columns else Shape([Entity(self._target)], single=True)
        return Returned(self._written(shape.nodes), shape, self._proxy)

    @property
    def _node(self) -> WriteNode:  # type: ignore[override]  # made when it is asked for
        return self._written([])

    @property
    def _proxy(self) -> BoundDatabase:  # type: ignore[override]  # as above
        proxy: BoundDatabase = self._query._proxy
        return proxy if proxy.tenant_only else proxy_of(self._target) or proxy

    @abstractmethod
    def _written(self, returning: list[Any]) -> WriteNode: ...


class _InPlace(Write):
    """What writes the rows themselves that a query finds."""

    def __init__(self, query: Any) -> None:
        verb = type(self).__name__.lower()
        if not query._shape.single:
            raise InvalidQuery(f"{verb}() comes before select(): its returning() says what it gives back")
        super().__init__(query, query._node.model)
        joined_to(query._node._from_list[0], self._target)  # What cannot be written is said before columns are set.
        clause = clause_of(query._node)
        if clause is not None:
            raise InvalidQuery(
                f"{verb}() writes all rows that its conditions find, and cannot have {clause}: find their keys by "
                "a query of its own, with where(Model.id.in_(query.select(...)))"
            )


class Update(_InPlace, Assignments):
    """An UPDATE of the rows that a query finds."""

    def _written(self, returning: list[Any]) -> WriteNode:
        if not self._values:
            raise InvalidQuery(f"the update() of {self._target.__name__} sets no column: update().set(column, value)")
        return UpdateNode(self._query._node, self._target, self._pin, returning, values=self._values)


class Delete(_InPlace):
    """A DELETE of the rows that a query finds."""

    def _written(self, returning: list[Any]) -> WriteNode:
        return DeleteNode(self._query._node, self._target, self._pin, returning)


class Insert(Write, Assignments):
    """An INSERT of a row for each that a query finds. A column that is not set has its field's default."""

    _conflicts: tuple[Any, ...] | None = None  # The key by which rows are there already; without columns, any.

    def ignore_conflicts(self) -> Self:
        """Leave out the rows that are there already, by any unique key."""
        return self._meeting(())

    def update_conflicts(self, *key: Any) -> Self:
        """Update the rows that are there already, by the unique *key*: the other columns that are set.

        Raises:
            InvalidQuery: a column of the key is not set, or there is no other.
        """
        columns = {id(column) for column, _ in self._values.values()}
        if not key or not {id(column) for column in key} < columns:
            raise InvalidQuery(
                "update_conflicts() takes the columns of a unique key that are set, and updates the others: it was "
                f"given {', '.join(map(repr, key)) or 'none'}, and {', '.join(self._values) or 'nothing'} is set"
            )
        return self._meeting(key)

    def _meeting(self, key: tuple[Any, ...]) -> Self:
        made = self._copy()
        made._conflicts = key
        return made

    def _written(self, returning: list[Any]) -> WriteNode:
        made = self
        for field, default in self._target._meta.defaults.items():
            if field.name not in self._values:
                if callable(default):
                    raise InvalidQuery(
                        f"{self._target.__name__}.{field.name} has a default that is made for each row, and these rows "
                        "are made by the server: set() it"
                    )
                made = made.set(field, default)
        if not self._values:
            raise InvalidQuery(
                f"the insert() of {self._target.__name__} sets no column: insert(...).set(column, value)"
            )
        conflict = None if self._conflicts is None else Conflict(self._conflicts, self._values)
        return InsertNode(self._query._node, self._target, self._pin, returning, values=made._values, conflict=conflict)


class Returned(Parametrized, Results[Any]):
    """What was written, given back. It is written where that is asked for."""

    __slots__ = ()

    def one(self) -> Any:
        """Run it, and return the one row. If it is not one, nothing is written.

        Raises:
            NoResultFound, MultipleResultsFound: there is none, or there are several.
        """
        with self._database().atomic():
            return super().one()

    def one_or_none(self) -> Any:
        """Run it, and return the one row, or None if there is none. If there are several, nothing is written.

        Raises:
            MultipleResultsFound: there are several.
        """
        with self._database().atomic():
            return super().one_or_none()
