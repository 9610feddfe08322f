"""Rows as instances of their model, made in fewer calls than peewee takes."""

# peewee's stubs leave out its private names, which its own subclasses live on.
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

from typing import Any

import peewee

from tenantry.binding.foreign_keys import ForeignKey, with_pins
from tenantry.context import Pin

_new = object.__new__
_OBJECTS = (object.__new__, object.__setattr__, type.__call__)
_KEEP_IN_DATA = {peewee.FieldAccessor, with_pins(ForeignKey, peewee.ForeignKeyAccessor)}  # Of a value, not of a row.


def is_made_of_fields(model: Any) -> bool:
    """Say whether an instance of *model* is made of nothing but its fields: it has no way of its own to make one."""
    if not isinstance(model, type):  # An alias.
        return False
    made: Any = model
    if made.__init__ is not made._own_init or not made._is_plain:
        return False
    return (made.__new__, made.__setattr__, type(made).__call__) == _OBJECTS


class Instances(peewee.ModelObjectCursorWrapper):
    """The rows of a query of one model.

    peewee hands each row to the class by keyword, which sets attribute by attribute, each through its descriptor, and
    then clears the marks of what was set. Here the values of plain fields go where those descriptors would put them.
    """

    pin: Pin | None = None  # Whose the rows are.

    _fields: list[tuple[int, str, Any]]
    _others: list[tuple[int, str, Any]]

    def initialize(self) -> None:
        super().initialize()
        fields, self._fields, self._others = self.model._meta.fields, [], []
        for i, name in enumerate(self.unique_columns):
            plain = name in fields and fields[name].accessor_class in _KEEP_IN_DATA
            (self._fields if plain else self._others).append((i, name, self.converters[i]))
        if any(hasattr(self.model, name) for _, name, _ in self._others):
            # What stands for something else (a property, the id of a foreign key) is set after others, or before.
            order = [*self.no_convert, *self.convert]
            self._fields, self._others = [], [(i, self.unique_columns[i], self.converters[i]) for i in order]

    def process_row(self, row: Any) -> Any:
        made = _new(self.model)
        made.__data__ = {name: row[i] if convert is None else convert(row[i]) for i, name, convert in self._fields}
        made.__rel__, made._dirty, made._pin = {}, set(), self.pin
        for i, name, convert in self._others:
            setattr(made, name, row[i] if convert is None else convert(row[i]))
        if self._others:
            made._dirty.clear()
        return made
