"""The engine, put together from the layers below it."""

from tenantry.app.engine import Tenantry
from tenantry.app.hooks import Hooks

__all__ = ["Hooks", "Tenantry"]
