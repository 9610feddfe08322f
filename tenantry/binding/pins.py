"""Who may touch what: a row, a query and a result belong to the tenant that they were made for."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from tenantry.context import Pin, own_block
from tenantry.errors import WrongTenant

# Whose rows are being made of a result that is read where nothing is bound.
_making: ContextVar[Pin | None] = ContextVar("tenantry_making", default=None)


def pin_here() -> Pin | None:
    """Return the pin of what is bound here."""
    here = own_block()
    return None if here is None else here.pin


def pin_of_new_row() -> Pin | None:
    """Return the pin of a row that is made here."""
    return pin_here() or _making.get()


class making_rows_of:  # noqa: N801 - a block
    """A block in which the rows that are made are *pin*'s, where nothing is bound."""

    __slots__ = ("_before", "_pin")

    def __init__(self, pin: Pin | None) -> None:
        self._pin = pin

    def __enter__(self) -> None:
        self._before = _making.set(self._pin)

    def __exit__(self, *_: object) -> None:
        _making.reset(self._before)


def admit(what: Any, pin: Pin) -> None:
    """Check that *what* may act where *pin* is in force.

    Raises:
        WrongTenant: it belongs to another.
    """
    own: Pin | None = what._pin
    if own is not None and own is not pin and not own.admits(pin):
        raise WrongTenant(what.pinned_name, made_in=own, bound=pin)


def admit_value(row: Any, pin: Pin) -> None:
    """Check that *row* may stand for its key in a statement of whom has *pin*. One of plain peewee is nobody's.

    Raises:
        WrongTenant: it belongs to another.
    """
    if getattr(row, "_pin", None) is not None:
        admit(row, pin)


def admit_here(what: Any) -> None:
    """Check that *what* may act here. Where nothing is bound it may: what needs a database says so itself.

    Raises:
        WrongTenant: another tenant is bound than the one that it belongs to.
    """
    here = own_block()
    if here is not None and what._pin is not here.pin:
        admit(what, here.pin)
