"""What leads out of a schema without a statement that says so: views, triggers, defaults, keys, functions.

Names that PostgreSQL has resolved it keeps as dependencies, which are exact. The text of a function it resolves only
when that runs: it tells what it names with a schema, and not what it puts together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Any, NamedTuple

Ask = Callable[..., list[tuple[Any, ...]]]  # Runs SQL with its values, and returns the rows.

_DEPENDENCIES = resources.files("tenantry.inspection").joinpath("departures.sql").read_text("utf-8")
# A trigger is fired from outside when a row elsewhere goes or changes, and a foreign key takes this table's rows along:
# then it runs on the path of whoever has done that.
_FUNCTIONS = """
SELECT n.nspname, f.proname, pg_catalog.pg_get_function_identity_arguments(f.oid), f.prokind = 'p', f.prosecdef,
    pg_catalog.pg_get_function_sqlbody(f.oid) IS NOT NULL, f.prosrc,
    (SELECT pg_catalog.substr(setting, 13) FROM pg_catalog.unnest(f.proconfig) AS setting
     WHERE setting LIKE 'search\\_path=%%'),
    EXISTS (SELECT FROM pg_catalog.pg_trigger AS t JOIN pg_catalog.pg_constraint AS c ON c.conrelid = t.tgrelid
                JOIN pg_catalog.pg_class AS there ON there.oid = c.confrelid
            WHERE t.tgfoid = f.oid AND NOT t.tgisinternal AND there.relnamespace <> c.connamespace
                AND (c.confdeltype IN ('c', 'n', 'd') OR c.confupdtype IN ('c', 'n', 'd')))
FROM pg_catalog.pg_proc AS f
    JOIN pg_catalog.pg_namespace AS n ON n.oid = f.pronamespace
    JOIN pg_catalog.pg_language AS l ON l.oid = f.prolang
WHERE (n.nspname = ANY (%s) OR f.oid = ANY (%s::pg_catalog.oid[])) AND l.lanname NOT IN ('c', 'internal')
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d
                    WHERE d.classid = f.tableoid AND d.objid = f.oid AND d.deptype = 'e')
ORDER BY 1, 2, 3
"""
_THERE = """
SELECT n.nspname, t.name, COALESCE(pg_catalog.bool_or(t.is_relation), false)
FROM pg_catalog.pg_namespace AS n LEFT JOIN (
    SELECT relnamespace, relname, true FROM pg_catalog.pg_class
    UNION ALL SELECT pronamespace, proname, false FROM pg_catalog.pg_proc
    UNION ALL SELECT typnamespace, typname, false FROM pg_catalog.pg_type
) AS t (schema, name, is_relation) ON t.schema = n.oid AND t.name = ANY (%s)
WHERE n.nspname = ANY (%s) GROUP BY 1, 2
"""
_NAME = r'(?:"(?:[^"]|"")+"|[^\W\d][\w$]*)'
_QUALIFIED = re.compile(rf"(?<![\w$\".])({_NAME})\s*\.\s*({_NAME})")
_WORD = re.compile(_NAME)


class Relation(NamedTuple):
    """A table, view or sequence, or what else a schema has. A sequence goes with the *table* that owns it."""

    schema: str
    name: str
    table: str
    of_extension: bool = False

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


class Departure(NamedTuple):
    """A thing of a schema, and what it leads *to*. The text of a function may lead to what *is_there* not, or not yet;
    and its search_path to a whole schema, which has no name in it.
    """

    schema: str
    kind: str
    what: str
    to: Relation
    is_relation: bool
    is_there: bool = True

    @property
    def reference(self) -> str:
        """How what it leads to is called."""
        return str(self.to) if self.to.name else f"{self.to.schema} (its search_path)"


@dataclass(frozen=True, slots=True)
class Function:
    """A function or procedure, as it is declared. What *is_bound* has had its names resolved when it was made; *path*
    is its own search_path.
    """

    schema: str
    name: str
    arguments: str
    is_procedure: bool
    is_definer: bool
    is_bound: bool
    text: str
    path: str | None
    is_fired_from_outside: bool

    @property
    def what(self) -> str:
        return f"function {self.name}"

    def names(self) -> set[tuple[str, str]]:
        """Return what its text names with a schema, as the two; and the schemas of its path, with no name."""
        named = {(_plain(schema), _plain(name)) for schema, name in _QUALIFIED.findall(self.text)}
        return named | {(_plain(name), "") for name in _WORD.findall(self.path or "")}


def survey(ask: Ask, schemas: Collection[str]) -> tuple[list[Departure], list[Function]]:
    """Return what leads out of *schemas*, and their functions, with those elsewhere that they lead to.

    Three queries, however many schemas there are. What is PostgreSQL's own leads nowhere.
    """
    found, reached = [], []
    for schema, kind, what, other, name, table, of_extension, is_relation, function in ask(
        _DEPENDENCIES, list(schemas)
    ):
        found.append(Departure(schema, kind, what, Relation(other, name, table, of_extension), is_relation))
        if function is not None:
            reached.append(function)
    functions = [Function(*row) for row in ask(_FUNCTIONS, list(schemas), reached)]
    return list(dict.fromkeys([*found, *_named(ask, functions)])), functions  # Overloaded functions have one name.


def is_of_server(schema: str) -> bool:
    return schema.startswith("pg_") or schema == "information_schema"


def _named(ask: Ask, functions: Iterable[Function]) -> Iterator[Departure]:
    said = [(function, function.names()) for function in functions]
    names = {name for _, pairs in said for name in pairs}
    if not names:
        return
    rows = ask(_THERE, sorted({name for _, name in names}), sorted({schema for schema, _ in names}))
    there = {(schema, name): is_relation for schema, name, is_relation in rows}
    schemas = {schema for schema, _ in there if not is_of_server(schema)}  # Else it is an alias, or a row's name.
    for function, pairs in said:
        for schema, name in sorted(pairs):
            if schema in schemas:
                is_relation, is_there = there.get((schema, name), False), not name or (schema, name) in there
                to = Relation(schema, name, name)
                yield Departure(function.schema, "function", function.what, to, is_relation, is_there)


def _plain(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()
