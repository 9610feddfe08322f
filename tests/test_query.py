"""The typed builder: one statement over the tables of a tenant and the shared ones, each with its schema."""

from __future__ import annotations

import datetime
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import peewee
import pytest
from psycopg2.extensions import AsIs
from relay import Relay
from shop import Customer, Invoice, Plan

from tenantry import FixedCatalog, SharedModel, Tenant, TenantModel, compiled, fn, with_shared
from tenantry.errors import (
    InvalidModel,
    InvalidQuery,
    MultipleResultsFound,
    NoResultFound,
    NoTenantBound,
    NothingBound,
    WrongTenant,
)
from tenantry.naming import quoted, schema_name, tenant_id
from tenantry.query.select import Query


class Copied(Invoice):
    class Meta:
        alias = True


def invoices() -> Any:
    return with_shared(Invoice).left_join(Plan, on=Invoice.plan == Plan.id)


@pytest.fixture
def tenants(tenants):
    """Two plans; in acme an invoice of the first, and one without a plan; in globex one of the second."""
    with tenants.shared():
        free, pro = Plan.create(name="free"), Plan.create(name="pro")
    with tenants.use("acme"):
        Invoice.create(plan=free, total=12, note="acme's", customer=Customer.create(name="Ada"))
        Invoice.create(total=5)
    with tenants.use("globex"):
        Invoice.create(plan=pro, total=7, note="globex's")
    return tenants


@pytest.fixture
def acme(tenants):
    with tenants.use("acme", across_yield=True):
        yield tenants


# The tables.


def test_both_sides_have_their_schema_in_the_statement(acme):
    sql, values = invoices().where(Invoice.total > 10).select(Invoice.id, Plan.name).sql()
    assert sql == (
        'SELECT "t1"."id", "t2"."name" FROM "t_acme"."invoice" AS "t1" '
        'LEFT OUTER JOIN "public"."plan" AS "t2" ON ("t1"."plan_id" = "t2"."id") WHERE ("t1"."total" > %s)'
    )
    assert values == [Decimal(10)]


def test_where_nothing_is_bound_its_sql_can_be_read_all_the_same(tenants):
    assert '"tenant"."invoice"' in invoices().sql()[0]


def test_a_schema_of_any_name_is_quoted(sql, make_engine):
    name = 'odd " 50%s name'
    schema = schema_name(name)
    sql(f"CREATE SCHEMA {quoted(schema)} AUTHORIZATION tenantry_test")
    try:
        engine = make_engine(catalog=FixedCatalog([Tenant(tenant_id("odd"), schema)]))
        with engine.use("odd"):
            engine.database.execute_sql("CREATE TABLE customer (id serial PRIMARY KEY, name text)")
            Customer.create(name="Ada")
            assert with_shared(Customer).where(Customer.name == "Ada").select(Customer.name).execute() == [("Ada",)]
            with with_shared(Customer).select(Customer.name).stream() as rows:
                assert list(rows) == [("Ada",)]
            assert compiled(lambda: with_shared(Customer).select(Customer.name)).execute() == [("Ada",)]
    finally:
        sql(f"DROP SCHEMA {quoted(schema)} CASCADE")


@pytest.mark.parametrize(
    ("join", "expected"),
    [
        (Query.join, {(1, "free")}),
        (Query.left_join, {(1, "free"), (2, None)}),
        (Query.right_join, {(1, "free"), (None, "pro")}),
        (Query.full_join, {(1, "free"), (2, None), (None, "pro")}),
    ],
    ids=["inner", "left", "right", "full"],
)
def test_each_join_keeps_the_rows_that_it_says(acme, join, expected):
    query = join(with_shared(Invoice), Plan, on=Invoice.plan == Plan.id)
    assert set(query.select(Invoice.id, Plan.name)) == expected


def test_a_cross_join_joins_each_row_with_each(acme):
    assert with_shared(Invoice).cross_join(Plan).select(Invoice.id, Plan.name).count() == 4


def test_several_tables_are_joined(acme):
    query = invoices().join(Customer, on=Invoice.customer == Customer.id).select(Customer.name, Plan.name)
    assert query.one() == ("Ada", "free")


def test_a_query_may_begin_with_a_shared_table(acme):
    query = with_shared(Plan).left_join(Invoice, on=Invoice.plan == Plan.id).select(Plan.name, Invoice.id)
    assert query.order_by(Plan.name).execute() == [("free", 1), ("pro", None)]


def test_a_table_is_joined_to_itself_by_an_alias(acme):
    query = with_shared(Invoice).join(Copied, on=Copied.id > Invoice.id).select(Invoice.id, Copied.id)
    assert query.execute() == [(1, 2)]


def test_an_alias_is_its_models_table_and_takes_no_backref_from_it(acme):
    assert Copied._meta.table_name == "invoice"
    assert [type(row) for row in Customer.get().invoices] == [Invoice]


def test_an_alias_of_nothing_is_refused():
    with pytest.raises(InvalidModel, match=r"Meta\.alias is for a class below a model"):

        class Nothing(TenantModel):
            class Meta:
                alias = True


def test_tables_of_plain_peewee_in_it_have_their_schema_too(acme):
    other = Customer.alias()
    for inner in (
        Customer.select(peewee.SQL("1")),
        other.select(peewee.SQL("1")).where(other.name == "Ada"),
        Customer.select(peewee.SQL("1")).join(Plan, on=Plan.id == Customer.id),
    ):
        query = with_shared(Plan).where(peewee.fn.EXISTS(inner)).select(Plan.id)
        sql, _ = query.sql()
        assert '"t_acme"."customer"' in sql
        assert sql.count("customer") == sql.count('."customer"')
        assert len(query.execute()) == 2


def test_tables_of_plain_peewee_in_it_need_their_tenant(tenants):
    query = with_shared(Plan).where(peewee.fn.EXISTS(Customer.select(peewee.SQL("1"))))
    with tenants.shared(), pytest.raises(NoTenantBound, match="Customer needs a tenant"):
        query.execute()


def of_globex() -> peewee.Table:
    return peewee.Table("invoice", ("id",), schema="t_globex")


class Elsewhere(peewee.Model):
    class Meta:
        table_name = "invoice"
        schema = "t_globex"


class Below(peewee.Table):
    pass


@pytest.mark.parametrize(
    "build",
    [
        lambda: with_shared(Invoice).where(Invoice.id.in_(of_globex().select(of_globex().id))),
        lambda: (
            with_shared(Invoice)
            .where(fn.exists(with_shared(Plan)))
            .where(peewee.fn.EXISTS(of_globex().alias("other").select(peewee.SQL("1"))))
        ),
        lambda: with_shared(Plan).where(
            peewee.fn.EXISTS(peewee.Select([peewee.Entity("t_globex", "invoice")], [peewee.SQL("1")]))
        ),
        lambda: with_shared(Plan).where(peewee.fn.EXISTS(Below("invoice", schema="t_globex").select(peewee.SQL("1")))),
        lambda: with_shared(Plan).where(peewee.fn.EXISTS(Elsewhere.select(peewee.SQL("1")))),
        lambda: with_shared(Plan).where(peewee.fn.EXISTS(Elsewhere.alias().select(peewee.SQL("1")))),
    ],
    ids=["a table", "its alias", "a name", "a class below it", "a model of plain peewee", "its alias too"],
)
@pytest.mark.parametrize("run", [Query.execute, Query.sql, lambda query: query.compile().execute()])
def test_a_table_of_plain_peewee_that_says_another_schema_is_refused(acme, build, run):
    with pytest.raises(InvalidQuery, match=r"t_globex\.invoice may be another tenant's.*raw\(\)"):
        run(build())


@pytest.mark.parametrize(
    "build",
    [
        lambda: fn.call("t_globex.f", Invoice.id, returns=int),
        lambda: fn.cast(Invoice.note, "t_globex.mood", str),
        lambda: fn.cast(Invoice.note, "t_globex.mood[]", list),
        lambda: peewee.Function('"t_globex".f', (Invoice.id,)),
        lambda: Invoice.note.cast("t_globex.mood"),
    ],
)
def test_a_function_or_a_type_that_says_a_schema_is_refused(acme, build):
    with pytest.raises(InvalidQuery, match=r"t_globex.* says its schema, which may be another tenant's"):
        with_shared(Invoice).select(build()).execute()


def test_what_is_the_servers_may_say_its_schema(acme):
    classes = peewee.Table("pg_class", ("oid",), schema="pg_catalog")
    row = (
        with_shared(Invoice)
        .where(peewee.fn.EXISTS(classes.select(classes.oid)))
        .select(fn.call("pg_catalog.abs", Invoice.id, returns=int), fn.cast(Invoice.id, "pg_catalog.int8", int))
    )
    assert row.first() == (1, 1)


def test_names_may_have_a_percent_sign(acme):
    assert with_shared(Invoice).where(Invoice.id == 1).select(Invoice.id.alias("50%s")).dicts() == [{"50%s": 1}]


# Which rows.


def test_no_conditions_keep_every_row(acme):
    assert invoices().where().having().count() == 2


def test_conditions_add_up_and_orders_are_kept(acme):
    Invoice.create(total=7)
    query = with_shared(Invoice).where(Invoice.total > 5).where(Invoice.plan.is_null())
    assert query.select(Invoice.total).execute() == [(7,)]
    ordered = with_shared(Invoice).order_by(Invoice.note.desc(nulls="last"), Invoice.total).select(Invoice.id)
    assert ordered.execute() == [(1,), (2,), (3,)]
    assert ordered.limit(1).offset(1).execute() == [(2,)]


def test_groups_are_counted_filtered_and_summed(acme):
    Invoice.create(total=1)
    query = invoices().group_by(Plan.name).order_by(Plan.name.asc(nulls="first"))
    counted = query.select(
        fn.coalesce(Plan.name, "none"),
        fn.count(),
        fn.count(Plan.id, distinct=True),
        fn.sum(Invoice.total),
        fn.count(Invoice.id).filter(Invoice.total > 4),
    )
    assert counted.execute() == [("none", 2, 0, 6, 1), ("free", 1, 1, 12, 1)]
    assert query.having(fn.count() > 1).select(fn.max(Invoice.total)).execute() == [(5,)]


def test_rows_that_are_there_already_are_left_out(acme):
    Invoice.create(total=5)
    assert with_shared(Invoice).select(Invoice.total).distinct().count() == 2
    latest = with_shared(Invoice).distinct(Invoice.total).order_by(Invoice.total, Invoice.id.desc())
    assert latest.select(Invoice.id).execute() == [(3,), (1,)]


def test_a_window_numbers_the_rows_of_each_plan(acme):
    number = fn.row_number().over(partition_by=[Invoice.plan], order_by=[Invoice.total.desc()])
    assert set(with_shared(Invoice).select(Invoice.id, number)) == {(1, 1), (2, 1)}


def test_a_query_is_part_of_another(acme):
    of_free = with_shared(Plan).where(Plan.name == "free").select(Plan.id)
    assert with_shared(Invoice).where(Invoice.plan.in_(of_free)).select(Invoice.id).execute() == [(1,)]
    assert with_shared(Invoice).where(Invoice.plan.not_in(of_free)).select(Invoice.id).execute() == []
    has_invoice = fn.exists(with_shared(Invoice).correlate(Plan).where(Invoice.plan == Plan.id))
    assert with_shared(Plan).where(has_invoice).select(Plan.name).execute() == [("free",)]
    assert with_shared(Plan).where(~has_invoice).select(Plan.name).execute() == [("pro",)]
    most = with_shared(Invoice).select(fn.max(Invoice.total)).as_scalar()
    assert with_shared(Invoice).where(Invoice.total == most).select(Invoice.id, most).execute() == [(1, 12)]


def test_the_rows_of_two_queries_come_together(acme):
    plans = with_shared(Plan).select(Plan.id, Plan.name)
    noted = with_shared(Invoice).select(Invoice.id, Invoice.note)
    assert plans.union_all(noted).order_by(1, -2).execute() == [(1, "free"), (1, "acme's"), (2, None), (2, "pro")]
    assert plans.union(plans).order_by(-1).limit(1).offset(1).execute() == [(1, "free")]
    assert plans.intersect(plans.where(Plan.id == 1)).execute() == [(1, "free")]
    assert plans.except_(plans.where(Plan.id == 1)).one() == (2, "pro")


def test_raw_conditions_do_not_reach_beyond_themselves(acme):
    either = peewee.SQL("true OR false")
    for query in (
        with_shared(Invoice).where(either, Invoice.id == -1),
        with_shared(Invoice).where(either).where(Invoice.id == -1),
        with_shared(Invoice).join(Plan, on=either).where(Invoice.id == -1),
    ):
        assert (query.count(), query.update().set(Invoice.note, "x").execute()) == (0, 0)


def test_a_query_does_not_see_the_tables_of_one_in_it(acme):
    inside = with_shared(Invoice).where(Invoice.plan.in_(with_shared(Plan).select(Plan.id)))
    for query in (
        inside.select(Plan.name),
        inside.update().set(Invoice.note, Plan.name),
        with_shared(Invoice).insert(Customer).set(Customer.name, "x").returning(Invoice.id),
    ):
        with pytest.raises(InvalidQuery, match="is a column of a table that the query does not join"):
            query.execute()


def test_two_queries_together_are_used_as_one_is(acme):
    ids = with_shared(Plan).select(Plan.id).union(with_shared(Invoice).select(Invoice.id + 1))
    assert (ids.count(), ids.limit(2).count(), ids.exists()) == (3, 2, True)
    assert ids.compile().execute() == ids.execute()
    plans = with_shared(Plan).order_by(Plan.id)
    assert plans.where(Plan.id.in_(ids.except_(with_shared(Invoice).select(Invoice.id)))).execute() == []
    assert [plan.name for plan in plans.where(Plan.id.in_(ids), fn.exists(ids))] == ["free", "pro"]
    assert plans.where(Plan.id == ids.order_by(-1).limit(1).offset(1).as_scalar()).one().name == "pro"


def test_documents_of_two_tables_come_together(acme):
    class Copy(Invoice):
        class Meta:
            alias = True

    data = with_shared(Invoice).where(Invoice.id == 1).select(fn.coalesce(Invoice.data, {"a": 1}))
    assert data.union(with_shared(Copy).where(Copy.id == 1).select(fn.coalesce(Copy.data, {"b": 2}))).count() == 2
    assert with_shared(Invoice).select(Invoice.data).union_all(with_shared(Copy).select(Copy.data)).count() > 1


@pytest.mark.parametrize("swapped", [False, True])
def test_whole_numbers_that_come_together_stay_whole(acme, swapped):
    sums = with_shared(Invoice).select(fn.sum(fn.cast(Invoice.id, "bigint", int)).alias("sum"))
    ids = with_shared(Invoice).where(Invoice.id == 1).select(Invoice.id)
    both = ids.union_all(sums) if swapped else sums.union_all(ids)
    assert sorted(each for (each,) in both) == [1, sum(each for (each,) in with_shared(Invoice).select(Invoice.id))]
    assert {type(each) for (each,) in both} == {int}
    assert [*both.dicts()[0]] == ["id" if swapped else "sum"]


def test_queries_of_other_columns_do_not_come_together(acme):
    plans = with_shared(Plan).select(Plan.id, Plan.name)
    with pytest.raises(
        InvalidQuery, match="UNION needs queries of the same columns: one has id, name, and the other id"
    ):
        plans.union(with_shared(Plan).select(Plan.id))
    with pytest.raises(InvalidQuery, match=r"of column 1, id and data, the values come in different ways: cast\(\)"):
        plans.intersect(with_shared(Invoice).select(Invoice.data, Invoice.note))
    with pytest.raises(InvalidQuery, match="of column 1, plan and customer, the values come in different ways"):
        with_shared(Plan).union(with_shared(Customer))
    with pytest.raises(InvalidQuery, match="of column 1, plan and id, the values come in different ways"):
        with_shared(Plan).union(with_shared(Plan).select(Plan.id))
    with pytest.raises(InvalidQuery, match="UNION ALL takes another query, and was given 3"):
        plans.union_all(3)
    with pytest.raises(InvalidQuery, match=r"order_by\(\) takes the numbers of columns here, and was given 3"):
        plans.union(plans).order_by(3)


def test_json_is_read_by_its_paths(acme):
    Invoice.update(data={"a": {"b": [1, "two"]}}).where(Invoice.id == 1).execute()
    query = with_shared(Invoice).where(Invoice.data["a"]["b"][0] == 1)
    assert query.select(Invoice.data["a"]["b"], Invoice.data).execute() == [([1, "two"], {"a": {"b": [1, "two"]}})]


def test_what_is_computed_is_what_its_type_says(acme):
    row = (
        with_shared(Invoice)
        .where(Invoice.id == 1)
        .select(
            Invoice.total * 2,
            Invoice.id + 1,
            Invoice.total > 3,
            fn.avg(Invoice.id),
            fn.sum(Invoice.id),
            fn.cast(Invoice.id, "text", str),
            fn.case((Invoice.total > 10, "much"), default="little"),
            fn.lower(Invoice.note),
            fn.length(Invoice.note),
            Invoice.note.concat("!"),
            fn.array_agg(Invoice.id),
            fn.string_agg(Invoice.note, ","),
            fn.call("gen_random_uuid", returns=UUID),
        )
        .group_by(Invoice.id)
        .one()
    )
    assert row[:-1] == (24, 2, True, 1, 1, "1", "much", "acme's", 6, "acme's!", [1], "acme's")
    assert [type(value) for value in row] == [
        Decimal, int, bool, Decimal, int, str, str, str, int, str, list, str, UUID,
    ]  # fmt: skip


# What its rows are.


class Account(TenantModel):
    id = peewee.BigAutoField()
    key = peewee.UUIDField(null=True)
    n = peewee.IntegerField()
    of = peewee.ForeignKeyField("self", null=True)

    class Meta:
        table_name = "account"


@pytest.fixture
def accounts(acme):
    acme.database.execute_sql("CREATE TABLE account (id bigserial PRIMARY KEY, key uuid, n int, of_id bigint)")
    Account.create(key=UUID(int=7), n=2, of=1)


def exactly(query):
    """The one row of *query*, and the type of each of its values."""
    return [(value, type(value)) for value in query.one()]


def test_a_sum_of_whole_numbers_is_whole_wherever_they_come_from(accounts):
    name = with_shared(Account).join(Customer, on=Customer.id == Account.of)
    sums = [Account.of, Account.id + Account.of, fn.length(Customer.name) + Account.id]
    assert exactly(name.select(*map(fn.sum, sums))) == [(1, int), (2, int), (4, int)]
    said = [fn.call("abs", Account.id, returns=int), fn.cast(Account.id, "bigint", int)]
    assert exactly(name.select(*map(fn.sum, said))) == [(1, int), (1, int)]

    @compiled
    def times(number: int) -> Any:
        return with_shared(Account).select(fn.sum(Account.id * number))

    assert type(times.one(3)[0]) is int


def test_what_a_window_and_a_query_give_as_a_value_is_of_its_type(accounts):
    query = with_shared(Account)
    total, key = query.select(fn.sum(Account.id)).as_scalar(), query.select(Account.key).as_scalar()
    row = query.select(fn.sum(Account.id).over(), total, key, fn.max(Account.id).over(partition_by=[Account.key]))
    assert exactly(row) == [(1, int), (1, int), (UUID(int=7), UUID), (1, int)]


def test_a_fraction_beside_a_whole_column_is_not_cut_off(accounts):
    half = Decimal("1.5")
    query = with_shared(Account)
    assert query.where(Account.n > 2.5).execute() == query.where(Account.of > half).execute() == []
    assert exactly(query.where(Account.n.in_([2.5, 2])).select(Account.n + half)) == [(Decimal("3.5"), Decimal)]
    other = with_shared(Customer).left_join(Account, on=Account.n == 7)
    assert other.select(fn.coalesce(Account.n, half)).scalar() == half
    above = compiled(lambda least: query.where(Account.n < least).select(Account.n))
    assert above.execute(Decimal("2.5")) == [(2,)]


def test_a_case_gives_values_of_its_branches_type(accounts):
    yes = Account.n == 2
    row = with_shared(Account).select(
        fn.case((yes, Decimal(0))), fn.case((yes, 1.5), default=0), fn.case((yes, UUID(int=1))), fn.case((yes, "x"))
    )
    assert exactly(row) == [(0, Decimal), (1.5, float), (UUID(int=1), UUID), ("x", str)]


def test_a_whole_row_is_one_column_among_others(acme):
    query = invoices().order_by(Invoice.id).select(Invoice.id, fn.row(Plan), fn.row(Invoice))
    (one, plan, invoice), (two, nothing, _) = query.execute()
    assert (one, plan.name, invoice.total, two, nothing) == (1, "free", 12, 2, None)
    with pytest.raises(InvalidQuery, match="is not a model"):
        fn.row("plan")


def test_without_select_rows_are_instances_that_belong_to_their_tenant(tenants):
    with tenants.use("acme"):
        row = invoices().where(Plan.name == "free").one()
        assert (type(row), row.note, row.is_dirty()) == (Invoice, "acme's", False)
        row.note = "changed"
        row.save()
        assert Invoice.get_by_id(1).note == "changed"
    with tenants.use("globex"), pytest.raises(WrongTenant):
        row.save()


@dataclass
class Named:
    id: int
    name: str | None


class Pair(NamedTuple):
    id: int
    name: str | None


@pytest.mark.parametrize("made", [Named, Pair])
def test_rows_become_what_they_are_put_into(acme, made):
    query = invoices().order_by(Invoice.id).select(Invoice.id, Plan.name).into(made)
    assert query.execute() == [made(1, "free"), made(2, None)]
    assert query.first() == made(1, "free")


def test_rows_go_into_any_callable(acme):
    assert invoices().select(Invoice.id, Plan.name).into(lambda number, name: f"{number} {name}").first() == "1 free"
    assert invoices().select(Invoice.total).into(str).first() == "12"


def test_a_column_that_would_become_another_field_is_refused(acme):
    with pytest.raises(InvalidQuery, match=r"into\(Named\): value 1 is 'name' and would become 'id'"):
        invoices().select(Plan.name, Invoice.id).into(Named)
    renamed = invoices().select(Invoice.plan.alias("id"), Plan.name).into(Named)
    assert renamed.first() == Named(1, "free")


def test_another_number_of_values_is_refused(acme):
    with pytest.raises(InvalidQuery, match=r"into\(Named\) is given 1 values, and takes \(id"):
        invoices().select(Invoice.id).into(Named)


def test_rows_are_had_as_dicts_too(acme):
    query = (
        invoices()
        .where(Invoice.id == 1)
        .select(Invoice.id, Plan.name.alias("plan"), fn.count())
        .group_by(Invoice.id, Plan.name)
    )
    assert query.dicts() == [{"id": 1, "plan": "free", "count": 1}]


def test_a_dict_loses_no_column(acme):
    query = invoices().select(Invoice.id, Plan.id)
    with pytest.raises(InvalidQuery, match="two columns are called 'id', and one would be lost"):
        query.dicts()
    assert invoices().where(Plan.id == 1).select(Invoice.id, Plan.id.alias("plan")).dicts() == [{"id": 1, "plan": 1}]


def test_one_is_one_and_says_otherwise(acme):
    query = with_shared(Invoice).select(Invoice.id)
    assert query.where(Invoice.id == 1).one() == (1,)
    with pytest.raises(NoResultFound, match="this query of Invoice found no row"):
        query.where(Invoice.id == 9).one()
    with pytest.raises(MultipleResultsFound, match="more than one row"):
        query.one()
    assert query.where(Invoice.id == 9).one_or_none() is None
    assert query.where(Invoice.id == 9).first() is None
    assert query.where(Invoice.id == 9).scalar() is None
    assert query.where(Invoice.id == 2).scalar() == 2


def test_a_row_may_be_none(acme):
    assert with_shared(Invoice).where(Invoice.id == 2).select(Invoice.note).into(lambda note: note).one() is None


def test_no_more_rows_are_asked_for_than_are_given(acme):
    assert with_shared(Invoice).order_by(Invoice.id).limit(1).select(Invoice.id).one() == (1,)


def test_rows_are_counted_and_looked_for(acme):
    query = invoices().where(Invoice.total > 5)
    assert (query.count(), query.exists(), query.where(Invoice.id > 9).exists()) == (1, True, False)
    assert query.limit(0).count() == 0


def test_a_plan_of_the_server_is_shown(acme):
    assert "Scan" in invoices().explain()
    assert "actual" in invoices().explain(analyze=True)


def test_a_stream_takes_its_rows_in_pieces(server, make_engine, tenants):
    with Relay(server.url) as relay:
        engine = make_engine(url=relay.url)
        with engine.use("acme"):
            Invoice.insert_many([{"total": n} for n in range(8)]).execute()
            with relay.counting() as messages, with_shared(Invoice).select(Invoice.id).stream(chunk=4) as rows:
                assert sorted(rows) == [(n,) for n in range(1, 11)]
        assert len([each for each in messages if "FETCH" in str(each)]) == 3


@pytest.mark.parametrize("boom", [ZeroDivisionError, KeyboardInterrupt, GeneratorExit])
@pytest.mark.parametrize("where", ["in the block", "in what makes the rows"])
def test_nothing_is_left_open_by_a_stream_that_fails(tenants, sql, boom, where):
    def fail(*_: Any) -> Any:
        raise boom

    notes, kept = with_shared(Invoice).select(Invoice.note), []
    for _ in range(10):  # More often than the pool has connections.
        with tenants.use("acme"), pytest.raises(boom):
            with (notes.into(fail) if "rows" in where else notes).stream(chunk=1) as rows:
                kept.append(rows)
                fail(next(rows))
    assert tenants.figures().in_use == 0
    with tenants.use("globex"):
        assert [note for (note,) in notes] == ["globex's"]
        assert tenants.database.execute_sql("SELECT count(*) FROM pg_cursors").fetchone() == (0,)


def test_a_stream_that_failed_goes_on_failing(acme):
    for note in "abcd":
        Invoice.create(note=note)

    def made(note: str | None) -> str:
        if note == "a":
            raise ZeroDivisionError
        return note or ""

    with with_shared(Invoice).order_by(Invoice.id).select(Invoice.note).into(made).stream(chunk=2) as rows:
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                list(rows)


def test_a_stream_is_not_read_in_another_tenant(tenants):
    with tenants.use("acme"), with_shared(Invoice).select(Invoice.id).stream(chunk=1) as rows:
        next(rows)
        with tenants.use("globex", beside_transaction=True), pytest.raises(WrongTenant):
            next(rows)


def test_rows_of_a_stream_that_have_come_already_are_not_given_to_another_tenant(tenants):
    with tenants.use("acme"), with_shared(Invoice).order_by(Invoice.id).select(Invoice.id).stream() as rows:
        assert next(rows) == (1,)
        with tenants.use("globex"), pytest.raises(WrongTenant):
            next(rows)
        assert list(rows) == [(2,)]


@pytest.mark.parametrize("chunk", [1, 9])
def test_a_stream_ends_with_its_block(acme, chunk):
    with with_shared(Invoice).select(Invoice.id).stream(chunk) as rows:
        next(rows)
    for _ in range(2):
        with pytest.raises(InvalidQuery, match="a stream ends with its block"):
            next(rows)


@pytest.mark.parametrize("chunk", [0, -1, True, "1 FROM x; DROP TABLE invoice; --"])
def test_a_stream_takes_a_number_of_rows_at_a_time(acme, chunk):
    with pytest.raises(InvalidQuery, match=r"stream\(\) takes a number of rows"), invoices().stream(chunk=chunk):
        pass


def test_an_error_in_the_middle_of_a_stream_is_peewees(acme):
    ratio = fn.call("div", 1, 2 - Invoice.id, returns=Decimal)
    with with_shared(Invoice).order_by(Invoice.id).select(ratio).stream(chunk=1) as rows:
        assert next(rows) == (1,)
        with pytest.raises(peewee.DataError):
            next(rows)


# Whose it is.


def test_a_query_that_was_built_for_nobody_runs_for_whoever_is_bound(tenants):
    query = invoices().where(Invoice.plan.is_null(False)).select(Invoice.note, Plan.name)
    found = {}
    for tenant in ("acme", "globex"):
        with tenants.use(tenant):
            found[tenant] = query.execute()
    assert found == {"acme": [("acme's", "free")], "globex": [("globex's", "pro")]}


@pytest.mark.parametrize(
    "run",
    [
        lambda query: query.execute(),
        lambda query: list(query),
        lambda query: query.first(),
        lambda query: query.one_or_none(),
        lambda query: query.count(),
        lambda query: query.exists(),
        lambda query: query.dicts(),
        lambda query: query.explain(),
        lambda query: query.stream().__enter__(),
        lambda query: query.select(Invoice.id).limit(1).execute(),
        lambda query: with_shared(Invoice).where(Invoice.id.in_(query.select(Invoice.id))).execute(),
        lambda query: with_shared(Plan).where(fn.exists(query)).execute(),
        lambda query: with_shared(Invoice).union(query).execute(),
        lambda query: query.union(with_shared(Invoice)).first(),
        lambda query: with_shared(Invoice).select(query.select(Invoice.id).as_scalar()).execute(),
    ],
)
def test_a_query_that_was_built_in_a_tenant_runs_in_no_other(tenants, run):
    with tenants.use("acme"):
        query = with_shared(Invoice)
    with tenants.use("globex"), pytest.raises(WrongTenant, match="this query of Invoice belongs to tenant 'acme'"):
        run(query)


def test_a_row_of_another_tenant_is_no_value_in_it(tenants):
    with tenants.use("acme"):
        customer = Customer.get()
    with tenants.use("globex"), pytest.raises(WrongTenant):
        with_shared(Invoice).where(Invoice.customer == customer).execute()


def test_without_a_tenant_nothing_is_sent(server, make_engine, tenants):
    with Relay(server.url) as relay:
        engine = make_engine(url=relay.url)
        with relay.counting() as messages:
            for run in (Query.execute, Query.count, Query.first, Query.explain):
                with pytest.raises(NothingBound):
                    run(invoices())
            with engine.shared(), pytest.raises(NoTenantBound):
                invoices().execute()
        assert messages == []


def test_a_query_of_shared_tables_needs_no_tenant(tenants):
    with tenants.shared():
        assert with_shared(Plan).order_by(Plan.id).select(Plan.name).execute() == [("free",), ("pro",)]


@pytest.mark.parametrize(
    "run", [Query.execute, Query.count, Query.first, Query.explain, lambda query: query.compile().execute()]
)
def test_a_query_of_shared_tables_with_a_tenants_inside_needs_a_tenant(tenants, run):
    query = with_shared(Plan).where(fn.exists(with_shared(Invoice)))
    with tenants.shared(), pytest.raises(NoTenantBound, match="Invoice needs a tenant, and the shared schema is bound"):
        run(query)


def test_it_is_part_of_the_open_transaction(acme):
    with pytest.raises(ZeroDivisionError), acme.database.atomic():
        Invoice.create(total=99)
        assert with_shared(Invoice).select(fn.max(Invoice.total)).scalar() == 99
        raise ZeroDivisionError
    assert with_shared(Invoice).select(fn.max(Invoice.total)).scalar() == 12


def test_locked_rows_are_skipped_by_others(tenants):
    with tenants.use("acme"), tenants.database.atomic():
        assert len(with_shared(Invoice).where(Invoice.id == 1).for_update(Invoice).execute()) == 1
        locked = with_shared(Invoice).for_update(skip_locked=True).select(Invoice.id)
        with ThreadPoolExecutor() as executor:
            assert executor.submit(tenants.use("acme")(locked.execute)).result(10) == [(2,)]


# What is refused before anything is sent.


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: with_shared(Invoice).select(Plan.name).execute(), "Plan.name is a column of a table that the query"),
        (lambda: invoices().where(Customer.name == "x").count(), "Customer.name is a column of a table"),
        (lambda: invoices().where("1 = 1"), r"where\(\) takes columns and expressions, and was given '1 = 1'"),
        (lambda: invoices().order_by("id"), r"order_by\(\) takes columns"),
        (lambda: invoices().group_by("id"), r"group_by\(\) takes columns"),
        (lambda: invoices().having(True), r"having\(\) takes columns"),
        (lambda: invoices().select("id"), r"select\(\) takes columns"),
        (lambda: invoices().select(), r"select\(\) needs a column"),
        (lambda: invoices().limit("1; drop table invoice"), r"limit\(\) takes a number of rows"),
        (lambda: invoices().limit(-1), r"limit\(\) takes a number of rows, and was given -1"),
        (lambda: invoices().offset(True), r"offset\(\) takes a number of rows"),
        (lambda: with_shared(Invoice).join(Plan, on=None), "the join of Plan needs a condition"),
        (lambda: with_shared(Invoice).join(Plan, on=True), "the join of Plan needs a condition"),
        (lambda: with_shared(Invoice).join("plan", on=Invoice.plan == Plan.id), "'plan' is not a model"),
        (lambda: with_shared("invoice"), "'invoice' is not a model"),
        (lambda: invoices().join(Plan, on=Invoice.plan == Plan.id), "Plan is in the query already"),
        (lambda: with_shared(Invoice).join(Invoice, on=Invoice.id > 3), "Invoice is in the query already"),
        (lambda: with_shared(Invoice).join(Plan, on=Invoice.plan), "the join of Plan takes conditions, and was given"),
        (lambda: invoices().where(Invoice.id), r"where\(\) takes conditions, and was given the column"),
        (
            lambda: invoices().where(Invoice(id=3)),
            r"where\(\) takes columns and expressions, and was given <Invoice: 3>",
        ),
        (lambda: invoices().select(Plan(id=3)), r"select\(\) takes columns and expressions, and was given <Plan: 3>"),
        (lambda: invoices().limit(fn.count()), r"limit\(\) takes a number of rows"),
        (
            lambda: invoices().scalar(),
            r"scalar\(\) gives the value of a column, and this query of Invoice selects none",
        ),
        (lambda: fn.exists(Invoice), r"exists\(\) takes a query, as with_shared\(\) begins one, and was given"),
        (lambda: invoices().select(Invoice.id.alias("a\0b")).execute(), "has the character NUL"),
        (
            lambda: invoices().order_by(Invoice.note.asc(collation='"C", (SELECT 1)')).execute(),
            "'\"C\", \\(SELECT 1\\)' is not a collation",
        ),
        (lambda: invoices().select(Invoice.note.collate('"C") --')).execute(), "is not a collation"),
        (
            lambda: invoices().select(fn.count().over(order_by=[Invoice.id], frame_type="ROWS; --")).execute(),
            "'ROWS; --' is not the frame of a window",
        ),
        (
            lambda: invoices().select(fn.count().over(order_by=[Invoice.id], start="1; --")).execute(),
            "'1; --' is not an end of a frame",
        ),
        (lambda: with_shared(Invoice).select(Invoice.id.alias('a\0."x" --')).compile().execute(), "the character NUL"),
        (lambda: invoices().where(Invoice.id.in_(None)).sql(), r"in_\(\) and not_in\(\) take .* was given None"),
        (lambda: invoices().where(Invoice.id.not_in("abc")).sql(), r"take .* or a query, and .* was given 'abc'"),
        (lambda: invoices().where(Invoice.plan.in_(Plan)).sql(), r"take .* was given <Model: Plan>"),
        (
            lambda: with_shared(Invoice).for_update(Plan),
            r"for_update\(\) locks rows of tables of the query, and Plan is",
        ),
        (
            lambda: invoices().where(with_shared(Plan)),
            r"where\(\) takes conditions, and was given a query: .*fn.exists",
        ),
        (lambda: invoices().having(with_shared(Plan)), r"having\(\) takes conditions, and was given a query"),
        (lambda: invoices().into("x"), r"into\(\) takes what makes a row of its values, and was given 'x'"),
        (lambda: invoices().into(None), r"into\(\) takes what makes a row of its values, and was given None"),
        (lambda: invoices().select(Invoice), r"select\(\) takes columns and .*: the whole row is fn\.row\(Invoice\)"),
        (lambda: fn.call("now(); drop table invoice; --", returns=str), "is not the name of a function"),
        (lambda: fn.cast(Invoice.id, "text); drop table x; --", str), "is not the name of a type"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_sent(acme, build, text):
    with pytest.raises(InvalidQuery, match=text):
        build()


def test_a_key_of_an_undeclared_type_is_not_selected(acme):
    class Region(SharedModel):
        code = peewee.TextField(primary_key=True)

    class Office(TenantModel):
        region = peewee.ForeignKeyField(Region, backref="+")

    class Branch(TenantModel):
        region = peewee.ForeignKeyField(Region, field=Region.code, backref="+")

    with pytest.raises(InvalidQuery, match=r"ForeignKeyField\(Region, field=Region.code\)"):
        with_shared(Office).select(Office.region).execute()
    with pytest.raises(peewee.ProgrammingError):  # There is no such table; but it was sent.
        with_shared(Branch).select(Branch.region).execute()


def test_a_query_shows_what_it_is_of_and_is_not_run(acme):
    assert repr(with_shared(Invoice)) == "<query of Invoice>"
    assert repr(invoices().select(Invoice.id, fn.count())) == "<query of Invoice: id, count>"
    ids = with_shared(Invoice).select(Invoice.id)
    assert repr(ids.union(ids)) == "<query of Invoice: id>"


# Compiled.


def test_a_compiled_query_runs_for_each_tenant_with_the_values_it_is_given(tenants):
    @compiled
    def above(minimum: Decimal, name: str = "free") -> Any:
        return invoices().where(Invoice.total >= minimum, Plan.name == name).select(Invoice.note, Plan.name)

    with tenants.use("acme"):
        assert above.execute(Decimal(3)) == [("acme's", "free")]
        assert above.execute(minimum=Decimal(13)) == []
        assert above.one(Decimal(3)) == ("acme's", "free")
    with tenants.use("globex"):
        assert above.execute(3, name="pro") == [("globex's", "pro")]
        assert above.first(3) is None
        with pytest.raises(NoResultFound):
            above.one(3)
    with pytest.raises(NoTenantBound):
        above.execute(3)


def test_it_gives_one_row_or_none_and_one_value(tenants):
    @compiled
    def noted(number: int) -> Query[Any, Any, tuple[str | None]]:
        return with_shared(Invoice).where(Invoice.id == number).select(Invoice.note)

    with tenants.use("acme"):
        assert (noted.one_or_none(1), noted.one_or_none(9)) == (("acme's",), None)
        assert (noted.scalar(1), noted.scalar(9)) == ("acme's", None)
        with pytest.raises(InvalidQuery, match=r"scalar\(\) gives the value of a column, and this query of Invoice"):
            with_shared(Invoice).compile().scalar()


def test_a_parameter_that_may_be_none_has_its_type_all_the_same(tenants):
    @compiled
    def rated(rate: float | None) -> Any:
        return with_shared(Invoice).limit(1).select(fn.value(rate))

    with tenants.use("acme"):
        assert (rated.scalar(1.5), rated.scalar(None)) == (1.5, None)
        assert type(rated.scalar(1.5)) is float


def test_annotations_for_the_checkers_alone_leave_it_whole(tenants):
    @compiled
    def doubled(rate: float, unit: Unknown[int] = 1) -> Unknown[str]:  # noqa: F821
        return with_shared(Invoice).select(fn.coalesce(fn.nullif(Invoice.id, Invoice.id), rate) * unit)

    with tenants.use("acme"):
        assert doubled.scalar(1.5, 2) == 3.0


def test_it_is_built_once(tenants):
    built = []

    @compiled
    def notes() -> Any:
        built.append(1)
        return with_shared(Invoice).select(Invoice.note)

    for tenant in ("acme", "globex", "acme"):
        with tenants.use(tenant):
            notes.execute()
    assert built == [1]


def test_it_asks_for_no_more_rows_than_are_wanted(server, make_engine, tenants):
    notes = with_shared(Invoice).order_by(Invoice.id).select(Invoice.id).compile()
    with Relay(server.url) as relay:
        engine = make_engine(url=relay.url)
        with engine.use("acme"):
            with relay.counting() as messages:
                assert notes.first() == (1,)
            assert "LIMIT 1" in str(messages)
            with pytest.raises(MultipleResultsFound):
                notes.one()


def test_it_gives_instances_of_whoever_runs_it(tenants):
    every = with_shared(Invoice).compile()
    with tenants.use("acme"):
        row = every.execute()[0]
    with tenants.use("globex"):
        assert every.execute()[0].note == "globex's"
        every.execute()[0].save()  # It is globex's own.
        with pytest.raises(WrongTenant):
            row.save()


def test_it_may_be_built_in_a_tenant_and_is_nobodys(tenants):
    with tenants.use("acme"):
        notes = with_shared(Invoice).select(Invoice.note).order_by(Invoice.id).compile()
        assert notes.execute() == [("acme's",), (None,)]
    with tenants.use("globex"):
        assert notes.execute() == [("globex's",)]


def test_what_is_compared_with_a_path_is_a_document(acme):
    Invoice.update(data={"a": [1, "two"]}).where(Invoice.id == 1).execute()
    path = Invoice.data["a"][0]

    def found_by(condition: Any) -> Any:
        return compiled(lambda x: with_shared(Invoice).where(condition(x)).select(Invoice.id))

    for condition in (lambda x: path == x, lambda x: path.in_([x, 7]), lambda x: path.between(x, x)):
        found = found_by(condition)
        assert (found.execute(1), found.execute("1")) == ([(1,)], [])
    several = found_by(path.in_)
    assert (several.execute([1, 7]), several.execute(["1"]), several.execute([])) == ([(1,)], [], [])
    assert found_by(path.not_in).execute(["1"]) == [(1,)]


def test_a_document_is_looked_for_by_a_parameter(acme):
    Invoice.update(data={"a": {"b": [1, 2]}}).where(Invoice.id == 1).execute()

    def found_by(condition: Any) -> Any:
        return compiled(lambda x: with_shared(Invoice).where(condition(x)).select(Invoice.id))

    for condition, yes, no in [
        (lambda x: Invoice.data.contains(x), {"a": {"b": [2]}}, {"a": 1}),
        (lambda x: Invoice.data["a"]["b"].contains(x), [2, 1], [3]),
        (lambda x: Invoice.data["a"].contained_by(x), {"b": [1, 2], "c": 1}, {"c": 1}),
    ]:
        found = found_by(condition)
        assert (found.execute(yes), found.execute(no)) == ([(1,)], [])


@pytest.mark.parametrize("function", [fn.coalesce, fn.greatest, fn.least])
def test_a_parameter_beside_a_document_in_a_function_is_one(acme, function):
    query = compiled(lambda x: with_shared(Invoice).limit(1).select(function(Invoice.data, x)))
    assert query.one({"a": 1}) == ({"a": 1},)


@pytest.mark.parametrize(
    "build",
    [
        lambda x: with_shared(Invoice).where(Invoice.data.contains({"a": [{"b": x}]})),
        lambda x: with_shared(Invoice).where(Invoice.data == {"a": x}),
        lambda x: with_shared(Invoice).where(Invoice.data.has_keys([x])),
        lambda x: with_shared(Invoice).update().set(Invoice.data, {"a": x}),
    ],
)
def test_a_part_of_a_value_is_no_parameter(acme, build):
    with pytest.raises(InvalidQuery, match="the parameter 'x'> is a part of a value: give the whole value"):
        compiled(build).execute("a")


@pytest.mark.parametrize("part", [Query.order_by, Query.group_by, Query.distinct])
def test_rows_are_not_told_apart_by_a_parameter(acme, part):
    query = compiled(lambda x: part(with_shared(Invoice), x).select(Invoice.id))
    with pytest.raises(
        InvalidQuery, match="takes columns and expressions, and <the parameter 'x'> is one value for all"
    ):
        query.execute(1)


def test_a_path_may_have_a_percent_sign(acme):
    Invoice.update(data={"50%s": {"%": 1}}).where(Invoice.id == 1).execute()
    for condition in (
        Invoice.data["50%s"]["%"] == 1,
        Invoice.data["50%s"]["%"].as_text() == "1",
        Invoice.data["50%s"].has_key("%"),
        Invoice.data["50%s"]["%"].is_null(False),
    ):
        query = with_shared(Invoice).where(condition).select(Invoice.data["50%s"]["%"])
        assert query.execute() == query.compile().execute() == [(1,)]


class Rows(list[Any]):
    pass


@pytest.mark.parametrize("several", [list, tuple, set, frozenset, Rows])
def test_one_parameter_may_be_several_values(acme, several):
    among = compiled(lambda ids: with_shared(Invoice).where(Invoice.id.in_(ids)).select(Invoice.id))
    without = compiled(lambda ids: with_shared(Invoice).where(Invoice.id.not_in(ids)).select(Invoice.id))
    assert (among.execute(several([1, 7])), without.execute(several([1, 7]))) == ([(1,)], [(2,)])
    assert (among.execute(several([])), without.execute(several([]))) == ([], [(1,), (2,)])
    assert compiled(lambda notes: with_shared(Invoice).where(Invoice.note.in_(notes))).one(several(["acme's"])).id == 1


def test_several_rows_may_be_one_parameter_in_their_own_tenant(tenants):
    of = compiled(lambda customers: with_shared(Invoice).where(Invoice.customer.in_(customers)).select(Invoice.note))
    with tenants.use("acme"):
        ada = Customer.get()
        assert of.execute([ada]) == of.execute(Rows([ada])) == [("acme's",)]
    for several in (list, tuple, Rows):
        with tenants.use("globex"), pytest.raises(WrongTenant):
            of.execute(several([ada]))


@pytest.mark.parametrize("text", [str, lambda name: f"%{name}", lambda name: Invoice.data[f"{name}"]])
def test_the_text_of_a_parameter_is_not_that_of_its_value(acme, text):
    with pytest.raises(InvalidQuery, match="was looked at while the query was built"):
        compiled(lambda name: invoices().where(Invoice.note == text(name))).execute("x")


@pytest.mark.parametrize("given", [iter, lambda rows: dict.fromkeys(rows), lambda rows: "acme", lambda rows: 3])
def test_what_is_no_list_is_not_several_values(tenants, given):
    of = compiled(lambda customers: with_shared(Invoice).where(Invoice.customer.in_(customers)).select(Invoice.note))
    with tenants.use("acme"):
        rows = given([Customer.get()])
    with (
        tenants.use("globex"),
        pytest.raises(InvalidQuery, match="the parameter 'customers' stands for several values"),
    ):
        of.execute(rows)


def test_a_parameter_is_a_condition(acme):
    query = compiled(lambda wanted: with_shared(Invoice).where(wanted).order_by(Invoice.id).select(Invoice.id))
    assert (query.execute(True), query.execute(False)) == ([(1,), (2,)], [])


def test_what_is_none_is_compared_as_none(acme):
    @compiled
    def noted(note: str | None, least: int = 0) -> Any:
        return with_shared(Invoice).where(Invoice.note == note, Invoice.id >= least).select(Invoice.id)

    assert (noted.execute(None), noted.execute("acme's"), noted.first(None), noted.one(None, 2)) == (
        [(2,)],
        [(1,)],
        (2,),
        (2,),
    )


def test_its_values_are_converted_as_others_are(tenants):
    @compiled
    def since(day: datetime.datetime, customer: Any, most: int) -> Any:
        return with_shared(Invoice).where(Invoice.issued >= day, Invoice.customer == customer).limit(most)

    with tenants.use("acme"):
        Invoice.update(issued=datetime.datetime(2026, 2, 1)).execute()
        ada = Customer.get()
        assert len(since.execute(datetime.datetime(2026, 1, 1), ada, 5)) == 1
        assert since.execute(datetime.datetime(2026, 1, 1), ada.id, 0) == []
    with tenants.use("globex"), pytest.raises(WrongTenant):
        since.execute(datetime.datetime(2026, 1, 1), ada, 5)


def test_a_row_of_plain_peewee_is_a_value_of_it(tenants):
    class Person(peewee.Model):
        class Meta:
            database = tenants.database
            table_name = "customer"

    by = compiled(lambda customer: with_shared(Invoice).where(Invoice.customer == customer).select(Invoice.note))
    with tenants.use("acme"):
        assert by.execute(Person.get()) == [("acme's",)]


@pytest.mark.direct  # Behind a pooler it is scrubbed in its own transaction, and no connection is marked.
def test_sql_that_is_given_for_a_value_marks_the_connection(make_engine, tenants):
    engine = make_engine(pool_size=1)
    query = compiled(lambda value: with_shared(Invoice).select(fn.call("coalesce", value, returns=str), fn.count()))
    with engine.use("acme"):
        query.execute(AsIs("set_config('search_path', 't_globex', false)"))
        assert [connection.marked for connection in engine.parts.pool._idle] == [True]


def test_a_text_that_is_looked_for_is_no_pattern(acme):
    Invoice.create(note="100% off_")

    def finding(name: str) -> Any:
        return compiled(lambda text: with_shared(Invoice).where(getattr(Invoice.note, name)(text)).select(Invoice.id))

    for name, text, other in [("contains", "% o", "1%o"), ("startswith", "100%", "%0"), ("endswith", "f_", "f__")]:
        query = finding(name)
        assert (len(query.execute(text)), query.execute(other)) == (1, [])


def test_a_row_cannot_be_compiled_in(tenants):
    with tenants.use("acme"):
        ada = Customer.get()
        with pytest.raises(InvalidQuery, match="belongs to a tenant, and this query is rendered for all"):
            with_shared(Invoice).where(Invoice.customer == ada).compile().execute()


def test_a_row_is_not_compiled_in_where_it_was_built_in_its_tenant(tenants):
    with tenants.use("acme"):
        query = with_shared(Invoice).where(Invoice.customer == Customer.get()).compile()
    with tenants.use("globex"), pytest.raises(InvalidQuery, match="belongs to a tenant, and this query is rendered"):
        query.execute()


def test_a_parameter_cannot_be_looked_at_while_the_query_is_built(acme):
    @compiled
    def maybe(name: str) -> Any:
        return invoices().where(Plan.name == name) if name else invoices()

    with pytest.raises(InvalidQuery, match="the parameter 'name' was looked at while the query was built"):
        maybe.execute("x")


@pytest.mark.parametrize(
    "look",
    [
        lambda a, b: a == 3,
        lambda a, b: 3 == a,  # noqa: SIM300 - the point of it
        lambda a, b: a != 3,
        lambda a, b: a == b,
        lambda a, b: a == with_shared(Plan),
        lambda a, b: a is not None and a < 3,
        lambda a, b: 3 <= a,  # noqa: SIM300
        lambda a, b: a in [1, 2],
        lambda a, b: 1 in a,
        lambda a, b: a + 1,
        lambda a, b: 2 * a,
        lambda a, b: a[0],
        lambda a, b: list(a),
        lambda a, b: len(a),
        lambda a, b: int(a),
    ],
)
def test_a_parameter_is_not_computed_with_in_python(acme, look):
    query = compiled(lambda a, b: with_shared(Invoice).limit(1) if look(a, b) else with_shared(Invoice))
    with pytest.raises(InvalidQuery, match="the parameter 'a' was looked at while the query was built"):
        query.execute(1, 2)


@pytest.mark.parametrize(
    ("condition", "ids"),
    [
        (lambda a: a == Invoice.id, [2]),
        (lambda a: a != Invoice.id, [1]),
        (lambda a: a < Invoice.total, [1, 2]),
        (lambda a: a >= Invoice.id, [1, 2]),
        (lambda a: Invoice.id >= a, [2]),
        (lambda a: a == with_shared(Invoice).select(fn.max(Invoice.id)).as_scalar(), [1, 2]),
        (lambda a: a + Invoice.id == 4, [2]),
        (lambda a: Invoice.total - a == 3, [2]),
    ],
)
def test_a_parameter_stands_on_either_side_of_a_column(acme, condition, ids):
    query = compiled(lambda a: with_shared(Invoice).where(condition(a)).order_by(Invoice.id).select(Invoice.id))
    assert query.execute(2) == [(each,) for each in ids]


@pytest.mark.parametrize("rows", [-1, True, 1.5, "1", None])
@pytest.mark.parametrize("part", [Query.limit, Query.offset])
def test_a_number_of_rows_is_checked_when_it_is_given(acme, part, rows):
    query = compiled(lambda rows: part(with_shared(Invoice).order_by(Invoice.id).select(Invoice.id), rows))
    assert query.execute(1) in ([(1,)], [(2,)])
    with pytest.raises(InvalidQuery, match=rf"{part.__name__}\(\) takes a number of rows, and was given {rows!r}"):
        query.execute(rows)


def test_a_parameter_is_a_limit_of_no_write(acme):
    with pytest.raises(InvalidQuery, match=r"cannot have limit\(\)"):
        compiled(lambda most: with_shared(Invoice).limit(most).delete()).execute(1)


def test_parameters_without_names_are_refused(acme):
    @compiled
    def some(*names: str) -> Any:
        return invoices().where(Plan.name.in_(names))

    with pytest.raises(InvalidQuery, match="the parameters of a compiled query have names"):
        some.execute("x")


def test_a_wrong_call_is_pythons_error(acme):
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        with_shared(Invoice).compile().execute(total=3)


def test_what_is_no_query_is_not_compiled(acme):
    with pytest.raises(InvalidQuery, match="returned 3, and not a query"):
        compiled(lambda: 3).execute()
