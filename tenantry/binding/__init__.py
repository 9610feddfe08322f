"""The models and their database: whoever is bound. Rows and queries belong to the tenant that they were made for."""

from tenantry.binding.models import SharedModel, TenantModel, models_of
from tenantry.binding.proxy import BoundDatabase

__all__ = ["BoundDatabase", "SharedModel", "TenantModel", "models_of"]
