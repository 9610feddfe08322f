"""A query as one statement over the tables of many tenants: its text once for each of them, joined by UNION ALL."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import peewee

from tenantry.context import Pin
from tenantry.errors import InvalidQuery, NothingBound
from tenantry.naming import SchemaName, quoted
from tenantry.query.rendering import HERE, Qualified, Slot, Text, render
from tenantry.query.rows import Shape
from tenantry.query.statement import Statement

Row_co = TypeVar("Row_co", covariant=True)

_TABLE = re.compile(re.escape(HERE) + r'\."((?:[^"]|"")+)"')


class ManyPin(Pin):
    """Whose a query over many tenants is: what is one tenant's is refused in it, what is shared is not."""

    __slots__ = ()

    def __str__(self) -> str:
        return "many tenants at once"


class ForMany(Qualified):
    """The rendering of a query over many tenants."""

    __slots__ = ()

    def sql(self, obj: Any) -> Any:
        if isinstance(obj, peewee.Select) and vars(obj).get("_for_update") is not None:  # However deep in the query.
            raise InvalidQuery("across() locks no rows: leave out for_update(), or lock them in each tenant, by use()")
        return super().sql(obj)


class Union(Generic[Row_co]):
    """A query that is rendered once, to be sent for several tenants in one statement.

    Raises:
        InvalidQuery: it is no query, locks rows, or reads no tenant's table.
        WrongTenant: it, or something in it, belongs to a tenant.
        NothingBound: it is another engine's.
    """

    def __init__(self, query: Statement[Row_co], place: object, *, engine: object) -> None:
        self._node, self.shape = checked(query)._node, query._shape
        if query._proxy.engine not in (None, engine):
            raise NothingBound(self._node.model.__name__)
        self.text = _rendered(self._node, place)

    @property
    def tables(self) -> list[str]:
        """The names of the tables that it reads in a tenant's schema."""
        names = {name.replace('""', '"').replace("%%", "%") for name in _TABLE.findall(self.text.sql)}
        return sorted(names)

    def statement(self, schemas: Sequence[SchemaName]) -> tuple[str, list[Any]]:
        """Write it for the tenants of *schemas*: the first column of a row says whose it is, by its number there."""
        branches = [
            f'SELECT {number}, "q".* FROM ({branch(self.text, schema)}) AS "q"' for number, schema in enumerate(schemas)
        ]
        return " UNION ALL ".join(branches), self.text.values * len(schemas)


def checked(query: Any) -> Any:
    """Return *query*, when it is one that reads.

    Raises:
        InvalidQuery: it is something else, a write among them.
    """
    if not isinstance(query, Statement):
        raise InvalidQuery(
            f"across() takes a query that reads, as with_shared() begins one, and was given {query!r}: what writes "
            "is run in each tenant, by use()"
        )
    return query


def branch(text: Text, schema: SchemaName) -> str:
    """Write *text* for one tenant. No value is in it yet: none can be taken for a place of the schema."""
    return quoted(schema).replace("%", "%%").join(text.sql.split(HERE))


def shape_of(query: Statement[Any]) -> Shape:
    """Return how rows of *query* are made."""
    return query._shape


def _rendered(node: Any, place: object) -> Text:
    text = render(node, ManyPin(place), rendering=ForMany)
    if HERE not in text.sql:
        raise InvalidQuery(
            f"across() reads the tables of tenants, and {node.pinned_name} reads shared ones alone: run it in shared()"
        )
    if any(isinstance(value, Slot) for value in text.values):
        raise InvalidQuery("across() takes a query without parameters: build it with its values")
    return text
