"""Whatever a query asks, the builder's rows are those of SQL's meaning, with values of the types that it promises."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from isolation.search import searched

from drawn.drawing import queries
from drawn.queries import DrawnQuery
from drawn.tables import SCHEMAS, drop, fill, make, shared_rows, tenant_rows
from tenantry import FixedCatalog, Tenant, Tenantry, compiled
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


@settings(searched, max_examples=searched.max_examples * 8)
@given(query=queries(), shared=shared_rows, acme=tenant_rows, globex=tenant_rows)
def test_a_query_gives_the_rows_of_its_meaning_and_the_types_that_it_promises(
    tenants, sql, query, shared, acme, globex
):
    of = {"acme": acme, "globex": globex}
    fill(sql, shared, of)
    built, (prepared, values) = query.build(lambda held: held.value), with_parameters(query)
    for name, rows in of.items():
        with tenants.use(name):
            query.check(built.execute(), shared | rows)
            query.check(prepared.execute(*values), shared | rows)
