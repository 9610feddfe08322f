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
from tenantry.errors import InvalidSetting
from tenantry.migrations import MigrationFile, read_folder
from tenantry.naming import RoleName, extensions_schema
from tenantry.pool import OnConnect, Pool, PoolSettings
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
    ) -> None:
        self.config, self._hooks, self._query_hooks = config, hooks, query_hooks
        self._extensions = None if config.extensions is None else extensions_schema(config.extensions)
        url = require_url(config)
        self._embedded = None
        if url.startswith(embedded.SCHEME):
            self._embedded = embedded.start(embedded.parse(url, base=config.base))
            if config.roles:
                self._embedded.let_make_roles()
            url = self._embedded.url
        self.pool = Pool(url, _pool_settings(config), on_connect=on_connect)
        ask = Wire(self.pool, SCHEMA, Prefix.of(SCHEMA)).ask
        self.catalog: Catalog = TableCatalog(ask, interval_s=config.catalog_interval_s) if catalog is None else catalog
        self._kept: DatabaseCache[TenantDatabase] = DatabaseCache(
            config.databases,
            made=lambda _, database: hooks.tell("database_made", database.tenant),
            evicted=lambda _, database: hooks.tell("database_evicted", database.tenant),
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
        """Return the database of *tenant*: one that is kept, or a new one that is from now on."""
        key = f"{tenant.server}/{tenant.schema}/{tenant.id}/{tenant.epoch}"
        return self._kept.get(key, functools.partial(self._make, tenant))

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
        self._kept.clear()
        if self._embedded is not None:
            self._embedded.stop()

    def _make(self, tenant: Tenant) -> TenantDatabase:
        return self._tenant(tenant, None if self.roles is None else self.roles.of(tenant.schema))

    def _tenant(self, tenant: Tenant, role: RoleName | None) -> TenantDatabase:
        told = tenant.id if self.config.tenant_setting else None
        return TenantDatabase(self.pool, tenant, told=told, **self._options(tenant, role))

    def _shared(self, role: RoleName | None) -> SharedDatabase:
        return SharedDatabase(self.pool, self.config.shared_schema, **self._options(None, role))

    def _options(self, tenant: Tenant | None, role: RoleName | None) -> dict[str, Any]:
        return {
            "extensions": self._extensions,
            "role": role,
            "query_hooks": self._query_hooks,
            "on_error": functools.partial(self._hooks.tell, "server_error", tenant),
        }


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
