"""Multi-tenancy for the peewee ORM on PostgreSQL: one set of models, one schema per tenant, one bounded pool."""

from tenantry.app import Hooks, TenantExecutor, Tenantry, stream, wrap
from tenantry.binding import SharedModel, TenantModel
from tenantry.catalog import FixedCatalog, State, Tenant
from tenantry.errors import TenantryError

__all__ = [
    "FixedCatalog",
    "Hooks",
    "SharedModel",
    "State",
    "Tenant",
    "TenantExecutor",
    "TenantModel",
    "Tenantry",
    "TenantryError",
    "stream",
    "wrap",
]
