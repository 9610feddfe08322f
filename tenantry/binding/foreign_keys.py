"""Foreign keys: the way from a row to the one that it refers to, which ends at the tenant."""

from __future__ import annotations

import functools
from typing import Any

import peewee

from tenantry.binding.pins import admit, admit_here


class ForeignKey:
    """A foreign key of a row."""

    def __get__(self, row: Any, kind: Any = None) -> Any:
        if row is not None:
            admit_here(row)
        return super().__get__(row, kind)  # type: ignore[misc]  # a mixin

    def __set__(self, row: Any, value: Any) -> None:
        if isinstance(value, peewee.Model):
            _join(row, value)
        super().__set__(row, value)  # type: ignore[misc]  # a mixin


def _join(row: Any, other: Any) -> None:
    """Check that *row* may refer to *other*. One that belongs to nobody yet belongs where what it refers to does.

    Raises:
        WrongTenant: they are of two tenants, or another tenant is bound.
    """
    pin = getattr(other, "_pin", None)
    if pin is None:
        return
    if row._pin is not None and row._pin.tenant is not None:
        admit(other, row._pin)
        return
    admit_here(other)
    if row._pin is None or row._pin == pin.shared:
        row._pin = pin
    else:
        admit(other, row._pin)


@functools.cache
def with_pins(mixin: type, accessor: type) -> type:
    """Return peewee's *accessor*, or a field's own, with *mixin* before it. The same two are the same class."""
    return accessor if issubclass(accessor, mixin) else type(accessor.__name__, (mixin, accessor), {})
