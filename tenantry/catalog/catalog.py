"""What any catalog of tenants can be asked, and the simplest one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from tenantry.catalog.tenant import State, Tenant
from tenantry.errors import ConfigError, TenantDropped, TenantNotReady, TenantSuspended, UnknownTenant
from tenantry.naming import SchemaName, TenantId, tenant_id

_REFUSAL = {State.PROVISIONING: TenantNotReady, State.SUSPENDED: TenantSuspended, State.DROPPED: TenantDropped}


class Catalog(Protocol):
    """Anything that knows the tenants: a table, a settings file, a call to another service."""

    def get(self, tenant: TenantId, /) -> Tenant | None:
        """Return the tenant of this id, whatever its state; None when there is none.

        Called by each `use()`: it must be quick.
        """
        ...

    def __iter__(self) -> Iterator[Tenant]:
        """Go through all tenants, in the order of their ids."""
        ...


class FixedCatalog:
    """A catalog that does not change while the process runs, as from a settings file.

    Raises:
        ConfigError: two tenants share an id, or a schema of one server.

    >>> catalog = FixedCatalog([Tenant(tenant_id("acme"), schema_name("t_acme"))])
    >>> [tenant.id for tenant in catalog]
    ['acme']
    """

    def __init__(self, tenants: Iterable[Tenant]) -> None:
        self._tenants: dict[TenantId, Tenant] = {}
        owners: dict[tuple[str, SchemaName], TenantId] = {}
        for tenant in sorted(tenants, key=lambda tenant: tenant.id):
            if tenant.id in self._tenants:
                raise ConfigError(f"the catalog has two tenants with the id {tenant.id!r}")
            other = owners.setdefault((tenant.server, tenant.schema), tenant.id)
            if other != tenant.id:
                raise ConfigError(f"the tenants {other!r} and {tenant.id!r} would share the schema {tenant.schema!r}")
            self._tenants[tenant.id] = tenant

    def get(self, tenant: TenantId, /) -> Tenant | None:
        return self._tenants.get(tenant)

    def __iter__(self) -> Iterator[Tenant]:
        return iter(self._tenants.values())


def find(catalog: Catalog, text: object) -> Tenant:
    """Return the tenant that *text* names, whatever its state.

    Raises:
        InvalidTenantId: *text* is not an id; the catalog was not asked.
        UnknownTenant: the catalog has no such tenant.
    """
    checked = tenant_id(text)
    tenant = catalog.get(checked)
    if tenant is None:
        raise UnknownTenant(checked)
    return tenant


def admit(catalog: Catalog, text: object, *, also: State = State.ACTIVE) -> Tenant:
    """Return the tenant that *text* names, if it may be worked for now: if it is active, or in the state *also*.

    Raises:
        InvalidTenantId, UnknownTenant: see :func:`find`.
        TenantNotReady, TenantSuspended, TenantDropped: what the catalog says of it.
    """
    tenant = find(catalog, text)
    if tenant.state not in (State.ACTIVE, also):
        raise _REFUSAL[tenant.state](tenant.id)
    return tenant
