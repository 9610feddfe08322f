"""The engine: what an application holds."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import Any, TypeVar, Unpack

from tenantry import migrations, provisioning
from tenantry.app.hooks import Hooks
from tenantry.app.parts import Parts
from tenantry.app.use import Use
from tenantry.binding import BoundDatabase, models_of
from tenantry.catalog import Catalog, State, TableCatalog, Tenant, admit, find
from tenantry.config import Config, Settings, check, load
from tenantry.context import Bound, bound_to, nothing_open, open_leases, own_block
from tenantry.databases import SchemaDatabase, TenantDatabase
from tenantry.errors import CatalogIsReadOnly, NoTenantBound, PoolClosed, SchemaIsShared, TransactionOpen
from tenantry.forks import ForkSafeLock
from tenantry.migrations import Outcome, OutcomeState
from tenantry.naming import tenant_id, tenant_schema
from tenantry.pool import Health, OnConnect, Pool, PoolFigures, TenantPassword

R = TypeVar("R")

SHARED = object()  # In place of an id. Not None: use(None) is a mistake, and not the shared schema.
_NO_VALUES: Mapping[str, object] = MappingProxyType({})


class Tenantry:
    """Multi-tenancy over one PostgreSQL server: a schema for each tenant, and one bounded pool of connections for all.

    Making it touches nothing: no file, server, thread or connection. The first use reads the configuration: what is
    not passed here comes from the environment, else from `tenantry.toml` or `pyproject.toml`, else it is the default
    (see :class:`tenantry.config.Config` for all settings; times are in seconds).

    Without a *catalog* tenantry keeps the tenants in a table of its own. *on_connect* prepares each new driver
    connection: types to register, not settings, which are scrubbed with everything else. With ``pool="per-tenant"``
    each tenant logs in as its own role, for whose name *tenant_password* returns the password.

    Raises:
        ConfigError: what is passed cannot work.

    >>> tenants = Tenantry("embedded:", migrations="migrations", pool_size=10)
    >>> tenants.create("acme")
    >>> with tenants.use("acme"):
    ...     Invoice.create(total=12)
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        catalog: Catalog | None = None,
        hooks: Hooks | None = None,
        on_connect: OnConnect | None = None,
        tenant_password: TenantPassword | None = None,
        **settings: Unpack[Settings],
    ) -> None:
        self._given = {"url": url, **settings}
        check(self._given)
        self.database = BoundDatabase(engine=self)
        self.query_hooks: list[Callable[[Any], Any]] = []
        self._catalog, self._hooks, self._on_connect = catalog, hooks or Hooks(), on_connect
        self._tenant_password = tenant_password
        self._built: Parts | None = None
        self._closed = self._prepared = False
        self._building = ForkSafeLock()

    @property
    def config(self) -> Config:
        """Every setting with its source, as it would be at the first use now, or was then. Nothing is opened.

        Raises:
            ConfigError: the configuration cannot work.
        """
        return self._built.config if self._built is not None else load(given=self._given)

    @property
    def parts(self) -> Parts:
        """The pool, the catalog and the databases, put together at the first use.

        Raises:
            ConfigError: the configuration cannot work, or names no database.
            PoolClosed: the engine was closed.
        """
        return self._built or self._build()

    def use(
        self, tenant: str, *, beside_transaction: bool = False, across_yield: bool = False, **values: object
    ) -> Use[Tenant]:
        """Work for *tenant* until the block ends. Blocks nest, and the outer tenant comes back. Also decorates a
        function.

        *values* travel with it (:attr:`values`), and can never stand for the tenant. An open transaction keeps another
        tenant out, unless *beside_transaction* says that its work shall have its own connection and stay when that
        transaction is rolled back. In a generator it binds while that generator runs, and not its consumer, unless
        *across_yield* says so: a pytest fixture that yields inside the block means it.

        Raises, when the block is entered:
            InvalidTenantId: *tenant* is not an id; nothing was asked.
            UnknownTenant, TenantSuspended, TenantDropped, TenantNotReady: what the catalog says of it.
            SchemaIsShared: the settings share the tenant's schema.
            TransactionOpen: a transaction of another tenant, or of the shared schema, is open here.
        """
        return Use(self, tenant, values, beside_transaction, across_yield)

    def shared(self, *, beside_transaction: bool = False, across_yield: bool = False, **values: object) -> Use[None]:
        """Work with the shared tables alone until the block ends: for what belongs to no tenant.

        Raises, when the block is entered:
            TransactionOpen: a transaction of a tenant is open here.
        """
        return Use(self, SHARED, values, beside_transaction, across_yield)

    def run(self, job: Callable[[], R], on: Iterable[str]) -> dict[str, R]:
        """Call *job* once for each of the tenants *on*, bound to it, and return what it returned by their ids.

        The first error ends it, and is raised.

        Raises:
            InvalidTenantId, UnknownTenant, ...: see :meth:`use`.

        >>> tenants.run(Invoice.select().count, on=["acme", "globex"])  # doctest: +SKIP
        {'acme': 3, 'globex': 0}
        """
        done = {}
        for tenant in _several(on, f"run(job, on=[{on!r}])"):
            with self.use(tenant):
                done[tenant] = job()
        return done

    @property
    def current(self) -> Tenant:
        """The tenant that is bound here.

        Raises:
            NoTenantBound: none is.
        """
        tenant = self.current_or_none
        if tenant is None:
            raise NoTenantBound("tenants.current", shared=self._bound() is not None)
        return tenant

    @property
    def current_or_none(self) -> Tenant | None:
        """The tenant that is bound here, or None."""
        here = self._bound()
        return here.tenant if here is not None else None

    @property
    def values(self) -> Mapping[str, object]:
        """The values given to the innermost block, with those of the blocks around it where they name others."""
        here = self._bound()
        return here.values if here is not None else _NO_VALUES

    def __getitem__(self, tenant: str) -> Tenant:
        """Return what the catalog knows of *tenant*, whatever its state.

        Raises:
            InvalidTenantId, UnknownTenant: there is no such tenant.
        """
        return find(self.parts.catalog, tenant)

    def __iter__(self) -> Iterator[Tenant]:
        """Go through the catalog: all tenants, whatever their state."""
        return iter(self.parts.catalog)

    def database_of(self, tenant: str) -> TenantDatabase:
        """Return the database of *tenant*, for code that wants no context.

        Raises:
            InvalidTenantId, UnknownTenant, TenantSuspended, TenantDropped, TenantNotReady: see :meth:`use`.
        """
        parts = self.parts
        return parts.database(admit(parts.catalog, tenant))

    def create(self, tenant: str, *, labels: Mapping[str, str] | None = None) -> Tenant:
        """Make a tenant: its row in the catalog, its schema and every migration, or nothing at all.

        Shared migrations that are pending go first, once in the life of the engine: a tenant's tables may refer to
        shared ones.

        Raises:
            InvalidTenantId: *tenant* is not an id.
            TenantExists: it is there, or another process was first.
            SchemaTaken: its schema is there already, with whatever it holds.
            SchemaIsShared: its schema is that of a model, or one that the settings share.
            RoleTaken, RolesNotReady: with roles, its role is in use, or the login may not make one.
            MigrationFailed, MigrationEdited, MigrationBlocked: a migration did not run; nothing is left of the tenant.
            CatalogIsReadOnly: the application keeps the catalog.
            TransactionOpen: a transaction of a tenant is open here.
        """
        schema = tenant_schema(tenant_id(tenant), prefix=self.config.schema_prefix)
        # Here alone, and not in use(): models may come later, and a block is not to pay for looking through them.
        models: Any = models_of(self)
        for model in models:
            if model._meta.schema == schema:  # Before the server is asked, and tenantry's own tables are made.
                raise SchemaIsShared(tenant=tenant, schema=schema, by=f"the model {model.__name__}")
        catalog = self._own_catalog("create")
        self._refuse_beside_transaction(tenant)
        self._prepare()
        files = self.parts.files("tenant")

        def migrate(database: TenantDatabase) -> None:
            migrations.apply(migrations.plan(database.schema, files, {}), database, bound=self._binding)

        return provisioning.create(
            catalog,
            tenant,
            prefix=self.parts.config.schema_prefix,
            labels=labels or {},
            make=self._make_alone,
            make_owner=self.parts.as_owner,
            forget=migrations.forget,
            migrate=migrate,
            roles=self.parts.roles,
        )

    def drop(self, tenant: str) -> Tenant:
        """Drop a tenant with all its data. Its row stays in the catalog, as dropped; its id may be created anew.

        Raises:
            InvalidTenantId, UnknownTenant, TenantDropped: there is no such tenant.
            CatalogIsReadOnly: the application keeps the catalog.
            TransactionOpen: a transaction of a tenant is open here.
        """
        catalog = self._own_catalog("drop")
        parts = self.parts
        before = find(catalog, tenant)
        dropped = provisioning.drop(catalog, tenant, make=self._make_alone, forget=migrations.forget, roles=parts.roles)
        if parts.tenant_pools is not None:
            parts.forget(before)
        return dropped

    def suspend(self, tenant: str) -> Tenant:
        """Refuse `use()` of a tenant from now on; other processes follow within the interval of the catalog.

        Raises:
            InvalidTenantId, UnknownTenant, TenantDropped: there is no such tenant.
            CatalogIsReadOnly: the application keeps the catalog.
        """
        return provisioning.set_state(self._own_catalog("suspend"), tenant, State.SUSPENDED, make=self._make_alone)

    def resume(self, tenant: str) -> Tenant:
        """Admit a suspended tenant again.

        Raises:
            InvalidTenantId, UnknownTenant, TenantDropped: there is no such tenant.
            CatalogIsReadOnly: the application keeps the catalog.
        """
        return provisioning.set_state(self._own_catalog("resume"), tenant, State.ACTIVE, make=self._make_alone)

    def migrate(
        self,
        on: Iterable[str] | None = None,
        *,
        jobs: int | None = None,
        on_outcome: Callable[[Outcome], object] | None = None,
    ) -> list[Outcome]:
        """Bring the shared schema up to its migrations, and then the tenants *on* (all that are not dropped) to theirs.

        Several tenants are migrated at a time; one that fails stops no other, and its outcome says why. When the
        shared schema fails no tenant is touched. *on_outcome* is told of each that was behind, as it ends. With roles,
        tenants that were made without them get theirs first.

        Raises:
            MigrationFailed, MigrationEdited, MigrationBlocked: the shared schema could not be migrated.
            UnknownTenant, TenantDropped: *on* names a tenant that is not there.
            RolesNotReady: with roles, the login may not make what is missing.
            ConfigError: the folder of the migrations, or a file in it, cannot be used.
        """
        parts = self.parts
        shared, tenant = parts.files("shared"), parts.files("tenant")
        chosen = self._migrated(on)
        if parts.roles is not None:
            provisioning.prepare(parts.pool)
            migrations.ensure(parts.shared_as_login)
            provisioning.prepare_roles(parts.pool, parts.roles)
        known = migrations.versions(parts.shared_as_login)
        run = functools.partial(
            migrations.migrate,
            known=known,
            jobs=parts.config.jobs if jobs is None else jobs,
            lock_timeout_s=parts.config.lock_timeout_s,
            on_outcome=on_outcome,
            bound=self._binding,
        )
        done = run([parts.shared_as_owner], shared) if shared else []
        _raise_first(done)
        if parts.roles is not None:
            provisioning.share(parts.pool, parts.roles)
            schemas, lock_timeout_s = [each.schema for each in chosen], parts.config.lock_timeout_s
            provisioning.take_over(parts.pool, parts.roles, schemas, lock_timeout_s=lock_timeout_s)
        # Databases are made only for those that are behind: most runs find nothing to do.
        current = migrations.version_of({file.name: file.sha256 for file in tenant})
        behind = [each for each in chosen if known.get(each.schema) != current]
        ran = {outcome.schema: outcome for outcome in run(map(parts.as_owner, behind), tenant)}
        done += [ran.get(each.schema) or Outcome(each.schema, OutcomeState.UP_TO_DATE) for each in chosen]
        return done

    def warm_up(self, on: Iterable[str] = (), *, connections: int | None = None) -> int:
        """Open connections and make the databases of the tenants *on* ahead of the first requests; return how many
        are open. Where tenants have pools of their own, these are filled too.

        Raises:
            ServerError: the server cannot be reached.
            UnknownTenant, ...: see :meth:`use`.
        """
        pools = {self.database_of(tenant).pool for tenant in on} | {self.parts.pool}
        return sum(pool.warm_up(connections) for pool in pools)

    def health(self) -> Health:
        """Ask the server whether it is there; see :class:`tenantry.pool.Health`."""
        return self.parts.pool.health()

    def figures(self) -> PoolFigures:
        """Return the figures of the pool, with those of tenants' own, passively: nothing is asked or stopped."""
        return self.parts.figures()

    def close(self) -> None:
        """Close the connections; those in use, when they come back. An embedded server is left, and stops with its
        last user.
        """
        with self._building:
            self._closed = True
            if self._built is not None:
                self._built.close()

    # Inside.

    def _build(self) -> Parts:
        with self._building:
            if self._closed:
                raise PoolClosed
            if self._built is None:
                self._built = Parts(
                    self.config,
                    catalog=self._catalog,
                    hooks=self._hooks,
                    query_hooks=self.query_hooks,
                    on_connect=self._on_connect,
                    tenant_password=self._tenant_password,
                )
            return self._built

    def _bound(self) -> Bound | None:
        here = own_block()
        return here if here is not None and here.engine is self else None

    def _to_bind(self, tenant: object, values: Mapping[str, object], beside_transaction: bool) -> Bound:
        parts = self._built or self._build()
        found = None if tenant is SHARED else admit(parts.catalog, tenant)
        database: SchemaDatabase = parts.shared if found is None else parts.database(found)
        if not beside_transaction and not nothing_open():
            self._refuse_beside_transaction(database.schema, own=database.wire.key)
        around = self.values
        if values or around:
            values = MappingProxyType({**around, **values})
        return Bound(self, found, database, values)

    def _refuse_beside_transaction(self, wanted: str, *, own: tuple[object, str] | None = None) -> None:
        for lease in open_leases():
            pool, schema = lease.key or (None, "")
            is_ours = isinstance(pool, Pool) and pool.family is self.parts.pool
            if is_ours and lease.key != own and lease.owner.is_here():
                raise TransactionOpen(open_on=schema, wanted=wanted)

    def _make_alone(self, tenant: Tenant) -> TenantDatabase:
        self._refuse_beside_transaction(tenant.id)
        return self.parts.as_login(tenant)

    def _own_catalog(self, what: str) -> TableCatalog:
        catalog = self.parts.catalog
        if not isinstance(catalog, TableCatalog):
            raise CatalogIsReadOnly(what, catalog)
        return catalog

    def _prepare(self) -> None:
        if not self._prepared:
            parts = self.parts
            provisioning.prepare(parts.pool, parts.roles)
            migrations.ensure(parts.shared_as_login)
            if parts.roles is not None:
                provisioning.prepare_roles(parts.pool, parts.roles)
            shared, files = parts.shared_as_owner, parts.files("shared")
            _raise_first(migrations.migrate([shared], files, jobs=1, bound=self._binding))
            if parts.roles is not None:
                provisioning.share(parts.pool, parts.roles)
            self._prepared = True

    def _migrated(self, on: Iterable[str] | None) -> list[Tenant]:
        if on is None:
            return [tenant for tenant in self if tenant.state is not State.DROPPED]
        return [admit(self.parts.catalog, name, also=State.SUSPENDED) for name in _several(on, f"migrate([{on!r}])")]

    def _binding(self, database: SchemaDatabase) -> AbstractContextManager[None]:
        return bound_to(database, self)


def _several(on: Iterable[str], right: str) -> Iterable[str]:
    if isinstance(on, str):  # Which is an iterable too, of letters.
        raise TypeError(f"several tenants are named by a list: {right}")
    return on


def _raise_first(outcomes: Iterable[Outcome]) -> None:
    for outcome in outcomes:
        if outcome.error is not None:
            raise outcome.error
