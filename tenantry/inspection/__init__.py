"""What in a database leads out of a tenant, whatever the application does: read from PostgreSQL's own catalog."""

from tenantry.inspection.departures import Departure, Relation, is_of_server, survey
from tenantry.inspection.findings import Danger, Finding, inspect

__all__ = ["Danger", "Departure", "Finding", "Relation", "inspect", "is_of_server", "survey"]
