"""Row-level security for shared tables that have a column for the tenant."""

from __future__ import annotations

import peewee

from tenantry.databases import TENANT
from tenantry.naming import quoted, schema_name

# NULL where nobody was told of, and then no row matches. A setting that was local to an ended transaction is empty.
_TENANT = f"NULLIF(pg_catalog.current_setting('{TENANT}', true), '')"


def tenant_policy(table: str | type[peewee.Model], column: str, *, schema: str | None = None) -> str:
    """Write the SQL by which a tenant sees and writes only its own rows of a shared *table*: those whose *column*, a
    text, is its id. For a shared migration; the engine needs ``tenant_setting=True``.

    It holds for the table's owner as well, and where no tenant is told of there are no rows.

    Raises:
        InvalidSchemaName: a name is none that PostgreSQL keeps whole.

    >>> print(tenant_policy("audit", "tenant"))
    ALTER TABLE "audit" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
    CREATE POLICY tenantry_tenant ON "audit"
        USING ("tenant" OPERATOR(pg_catalog.=) NULLIF(pg_catalog.current_setting('tenantry.tenant', true), ''))
        WITH CHECK ("tenant" OPERATOR(pg_catalog.=) NULLIF(pg_catalog.current_setting('tenantry.tenant', true), ''));
    """
    if not isinstance(table, str):
        meta = table._meta
        table, schema = meta.table_name, schema or meta.schema
    name = ".".join(quoted(schema_name(part)) for part in (schema, table) if part)
    own = f"{quoted(schema_name(column))} OPERATOR(pg_catalog.=) {_TENANT}"
    return (
        f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;\n"
        f"CREATE POLICY tenantry_tenant ON {name}\n    USING ({own})\n    WITH CHECK ({own});"
    )
