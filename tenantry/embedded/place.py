"""What an `embedded:` URL says. Nothing here looks at a disk."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote

from tenantry.errors import ConfigError

SCHEME = "embedded:"
DEFAULT_DIRECTORY = ".tenantry/pg"
VERSIONS = (16, 18)  # Majors that the package brings. New data gets the last one.
_SWITCH = {"1": True, "true": True, "0": False, "false": False}
_KEYS = ("ephemeral", "version")


@dataclass(frozen=True)
class Place:
    """Where an embedded server keeps its data: in a *directory*, or nowhere once it has stopped (*ephemeral*).

    *version* is the major version of PostgreSQL that was asked for; None takes that of the data, or else the newest.
    """

    directory: Path | None
    ephemeral: bool = False
    version: int | None = None


def parse(url: str, *, base: Path) -> Place:
    """Read *url*; a relative path in it begins at *base*, and `~` is the home directory.

    Raises:
        ConfigError: it is not `embedded:[PATH][?ephemeral=1][&version=16|18]`.

    >>> parse("embedded:db?version=16", base=Path("/srv/shop"))
    Place(directory=PosixPath('/srv/shop/db'), ephemeral=False, version=16)
    """
    if not url.startswith(SCHEME):
        raise ConfigError(f"{url!r} is not an embedded server: such a URL begins with {SCHEME!r}")
    path, _, query = url.removeprefix(SCHEME).partition("?")
    settings = _settings(url, query)
    ephemeral = _ephemeral(url, settings.get("ephemeral", "0"))
    version = _version(url, settings["version"]) if "version" in settings else None
    if not ephemeral:
        return Place(_directory(url, path, base), version=version)
    if path:
        raise ConfigError(f"{url!r} names a directory, and ephemeral data has none: leave out {path!r}, or ephemeral=1")
    return Place(None, ephemeral=True, version=version)


def _settings(url: str, query: str) -> dict[str, str]:
    pairs = parse_qsl(query, keep_blank_values=True)
    for key in (key for key, _ in pairs if key not in _KEYS):
        raise ConfigError(f"{url!r} has an unknown setting {key!r}: {_suggestion(key, _KEYS)}")
    if len(dict(pairs)) < len(pairs):
        raise ConfigError(f"{url!r} says a setting twice: keep one of them")
    return dict(pairs)


def _suggestion(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"there are {' and '.join(map(repr, known))}"


def _ephemeral(url: str, text: str) -> bool:
    if text not in _SWITCH:
        raise ConfigError(f"{url!r}: ephemeral={text!r} is neither yes nor no: write ephemeral=1, or leave it out")
    return _SWITCH[text]


def _version(url: str, text: str) -> int:
    if text not in map(str, VERSIONS):
        raise ConfigError(f"{url!r}: there is no embedded PostgreSQL {text!r}, only {' and '.join(map(str, VERSIONS))}")
    return int(text)


def _directory(url: str, path: str, base: Path) -> Path:
    if path.startswith("//"):
        raise ConfigError(f"{url!r} names a host, and an embedded server has none: write {SCHEME}/{path.lstrip('/')}")
    if "\0" in unquote(path):
        raise ConfigError(f"{url!r} has a NUL in its path: no file system takes that")
    return base / os.path.expanduser(unquote(path) or DEFAULT_DIRECTORY)
