"""Read by mypy and pyright, never run: the types of the public face."""

from __future__ import annotations

from typing import assert_type

import tenantry
from tenantry import FixedCatalog, Tenant, Tenantry
from tenantry.databases import TenantDatabase
from tenantry.errors import PoolTimeout
from tenantry.naming import schema_name, tenant_id

acme = Tenant(tenant_id("acme"), schema_name("t_acme"))
tenants = Tenantry("postgresql://app@localhost/shop", catalog=FixedCatalog([acme]), pool_size=4)

Tenant("acme", "t_acme")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Tenantry(pool_sise=4)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
Tenantry(pool_size="4")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

Tenantry(pool="per-tenant", roles=True, tenant_password=lambda role: role)
Tenantry(pool="per_tenant")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

assert_type(tenants.current, Tenant)
assert_type(tenants.current_or_none, Tenant | None)
assert_type(tenants["acme"], Tenant)
assert_type(tenants.database_of("acme"), TenantDatabase)
assert_type(list(tenants), list[Tenant])

with tenants.use("acme", user="ann") as tenant:
    assert_type(tenant, Tenant)
with tenants.shared() as nobody:
    assert_type(nobody, None)

tenants.use(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@tenants.use("acme")
def total(of: int) -> str:
    return str(of)


assert_type(total(1), str)
total("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def holders(error: PoolTimeout) -> tuple[str, ...]:
    return error.holders


state: tenantry.State = acme.state
