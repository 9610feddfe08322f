"""What was measured, and how it is shown: ratios beside their goals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text


@dataclass(frozen=True)
class Judged:
    """A number and its goal: at most *goal*, or at least, when it is a *floor*.

    *spread* is half of what the middle half of the rounds spans.
    """

    value: float
    goal: float | None = None
    floor: bool = False
    digits: int = 3
    spread: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the goal was reached by what is shown; None where there is no goal."""
        if self.goal is None:
            return None
        shown = round(self.value, self.digits)
        return shown >= self.goal if self.floor else shown <= self.goal

    def __str__(self) -> str:
        number = f"{self.value:.{self.digits}f}" + (
            f" ±{self.spread:.{self.digits}f}" if self.spread is not None else ""
        )
        if self.goal is None:
            return number
        return f"{number} (goal {'>=' if self.floor else '<='} {self.goal:g}) {'ok' if self.met else 'MISSED'}"


Cell = str | Judged


@dataclass(frozen=True)
class Table:
    """One table of the report; the first cell of a row says what was measured."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]
    notes: Sequence[str] = field(default=())

    def missed(self) -> int:
        """How many goals were missed."""
        return sum(isinstance(cell, Judged) and cell.met is False for row in self.rows for cell in row)

    def as_json(self) -> dict[str, Any]:
        """The same as data."""
        return {
            "title": self.title,
            "notes": list(self.notes),
            "rows": [dict(zip(self.columns, map(_as_json, row), strict=True)) for row in self.rows],
        }


def _as_json(cell: Cell) -> Any:
    if isinstance(cell, str):
        return cell
    return {"value": cell.value, "spread": cell.spread, "goal": cell.goal, "met": cell.met}


def show(table: Table, console: Console) -> None:
    """Print *table*: with lines and colours on a terminal, as aligned text elsewhere."""
    shown = RichTable(*table.columns, box=box.ROUNDED if console.is_terminal else None, pad_edge=False)
    for column in shown.columns[1:]:
        column.justify = "right"
    for column in shown.columns:
        column.no_wrap = not console.is_terminal
    for row in table.rows:
        shown.add_row(*map(_as_text, row))
    console.print(Text(f"\n{table.title}", style="bold"))
    console.print(shown)
    for note in table.notes:
        console.print(Text(note, style="dim"))


def _as_text(cell: Cell) -> Text:
    style = {None: "", True: "green", False: "bold red"}[cell.met if isinstance(cell, Judged) else None]
    return Text(str(cell), style=style)
