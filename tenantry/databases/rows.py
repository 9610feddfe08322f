"""What is left of a statement once its connection has gone back."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import psycopg2

Row = tuple[Any, ...]


def _nothing_to_fetch() -> Row | None:
    raise psycopg2.ProgrammingError("no results to fetch")


class Rows:
    """The result of one statement, with the face of a driver's cursor.

    The rows are taken off the driver's cursor at once: psycopg2 refuses to fetch when the connection has been closed
    since, and by then it serves somebody else.
    """

    __slots__ = ("_left", "closed", "description", "fetchone", "notices", "rowcount", "statusmessage")

    arraysize, itersize, lastrowid, name = 1, 2000, None, None
    fetchone: Callable[[], Row | None]

    def __init__(self, cursor: psycopg2.extensions.cursor, notices: list[str]) -> None:
        self.description, self.rowcount, self.statusmessage = cursor.description, cursor.rowcount, cursor.statusmessage
        self.closed = False
        self._left: Iterator[Row] | None
        if self.description is None:
            self._left, self.fetchone = None, _nothing_to_fetch
        else:
            self._left = iter(cursor.fetchall())
            self.fetchone = partial(next, self._left, None)  # peewee fetches one by one: no Python frame for a row.
        self.notices: tuple[str, ...] = ()
        if notices:
            self.notices = tuple(notices)
            notices.clear()

    def __iter__(self) -> Iterator[Row]:
        if self._left is None:
            _nothing_to_fetch()
        return self._left or iter(())

    def fetchmany(self, size: int | None = None) -> list[Row]:
        return list(itertools.islice(self, self.arraysize if size is None else size))

    def fetchall(self) -> list[Row]:
        return list(self)

    def close(self) -> None:
        # peewee closes at the last row. An iterator that is held elsewhere is at its end by then.
        self.closed = True


# What a driver's cursor says of itself before its first statement.
_UNUSED = {"arraysize": 1, "closed": False, "description": None, "itersize": 2000, "name": None, "rowcount": -1}


class StatementCursor:
    """What ``db.cursor()`` gives: each ``execute()`` on it is a statement of the tenant."""

    def __init__(self, execute: Callable[..., Any], copy: Callable[..., Any]) -> None:
        self._execute, self._copy = execute, copy
        self._rows: Any = None

    def execute(self, sql: Any, params: Any = None) -> None:
        self._rows = self._execute(sql, params)

    def executemany(self, sql: Any, many: Any) -> None:
        count = 0
        for params in many:
            self.execute(sql, params)
            count += self._rows.rowcount
        if self._rows is not None:
            self._rows.rowcount = count  # Of all, as the driver counts.

    def copy_expert(self, sql: Any, file: Any, size: int = 8192) -> None:
        """Run a COPY between the tenant's table and *file*."""
        self._rows = self._copy(sql, file, size)

    def close(self) -> None:
        if self._rows is not None:
            self._rows.close()

    def __iter__(self) -> Iterator[Row]:
        return iter(self._result())

    def __getattr__(self, name: str) -> Any:
        if self._rows is None and name in _UNUSED:
            return _UNUSED[name]
        if self._rows is None and not name.startswith("fetch"):
            raise AttributeError(name)
        return getattr(self._result(), name)

    def __enter__(self) -> StatementCursor:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _result(self) -> Any:
        if self._rows is None:
            raise psycopg2.ProgrammingError("no statement was executed on this cursor")
        return self._rows
