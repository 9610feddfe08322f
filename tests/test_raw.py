"""Raw SQL over the tables of a tenant and the shared ones: its schemas are put in, and nothing else is."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

import peewee
import pytest
from relay import Relay
from shop import Customer, Invoice, Plan

from tenantry import FixedCatalog, Tenant, raw
from tenantry.databases.texts import quoted_parts
from tenantry.errors import (
    InvalidQuery,
    MultipleResultsFound,
    NoResultFound,
    NoTenantBound,
    NothingBound,
    SessionRequired,
    WrongTenant,
)
from tenantry.naming import quoted, schema_name, tenant_id

LINES = "SELECT i.id, p.name FROM {tenant}.invoice i JOIN {shared}.plan p ON p.id = i.plan_id WHERE i.total > %s"


@pytest.fixture
def tenants(tenants):
    """Two plans; in acme an invoice of the first and one without, in globex one of the second."""
    with tenants.shared():
        free, pro = Plan.create(name="free"), Plan.create(name="pro")
    with tenants.use("acme"):
        Invoice.create(plan=free, total=12, note="100%")
        Invoice.create(total=5)
    with tenants.use("globex"):
        Invoice.create(plan=pro, total=70)
    return tenants


@pytest.fixture
def acme(tenants):
    with tenants.use("acme", across_yield=True):
        yield tenants


# The schemas.


def test_each_tenant_gets_its_own_rows_and_the_shared_ones(tenants):
    query, found = raw(LINES, 10), {}
    for tenant in ("acme", "globex"):
        with tenants.use(tenant):
            found[tenant] = query.execute()
    assert found == {"acme": [(1, "free")], "globex": [(1, "pro")]}


def test_schemas_of_any_name_are_quoted(sql, make_engine):
    names = {kind: schema_name(f'odd " 50%s {{tenant}} {kind}') for kind in ("tenant", "shared")}
    for schema in names.values():
        sql(f"CREATE SCHEMA {quoted(schema)} AUTHORIZATION tenantry_test")
    try:
        catalog = FixedCatalog([Tenant(tenant_id("odd"), names["tenant"])])
        engine = make_engine(catalog=catalog, shared_schema=names["shared"])
        with engine.use("odd"):
            for kind in names:
                raw(f"CREATE TABLE {{{kind}}}.kind AS SELECT %s AS name", kind).execute()
            query = raw("SELECT * FROM {tenant}.kind, {shared}.kind b WHERE b.name = %s", "shared")
            assert query.execute() == [("tenant", "shared")]
        with engine.shared():
            assert raw("SELECT * FROM {shared}.kind").execute() == [("shared",)]
    finally:
        for schema in names.values():
            sql(f"DROP SCHEMA {quoted(schema)} CASCADE")


def test_a_name_without_a_schema_is_the_bound_ones(tenants):
    with tenants.use("globex"):
        assert raw("SELECT total FROM invoice").scalar() == 70
    with tenants.shared():
        assert raw("SELECT name FROM plan ORDER BY 1").execute() == [("free",), ("pro",)]


@pytest.mark.parametrize(
    "text", ["", "x", "{tenant}", "'{{'", "U&'a' '' \"{{\"", "$$ {{ $$", "-- {{\n", "/* /* */ {{ */ 1"]
)
def test_what_is_doubled_and_stands_in_quotes_is_no_placeholder(text):
    raw(f"SELECT 1 {text}")


def test_doubled_braces_and_percent_signs_are_sent_once(acme):
    query = raw("""SELECT id FROM {tenant}.invoice WHERE note LIKE '1%%' AND '{{"a": 1}}'::jsonb ? %s""", "a")
    assert query.execute() == [(1,)]
    assert raw("SELECT '100%%', 7 %% 4").execute() == [("100%", 3)]


# What is refused when it is built.


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            "SELECT *\nFROM {schema}.invoice",
            r"'{schema}' in line 2, column 6, is no placeholder.*'FROM {schema}.invoice'",
        ),
        ("SELECT * FROM {}.invoice", "'{}' in line 1, column 15, is no placeholder"),
        ("SELECT * FROM {0}.invoice", "'{0}' .* is no placeholder: {tenant} and {shared} are"),
        ("SELECT * FROM {tenant!r}.invoice", "'{tenant!r}' .* is no placeholder"),
        ("SELECT * FROM {tenant:>9}.invoice", "'{tenant:>9}' .* is no placeholder"),
        ("SELECT * FROM { tenant }.invoice", "'{ tenant }' .* is no placeholder"),
        ("SELECT * FROM {tenant.invoice", "'{' in line 1, column 15, has no other half"),
        ("SELECT * FROM {tenant}}.invoice", "'}' in line 1, column 23, has no other half"),
        ("SELECT 5 % 3", "'%' in line 1, column 10, is no placeholder.*a % that is meant is doubled, %%"),
        ("SELECT %d", "'%' .* is no placeholder"),
        ("SELECT %()s", r"'%\(\)s' .* is no placeholder"),
        ("SELECT '{tenant}'", "'{tenant}' in line 1, column 9, stands in quotes or in a comment"),
        ("SELECT E'\\'{tenant}'", "'{tenant}' .* stands in quotes"),
        ("SELECT 'it''s {tenant}'", "'{tenant}' .* stands in quotes"),
        ('SELECT * FROM "{shared}".plan', "'{shared}' .* stands in quotes"),
        ("DO $body$ SELECT '$$' FROM {tenant}.x $body$", "'{tenant}' .* stands in quotes"),
        ("SELECT 1 -- {tenant}", "'{tenant}' .* stands in quotes or in a comment"),
        ("SELECT 1 /* /* */ {tenant} */", "'{tenant}' .* stands in quotes or in a comment"),
        ("SELECT 1 /* {tenant}", "'{tenant}' .* stands in quotes or in a comment"),
        ("SELECT '%s'", "'%s' .* stands in quotes"),
        ("SELECT '%(a)s'", r"'%\(a\)s' .* stands in quotes"),
        (3, "takes SQL as a text, and was given 3"),
    ],
)
def test_a_placeholder_that_cannot_be_one_is_refused_where_it_stands(text, error):
    with pytest.raises(InvalidQuery, match=error):
        raw(text)


@pytest.mark.parametrize(
    ("text", "values", "error"),
    [
        ("SELECT %s, %s", (1,), "was given 1 values, and its text has a %s for 2"),
        ("SELECT 1", (1,), "was given 1 values, and its text has a %s for 0"),
        ("SELECT %(a)s", (1,), "have the names a: give them as one mapping"),
        ("SELECT %(a)s", ({"a": 1}, {}), "give them as one mapping"),
        ("SELECT %(a)s, %(b)s", ({"a": 1},), "was given no value for b"),
        ("SELECT %(a)s", ({"a": 1, "b": 2},), "was given values for b, which its text does not name"),
        ("SELECT %(a)s, %s", ({"a": 1},), "by name or in their order"),
        ("SELECT %s", (Invoice(id=1),), "of a row give its key"),
        ("SELECT %(a)s", ({"a": Invoice.id},), "of a row give its key"),
    ],
)
def test_values_that_do_not_fit_the_text_are_refused(text, values, error):
    with pytest.raises(InvalidQuery, match=error):
        raw(text, *values)


def test_a_value_is_a_value_whatever_is_in_it(acme):
    text = "'; DROP TABLE {tenant}.invoice; -- %s {"
    assert raw("SELECT %s, %s", text, None).one() == (text, None)
    assert raw("SELECT %(a)s, %(b)s, %(a)s", {"a": text, "b": 1}).one() == (text, 1, text)


def test_quotes_of_all_kinds_end_where_postgresql_ends_them():
    text = "'a' x'b' E'\\'c' e'd''\\'e' date'\\' \"f\"\"g\" $$h'$$ $t$ $$ $t$ a$b$c -- i\n/* j /* k */ l */ 'm"
    found = [text[part.start : part.stop] for part in quoted_parts(text)]
    assert found == [
        "'a'", "'b'", "E'\\'c'", "e'd''\\'e'", "'\\'", '"f"', '"g"', "$$h'$$",
        "$t$ $$ $t$", "-- i", "/* j /* k */ l */", "'m",
    ]  # fmt: skip


# Its rows.


@dataclass
class Line:
    id: int
    name: str


class Pair(NamedTuple):
    id: int
    name: str


def test_one_is_one_and_says_otherwise(acme):
    query = raw("SELECT id FROM {tenant}.invoice WHERE id < %s ORDER BY id", 9)
    assert (query.first(), query.scalar(), list(query)) == ((1,), 1, [(1,), (2,)])
    assert raw("SELECT id FROM {tenant}.invoice WHERE id = %s", 2).one() == (2,)
    with pytest.raises(MultipleResultsFound, match="this raw query found more than one row"):
        query.one()
    with pytest.raises(MultipleResultsFound):
        query.one_or_none()
    nothing = raw("SELECT id FROM {tenant}.invoice WHERE false")
    assert (nothing.first(), nothing.scalar(), nothing.one_or_none(), nothing.dicts()) == (None, None, None, [])
    with pytest.raises(NoResultFound):
        nothing.one()


@pytest.mark.parametrize("made", [Line, Pair, lambda number, name: (number, name)])
def test_rows_become_what_they_are_put_into(acme, made):
    assert raw(LINES, 10).into(made).one() == made(1, "free")
    assert raw("SELECT total FROM {tenant}.invoice ORDER BY id").into(str).execute() == ["12", "5"]


def test_a_column_that_would_become_another_field_is_refused(acme):
    with pytest.raises(InvalidQuery, match=r"into\(Line\): value 1 is 'name' and would become 'id'.* with AS id$"):
        raw("SELECT name, id FROM {shared}.plan").into(Line).execute()
    with pytest.raises(InvalidQuery, match=r"into\(Line\) is given 1 values"):
        raw("SELECT id FROM {shared}.plan").into(Line).execute()


def test_rows_are_had_as_dicts_by_the_names_of_the_columns(acme):
    assert raw("SELECT id, total AS sum FROM {tenant}.invoice WHERE id = 1").dicts() == [{"id": 1, "sum": Decimal(12)}]
    with pytest.raises(InvalidQuery, match="two columns are called 'id'"):
        raw("SELECT i.id, p.id FROM {tenant}.invoice i, {shared}.plan p").dicts()


def test_a_write_gives_its_rows_where_it_returns_some_and_says_how_many_it_changed(acme):
    assert raw("UPDATE {tenant}.invoice SET total = total + %s", 1).execute() == []
    assert raw("UPDATE {tenant}.invoice SET total = total + 1").rowcount() == 2
    assert raw("DELETE FROM {tenant}.invoice WHERE id = 2").dicts() == []
    added = raw("INSERT INTO {tenant}.customer (name) VALUES (%s) RETURNING id, name", "Ada")
    assert (added.execute(), Customer.get().name, Invoice.get().total) == ([(1, "Ada")], "Ada", 14)


# For whom it runs.


@pytest.mark.parametrize("run", ["execute", "first", "one", "one_or_none", "scalar", "dicts", "rowcount"])
def test_made_in_a_tenant_it_runs_in_no_other(tenants, run):
    with tenants.use("acme"):
        query = raw("SELECT count(*) FROM {tenant}.invoice")
        getattr(query, run)()
    with tenants.use("globex"):
        for each in (query, query.into(lambda count: count)):
            with pytest.raises(WrongTenant, match="this raw query belongs to tenant 'acme'"):
                getattr(each, run)()


def test_put_into_something_elsewhere_it_is_still_its_tenants(tenants):
    with tenants.use("acme"):
        query = raw("SELECT 1")
    with tenants.use("globex"), pytest.raises(WrongTenant):
        query.into(str).execute()


def test_made_of_the_shared_schema_it_runs_in_each_tenant(tenants):
    with tenants.shared():
        query = raw("SELECT count(*) FROM {shared}.plan")
    with tenants.use("acme"):
        assert query.scalar() == 2


def test_without_a_tenant_nothing_is_sent(server, make_engine, tenants):
    with Relay(server.url) as relay:
        engine = make_engine(url=relay.url)
        with relay.counting() as messages:
            with pytest.raises(NoTenantBound, match="this raw query needs a tenant, and no tenant is bound here"):
                raw(LINES, 10).execute()
            with pytest.raises(NothingBound):
                raw("SELECT * FROM {shared}.plan").execute()
            with engine.shared(), pytest.raises(NoTenantBound, match="the shared schema is bound here"):
                raw(LINES, 10).execute()
        assert messages == []


def test_it_is_part_of_the_open_transaction(acme):
    with pytest.raises(ZeroDivisionError), acme.database.atomic():
        raw("INSERT INTO {shared}.plan (name) VALUES (%s)", "late").execute()
        raw("UPDATE {tenant}.invoice SET note = %s", "late").execute()
        assert raw("SELECT count(*) FROM {shared}.plan").scalar() == 3
        raise ZeroDivisionError
    assert raw(
        "SELECT count(*), (SELECT count(*) FROM {tenant}.invoice WHERE note = 'late') FROM {shared}.plan"
    ).one() == (2, 0)


def test_what_would_stay_on_the_connection_is_refused(acme):
    with pytest.raises(SessionRequired):
        raw("SET search_path = {shared}").execute()


@pytest.mark.direct  # Behind a pooler it is scrubbed in its own transaction, and no connection is marked.
def test_what_may_leave_something_marks_the_connection(make_engine, tenants):
    engine = make_engine(pool_size=1)
    with engine.use("acme"):
        raw("SELECT count(*) FROM {tenant}.invoice").execute()
        assert [connection.marked for connection in engine.parts.pool._idle] == [False]
        raw("SELECT set_config('search_path', %s, false)", "t_globex").execute()
        assert [connection.marked for connection in engine.parts.pool._idle] == [True]
        assert raw("SELECT total FROM invoice ORDER BY id").scalar() == 12


def test_an_error_of_the_server_is_peewees(acme):
    with pytest.raises(peewee.ProgrammingError):
        raw("SELECT * FROM {tenant}.nothing").execute()
