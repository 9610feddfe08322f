"""The typed builder of queries over tenants' and shared tables."""

from tenantry.query.compiled import Compiled, compiled
from tenantry.query.raw import Raw, raw
from tenantry.query.select import Compound, Query, with_shared
from tenantry.query.sources import Derived, Step
from tenantry.query.statement import Statement
from tenantry.query.writes import Delete, Insert, Update

__all__ = [
    "Compiled",
    "Compound",
    "Delete",
    "Derived",
    "Insert",
    "Query",
    "Raw",
    "Statement",
    "Step",
    "Update",
    "compiled",
    "raw",
    "with_shared",
]
