"""Whatever a query asks, the builder's rows are those of SQL's meaning, with values of the types that it promises."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from isolation.search import searched

from drawn.drawing import queries
from drawn.queries import DrawnQuery
from drawn.tables import COLUMNS, SCHEMAS, Deal, Tier, drop, fill, make, shared_rows, tenant_rows
from tenantry import FixedCatalog, Tenant, TenantModel, Tenantry, compiled
from tenantry.errors import InvalidQuery, MultipleResultsFound
from tenantry.naming import schema_name, tenant_id
from tenantry.query import Compiled


@pytest.fixture
def tenants(server, sql) -> Iterator[Tenantry]:
    make(sql)
    catalog = FixedCatalog(Tenant(tenant_id(name), schema_name(schema)) for name, schema in SCHEMAS.items())
    engine = Tenantry(server.url, catalog=catalog)
    yield engine
    engine.close()
    drop(sql)


def with_parameters(query: DrawnQuery) -> tuple[Compiled[..., Any], list[Any]]:
    """Compile *query* with a parameter for each literal in it; return their values as well."""
    literals = query.literals()
    names = {held: f"p{number}" for number, held in enumerate(literals)}

    def build(**given: Any) -> Any:
        return query.build(lambda held: given[names[held]])

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(name, kind, annotation=type(held.value)) for held, name in names.items()]
    build.__signature__ = inspect.Signature(parameters)
    return compiled(build), [held.value for held in literals]


def in_a_stream(query: DrawnQuery, built: Any, tables: Any) -> None:
    with built.stream(chunk=2) as rows:
        query.check(list(rows), tables)


def as_dicts(query: DrawnQuery, built: Any, tables: Any) -> None:
    try:
        rows = built.dicts()
    except InvalidQuery:  # Two columns have the same name.
        return
    query.check([tuple(row.values()) for row in rows], tables)


def into_something(query: DrawnQuery, built: Any, tables: Any) -> None:
    if not query.combined:
        rows = built.into(lambda *values: list(values)).execute()
        assert all(type(row) is list for row in rows)
        query.check(list(map(tuple, rows)), tables)


def one_by_one(query: DrawnQuery, built: Any, tables: Any) -> None:
    rows, first = built.execute(), built.first()
    query.check([] if first is None else [first], tables, most=1)
    if len(rows) > 1:
        for few in (built.one, built.one_or_none):
            with pytest.raises(MultipleResultsFound):
                few()
    else:
        query.check([row for row in [built.one_or_none()] if row is not None], tables)
        assert len(rows) == 1 or built.scalar() is None


def counted(query: DrawnQuery, built: Any, tables: Any) -> None:
    if not query.combined:
        assert (built.count(), built.exists()) == (len(rows := built.execute()), bool(rows))


def locked(query: DrawnQuery, built: Any, tables: Any) -> None:
    if query.can_lock:
        query.check(built.for_update().execute(), tables)


def after_a_write(query: DrawnQuery, built: Any, tables: Any) -> None:
    """In a transaction that has written to the tables of a tenant and to shared ones, and is rolled back."""
    changed = {model: [dict(row) for row in rows] for model, rows in tables.items()}
    with TenantModel._meta.database.atomic() as block:
        for model, values in {Deal: {"note": "late", "n": 3}, Tier: {"name": "late", "rank": None}}.items():
            model.update(values).where(model.id > 1).execute()
            for row in changed[model]:
                row |= values if row["id"] > 1 else {}
            new = {"id": 9} | {name: None for name in COLUMNS[model] if name != "id"} | {"big": 1, "total": Decimal(7)}
            new = {name: value for name, value in (new | values).items() if name in COLUMNS[model]}
            model.insert(new).execute()
            changed[model].append(new)
        query.check(built.execute(), changed)
        block.rollback()
    query.check(built.execute(), tables)


WAYS = (in_a_stream, as_dicts, into_something, one_by_one, counted, locked, after_a_write)


@settings(searched, max_examples=searched.max_examples * 8)
@given(query=queries(), shared=shared_rows, acme=tenant_rows, globex=tenant_rows, way=st.sampled_from(WAYS))
def test_a_query_gives_the_rows_of_its_meaning_and_the_types_that_it_promises(
    tenants, sql, query, shared, acme, globex, way
):
    of = {"acme": acme, "globex": globex}
    fill(sql, shared, of)
    built, (prepared, values) = query.build(lambda held: held.value), with_parameters(query)
    for name, rows in of.items():
        with tenants.use(name):
            query.check(built.execute(), shared | rows)
            query.check(prepared.execute(*values), shared | rows)
            way(query, built, shared | rows)
