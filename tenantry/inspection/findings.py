"""What in a database is dangerous to tenants, and the cure of it."""

from __future__ import annotations

import enum
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from tenantry.inspection.departures import Ask, Departure, Function, survey
from tenantry.naming import SchemaName, quoted


class Danger(enum.Enum):
    """A way in which one tenant's data can reach another's. The value is how it is told to people."""

    LEAVES = "refers to another schema than its own and the shared ones"  # T20, T21, T21d
    DEFINER = "runs with its owner's rights on the caller's search_path"  # T27
    CALLER = "looks its tables up on the caller's search_path"  # T20, T20e
    ACTION = "reaches into the rows of every tenant when a shared row goes or changes"
    OWNER_VIEW = "shows what its owner may see, not who asks"  # T27b
    PUBLIC_EXTENSION = "is in public, which is on no tenant's path"


@dataclass(frozen=True, slots=True)
class Finding:
    """One object that is dangerous. *what* is its kind and name; *schema* the one that it is in; *to* what it refers
    to, where that is the danger; *cure* SQL, or words.
    """

    danger: Danger
    schema: str
    what: str
    to: str = ""
    cure: str = ""

    def __str__(self) -> str:
        return f"{self.schema}: {self.what} {self.danger.value}" + (f": {self.to}" if self.to else "")


# In a shared schema a view matters where a table behind it has policies: they ask who the view's owner is.
_VIEWS = """
SELECT n.nspname, c.relname FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'v' AND current_setting('server_version_num')::int >= 150000
    AND (n.nspname = ANY(%s) OR n.nspname = ANY(%s) AND EXISTS (
        SELECT FROM pg_catalog.pg_rewrite AS w
            JOIN pg_catalog.pg_depend AS d ON d.classid = w.tableoid AND d.objid = w.oid
            JOIN pg_catalog.pg_class AS t ON d.refclassid = t.tableoid AND t.oid = d.refobjid
        WHERE w.ev_class = c.oid AND t.relrowsecurity))
    AND NOT EXISTS (SELECT FROM unnest(c.reloptions) AS option
                    WHERE option IN ('security_invoker=true', 'security_invoker=on', 'security_invoker=1'))
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d WHERE d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1, 2
"""

# The constraint of a partition goes with that of its table.
_ACTIONS = """
SELECT n.nspname, t.relname, c.conname, shared.nspname, s.relname, pg_catalog.pg_get_constraintdef(c.oid)
FROM pg_catalog.pg_constraint AS c
    JOIN pg_catalog.pg_class AS t ON t.oid = c.conrelid JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace
    JOIN pg_catalog.pg_class AS s ON s.oid = c.confrelid
    JOIN pg_catalog.pg_namespace AS shared ON shared.oid = s.relnamespace
WHERE c.contype = 'f' AND c.conparentid = 0 AND n.nspname = ANY(%s) AND shared.nspname = ANY(%s)
    AND (c.confdeltype IN ('c', 'n', 'd') OR c.confupdtype IN ('c', 'n', 'd'))
ORDER BY 1, 2, 3
"""
_ACTION = re.compile(r" ON (?:DELETE|UPDATE) (?:CASCADE|SET NULL|SET DEFAULT)(?: \([^)]*\))?")
_REFERENCED = re.compile(r'(?<= REFERENCES )(?:"[^"]*"|[^("])+')

_EXTENSIONS = """
SELECT e.extname, e.extrelocatable FROM pg_catalog.pg_extension AS e
    JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
WHERE n.nspname = 'public' ORDER BY 1
"""


def inspect(
    ask: Ask, tenants: Iterable[str], shared: Collection[str], *, extensions: str | None = None
) -> list[Finding]:
    """Look for what leads out of the schemas *tenants*, but for the *shared* ones and that of the *extensions*.

    A handful of queries, however many tenants there are.
    """
    own, common = sorted(tenants), [*shared, *([extensions] if extensions else [])]
    departures, functions = survey(ask, [*own, *common])
    limits = _Limits(frozenset(own), frozenset(common))
    found = [
        Finding(Danger.LEAVES, way.schema, way.what, way.reference, "" if way.schema in own else _SHARED)
        for way in departures
        if limits.are_left_by(way)
    ]
    found += [finding for function in functions if (finding := limits.judge(function)) is not None]
    found += [
        Finding(Danger.OWNER_VIEW, schema, f"view {name}", cure=_alter_view(schema, name))
        for schema, name in ask(_VIEWS, own, common)
    ]
    found += [_action(*row) for row in ask(_ACTIONS, own, list(shared))]
    return found + [_extension(name, relocatable, extensions) for name, relocatable in ask(_EXTENSIONS)]


_SHARED = "what is shared cannot refer to a tenant's"


@dataclass(frozen=True, slots=True)
class _Limits:
    """Which schemas are a tenant's *own*, and which are *common* to all."""

    own: frozenset[str]
    common: frozenset[str]

    def are_left_by(self, way: Departure) -> bool:
        """Say whether *way* leads from one tenant to another, or from what is shared to a tenant."""
        other = way.to.schema
        if way.schema in self.own:
            return way.is_there and other != way.schema and other not in self.common
        return way.is_there and other in self.own

    def judge(self, function: Function) -> Finding | None:
        """Judge a function by how it is declared."""
        is_own = function.schema in self.own
        follows = not function.is_bound and (not is_own or function.is_fired_from_outside)
        if function.path is not None or not (function.is_definer or follows):
            return None
        danger = Danger.DEFINER if function.is_definer else Danger.CALLER
        schema, name = quoted(SchemaName(function.schema)), quoted(SchemaName(function.name))
        kind = "PROCEDURE" if function.is_procedure else "FUNCTION"
        alter = f"ALTER {kind} {schema}.{name}({function.arguments}) SET search_path = "
        if is_own:
            cure = f"{alter}{schema}, pg_catalog, pg_temp;"
        else:
            cure = f"name its tables with their schemas, then {alter}pg_catalog, pg_temp;"
        return Finding(danger, function.schema, function.what, cure=cure)


def _action(schema: str, table: str, name: str, other: str, referenced: str, definition: str) -> Finding:
    actions = "".join(_ACTION.findall(definition))
    key, target = quoted(SchemaName(name)), f"{quoted(SchemaName(other))}.{quoted(SchemaName(referenced))}"
    plain = _REFERENCED.sub(lambda _: target, _ACTION.sub("", definition))
    alter = f"ALTER TABLE {quoted(SchemaName(schema))}.{quoted(SchemaName(table))}"
    cure = f"{alter} DROP CONSTRAINT {key}, ADD CONSTRAINT {key} {plain};"
    return Finding(Danger.ACTION, schema, f"constraint {name} of {table}", f"{other}.{referenced}{actions}", cure)


def _alter_view(schema: str, name: str) -> str:
    return f"ALTER VIEW {quoted(SchemaName(schema))}.{quoted(SchemaName(name))} SET (security_invoker = true);"


def _extension(name: str, relocatable: bool, extensions: str | None) -> Finding:
    home = quoted(SchemaName(extensions or "extensions"))
    move = f"ALTER EXTENSION {quoted(SchemaName(name))} SET SCHEMA {home};"
    drop = f"it cannot be moved: DROP EXTENSION and CREATE EXTENSION {quoted(SchemaName(name))} SCHEMA {home};"
    return Finding(Danger.PUBLIC_EXTENSION, "public", f"extension {name}", cure=move if relocatable else drop)
