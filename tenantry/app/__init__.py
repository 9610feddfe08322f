"""The engine, put together from the layers below it."""

from tenantry.app.across import Across, across
from tenantry.app.carry import Stream, TenantExecutor, stream, wrap
from tenantry.app.engine import Tenantry
from tenantry.app.hooks import Hooks

__all__ = ["Across", "Hooks", "Stream", "TenantExecutor", "Tenantry", "across", "stream", "wrap"]
