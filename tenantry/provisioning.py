"""Making and unmaking tenants: schema, migrations and catalog row together, or nothing at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import peewee
import psycopg2

from tenantry.catalog import SCHEMA, State, TableCatalog, Tenant, find
from tenantry.catalog.table import Ask
from tenantry.databases import LOGIN, Prefix, TenantDatabase, Wire
from tenantry.errors import SchemaTaken, TenantDropped, TenantNotReady
from tenantry.naming import SchemaName, quoted, tenant_id, tenant_schema
from tenantry.pool import Pool
from tenantry.roles import Roles

_to_peewee = peewee.__exception_wrapper__  # type: ignore[attr-defined]  # not in peewee's stubs

Make = Callable[[Tenant], TenantDatabase]
Migrate = Callable[[TenantDatabase], object]


def prepare(pool: Pool, roles: Roles | None = None) -> None:
    """Make tenantry's own tables, if they are not there. With *roles*, only for a login that may make tenants.

    Raises:
        RolesNotReady: the login may not make roles.
        peewee.PeeweeException: the role may not create a schema in this database.
    """
    with _together(pool) as ask:
        if roles is not None:
            roles.require_createrole(ask)
        TableCatalog.prepare(ask)


def prepare_roles(pool: Pool, roles: Roles) -> None:
    """Make the *roles* that tenantry needs itself, before the shared migrations run.

    Raises:
        RolesNotReady: the login may not do that; nothing was made.
    """
    with _together(pool) as ask:
        roles.prepare(ask, server_version=pool.server_version)


def share(pool: Pool, roles: Roles) -> None:
    """Give the *roles* their rights on the shared tables, after the shared migrations have run.

    Raises:
        RolesNotReady, ConfigError: see :meth:`Roles.share`.
    """
    with _together(pool) as ask:
        roles.share(ask)


def take_over(pool: Pool, roles: Roles, schemas: Iterable[SchemaName], *, lock_timeout_s: float) -> None:
    """Bring those of the *schemas* under the *roles* that are not: each in a transaction.

    Raises:
        RolesNotReady: the login may not make roles.
        peewee.OperationalError: a table was in use for *lock_timeout_s* seconds. Those before it are done.
    """
    with _together(pool) as ask:
        lacking = roles.lacking(ask, schemas)
    for schema in lacking:
        with _together(pool) as ask:
            ask(f"SET LOCAL lock_timeout TO {max(1, round(lock_timeout_s * 1000))}")
            roles.take_over(ask, schema)


@contextmanager
def _together(pool: Pool) -> Iterator[Ask]:
    """Run SQL of tenantry's own in one transaction, as the login, and after whoever else does so."""
    wire = Wire(pool, SCHEMA, Prefix.of(SCHEMA, role=LOGIN))
    with _to_peewee:
        wire.begin(None)
        try:
            wire.ask("SELECT pg_advisory_xact_lock(hashtextextended('tenantry:ensure', 0))")
            yield wire.ask
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
    make_owner: Make,
    forget: Migrate,
    migrate: Migrate,
    roles: Roles | None = None,
) -> Tenant:
    """Make the tenant *text*: its catalog row, its schema and all that *migrate* does, in one transaction.

    *forget* first takes what the history says of the schema's name: it was another's, dropped by hand. Of *roles*, if
    they are used, it gets one, and *make_owner* makes a database as the role that owns tables.

    Raises:
        InvalidTenantId: *text* is not an id.
        TenantExists: it is there, or another process was first.
        SchemaTaken, RoleTaken: its schema or role is there already.
        RolesNotReady: the login may not make roles.
        Exception: what *migrate* raises. Nothing is left of the tenant then.
    """
    tenant = Tenant(tenant_id(text), tenant_schema(tenant_id(text), prefix=prefix), state=State.PROVISIONING)
    database, owner = make(tenant), make_owner(tenant)  # Of one schema: they share the transaction.
    with database.atomic():
        forget(database)
        with _to_peewee:
            ask = database.wire.ask
            if roles is not None:
                roles.require_createrole(ask)
            made = catalog.insert(
                ask, tenant.id, tenant.schema, server=tenant.server, state=State.ACTIVE, labels=labels
            )
            try:
                # Locking a table takes in what was committed while the row was waited for: else this session may still
                # see a schema that has just been dropped.
                look = "SELECT FROM pg_catalog.pg_namespace LIMIT 0"
                if roles is None:
                    ask(f"{look};CREATE SCHEMA {quoted(made.schema).replace('%', '%%')}")
                else:
                    ask(look)
                    roles.create(ask, made.schema)
            except psycopg2.errors.DuplicateSchema as error:
                raise SchemaTaken(schema=made.schema) from error
        migrate(owner)
    catalog.learn(made)
    return made


def drop(catalog: TableCatalog, text: str, *, make: Make, forget: Migrate, roles: Roles | None = None) -> Tenant:
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
        if roles is None:
            database.wire.ask(f"DROP SCHEMA IF EXISTS {quoted(dropped.schema).replace('%', '%%')} CASCADE")
        else:
            roles.drop(database.wire.ask, dropped.schema)
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
