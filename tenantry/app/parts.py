"""What an engine is put together from, once something is needed of it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from tenantry import embedded
from tenantry.app.hooks import Hooks
from tenantry.catalog import SCHEMA, Catalog, TableCatalog, Tenant
from tenantry.config import Config, SourceKind, require_url
from tenantry.databases import LOGIN, DatabaseCache, Prefix, SharedDatabase, TenantDatabase, Wire
from tenantry.errors import ConfigError, InvalidSetting, SchemaIsShared
from tenantry.migrations import MigrationFile, read_folder
from tenantry.naming import RoleName, extensions_schema
from tenantry.pool import (
    Login,
    OnConnect,
    Pool,
    PoolFigures,
    PoolSettings,
    TenantPassword,
    TenantPool,
    TenantPools,
    total,
)
from tenantry.roles import Roles

QueryHooks = list[Callable[[Any], Any]]


class Parts:
    """The pool, the catalog and the databases of one configuration.

    Raises:
        ConfigError: the configuration cannot work, or names no database.
        ServerError: the embedded server did not come up.
    """

    def __init__(
        self,
        config: Config,
        *,
        catalog: Catalog | None,
        hooks: Hooks,
        query_hooks: QueryHooks,
        on_connect: OnConnect | None,
        tenant_password: TenantPassword | None = None,
    ) -> None:
        self.config, self._hooks, self._query_hooks = config, hooks, query_hooks
        self._extensions = None if config.extensions is None else extensions_schema(config.extensions)
        url, per_tenant = require_url(config), config.pool == "per-tenant"
        self._login = _login(config, tenant_password) if per_tenant else None
        self._embedded = None
        if url.startswith(embedded.SCHEME):
            self._embedded = embedded.start(embedded.parse(url, base=config.base))
            if config.roles:
                self._embedded.let_make_roles()
            url = self._embedded.url
        self.pool = Pool(url, _pool_settings(config), on_connect=on_connect)
        # What is no tenant's goes over the main pool: the catalog, migrations, making tenants, the shared schema.
        self.tenant_pools = None
        if per_tenant and tenant_password is not None:
            self.tenant_pools = TenantPools(
                self.pool, tenant_password, size=config.tenant_pool_size, url=url, on_connect=on_connect
            )
        ask = Wire(self.pool, SCHEMA, Prefix.of(SCHEMA)).ask
        self.catalog: Catalog = TableCatalog(ask, interval_s=config.catalog_interval_s) if catalog is None else catalog
        # The schemas that are no tenant's, and whose they are.
        self.common = {
            config.shared_schema: "the setting shared_schema",
            SCHEMA: "tenantry's own tables",
            **({self._extensions: "the setting extensions"} if self._extensions else {}),
        }
        self._kept: DatabaseCache[TenantDatabase] = DatabaseCache(
            min(config.databases, config.tenant_pools) if per_tenant else config.databases,
            made=self._made,
            evicted=self._evicted,
        )

    @functools.cached_property
    def roles(self) -> Roles | None:
        """The roles of the database, if they are used. Connects, the first time: its name is the server's to say.

        Raises:
            ServerError: the server cannot be asked.
        """
        if not self.config.roles:
            return None
        return Roles(
            self.pool.database,
            shared_schema=self.config.shared_schema,
            extensions=self._extensions,
            grants=self.config.shared_grants,
            login=self._login,
        )

    @functools.cached_property
    def shared(self) -> SharedDatabase:
        """The database of the shared schema, for work that belongs to no tenant."""
        return self._shared(None if self.roles is None else self.roles.shared)

    @functools.cached_property
    def shared_as_owner(self) -> SharedDatabase:
        """The same as the role that owns the tables, for migrations."""
        return self._shared(None if self.roles is None else self.roles.owner)

    @functools.cached_property
    def shared_as_login(self) -> SharedDatabase:
        """The same as nobody's role, for tenantry's own tables."""
        return self._shared(None if self.roles is None else LOGIN)

    def database(self, tenant: Tenant) -> TenantDatabase:
        """Return the database of *tenant*: one that is kept, or a new one that is from now on.

        Raises:
            SchemaIsShared: its schema is one that the settings share.
        """
        if self.tenant_pools is not None:
            self.tenant_pools.sweep()
        return self._kept.get(_key(tenant), functools.partial(self._make, tenant))

    def forget(self, tenant: Tenant) -> None:
        """Keep the database of *tenant* no longer, nor the connections of a pool of its own."""
        self._kept.drop(_key(tenant))

    def figures(self) -> PoolFigures:
        """Add up the figures of the pool, and of the tenants' own ones."""
        main = self.pool.figures()
        return main if self.tenant_pools is None else total([main, self.tenant_pools.figures()])

    def as_owner(self, tenant: Tenant) -> TenantDatabase:
        """Make a database of *tenant* as the role that owns its tables, for migrations; kept by nobody."""
        return self._tenant(tenant, None if self.roles is None else self.roles.owner)

    def as_login(self, tenant: Tenant) -> TenantDatabase:
        """Make a database of *tenant* as nobody's role, for making and unmaking it; kept by nobody."""
        return self._tenant(tenant, None if self.roles is None else LOGIN)

    def files(self, kind: str) -> tuple[MigrationFile, ...]:
        """Read the migrations of a *kind*, ``tenant`` or ``shared``. Without the default folder there are none.

        Raises:
            ConfigError: the folder that was named is not there.
            InvalidMigrationFile: a file in it is none.
        """
        folder = self.config.migrations
        if not folder.is_dir() and self.config.sources["migrations"].kind is not SourceKind.DEFAULT:
            source = str(self.config.sources["migrations"])
            raise InvalidSetting(
                name="migrations", value=str(folder), source=source, rule="it must be a folder that exists"
            )
        return read_folder(folder / kind) if (folder / kind).is_dir() else ()

    def close(self) -> None:
        """Close the connections, forget the databases, and leave the embedded server."""
        self.pool.close()
        if self.tenant_pools is not None:
            self.tenant_pools.close()
        self._kept.clear()
        if self._embedded is not None:
            self._embedded.stop()

    def _make(self, tenant: Tenant) -> TenantDatabase:
        role = None if self.roles is None else self.roles.of(tenant.schema)
        if self.tenant_pools is None or role is None:
            return self._tenant(tenant, role)
        pool = self.tenant_pools.of(role, tenant.epoch)
        return self._tenant(tenant, None, pool)  # It has logged in as its role, and is never another.

    def _tenant(self, tenant: Tenant, role: RoleName | None, pool: Pool | None = None) -> TenantDatabase:
        if tenant.schema in self.common:
            raise SchemaIsShared(tenant=tenant.id, schema=tenant.schema, by=self.common[tenant.schema])
        told = tenant.id if self.config.tenant_setting else None
        return TenantDatabase(pool or self.pool, tenant, told=told, **self._options(tenant, role))

    def _made(self, _: str, database: TenantDatabase) -> None:
        if isinstance(database.pool, TenantPool):
            database.pool.keep()
        self._hooks.tell("database_made", database.tenant)

    def _evicted(self, _: str, database: TenantDatabase) -> None:
        if isinstance(database.pool, TenantPool):
            database.pool.let_go()
        self._hooks.tell("database_evicted", database.tenant)

    def _shared(self, role: RoleName | None) -> SharedDatabase:
        return SharedDatabase(self.pool, self.config.shared_schema, **self._options(None, role))

    def _options(self, tenant: Tenant | None, role: RoleName | None) -> dict[str, Any]:
        return {
            "shared_schema": self.config.shared_schema,
            "extensions": self._extensions,
            "role": role,
            "query_hooks": self._query_hooks,
            "on_error": functools.partial(self._hooks.tell, "server_error", tenant),
        }


def _key(tenant: Tenant) -> str:
    return f"{tenant.server}/{tenant.schema}/{tenant.id}/{tenant.epoch}"


def _login(config: Config, tenant_password: TenantPassword | None) -> Callable[[RoleName], Login]:
    if not config.roles:
        raise ConfigError(
            f'pool="per-tenant" ({config.sources["pool"]}) has each tenant log in as a role of its own, so it needs '
            "roles=True as well"
        )
    if tenant_password is None:
        raise ConfigError(
            f'pool="per-tenant" ({config.sources["pool"]}) needs the passwords of the tenants\' roles: pass '
            "Tenantry(tenant_password=...), a function from the name of a role to its password. The command line finds "
            "it with app=MODULE:OBJECT"
        )
    return functools.partial(Login.of, tenant_password=tenant_password)


def _pool_settings(config: Config) -> PoolSettings:
    return PoolSettings(
        size=config.pool_size,
        wait_s=config.pool_wait_s,
        idle_s=config.pool_idle_s,
        ask_after_s=config.pool_ask_after_s,
        tenants_per_connection=config.tenants_per_connection,
        connect_attempts=config.connect_attempts,
        allow_default_path=config.allow_default_path,
        pooler=config.pooler,
        tenant_share=config.tenant_share,
        uncapped=frozenset({"", SCHEMA, config.shared_schema}),  # What belongs to no tenant.
    )
