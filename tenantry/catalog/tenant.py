"""A tenant, as a value."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from tenantry.naming import SchemaName, TenantId, schema_name, tenant_id


class State(enum.Enum):
    """What may be done with a tenant."""

    PROVISIONING = "provisioning"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant as the catalog knows it. Its names are checked here, once: who holds a Tenant need not check again.

    Raises:
        InvalidTenantId, InvalidSchemaName: see :mod:`tenantry.naming`.
    """

    id: TenantId
    schema: SchemaName
    server: str = "main"
    state: State = State.ACTIVE
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    epoch: int = 0  # Grows when the id is given to other data: what was read in an earlier epoch is not this tenant's.

    def __post_init__(self) -> None:
        tenant_id(self.id)
        schema_name(self.schema)

    def __str__(self) -> str:
        return self.id
