"""The typed builder of queries over tenants' and shared tables."""

from tenantry.query.compiled import Compiled, compiled
from tenantry.query.raw import Raw, raw
from tenantry.query.select import Query, with_shared
from tenantry.query.sources import Derived, Step
from tenantry.query.statement import Statement

__all__ = ["Compiled", "Derived", "Query", "Raw", "Statement", "Step", "compiled", "raw", "with_shared"]
