"""How far schemas are: those of one server are asked about in one query, and in a second when some are behind."""

from __future__ import annotations

import enum
import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tenantry.databases import SchemaDatabase
from tenantry.errors import MigrationEdited
from tenantry.migrations import history
from tenantry.migrations.files import MigrationFile
from tenantry.migrations.plan import Plan, plan, version_of


class SchemaState(enum.Enum):
    """How far one schema is."""

    UP_TO_DATE = "up_to_date"  # Or ahead: a newer process has been here.
    BEHIND = "behind"
    EDITED = "edited"  # A file was changed after it was applied.


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """How far one schema is. *plan* is there when it is behind, and *error* when a file was edited."""

    schema: str
    state: SchemaState
    plan: Plan | None = None
    error: MigrationEdited | None = None

    @property
    def pending(self) -> tuple[str, ...]:
        """The names of what it lacks."""
        return () if self.plan is None else tuple(file.name for file in self.plan.pending)


def status(
    database: SchemaDatabase,
    schemas: Iterable[str],
    files: Iterable[MigrationFile],
    *,
    known: Mapping[str, str] | None = None,
) -> list[SchemaStatus]:
    """Compare *schemas* on the server of *database* with the *files*, and return how far each is, in their order.

    Who has asked for the :func:`versions` already may pass them as *known*.
    """
    target, server = Target(files), Server(database, known)
    return [server.status(schema, target) for schema in schemas]


class Target:
    """The files that schemas are to have, and the version of those that have them."""

    def __init__(self, files: Iterable[MigrationFile]) -> None:
        self.files = tuple(files)
        self.version = version_of({file.name: file.sha256 for file in self.files})


class Server:
    """What one server knows of its schemas, asked for once."""

    def __init__(self, database: SchemaDatabase, known: Mapping[str, str] | None) -> None:
        self._database = database
        self._versions = history.versions(database) if known is None else known

    def status(self, schema: str, target: Target) -> SchemaStatus:
        """Say how far *schema* is from the *target*."""
        version = self._versions.get(schema)
        if version == target.version:
            return SchemaStatus(schema, SchemaState.UP_TO_DATE)
        try:
            found = plan(schema, target.files, {} if version is None else self._histories.get(version, {}))
        except MigrationEdited as error:
            return SchemaStatus(schema, SchemaState.EDITED, error=error)
        if not found.pending:
            return SchemaStatus(schema, SchemaState.UP_TO_DATE)
        return SchemaStatus(schema, SchemaState.BEHIND, found)

    @functools.cached_property
    def _histories(self) -> dict[str, dict[str, str]]:
        return history.applied_by_version(self._database)
