"""Rows that a table takes, made of what its model says."""

# peewee's stubs leave out its private names.
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import datetime
import random
import uuid
from typing import Any

import peewee

from tenantry import SharedModel
from tenantry.testing.boundary import Model

_MOST_IN_SMALLINT = 32_767

_VALUES: dict[str, Any] = {
    "BIGINT": lambda: random.randint(1, _MOST_IN_SMALLINT),
    "BLOB": lambda: b"sample",
    "BOOL": lambda: True,
    "DATE": datetime.date.today,
    "DATETIME": datetime.datetime.now,
    "DECIMAL": lambda: 1,
    "DOUBLE": lambda: 1.0,
    "FLOAT": lambda: 1.0,
    "INT": lambda: random.randint(1, _MOST_IN_SMALLINT),
    "JSON": dict,
    "JSONB": dict,
    "SMALLINT": lambda: random.randint(1, _MOST_IN_SMALLINT),
    "TIME": lambda: datetime.time(12),
    "TIMESTAMPTZ": lambda: datetime.datetime.now(datetime.UTC),
    "UUID": uuid.uuid4,
}
_TEXTS = ("CHAR", "VARCHAR", "TEXT")


class NoSample(Exception):
    """There is no telling what a column takes."""


def values(model: Any, text: str) -> dict[str, Any]:
    """Return values for a row of *model* with no foreign key in it, whose texts are *text*: fit to be parsed."""
    return {
        field.name: None if isinstance(field, peewee.ForeignKeyField) else _value(field, text)
        for field in model._meta.sorted_fields
        if not field.auto_increment
    }


def create(model: Any, text: str, *, made: list[Any] | None = None, make_shared: bool = True) -> Any:
    """Write a row of *model*, and of what it cannot be without; all of them join *made*.

    With *make_shared* false nothing is written to shared tables: a row that is there has to do.

    Raises:
        NoSample: there is no telling what one of its columns takes.
        peewee.PeeweeException: the table does not take it.
    """
    return _Rows(text, [] if made is None else made, make_shared).create(model)


class _Rows:
    """Rows in the making."""

    def __init__(self, text: str, made: list[Any], make_shared: bool) -> None:
        self._text, self._made, self._make_shared = text, made, make_shared

    def create(self, model: Any, above: tuple[Model, ...] = ()) -> Any:
        row = {}
        for field in model._meta.sorted_fields:
            if field.auto_increment or field.default is not None:
                continue
            if isinstance(field, peewee.ForeignKeyField):
                if not field.null:
                    row[field.name] = self._parent(field, (*above, model))
            elif not field.null or field.field_type in _TEXTS:
                row[field.name] = _value(field, self._text, required=True)
        self._made.append(model.create(**row))
        return self._made[-1]

    def _parent(self, field: Any, above: tuple[Model, ...]) -> Any:
        other = field.rel_model
        if other in above:
            raise NoSample(f"{field} leads in a circle")
        if self._make_shared or not issubclass(other, SharedModel):
            return self.create(other, above)
        found = other.select().first()
        if found is None:
            raise NoSample(f"{field} needs a row of {other.__name__}")
        return found


def _value(field: Any, text: str, *, required: bool = False) -> Any:
    if field.choices:
        return field.choices[0][0]
    if field.field_type in _TEXTS:
        return text[: getattr(field, "max_length", None) or None]
    if field.field_type in _VALUES:
        return _VALUES[field.field_type]()
    if required:
        raise NoSample(f"{field} is of a type that there is no sample for: {field.field_type}")
    return None
