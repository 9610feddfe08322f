"""Rows as instances of their model, made in fewer calls than peewee takes."""

# peewee's stubs leave out its private names, which its own subclasses live on.
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

from typing import Any

import peewee

from tenantry.binding.foreign_keys import ForeignKey, with_pins
from tenantry.context import Pin

_new = object.__new__
_OBJECTS = (object.__new__, object.__setattr__)
_KEEP_IN_DATA = {peewee.FieldAccessor, with_pins(ForeignKey, peewee.ForeignKeyAccessor)}  # Of a value, not of a row.


def is_made_of_fields(model: Any) -> bool:
    """Say whether an instance of *model* is made of nothing but its fields: it has no way of its own to make one."""
    if not isinstance(model, type):  # An alias.
        return False
    made: Any = model
    return made.__init__ is made._own_init and (made.__new__, made.__setattr__) == _OBJECTS


class Instances(peewee.ModelObjectCursorWrapper):
    """The rows of a query of one model.

    peewee hands each row to the class by keyword, which sets attribute by attribute, each through its descriptor, and
    then clears the marks of what was set. Here the values of plain fields go where those descriptors would put them.
    """

    def __init__(self, cursor: Any, model: Any, select: Any, pin: Pin | None) -> None:
        super().__init__(cursor, model, select, model)
        self._pin = pin.shared if pin is not None and model._is_shared else pin

    _fields: list[tuple[int, str, Any]]
    _others: list[tuple[int, str, Any]]

    def initialize(self) -> None:
        super().initialize()
        fields, self._fields, self._others = self.model._meta.fields, [], []
        for i, name in enumerate(self.unique_columns):
            plain = name in fields and fields[name].accessor_class in _KEEP_IN_DATA
            (self._fields if plain else self._others).append((i, name, self.converters[i]))

    def process_row(self, row: Any) -> Any:
        made = _new(self.model)
        made.__data__ = {name: row[i] if convert is None else convert(row[i]) for i, name, convert in self._fields}
        made.__rel__, made._dirty = {}, set()
        if self._pin is not None:
            made._pin = self._pin
        for i, name, convert in self._others:
            setattr(made, name, row[i] if convert is None else convert(row[i]))
        if self._others:
            made._dirty.clear()
        return made
