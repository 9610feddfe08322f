"""Schema changes of many tenants: files, a plan, and its application to one schema or to all of them.

>>> files = read_folder("migrations/tenant")
>>> for outcome in migrate(databases, files, jobs=4):
...     print(outcome.schema, outcome.state.value)
"""

from tenantry.migrations.apply import Applied, apply
from tenantry.migrations.files import Kind, MigrationFile, read_folder
from tenantry.migrations.fleet import Outcome, OutcomeState, migrate
from tenantry.migrations.history import applied, ensure, forget, versions
from tenantry.migrations.plan import Plan, plan, version_of

__all__ = [
    "Applied",
    "Kind",
    "MigrationFile",
    "Outcome",
    "OutcomeState",
    "Plan",
    "applied",
    "apply",
    "ensure",
    "forget",
    "migrate",
    "plan",
    "read_folder",
    "version_of",
    "versions",
]
