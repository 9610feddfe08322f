"""Making and unmaking tenants: schema, migrations and catalog row together, or nothing at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import peewee
import psycopg2

from tenantry.catalog import SCHEMA, State, TableCatalog, Tenant, find
from tenantry.databases import Prefix, TenantDatabase, Wire
from tenantry.errors import SchemaTaken, TenantDropped, TenantNotReady
from tenantry.naming import quoted, tenant_id, tenant_schema
from tenantry.pool import Pool

_to_peewee = peewee.__exception_wrapper__  # type: ignore[attr-defined]  # not in peewee's stubs

Make = Callable[[Tenant], TenantDatabase]
Migrate = Callable[[TenantDatabase], object]


def prepare(pool: Pool) -> None:
    """Make tenantry's own tables, if they are not there.

    Raises:
        peewee.PeeweeException: the role may not create a schema in this database.
    """
    wire = Wire(pool, SCHEMA, Prefix.of(SCHEMA))
    with _to_peewee:
        wire.begin(None)
        try:
            TableCatalog.prepare(wire.ask)
            wire.end("COMMIT")
        except BaseException:
            wire.end("ROLLBACK")
            raise


def create(
    catalog: TableCatalog,
    text: str,
    *,
    prefix: str,
    labels: Mapping[str, str],
    make: Make,
    forget: Migrate,
    migrate: Migrate,
) -> Tenant:
    """Make the tenant *text*: its catalog row, its schema and all that *migrate* does, in one transaction.

    *forget* first takes what the history says of the schema's name: it was another's, dropped by hand.

    Raises:
        InvalidTenantId: *text* is not an id.
        TenantExists: it is there, or another process was first.
        SchemaTaken: its schema is there already.
        Exception: what *migrate* raises. Nothing is left of the tenant then.
    """
    tenant = Tenant(tenant_id(text), tenant_schema(tenant_id(text), prefix=prefix), state=State.PROVISIONING)
    database = make(tenant)
    with database.atomic():
        forget(database)
        with _to_peewee:
            ask = database.wire.ask
            made = catalog.insert(
                ask, tenant.id, tenant.schema, server=tenant.server, state=State.ACTIVE, labels=labels
            )
            try:
                # Locking a table takes in what was committed while the row was waited for: else this session may still
                # see a schema that has just been dropped.
                look, name = "SELECT FROM pg_catalog.pg_namespace LIMIT 0", quoted(made.schema).replace("%", "%%")
                ask(f"{look};CREATE SCHEMA {name}")
            except psycopg2.errors.DuplicateSchema as error:
                raise SchemaTaken(schema=made.schema) from error
        migrate(database)
    catalog.learn(made)
    return made


def drop(catalog: TableCatalog, text: str, *, make: Make, forget: Migrate) -> Tenant:
    """Drop the tenant *text* with all that it has. Its row stays in the catalog, as dropped.

    *forget* takes its migrations out of the history, or a tenant that gets the schema later would not be given any.

    Raises:
        InvalidTenantId, UnknownTenant: there is no such tenant.
        TenantDropped: it was dropped before.
    """
    tenant = find(catalog, text)
    database = make(tenant)
    with database.atomic(), _to_peewee:
        forget(database)  # First: it waits for a deployer who is at work on the schema.
        dropped = _changed(catalog, database, tenant, State.DROPPED)
        database.wire.ask(f"DROP SCHEMA IF EXISTS {quoted(dropped.schema).replace('%', '%%')} CASCADE")
    catalog.learn(dropped)
    return dropped


def set_state(catalog: TableCatalog, text: str, state: State, *, make: Make) -> Tenant:
    """Suspend or resume the tenant *text*. Other processes follow within the interval of the catalog.

    Raises:
        InvalidTenantId, UnknownTenant: there is no such tenant.
        TenantDropped: it was dropped.
    """
    tenant = find(catalog, text)
    database = make(tenant)
    with database.atomic(), _to_peewee:
        changed = _changed(catalog, database, tenant, state)
    catalog.learn(changed)
    return changed


def _changed(catalog: TableCatalog, database: TenantDatabase, tenant: Tenant, state: State) -> Tenant:
    changed = catalog.set_state(database.wire.ask, tenant.id, state)
    if changed is None:
        raise (TenantNotReady if tenant.state is State.PROVISIONING else TenantDropped)(tenant.id)
    return changed
