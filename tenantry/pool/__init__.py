"""The connections to one server: few, shared by all tenants or a tenant's own, lent for a statement or a
transaction.
"""

from tenantry.pool.connection import IDLE, UNKNOWN, Connection, OnConnect, parameters_of
from tenantry.pool.figures import Health, Holder, PoolFigures, total
from tenantry.pool.login import Login, TenantPassword
from tenantry.pool.pool import Pool
from tenantry.pool.settings import PoolSettings
from tenantry.pool.tenants import TenantPool, TenantPools

__all__ = [
    "IDLE",
    "UNKNOWN",
    "Connection",
    "Health",
    "Holder",
    "Login",
    "OnConnect",
    "Pool",
    "PoolFigures",
    "PoolSettings",
    "TenantPassword",
    "TenantPool",
    "TenantPools",
    "parameters_of",
    "total",
]
