"""The files of a folder of migrations: read once, checked and hashed before anything is sent."""

from __future__ import annotations

import codecs
import enum
import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

from tenantry.errors import InvalidMigrationFile, InvalidName, NoMigrationFolder

_WORDS = re.compile(r"[a-z0-9_]+")  # What follows the number.
_NAMED = re.compile(rf"(?P<name>(?P<number>[0-9]+)_{_WORDS.pattern})(?:(?P<down>\.down)?\.sql|\.py)")
_NUMBER = re.compile(r"[0-9]+")
_IGNORED = re.compile(r"\..*|__init__\.py|__pycache__|README.*|.*\.md", re.DOTALL)
_RULE = (
    "is not the name of a migration: NNNN_name.sql, NNNN_name.py or NNNN_name.down.sql, where name has only a-z, 0-9 "
    "and '_'; rename it, or move it out of the folder"
)


class Kind(enum.Enum):
    """What a file is written in."""

    SQL = "sql"
    PYTHON = "python"


@dataclass(frozen=True, slots=True)
class MigrationFile:
    """One migration as it was read. What is hashed is what runs: *text* has ``\\n`` line ends and no BOM."""

    number: int
    name: str  # Without its ending: what the history knows it by.
    kind: Kind
    path: Path
    sha256: str
    text: str = field(repr=False)


def read_folder(path: str | Path) -> tuple[MigrationFile, ...]:
    """Read the migrations of a folder, in the order of their numbers.

    ``NNNN_name.down.sql`` is known and left out: it undoes, and is never applied from here.

    Raises:
        NoMigrationFolder: there is no such folder.
        InvalidMigrationFile: a name does not follow the rule, two files share a number, or a file is not UTF-8.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise NoMigrationFolder(path=str(folder))
    files: dict[int, MigrationFile] = {}
    for entry in sorted(folder.iterdir()):
        file = None if _IGNORED.fullmatch(entry.name) else _read(entry)
        if file is None:
            continue
        other = files.setdefault(file.number, file)
        if other is not file:
            raise InvalidMigrationFile(
                path=str(entry),
                rule=f"has the number {file.number}, as {other.path.name} has: give one of them another",
            )
    return tuple(files[number] for number in sorted(files))


def new_file(folder: str | Path, name: str, *, text: str = "") -> Path:
    """Write the next migration of a *folder*, which is made if it is not there, and return its path.

    Raises:
        InvalidName: *name* has something else than ``a-z``, ``0-9`` and ``_``.
        InvalidMigrationFile: see :func:`read_folder`.
        FileExistsError: somebody else has written the same name meanwhile, or *folder* is a file.
    """
    if not _WORDS.fullmatch(name):
        raise InvalidName(name, "is not the name of a migration: it may have a-z, 0-9 and '_', such as add_invoices")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    number = max((file.number for file in read_folder(folder)), default=0) + 1
    path = folder / f"{number:04}_{name}.sql"
    with path.open("x", encoding="utf-8") as file:  # Not over what somebody has written meanwhile.
        file.write(text)
    return path


def number_of(name: str) -> int:
    """Return the number that *name* begins with; -1 when it has none, as names in others' histories may."""
    found = _NUMBER.match(name)
    return int(found[0]) if found else -1


def _read(path: Path) -> MigrationFile | None:
    named = _NAMED.fullmatch(path.name)
    if named is None or not path.is_file():
        raise InvalidMigrationFile(path=str(path), rule=_RULE)
    if named["down"]:
        return None
    text = _text(path)
    kind = Kind.PYTHON if path.suffix == ".py" else Kind.SQL
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    return MigrationFile(int(named["number"]), named["name"], kind, path, sha256, text)


def _text(path: Path) -> str:
    # One text on every machine: git may have put CRLF into a checkout, and an editor a BOM.
    data = path.read_bytes()
    try:
        text = data.removeprefix(codecs.BOM_UTF8).decode().replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        at = error.start + len(data) - len(error.object)
        raise InvalidMigrationFile(
            path=str(path), rule=f"is not UTF-8: byte {at} is 0x{data[at]:02x}; save it as UTF-8"
        ) from None
    if "\0" in text:
        raise InvalidMigrationFile(path=str(path), rule=f"has a NUL at byte {data.index(0)}: no text of PostgreSQL can")
    return text
