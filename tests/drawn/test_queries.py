"""Whatever a query asks, the builder's rows are those of SQL's meaning, with values of the types that it promises."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from isolation.search import searched

from drawn.drawing import combinable, queries
from drawn.tables import SCHEMAS, Deal, Line, contents, drop, fill, make, plain, shared_rows, tenant_rows
from drawn.ways import WAYS, as_value, with_parameters
from drawn.writes import writes
from tenantry import FixedCatalog, Tenant, TenantModel, Tenantry, across
from tenantry.errors import InvalidQuery
from tenantry.naming import schema_name, tenant_id


@pytest.fixture
def tenants(server, sql) -> Iterator[Tenantry]:
    make(sql)
    catalog = FixedCatalog(Tenant(tenant_id(name), schema_name(schema)) for name, schema in SCHEMAS.items())
    engine = Tenantry(server.url, catalog=catalog)
    yield engine
    engine.close()
    drop(sql)


@settings(searched, max_examples=searched.max_examples * 8)
@given(query=queries(), shared=shared_rows, acme=tenant_rows, globex=tenant_rows, way=st.sampled_from(WAYS))
def test_a_query_gives_the_rows_of_its_meaning_and_the_types_that_it_promises(
    tenants, sql, query, shared, acme, globex, way
):
    of = {"acme": acme, "globex": globex}
    fill(sql, shared, of)
    built, (prepared, values) = query.build(as_value), with_parameters(query.build)
    for name, rows in of.items():
        with tenants.use(name):
            query.check(built.execute(), shared | rows)
            query.check(prepared.execute(*values), shared | rows)
            way(query, built, shared | rows)


@settings(searched, max_examples=searched.max_examples * 2)
@given(query=queries(), shared=shared_rows, acme=tenant_rows, globex=tenant_rows, batch=st.sampled_from((None, 1)))
def test_many_tenants_give_each_its_own_rows_of_that_meaning(tenants, sql, query, shared, acme, globex, batch):
    of = {"acme": acme, "globex": globex}
    fill(sql, shared, of)
    asked = across(tenants, query.build(as_value), batch=batch)
    if not query.reads(Deal, Line):
        with pytest.raises(InvalidQuery, match="reads shared ones alone"):
            asked.execute()
        return
    with asked.stream(chunk=2) as streamed:
        for found in (asked.execute(), list(streamed)):
            assert [tenant for tenant, _ in found] == sorted(tenant for tenant, _ in found)
            for name, rows in of.items():
                query.check([row for tenant, row in found if tenant == name], shared | rows)


@settings(searched, max_examples=searched.max_examples * 2)
@given(query=combinable(), shared=shared_rows, acme=tenant_rows, globex=tenant_rows, batch=st.sampled_from((None, 1)))
def test_the_groups_of_many_tenants_come_together_as_of_one(tenants, sql, query, shared, acme, globex, batch):
    fill(sql, shared, {"acme": acme, "globex": globex})
    asked = across(tenants, query.build(as_value), batch=batch)
    if not each_row_is_a_tenants(query):
        with pytest.raises(InvalidQuery, match="a shared row that stands alone"):
            asked.combined()
        return
    found = asked.combined()
    query.check_rows(found, query.together([shared | acme, shared | globex]))


def each_row_is_a_tenants(query: Any) -> bool:
    is_there = issubclass(query.model, TenantModel)
    for join in query.joins:
        joined = issubclass(join.model, TenantModel)
        kept = {"left_join": is_there, "right_join": joined, "full_join": is_there and joined}
        is_there = kept.get(join.kind, is_there or joined)
    return is_there


@settings(searched, max_examples=searched.max_examples * 2)
@given(write=writes(), shared=shared_rows, acme=tenant_rows, globex=tenant_rows)
def test_a_write_leaves_the_rows_of_its_meaning_and_gives_back_what_it_wrote(tenants, sql, write, shared, acme, globex):
    of = {"acme": acme, "globex": globex}
    fill(sql, shared, of)
    for name, rows in of.items():
        with tenants.use(name):
            for run in write.ways():
                with tenants.database.atomic() as block:
                    write.check(run(), shared | rows)
                    left = write.left(shared | rows)
                    for other, there in of.items():
                        after = left if other == name else left | there
                        assert contents(tenants.database, SCHEMAS[other], after) == plain(after)
                    block.rollback()
