"""peewee's queries of models, each with its pin: whose it is, and whose rows it has kept."""

# peewee's stubs leave out its private names, which its own subclasses live on.
# pyright: reportAttributeAccessIssue=false, reportIncompatibleMethodOverride=false

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterator
from contextvars import ContextVar
from types import FrameType
from typing import Any

import peewee

from tenantry.binding.foreign_keys import with_pins
from tenantry.binding.instances import Instances, is_made_of_fields
from tenantry.binding.pins import admit, admit_here, making_rows_of, pin_here
from tenantry.binding.proxy import BoundDatabase, described
from tenantry.context import Pin, blocks_here, bound_to
from tenantry.databases import SchemaDatabase
from tenantry.databases.rendering import PARAMETERS, Rendering, is_column
from tenantry.errors import BindingRefused


class Pinned:
    """What the queries of models have in common.

    One that was built for a tenant is that tenant's for good. One that was built outside any runs for whoever is bound,
    freshly each time: it keeps no rows, so that neither a tenant nor a thread finds those of another.
    """

    _pin: Pin | None = None
    _cursor_wrapper: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        blocks = blocks_here()
        if blocks is not None:
            self._pin = blocks[0].pin if blocks[0].plain else pin_here()

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
        if self._pin != database.pin:
            own: Any = self.clone()  # type: ignore[attr-defined]  # a mixin
            own._pin = database.pin
            return own._execute_on(database)
        if pin_here() == database.pin:
            return super()._execute(database)  # type: ignore[misc]  # a mixin
        with bound_to(database):  # What is returned by a write is read here.
            return super()._execute(database)  # type: ignore[misc]  # a mixin

    def _get_cursor_wrapper(self, cursor: Any) -> PinnedRows:
        rows = super()._get_cursor_wrapper(cursor)  # type: ignore[misc]  # a mixin
        pin = self._pin
        if pin is None or pin.tenant is None:  # Of nobody, or of the shared schema: whose the rows are is who runs it.
            pin = pin_here() or pin
        if type(rows) is Instances and pin is not None:
            rows.pin = pin.shared if rows.model._is_shared else pin
        return PinnedRows(rows, pin)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.execute() if self._pin is not None else _in_hand(self, sys._getframe(1)))  # type: ignore[attr-defined]

    def __getitem__(self, index: Any) -> Any:
        return self.execute()[index]  # type: ignore[attr-defined]  # a mixin

    def __len__(self) -> int:
        rows = None if self._pin is not None else _in_hand_already(self, sys._getframe(1))
        return len(self.execute() if rows is None else rows)  # type: ignore[attr-defined]  # a mixin


# A query that keeps no rows is run once all the same by list(), which goes through it and then asks how long it is, and
# by peewee.prefetch(), which goes through it twice: the query, the place in the code that does so, and its rows.
_hand: ContextVar[tuple[Any, tuple[int, int], Any] | None] = ContextVar("tenantry_rows_in_hand", default=None)
_prefetch_code = peewee.prefetch.__code__


def _in_hand(query: Any, frame: FrameType) -> Any:
    rows = _in_hand_already(query, frame) if frame.f_code is _prefetch_code else None
    comes_back = rows is None and frame.f_code is _prefetch_code
    if rows is None:
        rows = query.execute()
    # Not kept for longer than list() goes through them; peewee.prefetch() comes back, with list().
    _hand.set((query, _place(frame), (lambda: rows) if comes_back else weakref.ref(rows)))
    return rows


def _in_hand_already(query: Any, frame: FrameType) -> Any:
    hand = _hand.get()
    if hand is None or hand[0] is not query or hand[1] != _place(frame):
        return None
    _hand.set(None)
    return hand[2]()


def _place(frame: FrameType) -> tuple[int, int]:
    return id(frame), 0 if frame.f_code is _prefetch_code else frame.f_lasti


class PinnedRows:
    """peewee's rows of a query, fetched and kept: they come to nobody but whose they are."""

    __slots__ = ("__weakref__", "_pin", "_rows")

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
        if self._is_home():
            return self._rows[index]
        admit_here(self)
        with making_rows_of(self._pin):
            return self._rows[index]

    def __len__(self) -> int:
        self.fill_cache()
        return len(self._rows)

    def fill_cache(self, n: int = 0) -> None:
        """Fetch the first *n* rows, or all."""
        if self._is_home():
            self._rows.fill_cache(n)
            return
        admit_here(self)
        with making_rows_of(self._pin):
            self._rows.fill_cache(n)

    def _is_home(self) -> bool:
        blocks = blocks_here()
        return blocks is not None and blocks[0].pin is self._pin and blocks[0].plain

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in PinnedRows.__slots__:  # What copies and pickles asks an empty one.
            raise AttributeError(name)
        admit_here(self)
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
        if blocks is None or blocks[0].pin is not self._pin or not blocks[0].plain:
            return self._next_elsewhere()
        index, rows = self._index, self._rows
        if self._keep and index < rows.count:
            self._index = index + 1
            return rows.row_cache[index]
        if rows.populated:
            raise StopIteration
        row = rows.iterate(self._keep)
        self._index = index + 1
        return row

    def _next_elsewhere(self) -> Any:
        """Take the next row where not simply its tenant is bound, if it may be taken there."""
        index, rows = self._index, self._rows
        admit_here(self._pinned)
        with making_rows_of(self._pin):
            if not self._keep or index >= rows.count:
                if rows.populated:
                    raise StopIteration
                row = rows.iterate(self._keep)
            else:
                row = rows.row_cache[index]
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


class _Reading(Pinned):
    """What the queries that read have in common."""

    def count(self, database: Any = None, clear_limit: bool = False) -> int:
        found: int = super().count(_admitted(database, "count()"), clear_limit)  # type: ignore[misc]  # a mixin
        return found

    def exists(self, database: Any = None) -> bool:
        found: bool = super().exists(_admitted(database, "exists()"))  # type: ignore[misc]  # a mixin
        return found

    def first(self, database: Any = None, n: int = 1) -> Any:
        # peewee's sets the limit in the query itself, for whoever runs it next.
        own: Any = self if self._pin is not None else self.clone()  # type: ignore[attr-defined]  # a mixin
        return super(_Reading, own).first(database, n)  # type: ignore[misc]  # a mixin


class _Combined(_Reading):
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

    def create_table(self, name: str, safe: bool = True, **meta: Any) -> Any:
        admit_here(self)
        return super().create_table(name, safe, **meta)  # type: ignore[misc]  # a mixin

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
            return Instances(cursor, self.model, self._returning, self.model)
        return super()._get_model_cursor_wrapper(cursor)  # type: ignore[misc]  # peewee's stubs


class PinnedCompound(_Combined, peewee.ModelCompoundSelectQuery):  # type: ignore[misc]  # its bases disagree
    """Two queries in one."""


class _PinnedFrom(_Reading, peewee.Select):
    """A query of another query's columns."""

    @property
    def pinned_name(self) -> str:
        return "this query"


class PinnedManyToMany(_Combined, peewee.ManyToManyQuery):
    """The rows at the other end of a many-to-many, and the verbs that add and remove them."""

    def add(self, value: Any, clear_existing: bool = False) -> None:
        admit_here(self)
        super().add(value, clear_existing)

    def remove(self, value: Any) -> Any:
        admit_here(self)
        return super().remove(value)  # type: ignore[no-untyped-call]  # peewee's stubs

    def clear(self) -> Any:
        admit_here(self)
        return super().clear()  # type: ignore[no-untyped-call]  # peewee's stubs

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

    _insert: Any

    def _simple_insert(self, ctx: Any) -> Any:
        row, defaults = self._insert, self.model._meta.defaults
        if type(ctx) is Rendering and row and row.keys() >= defaults.keys() and all(map(_is_plain, row, row.values())):
            return ctx.row(row)
        return super()._simple_insert(ctx)  # type: ignore[misc]  # peewee's stubs


def _is_plain(field: Any, value: Any) -> bool:
    kind: Any = type(field)
    return isinstance(field, peewee.Field) and is_column(kind) and type(value) in PARAMETERS


class PinnedDelete(Pinned, peewee.ModelDelete):
    """peewee's delete of a model."""


class PinnedAlias(peewee.ModelAlias):
    """A model under another name in a query."""

    def select(self, *selection: Any) -> PinnedSelect:
        return PinnedSelect(self, selection or self.get_field_aliases())


def adopt(query: Any) -> None:
    """Make *query*, which peewee has made by itself and is about to run, one that keeps no rows either."""
    if not isinstance(query, Pinned):
        kind: type = type(query)
        query.__class__ = with_pins(_Reading if issubclass(kind, peewee.SelectBase) else Pinned, kind)
