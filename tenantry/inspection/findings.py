"""What in a database is dangerous to tenants, and the cure of it."""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from tenantry.inspection.departures import Ask, Departure, Function, survey
from tenantry.naming import SchemaName, quoted


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
        for schema, name in ask(_VIEWS, own)
    ]
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
        follows = not is_own and not function.is_bound
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


def _alter_view(schema: str, name: str) -> str:
    return f"ALTER VIEW {quoted(SchemaName(schema))}.{quoted(SchemaName(name))} SET (security_invoker = true);"


def _extension(name: str, relocatable: bool, extensions: str | None) -> Finding:
    home = quoted(SchemaName(extensions or "extensions"))
    move = f"ALTER EXTENSION {quoted(SchemaName(name))} SET SCHEMA {home};"
    drop = f"it cannot be moved: DROP EXTENSION and CREATE EXTENSION {quoted(SchemaName(name))} SCHEMA {home};"
    return Finding(Danger.PUBLIC_EXTENSION, "public", f"extension {name}", cure=move if relocatable else drop)
