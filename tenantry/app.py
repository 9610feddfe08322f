"""The engine: puts the parts together, and is what an application holds."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Generic, ParamSpec, TypeVar

import psycopg2.extensions

from tenantry import provisioning
from tenantry.binding import BoundDatabase
from tenantry.catalog import SCHEMA, Catalog, State, TableCatalog, Tenant, admit, find
from tenantry.context import Bound, bind, bound, nothing_open, open_leases, unbind
from tenantry.databases import DatabaseCache, Prefix, SharedDatabase, TenantDatabase, Wire
from tenantry.errors import CatalogIsReadOnly, ConfigError, NoTenantBound, TransactionOpen
from tenantry.naming import extensions_schema, schema_name
from tenantry.pool import Health, Pool, PoolFigures, PoolSettings

logger = logging.getLogger("tenantry")

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T", Tenant, None)

SHARED = object()  # In place of an id. Not None: use(None) is a mistake, and not the shared schema.
_NO_VALUES: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What an application wants to be told. A hook that raises is logged, and disturbs nobody."""

    database_made: Callable[[Tenant], object] | None = None
    database_evicted: Callable[[Tenant], object] | None = None  # It made room for another, or the engine was closed.
    server_error: Callable[[Tenant | None, Exception], object] | None = None  # None stands for the shared schema.


class Tenantry:
    """Multi-tenancy over one PostgreSQL server: a schema for each tenant, and one bounded pool of connections for all.

    Making it touches nothing: no file, server, thread or connection.

    Without a *catalog* tenantry keeps the tenants in a table of its own, and each process reads its changes once in
    *catalog_interval_s* seconds. A new tenant's schema is *schema_prefix* and its id.
    *pool* bounds the connections; *databases* is how many tenants' database objects are kept (they are light);
    *extensions* names the schema that PostgreSQL's extensions live in, if tenants use any; *on_connect* prepares each
    new driver connection (types to register; not settings, which are scrubbed with everything else).

    Raises:
        ConfigError: a setting cannot work.

    >>> tenants = Tenantry("postgresql://app@localhost/shop", catalog=catalog)
    >>> with tenants.use("acme"):
    ...     Invoice.create(total=12)
    """

    def __init__(
        self,
        url: str,
        *,
        catalog: Catalog | None = None,
        schema_prefix: str = "t_",
        catalog_interval_s: float = 5.0,
        shared_schema: str = "public",
        extensions: str | None = None,
        pool: PoolSettings | None = None,
        databases: int = 1_024,
        hooks: Hooks | None = None,
        on_connect: Callable[[psycopg2.extensions.connection], None] | None = None,
    ) -> None:
        if databases < 1:
            raise ConfigError(f"databases={databases!r}: at least one tenant's database must be kept")
        self.pool = Pool(url, pool, on_connect=on_connect)
        ask = Wire(self.pool, SCHEMA, Prefix.of(SCHEMA)).ask
        self.catalog: Catalog = TableCatalog(ask, interval_s=catalog_interval_s) if catalog is None else catalog
        self._schema_prefix = schema_name(schema_prefix + "x")[:-1]
        self._prepared = False
        self.database = BoundDatabase(engine=self)
        self.query_hooks: list[Callable[[Any], Any]] = []
        self._hooks = hooks or Hooks()
        self._extensions = None if extensions is None else extensions_schema(extensions)
        self._databases: DatabaseCache[TenantDatabase] = DatabaseCache(
            databases, made=self._made, evicted=self._evicted
        )
        self._shared = SharedDatabase(
            self.pool,
            schema_name(shared_schema),
            extensions=self._extensions,
            query_hooks=self.query_hooks,
            on_error=functools.partial(self._tell, "server_error", None),
        )

    def use(self, tenant: str, *, beside_transaction: bool = False, **values: object) -> Use[Tenant]:
        """Work for *tenant* until the block ends. Blocks nest, and the outer tenant comes back. Also decorates a
        function.

        *values* travel with it (:attr:`values`), and can never stand for the tenant. An open transaction keeps another
        tenant out, unless *beside_transaction* says that its work shall have its own connection and stay when that
        transaction is rolled back.

        Raises, when the block is entered:
            InvalidTenantId: *tenant* is not an id; nothing was asked.
            UnknownTenant, TenantSuspended, TenantDropped, TenantNotReady: what the catalog says of it.
            TransactionOpen: a transaction of another tenant, or of the shared schema, is open here.
        """
        return Use(self, tenant, values, beside_transaction)

    def shared(self, *, beside_transaction: bool = False, **values: object) -> Use[None]:
        """Work with the shared tables alone until the block ends: for what belongs to no tenant.

        Raises, when the block is entered:
            TransactionOpen: a transaction of a tenant is open here.
        """
        return Use(self, SHARED, values, beside_transaction)

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
        return find(self.catalog, tenant)

    def __iter__(self) -> Iterator[Tenant]:
        """Go through the catalog: all tenants, whatever their state."""
        return iter(self.catalog)

    def database_of(self, tenant: str) -> TenantDatabase:
        """Return the database of *tenant*, for code that wants no context.

        Raises:
            InvalidTenantId, UnknownTenant, TenantSuspended, TenantDropped, TenantNotReady: see :meth:`use`.
        """
        return self._database(admit(self.catalog, tenant))

    def create(self, tenant: str, *, labels: Mapping[str, str] | None = None) -> Tenant:
        """Make a tenant: its row in the catalog, its schema and every migration, or nothing at all.

        Raises:
            InvalidTenantId: *tenant* is not an id.
            TenantExists: it is there, or another process was first.
            SchemaTaken: its schema is there already, with whatever it holds.
            CatalogIsReadOnly: the application keeps the catalog.
            TransactionOpen: a transaction of a tenant is open here.
        """
        catalog = self._own_catalog("create")
        if not self._prepared:
            provisioning.prepare(self.pool)
            self._prepared = True
        return provisioning.create(
            catalog,
            tenant,
            prefix=self._schema_prefix,
            labels=labels or {},
            make=self._make_beside_nothing,
            migrate=lambda database: None,
        )

    def drop(self, tenant: str) -> Tenant:
        """Drop a tenant with all its data. Its row stays in the catalog, as dropped; its id may be created anew.

        Raises:
            InvalidTenantId, UnknownTenant, TenantDropped: there is no such tenant.
            CatalogIsReadOnly: the application keeps the catalog.
            TransactionOpen: a transaction of a tenant is open here.
        """
        return provisioning.drop(self._own_catalog("drop"), tenant, make=self._make_beside_nothing)

    def suspend(self, tenant: str) -> Tenant:
        """Refuse `use()` of a tenant from now on; other processes follow within the interval of the catalog.

        Raises:
            InvalidTenantId, UnknownTenant, TenantDropped: there is no such tenant.
            CatalogIsReadOnly: the application keeps the catalog.
        """
        catalog = self._own_catalog("suspend")
        return provisioning.set_state(catalog, tenant, State.SUSPENDED, make=self._make_beside_nothing)

    def resume(self, tenant: str) -> Tenant:
        """Admit a suspended tenant again.

        Raises:
            InvalidTenantId, UnknownTenant, TenantDropped: there is no such tenant.
            CatalogIsReadOnly: the application keeps the catalog.
        """
        catalog = self._own_catalog("resume")
        return provisioning.set_state(catalog, tenant, State.ACTIVE, make=self._make_beside_nothing)

    def warm_up(self, on: Iterable[str] = (), *, connections: int | None = None) -> int:
        """Open connections and make the databases of the tenants *on* ahead of the first requests; return how many are
        open.

        Raises:
            ServerError: the server cannot be reached.
            UnknownTenant, ...: see :meth:`use`.
        """
        for tenant in on:
            self.database_of(tenant)
        return self.pool.warm_up(connections)

    def health(self) -> Health:
        """Ask the server whether it is there; see :class:`tenantry.pool.Health`."""
        return self.pool.health()

    def figures(self) -> PoolFigures:
        """Return the figures of the pool, passively: nothing is asked or stopped."""
        return self.pool.figures()

    def close(self) -> None:
        """Close the connections; those in use, when they come back."""
        self.pool.close()
        self._databases.clear()

    # Inside.

    def _bound(self) -> Bound | None:
        here = bound()
        return here if here is not None and here.engine is self else None

    def _database(self, tenant: Tenant) -> TenantDatabase:
        key = f"{tenant.server}/{tenant.schema}/{tenant.id}/{tenant.epoch}"
        return self._databases.get(key, functools.partial(self._make, tenant))

    def _make(self, tenant: Tenant) -> TenantDatabase:
        return TenantDatabase(
            self.pool,
            tenant,
            extensions=self._extensions,
            query_hooks=self.query_hooks,
            on_error=functools.partial(self._tell, "server_error", tenant),
        )

    def _make_beside_nothing(self, tenant: Tenant) -> TenantDatabase:
        database = self._make(tenant)
        self._refuse_beside_transaction(database)
        return database

    def _own_catalog(self, what: str) -> TableCatalog:
        if not isinstance(self.catalog, TableCatalog):
            raise CatalogIsReadOnly(what, self.catalog)
        return self.catalog

    def _made(self, _: str, database: TenantDatabase) -> None:
        self._tell("database_made", database.tenant)

    def _evicted(self, _: str, database: TenantDatabase) -> None:
        self._tell("database_evicted", database.tenant)

    def _tell(self, hook: str, *facts: Any) -> None:
        told = getattr(self._hooks, hook)
        if told is None:
            return
        try:
            told(*facts)
        except Exception:
            logger.exception("the hook %s failed for %s", hook, facts[0])

    def _to_bind(self, tenant: object, values: Mapping[str, object], beside_transaction: bool) -> Bound:
        found = None if tenant is SHARED else admit(self.catalog, tenant)
        database = self._shared if found is None else self._database(found)
        if not beside_transaction:
            self._refuse_beside_transaction(database)
        around = self.values
        if values or around:
            values = MappingProxyType({**around, **values})
        return Bound(self, found, database, values)

    def _refuse_beside_transaction(self, database: TenantDatabase | SharedDatabase) -> None:
        for lease in () if nothing_open() else open_leases():
            pool, schema = lease.key or (None, "")
            if pool is self.pool and schema != database.schema and lease.owner.is_here():
                raise TransactionOpen(open_on=schema, wanted=database.schema)


class Use(Generic[T]):
    """The block that :meth:`Tenantry.use` and :meth:`Tenantry.shared` give.

    Above a function it enters anew at each call.
    """

    __slots__ = ("_asked", "_engine", "_token")

    def __init__(
        self, engine: Tenantry, tenant: object, values: Mapping[str, object], beside_transaction: bool
    ) -> None:
        self._engine, self._asked = engine, (tenant, values, beside_transaction)

    def __enter__(self) -> T:
        here = self._engine._to_bind(*self._asked)
        self._token = bind(here)
        return here.tenant  # type: ignore[return-value]  # a Tenant for use(), None for shared()

    def __exit__(self, *error: object) -> None:
        unbind(self._token)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def inside(*args: P.args, **kwargs: P.kwargs) -> R:
            with Use[T](self._engine, *self._asked):
                return function(*args, **kwargs)

        return inside
