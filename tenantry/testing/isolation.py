"""One piece of the application's work, done for a tenant, and the question whether it stayed there."""

# peewee's stubs leave out its private names.
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import peewee

from tenantry import SharedModel, Tenant, Tenantry
from tenantry.binding import models_of
from tenantry.errors import NotIsolated
from tenantry.testing import samples
from tenantry.testing.boundary import Boundary, Model, Outside
from tenantry.testing.report import Leak
from tenantry.testing.watch import Touch, Watch

R = TypeVar("R")

Rows = Mapping[str, tuple[int, str]]  # Of each table: how many, and a hash of them all.

_TABLES = """
    SELECT n.nspname, c.relname, pg_catalog.format('%%I.%%I', n.nspname, c.relname)
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname = ANY (%s)
"""
_ROWS = """
    SELECT pg_catalog.count(*), COALESCE(pg_catalog.md5(pg_catalog.string_agg(line, '' ORDER BY line)), '')
    FROM (SELECT pg_catalog.md5(each::text) AS line FROM {table} AS each) AS lines
"""


def assert_isolated(
    tenants: Tenantry,
    action: Callable[[], R],
    *,
    tenant: Tenant | str,
    other: Tenant | str,
    may_write: Iterable[Model] = (),
) -> R:
    """Do *action* for *tenant*, and return what it returns, if it has stayed there.

    It touches no table of *other*, nor any that is neither the tenant's nor a shared model's; what it returns holds
    nothing of the rows that are put into the tables of *other* for the time; and these tables and the shared ones, but
    for those that it *may_write*, are as they were. PostgreSQL is asked over a connection of its own.

    The action runs in a transaction, and is committed: give it tenants of the test's own, such as the fixture
    two_tenants makes.

    Raises:
        NotIsolated: it has not. The error names table, rows and statement.
        TransactionOpen: a transaction is open here (the fixture tenant has one).
        Exception: what *action* raises. It was rolled back then.
    """
    own, beside = (tenants[str(each)] for each in (tenant, other))
    boundary = Boundary.of(tenants, own)
    canary = f"canary-{secrets.token_hex(6)}"
    with Outside(tenants) as outside, _canaries(tenants, beside, canary):
        before = _rows(outside, beside, boundary)
        with tenants.use(own.id), tenants.database.atomic(), Watch(tenants, outside, boundary) as watch:
            result = action()
            touches = watch.foreign()
        after = _rows(outside, beside, boundary)
    said = [f"{touch.relation} was touched by\n    {touch.sql}" for touch in touches]
    said += _changes(before, after, may_write)
    said += ["what it returned holds a row of the other's"] * (canary in _text(result))
    if said:
        name = getattr(action, "__name__", "this work")
        head = f"{name} for {own} was to leave alone what is {beside}'s, and what is shared"
        raise NotIsolated("\n".join([head, *said]), leaks=[_leak(own, touch) for touch in touches])
    return result


def _leak(tenant: Tenant, touch: Touch) -> Leak:
    return Leak(tenant=tenant.id, model=None, kind="action", reference=str(touch.relation), evidence=touch.sql)


def _changes(before: Rows, after: Rows, may_write: Iterable[Any]) -> list[str]:
    free = {f"{model._meta.schema}.{model._meta.table_name}" for model in may_write}
    changed = [name for name in {**before, **after} if before.get(name) != after.get(name) and name not in free]
    return [f"{name} was changed: {_told(before.get(name))} before, {_told(after.get(name))} after" for name in changed]


def _rows(outside: Outside, other: Tenant, boundary: Boundary) -> Rows:
    found = {}
    schemas = [other.schema, *{schema for schema, _ in boundary.shared}]
    for schema, table, quoted in outside.ask(_TABLES, schemas):
        if schema == other.schema or (schema, table) in boundary.shared:
            found[f"{schema}.{table}"] = outside.ask(_ROWS.format(table=quoted))[0]
    return found


def _told(rows: tuple[int, str] | None) -> str:
    return "no table" if rows is None else f"{rows[0]} row{'s' * (rows[0] != 1)}"


@contextlib.contextmanager
def _canaries(tenants: Tenantry, tenant: Tenant, text: str) -> Iterator[None]:
    """Put a row into each table of *tenant* that takes one, with *text* wherever it has texts; take them out after."""
    made: list[Any] = []
    database: Any = tenants.database
    models: list[Any] = [model for model in models_of(tenants) if not issubclass(model, SharedModel)]
    with tenants.use(tenant.id):
        for model in models:
            rows: list[Any] = []
            if any(type(row)._meta.table_name == model._meta.table_name for row in made):
                continue  # Of several models of a table, one will do.
            with contextlib.suppress(Exception):  # No row then. Fields have errors of their own.
                with database.atomic():
                    samples.create(model, text, made=rows, make_shared=False)
                made += rows
    try:
        yield
    finally:
        with tenants.use(tenant.id):
            for row in reversed(made):
                with contextlib.suppress(Exception):  # The work may have taken it, or refer to it.
                    row.delete_instance()


def _text(value: Any) -> str:
    """Return all texts that are in *value*, at any depth."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, peewee.Model):
        return _text(value.__data__)
    if isinstance(value, Mapping):
        return " ".join(map(_text, value.items()))
    if isinstance(value, list | tuple | set | frozenset):
        return " ".join(map(_text, value))
    return str(value)
