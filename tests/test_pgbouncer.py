"""Behind a PgBouncer in transaction mode.

Each transaction may run on another backend there, and each backend serves everybody. The first tests do as programs
without tenantry do, and see the leaks that the others look for.
"""

from __future__ import annotations

import contextlib
import gc
import threading
import time

import peewee
import psycopg2
import pytest
from bouncer import Bouncer
from conftest import PASSWORD, ROLE
from peewee import fn
from playhouse.postgres_ext import ServerSide
from psycopg2.extensions import make_dsn, parse_dsn
from relay import Relay
from shop import Customer, Invoice, Plan
from traces import HAS_LOCKS, LEFT_BEHIND

from tenantry.errors import ConfigError, ConnectionLost, ServerRefused, SessionRequired, UnsafeDefaultPath
from tenantry.pool import Pool, PoolSettings


@pytest.fixture
def passwords(direct_server):
    admin = parse_dsn(direct_server.admin_url)
    return {ROLE: PASSWORD, admin["user"]: admin.get("password", "")}


@pytest.fixture
def bouncer(direct_server, passwords):
    """A PgBouncer with two backends, which it lends in turn."""
    with Bouncer(direct_server.url, backends=2, passwords=passwords) as bouncer:
        assert len(set(on_each_backend(bouncer, "SELECT pg_backend_pid()"))) == 2
        yield bouncer


@pytest.fixture
def through(make_engine, bouncer):
    """An engine behind it."""
    return make_engine(url=bouncer.url, pool_size=4, pool_wait_s=5.0)


@pytest.fixture
def acme(through):
    with through.use("acme", across_yield=True):
        yield through.database


def value(database, sql, *params):
    """The one value of the one row of *sql*: over a driver's connection, or a database."""
    cursor = database.cursor()
    cursor.execute(sql, params or None)
    return cursor.fetchone()[0]


def on_each_backend(bouncer, sql):
    """Run *sql* on both backends, and return what each says: while a transaction holds one, another gets the other."""
    with contextlib.ExitStack() as stack:
        cursors = [stack.enter_context(contextlib.closing(bouncer.connect())).cursor() for _ in range(2)]
        for cursor in cursors:
            cursor.execute(f"BEGIN; {sql}")
        answers = [cursor.fetchone()[0] if cursor.description else None for cursor in cursors]
        for cursor in cursors:
            cursor.execute("COMMIT")
        return answers


# Programs without tenantry.


def test_p2_the_path_that_one_client_sets_is_what_another_reads_with(direct_server, passwords, sql):
    sql("INSERT INTO t_acme.customer (name) VALUES ('of acme')")
    with Bouncer(direct_server.url, backends=1, passwords=passwords) as bouncer:
        one, other = bouncer.connect(), bouncer.connect()
        one.cursor().execute("SET search_path TO t_acme")
        assert value(other, "SELECT name FROM customer") == "of acme"


@pytest.fixture(autouse=True)
def tables(shop):
    """Every test here looks at the shop."""


def test_p1b_the_path_in_the_options_of_a_connection_is_refused_or_dropped(direct_server, passwords, bouncer):
    with pytest.raises(psycopg2.OperationalError, match="unsupported startup parameter"):
        bouncer.connect(options="-c search_path=t_acme")
    ignoring = {"ignore_startup_parameters": "options"}
    with Bouncer(direct_server.url, backends=1, passwords=passwords, **ignoring) as deaf:
        assert value(deaf.connect(options="-c search_path=t_acme"), "SHOW search_path") == '""'


def test_p6_the_lock_of_a_session_stays_with_a_backend_that_is_somebody_elses(bouncer):
    one = bouncer.connect()
    one.cursor().execute("SELECT pg_advisory_lock(42)")
    assert sorted(on_each_backend(bouncer, HAS_LOCKS)) == [False, True]


def test_p7_the_temporary_table_of_one_client_shadows_the_table_of_another(bouncer, sql):
    on_each_backend(bouncer, "CREATE TEMP TABLE customer AS SELECT 'of one client' AS name")
    other = bouncer.connect()
    other.cursor().execute("BEGIN; SET LOCAL search_path TO t_globex")
    assert value(other, "SELECT name FROM customer") == "of one client"


# The same situations with tenantry.


def test_p2_a_client_finds_no_path_of_a_tenant(bouncer, through):
    for name in ("acme", "globex"):
        with through.use(name):
            Customer.create(name=name)
            with through.database.atomic():
                Invoice.create(note=name)
    assert on_each_backend(bouncer, "SHOW search_path") == ['""', '""']
    with pytest.raises(psycopg2.errors.UndefinedTable):
        bouncer.connect().cursor().execute("SELECT name FROM customer")


def test_p2_a_tenant_does_not_follow_the_path_that_another_client_has_set(bouncer, through, sql):
    sql("INSERT INTO t_acme.customer (name) VALUES ('of acme')")
    on_each_backend(bouncer, "SET search_path TO t_acme")
    assert on_each_backend(bouncer, "SHOW search_path") == ["t_acme"] * 2
    with through.use("globex"):
        assert list(Customer.select()) == []
        with through.database.atomic():
            assert list(Customer.select()) == []
            assert value(through.database, "SHOW search_path") == "t_globex, pg_catalog, pg_temp"


def test_p1b_an_empty_path_that_a_pooler_has_dropped_is_not_believed(direct_server, passwords):
    url = make_dsn(direct_server.admin_url, options="-c search_path=")
    Pool(url).give(Pool(url).take(""))
    ignoring = {"ignore_startup_parameters": "options"}
    with Bouncer(url, backends=1, passwords=passwords, **ignoring) as deaf, pytest.raises(UnsafeDefaultPath):
        Pool(deaf.url).take("")


def test_p1b_options_that_a_pooler_refuses_are_refused_with_its_words(bouncer):
    with pytest.raises(ServerRefused, match="unsupported startup parameter"):
        Pool(make_dsn(bouncer.url, options="-c statement_timeout=1s")).take("")


def test_p7_a_temporary_table_of_another_client_shadows_no_table_of_a_tenant(bouncer, through):
    on_each_backend(bouncer, "CREATE TEMP TABLE customer AS SELECT 'of one client' AS name")
    for name in ("acme", "globex"):
        with through.use(name):
            Customer.create(name=f"of {name}")
            assert [customer.name for customer in Customer.select()] == [f"of {name}"]


# What raw SQL leaves behind is scrubbed from the backend that has it, not from the one that comes next.


def leave_alone(database, leave):
    database.execute_sql(leave)


def leave_in_a_transaction(database, leave):
    with database.atomic():
        database.execute_sql(leave)


def leave_and_roll_back(database, leave):
    with pytest.raises(ZeroDivisionError), database.atomic():
        database.execute_sql(leave)
        1 / 0


def leave_and_fail(database, leave):
    with pytest.raises(peewee.DataError):
        database.execute_sql(f"{leave}; SELECT 1 / 0")


def leave_and_swallow_an_error(database, leave):
    with pytest.raises(peewee.InternalError), database.atomic(), database.atomic():
        database.execute_sql(leave)
        with pytest.raises(peewee.DataError):
            database.execute_sql("SELECT 1 / 0")


def leave_by_hand(database, leave):
    database.execute_sql("BEGIN")
    database.execute_sql(leave)
    database.execute_sql("  commit work; -- and that is all")


def leave_with_the_drivers_connection(database, leave):
    with database.atomic():
        database.connection().cursor().execute(leave)


WAYS = [each for name, each in list(globals().items()) if name.startswith("leave_")]


@pytest.mark.parametrize("leave", WAYS, ids=[way.__name__ for way in WAYS])
@pytest.mark.parametrize("what", LEFT_BEHIND)
def test_p6_p7_what_raw_sql_leaves_behind_is_on_no_backend(bouncer, acme, leave, what):
    text, is_there = LEFT_BEHIND[what]
    leave(acme, text)
    assert on_each_backend(bouncer, is_there) == [False, False]


def test_p6_what_a_built_query_leaves_behind_is_on_no_backend(bouncer, acme):
    Customer.create(name="a")
    assert len(Customer.select(fn.pg_advisory_lock(42)).tuples()) == 1
    assert on_each_backend(bouncer, HAS_LOCKS) == [False, False]


@pytest.mark.parametrize("read", [list, next], ids=["read to its end", "given up"])
def test_p6_what_a_stream_leaves_behind_is_on_no_backend(bouncer, acme, read):
    Customer.insert_many([(name,) for name in "abc"], fields=[Customer.name]).execute()
    read(iter(ServerSide(Customer.select(Customer.name, fn.pg_advisory_lock(42)), array_size=2)))
    gc.collect()  # One that was given up half-read ends with its last reference.
    assert on_each_backend(bouncer, HAS_LOCKS) == [False, False]


def until(condition, wait_s=5.0):
    deadline = time.monotonic() + wait_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def test_p6_a_commit_that_is_refused_leaves_no_lock_behind(bouncer, acme, sql):
    sql("ALTER TABLE t_acme.invoice ADD CHECK (total >= 0), ADD UNIQUE (note) DEFERRABLE INITIALLY DEFERRED")
    with pytest.raises(peewee.IntegrityError), acme.atomic():
        acme.execute_sql("SELECT pg_advisory_lock(42), set_config('work_mem', '1MB', false)")
        Invoice.create(note="twice")
        Invoice.create(note="twice")
    assert on_each_backend(bouncer, HAS_LOCKS) == [False, False]
    assert "1MB" not in on_each_backend(bouncer, "SHOW work_mem")


def test_t18_a_scrub_that_is_cancelled_half_way_is_done_again(bouncer, acme, through, sql):
    connection = through.parts.pool.take("t_acme")
    connection.cleaning = "SELECT pg_sleep(0.5);" + connection.cleaning  # Slow enough to be cancelled in it.
    through.parts.pool.give(connection)
    asleep = "FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND usename = %s"
    canceller = threading.Thread(target=lambda: until(lambda: sql(f"SELECT pg_cancel_backend(pid) {asleep}", ROLE)))
    canceller.start()
    with pytest.raises(peewee.OperationalError, match="cancel"):
        acme.execute_sql("SELECT set_config('work_mem', '1MB', false)")
    canceller.join()
    assert "1MB" not in on_each_backend(bouncer, "SHOW work_mem")
    assert through.figures().in_use == 0


def test_t18_a_setting_that_hinders_the_scrub_is_scrubbed_too(bouncer, acme):
    acme.execute_sql("SELECT set_config('default_transaction_read_only', 'on', false)")
    acme.execute_sql("SELECT set_config('default_transaction_isolation', 'serializable', false)")
    acme.execute_sql("SELECT set_config('statement_timeout', '1', false)")
    assert on_each_backend(bouncer, "SHOW default_transaction_read_only") == ["off", "off"]
    assert on_each_backend(bouncer, "SHOW default_transaction_isolation") == ["read committed"] * 2
    assert on_each_backend(bouncer, "SHOW statement_timeout") == ["0", "0"]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT pg_advisory_lock(42); COMMIT",
        "SELECT pg_advisory_lock(42); commit; SELECT 1",
        "SELECT pg_advisory_lock(42);\n-- so\nROLLBACK WORK",
        "COMMIT; SELECT pg_advisory_lock(42)",
        "SELECT pg_advisory_lock(42); PREPARE TRANSACTION 'x'",
    ],
)
def test_p6_sql_that_ends_its_transaction_among_other_statements_is_refused(bouncer, acme, text):
    with pytest.raises(SessionRequired, match="by itself"):
        acme.execute_sql(text)
    assert on_each_backend(bouncer, HAS_LOCKS) == [False, False]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT '; commit', $$; rollback $$",
        "DO $body$ BEGIN PERFORM 1; END $body$",
        "SELECT 1; SAVEPOINT a; ROLLBACK TO a; SELECT 2 -- ; commit",
    ],
)
def test_words_that_end_no_transaction_are_not_refused(acme, text):
    with acme.atomic():
        acme.execute_sql(text)


def test_a_raw_transaction_that_is_chained_goes_on(acme, through, sql):
    acme.execute_sql("BEGIN")
    acme.execute_sql("INSERT INTO customer (name) VALUES ('a')")
    acme.execute_sql("COMMIT AND CHAIN")
    acme.execute_sql("INSERT INTO customer (name) VALUES ('b')")
    acme.execute_sql("ROLLBACK")
    assert sql("SELECT name FROM t_acme.customer") == [("a",)]
    assert through.figures().in_use == 0


def test_what_a_pooler_keeps_for_its_client_is_as_it_was_after_a_scrub(
    acme, through, monkeypatch, make_engine, bouncer
):
    monkeypatch.setenv("PGTZ", "Asia/Tokyo")
    monkeypatch.setenv("PGAPPNAME", "100% it's")
    tokyo = make_engine(url=bouncer.url, pool_size=1)
    with tokyo.use("acme"):
        tokyo.database.execute_sql("SELECT set_config('TimeZone', 'UTC', false), set_config('DateStyle', 'SQL', false)")
        asked = "SELECT current_setting('TimeZone'), current_setting('DateStyle'), current_setting('application_name')"
        for _ in range(2):
            assert tokyo.database.execute_sql(asked).fetchone() == ("Asia/Tokyo", "ISO, MDY", "100% it's")


def test_text_is_read_as_it_was_written_after_raw_sql_has_changed_the_encoding(acme):
    acme.execute_sql("SELECT set_config('client_encoding', 'LATIN1', false)")
    Customer.create(name="café €")
    assert [customer.name for customer in Customer.select()] == ["café €"]


# What there is none of behind it.


def test_a_session_is_refused_and_its_refusal_holds_no_connection(acme, through):
    with pytest.raises(SessionRequired, match="transaction mode"), acme.session():
        pass
    assert through.figures().in_use == 0


@pytest.mark.parametrize("text", ["LISTEN news", "SET work_mem TO '1MB'", "PREPARE a AS SELECT 1"])
def test_what_stays_in_a_session_is_refused(bouncer, acme, text):
    with pytest.raises(SessionRequired):
        acme.execute_sql(text)


# How it is known.


def test_a_pooler_is_recognised_and_the_server_itself_is_not_taken_for_one(bouncer, direct_server):
    behind, direct = Pool(bouncer.url), Pool(direct_server.url)
    assert (behind.pooled, direct.pooled) == (True, False)
    behind.close()
    direct.close()


def test_a_pooler_that_lends_for_a_session_can_be_told(direct_server, passwords, make_engine):
    with Bouncer(direct_server.url, backends=2, passwords=passwords, pool_mode="session") as bouncer:
        tenants = make_engine(url=bouncer.url, pooler="session")
        with tenants.use("acme"), tenants.database.session():
            tenants.database.execute_sql("SET work_mem TO '1MB'")
            assert value(tenants.database, "SHOW work_mem") == "1MB"
        tenants.close()


def test_a_pooler_that_cannot_be_recognised_can_be_told(direct_server):
    pool = Pool(direct_server.url, PoolSettings(pooler="transaction"))
    assert pool.pooled
    pool.close()


def test_a_word_that_names_no_mode_of_a_pooler_is_refused():
    with pytest.raises(ConfigError, match="pooler"):
        PoolSettings(pooler="statement")


# What it costs.


@pytest.fixture
def wired(bouncer, make_engine):
    """The messages of an engine on their way to the pooler."""
    with Relay(bouncer.url) as relay:
        tenants = make_engine(url=relay.url, pool_size=1)
        with tenants.use("acme", across_yield=True):
            Customer.select().count()
            yield tenants.database, relay
        tenants.close()


def test_a_statement_is_one_message_through_a_pooler_too(wired):
    _, relay = wired
    with relay.counting() as messages:
        Customer.create(name="a")
    assert len(messages) == 1


def test_raw_sql_that_may_leave_traces_is_two_messages_and_the_next_statement_one(wired):
    acme, relay = wired
    with relay.counting() as messages:
        acme.execute_sql("SELECT set_config('work_mem', '1MB', false)")
    assert len(messages) == 2
    with relay.counting() as messages:
        Customer.select().count()
    assert len(messages) == 1
    assert b"RESET ALL" not in messages[0]


def test_the_scrub_of_a_transaction_travels_with_its_commit(wired):
    acme, relay = wired
    with relay.counting() as messages, acme.atomic():
        acme.execute_sql("SELECT set_config('work_mem', '1MB', false)")
    assert len(messages) == 2


# Everything works.


def test_transactions_and_savepoints(acme, sql):
    with acme.atomic():
        Customer.create(name="kept")
        with pytest.raises(ZeroDivisionError), acme.atomic():
            Customer.create(name="lost")
            1 / 0
        Plan.create(name="shared")
    assert sql("SELECT name FROM t_acme.customer") == [("kept",)]
    assert sql("SELECT name FROM public.plan") == [("shared",)]


def test_a_stream_is_read_while_other_statements_use_other_backends(acme):
    Customer.insert_many([(f"{number:04d}",) for number in range(3_000)], fields=[Customer.name]).execute()
    seen = []
    for customer in ServerSide(Customer.select().order_by(Customer.name), array_size=500):
        if len(seen) % 1_000 == 0:
            assert Customer.select().count() == 3_000
        seen.append(customer.name)
    assert len(seen) == 3_000


def test_a_tenant_is_made_migrated_and_dropped(make_engine, bouncer, tmp_path, sql):
    (tmp_path / "tenant").mkdir()
    first = tmp_path / "tenant" / "0001_note.sql"
    first.write_text("CREATE TABLE note (text text); CREATE TEMP TABLE mine (x int);")
    tenants = make_engine(url=bouncer.url, catalog=None, migrations=tmp_path)
    try:
        tenants.create("umbrella")
        (tmp_path / "tenant" / "0002_index.sql").write_text("CREATE INDEX note_text ON note (text);")
        assert [outcome.schema for outcome in tenants.migrate()] == ["t_umbrella"]
        assert sql("SELECT to_regclass('t_umbrella.note_text') IS NOT NULL") == [(True,)]
        tenants.drop("umbrella")
        assert sql("SELECT to_regnamespace('t_umbrella') IS NULL") == [(True,)]
    finally:
        sql("DROP SCHEMA IF EXISTS t_umbrella CASCADE; DROP SCHEMA IF EXISTS tenantry CASCADE")
    assert on_each_backend(bouncer, HAS_LOCKS) == [False, False]


def test_a_backend_that_was_killed_while_idle_is_replaced_unseen(acme, sql):
    Customer.create(name="a")
    sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", ROLE)
    until(lambda: not sql("SELECT 1 FROM pg_stat_activity WHERE usename = %s AND state = 'idle'", ROLE))
    time.sleep(0.1)
    assert Customer.select().count() == 1


def test_a_transaction_whose_backend_was_killed_is_a_connection_lost_and_goes_on_nowhere(acme, through, sql):
    with pytest.raises(ConnectionLost), acme.atomic():
        Customer.create(name="lost")
        with pytest.raises(ConnectionLost):
            acme.execute_sql("SELECT pg_terminate_backend(pg_backend_pid())")
        Customer.create(name="behind it")
    assert Customer.select().count() == 0
    assert through.figures().in_use == 0


def test_a_thread_that_dies_in_a_transaction_leaves_nothing_on_its_backend(bouncer, through):
    def die():
        database = through.database_of("acme")
        database.begin()
        database.execute_sql("SELECT pg_advisory_lock(42)")

    thread = threading.Thread(target=die)
    thread.start()
    thread.join()
    gc.collect()
    until(lambda: through.figures().in_use == 0)
    until(lambda: on_each_backend(bouncer, HAS_LOCKS) == [False, False])


def test_p2_many_threads_and_tenants_over_two_backends_read_their_own_rows_alone(through):
    """Each value tells whose it is; every second statement leaves something behind that would lead others astray."""
    foreign = []

    def work(name, number):
        with through.use(name):
            for turn in range(25):
                if turn % 2:
                    with through.database.atomic():
                        Invoice.create(note=f"{name}:{number}:{turn}")
                        through.database.execute_sql("SELECT set_config('search_path', %s, false)", (f"t_{name}",))
                else:
                    Invoice.create(note=f"{name}:{number}:{turn}")
                    through.database.execute_sql("SELECT set_config('app.tenant', %s, false)", (name,))
                kept = value(through.database, "SELECT current_setting('app.tenant', true)")
                foreign.extend([kept] if kept else [])
                foreign.extend(row.note for row in Invoice.select() if not row.note.startswith(f"{name}:"))

    threads = [
        threading.Thread(target=work, args=(name, number))
        for name in ("acme", "globex", "initech")
        for number in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert foreign == []
    for name in ("acme", "globex", "initech"):
        with through.use(name):
            assert Invoice.select().count() == 50
