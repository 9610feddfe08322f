"""A tenant as a peewee database: every statement carries its schema, and connections are only borrowed."""

from tenantry.databases.cache import DatabaseCache
from tenantry.databases.database import SchemaDatabase, SharedDatabase, TenantDatabase

__all__ = ["DatabaseCache", "SchemaDatabase", "SharedDatabase", "TenantDatabase"]
