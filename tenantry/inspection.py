"""What in a database leads out of a tenant, whatever the application does: read from PostgreSQL's own catalog.

Names that PostgreSQL has resolved (of views, keys, defaults, triggers, policies) it keeps as dependencies, which are
exact. What it resolves only when it runs (the text of functions) is judged by how it is declared.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from tenantry.naming import SchemaName, quoted

Ask = Callable[..., list[tuple[Any, ...]]]  # Runs SQL with its values, and returns the rows.


class Danger(enum.Enum):
    """A way in which one tenant's data can reach another's. The value is how it is told to people."""

    LEAVES = "refers to another schema than its own and the shared ones"  # T20, T21, T21d
    DEFINER = "runs with its owner's rights on the caller's search_path"  # T27
    CALLER = "looks its tables up on the caller's search_path"  # T20, T20e
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


# What belongs to a schema, by the kinds of objects that PostgreSQL keeps dependencies of.
_DEPARTURES = """
WITH own AS (SELECT oid, nspname FROM pg_catalog.pg_namespace WHERE nspname = ANY(%s)),
     tables AS (SELECT c.oid, c.relnamespace AS schema, c.relname AS name, c.relkind AS kind
                FROM pg_catalog.pg_class AS c WHERE c.relnamespace IN (SELECT oid FROM own)),
     parts(class, oid, schema, what) AS (
        SELECT 'pg_catalog.pg_class'::regclass, oid, schema, 'table ' || name FROM tables WHERE kind IN ('r', 'p')
        UNION ALL
        SELECT 'pg_catalog.pg_rewrite'::regclass, r.oid, t.schema, 'view ' || t.name
        FROM pg_catalog.pg_rewrite AS r JOIN tables AS t ON t.oid = r.ev_class
        UNION ALL
        SELECT 'pg_catalog.pg_attrdef'::regclass, d.oid, t.schema, 'the default of ' || t.name || '.' || a.attname
        FROM pg_catalog.pg_attrdef AS d JOIN tables AS t ON t.oid = d.adrelid
            JOIN pg_catalog.pg_attribute AS a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
        UNION ALL
        SELECT 'pg_catalog.pg_constraint'::regclass, c.oid, t.schema, 'constraint ' || c.conname || ' of ' || t.name
        FROM pg_catalog.pg_constraint AS c JOIN tables AS t ON t.oid = c.conrelid
        UNION ALL
        SELECT 'pg_catalog.pg_trigger'::regclass, g.oid, t.schema, 'trigger ' || g.tgname || ' of ' || t.name
        FROM pg_catalog.pg_trigger AS g JOIN tables AS t ON t.oid = g.tgrelid WHERE NOT g.tgisinternal
        UNION ALL
        SELECT 'pg_catalog.pg_policy'::regclass, p.oid, t.schema, 'policy ' || p.polname || ' of ' || t.name
        FROM pg_catalog.pg_policy AS p JOIN tables AS t ON t.oid = p.polrelid
        UNION ALL
        SELECT 'pg_catalog.pg_proc'::regclass, f.oid, f.pronamespace, 'function ' || f.proname
        FROM pg_catalog.pg_proc AS f WHERE f.pronamespace IN (SELECT oid FROM own)
     ),
     targets(class, oid, schema, name) AS (
        SELECT 'pg_catalog.pg_class'::regclass, oid, relnamespace, relname
        FROM pg_catalog.pg_class WHERE relkind NOT IN ('i', 'I')
        UNION ALL
        SELECT 'pg_catalog.pg_proc'::regclass, oid, pronamespace, proname FROM pg_catalog.pg_proc
        UNION ALL
        SELECT 'pg_catalog.pg_type'::regclass, oid, typnamespace, typname FROM pg_catalog.pg_type
     )
SELECT DISTINCT own.nspname, parts.what, there.nspname, targets.name
FROM parts
    JOIN own ON own.oid = parts.schema
    JOIN pg_catalog.pg_depend AS d ON d.classid = parts.class AND d.objid = parts.oid
    JOIN targets ON targets.class = d.refclassid AND targets.oid = d.refobjid
    JOIN pg_catalog.pg_namespace AS there ON there.oid = targets.schema
WHERE there.oid <> parts.schema AND there.nspname <> ALL(%s)
ORDER BY 1, 2, 3, 4
"""

_FUNCTIONS = """
SELECT n.nspname, f.proname, pg_catalog.pg_get_function_identity_arguments(f.oid), f.prosecdef
FROM pg_catalog.pg_proc AS f
    JOIN pg_catalog.pg_namespace AS n ON n.oid = f.pronamespace
    JOIN pg_catalog.pg_language AS l ON l.oid = f.prolang
WHERE n.nspname = ANY(%s) AND l.lanname NOT IN ('c', 'internal') AND f.prokind IN ('f', 'p')
    AND NOT EXISTS (SELECT FROM unnest(f.proconfig) AS setting WHERE setting LIKE 'search_path=%%')
    AND (f.prosecdef OR (n.nspname = ANY(%s) AND pg_catalog.pg_get_function_sqlbody(f.oid) IS NULL))
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d WHERE d.objid = f.oid AND d.deptype = 'e')
ORDER BY 1, 2, 3
"""

_VIEWS = """
SELECT n.nspname, c.relname FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = ANY(%s) AND c.relkind = 'v' AND current_setting('server_version_num')::int >= 150000
    AND NOT EXISTS (SELECT FROM unnest(c.reloptions) AS option
                    WHERE option IN ('security_invoker=true', 'security_invoker=on', 'security_invoker=1'))
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d WHERE d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1, 2
"""

_EXTENSIONS = """
SELECT e.extname, e.extrelocatable FROM pg_catalog.pg_extension AS e
    JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
WHERE n.nspname = 'public' ORDER BY 1
"""


def inspect(
    ask: Ask, tenants: Iterable[str], shared: Collection[str], *, extensions: str | None = None
) -> list[Finding]:
    """Look for what leads out of the schemas *tenants*, but for the *shared* ones and that of the *extensions*.

    Four queries, however many tenants there are.
    """
    own, common = sorted(tenants), [*shared, *([extensions] if extensions else [])]
    everywhere = ["pg_catalog", "information_schema", *common]
    found = [
        Finding(Danger.LEAVES, schema, what, f"{other}.{name}")
        for schema, what, other, name in ask(_DEPARTURES, own, everywhere)
    ]
    found += [
        Finding(Danger.LEAVES, schema, what, f"{other}.{name}", "a shared table cannot refer to a tenant's")
        for schema, what, other, name in ask(_DEPARTURES, list(shared), everywhere)
        if other in set(own)
    ]
    found += [_function(*row, shared=shared) for row in ask(_FUNCTIONS, [*own, *shared], list(shared))]
    found += [
        Finding(Danger.OWNER_VIEW, schema, f"view {name}", cure=_alter_view(schema, name))
        for schema, name in ask(_VIEWS, own)
    ]
    return found + [_extension(name, relocatable, extensions) for name, relocatable in ask(_EXTENSIONS)]


def _function(schema: str, name: str, arguments: str, definer: bool, *, shared: Collection[str]) -> Finding:
    alter = f"ALTER FUNCTION {quoted(SchemaName(schema))}.{quoted(SchemaName(name))}({arguments}) SET search_path = "
    if schema in shared:
        cure = f"name its tables with their schemas, then {alter}pg_catalog, pg_temp;"
    else:
        cure = f"{alter}{quoted(SchemaName(schema))}, pg_catalog, pg_temp;"
    return Finding(Danger.DEFINER if definer else Danger.CALLER, schema, f"function {name}", cure=cure)


def _alter_view(schema: str, name: str) -> str:
    return f"ALTER VIEW {quoted(SchemaName(schema))}.{quoted(SchemaName(name))} SET (security_invoker = true);"


def _extension(name: str, relocatable: bool, extensions: str | None) -> Finding:
    home = quoted(SchemaName(extensions or "extensions"))
    move = f"ALTER EXTENSION {quoted(SchemaName(name))} SET SCHEMA {home};"
    drop = f"it cannot be moved: DROP EXTENSION and CREATE EXTENSION {quoted(SchemaName(name))} SCHEMA {home};"
    return Finding(Danger.PUBLIC_EXTENSION, "public", f"extension {name}", cure=move if relocatable else drop)
