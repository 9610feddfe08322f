"""What is to be done to a schema: decided here from files and history, and nowhere else. Nothing is asked or sent."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tenantry.errors import MigrationEdited
from tenantry.migrations.files import MigrationFile, number_of


@dataclass(frozen=True, slots=True)
class Plan:
    """What brings one schema up to the *files*."""

    schema: str
    files: tuple[MigrationFile, ...]  # All of the folder, to plan again under the schema's lock.
    pending: tuple[MigrationFile, ...]
    after: Mapping[str, str]  # The history as it will be: name to sha256.
    # In the history, and not in the folder: a newer process has been here. No error, or a rolling deploy would stop.
    unknown: tuple[str, ...]
    out_of_order: tuple[MigrationFile, ...]  # Pending, with a number below one that was applied: a merged branch.

    @property
    def version(self) -> str:
        """What the schema's version will be."""
        return version_of(self.after)

    @property
    def last(self) -> str | None:
        """The name of the highest migration that the schema will have."""
        return max(self.after, key=_order, default=None)


def plan(schema: str, files: Iterable[MigrationFile], applied: Mapping[str, str]) -> Plan:
    """Compare the *files* of the folder with what *schema* has *applied* (name to sha256).

    Raises:
        MigrationEdited: a file was changed after it was applied.
    """
    files = tuple(files)
    for file in files:
        recorded = applied.get(file.name, file.sha256)
        if recorded != file.sha256:
            raise MigrationEdited(schema=schema, file=file.path.name, recorded=recorded, found=file.sha256)
    pending = tuple(file for file in files if file.name not in applied)
    highest = max(map(number_of, applied), default=-1)
    return Plan(
        schema,
        files,
        pending,
        after={**applied, **{file.name: file.sha256 for file in pending}},
        unknown=tuple(sorted(set(applied) - {file.name for file in files}, key=_order)),
        out_of_order=tuple(file for file in pending if file.number < highest),
    )


def version_of(applied: Mapping[str, str]) -> str:
    """Hash what is applied, whatever order it was applied in: schemas of one version have the same migrations."""
    lines = (f"{name}\0{applied[name]}\n" for name in sorted(applied, key=_order))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _order(name: str) -> tuple[int, str]:
    return number_of(name), name
