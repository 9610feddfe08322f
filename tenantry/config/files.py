"""The configuration file: `tenantry.toml`, or `[tool.tenantry]` in pyproject.toml; the nearest upward wins."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenantry.errors import UnreadableConfig

OWN, PYPROJECT = "tenantry.toml", "pyproject.toml"
_LINE = re.compile(r"\(at line (\d+)")


@dataclass(frozen=True, slots=True)
class File:
    """A configuration file, as it stands. *table* is what its keys are below of."""

    path: Path
    keys: Mapping[str, object]
    table: str = ""

    def place(self, key: str) -> str:
        """Say where *key* stands."""
        return f"{self.path}, key {self.table}{key}"


def nearest(directory: Path) -> tuple[File | None, list[str]]:
    """Find the file for *directory*, and tell of directories that could not be looked into.

    Raises:
        UnreadableConfig: a file that is nearer than any other cannot be read. It could be the one.
    """
    closed = []
    for folder in (directory, *directory.parents):
        try:
            file = _in(folder)
        except PermissionError:
            # Not an error: a service that is started there could do nothing about it.
            closed.append(f"{folder} cannot be looked into: if it has a {OWN}, that was not read")
        else:
            if file is not None:
                return file, closed
    return None, closed


def _in(folder: Path) -> File | None:
    if _is_there(folder / OWN):
        return File(folder / OWN, _parsed(folder / OWN))
    if not _is_there(folder / PYPROJECT):
        return None
    tool = _parsed(folder / PYPROJECT).get("tool")
    keys = tool.get("tenantry") if isinstance(tool, dict) else None
    if keys is None:
        return None
    if not isinstance(keys, dict):
        raise UnreadableConfig(path=folder / PYPROJECT, reason="tenantry is a table there: write [tool.tenantry]")
    return File(folder / PYPROJECT, keys, "tool.tenantry.")


def _is_there(path: Path) -> bool:
    try:
        path.lstat()  # Not stat: a link that leads nowhere was meant to be a file.
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))  # Editors on Windows put a mark before the text.
    except OSError as error:
        reason, line = f"{error.strerror}. Make it a file that this user can read, or remove it", None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        reason = f"line {line} is not UTF-8: save it as UTF-8"
    except (ValueError, RecursionError) as error:
        found = _LINE.search(str(error))
        reason, line = f"it is not TOML: {error}", int(found[1]) if found else None
    raise UnreadableConfig(path=path, reason=reason, line=line)
