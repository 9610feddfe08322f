"""Schema changes of many tenants: files, a plan, and its application to one schema or to all of them.

>>> files = read_folder("migrations/tenant")
>>> for outcome in migrate(databases, files, jobs=4):
...     print(outcome.schema, outcome.state.value)
"""

from tenantry.migrations.apply import Applied, apply
from tenantry.migrations.files import Kind, MigrationFile, new_file, read_folder
from tenantry.migrations.fleet import Outcome, OutcomeState, migrate
from tenantry.migrations.history import applied, ensure, forget, versions
from tenantry.migrations.plan import Plan, plan, version_of
from tenantry.migrations.status import SchemaState, SchemaStatus, status

__all__ = [
    "Applied",
    "Kind",
    "MigrationFile",
    "Outcome",
    "OutcomeState",
    "Plan",
    "SchemaState",
    "SchemaStatus",
    "applied",
    "apply",
    "ensure",
    "forget",
    "migrate",
    "new_file",
    "plan",
    "read_folder",
    "status",
    "version_of",
    "versions",
]
