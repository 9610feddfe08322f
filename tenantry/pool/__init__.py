"""The connections to one server: few, shared by all tenants, lent for a statement or a transaction."""

from tenantry.pool.connection import IDLE, UNKNOWN, Connection, OnConnect, parameters_of
from tenantry.pool.figures import Health, Holder, PoolFigures
from tenantry.pool.pool import Pool
from tenantry.pool.settings import PoolSettings

__all__ = [
    "IDLE",
    "UNKNOWN",
    "Connection",
    "Health",
    "Holder",
    "OnConnect",
    "Pool",
    "PoolFigures",
    "PoolSettings",
    "parameters_of",
]
