"""Multi-tenancy for the peewee ORM on PostgreSQL: one set of models, one schema per tenant, one bounded pool."""

from tenantry import fn
from tenantry.app import Hooks, TenantExecutor, Tenantry, across, stream, wrap
from tenantry.binding import SharedModel, TenantModel
from tenantry.catalog import FixedCatalog, State, Tenant
from tenantry.errors import TenantryError
from tenantry.query import Derived, Query, Statement, Step, compiled, raw, with_shared

__all__ = [
    "Derived",
    "FixedCatalog",
    "Hooks",
    "Query",
    "SharedModel",
    "State",
    "Statement",
    "Step",
    "Tenant",
    "TenantExecutor",
    "TenantModel",
    "Tenantry",
    "TenantryError",
    "across",
    "compiled",
    "fn",
    "raw",
    "stream",
    "with_shared",
    "wrap",
]
