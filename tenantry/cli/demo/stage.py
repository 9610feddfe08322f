"""How the demo looks: in colours on a terminal, as plain lines of 80 columns in a pipe."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Mapping, Sequence

from rich.syntax import Syntax
from rich.text import Text

from tenantry.cli.render import cell, console
from tenantry.migrations import Outcome

_WIDEST = 96  # Longer lines are hard to follow.
_GAP = "   "
_NUMBERS = str.maketrans("", "", ".-")


class Stage:
    """Prints the demo to stdout as it goes."""

    def __init__(self) -> None:
        self._console = console(sys.stdout)
        self._width = min(self._console.width, _WIDEST)

    def heading(self, text: str) -> None:
        """Begin a chapter."""
        self._line("")
        self._line(text, "bold cyan")
        self._line("-" * len(text), "cyan")

    def says(self, text: str, style: str = "") -> None:
        """Print a sentence or two."""
        if text:
            self._line(textwrap.fill(text, self._width), style)

    def blank(self) -> None:
        """Leave a line free."""
        self._line("")

    def code(self, code: str, language: str = "python") -> None:
        """Print code, Python as if it were typed."""
        shown = Syntax(code.strip("\n"), language, theme="ansi_dark", background_color="default")
        for line in shown.highlight(shown.code).split("\n"):
            prompt = ("... " if line.plain.startswith(" ") else ">>> ") if language == "python" else ""
            if line.plain:
                self._console.print(Text.assemble("  ", (prompt, "dim"), line), soft_wrap=True)

    def file(self, name: str, text: str) -> None:
        """Print a file of SQL with its name."""
        self._line(f"  -- {name}", "dim")
        self.code(text, "sql")

    def remark(self, text: str) -> None:
        """Print a line about what has happened."""
        self._line(f"  {text}", "green")

    def outcome(self, outcome: Outcome) -> None:
        """Print what a migration did to one schema, as it happens."""
        said = outcome.state.value.replace("_", " ")
        took = f"{outcome.duration_s * 1000:.0f} ms" if outcome.applied else ""
        self.remark(f"{outcome.schema:<12}{said:<12}{' '.join(outcome.applied):<18}{took}".rstrip())

    def table(self, rows: Sequence[Mapping[str, object]]) -> None:
        """Print rows below the names of their columns, numbers to the right."""
        lines = [list(rows[0]), *([cell(value) for value in row.values()] for row in rows)]
        columns = list(zip(*lines, strict=True))
        widths = [max(map(len, column)) for column in columns]
        right = [all(text.translate(_NUMBERS).isdigit() for text in column[1:]) for column in columns]
        for number, line in enumerate(lines):
            cells = [f"{t:>{w}}" if r else f"{t:<{w}}" for t, w, r in zip(line, widths, right, strict=True)]
            self._line(f"  {_GAP.join(cells)}".rstrip(), "green" if number else "bold green")

    def error(self, error: Exception) -> None:
        """Print the last line of the traceback that a user would meet."""
        kind, text = type(error), str(error).splitlines()[0].rstrip(":")
        module = "" if kind.__module__.startswith("tenantry.cli") else f"{kind.__module__}."  # The demo's own model.
        lines = textwrap.wrap(f"{module}{kind.__name__}: {text}", self._width - 4)
        self._line("\n".join(f"  ! {line}" for line in lines), "red")

    def _line(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style=style), soft_wrap=True)
