"""Many schemas: one question for all, one failure stops no other, and a lock that is held defers."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter

import psycopg2
import pytest
from relay import Relay

from tenantry import Tenant
from tenantry.context import bound
from tenantry.databases import SharedDatabase, TenantDatabase
from tenantry.errors import ConfigError, ConnectionLost, MigrationBlocked, MigrationEdited, MigrationFailed
from tenantry.migrations import OutcomeState, SchemaState, migrate, plan, status, versions
from tenantry.migrations import apply as apply_one
from tenantry.naming import schema_name, tenant_id
from tenantry.pool import Pool, PoolSettings

TABLE = "CREATE TABLE a (id int PRIMARY KEY, note text);"


@pytest.fixture
def fleet(server, sql):
    """Make empty schemas, and databases for them over one pool."""
    pools, made = [], []

    def make(count, *, url=server.url, size=8, wait_s=5.0):
        pools.append(Pool(url, PoolSettings(size=size, wait_s=wait_s)))
        made.extend(f"t_{number}" for number in range(len(made), count))
        sql("".join(f"CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION tenantry_test;" for schema in made))
        tenants = [Tenant(tenant_id(str(number)), schema_name(f"t_{number}")) for number in range(count)]
        return [TenantDatabase(pools[-1], tenant) for tenant in tenants]

    sql("DROP TABLE IF EXISTS tenantry.schemas, tenantry.history")
    yield make
    for pool in pools:
        pool.close()
    for start in range(0, len(made), 50):
        sql("".join(f"DROP SCHEMA {schema} CASCADE;" for schema in made[start : start + 50]))
    sql("DROP TABLE IF EXISTS tenantry.schemas, tenantry.history")


def states(outcomes):
    return Counter(outcome.state.value for outcome in outcomes)


def test_of_thirty_schemas_the_one_that_fails_stops_no_other(fleet, write, sql):
    databases = fleet(30)
    sql("CREATE TABLE t_17.a ()")
    outcomes = migrate(databases, write(TABLE), jobs=4)
    assert states(outcomes) == {"done": 29, "failed": 1}
    assert (outcomes[17].schema, type(outcomes[17].error)) == ("t_17", MigrationFailed)
    assert set(versions(databases[0])) == {f"t_{number}" for number in range(30)} - {"t_17"}


def test_outcomes_come_in_the_order_of_the_databases_with_what_was_applied(fleet, write):
    databases = fleet(5)
    outcomes = migrate(databases[::-1], write(TABLE, "SELECT 1"))
    assert [outcome.schema for outcome in outcomes] == ["t_4", "t_3", "t_2", "t_1", "t_0"]
    assert {outcome.applied for outcome in outcomes} == {("0001_step", "0002_step")}
    assert min(outcome.duration_s for outcome in outcomes) > 0


def test_progress_is_told_in_the_calling_thread_as_each_ends(fleet, write):
    told = []
    databases, files = fleet(6), write(TABLE)
    migrate(databases[:2], files)
    migrate(databases, files, on_outcome=lambda outcome: told.append((threading.get_ident(), outcome.state.value)))
    assert {thread for thread, _ in told} == {threading.get_ident()}
    assert [state for _, state in told] == ["up_to_date"] * 2 + ["done"] * 4


def test_nothing_pending_is_one_message_for_all(fleet, server, write):
    files = write(TABLE)
    with Relay(server.url) as relay:
        databases = fleet(20, url=relay.url)
        migrate(databases, files)
        with relay.counting() as messages:
            outcomes = migrate(databases, files)
        databases[0].pool.close()
    assert (len(messages), states(outcomes)) == (1, {"up_to_date": 20})


@pytest.mark.direct
def test_a_file_more_is_two_messages_for_all_and_three_for_each(fleet, server, write):
    with Relay(server.url) as relay:
        databases = fleet(5, url=relay.url, size=1)
        migrate(databases, write(TABLE))
        with relay.counting() as messages:
            migrate(databases, write(TABLE, "SELECT 1"))
        databases[0].pool.close()
    assert len(messages) == 2 + 3 * 5


@pytest.mark.direct
def test_schemas_that_a_newer_process_has_migrated_are_up_to_date_and_left_alone(fleet, server, write):
    older = write(TABLE)
    with Relay(server.url) as relay:
        databases = fleet(3, url=relay.url)
        migrate(databases, write(TABLE, "SELECT 1"))
        with relay.counting() as messages:
            outcomes = migrate(databases, older)
        databases[0].pool.close()
    assert (states(outcomes), len(messages)) == ({"up_to_date": 3}, 2)


def test_an_edited_file_fails_each_schema_that_has_it_and_none_else(fleet, write):
    databases = fleet(4)
    migrate(databases[:3], write(TABLE))
    outcomes = migrate(databases, write(TABLE + "-- edited"))
    assert states(outcomes) == {"failed": 3, "done": 1}
    assert isinstance(outcomes[0].error, MigrationEdited)


def test_a_schema_that_another_deployer_has_finished_meanwhile_is_up_to_date(fleet, write, sql):
    (database,), (other,) = fleet(1), fleet(1)
    files = write(TABLE, "SELECT pg_sleep(0.3)")
    first = threading.Thread(target=lambda: apply_one(plan("t_0", files, {}), other))
    first.start()
    while not sql("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"):
        time.sleep(0.01)
    outcomes = migrate([database], files)
    first.join()
    assert (states(outcomes), outcomes[0].applied) == ({"up_to_date": 1}, ())


def test_a_shared_schema_is_migrated_as_any_other(fleet, write, sql):
    (database,) = fleet(1)
    shared = SharedDatabase(database.pool, database.schema)
    assert states(migrate([shared], write(TABLE))) == {"done": 1}


def test_a_lock_that_stays_held_defers_the_schema_and_no_other(fleet, write, server):
    databases = fleet(4)
    migrate(databases, write(TABLE))
    with psycopg2.connect(server.admin_url) as other:
        other.cursor().execute("LOCK TABLE t_2.a")
        outcomes = migrate(databases, write(TABLE, "ALTER TABLE a ADD COLUMN b int"), lock_timeout_s=0.02)
    other.close()
    assert [outcome.state.value for outcome in outcomes] == ["done", "done", "deferred", "done"]
    assert isinstance(outcomes[2].error, MigrationBlocked)


def test_a_lock_that_is_freed_meanwhile_does_not_defer(fleet, write, server):
    databases = fleet(1)
    migrate(databases, write(TABLE))
    other = psycopg2.connect(server.admin_url)
    other.cursor().execute("LOCK TABLE t_0.a")
    freed = threading.Timer(0.1, other.rollback)
    freed.start()
    outcomes = migrate(databases, write(TABLE, "ALTER TABLE a ADD COLUMN b int"), lock_timeout_s=0.08)
    freed.join()
    other.close()
    assert states(outcomes) == {"done": 1}


def test_a_deadlock_is_tried_again(fleet, write, sql):
    databases = fleet(1)
    sql("CREATE SEQUENCE public.tries; GRANT ALL ON public.tries TO PUBLIC")
    # The first try is told of a deadlock; the second is not. (A sequence is not rolled back.)
    once = "IF nextval('public.tries') = 1 THEN RAISE EXCEPTION 'deadlock' USING ERRCODE = '40P01'; END IF;"
    try:
        outcomes = migrate(databases, write(TABLE, f"DO $$BEGIN {once} END$$"))
    finally:
        sql("DROP SEQUENCE public.tries")
    assert states(outcomes) == {"done": 1}


def test_a_backend_killed_in_the_middle_fails_its_schema_and_the_next_run_finishes(fleet, write, sql):
    databases = fleet(3)
    sql("CREATE TABLE t_1.slow ()")
    slow = "DO $$BEGIN IF to_regclass('slow') IS NOT NULL THEN PERFORM pg_sleep(30); END IF; END$$"
    files = write(TABLE, slow)

    def kill():
        while not sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"):
            time.sleep(0.01)

    killer = threading.Thread(target=kill)
    killer.start()
    outcomes = migrate(databases, files)
    killer.join()
    assert (states(outcomes), type(outcomes[1].error)) == ({"done": 2, "failed": 1}, ConnectionLost)
    assert sql("SELECT to_regclass('t_1.a') IS NULL, count(*) FROM tenantry.history WHERE schema = 't_1'") == [
        (True, 0)
    ]
    sql("DROP TABLE t_1.slow")
    assert states(migrate(databases, files)) == {"up_to_date": 2, "done": 1}


# How far they are.


def test_a_status_tells_what_a_schema_lacks_and_which_file_was_edited(fleet, write):
    databases = fleet(3)
    migrate(databases[:1], write("SELECT 0", "SELECT 2"))
    files = write(TABLE)
    migrate(databases[1:2], files[:1])
    edited, behind, new = status(databases[0], ["t_0", "t_1", "t_2"], files)
    assert (edited.state, edited.pending, edited.error.file) == (SchemaState.EDITED, (), "0001_step.sql")
    assert (behind.state, behind.pending, behind.error) == (SchemaState.BEHIND, ("0002_step",), None)
    assert (new.state, new.pending) == (SchemaState.BEHIND, ("0001_step", "0002_step"))


def test_the_status_of_many_schemas_is_one_message_and_a_second_when_some_are_behind(fleet, server, write):
    older, names = write(TABLE), [f"t_{number}" for number in range(20)]
    with Relay(server.url) as relay:
        databases = fleet(20, url=relay.url)
        migrate(databases, older)
        with relay.counting() as current:
            assert {each.state for each in status(databases[0], names, older)} == {SchemaState.UP_TO_DATE}
        newer = write(TABLE, "SELECT 1")
        with relay.counting() as late:
            assert {each.state for each in status(databases[0], names, newer)} == {SchemaState.BEHIND}
        databases[0].pool.close()
    assert (len(current), len(late)) == (1, 2)


def test_a_schema_that_a_newer_process_has_migrated_is_up_to_date(fleet, write):
    (database,) = fleet(1)
    older = write(TABLE)
    migrate([database], write(TABLE, "SELECT 1"))
    assert [each.state for each in status(database, ["t_0"], older)] == [SchemaState.UP_TO_DATE]


# The workers.


def test_workers_know_nothing_of_the_callers_tenant(tenants, fleet, write):
    seen = []
    with tenants.use("acme"):
        assert bound() is not None
        migrate(
            fleet(2),
            write(**{"1_a__py": "def up(migrator, db): pass"}),
            bound=lambda database: seen.append(bound()) or database.atomic(),
        )
    assert seen == [None, None]


def test_there_are_never_more_workers_than_connections(fleet, write):
    outcomes = migrate(fleet(6, size=1, wait_s=0.01), write("SELECT pg_sleep(0.05)"), jobs=4)
    assert states(outcomes) == {"done": 6}


def test_at_least_one_worker_is_needed(fleet, write):
    with pytest.raises(ConfigError, match="jobs=0"):
        migrate(fleet(1), write(TABLE), jobs=0)


def test_no_files_and_no_databases_are_nothing_to_do(fleet):
    assert (migrate([], []), states(migrate(fleet(2), []))) == ([], {"up_to_date": 2})


@pytest.fixture
def ctrl_c():
    """Send this process SIGINT in a moment. (A shell's background jobs are started with SIGINT ignored.)"""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.15, os.kill, (os.getpid(), signal.SIGINT))
    yield timer.start
    timer.join()
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_lets_those_under_way_end_and_begins_no_other(fleet, write, ctrl_c):
    databases, told = fleet(12), []
    ctrl_c()
    with pytest.raises(KeyboardInterrupt):
        migrate(databases, write("SELECT pg_sleep(0.4)"), jobs=2, on_outcome=told.append)
    assert states(told) == {"done": 2}
    assert set(versions(databases[0])) == {outcome.schema for outcome in told}


def test_a_callback_that_fails_stops_the_run_after_those_under_way(fleet, write):
    databases = fleet(12)
    with pytest.raises(ZeroDivisionError):
        migrate(databases, write(TABLE), jobs=2, on_outcome=lambda outcome: 1 / 0)
    assert 1 <= len(versions(databases[0])) <= 5
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("migrate-")]


def test_a_thousand_schemas_with_nothing_pending_take_under_twenty_milliseconds(fleet, write, sql):
    databases, files = fleet(1), write(TABLE)
    migrate(databases, files)
    pool = databases[0].pool
    sql(
        "INSERT INTO tenantry.schemas SELECT 't_' || n, count, last, version, migrated_at "
        "FROM tenantry.schemas, generate_series(1, 999) AS n WHERE schema = 't_0'"
    )
    tenants = [Tenant(tenant_id(str(number)), schema_name(f"t_{number}")) for number in range(1000)]
    databases = [TenantDatabase(pool, tenant) for tenant in tenants]
    took_s = min(timed(databases, files) for _ in range(5))
    assert took_s < 0.02


def timed(databases, files):
    begun = time.perf_counter()
    outcomes = migrate(databases, files)
    assert {outcome.state for outcome in outcomes} == {OutcomeState.UP_TO_DATE}
    return time.perf_counter() - begun
