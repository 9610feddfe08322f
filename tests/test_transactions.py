"""Transactions:

carried by the context, begun with their first statement, and where plain peewee would be when something fails.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import peewee
import psycopg2
import psycopg2.extras
import pytest
from relay import Relay
from shop import Customer, Invoice, Plan

from tenantry.context import bound, lease_of
from tenantry.errors import (
    ConnectionLost,
    PoolTimeout,
    SessionRequired,
    TransactionElsewhere,
    TransactionOpen,
)


@pytest.fixture
def acme(tenants):
    with tenants.use("acme", across_yield=True):
        yield tenants.database


@pytest.fixture
def notes(sql):
    """The notes of acme's invoices, as the superuser sees them."""
    return lambda schema="t_acme": [row[0] for row in sql(f"SELECT note FROM {schema}.invoice ORDER BY id")]


@pytest.fixture
def cancelling(server, make_engine):
    """Make an engine for acme that somebody disturbs: messages that contain a word are cancelled, when it comes off."""
    now, over, threads = threading.Event(), threading.Event(), []

    def cancel():
        with contextlib.closing(psycopg2.connect(server.admin_url)) as connection:
            connection.autocommit = True
            cursor = connection.cursor()
            while not over.is_set():
                if now.wait(0.01):
                    cursor.execute(
                        "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE usename = 'tenantry_test'"
                    )

    def note(word, message):
        if word in message:
            now.set()
            time.sleep(0.0005)  # Or the message would be done before the first of them comes.
        else:
            now.clear()

    with contextlib.ExitStack() as stack:

        def make(word):
            relay = stack.enter_context(Relay(server.url))
            relay.on_message = functools.partial(note, word)
            threads.append(threading.Thread(target=cancel))
            threads[0].start()
            tenants = make_engine(url=relay.url)
            stack.enter_context(tenants.use("acme", across_yield=True))
            return tenants

        yield make
        over.set()
        threads[0].join()


def in_thread(work):
    """Run *work* in another thread with a copy of this context, as asyncio.to_thread does, and return what it returns
    or raises.
    """
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(contextvars.copy_context().run, work).result(30)


# A block ends as it should.


def test_a_block_that_ends_well_is_committed(acme, notes):
    with acme.atomic():
        Invoice.create(note="a")
        assert notes() == []
    assert notes() == ["a"]


def test_a_block_that_raises_leaves_nothing(acme, notes):
    with pytest.raises(ZeroDivisionError), acme.atomic():
        Invoice.create(note="a")
        raise ZeroDivisionError
    assert notes() == []


def test_an_inner_block_that_raises_leaves_nothing_of_itself_alone(acme, notes):
    with acme.atomic():
        Invoice.create(note="before")
        with pytest.raises(ZeroDivisionError), acme.atomic():
            Invoice.create(note="inside")
            raise ZeroDivisionError
        Invoice.create(note="after")
    assert notes() == ["before", "after"]


def test_an_inner_block_that_raises_before_anything_was_sent_leaves_the_outer_one_whole(acme, notes):
    with acme.atomic():
        with pytest.raises(ZeroDivisionError), acme.atomic():
            raise ZeroDivisionError
        Invoice.create(note="after")
    assert notes() == ["after"]


def test_inner_blocks_one_after_another_and_in_each_other_keep_what_they_should(acme, notes):
    with acme.atomic():
        with acme.atomic():
            Invoice.create(note="1")
            with acme.atomic():
                Invoice.create(note="2")
            with pytest.raises(ZeroDivisionError), acme.atomic():
                Invoice.create(note="3")
                with acme.atomic():
                    Invoice.create(note="4")
                raise ZeroDivisionError
        with acme.atomic():
            Invoice.create(note="5")
    assert notes() == ["1", "2", "5"]


def test_a_transaction_can_be_rolled_back_by_hand_and_goes_on(acme, notes):
    with acme.atomic() as transaction:
        Invoice.create(note="a")
        transaction.rollback()
        Invoice.create(note="b")
    assert notes() == ["b"]


def test_a_decorated_function_is_a_transaction_of_the_tenant_it_is_called_in(tenants, notes):
    @tenants.database.atomic()
    def write(note, fail=False):
        Invoice.create(note=note)
        if fail:
            raise ZeroDivisionError

    with tenants.use("acme"):
        write("a")
        with pytest.raises(ZeroDivisionError):
            write("b", fail=True)
    with tenants.use("globex"):
        write("c")
    assert (notes(), notes("t_globex")) == (["a"], ["c"])


def test_tenant_and_shared_tables_are_written_in_one_transaction(acme, notes, sql):
    with pytest.raises(ZeroDivisionError), acme.atomic():
        Plan.create(name="pro")
        Invoice.create(note="a")
        raise ZeroDivisionError
    assert (notes(), sql("SELECT * FROM public.plan")) == ([], [])


def test_manual_commit_is_peewees_own(acme, notes):
    with acme.manual_commit():
        acme.begin()
        Invoice.create(note="a")
        acme.rollback()
        acme.begin()
        Invoice.create(note="b")
        acme.commit()
    assert notes() == ["b"]


def test_what_was_registered_for_after_the_commit_runs_once_it_is_done(acme, notes):
    seen = []
    with acme.atomic():
        Invoice.create(note="a")
        acme.after_commit(lambda: seen.append(notes()))
        assert seen == []
    assert seen == [["a"]]


def test_a_deferred_constraint_refuses_the_commit_and_nothing_stays(acme, notes, sql, tenants):
    sql("ALTER TABLE t_acme.invoice ADD UNIQUE (note) DEFERRABLE INITIALLY DEFERRED")
    with pytest.raises(peewee.IntegrityError), acme.atomic():
        Invoice.create(note="a")
        Invoice.create(note="a")
    assert notes() == []
    assert tenants.figures().in_use == 0


def test_the_isolation_level_travels_with_begin(acme):
    with acme.atomic("SERIALIZABLE"):
        assert acme.execute_sql("SHOW transaction_isolation").fetchone() == ("serializable",)
    with acme.atomic():
        assert acme.execute_sql("SHOW transaction_isolation").fetchone() == ("read committed",)


def test_what_is_no_isolation_level_is_refused_before_the_block_begins(acme, tenants):
    with pytest.raises(ValueError, match=r"'BOGUS' is not .*SERIALIZABLE"), acme.atomic("BOGUS"):
        pass
    with acme.atomic(3):
        assert acme.execute_sql("SHOW transaction_isolation").fetchone() == ("serializable",)


def test_a_snapshot_is_not_taken_before_the_first_statement_on_a_connection_that_must_be_scrubbed(acme):
    acme.execute_sql("SELECT set_config('tenantry.left', 'behind', false)")
    with acme.atomic():
        acme.execute_sql("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        assert acme.execute_sql("SHOW transaction_isolation").fetchone() == ("serializable",)


# The first statement fails: the block is where plain PostgreSQL would be.


@pytest.mark.parametrize(
    "broken", ["selec 1", "SELECT * FROM nowhere", "SELECT 1/0"], ids=["syntax", "no table", "at run time"]
)
@pytest.mark.parametrize("depth", [1, 2])
def test_a_first_statement_that_fails_aborts_the_transaction_although_the_error_is_caught(acme, notes, broken, depth):
    def block():
        with pytest.raises(peewee.ProgrammingError if "1/0" not in broken else peewee.DataError):
            acme.execute_sql(broken)
        Invoice.create(note="swallowed")

    with pytest.raises(peewee.InternalError, match="aborted"), acme.atomic():
        if depth == 1:
            block()
        else:
            with acme.atomic():
                block()
    assert notes() == []


def test_a_block_whose_rollback_is_cancelled_is_rolled_back_all_the_same(cancelling, notes):
    tenants = cancelling(b"ROLLBACK")
    until = time.monotonic() + 60
    while not tenants.figures().closed and time.monotonic() < until:
        with pytest.raises((ZeroDivisionError, peewee.OperationalError)), tenants.database.atomic():
            Invoice.create(note="a")  # A late one may meet this.
            raise ZeroDivisionError
        assert lease_of(tenants.database.wire.key) is None
    assert tenants.figures().closed, "it never came off"
    assert notes() == []


def test_a_first_statement_that_fails_aborts_the_transaction_although_that_is_cancelled(cancelling, notes):
    tenants = cancelling(b"ROLLBACK TO SAVEPOINT")
    until = time.monotonic() + 60
    while not tenants.figures().closed and time.monotonic() < until:
        with pytest.raises((peewee.InternalError, ConnectionLost)), tenants.database.atomic():
            with pytest.raises((peewee.ProgrammingError, peewee.OperationalError)):
                tenants.database.execute_sql("selec 1")
            Invoice.create(note="a")
    assert tenants.figures().closed, "it never came off"
    assert notes() == []


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, TimeoutError])
def test_a_first_statement_that_fails_aborts_the_transaction_although_that_is_interrupted(
    server, make_engine, notes, interrupt
):
    def interrupted(*_):
        raise interrupt

    before = signal.signal(signal.SIGUSR1, interrupted)
    try:
        with Relay(server.url) as relay, make_engine(url=relay.url).use("acme"):
            relay.on_message = lambda message: (
                b"first_message_failed" in message and os.kill(os.getpid(), signal.SIGUSR1)
            )
            with pytest.raises(peewee.InternalError, match="aborted"), bound().database.atomic():
                with pytest.raises(interrupt):
                    bound().database.execute_sql("selec 1")
                Invoice.create(note="a")
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert notes() == []


def test_a_first_statement_that_fails_tells_its_own_error_although_the_connection_dies_of_what_follows(
    server, make_engine
):
    with Relay(server.url) as relay, make_engine(url=relay.url).use("acme"):
        relay.on_message = lambda message: b"first_message_failed" in message and relay.cut()
        with pytest.raises(ConnectionLost), bound().database.atomic():
            try:
                bound().database.execute_sql("selec 1")
            except Exception as error:
                told = error
            Invoice.create(note="a")
        assert isinstance(told, peewee.ProgrammingError)


@pytest.mark.parametrize("broken", ["selec 1", "SELECT * FROM nowhere"], ids=["syntax", "no table"])
def test_an_inner_block_whose_first_statement_fails_is_rolled_back_alone(acme, notes, broken):
    with acme.atomic():
        with pytest.raises(peewee.ProgrammingError), acme.atomic():
            acme.execute_sql(broken)
        Invoice.create(note="after")
    assert notes() == ["after"]


@pytest.mark.parametrize("broken", ["selec 1", "SELECT * FROM nowhere"], ids=["syntax", "no table"])
def test_an_inner_block_that_fails_after_earlier_work_leaves_that_work(acme, notes, broken):
    with acme.atomic():
        Invoice.create(note="before")
        with pytest.raises(peewee.ProgrammingError), acme.atomic():
            acme.execute_sql(broken)
        Invoice.create(note="after")
    assert notes() == ["before", "after"]


def test_a_first_statement_that_fails_does_not_keep_what_the_last_borrower_left(make_engine):
    tenants = make_engine(pool_size=1)
    tenants.database_of("acme").execute_sql("SELECT set_config('work_mem', '1MB', false)")
    globex = tenants.database_of("globex")
    with globex.atomic():
        with pytest.raises(peewee.InternalError), globex.atomic():
            with pytest.raises(peewee.ProgrammingError):
                globex.execute_sql("selec 1")
        assert globex.execute_sql("SHOW work_mem").fetchone() != ("1MB",)


def test_a_value_that_the_driver_refuses_leaves_the_transaction_as_it_was(acme, notes):
    with pytest.raises(ZeroDivisionError), acme.atomic():
        with pytest.raises(peewee.ProgrammingError, match="can't adapt"):
            acme.execute_sql("SELECT %s", (object(),))
        Invoice.create(note="a")
        raise ZeroDivisionError
    assert notes() == []


def test_a_swallowed_error_makes_the_end_of_an_inner_block_fail(acme, notes):
    with acme.atomic():
        Invoice.create(note="before")
        with pytest.raises(peewee.InternalError), acme.atomic():
            with pytest.raises(peewee.ProgrammingError):
                acme.execute_sql("SELECT * FROM nowhere")
        Invoice.create(note="after")
    assert notes() == ["before", "after"]


# Raw transaction control keeps its meaning.


def test_a_raw_begin_opens_a_transaction_and_a_raw_commit_ends_it(acme, notes, tenants):
    acme.execute_sql("BEGIN")
    Invoice.create(note="a")
    assert (notes(), tenants.figures().in_use) == ([], 1)
    acme.execute_sql("COMMIT")
    assert (notes(), tenants.figures().in_use) == (["a"], 0)


def test_a_raw_commit_inside_a_block_ends_its_transaction(acme, notes, tenants):
    with pytest.raises(ZeroDivisionError), acme.atomic():
        Invoice.create(note="a")
        acme.execute_sql("COMMIT")
        assert tenants.figures().in_use == 0
        raise ZeroDivisionError
    assert notes() == ["a"]


@pytest.mark.direct
def test_what_follows_a_raw_commit_in_one_text_finds_no_table(acme, sql):
    sql("CREATE TABLE public.secret AS SELECT 1 AS x; ALTER TABLE public.secret OWNER TO tenantry_test")
    try:
        with pytest.raises(peewee.ProgrammingError, match='"secret" does not exist'):
            acme.execute_sql("COMMIT; SELECT * FROM secret")
        with acme.atomic() as _, pytest.raises(peewee.ProgrammingError, match='"secret" does not exist'), acme.atomic():
            Invoice.create(note="a")
            acme.execute_sql("SAVEPOINT s")
            acme.execute_sql("ROLLBACK TO s; SELECT * FROM secret")
    finally:
        sql("DROP TABLE public.secret")


def test_t02_a_rollback_to_a_raw_savepoint_keeps_the_path(acme):
    with acme.atomic():
        acme.execute_sql("SAVEPOINT a")
        acme.execute_sql("ROLLBACK TO a")
        assert acme.execute_sql("SELECT current_schema()").fetchone() == ("t_acme",)


# The transaction belongs to who opened it.


def test_a_thread_that_carries_the_context_cannot_use_its_transaction(acme, notes):
    with acme.atomic():
        Invoice.create(note="a")
        with pytest.raises(TransactionElsewhere, match="MainThread") as caught:
            in_thread(lambda: Invoice.create(note="from the thread"))
        assert caught.value.schema == "t_acme"
    assert notes() == ["a"]


def test_a_thread_that_carries_a_transaction_which_has_begun_nothing_cannot_use_it_either(acme, notes):
    with acme.atomic(), pytest.raises(TransactionElsewhere):
        in_thread(lambda: Invoice.create(note="from the thread"))
    assert notes() == []


def test_a_thread_that_carries_a_transaction_which_is_over_works_by_itself(acme, notes):
    with acme.atomic():
        Invoice.create(note="a")
        context = contextvars.copy_context()
    with ThreadPoolExecutor(1) as executor:
        executor.submit(context.run, lambda: Invoice.create(note="b")).result(10)
    assert notes() == ["a", "b"]


def test_a_transaction_opened_after_the_context_was_copied_is_not_the_threads(acme, notes):
    Invoice.select().count()
    context = contextvars.copy_context()
    with pytest.raises(ZeroDivisionError), acme.atomic(), ThreadPoolExecutor(1) as executor:
        Invoice.create(note="rolled back")
        executor.submit(context.run, lambda: Invoice.create(note="acknowledged")).result(10)
        raise ZeroDivisionError
    assert notes() == ["acknowledged"]


def test_a_thread_without_the_transaction_never_joins_it(tenants, notes):
    def write():
        with tenants.use("acme"):
            Invoice.create(note="by itself")

    with pytest.raises(ZeroDivisionError), tenants.use("acme"), tenants.database.atomic():
        Invoice.create(note="rolled back")
        with ThreadPoolExecutor(1) as executor:
            executor.submit(write).result(10)
        raise ZeroDivisionError
    assert notes() == ["by itself"]


def test_two_tasks_of_one_thread_have_a_transaction_each(tenants, notes):
    async def write(note, mine, other, fail):
        with tenants.use("acme"), tenants.database.atomic():
            Invoice.create(note=note)
            mine.set()
            await other.wait()
            Invoice.create(note=note)
            if fail:
                raise ZeroDivisionError

    async def both():
        one, two = asyncio.Event(), asyncio.Event()
        return await asyncio.gather(
            write("kept", one, two, False), write("lost", two, one, True), return_exceptions=True
        )

    assert [type(result) for result in asyncio.run(both())] == [type(None), ZeroDivisionError]
    assert notes() == ["kept", "kept"]


def test_a_task_started_inside_a_transaction_is_refused_until_it_is_over(tenants, notes):
    async def write(note):
        Invoice.create(note=note)

    async def main():
        with tenants.use("acme"):
            with tenants.database.atomic():
                Invoice.create(note="a")
                with pytest.raises(TransactionElsewhere, match=r"task 'Task-\d+' in thread 'MainThread'"):
                    await asyncio.create_task(write("b"))
                late = asyncio.create_task(write("c"))
            await late

    asyncio.run(main())
    assert notes() == ["a", "c"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_a_forked_child_cannot_use_its_parents_transaction(acme, notes):
    with acme.atomic():
        Invoice.create(note="a")
        child = os.fork()
        if child == 0:  # pragma: no cover
            try:
                Invoice.create(note="b")
            except TransactionElsewhere as error:
                os._exit(0 if "another process" in str(error) else 1)
            os._exit(2)
        assert os.waitpid(child, 0)[1] == 0
    assert notes() == ["a"]


def test_a_thread_that_dies_in_a_transaction_gives_its_place_back(tenants, notes):
    def die():
        database = tenants.database_of("acme")
        database.begin()
        database.execute_sql("INSERT INTO invoice (note) VALUES ('a')")

    for _ in range(10):  # More often than there are places.
        thread = threading.Thread(target=die)
        thread.start()
        thread.join()
    assert notes() == []
    assert tenants.figures().in_use == 0


# Another tenant, and a second connection.


def test_t12_another_tenant_cannot_be_entered_while_a_transaction_is_open(tenants):
    with tenants.use("acme"), tenants.database.atomic():
        with pytest.raises(TransactionOpen, match="t_globex") as caught, tenants.use("globex"):
            pass
        assert (caught.value.open_on, caught.value.wanted) == ("t_acme", "t_globex")
        assert "t_acme" not in str(caught.value)  # It may be read by people of another tenant.
        with pytest.raises(TransactionOpen), tenants.shared():
            pass
        with tenants.use("acme"):
            Invoice.create(note="the same tenant, the same transaction")


def test_beside_a_transaction_another_tenants_work_stands_on_its_own(tenants, notes):
    with pytest.raises(ZeroDivisionError), tenants.use("acme"), tenants.database.atomic():
        Invoice.create(note="rolled back")
        with tenants.use("globex", beside_transaction=True):
            Invoice.create(note="kept")
        Invoice.create(note="rolled back too")
        raise ZeroDivisionError
    assert (notes(), notes("t_globex")) == ([], ["kept"])


def test_a_second_connection_inside_a_transaction_is_never_waited_for(make_engine):
    tenants = make_engine(pool_size=1, pool_wait_s=30)
    with tenants.use("acme"), tenants.database.atomic():
        Invoice.create(note="a")
        begun = time.monotonic()
        with pytest.raises(PoolTimeout, match="holds one already"), tenants.use("globex", beside_transaction=True):
            Invoice.create(note="b")
        assert time.monotonic() - begun < 5


# Connections that die.


def kill(database):
    with pytest.raises(ConnectionLost) as caught:
        database.execute_sql("SELECT pg_terminate_backend(pg_backend_pid())")
    return caught.value


@pytest.mark.direct
def test_a_connection_killed_under_a_statement_is_a_connection_lost_and_the_next_statement_works(acme, tenants):
    error = kill(acme)
    assert (error.schema, error.in_transaction) == ("t_acme", False)
    assert isinstance(error, peewee.OperationalError)
    assert Invoice.select().count() == 0
    assert tenants.figures().in_use == 0


def test_a_transaction_whose_connection_died_goes_on_nowhere(acme, notes, tenants):
    with pytest.raises(ConnectionLost), acme.atomic():
        Invoice.create(note="lost")
        assert kill(acme).in_transaction
        Invoice.create(note="must not be committed by itself")
    assert notes() == []
    assert tenants.figures().in_use == 0
    Invoice.create(note="works again")
    assert notes() == ["works again"]


def test_an_error_of_the_application_is_not_masked_by_a_dead_connection(acme, tenants):
    with pytest.raises(ZeroDivisionError), acme.atomic():
        Invoice.create(note="lost")
        with acme.atomic():
            kill(acme)
            raise ZeroDivisionError
    assert tenants.figures().in_use == 0


def test_a_network_that_is_cut_is_a_connection_lost(server, make_engine):
    with Relay(server.url) as relay:
        tenants = make_engine(url=relay.url)
        with tenants.use("acme"), pytest.raises(ConnectionLost, match="transaction is lost"), tenants.database.atomic():
            Invoice.create(note="lost")
            relay.cut()
            Invoice.create(note="lost")


def test_a_backend_killed_while_idle_in_a_transaction_does_not_mask_the_applications_error(acme, sql, tenants):
    with pytest.raises(ZeroDivisionError), acme.atomic():
        Invoice.create(note="lost")
        with acme.atomic():
            sql("SELECT pg_terminate_backend(%s)", acme.connection().info.backend_pid)
            raise ZeroDivisionError
    assert tenants.figures().in_use == 0


@pytest.mark.direct
def test_a_statement_cancelled_in_the_middle_of_a_scrub_leaves_no_transaction_behind(make_engine, sql):
    tenants = make_engine(pool_size=1)
    acme = tenants.database_of("acme")
    acme.execute_sql("SELECT set_config('statement_timeout', '1ms', false)")
    connection = tenants.parts.pool.take("t_acme")
    connection.scrub = "SELECT pg_sleep(1);" + connection.scrub  # Slow enough to be cancelled in it.
    tenants.parts.pool.give(connection)
    with pytest.raises(peewee.OperationalError, match="statement timeout"):
        acme.execute_sql("SELECT 1")
    assert tenants.figures().in_use == 0
    del connection.scrub
    assert acme.execute_sql("SELECT 1").fetchone() == (1,)


# The driver's connection, and sessions.


def test_the_drivers_connection_is_had_inside_a_transaction_with_the_path_set(acme):
    with acme.atomic():
        cursor = acme.connection().cursor()
        cursor.execute("SELECT current_schema()")
        assert cursor.fetchone() == ("t_acme",)


def test_the_drivers_connection_is_not_had_outside_a_transaction(acme):
    with pytest.raises(SessionRequired, match=r"db\.session"):
        acme.connection()


def test_the_drivers_connection_keeps_its_path_after_a_rollback_to_the_first_savepoint(acme):
    with acme.atomic():
        with pytest.raises(ZeroDivisionError), acme.atomic():
            acme.connection()
            raise ZeroDivisionError
        cursor = acme.connection().cursor()
        cursor.execute("SELECT current_schema()")
        assert cursor.fetchone() == ("t_acme",)


@pytest.mark.direct
def test_a_session_runs_what_a_transaction_cannot(acme, sql):
    with pytest.raises(peewee.PeeweeException, match="transaction block"):
        acme.execute_sql("VACUUM invoice")
    with acme.session():
        acme.execute_sql("VACUUM invoice")
        acme.execute_sql("CREATE INDEX CONCURRENTLY notes ON invoice (note)")
    assert sql("SELECT schemaname FROM pg_indexes WHERE indexname = 'notes'") == [("t_acme",)]


@pytest.mark.direct
def test_a_session_keeps_what_it_sets_and_leaves_nothing_behind(acme, tenants):
    with acme.session() as connection:
        acme.execute_sql("SET statement_timeout = '7s'")
        acme.execute_sql("CREATE TEMP TABLE scratch (x int)")
        assert acme.execute_sql("SHOW statement_timeout").fetchone() == ("7s",)
        assert acme.execute_sql("SELECT count(*) FROM scratch").fetchone() == (0,)
    assert tenants.figures().in_use == 0
    cursor = connection.cursor()
    cursor.execute(
        "SELECT current_setting('statement_timeout'), current_setting('search_path'), to_regclass('pg_temp.scratch')"
    )
    assert cursor.fetchone() == ("0", '""', None)


@pytest.mark.direct
def test_a_session_can_hold_transactions(acme, notes):
    with acme.session():
        with acme.atomic():
            Invoice.create(note="a")
        with pytest.raises(ZeroDivisionError), acme.atomic():
            Invoice.create(note="b")
            raise ZeroDivisionError
        with pytest.raises(peewee.InternalError), acme.atomic():
            with pytest.raises(peewee.ProgrammingError):
                acme.execute_sql("selec 1")
            Invoice.create(note="c")
        with acme.atomic(), acme.atomic():
            Invoice.create(note="d")
    assert notes() == ["a", "d"]


def test_a_session_cannot_begin_inside_a_transaction(acme):
    with acme.atomic(), pytest.raises(SessionRequired), acme.session():
        pass


def shouting(value, cursor):
    return value and value.upper()


CHANGES = {
    "autocommit": lambda connection: setattr(connection, "autocommit", False),
    "cursor factory": lambda connection: setattr(connection, "cursor_factory", psycopg2.extras.DictCursor),
    "a type": lambda connection: psycopg2.extensions.register_type(
        psycopg2.extensions.new_type((25,), "SHOUTING", shouting), connection
    ),
    "readonly": lambda connection: connection.set_session(readonly=True),  # Not in a transaction.
}


def then_another_tenant_writes(tenants, sql):
    with tenants.use("globex"):
        with tenants.database.session() as connection:
            Invoice.create(note="kept")
            connection.rollback()
        assert Invoice.get().note == "kept"
    assert sql("SELECT note FROM t_globex.invoice") == [("kept",)]


@pytest.mark.direct
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_a_session_does_to_the_drivers_connection_reaches_nobody_else(make_engine, sql, change):
    tenants = make_engine(pool_size=1)
    with tenants.database_of("acme").session() as connection:
        change(connection)
    then_another_tenant_writes(tenants, sql)


@pytest.mark.direct
@pytest.mark.parametrize("change", list(CHANGES.values())[:3], ids=list(CHANGES)[:3])
def test_what_a_transaction_does_to_the_drivers_connection_reaches_nobody_else(make_engine, sql, change):
    tenants = make_engine(pool_size=1)
    acme = tenants.database_of("acme")
    with acme.atomic():
        change(acme.connection())
    then_another_tenant_writes(tenants, sql)


@pytest.mark.direct
def test_notifications_for_one_tenant_are_not_read_by_the_next(make_engine, sql):
    tenants = make_engine(pool_size=1)
    with tenants.database_of("acme").session() as connection:
        connection.cursor().execute("LISTEN news")
        sql("NOTIFY news, 'for acme'")
        connection.cursor().execute("SELECT 1")
        assert [note.payload for note in connection.notifies] == ["for acme"]
    with tenants.database_of("globex").session() as connection:
        connection.poll()
        assert connection.notifies == []


@pytest.mark.direct
def test_a_session_whose_connection_dies_gives_its_place_back(acme, tenants):
    with acme.session():
        kill(acme)
    assert tenants.figures().in_use == 0
    assert Invoice.select().count() == 0


@pytest.mark.direct
def test_a_session_that_ends_in_a_transaction_rolls_it_back(acme, notes):
    with acme.session():
        acme.execute_sql("BEGIN")
        Invoice.create(note="a")
    assert notes() == []


# Messages, counted on the wire.


@pytest.fixture
def wired(server, make_engine):
    """An engine whose messages pass a counting relay, with its connection opened."""
    with Relay(server.url) as relay:
        tenants = make_engine(url=relay.url)
        with tenants.use("acme", across_yield=True):
            Customer.create(name="first")
            yield tenants.database, relay


def test_a_statement_is_one_message(wired):
    _, relay = wired
    with relay.counting() as messages:
        Customer.get_by_id(1)
        Customer.create(name="second")
    assert len(messages) == 2


def test_a_transaction_with_one_insert_is_two_messages(wired):
    database, relay = wired
    with relay.counting() as messages, database.atomic():
        Customer.create(name="second")
    assert len(messages) == 2


def test_nested_blocks_with_one_insert_are_two_messages(wired):
    database, relay = wired
    with relay.counting() as messages, database.atomic(), database.atomic():
        Customer.create(name="second")
    assert len(messages) == 2


def test_a_transaction_that_asks_nothing_sends_nothing(wired):
    database, relay = wired
    with relay.counting() as messages:
        with database.atomic(), database.atomic():
            pass
        with pytest.raises(ZeroDivisionError), database.atomic():
            raise ZeroDivisionError
    assert messages == []


def test_t02_every_statement_of_a_transaction_carries_its_path(wired):
    database, relay = wired
    with relay.counting() as messages, database.atomic():
        for name in "abc":
            Customer.create(name=name)
    assert all(b'SET LOCAL search_path TO "t_acme", pg_catalog, pg_temp;' in message for message in messages[:-1])
    assert [message.rstrip(b"\0") for message in messages[-1:]] == [b"COMMIT"]


def test_the_drivers_error_is_the_cause_of_a_lost_connection(acme):
    assert isinstance(kill(acme).__cause__, psycopg2.Error)


def test_a_transaction_that_was_cut_off_before_its_savepoint_ends_with_the_error_that_did_it(tenants):
    acme = tenants.database_of("acme")
    acme.set_time_zone("No/Where")  # What follows BEGIN fails, and the savepoint behind it is never set.
    with pytest.raises(peewee.DataError, match="No/Where"), acme.atomic(), acme.atomic():
        acme.execute_sql("SELECT 1")
    with acme.atomic():
        with pytest.raises(peewee.DataError), acme.atomic():
            acme.execute_sql("SELECT 1")
        with pytest.raises(peewee.InternalError, match="aborted"):
            acme.execute_sql("SELECT 1")


def test_a_savepoint_that_is_not_there_is_an_error_of_its_own(tenants):
    acme = tenants.database_of("acme")
    with pytest.raises(peewee.InternalError, match="savepoint"), acme.atomic(), acme.atomic():
        acme.execute_sql("SELECT 1")
        acme.execute_sql("COMMIT")
        acme.execute_sql("BEGIN")
        raise ZeroDivisionError
