"""How far each schema is, and what a run did to them: as values, and counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tenantry import Tenantry, migrations
from tenantry.catalog import State
from tenantry.errors import MigrationBlocked, MigrationEdited, MigrationFailed
from tenantry.migrations import MigrationFile, Outcome, OutcomeState, version_of
from tenantry.migrations.history import applied_by_version

UP_TO_DATE, BEHIND, EDITED = "up to date", "behind", "edited"
SHARED = "(shared)"  # In place of a tenant's id, which has no parentheses.
NAMED = 3  # So many tenants are named for an error; of a thousand nobody reads the rest.


@dataclass(frozen=True, slots=True)
class Standing:
    """How far one schema is. *tenant* is None for the shared one; *pending* are the names of what it lacks."""

    tenant: str | None
    schema: str
    state: str
    pending: tuple[str, ...] = ()
    reason: str = ""


def standings(tenants: Tenantry) -> list[Standing]:
    """Compare all schemas with the files: one query for the fleet, one more when a version is not the newest."""
    parts = tenants.parts
    versions = migrations.versions(parts.shared_as_login)
    groups: dict[str, list[tuple[str | None, str]]] = {
        "shared": [(None, parts.shared.schema)],
        "tenant": [(each.id, each.schema) for each in tenants if each.state is not State.DROPPED],
    }
    found: list[Standing] = []
    histories: dict[str, dict[str, str]] | None = None
    for kind, schemas in groups.items():
        files = parts.files(kind)
        newest = version_of({file.name: file.sha256 for file in files})
        for tenant, schema in schemas if files or kind == "tenant" else []:
            version = versions.get(schema)
            if version == newest or not files:
                found.append(Standing(tenant, schema, UP_TO_DATE))
                continue
            if version is not None and histories is None:
                histories = applied_by_version(parts.shared_as_login)
            found.append(_standing(tenant, schema, files, (histories or {}).get(version or "", {})))
    return found


def _standing(tenant: str | None, schema: str, files: Sequence[MigrationFile], applied: dict[str, str]) -> Standing:
    try:
        pending = tuple(file.name for file in migrations.plan(schema, files, applied).pending)
    except MigrationEdited as error:
        return Standing(tenant, schema, EDITED, reason=str(error))
    return Standing(tenant, schema, BEHIND if pending else UP_TO_DATE, pending)


@dataclass(frozen=True, slots=True)
class Failures:
    """The schemas that failed with one error."""

    error: str
    names: tuple[str, ...]

    def __str__(self) -> str:
        more = len(self.names) - NAMED
        names = ", ".join(self.names[:NAMED]) + (f" and {more} more" if more > 0 else "")
        return f"{len(self.names)} failed ({names}): {self.error}"


def failures(outcomes: Sequence[Outcome], names: dict[str, str]) -> list[Failures]:
    """Group the failed *outcomes* by their errors, the commonest first; *names* are what people call the schemas."""
    groups: dict[str, list[str]] = {}
    for outcome in outcomes:
        if outcome.error is not None:
            groups.setdefault(reason(outcome.error), []).append(names.get(outcome.schema, outcome.schema))
    return [Failures(error, tuple(each)) for error, each in sorted(groups.items(), key=lambda pair: -len(pair[1]))]


def reason(error: Exception) -> str:
    """Say what is wrong without saying where, so that a thousand tenants that fail alike have one error."""
    if isinstance(error, MigrationFailed):
        line = "" if error.line is None else f", line {error.line}"
        return f"{error.file or 'COMMIT'}{line}: {error.reason}"
    if isinstance(error, MigrationBlocked):
        return f"{error.file or 'the migrations'}: a lock was not free within {error.lock_timeout_s:g} s"
    if isinstance(error, MigrationEdited):
        return f"{error.file} was edited after it was applied"
    return f"{type(error).__name__}: {error}"


def counts(outcomes: Sequence[Outcome]) -> Iterator[tuple[OutcomeState, int]]:
    """Count the outcomes of each state that there is one of."""
    for state in OutcomeState:
        number = sum(outcome.state is state for outcome in outcomes)
        if number:
            yield state, number
