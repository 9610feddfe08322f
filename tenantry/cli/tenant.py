"""`tenantry tenant ...`: making, looking at and unmaking tenants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from cyclopts import App, Parameter

from tenantry import migrations
from tenantry.catalog import State, Tenant
from tenantry.cli.answer import ERROR, Answer, Table
from tenantry.cli.engine import engine
from tenantry.cli.flags import PROJECT, SERVER, ProjectFlags, ServerFlags
from tenantry.cli.screen import Screen
from tenantry.errors import UsageError
from tenantry.naming import tenant_id

app = App(name="tenant", help="Tenants: make, list, suspend and drop them.")


Labels = Annotated[tuple[str, ...], Parameter(name="--label", negative="", help="As KEY=VALUE.")]
OneOf = Annotated[str, Parameter(help="The id of a tenant.")]
Injected = Annotated[Screen, Parameter(parse=False)]


@app.command
def create(
    ids: Annotated[tuple[str, ...], Parameter(name="ID", help="One or more ids of tenants.")],
    /,
    *,
    label: Labels = (),
    flags: ProjectFlags = PROJECT,
    screen: Injected,
) -> Answer:
    """Make tenants: for each a schema, all its migrations and a row in the catalog, or nothing at all."""
    labels = dict(map(_label, label))
    _check(ids)
    made: list[Tenant] = []
    with engine(flags.settings()) as tenants:
        try:
            for each in ids:
                made.append(tenants.create(each, labels=labels))
        except BaseException:  # Ctrl-C as well: whatever ends this, those that were made are there.
            if made:
                screen.show_before_an_error(_listed(made))
            raise
    return _listed(made)


def _label(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise UsageError(f"--label {text!r} is not KEY=VALUE, such as --label plan=pro")
    return key, value


def _check(ids: Sequence[str]) -> None:
    """Refuse what would end the work in the middle: all ids are looked at before the first tenant is made."""
    for position, each in enumerate(ids):
        tenant_id(each)
        if each in ids[:position]:
            raise UsageError(f"{each!r} is named twice: a tenant is made once, so name it once")


@app.command(name="list")
def list_(*, state: State | None = None, flags: ServerFlags = SERVER) -> Answer:
    """List the tenants, without those that were dropped.

    Parameters
    ----------
    state
        Only those in this state.
    """
    with engine(flags.settings()) as tenants:
        found = [each for each in tenants if each.state is state or (state is None and each.state is not State.DROPPED)]
    notes = () if found or state else ("There are no tenants yet: tenantry tenant create ID",)
    return _listed(found, notes)


@app.command
def show(tenant: OneOf, /, *, flags: ProjectFlags = PROJECT) -> Answer:
    """Show a tenant, and which migrations it has and lacks."""
    with engine(flags.settings()) as tenants:
        found = tenants[tenant]
        applied = migrations.applied(tenants.parts.shared_as_login, found.schema)
        files = () if found.state is State.DROPPED else tenants.parts.files("tenant")
    pending = [file.name for file in files if file.name not in applied]
    data = {**_data(found), "server": found.server, "epoch": found.epoch, "applied": [*applied], "pending": pending}
    return Answer(data={"tenant": data}, table=Table(("", ""), [*data.items()]))


@app.command
def drop(
    tenant: OneOf,
    /,
    *,
    yes: Annotated[bool, Parameter(negative="", help="Do not ask.")] = False,
    flags: ServerFlags = SERVER,
    screen: Injected,
) -> Answer:
    """Drop a tenant with all its data. On a terminal its id has to be typed, elsewhere --yes has to be said."""
    with engine(flags.settings()) as tenants:
        found = tenants[tenant]
        if not yes and not screen.asks:
            raise UsageError(f"nobody is there to confirm that {tenant!r} is dropped with all its data: say --yes")
        if not yes and not _confirmed(found, screen):
            return Answer(status=ERROR, notes=(f"That is not {tenant!r}: nothing was dropped.",))
        return _changed(tenants.drop(tenant))


def _confirmed(tenant: Tenant, screen: Screen) -> bool:
    screen.note(f"This drops tenant {tenant.id!r}: schema {tenant.schema!r} with all its data. There is no way back.")
    return screen.ask("Type the id of the tenant to go on: ") == tenant.id


@app.command
def suspend(tenant: OneOf, /, *, flags: ServerFlags = SERVER) -> Answer:
    """Refuse the use of a tenant from now on; processes follow within the interval of the catalog."""
    with engine(flags.settings()) as tenants:
        return _changed(tenants.suspend(tenant))


@app.command
def resume(tenant: OneOf, /, *, flags: ServerFlags = SERVER) -> Answer:
    """Admit a suspended tenant again."""
    with engine(flags.settings()) as tenants:
        return _changed(tenants.resume(tenant))


def _listed(tenants: Sequence[Tenant], notes: tuple[str, ...] = ()) -> Answer:
    return Answer(data={"tenants": [_data(each) for each in tenants]}, table=_table(tenants), notes=notes)


def _changed(tenant: Tenant) -> Answer:
    return Answer(data={"tenant": _data(tenant)}, table=_table([tenant]))


def _data(tenant: Tenant) -> dict[str, Any]:
    return {"id": tenant.id, "state": tenant.state, "schema": tenant.schema, "labels": tenant.labels}


def _table(tenants: Sequence[Tenant]) -> Table:
    return Table(("tenant", "state", "schema", "labels"), [tuple(_data(each).values()) for each in tenants])
