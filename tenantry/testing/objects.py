"""What leads out of a tenant's schema without a statement that says so: views, triggers, defaults, keys, functions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import resources
from typing import NamedTuple

from tenantry.testing.boundary import Boundary, Outside, Relation

_EDGES = resources.files("tenantry.testing").joinpath("edges.sql").read_text("utf-8")
_FUNCTIONS = """
    SELECT pg_catalog.pg_describe_object('pg_catalog.pg_proc'::pg_catalog.regclass, p.oid, 0), p.prosrc,
        pg_catalog.array_to_string(p.proconfig, E'\n')
    FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
    JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
    WHERE l.lanname NOT IN ('c', 'internal') AND (n.nspname = %s OR p.oid = ANY (%s::pg_catalog.oid[]))
"""
_THERE = """
    SELECT n.nspname, c.relname FROM pg_catalog.pg_namespace AS n
    LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = ANY (%s) WHERE n.nspname = ANY (%s)
"""
_NAME = r'(?:"(?:[^"]|"")+"|[^\W\d][\w$]*)'
_QUALIFIED = re.compile(rf"(?<![\w$\".])({_NAME})\s*\.\s*({_NAME})")
_WORD = re.compile(_NAME)
_PATH = re.compile(r"^search_path=(.*)$", re.MULTILINE)


class Edge(NamedTuple):
    """A thing of a tenant's schema, and what it leads to."""

    kind: str
    what: str
    reference: str


def leading_out(outside: Outside, boundary: Boundary) -> list[Edge]:
    """Find what leads out of the schema of *boundary*, by what the server's catalog says and by the text of functions.

    That text tells what it names with a schema, and not what it puts together.
    """
    found, functions = [], []
    for kind, what, is_relation, function, of_extension, schema, name, table in outside.ask(_EDGES, boundary.own):
        relation = Relation(schema, name, table, of_extension)
        if function is not None:
            functions.append(function)
        if not (boundary.admits(relation) if is_relation else of_extension or boundary.knows(schema)):
            found.append(Edge(kind, what, str(relation)))
    for what, text, settings in outside.ask(_FUNCTIONS, boundary.own, functions):
        found += [Edge("function", what, name) for name in _named(outside, boundary, text, settings or "")]
    return sorted(set(found))


def _named(outside: Outside, boundary: Boundary, text: str, settings: str) -> Iterator[str]:
    pairs = {(_plain(schema), _plain(name)) for schema, name in _QUALIFIED.findall(text)}
    path = {_plain(name) for names in _PATH.findall(settings) for name in _WORD.findall(names)}
    names, schemas = [name for _, name in pairs], [*path, *(schema for schema, _ in pairs)]
    there = set(outside.ask(_THERE, names, schemas))
    for schema, name in sorted(pairs & there):
        if not boundary.admits(Relation(schema, name, name)):
            yield f"{schema}.{name}"
    for schema in sorted({schema for schema, _ in there}):
        others = sorted(name for named, name in pairs if named == schema and (schema, name) not in there)
        if not boundary.knows(schema):
            yield from (f"{schema}.{name}" for name in others)
            if schema in path:
                yield f"{schema} (its search_path)"


def _plain(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()
