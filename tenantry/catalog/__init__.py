"""Who the tenants are. The catalog is the one place that turns an id into a schema."""

from tenantry.catalog.catalog import Catalog, FixedCatalog, admit, find
from tenantry.catalog.table import SCHEMA, TableCatalog
from tenantry.catalog.tenant import State, Tenant

__all__ = ["SCHEMA", "Catalog", "FixedCatalog", "State", "TableCatalog", "Tenant", "admit", "find"]
