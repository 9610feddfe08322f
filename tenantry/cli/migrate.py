"""`tenantry migrate ...`: the schema changes of all tenants."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import App, Parameter

from tenantry import Tenantry
from tenantry.cli import fleet
from tenantry.cli.answer import DONE, LOCKED, PENDING, SOME_FAILED, Answer, Table
from tenantry.cli.engine import configuration, engine
from tenantry.cli.flags import FOLDER, PROJECT, RUN, FolderFlags, ProjectFlags, RunFlags
from tenantry.cli.progress import progress
from tenantry.cli.render import error_data, shown_path
from tenantry.cli.screen import Screen
from tenantry.config import load
from tenantry.errors import UsageError
from tenantry.migrations import Outcome, OutcomeState, new_file

app = App(name="migrate", help="Migrations: write, apply and compare them.")

_AGAIN = {OutcomeState.FAILED: "that is mended", OutcomeState.DEFERRED: "the locks are free"}


@app.command
def new(
    name: Annotated[str, Parameter(help="What it does, in a-z, 0-9 and '_'.")],
    /,
    *,
    shared: Annotated[bool, Parameter(negative="", help="For the shared tables, not the tenants'.")] = False,
    flags: FolderFlags = FOLDER,
) -> Answer:
    """Write the next migration, empty, and print its path."""
    with configuration(flags.settings()) as config:
        folder = config.migrations / ("shared" if shared else "tenant")
    whom = "the shared schema, once" if shared else "every tenant: names without a schema are the tenant's own"
    path = new_file(folder, name, text=f"-- SQL for {whom}.\n")
    return Answer(data={"path": path}, text=shown_path(path))


@app.command
def up(
    *,
    tenant: Annotated[tuple[str, ...], Parameter(negative="", help="Only this one; may be repeated.")] = (),
    all_: Annotated[bool, Parameter(name="--all", negative="", help="All tenants: so it is without --tenant.")] = False,
    flags: RunFlags = RUN,
    screen: Annotated[Screen, Parameter(parse=False)],
) -> Answer:
    """Apply what is pending to the shared schema, and then to the tenants, several at a time."""
    if tenant and all_:
        raise UsageError("--all and --tenant do not go together: leave one of them out")
    settings = flags.settings()
    config = load(flags=settings)
    # Said to the run, and not to the engine: so it holds for an engine that the program has given its own, too.
    jobs = config.jobs if settings.pop("jobs", None) is not None else None
    with engine(settings) as tenants:
        found = fleet.standings(tenants)
        names = {each.schema: each.tenant or fleet.SHARED for each in found}
        chosen = [each for each in found if not tenant or each.tenant is None or each.tenant in tenant]
        with progress(screen, sum(each.state != fleet.UP_TO_DATE for each in chosen), names) as tell:
            outcomes = tenants.migrate([*dict.fromkeys(tenant)] or None, jobs=jobs, on_outcome=tell)
    return _came_of(outcomes, names)


def _came_of(outcomes: list[Outcome], names: dict[str, str]) -> Answer:
    failures = fleet.failures(outcomes, names)
    states = {outcome.state for outcome in outcomes}
    when = " and ".join(text for state, text in _AGAIN.items() if state in states)
    advice = [f"Run it again when {when}: it goes on with these."] if failures else []
    by_locks = LOCKED if OutcomeState.DEFERRED in states else DONE
    return Answer(
        data={
            "counts": {state.value: number for state, number in fleet.counts(outcomes)},
            "outcomes": [_data(outcome, names) for outcome in outcomes],
        },
        table=Table(("schemas", "count"), [*fleet.counts(outcomes)]),
        notes=(*map(str, failures), *advice),
        status=SOME_FAILED if OutcomeState.FAILED in states else by_locks,
    )


def _data(outcome: Outcome, names: dict[str, str]) -> dict[str, Any]:
    name = names.get(outcome.schema)
    return {
        "tenant": None if name == fleet.SHARED else name,
        "schema": outcome.schema,
        "state": outcome.state,
        "applied": outcome.applied,
        "duration_s": round(outcome.duration_s, 6),
        "error": None if outcome.error is None else error_data(outcome.error),
    }


@app.command
def status(
    *,
    check: Annotated[bool, Parameter(negative="", help="End with status 4 when something is pending.")] = False,
    flags: ProjectFlags = PROJECT,
) -> Answer:
    """Show who is up to date, and what the others lack."""
    with engine(flags.settings()) as tenants:
        found = fleet.standings(tenants)
        folder = tenants.parts.config.migrations
        any_files = _has_files(tenants)
    rows = [(each.tenant or fleet.SHARED, each.state, each.pending or each.reason) for each in found]
    return Answer(
        data={"schemas": found, "pending": sum(each.state != fleet.UP_TO_DATE for each in found)},
        table=Table(("tenant", "state", "pending"), rows),
        notes=() if any_files else (f"There are no migrations in {shown_path(folder)}: tenantry migrate new NAME",),
        status=PENDING if check and any(each.state != fleet.UP_TO_DATE for each in found) else DONE,
    )


def _has_files(tenants: Tenantry) -> bool:
    return any(tenants.parts.files(kind) for kind in ("shared", "tenant"))
