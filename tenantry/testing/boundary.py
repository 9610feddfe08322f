"""What may be touched for a tenant, its own tables and those of shared models, and what PostgreSQL says of both."""

# peewee's stubs leave out its private names.
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

import peewee

from tenantry import SharedModel, Tenant, Tenantry
from tenantry.binding import models_of
from tenantry.inspection import Departure, Relation, is_of_server
from tenantry.naming import SchemaName

Model = type[peewee.Model]


# Indexes and TOAST tables are left out: their tables are touched as well.
NAMES = """
    SELECT c.oid, n.nspname, c.relname, COALESCE(owner.relname, c.relname), EXISTS (
        SELECT FROM pg_catalog.pg_depend AS e
        WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND e.objid = c.oid AND e.deptype = 'e')
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_depend AS d ON c.relkind = 'S' AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
        AND d.objid = c.oid AND d.refclassid = d.classid AND d.deptype IN ('a', 'i')
    LEFT JOIN pg_catalog.pg_class AS owner ON owner.oid = d.refobjid
    WHERE c.oid = ANY (%s::pg_catalog.oid[]) AND c.relkind NOT IN ('i', 'I', 't')
"""


@dataclass(frozen=True, slots=True)
class Boundary:
    """Between what a tenant may touch and what it may not."""

    own: SchemaName
    shared: frozenset[tuple[str, str]]  # Schema and table.

    @classmethod
    def of(cls, tenants: Tenantry, tenant: Tenant, shared_tables: Iterable[str] = ()) -> Self:
        """Return that of *tenant*. *shared_tables*, as ``schema.table``, are shared without a model."""
        models = [each._meta for each in models_of(tenants) if issubclass(each, SharedModel)]
        named = [tuple(each.partition(".")[::2]) for each in shared_tables]
        # What stands in a tenant's schema is the tenant's, whatever a model says.
        schemas = {each.schema for each in tenants}
        shared = {(schema, table) for schema, table in [*((m.schema, m.table_name) for m in models), *named]}
        return cls(tenant.schema, frozenset((schema, table) for schema, table in shared if schema not in schemas))

    def admits(self, relation: Relation) -> bool:
        """Say whether *relation* may be touched."""
        return (
            relation.schema == self.own
            or relation.of_extension
            or is_of_server(relation.schema)
            or (relation.schema, relation.table) in self.shared
        )

    def lets_out(self, way: Departure) -> bool:
        """Say whether *way* leads to what may be touched. Functions and types may be, where shared tables are."""
        if way.is_relation:
            return self.admits(way.to)
        schemas = {self.own, *(schema for schema, _ in self.shared)}
        return way.to.of_extension or is_of_server(way.to.schema) or way.to.schema in schemas


class Outside:
    """A connection outside the pool, which sees what is committed, and who has locked what.

    Every relation that a statement names is locked until its transaction or savepoint ends, by the parser, the rewriter
    (tables behind views) and the executor (what triggers, foreign keys, defaults and functions touch) alike.
    """

    def __init__(self, tenants: Tenantry) -> None:
        self._connection = tenants.parts.pool.address.connect()
        self._names: dict[int, Relation | None] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._connection.close()

    def ask(self, sql: str, *params: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query, all of whose names are qualified."""
        cursor = self._connection.cursor()
        cursor.execute(sql, params or None)
        return cursor.fetchall() if cursor.description else []

    def locked_by(self, pid: int) -> set[int]:
        """Return the oids of all relations that the backend *pid* holds locks on."""
        rows = self.ask(
            "SELECT relation FROM pg_catalog.pg_locks WHERE pid = %s AND locktype = 'relation' AND database = "
            "(SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())",
            pid,
        )
        return {oid for (oid,) in rows}

    def relations(self, oids: Iterable[int]) -> dict[int, Relation]:
        """Name those of *oids* that are committed."""
        new = [oid for oid in oids if oid not in self._names]
        if new:
            self._names |= {oid: Relation(*row) for oid, *row in self.ask(NAMES, new)}
        return {oid: found for oid in oids if (found := self._names.get(oid)) is not None}
