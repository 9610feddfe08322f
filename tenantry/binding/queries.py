"""peewee's queries of models, each with its pin: whose it is, and whose rows it has kept."""

# peewee's stubs leave out its private names, which its own subclasses live on.
# pyright: reportAttributeAccessIssue=false, reportIncompatibleMethodOverride=false

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import peewee

from tenantry.binding.instances import Instances, is_made_of_fields
from tenantry.binding.pins import admit, admit_here, pin_here
from tenantry.binding.proxy import BoundDatabase, described
from tenantry.context import Pin, blocks_here, bound_to
from tenantry.databases import SchemaDatabase
from tenantry.errors import BindingRefused


class Pinned:
    """What the queries of models have in common.

    One that was built for a tenant is that tenant's for good. One that was built outside any runs for whoever is bound,
    freshly each time: it keeps no rows, so that neither a tenant nor a thread finds those of another.
    """

    _pin: Pin | None
    _cursor_wrapper: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        blocks = blocks_here()
        self._pin = blocks[0].pin if blocks is not None else None

    @property
    def pinned_name(self) -> str:
        """What an error calls it."""
        return f"this query of {described(self)}"

    def bind(self, database: Any = None) -> Any:
        return super().bind(_admitted(database, "query.bind()"))  # type: ignore[misc]  # a mixin

    def __sql__(self, ctx: Any) -> Any:
        pin = getattr(ctx, "pin", None)  # Of the database that is to run it. Who only looks at the SQL has none.
        if pin is not None and pin is not self._pin:
            admit(self, pin)
        return super().__sql__(ctx)  # type: ignore[misc]  # a mixin

    def _execute(self, database: Any) -> Any:
        if type(database) is BoundDatabase:
            database = database.current(self)
            if self._pin is database.pin:
                return super()._execute(database)  # type: ignore[misc]  # a mixin
        return self._execute_on(_admitted(database, "execute()"))

    def _execute_on(self, database: Any) -> Any:
        admit(self, database.pin)
        if self._pin is not database.pin:
            own: Any = self.clone()  # type: ignore[attr-defined]  # a mixin
            own._pin = database.pin
            return own._execute_on(database)
        if pin_here() is database.pin:
            return super()._execute(database)  # type: ignore[misc]  # a mixin
        with bound_to(database):  # So that its rows are made there.
            result = super()._execute(database)  # type: ignore[misc]  # a mixin
            if isinstance(result, PinnedRows):
                result.fill_cache()
            return result

    def _get_cursor_wrapper(self, cursor: Any) -> PinnedRows:
        return PinnedRows(super()._get_cursor_wrapper(cursor), self._pin or pin_here())  # type: ignore[misc]  # a mixin

    def __iter__(self) -> Iterator[Any]:
        return iter(self.execute())  # type: ignore[attr-defined]  # a mixin

    def __getitem__(self, index: Any) -> Any:
        return self.execute()[index]  # type: ignore[attr-defined]  # a mixin

    def __len__(self) -> int:
        return len(self.execute())  # type: ignore[attr-defined]  # a mixin


class PinnedRows:
    """peewee's rows of a query, fetched and kept: they come to nobody but whose they are."""

    __slots__ = ("_pin", "_rows")

    def __init__(self, rows: Any, pin: Pin | None) -> None:
        self._rows, self._pin = rows, pin

    @property
    def pinned_name(self) -> str:
        """What an error calls it."""
        model = getattr(self._rows, "model", None)
        return f"this result of {model.__name__}" if isinstance(model, type) else "this result"

    def __iter__(self) -> Iterator[Any]:
        return PinnedIterator(self, self._rows, keep=True)

    def iterator(self) -> Iterator[Any]:
        """Go through the rows without keeping them."""
        return PinnedIterator(self, self._rows, keep=False)

    def __getitem__(self, index: Any) -> Any:
        admit_here(self)
        return self._rows[index]

    def __len__(self) -> int:
        admit_here(self)
        return len(self._rows)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rows, name)


class PinnedIterator:
    """An iterator that refuses where another tenant is bound, and goes on where it stood when its own is back.

    It does what peewee's does, in as many calls.
    """

    __slots__ = ("_index", "_keep", "_pin", "_pinned", "_rows")

    def __init__(self, pinned: PinnedRows, rows: Any, *, keep: bool) -> None:
        self._pinned, self._pin, self._rows, self._keep = pinned, pinned._pin, rows, keep
        self._index = 0

    def __iter__(self) -> PinnedIterator:
        return self

    def __next__(self) -> Any:
        blocks = blocks_here()
        if blocks is not None and blocks[0].pin is not self._pin:
            admit_here(self._pinned)
        index, rows = self._index, self._rows
        if self._keep and index < rows.count:
            self._index = index + 1
            return rows.row_cache[index]
        if rows.populated:
            raise StopIteration
        row = rows.iterate(self._keep)
        self._index = index + 1
        return row


def _admitted(database: Any, what: str) -> Any:
    """Return *database*, if it is tenantry's.

    Raises:
        BindingRefused: it is another one, which knows no tenants.
    """
    if database is not None and type(database) is not BoundDatabase and not isinstance(database, SchemaDatabase):
        raise BindingRefused(f"{what} with a {type(database).__name__}")
    return database


class _Combined(Pinned):
    """A query that can be combined with others."""

    model: Any

    def _combined(self, operation: str, other: Any) -> PinnedCompound:
        return PinnedCompound(self.model, self, operation, other)

    def union_all(self, other: Any) -> PinnedCompound:
        return self._combined("UNION ALL", other)

    def union(self, other: Any) -> PinnedCompound:
        return self._combined("UNION", other)

    def intersect(self, other: Any) -> PinnedCompound:
        return self._combined("INTERSECT", other)

    def except_(self, other: Any) -> PinnedCompound:
        return self._combined("EXCEPT", other)

    __add__, __or__, __and__, __sub__ = union_all, union, intersect, except_

    def select_from(self, *columns: Any) -> Any:
        if not columns:
            raise ValueError("select_from() must specify one or more columns.")
        return _PinnedFrom((self,), columns).bind(self._database).objects(self.model)  # type: ignore[attr-defined]


class PinnedSelect(_Combined, peewee.ModelSelect):
    """peewee's query of a model."""

    _from_list: list[Any]
    _joins: dict[Any, Any]
    _returning: Any

    def _get_model_cursor_wrapper(self, cursor: Any) -> Any:
        if len(self._from_list) == 1 and not self._joins and is_made_of_fields(self.model):
            return Instances(cursor, self.model, self._returning, self._pin)
        return super()._get_model_cursor_wrapper(cursor)  # type: ignore[misc]  # peewee's stubs


class PinnedCompound(_Combined, peewee.ModelCompoundSelectQuery):  # type: ignore[misc]  # its bases disagree
    """Two queries in one."""


class _PinnedFrom(Pinned, peewee.Select):
    """A query of another query's columns."""

    @property
    def pinned_name(self) -> str:
        return "this query"


class PinnedManyToMany(_Combined, peewee.ManyToManyQuery):
    """The rows at the other end of a many-to-many, and the verbs that add and remove them."""

    def _id_list(self, model_or_id_list: Any) -> Any:
        for each in model_or_id_list:
            if isinstance(each, peewee.Model) and getattr(each, "_pin", None) is not None:
                admit_here(each)
        return super()._id_list(model_or_id_list)  # type: ignore[misc]  # peewee's stubs


class PinnedRaw(Pinned, peewee.ModelRaw):
    """SQL by hand whose rows are a model's."""


class PinnedUpdate(Pinned, peewee.ModelUpdate):
    """peewee's update of a model."""


class PinnedInsert(Pinned, peewee.ModelInsert):
    """peewee's insert of a model."""


class PinnedDelete(Pinned, peewee.ModelDelete):
    """peewee's delete of a model."""


class PinnedAlias(peewee.ModelAlias):
    """A model under another name in a query."""

    def select(self, *selection: Any) -> PinnedSelect:
        return PinnedSelect(self, selection or self.get_field_aliases())
