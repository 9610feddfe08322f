"""Multi-tenancy for the peewee ORM on PostgreSQL: one set of models, one schema per tenant, one bounded pool."""

from tenantry.app import Hooks, Tenantry
from tenantry.binding import SharedModel, TenantModel
from tenantry.catalog import FixedCatalog, State, Tenant
from tenantry.pool import PoolSettings

__all__ = ["FixedCatalog", "Hooks", "PoolSettings", "SharedModel", "State", "Tenant", "TenantModel", "Tenantry"]
