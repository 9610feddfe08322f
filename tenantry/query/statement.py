"""A query that can be run: all of its rows, one, or a few at a time."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import GenericAlias
from typing import Any, Generic, NoReturn, TypeVar

import peewee

from tenantry.binding.pins import admit_here
from tenantry.binding.proxy import BoundDatabase
from tenantry.context import Pin
from tenantry.databases import SchemaDatabase
from tenantry.errors import InvalidQuery, MultipleResultsFound, NoResultFound, NothingBound, TransactionElsewhere
from tenantry.query.rendering import HERE, Text, render
from tenantry.query.rows import Row, Shape

Row_co = TypeVar("Row_co", covariant=True)
Value = TypeVar("Value")
_to_peewee = peewee.__exception_wrapper__  # type: ignore[attr-defined]  # not in peewee's stubs


class Parametrized:
    """What takes parameters in annotations, `Query[Any, Any, Invoice]`, which say something to the checkers alone."""

    __slots__ = ()
    __class_getitem__: Any = classmethod(GenericAlias)


class Runnable:
    """What is run for whoever is bound where it is run, freshly each time: it keeps no rows.

    It is a value: each of its methods gives another one, or runs it, and none changes it.
    """

    __slots__ = ()

    _node: Any
    _proxy: BoundDatabase

    def sql(self) -> tuple[str, list[Any]]:
        """Return its SQL and its values. The schema is that of whoever is bound here; of nobody, it is `tenant`."""
        try:
            database = self._database()
        except NothingBound:
            text = render(self._node)
            return text.sql.replace(HERE, '"tenant"'), text.values
        text = self._text(database)
        return text.of(database), text.values

    def explain(self, *, analyze: bool = False, buffers: bool = False) -> str:
        """Return PostgreSQL's plan of it. With *analyze* it is run, and what it writes is written."""
        options = ", ".join(name for name, wanted in (("ANALYZE", analyze), ("BUFFERS", buffers)) if wanted)
        database = self._database()
        text = self._text(database)
        explained = text._replace(sql=f"EXPLAIN {f'({options}) ' if options else ''}{text.sql}")
        return "\n".join(line for (line,) in run(database, explained, list))

    def _database(self) -> SchemaDatabase:
        return self._proxy.current(self._node)

    def _text(self, database: SchemaDatabase) -> Text:
        return render(self._node, database.pin)


class Results(Runnable, Generic[Row_co]):
    """What gives rows."""

    __slots__ = ("_node", "_proxy", "_shape")

    def __init__(self, node: Any, shape: Shape, proxy: BoundDatabase) -> None:
        self._node, self._shape, self._proxy = node, shape, proxy

    def execute(self) -> list[Row_co]:
        """Run it, and return its rows.

        Raises:
            NothingBound, NoTenantBound: nothing is bound here, or no tenant. Nothing was sent.
            WrongTenant: it was begun in another tenant.
            InvalidQuery: it names a column of a table that it does not join.
        """
        return self._few(None)

    def one(self) -> Row_co:
        """Return the one row.

        Raises:
            NoResultFound, MultipleResultsFound: there is none, or there are several.
        """
        return only(self._few(2), self._node)

    def one_or_none(self) -> Row_co | None:
        """Return the one row, or None if there is none.

        Raises:
            MultipleResultsFound: there are several.
        """
        found = self._few(2)
        return only(found, self._node) if found else None

    def scalar(self: Results[tuple[Value]]) -> Value | None:
        """Return the one value of the first row, or None where there is no row."""
        check_column(self._shape, self._node)
        found = self._few(1)
        return found[0][0] if found else None

    def dicts(self) -> list[dict[str, Any]]:
        """Run it, and return each row as a dict by the names of its columns. It is plain data, without a tenant.

        Raises:
            InvalidQuery: two of them have the same name.
        """
        names, database = self._shape.keys(), self._database()
        rows = run(database, self._text(database), Shape(self._shape.columns).maker(database.pin))
        return [dict(zip(names, row, strict=True)) for row in rows]

    def at_most(self, rows: int | None) -> Any:
        """Return its node, for at most *rows* rows where it can be told to stop."""
        return self._node

    def _few(self, rows: int | None) -> list[Row_co]:
        """Run it for at most *rows* rows, or for all."""
        database = self._database()
        return run(database, render(self.at_most(rows), database.pin), self._shape.maker(database.pin))


class Statement(Results[Row_co]):
    """What finds rows."""

    __slots__ = ()

    def __iter__(self) -> Iterator[Row_co]:
        return iter(self.execute())

    def first(self) -> Row_co | None:
        """Return the first row, or None."""
        return next(iter(self._few(1)), None)

    @contextmanager
    def stream(self, chunk: int = 2_000) -> Iterator[Iterator[Row_co]]:
        """Give the rows in a block, *chunk* at a time, from a cursor in the server: for results that fill no memory.

        >>> with query.stream() as rows:  # doctest: +SKIP
        ...     for row in rows:
        ...         ...
        """
        check_chunk(chunk)
        database = self._database()
        text, make = self._text(database), self._shape.maker(database.pin)
        cursor = database.open_cursor(text.of(database), text.values, marks=text.marks())
        rows = _Rows(cursor, chunk, make, database.pin, self._node.pinned_name)
        try:
            yield rows
        finally:
            rows.end()

    def at_most(self, rows: int | None) -> Any:
        limit = self._node._limit
        if rows is None or isinstance(limit, peewee.Node):  # A parameter of a compiled query.
            return self._node
        return self._node.limit(rows if limit is None else min(rows, limit))


def check_column(shape: Shape | None, node: Any) -> None:
    """Check that the rows of *shape* have columns.

    Raises:
        InvalidQuery: they are whole rows, or none.
    """
    if shape is None or shape.single:
        raise InvalidQuery(f"scalar() gives the value of a column, and {node.pinned_name} selects none")


def check_chunk(chunk: object) -> None:
    """Check that *chunk* is how many rows a stream takes at a time.

    Raises:
        InvalidQuery: it is no number of rows.
    """
    if isinstance(chunk, bool) or not isinstance(chunk, int) or chunk < 1:
        raise InvalidQuery(f"stream() takes a number of rows for its chunk, and was given {chunk!r}")


class Stream(Iterator[Any]):
    """Rows that come *chunk* at a time from a cursor in the server, until its block ends."""

    def __init__(self, chunk: int) -> None:
        self._chunk = chunk
        self._piece: Iterator[Any] = iter(())

    def end(self) -> None:
        """Give no more rows."""
        self._piece = _always(
            InvalidQuery("a stream ends with its block, and so do the rows that have come already: read them inside")
        )
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Close the cursor."""

    def _take(self, cursor: Any, make: Callable[[list[Row]], list[Any]]) -> bool:
        """Take the next piece from *cursor*, and say whether it was the last."""
        try:
            with _to_peewee:
                rows = cursor.fetchmany(self._chunk)
            self._piece = iter(make(rows))
        except TransactionElsewhere:  # Nothing was read: it goes on where it was begun.
            raise
        except Exception as error:  # For good: who went on would miss rows that came with the one that fails.
            self._piece = _always(error)
            raise
        return len(rows) < self._chunk


class _Rows(Stream):
    """The rows of a stream. A row that is refused elsewhere is not lost: it comes next where it belongs."""

    def __init__(self, cursor: Any, chunk: int, make: Callable[[list[Row]], list[Any]], pin: Pin, name: str) -> None:
        super().__init__(chunk)
        self._cursor, self._make = cursor, make
        self._pin, self.pinned_name = pin, name
        self._ended = False

    def __next__(self) -> Any:
        admit_here(self)  # At each row: what has been fetched already is a tenant's as well.
        for row in self._piece:
            return row
        if not self._ended:
            self._ended = self._take(self._cursor, self._make)
            for row in self._piece:
                return row
        raise StopIteration

    def close(self) -> None:
        """Close the cursor."""
        self._cursor.close()


def _always(error: Exception) -> Iterator[Any]:
    def fail() -> NoReturn:
        raise error

    return iter(fail, None)


def only(found: list[Value], node: Any) -> Value:
    """Return the one row that the query of *node* has *found*.

    Raises:
        NoResultFound, MultipleResultsFound: there is none, or there are several.
    """
    if len(found) != 1:
        raise (MultipleResultsFound if found else NoResultFound)(node.pinned_name)
    return found[0]


def run(database: SchemaDatabase, text: Text, make: Callable[[list[Row]], list[Any]]) -> list[Any]:
    """Run *text* in *database*'s schema, and return what *make* makes of its rows."""
    return make(database.fetch(text.of(database), text.values, marks=text.marks()).fetchall())
