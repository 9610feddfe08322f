"""SQL that was written by hand, with the schemas of the tenant and of all put in where it names them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, NoReturn, TypeVar

import peewee
from psycopg2.sql import SQL

from tenantry.binding import SharedModel, TenantModel
from tenantry.binding.pins import admit, pin_here
from tenantry.databases import SchemaDatabase
from tenantry.databases.texts import quoted_parts
from tenantry.errors import InvalidQuery
from tenantry.query.rows import fitting, keys_of
from tenantry.query.statement import only

Row_co = TypeVar("Row_co", covariant=True)
Made = TypeVar("Made")

_SCHEMAS = ("tenant", "shared")
_MARK = re.compile(r"\{\{|\}\}|\{(?P<schema>[^{}]*)\}|%%|%\((?P<name>[^()]*)\)s|(?P<value>%s)|[{}%]")


def raw(sql: str, *values: Any) -> Raw[tuple[Any, ...]]:
    """Make a query of SQL in which `{tenant}` and `{shared}` stand for the two schemas, and `%s` for *values*.

    Values with names, `%(name)s`, are given as one mapping. A brace or a percent sign that is meant is doubled.

    >>> raw("SELECT i.id, p.name FROM {tenant}.invoice i, {shared}.plan p WHERE i.total > %s", 10)  # doctest: +SKIP

    Raises:
        InvalidQuery: it has other placeholders, one of them in quotes or a comment, or other values than it is given.
    """
    return Raw(_Text(sql, values))


class Raw(Generic[Row_co]):
    """What is run for whoever is bound where it is run, freshly each time. One that is made in a tenant is that one's.

    It goes the way of `execute_sql()`, whose rules it has: `SessionRequired` for what would stay on the connection.
    """

    __slots__ = ("_make", "_pin", "_text")

    pinned_name = "this raw query"

    def __init__(self, text: _Text, make: Callable[..., Any] | None = None) -> None:
        self._text, self._make, self._pin = text, make, pin_here()

    def into(self, make: Callable[..., Made]) -> Raw[Made]:
        """Make each row by calling *make* with its values: a dataclass, a NamedTuple, any callable.

        What its columns are is known when it runs: if they are not the fields of a dataclass, `InvalidQuery` says so.
        """
        made: Raw[Made] = Raw(self._text, make)
        made._pin = self._pin
        return made

    def execute(self) -> list[Row_co]:
        """Run it, and return its rows: none where it is no query and returns nothing.

        Raises:
            NothingBound, NoTenantBound: nothing is bound here, or no tenant, whose schema it names. Nothing was sent.
            WrongTenant: it was made in another tenant.
        """
        cursor = self._run()
        if cursor.description is None:
            return []
        rows: list[Any] = cursor.fetchall()
        if self._make is None:
            return rows
        make = fitting(self._make, _names(cursor), rename="AS {}")
        return [make(*row) for row in rows]

    def __iter__(self) -> Iterator[Row_co]:
        return iter(self.execute())

    def first(self) -> Row_co | None:
        """Return the first row, or None."""
        return next(iter(self.execute()), None)

    def one(self) -> Row_co:
        """Return the one row.

        Raises:
            NoResultFound, MultipleResultsFound: there is none, or there are several.
        """
        return only(self.execute(), self)

    def one_or_none(self) -> Row_co | None:
        """Return the one row, or None if there is none.

        Raises:
            MultipleResultsFound: there are several.
        """
        found = self.execute()
        return only(found, self) if found else None

    def scalar(self: Raw[tuple[Any, ...]]) -> Any:
        """Return the first value of the first row, or None where there is no row."""
        found = self.first()
        return None if found is None else found[0]

    def dicts(self) -> list[dict[str, Any]]:
        """Run it, and return each row as a dict by the names of its columns.

        Raises:
            InvalidQuery: two of them have the same name.
        """
        cursor = self._run()
        names = keys_of(_names(cursor), rename="AS …")
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()] if names else []

    def rowcount(self) -> int:
        """Run it, and return how many rows it found or changed."""
        return int(self._run().rowcount)

    def _run(self) -> Any:
        proxy = (TenantModel if self._text.of_tenant else SharedModel)._meta.database
        database: SchemaDatabase = proxy.current(self.pinned_name)
        admit(self, database.pin)
        return database.execute_sql(self._text.of(database), self._text.values)


class _Text:
    """SQL whose placeholders are known and have their values."""

    def __init__(self, sql: Any, values: tuple[Any, ...]) -> None:
        if not isinstance(sql, str):
            raise InvalidQuery(f"raw() takes SQL as a text, and was given {sql!r}")
        self._sql, self.of_tenant = sql, False
        names, count = self._read()
        if names and count:
            raise InvalidQuery("raw() takes values by name or in their order, %(name)s or %s, and its text has both")
        self.values = _named(values, names) if names else _counted(values, count)
        for value in self.values.values() if isinstance(self.values, dict) else self.values:
            if isinstance(value, peewee.Node | peewee.Model):
                raise InvalidQuery(f"raw() takes values, and was given {value!r}: of a row give its key")

    def of(self, database: SchemaDatabase) -> str:
        """Return it with *database*'s schemas, which are quoted."""
        schemas = {"tenant": SQL(database.qualifier), "shared": SQL(database.shared_qualifier)}
        return str(SQL(self._sql).format(**schemas).as_string(None))  # type: ignore[arg-type]  # a connection: to quote

    def _read(self) -> tuple[set[str], int]:
        """Return the names of its values, and how many have none."""
        names: set[str] = set()
        count = 0
        quoted = list(quoted_parts(self._sql))
        for mark in _MARK.finditer(self._sql):
            if mark[0] in ("{{", "}}", "%%"):
                continue
            self._check(mark)
            if any(mark.start() in part for part in quoted):
                self._refuse(mark, "stands in quotes or in a comment, where nothing is put in: take it out of them")
            if mark["schema"]:
                self.of_tenant = self.of_tenant or mark["schema"] == "tenant"
            elif mark["name"]:
                names.add(mark["name"])
            else:
                count += 1
        return names, count

    def _check(self, mark: re.Match[str]) -> None:
        """Check that *mark* is a placeholder."""
        if mark[0] == "%" or mark["name"] == "":
            self._refuse(
                mark, "is no placeholder: %s or %(name)s stands for a value, and a % that is meant is doubled, %%"
            )
        if mark[0] in ("{", "}"):
            self._refuse(
                mark, "has no other half: {tenant} and {shared} are the placeholders, and a brace is doubled, {{ or }}"
            )
        if mark["schema"] is not None and mark["schema"] not in _SCHEMAS:
            self._refuse(
                mark, "is no placeholder: {tenant} and {shared} are, %s is a value's, and a brace is doubled, {{ or }}"
            )

    def _refuse(self, mark: re.Match[str], rule: str) -> NoReturn:
        start = self._sql.rfind("\n", 0, mark.start()) + 1
        line, column = self._sql.count("\n", 0, start) + 1, mark.start() - start + 1
        text = self._sql[start:].partition("\n")[0].strip()
        raise InvalidQuery(f"raw(): {mark[0]!r} in line {line}, column {column}, {rule}: {text!r}")


def _counted(values: tuple[Any, ...], count: int) -> tuple[Any, ...]:
    if len(values) != count:
        raise InvalidQuery(f"raw() was given {len(values)} values, and its text has a %s for {count}")
    return values


def _named(values: tuple[Any, ...], names: set[str]) -> dict[str, Any]:
    if len(values) != 1 or not isinstance(values[0], Mapping):
        raise InvalidQuery(f"the values of raw() have the names {', '.join(sorted(names))}: give them as one mapping")
    given: Mapping[str, Any] = values[0]
    if missing := sorted(names - given.keys()):
        raise InvalidQuery(f"raw() was given no value for {', '.join(missing)}")
    if unknown := sorted(map(str, given.keys() - names)):
        raise InvalidQuery(f"raw() was given values for {', '.join(unknown)}, which its text does not name")
    return dict(given)


def _names(cursor: Any) -> list[str]:
    return [column[0] for column in cursor.description or ()]
