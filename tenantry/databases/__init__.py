"""A tenant as a peewee database: every statement carries its schema, and connections are only borrowed."""

from tenantry.databases.cache import DatabaseCache
from tenantry.databases.database import SchemaDatabase, SharedDatabase, TenantDatabase
from tenantry.databases.prefix import LOGIN, TENANT, Prefix
from tenantry.databases.wire import Wire

__all__ = ["LOGIN", "TENANT", "DatabaseCache", "Prefix", "SchemaDatabase", "SharedDatabase", "TenantDatabase", "Wire"]
