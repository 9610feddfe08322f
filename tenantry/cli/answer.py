"""What a command has found out or done, as values: how they are shown is not its business."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

DONE, ERROR, USAGE, SOME_FAILED, PENDING, LOCKED = range(6)
BROKEN_PIPE, INTERRUPTED, TERMINATED = 141, 130, 143  # 128 and the number of the signal, as shells have it.


@dataclass(frozen=True, slots=True)
class Table:
    """Rows for people, and for `cut` and `awk`."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command answers: *data* for programs, *table* or *text* for people, *notes* beside it."""

    data: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    table: Table | None = None
    text: str = ""
    notes: tuple[str, ...] = ()
    status: int = DONE
