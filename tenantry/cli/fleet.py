"""How far the schemas are, and what a run did to them: by the names of their tenants, and counted."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tenantry import Tenantry, migrations
from tenantry.catalog import State
from tenantry.errors import MigrationBlocked, MigrationEdited, MigrationFailed
from tenantry.migrations import Outcome, OutcomeState, SchemaState

UP_TO_DATE, BEHIND, EDITED = SchemaState
SHARED = "(shared)"  # In place of a tenant's id, which has no parentheses.
NAMED = 3  # So many tenants are named for an error; of a thousand nobody reads the rest.


@dataclass(frozen=True, slots=True)
class Standing:
    """How far one schema is. *tenant* is None for the shared one; *pending* are the names of what it lacks."""

    tenant: str | None
    schema: str
    state: SchemaState
    pending: tuple[str, ...] = ()
    reason: str = ""


def standings(tenants: Tenantry) -> list[Standing]:
    """Compare all schemas with their files. The shared one is left out when there are none for it."""
    parts = tenants.parts
    ids: dict[str, str] = {each.schema: each.id for each in tenants if each.state is not State.DROPPED}
    shared, tenant = parts.files("shared"), parts.files("tenant")
    compare = functools.partial(
        migrations.status, parts.shared_as_login, known=migrations.versions(parts.shared_as_login)
    )
    found = compare([parts.shared.schema] if shared else [], shared) + compare(ids, tenant)
    return [
        Standing(ids.get(each.schema), each.schema, each.state, each.pending, str(each.error or "")) for each in found
    ]


@dataclass(frozen=True, slots=True)
class Failures:
    """The schemas that failed, or were deferred, with one error."""

    error: str
    state: OutcomeState
    names: tuple[str, ...]

    def __str__(self) -> str:
        more = len(self.names) - NAMED
        names = ", ".join(self.names[:NAMED]) + (f" and {more} more" if more > 0 else "")
        return f"{len(self.names)} {self.state.value} ({names}): {self.error}"


def failures(outcomes: Sequence[Outcome], names: dict[str, str]) -> list[Failures]:
    """Group the *outcomes* that have errors by these, the commonest first; *names* are what people call the schemas."""
    groups: dict[tuple[str, OutcomeState], list[str]] = {}
    for outcome in outcomes:
        if outcome.error is not None:
            group = groups.setdefault((reason(outcome.error), outcome.state), [])
            group.append(names.get(outcome.schema, outcome.schema))
    return [Failures(*key, tuple(each)) for key, each in sorted(groups.items(), key=lambda pair: -len(pair[1]))]


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
