"""Who may touch what: a row, a query and a result belong to the tenant that they were made for."""

from __future__ import annotations

from typing import Any

from tenantry.context import Pin, bound
from tenantry.errors import WrongTenant


def pin_here() -> Pin | None:
    """Return the pin of what is bound here."""
    here = bound()
    return None if here is None else here.pin


def admit(what: Any, pin: Pin) -> None:
    """Check that *what* may act where *pin* is in force.

    Raises:
        WrongTenant: it belongs to another.
    """
    own: Pin | None = what._pin
    if own is not None and own is not pin and not own.admits(pin):
        raise WrongTenant(what.pinned_name, made_in=own, bound=pin)


def admit_here(what: Any) -> None:
    """Check that *what* may act here. Where nothing is bound it may: what needs a database says so itself.

    Raises:
        WrongTenant: another tenant is bound than the one that it belongs to.
    """
    here = bound()
    if here is not None and what._pin is not here.pin:
        admit(what, here.pin)
