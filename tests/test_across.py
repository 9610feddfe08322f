"""One query over many tenants: whose each row is, what one statement may read, and what comes together."""

from __future__ import annotations

import datetime
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import peewee
import pytest
from relay import Relay
from shop import TENANTS, Customer, Invoice, Plan

from tenantry import Derived, FixedCatalog, State, Tenant, TenantModel, across, fn, with_shared
from tenantry.app.across import MOST_TENANTS, SHARE_OF_LOCKS, Across
from tenantry.errors import (
    InvalidQuery,
    NothingBound,
    SchemaIsShared,
    TenantBehind,
    TenantBound,
    TenantSuspended,
    TransactionElsewhere,
    TransactionOpen,
    UnknownTenant,
    WrongTenant,
)
from tenantry.naming import quoted, schema_name, tenant_id


@pytest.fixture
def tenants(tenants):
    """Two plans; acme has invoices of 12 (free) and 5, globex one of 7 (pro), initech none."""
    with tenants.shared():
        free, pro = Plan.create(name="free"), Plan.create(name="pro")
    with tenants.use("acme"):
        Invoice.create(plan=free, total=12, note="acme's", customer=Customer.create(name="Ada"), data={"a": 1})
        Invoice.create(total=5)
    with tenants.use("globex"):
        Invoice.create(plan=pro, total=7, note="50%s of globex's")
    return tenants


TOTALS: Any = with_shared(Invoice).order_by(Invoice.id).select(Invoice.id, Invoice.total)
ALL = [("acme", (1, 12)), ("acme", (2, 5)), ("globex", (1, 7))]
BATCHES = [None, 1, 2]


def sent(server, make_engine, work):
    """Return the statements of *work* as they pass, after one that warms up."""
    with Relay(server.url) as relay:
        engine = make_engine(url=relay.url)
        work(engine)
        with relay.counting() as messages:
            work(engine)
        return messages


# Whose rows.


@pytest.mark.parametrize("batch", BATCHES)
def test_each_row_comes_with_its_tenant(tenants, batch):
    assert across(tenants, TOTALS, batch=batch).execute() == ALL


def test_they_are_had_one_after_another_and_as_dicts(tenants):
    assert list(across(tenants, TOTALS)) == ALL
    assert across(tenants, TOTALS).dicts()[0] == ("acme", {"id": 1, "total": Decimal(12)})
    with pytest.raises(InvalidQuery, match="two columns are called 'id'"):
        across(tenants, with_shared(Invoice).select(Invoice.id, Invoice.id)).dicts()


@pytest.mark.parametrize("batch", BATCHES)
def test_a_stream_gives_them_in_pieces(tenants, batch):
    with across(tenants, TOTALS, batch=batch).stream(chunk=1) as rows:
        assert list(rows) == ALL


def test_only_the_named_are_read_and_each_once(tenants):
    assert across(tenants, TOTALS, among=["globex", tenants["globex"]]).execute() == ALL[2:]
    assert across(tenants, TOTALS, among=[]).execute() == []


def streamed(asked):
    with asked.stream() as rows:
        return list(rows)


@pytest.mark.parametrize("run", [Across.execute, Across.combined, streamed])
def test_the_tables_of_those_who_are_not_named_are_not_touched(tenants, sql, run):
    count: Any = with_shared(Invoice).select(fn.count())
    with tenants.shared(), tenants.database.atomic():
        ((pid,),) = tenants.database.execute_sql("SELECT pg_catalog.pg_backend_pid()").fetchall()
        run(across(tenants, count, among=["acme"]))
        locked = sql(
            "SELECT DISTINCT n.nspname FROM pg_locks l JOIN pg_class c ON c.oid = l.relation "
            "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE l.pid = %s AND n.nspname LIKE 't\\_%%'",
            pid,
        )
    assert locked == [("t_acme",)]


def test_a_row_is_an_instance_of_its_own_tenant(tenants):
    rows = dict(across(tenants, with_shared(Invoice).where(Invoice.note.is_null(False))))
    with tenants.use("globex"):
        with pytest.raises(WrongTenant, match="tenant 'acme'"):
            rows["acme"].save()
        rows["globex"].save()


def test_a_stream_gives_instances_of_their_own_tenant_too(tenants):
    with across(tenants, with_shared(Invoice)).stream() as rows:
        rows = dict(rows)
    with tenants.use("acme"), pytest.raises(WrongTenant):
        rows["globex"].delete_instance()


def test_a_shared_row_beside_is_everybodys(tenants):
    query = with_shared(Invoice).join(Plan, on=Invoice.plan == Plan.id).select(fn.row(Plan), Invoice.data)
    (_, (plan, data)), (_, (other, _)) = across(tenants, query)
    assert (plan.name, data, other.name) == ("free", {"a": 1}, "pro")
    with tenants.use("globex"):
        plan.save()


def test_rows_become_what_they_are_put_into(tenants):
    @dataclass
    class Line:
        id: int
        total: Decimal

    assert across(tenants, TOTALS.into(Line)).execute()[2] == ("globex", Line(1, Decimal(7)))


def test_schemas_and_values_of_any_text_are_what_they_are(sql, make_engine):
    names = {"odd": 'odd " 50%s name', "even": "%(even)s';--", "q": "t_{0}%%"}
    schemas = {each: schema_name(name) for each, name in names.items()}
    try:
        engine = make_engine(catalog=FixedCatalog([Tenant(tenant_id(i), schema) for i, schema in schemas.items()]))
        for each, schema in schemas.items():
            sql(f"CREATE SCHEMA {quoted(schema)} AUTHORIZATION tenantry_test")
            with engine.use(each):
                engine.database.execute_sql("CREATE TABLE customer (id serial PRIMARY KEY, name text)")
                Customer.create(name=f"%s {each}")
        query: Any = with_shared(Customer).where(Customer.name.startswith("%s ")).select(Customer.name)
        expected = [("even", ("%s even",)), ("odd", ("%s odd",)), ("q", ("%s q",))]
        assert across(engine, query).execute() == expected
        with across(engine, query).stream() as rows:
            assert list(rows) == expected
        count: Any = with_shared(Customer).where(Customer.name != "%s q \0"[:-1]).select(fn.count())
        assert across(engine, count, batch=1).combined() == [(3,)]
    finally:
        for schema in schemas.values():
            sql(f"DROP SCHEMA IF EXISTS {quoted(schema)} CASCADE")


def test_an_order_and_a_limit_are_each_tenants(tenants):
    query = with_shared(Invoice).order_by(Invoice.total).limit(1).select(Invoice.total)
    assert across(tenants, query).execute() == [("acme", (5,)), ("globex", (7,))]


def test_an_order_holds_where_the_server_works_in_parallel(tenants, sql):
    for schema in ("t_acme", "t_globex", "t_initech"):
        sql(f"INSERT INTO {schema}.invoice (total) SELECT n FROM generate_series(1, 20000) n; ANALYZE {schema}.invoice")
    query: Any = with_shared(Invoice).where(Invoice.total > 0).order_by(Invoice.total.desc()).select(Invoice.total)
    with tenants.shared(), tenants.database.atomic():
        tenants.database.execute_sql(
            "SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0; SET LOCAL enable_indexscan = off;"
            "SET LOCAL min_parallel_table_scan_size = 0; SET LOCAL max_parallel_workers_per_gather = 4"
        )
        rows = across(tenants, query).execute()
    for each in ("acme", "globex", "initech"):
        own = [total for tenant, (total,) in rows if tenant == each]
        assert len(own) >= 20_000
        assert own == sorted(own, reverse=True)
    assert [tenant for tenant, _ in rows] == sorted(tenant for tenant, _ in rows)


def test_a_union_is_a_query_too(tenants):
    notes = with_shared(Invoice).where(Invoice.note.is_null(False)).select(Invoice.note)
    both = notes.union(with_shared(Customer).select(Customer.name)).order_by(1)
    assert across(tenants, both).execute() == [
        ("acme", ("Ada",)),
        ("acme", ("acme's",)),
        ("globex", ("50%s of globex's",)),
    ]


# How it is sent.


by_plan = with_shared(Invoice).left_join(Plan, on=Invoice.plan == Plan.id).group_by(Plan.name)


class Spent(Derived):
    plan = by_plan.column(Plan.name)
    total = by_plan.column(fn.sum(Invoice.total))


def test_each_tenant_derives_its_own_table(tenants):
    spent = with_shared(Spent).order_by(Spent.total.desc()).select(Spent.plan, Spent.total)
    assert across(tenants, spent).execute() == [("acme", ("free", 12)), ("acme", (None, 5)), ("globex", ("pro", 7))]
    noted = with_shared(Invoice).where(Invoice.total.in_(with_shared(Spent).select(Spent.total)))
    assert len(across(tenants, noted).execute()) == 3


@pytest.mark.parametrize("boom", [ZeroDivisionError, KeyboardInterrupt, GeneratorExit])
def test_nothing_is_left_open_by_a_stream_that_fails(tenants, boom):
    kept = []
    for _ in range(10):  # More often than the pool has connections.
        with pytest.raises(boom), across(tenants, TOTALS, batch=1).stream(chunk=1) as rows:
            kept.append(rows)
            next(rows)
            raise boom
        next(iter(across(tenants, TOTALS, batch=1)))
    assert tenants.figures().in_use == 0
    with tenants.use("acme"):
        assert tenants.database.execute_sql("SELECT count(*) FROM pg_cursors").fetchone() == (0,)


def test_a_stream_ends_with_its_block(tenants):
    with across(tenants, TOTALS, batch=1).stream(chunk=1) as rows:
        next(rows)
    for _ in range(2):
        with pytest.raises(InvalidQuery, match="a stream ends with its block"):
            next(rows)


@pytest.mark.parametrize("before", [0, 1])
def test_a_stream_is_read_in_the_thread_that_began_it(tenants, before):
    with ThreadPoolExecutor() as executor, across(tenants, TOTALS, batch=1).stream(chunk=1) as rows:
        begun = [next(rows) for _ in range(before)]
        with pytest.raises(TransactionElsewhere):
            executor.submit(next, rows).result(10)
        assert begun + list(rows) == ALL


@pytest.mark.parametrize(
    ("query", "text"),
    [
        (lambda: with_shared(Plan).select(fn.count()), "a shared row that stands alone"),
        (
            lambda: with_shared(Plan).left_join(Invoice, on=Invoice.plan == Plan.id).select(fn.count()),
            "a shared row that stands alone",
        ),
        (
            lambda: with_shared(Invoice).right_join(Plan, on=Invoice.plan == Plan.id).select(fn.count()),
            "a shared row that stands alone",
        ),
        (lambda: with_shared(Invoice).select(fn.count(peewee.fn.DISTINCT(Invoice.note))), "of distinct values"),
        (lambda: with_shared(Invoice).select(peewee.SQL("count(*)"), fn.count()), "has raw SQL in it"),
        (
            lambda: with_shared(Invoice).select(with_shared(Invoice).select(fn.count()).as_scalar(), fn.count()),
            "has a query in it, which is each tenant's own",
        ),
    ],
)
def test_what_would_be_counted_wrongly_is_not_combined(tenants, query, text):
    with pytest.raises(InvalidQuery, match=text):
        across(tenants, query()).combined()


def test_a_shared_table_that_is_joined_by_a_tenants_is_combined(tenants):
    query = (
        with_shared(Plan).join(Invoice, on=Invoice.plan == Plan.id).group_by(Plan.name).select(Plan.name, fn.count())
    )
    assert sorted(across(tenants, query).combined()) == [("free", 1), ("pro", 1)]


def test_tables_of_plain_peewee_in_it_are_each_tenants(tenants):
    with_customer = with_shared(Invoice).where(peewee.fn.EXISTS(Customer.select(peewee.SQL("1"))))
    assert {tenant for tenant, _ in across(tenants, with_customer.select(Invoice.id))} == {"acme"}


def test_its_statements_can_be_read(tenants):
    first, second = across(tenants, TOTALS, batch=2).sql()
    branch = 'SELECT "t1"."id", "t1"."total" FROM "t_{}"."invoice" AS "t1" ORDER BY "t1"."id"'
    acme, globex, initech = (branch.format(name) for name in ("acme", "globex", "initech"))
    assert first == (f'SELECT 0, "q".* FROM ({acme}) AS "q" UNION ALL SELECT 1, "q".* FROM ({globex}) AS "q"', [])
    assert second == (f'SELECT 0, "q".* FROM ({initech}) AS "q"', [])


def test_few_tenants_are_one_statement(server, make_engine, tenants):
    messages = sent(server, make_engine, lambda engine: across(engine, TOTALS).execute())
    assert len([each for each in messages if b'invoice" AS' in each]) == 1
    assert len(messages) <= 2  # How many locks there are is asked as well.


def test_every_tenant_is_in_exactly_one_statement(server, make_engine, tenants):
    messages = sent(server, make_engine, lambda engine: across(engine, TOTALS, batch=2).execute())
    assert [message.count(b'"t_acme"."invoice"') for message in messages] == [1, 0]
    assert [message.count(b'"t_initech"."invoice"') for message in messages] == [0, 1]


@pytest.fixture
def many(sql, make_engine):
    """An engine over sixty tenants, whose tables have partitions: 42 locks for each."""
    catalog = [Tenant(tenant_id(f"m{n:02}"), schema_name(f"m_{n:02}")) for n in range(60)]
    parts = "".join(f"CREATE TABLE {{0}}.p{n} PARTITION OF {{0}}.event FOR VALUES IN ({n});" for n in range(20))
    table = "CREATE SCHEMA {0}; CREATE TABLE {0}.event (id int PRIMARY KEY) PARTITION BY LIST (id);" + parts

    def drop():
        for tenant in catalog:
            sql(f"DROP SCHEMA IF EXISTS {tenant.schema} CASCADE")

    drop()
    for tenant in catalog:
        sql(
            table.format(tenant.schema).replace("CREATE SCHEMA", "SET ROLE tenantry_test; CREATE SCHEMA") + "RESET ROLE"
        )
    yield make_engine(catalog=FixedCatalog(catalog))
    drop()


class Event(TenantModel):
    id = peewee.IntegerField(primary_key=True)


def test_the_locks_of_a_statement_are_a_small_part_of_the_servers(many, sql):
    ((capacity,),) = sql(
        "SELECT current_setting('max_locks_per_transaction')::int * (current_setting('max_connections')::int "
        "+ current_setting('max_prepared_transactions')::int)"
    )
    query: Any = with_shared(Event).select(Event.id)
    statements = across(many, query).sql()
    fitting = capacity // SHARE_OF_LOCKS // 42
    assert sum(text.count('"event"') for text, _ in statements) == 60
    assert max(text.count('"event"') for text, _ in statements) == max(1, min(fitting, MOST_TENANTS))
    with many.shared(), many.database.atomic():
        pid = many.database.execute_sql("SELECT pg_backend_pid()").fetchone()[0]
        many.database.fetch(*statements[0], marks=False)
        ((held,),) = sql("SELECT count(*) FROM pg_locks WHERE pid = %s AND locktype = 'relation'", pid)
    assert 42 < held <= capacity // SHARE_OF_LOCKS + 42


def test_no_more_tenants_than_are_quick_come_in_one_statement(many):
    sizes = [text.count('"event"') for text, _ in across(many, with_shared(Event).select(Event.id)).sql()]
    assert max(sizes) <= MOST_TENANTS < 60
    assert sum(sizes) == 60


def test_it_is_part_of_a_transaction_of_the_shared_schema(tenants):
    query = with_shared(Invoice).join(Plan, on=Invoice.plan == Plan.id).select(Plan.name)
    with tenants.shared(), tenants.database.atomic() as transaction:
        Plan.update(name="gratis").where(Plan.name == "free").execute()
        assert across(tenants, query).execute()[0] == ("acme", ("gratis",))
        transaction.rollback()
    assert across(tenants, query).execute()[0] == ("acme", ("free",))


# What is refused, and nothing sent.


@pytest.mark.parametrize("run", ["execute", "dicts", "combined", "sql"])
def test_it_does_not_run_inside_a_tenant(server, make_engine, tenants, run):
    count: Any = with_shared(Invoice).select(fn.count())
    with Relay(server.url) as relay:
        engine = make_engine(url=relay.url)
        with engine.use("acme"):
            relay.messages.clear()
            with pytest.raises(TenantBound, match="tenant 'acme' is bound here") as refused:
                getattr(across(engine, count), run)()
        assert refused.value.tenant == "acme"
        assert relay.messages == []


def test_a_stream_that_failed_goes_on_failing(tenants):
    made: Any = TOTALS.into(lambda number, total: 1 / (number - 1))
    with across(tenants, made).stream(chunk=2) as rows:
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                list(rows)


def test_a_stream_is_not_read_inside_a_tenant(tenants):
    with across(tenants, TOTALS).stream() as rows:
        next(rows)
        with tenants.use("acme"), pytest.raises(TenantBound):
            next(rows)
        assert next(rows) == ALL[1]


def test_between_its_rows_tenants_can_be_worked_for(tenants):
    with across(tenants, with_shared(Invoice), batch=1).stream(chunk=1) as rows:
        for tenant, invoice in rows:
            with tenants.use(tenant):
                invoice.note = "seen"
                invoice.save()
    assert {note for _, (note,) in across(tenants, with_shared(Invoice).select(Invoice.note))} == {"seen"}


def test_a_query_that_was_begun_in_a_tenant_is_refused(tenants):
    with tenants.use("acme"):
        query, part = with_shared(Invoice), with_shared(Customer).select(Customer.id)
    for each in (query, with_shared(Invoice).where(Invoice.customer.in_(part))):
        with pytest.raises(WrongTenant, match="cannot act in many tenants at once"):
            across(tenants, each).execute()


def test_a_row_of_a_tenant_is_no_value_in_it(tenants):
    with tenants.use("acme"):
        ada = Customer.get()
    with pytest.raises(WrongTenant):
        across(tenants, with_shared(Invoice).where(Invoice.customer == ada)).execute()


def test_a_shared_row_is_a_value_in_it(tenants):
    with tenants.shared():
        free = Plan.get(Plan.name == "free")
    assert len(across(tenants, with_shared(Invoice).where(Invoice.plan == free)).execute()) == 1


def test_a_query_begun_in_the_shared_schema_is_nobodys(tenants):
    with tenants.shared():
        assert (
            across(tenants, with_shared(Invoice).order_by(Invoice.id).select(Invoice.id, Invoice.total)).execute()
            == ALL
        )


LOCKING = with_shared(Invoice).for_update()


class Locked(Derived):
    id = LOCKING.column(Invoice.id)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        (lambda: Invoice.select(), "takes a query"),
        (lambda: with_shared(Invoice).delete(), "takes a query"),
        (lambda: with_shared(Invoice).delete().returning(Invoice.id), "takes a query"),
        (lambda: with_shared(Invoice).for_update(), "locks no rows"),
        (lambda: with_shared(Invoice).union_all(with_shared(Invoice).for_update()), "locks no rows"),
        (lambda: with_shared(Invoice).where(Invoice.id.in_(LOCKING.select(Invoice.id))), "locks no rows"),
        (lambda: with_shared(Invoice).select(LOCKING.select(Invoice.id).limit(1).as_scalar()), "locks no rows"),
        (lambda: with_shared(Invoice).where(peewee.fn.EXISTS(Invoice.select().for_update())), "locks no rows"),
        (lambda: with_shared(Locked).select(Locked.id), "locks no rows"),
        (lambda: with_shared(Plan), "reads shared ones alone"),
    ],
    ids=[
        "peewee's",
        "a delete",
        "what a delete gives back",
        "locking",
        "locking in a union",
        "locking in a condition",
        "locking in a value",
        "locking by peewee",
        "locking in a derived table",
        "shared tables",
    ],
)
def test_what_is_no_query_over_tenants_is_refused(tenants, query, text):
    with pytest.raises(InvalidQuery, match=text):
        across(tenants, query()).execute()


@pytest.mark.parametrize("batch", [0, True, "2", -1])
def test_a_batch_is_a_number_of_tenants(tenants, batch):
    with pytest.raises(InvalidQuery, match="batch takes a number of tenants"):
        across(tenants, TOTALS, batch=batch)


def test_a_stream_takes_a_number_of_rows(tenants):
    with pytest.raises(InvalidQuery, match="takes a number of rows"), across(tenants, TOTALS).stream(chunk=0):
        pass


def test_it_is_asked_of_an_engine(tenants):
    with pytest.raises(TypeError, match=r"across\(\) takes the engine, Tenantry\(\), and was given None"):
        across(None, TOTALS)


def test_one_id_is_no_list_of_ids(tenants):
    with pytest.raises(TypeError, match=r"among=\['acme'\]"):
        across(tenants, TOTALS, among="acme")


def test_a_query_of_another_engine_is_refused(tenants, make_engine):
    other = make_engine()

    class Thing(other.database.Model):
        class Meta:
            table_name = "customer"

    with pytest.raises(NothingBound):
        across(tenants, with_shared(Thing)).execute()


def test_a_transaction_of_a_tenant_keeps_it_out(tenants):
    database = tenants.database_of("acme")
    with database.atomic():
        database.execute_sql("SELECT 1")
        with pytest.raises(TransactionOpen):
            across(tenants, TOTALS).execute()


# Which tenants.


def with_states(shop, **states):
    return FixedCatalog(Tenant(each.id, each.schema, state=states.get(each.id, State.ACTIVE)) for each in shop)


def test_only_active_tenants_are_read(tenants, make_engine, shop):
    engine = make_engine(catalog=with_states(shop, acme=State.SUSPENDED))
    assert across(engine, TOTALS).execute() == ALL[2:]


def test_who_is_named_and_cannot_be_used_is_an_error(tenants, make_engine, shop):
    engine = make_engine(catalog=with_states(shop, acme=State.SUSPENDED))
    with pytest.raises(TenantSuspended):
        across(engine, TOTALS, among=["globex", "acme"]).execute()
    with pytest.raises(UnknownTenant):
        across(engine, TOTALS, among=["nobody"]).execute()


def test_a_tenant_in_the_shared_schema_is_refused(make_engine):
    engine = make_engine(catalog=FixedCatalog([Tenant(tenant_id("acme"), schema_name("public"))]))
    with pytest.raises(SchemaIsShared):
        across(engine, TOTALS).execute()


class Moving:
    """A catalog from which a tenant goes away when it has been read once."""

    def __init__(self, shop, gone):
        self.tenants, self.gone, self.read = list(shop), gone, 0

    def get(self, tenant):
        return next((each for each in self.tenants if each.id == tenant), None)

    def __iter__(self):
        self.read += 1
        return iter([each for each in self.tenants if self.read == 1 or each.id != self.gone])


@pytest.mark.parametrize("batch", BATCHES)
def test_a_tenant_that_is_dropped_meanwhile_is_left_out(tenants, make_engine, shop, sql, batch):
    sql("DROP SCHEMA t_globex CASCADE")
    engine = make_engine(catalog=Moving(shop, "globex"))
    assert across(engine, TOTALS, batch=batch).execute() == ALL[:2]
    engine = make_engine(catalog=Moving(shop, "globex"))
    with across(engine, TOTALS, batch=batch).stream() as rows:
        assert list(rows) == ALL[:2]
    engine = make_engine(catalog=Moving(shop, "globex"))
    assert across(engine, with_shared(Invoice).select(fn.count()), batch=batch).combined() == [(2,)]


@pytest.mark.parametrize("change", ["DROP TABLE t_globex.invoice", "ALTER TABLE t_globex.invoice DROP COLUMN total"])
def test_a_tenant_that_is_behind_is_named(tenants, sql, change):
    sql(change)
    with pytest.raises(
        TenantBehind, match=r"tenant 'globex' has not what the query reads: .* does not exist"
    ) as refused:
        across(tenants, TOTALS).execute()
    assert refused.value.tenant == "globex"
    with tenants.shared(), tenants.database.atomic():
        with pytest.raises(TenantBehind):
            across(tenants, TOTALS).execute()
        assert Plan.select().count() == 2  # The transaction goes on.


def test_a_stream_does_not_go_past_a_tenant_that_fails(tenants, sql):
    sql("DROP TABLE t_globex.invoice")
    with across(tenants, TOTALS, batch=1).stream() as rows:
        assert [next(rows), next(rows)] == ALL[:2]
        for _ in range(2):
            with pytest.raises(TenantBehind):
                next(rows)


def test_another_error_of_the_server_is_peewees(tenants):
    with pytest.raises(peewee.DataError, match="division by zero"):
        across(tenants, with_shared(Invoice).select(Invoice.total / (Invoice.id - Invoice.id))).execute()


# Combined.


@pytest.mark.parametrize("batch", BATCHES)
def test_aggregates_are_of_all_tenants_together(tenants, batch):
    query: Any = with_shared(Invoice).select(
        fn.count(),
        fn.count(Invoice.note),
        fn.sum(Invoice.total),
        fn.sum(Invoice.id),
        fn.min(Invoice.total),
        fn.max(Invoice.note),
        fn.avg(Invoice.total),
        fn.bool_and(Invoice.total > 5),
        fn.bool_or(Invoice.total > 5),
    )
    (row,) = across(tenants, query, batch=batch).combined()
    assert row == (3, 2, 24, 4, 5, "acme's", 8, False, True)
    assert [*map(type, row)] == [int, int, Decimal, int, Decimal, str, Decimal, bool, bool]


@pytest.mark.parametrize("batch", BATCHES)
def test_equal_groups_of_tenants_become_one(tenants, batch):
    with tenants.use("globex"):
        Invoice.create(total=1)
    query = with_shared(Invoice).left_join(Plan, on=Invoice.plan == Plan.id).group_by(Plan.name)
    found = across(tenants, query.select(Plan.name, fn.count(), fn.sum(Invoice.total)), batch=batch).combined()
    assert sorted(found, key=str) == [("free", 1, 12), ("pro", 1, 7), (None, 2, 6)]


@pytest.mark.parametrize("batch", BATCHES)
def test_what_tenants_derive_is_combined(tenants, batch):
    with tenants.use("globex"):
        Invoice.create(plan=1, total=1)
    spent = with_shared(Spent).group_by(Spent.plan).select(Spent.plan, fn.sum(Spent.total), fn.avg(Spent.total))
    assert sorted(across(tenants, spent, batch=batch).combined(), key=str) == [
        ("free", 13, Decimal("6.5")),
        ("pro", 7, 7),
        (None, 5, 5),
    ]
    with pytest.raises(InvalidQuery, match="the query has none"):
        across(tenants, with_shared(Spent).select(Spent.plan, Spent.total)).combined()


def test_groups_are_apart_by_what_is_not_selected_too(tenants):
    query = with_shared(Invoice).group_by(Invoice.id, Invoice.plan).select(Invoice.id, fn.count())
    assert sorted(across(tenants, query, batch=1).combined()) == [(1, 1), (1, 1), (2, 1)]


class Measure(TenantModel):
    kind = peewee.FixedCharField(max_length=4)
    small = peewee.IntegerField()
    big = peewee.BigIntegerField()
    real = peewee.FloatField()
    made = peewee.DateTimeField()
    span = peewee.Field()
    label = peewee.CharField()
    key = peewee.UUIDField()


@pytest.fixture
def measures(tenants, sql):
    for number, schema in enumerate(("t_acme", "t_globex", "t_initech")):
        sql(
            f"SET ROLE tenantry_test; CREATE TABLE {schema}.measure (id serial PRIMARY KEY, kind char(4), small int, "
            "big bigint, real real, made timestamp, span interval, label varchar(10), key uuid); "
            f"INSERT INTO {schema}.measure (kind, small, big, real, made, span, label, key) VALUES "
            f"('ab', 2147483647, 9223372036854775807, 0.1, '2026-01-0{number + 1}', '1 mon 2 days', 'x%', "
            f"'00000000-0000-0000-0000-00000000000{number % 2}'); RESET ROLE"
        )
    return tenants


@pytest.mark.parametrize("batch", BATCHES)
def test_values_of_all_types_are_carried_whole(measures, batch):
    query: Any = (
        with_shared(Measure)
        .group_by(Measure.kind, Measure.label)
        .select(
            Measure.kind,
            fn.sum(Measure.small),
            fn.sum(Measure.big),
            fn.sum(fn.cast(Measure.small, "int", int)),
            fn.sum(Measure.small - 1),
            fn.max(Measure.made),
            fn.call("lower", Measure.label, returns=str),
            fn.avg(Measure.small),
            fn.sum(peewee.SQL("span")),
        )
    )
    (row,) = across(measures, query, batch=batch).combined()
    assert row[:4] == ("ab  ", 3 * 2147483647, 3 * 9223372036854775807, 3 * 2147483647)
    assert row[5:8] == (datetime.datetime(2026, 1, 3), "x%", 2147483647)
    assert [*map(type, row[1:4])] == [int, int, int]
    assert row[8] == datetime.timedelta(days=3 * 32)


@pytest.mark.parametrize("batch", BATCHES)
def test_a_mean_of_real_numbers_keeps_its_digits(measures, batch):
    query: Any = with_shared(Measure).select(fn.avg(Measure.real), fn.sum(fn.call("abs", Measure.small, returns=Any)))
    ((mean, total),) = across(measures, query, batch=batch).combined()
    assert mean == pytest.approx(0.1, rel=1e-6)
    assert type(mean) is float
    assert (total, type(total)) == (3 * 2147483647, int)


def test_a_mean_of_what_is_computed_of_real_numbers_keeps_its_digits(tenants):
    class Weight(TenantModel):
        real = peewee.FloatField()

    for tenant in TENANTS:
        with tenants.use(tenant):
            Weight.create_table()
            for real in (2**24, 1, 1):  # Their sum has a digit more than a real number.
                Weight.create(real=real)
    weights = with_shared(Weight).select(fn.avg(Weight.real + 0), fn.avg(fn.coalesce(Weight.real, 0)))
    assert across(tenants, weights).combined() == [(5592406.0, 5592406.0)]


@pytest.mark.parametrize("batch", BATCHES)
def test_groups_may_be_of_what_has_no_order(measures, batch):
    query = with_shared(Measure).group_by(Measure.key).select(Measure.key, fn.count())
    assert sorted(across(measures, query, batch=batch).combined()) == [(UUID(int=0), 2), (UUID(int=1), 1)]


def test_of_no_tenants_there_is_nothing_to_add_up(tenants):
    query: Any = with_shared(Invoice).select(fn.count(), fn.sum(Invoice.total))
    assert across(tenants, query, among=[]).combined() == [(0, None)]
    assert across(tenants, query.group_by(Invoice.note), among=[]).combined() == []
    assert across(tenants, query, among=["initech"]).combined() == [(0, None)]


def test_combined_rows_become_what_they_are_put_into(tenants):
    @dataclass
    class Sum:
        count: int

    assert across(tenants, with_shared(Invoice).select(fn.count().alias("count")).into(Sum)).combined() == [Sum(3)]


INVOICES: Any = with_shared(Invoice)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        (lambda: INVOICES.select(Invoice.total), "has none: execute"),
        (lambda: INVOICES, "a row of Invoice belongs to a tenant"),
        (lambda: INVOICES.select(fn.count()).limit(0), r"takes no limit\(\)"),
        (lambda: INVOICES.select(fn.count()).offset(1), r"takes no offset\(\)"),
        (lambda: INVOICES.select(fn.count()).order_by(Invoice.id), r"takes no order_by\(\)"),
        (lambda: INVOICES.select(fn.count()).distinct(), r"takes no distinct\(\)"),
        (lambda: INVOICES.select(fn.count()).having(fn.count() > 1), r"takes no having\(\)"),
        (lambda: INVOICES.select(fn.count()).union(INVOICES.select(fn.count())), "takes no union"),
        (lambda: INVOICES.select(fn.count(Invoice.note, distinct=True)), "'count', which is an aggregate of distinct"),
        (lambda: INVOICES.select(fn.count(), fn.array_agg(Invoice.id)), "'array_agg', which has ARRAY_AGG"),
        (lambda: INVOICES.select(fn.string_agg(Invoice.note, ",").alias("all")), "'all', which has STRING_AGG"),
        (lambda: INVOICES.select(fn.sum(Invoice.total) + 1), "'column_1', which has SUM in it"),
        (lambda: INVOICES.select(fn.coalesce(fn.sum(Invoice.total), 0)), "'coalesce', which has SUM"),
        (lambda: INVOICES.select(fn.row_number().over(order_by=[Invoice.id]), fn.count()), "is of a window"),
        (lambda: INVOICES.select(fn.count(), fn.call("bit_and", Invoice.id, returns=int)), "has BIT_AND in it"),
        (
            lambda: INVOICES.select(fn.call("regr_count", 1, Invoice.id, returns=int), fn.count()),
            "not allowed in GROUP",
        ),
    ],
)
def test_what_cannot_be_combined_is_refused(tenants, query, text):
    with pytest.raises(InvalidQuery, match=text):
        across(tenants, query()).combined()
