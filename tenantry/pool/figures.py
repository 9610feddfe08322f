"""What can be told of a pool."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass

from tenantry.errors import ServerError


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has a connection, since when, and for which schema."""

    schema: str
    thread: str
    held_s: float

    def __str__(self) -> str:  # Without the schema: the text of an error may reach another tenant's people.
        return f"thread {self.thread!r} for {self.held_s:.1f} s"


@dataclass(frozen=True, slots=True)
class PoolFigures:
    """A pool at one moment: its connections now, and its counts since it was made."""

    size: int
    in_use: int
    idle: int
    waiting: int
    opened: int
    closed: int
    recycled: int
    waits: int
    timeouts: int


def total(figures: Iterable[PoolFigures]) -> PoolFigures:
    """Add up the *figures* of several pools."""
    nothing = PoolFigures(0, 0, 0, 0, 0, 0, 0, 0, 0)
    return PoolFigures(*map(sum, zip(*map(astuple, [nothing, *figures]), strict=True)))


@dataclass(frozen=True, slots=True)
class Health:
    """The answer of a server to a question that costs it nothing."""

    ok: bool
    latency_s: float | None
    error: ServerError | None
    figures: PoolFigures
