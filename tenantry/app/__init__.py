"""The engine, put together from the layers below it."""

from tenantry.app.carry import Stream, TenantExecutor, stream, wrap
from tenantry.app.engine import Tenantry
from tenantry.app.hooks import Hooks

__all__ = ["Hooks", "Stream", "TenantExecutor", "Tenantry", "stream", "wrap"]
