"""Values, turned into tables, lines and JSON."""

from __future__ import annotations

import dataclasses
import enum
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from tenantry.cli.answer import Table
from tenantry.errors import TenantryError

if TYPE_CHECKING:
    from rich.console import Console

SCHEMA_VERSION = 1  # Of the JSON: it grows when a name goes, or means something else.
STYLES = {
    **dict.fromkeys(["ok", "active", "done", "up to date", "running"], "green"),
    **dict.fromkeys(["warn", "suspended", "provisioning", "behind", "deferred"], "yellow"),
    **dict.fromkeys(["fail", "failed", "edited", "missing"], "red"),
    **dict.fromkeys(["dropped", "stopped", "default"], "dim"),
}


def console(stream: TextIO) -> Console:
    """Make a console that takes text for what it is: an error with [brackets] in it is no markup."""
    from rich.console import Console

    return Console(file=stream, markup=False, highlight=False, emoji=False)


def as_json(data: Mapping[str, object]) -> str:
    """Render *data* with the version of its shape."""
    return json.dumps({"schema_version": SCHEMA_VERSION, **data}, indent=2, default=_plain)


def error_data(error: BaseException) -> dict[str, object]:
    """Describe *error* for programs: its attributes are the facts that its text was made from."""
    facts = vars(error) if isinstance(error, TenantryError) else {}
    attributes = {name: value for name, value in facts.items() if not name.startswith("_")}
    return {"type": type(error).__name__, "message": str(error), "attributes": attributes}


def _plain(value: object) -> object:
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, BaseException):
        return error_data(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    return str(value)


def show_table(table: Table, stream: TextIO) -> None:
    """Print *table*: with a head and colours on a terminal, else its rows alone, with tabs between the cells."""
    if not stream.isatty():
        for row in table.rows:
            print("\t".join(map(cell, row)), file=stream)
        return
    from rich.table import Table as RichTable
    from rich.text import Text

    drawn = RichTable(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for column in table.columns:
        drawn.add_column(column, overflow="fold")
    for row in table.rows:
        drawn.add_row(*(Text(text, style=STYLES.get(text, "")) for text in map(cell, row)))
    console(stream).print(drawn)


def cell(value: object) -> str:
    """Write *value* on one line, and a state in words.

    What could move a cursor, or end a line, is shown as Python writes it.
    """
    if value is None:
        return ""
    if isinstance(value, enum.Enum):
        value = str(value.value).replace("_", " ")
    if isinstance(value, Mapping):
        value = " ".join(f"{key}={each}" for key, each in value.items())
    elif isinstance(value, (list, tuple)):
        value = " ".join(map(str, value))
    text = str(value)
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def shown_path(path: Path) -> str:
    """Write *path* as it is typed from here, where it is below the working directory."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
