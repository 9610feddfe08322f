"""Statements: each finds its own schema, and leaves nothing on the connection for the next."""

from __future__ import annotations

import gc
import io
import logging
import threading

import peewee
import psycopg2.sql
import pytest
from peewee import fn
from playhouse.postgres_ext import ServerSide, ServerSideQuery
from shop import Customer, Invoice, Plan
from traces import HAS_LOCKS, LEFT_BEHIND

from tenantry import FixedCatalog, Tenant, TenantModel
from tenantry.errors import ConnectionLost, NothingBound, PoolTimeout, SessionRequired, TransactionElsewhere
from tenantry.naming import quoted, schema_name, tenant_id


@pytest.fixture
def one(make_engine):
    """An engine with a single connection: whatever one statement leaves behind, the next one meets."""
    return make_engine(pool_size=1, pool_wait_s=1.0)


@pytest.fixture
def acme(one):
    with one.use("acme", across_yield=True):
        yield one.database


def value(database, sql, *params):
    return database.execute_sql(sql, params).fetchone()[0]


# Names.


def test_two_tenants_have_rows_of_their_own(one):
    for name in ("acme", "globex"):
        with one.use(name):
            Customer.create(name=f"{name}'s")
    for name in ("acme", "globex"):
        with one.use(name):
            assert [customer.name for customer in Customer.select()] == [f"{name}'s"]


def test_tenant_and_shared_tables_join_in_one_statement(acme):
    plan = Plan.create(name="pro")
    Invoice.create(note="with", plan=plan)
    Invoice.create(note="without")
    query = Invoice.select(Invoice.note, Plan.name).join(Plan, peewee.JOIN.LEFT_OUTER).order_by(Invoice.note)
    assert list(query.tuples()) == [("with", "pro"), ("without", None)]


def test_t03_a_table_that_the_tenant_lacks_is_an_error_although_public_has_one(acme, sql):
    sql("ALTER TABLE t_acme.invoice RENAME TO elsewhere; CREATE TABLE public.invoice AS SELECT 'of nobody' AS note")
    try:
        with pytest.raises(peewee.ProgrammingError, match='"invoice" does not exist'):
            acme.execute_sql("SELECT note FROM invoice")
    finally:
        sql("DROP TABLE public.invoice")


def test_t17e_a_schema_that_is_gone_takes_no_tables(acme, sql):
    sql("DROP SCHEMA t_acme CASCADE")
    with pytest.raises(peewee.ProgrammingError, match=r"permission denied|does not exist"):
        acme.execute_sql("CREATE TABLE stray (x int)")
    assert sql("SELECT schemaname FROM pg_tables WHERE tablename = 'stray'") == []
    assert not Customer.table_exists()


def test_a_schema_with_any_name_works(make_engine, sql):
    name = schema_name("a%s\"b'c; é")
    sql(f"CREATE SCHEMA {quoted(name).replace('%', '%%')} AUTHORIZATION tenantry_test", ())
    try:
        tenants = make_engine(catalog=FixedCatalog([Tenant(tenant_id("odd"), name)]))
        with tenants.use("odd"):
            Customer.create_table()
            Customer.create(name="a")
            assert Customer.select().where(Customer.name == "a").count() == 1
            out = io.StringIO()
            tenants.database.cursor().copy_expert("COPY customer (name) TO STDOUT", out)
            assert out.getvalue() == "a\n"
    finally:
        sql(f"DROP SCHEMA {quoted(name).replace('%', '%%')} CASCADE", ())


def test_what_an_extension_brings_is_found_in_the_schema_of_the_extensions(make_engine, sql):
    sql("CREATE SCHEMA extensions; CREATE FUNCTION extensions.twice(int) RETURNS int LANGUAGE sql AS 'SELECT 2 * $1'")
    sql("GRANT USAGE ON SCHEMA extensions TO PUBLIC")
    try:
        tenants = make_engine(extensions="extensions")
        with tenants.use("acme"):
            assert value(tenants.database, "SELECT twice(21)") == 42
            tenants.database.execute_sql("CREATE TABLE made (x int)")
            assert sql("SELECT schemaname FROM pg_tables WHERE tablename = 'made'") == [("t_acme",)]
    finally:
        sql("DROP SCHEMA extensions CASCADE")


def test_raw_sql_in_the_shared_block_finds_the_shared_schema(one):
    with one.shared():
        one.database.execute_sql("INSERT INTO plan (name) VALUES ('pro')")
        assert [plan.name for plan in Plan.select()] == ["pro"]


@pytest.mark.direct
def test_the_time_zone_of_a_tenant_is_no_other_tenants(one):
    acme, globex = one.database_of("acme"), one.database_of("globex")
    acme.set_time_zone("Asia/Tokyo")
    assert value(acme, "SHOW timezone") == "Asia/Tokyo"
    assert value(globex, "SHOW timezone") != "Asia/Tokyo"
    with acme.session():
        assert value(acme, "SHOW timezone") == "Asia/Tokyo"


# What raw SQL leaves behind never reaches the next borrower.


def test_text_of_the_next_tenant_is_not_read_in_the_encoding_of_the_last(one):
    one.database_of("acme").execute_sql("SELECT set_config('client_encoding', 'LATIN1', false)")
    with one.use("globex"):
        Customer.create(name="café €")
        assert [customer.name for customer in Customer.select()] == ["café €"]


def test_a_built_query_with_a_value_that_is_sql_leaves_nothing_either(one):
    with one.use("acme", across_yield=True):
        Customer.insert(name=psycopg2.extensions.AsIs("pg_advisory_lock(42)::text")).execute()
    assert value(one.database_of("globex"), HAS_LOCKS) is False


@pytest.mark.parametrize(
    ("text", "hold"),
    [("SELECT %s", lambda lock: (lock,)), ("SELECT %(a)s", lambda lock: {"a": lock})],
    ids=["%s", "%(a)s"],
)
def test_what_a_value_that_is_sql_leaves_behind_is_gone_for_the_next(one, text, hold):
    one.database_of("acme").execute_sql(text, hold(psycopg2.extensions.AsIs("pg_advisory_lock(42)")))
    assert value(one.database_of("globex"), HAS_LOCKS) is False


@pytest.mark.parametrize(
    "text",
    [
        "SELECT count(*), lower(name) FROM customer WHERE name IN ('a', 'b') GROUP BY name",
        'INSERT INTO "customer" ("name") VALUES (%s)',
        "WITH known AS (SELECT 1) SELECT coalesce(max(id), 0) FROM customer",
    ],
)
def test_raw_sql_that_only_computes_is_not_followed_by_a_scrub(one, text):
    one.database_of("acme").execute_sql(text, ("a",) if "%s" in text else ())
    connection = one.parts.pool.take("looked at")
    assert not connection.marked
    one.parts.pool.give(connection)


@pytest.mark.parametrize(("leave", "is_there"), LEFT_BEHIND.values(), ids=LEFT_BEHIND)
def test_t18_what_raw_sql_leaves_behind_is_gone_for_the_next(one, leave, is_there):
    one.database_of("acme").execute_sql(leave)
    assert value(one.database_of("globex"), is_there) is False


@pytest.mark.parametrize("what", LEFT_BEHIND)
def test_t18_what_a_transaction_leaves_behind_is_gone_for_the_next(one, what):
    leave, is_there = LEFT_BEHIND[what]
    acme, globex = one.database_of("acme"), one.database_of("globex")
    with acme.atomic():
        acme.execute_sql(leave)
        if what not in ("a path", "a channel"):  # The prefix hides the one, and the other begins with the commit.
            assert value(acme, is_there) is True  # So that this test is known to be able to see it.
    with globex.atomic():
        assert value(globex, is_there) is False


def test_a_scrub_that_the_next_borrowers_failure_would_undo_is_done_nevertheless(one):
    acme, globex = one.database_of("acme"), one.database_of("globex")
    acme.execute_sql("SELECT set_config('work_mem', '1MB', false)")
    with pytest.raises(peewee.ProgrammingError):
        globex.execute_sql("selec 1")
    with pytest.raises(ZeroDivisionError), globex.atomic():
        Customer.select().sql()
        globex.execute_sql("SELECT 1")
        raise ZeroDivisionError
    assert value(globex, "SHOW work_mem") != "1MB"


def test_a_lock_that_a_failing_statement_took_is_gone_for_the_next(one):
    acme, globex = one.database_of("acme"), one.database_of("globex")
    with pytest.raises(peewee.DataError):
        acme.execute_sql("SELECT 1 / (pg_advisory_lock(42)::text <> '')::int::int * 0 / 0")
    locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
    assert value(globex, locks) == 0


def test_t18_a_function_called_in_a_query_of_peewees_leaves_nothing_either(one):
    with one.use("acme", across_yield=True):
        Customer.create(name="a")
        Customer.select(fn.set_config("work_mem", "1MB", False)).execute()
    with one.use("globex"):
        assert Customer.select(fn.current_setting("work_mem")).union(Customer.raw("SELECT 1")) is not None
        assert value(one.database, "SHOW work_mem") != "1MB"


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("übel", "übel()"),
        ("log", "t_acme.log()"),
        ("held", 'EXISTS (SELECT FROM plan JOIN plan p ON "held"() <> p.name)'),
    ],
)
def test_t18_a_function_by_any_name_leaves_nothing(one, name, call):
    acme = one.database_of("acme")
    acme.execute_sql("CREATE TABLE plan AS SELECT 'a' AS name")
    body = "SELECT set_config('work_mem', '1MB', false)"
    acme.execute_sql(f"CREATE FUNCTION {name}() RETURNS text LANGUAGE sql AS $${body}$$")
    acme.execute_sql("SELECT 1")
    with one.use("acme", across_yield=True):
        Customer.raw(f"SELECT {call}").tuples().execute()
        assert acme.execute_sql(f"SELECT {call}").fetchone()
    assert value(one.database_of("globex"), "SHOW work_mem") != "1MB"


def test_queries_that_leave_nothing_are_not_followed_by_a_scrub(one):
    with one.use("acme", across_yield=True):
        Customer.create(name="a")
        Customer.select(fn.COUNT(Customer.id), fn.LOWER(fn.MAX(Customer.name))).where(
            Customer.name.in_(["a"])
        ).tuples().get()
        connection = one.parts.pool.take("looked at")
        assert not connection.marked
        one.parts.pool.give(connection)


@pytest.mark.parametrize(
    "text",
    [
        "SET search_path TO public",
        "/* c */ -- d\n set role postgres",
        "RESET ALL",
        "LISTEN news",
        "PREPARE p AS SELECT 1",
        "DISCARD ALL",
        "LOAD 'x'",
        "CREATE TEMP TABLE t (x int)",
        "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
    ],
)
def test_t18_raw_sql_that_would_stay_on_the_connection_is_refused(acme, text):
    with pytest.raises(SessionRequired, match=r"db\.session"):
        acme.execute_sql(text)


@pytest.mark.parametrize(
    "text",
    [
        "SET LOCAL work_mem = '1MB'",
        "SET TRANSACTION READ ONLY",
        "SET CONSTRAINTS ALL DEFERRED",
        "CREATE TEMP TABLE t (x int)",
    ],
)
def test_what_ends_with_the_transaction_is_not_refused_in_one(acme, text):
    with acme.atomic():
        acme.execute_sql(text)


def test_a_notice_for_one_tenant_is_not_shown_to_the_next(one):
    acme, globex = one.database_of("acme"), one.database_of("globex")
    cursor = acme.execute_sql("DO $$BEGIN RAISE NOTICE 'for acme'; END$$")
    assert "for acme" in cursor.notices[0]
    assert globex.execute_sql("SELECT 1").notices == ()


# The face of a cursor and of an error.


@pytest.mark.parametrize(
    "make", [str, str.encode, lambda text: psycopg2.sql.SQL(text)], ids=["str", "bytes", "Composable"]
)
def test_raw_sql_is_text_bytes_or_composed(acme, make):
    assert acme.execute_sql(make("SELECT %s + 1"), (41,)).fetchone() == (42,)


def test_composed_sql_is_rendered_with_a_connection_of_the_pool(acme, one):
    query = psycopg2.sql.SQL("SELECT {}").format(psycopg2.sql.Literal("it's"))
    assert value(acme, query) == "it's"
    with acme.atomic():
        assert value(acme, query) == value(acme, query) == "it's"
    assert one.figures().in_use == 0


@pytest.mark.parametrize("text", ["", "  \n "])
def test_an_empty_statement_is_an_error(acme, text):
    with pytest.raises(peewee.ProgrammingError, match="empty"):
        acme.execute_sql(text)


def test_a_percent_sign_means_what_it_means_to_the_driver(acme):
    assert value(acme, "SELECT 'a%%b'") == "a%b"
    cursor = acme.cursor()
    cursor.execute("SELECT 'a%b', 'a%%b'")
    assert cursor.fetchone() == ("a%b", "a%%b")
    assert value(acme, "SELECT %s", "50%") == "50%"


@pytest.mark.direct
@pytest.mark.parametrize("block", [True, False], ids=["in a transaction", "alone"])
def test_an_error_counts_lines_and_points_as_if_the_statement_were_sent_alone(acme, block):
    text = "SELECT 1,\n  x frm y"
    with pytest.raises(peewee.ProgrammingError) as plain:
        with acme.session():
            acme.execute_sql(text)
    with pytest.raises(peewee.ProgrammingError) as ours:
        if block:
            with acme.atomic(), acme.atomic():
                acme.execute_sql(text)
        else:
            acme.execute_sql(text)
    assert str(ours.value) == str(plain.value)
    assert ours.value.orig.pgerror == plain.value.orig.pgerror
    assert ours.value.orig.pgcode == plain.value.orig.pgcode


def test_an_error_shows_nothing_of_the_prefix(acme):
    with pytest.raises(peewee.ProgrammingError) as caught:
        acme.execute_sql("SELECT * FROM nowhere")
    assert "search_path" not in str(caught.value)
    assert "LINE 1: SELECT * FROM nowhere" in str(caught.value)


def test_rows_can_be_fetched_after_the_connection_has_gone_to_somebody_else(one):
    cursor = one.database_of("acme").execute_sql("SELECT generate_series(1, 5)")
    one.database_of("globex").execute_sql("SELECT 'other'")
    assert (cursor.fetchone(), cursor.fetchmany(2), list(cursor), cursor.fetchone()) == (
        (1,),
        [(2,), (3,)],
        [(4,), (5,)],
        None,
    )
    assert (cursor.rowcount, cursor.statusmessage, cursor.description[0].name) == (5, "SELECT 5", "generate_series")


def test_a_statement_without_rows_has_none_to_fetch(acme):
    cursor = acme.execute_sql("INSERT INTO customer (name) VALUES ('a')")
    assert cursor.rowcount == 1
    with pytest.raises(psycopg2.ProgrammingError, match="no results"):
        cursor.fetchone()


def test_each_execute_of_a_cursor_is_a_statement_of_the_tenant(acme):
    with acme.cursor() as cursor:
        cursor.executemany("INSERT INTO customer (name) VALUES (%s)", [("a",), ("b",)])
        cursor.execute("SELECT name FROM customer ORDER BY id")
        assert list(cursor) == [("a",), ("b",)]
        assert cursor.rowcount == 2
        cursor.executemany("UPDATE customer SET name = name || %s", [("1",), ("2",)])
        assert cursor.rowcount == 4


def test_a_cursor_that_has_executed_nothing_has_no_rows(acme):
    cursor = acme.cursor()
    assert (cursor.rowcount, cursor.description, cursor.closed) == (-1, None, False)
    assert not hasattr(cursor, "no_such_thing")
    with pytest.raises(psycopg2.ProgrammingError):
        cursor.fetchone()


def test_copy_reads_and_writes_the_tenants_table(one):
    with one.use("acme", across_yield=True):
        one.database.cursor().copy_expert("COPY customer (name) FROM STDIN", io.StringIO("a\nb\n"))
        assert Customer.select().count() == 2
    with one.use("globex"):
        assert Customer.select().count() == 0


def test_hooks_and_log_see_the_sql_that_the_user_wrote(one, caplog):
    events = []
    one.query_hooks.append(events.append)
    with caplog.at_level(logging.DEBUG, "peewee"), one.use("acme", across_yield=True):
        one.database.execute_sql("SELECT 1")
        with pytest.raises(peewee.ProgrammingError):
            one.database.execute_sql("SELECT * FROM nowhere")
    with one.shared():
        one.database.execute_sql("SELECT 2")
    assert [event.sql for event in events] == ["SELECT 1", "SELECT * FROM nowhere", "SELECT 2"]
    assert [type(event.exception) for event in events] == [type(None), peewee.ProgrammingError, type(None)]
    assert not any("search_path" in record.getMessage() for record in caplog.records)


def test_savepoints_are_told_to_the_hooks_as_peewee_tells_them(one):
    events = []
    one.query_hooks.append(events.append)
    with one.use("acme", across_yield=True), one.database.atomic(), one.database.atomic():
        Customer.create(name="a")
    assert [event.sql.split()[0] for event in events] == ["SAVEPOINT", "INSERT", "RELEASE"]


# Results that stay in the server.


@pytest.fixture
def customers(acme):
    Customer.insert_many([{"name": f"c{number:04}"} for number in range(25)]).execute()


def test_a_server_side_query_reads_in_pieces_and_gives_its_connection_back(customers, acme, one):
    query = ServerSide(Customer.select().order_by(Customer.id), array_size=10)
    assert [customer.name for customer in query][::12] == ["c0000", "c0012", "c0024"]
    assert one.figures().in_use == 0


def test_a_server_side_query_inside_a_transaction_sees_what_the_transaction_wrote(customers, acme, one):
    with acme.atomic():
        Customer.create(name="new")
        assert len(list(ServerSide(Customer.select()))) == 26
        Customer.create(name="newer")
    assert one.figures().in_use == 0


def test_other_statements_beside_a_server_side_query_are_no_part_of_its_transaction(make_engine):
    tenants = make_engine(pool_size=2)
    with tenants.use("acme"):
        Customer.insert_many([{"name": str(number)} for number in range(5)]).execute()
        for seen, customer in enumerate(ServerSide(Customer.select(), array_size=1), start=1):
            Invoice.create(customer=customer)
            assert Invoice.select().count() == seen
    assert tenants.figures().in_use == 0


def test_a_server_side_query_that_fails_leaves_nothing_open(acme, one):
    with pytest.raises(peewee.ProgrammingError):
        acme.execute_sql("SELECT * FROM nowhere", named_cursor=True)
    assert one.figures().in_use == 0
    with acme.atomic():
        assert value(acme, "SELECT 1") == 1


def test_a_server_side_query_given_up_half_read_gives_its_place_back(customers, acme, one):
    rows = iter(ServerSide(Customer.select(), array_size=5))
    next(rows)
    del rows
    gc.collect()
    assert Customer.select().count() == 25
    assert one.figures().in_use == 0


def test_places_are_never_lost_to_queries_given_up_half_read_again_and_again(customers, acme, one):
    for _ in range(30):
        rows = iter(ServerSide(Customer.select(), array_size=5))
        next(rows)
        loop = [rows]
        loop.append(loop)  # For the collector, which ends the cursor and its connection in an order of its own.
        del rows, loop
        gc.collect()
    assert Customer.select().count() == 25
    assert one.figures().in_use == 0


def test_a_statement_beside_a_server_side_query_that_gets_no_second_connection_is_told_why(customers, make_engine):
    tenants = make_engine(pool_size=1, pool_wait_s=0.01)
    with tenants.use("acme"):
        Customer.create(name="a")
        for _ in ServerSide(Customer.select(), array_size=1):
            with pytest.raises(PoolTimeout, match="holds one already"):
                Customer.select().count()
        assert Customer.select().count() == 26


def test_a_query_given_up_half_read_on_a_dead_connection_is_given_up_quietly(customers, acme, one, sql):
    query = ServerSideQuery(Customer.select(), array_size=5)
    next(iter(query))
    sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'tenantry_test'")
    assert query.close()
    assert Customer.select().count() == 25


def test_a_connection_killed_under_a_server_side_query_is_a_connection_lost(customers, acme, one, sql):
    rows = iter(ServerSide(Customer.select(), array_size=5))
    next(rows)
    sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'tenantry_test'")
    with pytest.raises(ConnectionLost):
        list(rows)
    assert one.figures().in_use == 0


def test_a_cursor_that_outlives_its_transaction_never_touches_the_connection_again(customers, one):
    database = one.database
    with database.atomic():
        cursor = database.execute_sql("SELECT * FROM customer", named_cursor=True)
        assert len(cursor.fetchmany(5)) == 5
    other = one.database_of("globex")
    with other.atomic():
        other.execute_sql("SELECT 1")
        with pytest.raises(psycopg2.ProgrammingError, match="ended with its transaction"):
            cursor.fetchmany(5)
        cursor.close()
        del cursor
        gc.collect()
        assert value(other, "SELECT 1") == 1


def test_a_rollback_may_take_the_cursor_without_harm(customers, acme):
    with acme.atomic():
        with pytest.raises(ZeroDivisionError), acme.atomic():
            cursor = acme.execute_sql("SELECT * FROM customer", named_cursor=True)
            cursor.fetchmany(5)
            raise ZeroDivisionError
        cursor.close()
        assert Customer.select().count() == 25


def test_a_cursor_is_read_where_it_was_opened(customers, acme):
    cursor = acme.execute_sql("SELECT * FROM customer", named_cursor=True)
    caught = []

    def read():
        try:
            cursor.fetchmany(5)
        except TransactionElsewhere as error:
            caught.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    thread.join()
    assert len(caught) == 1
    assert len(cursor.fetchall()) == 25
    cursor.close()


# What needs nothing but peewee's own ways.


def test_t03c_introspection_sees_the_tenants_schema(acme):
    assert acme.get_tables() == ["customer", "invoice"]
    assert acme.table_exists("customer")
    assert not acme.table_exists("plan")
    assert Plan.table_exists()
    assert [column.name for column in acme.get_columns("customer")] == ["id", "name"]
    assert {index.name for index in acme.get_indexes("customer")} == {"customer_name_key", "customer_pkey"}
    assert [key.dest_table for key in acme.get_foreign_keys("invoice") if key.column == "customer_id"] == ["customer"]
    assert acme.get_views() == []


def test_playhouses_migrator_changes_the_tenants_table_alone(one):
    from playhouse.migrate import SchemaMigrator, migrate

    with one.use("acme", across_yield=True):
        migrate(SchemaMigrator.from_database(one.database).add_column("customer", "email", peewee.TextField(null=True)))
        assert "email" in [column.name for column in one.database.get_columns("customer")]
    with one.use("globex"):
        assert "email" not in [column.name for column in one.database.get_columns("customer")]


def test_t03b_tables_are_made_and_dropped_in_the_tenants_schema(acme, sql):
    class Parcel(TenantModel):
        weight = peewee.IntegerField(index=True)

    acme.create_tables([Parcel])
    assert sql("SELECT schemaname FROM pg_tables WHERE tablename = 'parcel'") == [("t_acme",)]
    acme.drop_tables([Parcel])
    assert not Parcel.table_exists()


def test_json_and_dates_and_upserts_work_as_in_peewee(acme):
    Invoice.create(note="a", data={"items": [1, 2]}, issued="2026-11-23 10:00:00")
    assert Invoice.get(Invoice.data["items"][0] == 1).data == {"items": [1, 2]}
    assert Invoice.select().where(Invoice.issued.year == 2026).count() == 1
    Customer.insert(name="a").on_conflict_ignore().execute()
    Customer.insert(name="a").on_conflict(conflict_target=[Customer.name], update={Customer.name: "b"}).execute()
    assert [customer.name for customer in Customer.select()] == ["b"]


def test_reflection_and_dataset_see_the_tenants_schema(acme):
    from playhouse.dataset import DataSet
    from playhouse.reflection import generate_models

    with pytest.warns(UserWarning, match="plan"):  # The shared table is not in the tenant's schema.
        assert set(generate_models(acme)) == {"customer", "invoice"}
        data = DataSet(acme)
        data["customer"].insert(name="by dataset")
        assert [row["name"] for row in data["customer"]] == ["by dataset"]
        data.close()


def test_what_reflection_and_dataset_have_made_is_for_whoever_is_bound(one):
    from playhouse.dataset import DataSet
    from playhouse.reflection import generate_models

    with one.use("acme"), pytest.warns(UserWarning, match="plan"):
        made, data = generate_models(one.database)["customer"], DataSet(one.database)
        Customer.create(name="of acme")
        table, query = data["customer"], made.select(made.name).tuples()
        assert [row["name"] for row in table] == ["of acme"]
        assert list(query) == [("of acme",)]
    with one.use("globex"):
        assert (list(table), list(query)) == ([], [])
    with pytest.raises(NothingBound):
        list(table)


# What was read on a connection before, or left on it, has no say in what a name means now.


def test_t01_a_path_that_is_left_on_the_connection_is_no_tenants(one):
    one.database_of("acme").execute_sql("SELECT set_config('search_path', 't_acme', false)")
    with pytest.raises(NothingBound):
        one.database.execute_sql("SELECT * FROM customer")
    with one.shared(), pytest.raises(peewee.ProgrammingError, match="does not exist"):
        one.database.execute_sql("SELECT * FROM customer")


def test_t02c_the_path_holds_for_a_statement_without_a_transaction(one):
    with one.use("acme"):
        assert value(one.database, "SELECT current_schema()") == "t_acme"
        assert not one.parts.pool.figures().in_use


def test_t02e_a_tenant_whose_schema_is_gone_reads_nothing(one, sql):
    sql("ALTER SCHEMA t_acme RENAME TO t_elsewhere; CREATE TABLE public.customer (id int)")
    try:
        with one.use("acme"), pytest.raises(peewee.ProgrammingError, match="does not exist"):
            list(Customer.select())
    finally:
        sql("ALTER SCHEMA t_elsewhere RENAME TO t_acme; DROP TABLE public.customer")


def test_t02f_a_statement_that_fails_takes_the_path_of_the_next_along_with_it(one):
    for tenant in ("acme", "globex"):
        database = one.database_of(tenant)
        with pytest.raises(peewee.ProgrammingError):
            database.execute_sql("SELECT * FROM nowhere")
        assert value(database, "SELECT current_schema()") == f"t_{tenant}"


@pytest.mark.parametrize("how", ["by a function", "by a trigger"])
def test_t17_a_temporary_table_of_one_tenant_shadows_no_table_of_another(one, sql, how):
    sql(
        """
        CREATE FUNCTION t_acme.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            CREATE TEMP TABLE customer (id int, name text); INSERT INTO pg_temp.customer VALUES (1, 'acme'); RETURN new;
        END $$;
        CREATE TRIGGER note AFTER INSERT ON t_acme.customer FOR EACH ROW EXECUTE FUNCTION t_acme.note()
        """
    )
    with one.use("acme"):
        if how == "by a trigger":
            Customer.create(name="Ada")
        else:
            one.database.execute_sql("DO $$BEGIN EXECUTE 'CREATE TEMP TABLE customer (id int, name text)'; END$$")
    with one.use("globex"):
        Customer.create(name="Bob")
        assert [row.name for row in Customer.select()] == ["Bob"]
    assert sql("SELECT name FROM t_globex.customer") == [("Bob",)]


def test_t19_a_function_finds_the_tables_of_the_tenant_that_calls_it_although_its_plan_was_anothers(one, sql):
    body = "'BEGIN RETURN (SELECT count(*) FROM customer); END'"
    sql(f"CREATE FUNCTION public.customers() RETURNS bigint LANGUAGE plpgsql AS {body}")
    try:
        with one.use("acme"):
            Customer.create(name="Ada")
        for _ in range(8):  # PostgreSQL keeps a plan for all values after some calls.
            assert value(one.database_of("acme"), "SELECT public.customers()") == 1
            assert value(one.database_of("globex"), "SELECT public.customers()") == 0
    finally:
        sql("DROP FUNCTION public.customers()")
