"""One schema: all pending files and their record in one transaction, in three messages, or nothing."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest
from relay import Relay
from shop import Invoice

from tenantry import Tenant
from tenantry.databases import TenantDatabase
from tenantry.errors import (
    ConnectionLost,
    MigrationBlocked,
    MigrationEdited,
    MigrationError,
    MigrationFailed,
    MigrationLeftTransaction,
    SchemaMissing,
)
from tenantry.migrations import applied, apply, ensure, forget, plan, version_of, versions
from tenantry.naming import schema_name, tenant_id
from tenantry.pool import Pool, PoolSettings

SCHEMA = "t_acme"
WEIRD = "t_a\"c'm\\e %s $t0$ {}"
TABLE = "CREATE TABLE a (id int PRIMARY KEY, note text);"


@pytest.fixture(autouse=True)
def empty(sql):
    """An empty schema, and no history."""

    def drop():
        sql("DROP TABLE IF EXISTS tenantry.schemas, tenantry.history")
        for schema in (SCHEMA, WEIRD):
            sql(f"DROP SCHEMA IF EXISTS {quote(schema)} CASCADE".replace("%", "%%"), None)

    drop()
    sql(f"CREATE SCHEMA {SCHEMA} AUTHORIZATION tenantry_test")
    yield
    drop()


def quote(name):
    return '"' + name.replace('"', '""') + '"'


@pytest.fixture
def open_database(server):
    """Open the database of a schema, each with a pool of its own."""
    pools = []

    def open_it(schema=SCHEMA, url=server.url, **settings):
        pools.append(Pool(url, PoolSettings(size=2, wait_s=1.0, **settings)))
        return TenantDatabase(pools[-1], Tenant(tenant_id("acme"), schema_name(schema)))

    yield open_it
    for pool in pools:
        pool.close()


@pytest.fixture
def database(open_database):
    return open_database()


def run(database, files, **options):
    return apply(plan(database.schema, files, {}), database, **options)


def tables(sql, schema=SCHEMA):
    return [row[0] for row in sql("SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY 1", schema)]


def notes(sql):
    return [row[0] for row in sql(f"SELECT note FROM {SCHEMA}.a ORDER BY id")]


# What is applied, and what is recorded.


def test_files_are_applied_in_their_order(database, write, sql):
    done = run(database, write(TABLE, "INSERT INTO a VALUES (1, 'one')", "UPDATE a SET note = note || ' two'"))
    assert (done.names, notes(sql)) == (("0001_step", "0002_step", "0003_step"), ["one two"])


def test_each_file_is_recorded_with_its_hash_and_how_long_it_took(database, write, sql):
    files = write(TABLE, "SELECT pg_sleep(0.05)")
    run(database, files)
    rows = sql("SELECT name, sha256, duration_ms, state FROM tenantry.history WHERE schema = %s ORDER BY name", SCHEMA)
    assert [(name, sha256, state) for name, sha256, _, state in rows] == [(f.name, f.sha256, "done") for f in files]
    assert 0 < rows[0][2] < 50 <= rows[1][2]


def test_the_schema_has_a_row_with_its_version(database, write, sql):
    files = write(TABLE, "SELECT 1")
    done = run(database, files)
    wanted = version_of({file.name: file.sha256 for file in files})
    assert sql("SELECT * FROM tenantry.schemas")[0][:4] == (SCHEMA, 2, "0002_step", wanted)
    assert versions(database) == {SCHEMA: done.version} == {SCHEMA: wanted}


def test_what_is_applied_can_be_asked_for(database, write):
    files = write(TABLE)
    run(database, files)
    assert applied(database, SCHEMA) == {files[0].name: files[0].sha256}


def test_before_the_first_migration_nothing_is_applied(database):
    assert (versions(database), applied(database, SCHEMA)) == ({}, {})


def test_what_is_applied_is_not_applied_again(database, write, sql):
    run(database, write(TABLE))
    done = run(database, write(TABLE, "INSERT INTO a VALUES (1, 'b')"))
    assert (done.names, sql("SELECT count, last FROM tenantry.schemas")) == (("0002_step",), [(2, "0002_step")])


def test_a_file_below_those_applied_is_applied(database, write, sql):
    run(database, write(TABLE, **{"0009_late__sql": "SELECT 1"}))
    run(database, write(TABLE, "INSERT INTO a VALUES (1, 'merged')", **{"0009_late__sql": "SELECT 1"}))
    assert (notes(sql), sql("SELECT count, last FROM tenantry.schemas")) == (["merged"], [(3, "0009_late")])


def test_a_file_edited_since_the_plan_was_made_is_refused_under_the_lock(database, write):
    run(database, write(TABLE))
    with pytest.raises(MigrationEdited):
        run(database, write(TABLE + "-- edited"))


def test_unqualified_names_are_the_schemas_own_and_qualified_ones_the_shared(database, write, shop, sql):
    run(database, write("CREATE TABLE own (id int PRIMARY KEY, plan_id int REFERENCES public.plan)"))
    assert "own" in tables(sql)


def test_a_table_of_the_shared_schema_is_not_found_without_its_name(database, write, shop):
    with pytest.raises(MigrationFailed, match='"plan" does not exist'):
        run(database, write("CREATE TABLE own (plan_id int REFERENCES plan)"))


def test_any_name_of_a_schema_will_do(open_database, write, sql):
    sql(f"CREATE SCHEMA {quote(WEIRD)} AUTHORIZATION tenantry_test".replace("%", "%%"), None)
    database = open_database(WEIRD)
    done = run(database, write(TABLE, "INSERT INTO a VALUES (1, 'x')"))
    assert (versions(database), tables(sql, WEIRD)) == ({WEIRD: done.version}, ["a"])


def test_a_plan_for_another_schema_is_refused(database, write):
    with pytest.raises(MigrationError, match="'t_globex' cannot be applied to 't_acme'"):
        apply(plan("t_globex", write(TABLE), {}), database)


def test_a_schema_that_was_dropped_and_forgotten_is_migrated_anew(database, write, sql):
    run(database, write(TABLE))
    with database.atomic():
        forget(database)
        database.execute_sql(f"DROP SCHEMA {SCHEMA} CASCADE")
    sql(f"CREATE SCHEMA {SCHEMA} AUTHORIZATION tenantry_test")
    assert (versions(database), run(database, write(TABLE)).names, tables(sql)) == ({}, ("0001_step",), ["a"])


def test_forgetting_leaves_other_schemas_alone(database, open_database, write, sql):
    run(database, write(TABLE))
    forget(open_database(WEIRD))
    assert applied(database, SCHEMA)


def test_a_schema_of_any_name_can_be_forgotten(open_database, write, sql):
    sql(f"CREATE SCHEMA {quote(WEIRD)} AUTHORIZATION tenantry_test".replace("%", "%%"), None)
    database = open_database(WEIRD)
    run(database, write(TABLE))
    forget(database)
    assert (versions(database), sql("SELECT count(*) FROM tenantry.history")) == ({}, [(0,)])


def test_where_nothing_was_ever_applied_there_is_nothing_to_forget(database):
    forget(database)


# Whatever a file holds.


def test_percent_dollars_quotes_and_backslashes_reach_the_server_as_they_are(database, write, sql):
    note = r"100% %s %% $$ $t0$ $t1 ' \ "
    run(database, write(TABLE, f"INSERT INTO a VALUES (1, $q${note}$q$), (2, E'it\\'s'), (3, 'it''s'); -- 50%"))
    assert notes(sql) == [note, "it's", "it's"]


@pytest.mark.parametrize("text", ["", "-- nothing", ";", "/* nothing */"])
def test_a_file_without_a_statement_is_applied(database, write, text):
    assert run(database, write(text)).names == ("0001_step",)


def test_a_table_made_from_a_query_may_end_a_file(database, write, sql):
    run(database, write("SELECT 1; CREATE TABLE made AS SELECT 1 AS one", "CREATE TABLE made2 AS SELECT 1 AS one"))
    assert tables(sql) == ["made", "made2"]


def test_what_a_file_sets_does_not_reach_the_next_one(database, write, sql):
    dump = "SELECT pg_catalog.set_config('search_path', '', true); SET LOCAL lock_timeout = 0;"
    run(database, write(dump, "CREATE TABLE a AS SELECT current_setting('lock_timeout') AS note, 1 AS id"))
    assert notes(sql) == ["2s"]


def test_what_a_file_sets_for_the_session_does_not_reach_the_next_borrower(database, write):
    run(database, write("SET statement_timeout = '7s'"))
    assert database.execute_sql("SHOW statement_timeout").fetchone() == ("0",)


@pytest.mark.parametrize(
    "text",
    [
        "COMMIT",
        "commit work;",
        "/* no */ ROLLBACK",
        "END",
        "BEGIN",
        "SAVEPOINT s",
        "PREPARE TRANSACTION 'x'",
        "DO $$BEGIN COMMIT; END$$",
        "CREATE PROCEDURE p() LANGUAGE plpgsql AS $$BEGIN COMMIT; END$$; CALL p()",
    ],
)
def test_a_file_cannot_end_or_begin_a_transaction(database, write, sql, text):
    with pytest.raises(MigrationFailed) as caught:
        run(database, write(TABLE, f"CREATE TABLE b ();\n{text}"))
    assert (caught.value.file, tables(sql), versions(database)) == ("0002_step.sql", [], {})


# Failures.

TEN = [f"CREATE TABLE s{number} (id int);\nSELECT 1;" for number in range(1, 11)]


@pytest.mark.parametrize(
    ("text", "line", "statement", "reason"),
    [
        ("SELECT 1;\n\nSELEC 2;\nSELECT 3", 3, "SELEC 2;", 'syntax error at or near "SELEC"'),
        ("SELECT 1;\nSELECT\n nix;", 3, "SELECT\n nix;", 'column "nix" does not exist'),
        ("SELECT 1;\n\n-- why\nSELECT 1/0;\nSELECT 2", 4, "SELECT 1/0;", "division by zero"),
        ("CREATE TABLE b (id int);\nDROP TABLE b; DROP TABLE b;", 2, "DROP TABLE b;", 'table "b" does not exist'),
        ("SELECT 1;\nDO $$\nBEGIN\n PERFORM 1/0;\nEND$$;", 2, "DO $$\nBEGIN\n PERFORM 1/0;\nEND$$;", "division by"),
        ("SELECT 1;\nCOMMIT;", 2, "COMMIT;", "EXECUTE of transaction commands is not implemented"),
        ("SET LOCAL search_path TO public;\nCREATE TABLE s1 (id int) PARTITION BY x", 2, None, "syntax error"),
    ],
)
def test_a_failure_in_the_seventh_of_ten_names_file_and_line_and_leaves_nothing(
    database, write, sql, text, line, statement, reason
):
    with pytest.raises(MigrationFailed, match=reason) as caught:
        run(database, write(*TEN[:6], text, *TEN[7:]))
    failed = caught.value
    assert (failed.file, failed.line, failed.schema) == ("0007_step.sql", line, SCHEMA)
    assert statement is None or failed.statement == statement
    assert (tables(sql), sql("SELECT count(*) FROM tenantry.history")) == ([], [(0,)])


def test_postgresqls_own_words_and_its_error_are_kept(database, write):
    with pytest.raises(MigrationFailed, match=r"duplicate key.*\n  Key \(id\)=\(1\) already exists") as caught:
        run(database, write(TABLE, "INSERT INTO a VALUES (1, 'a'), (1, 'b')"))
    assert isinstance(caught.value.__cause__.__cause__ or caught.value.__cause__.__context__, psycopg2.Error)


@pytest.fixture
def tries(sql):
    """Count how often ``nextval('public.tries')`` ran. A sequence is not rolled back."""
    sql("CREATE SEQUENCE public.tries; GRANT ALL ON public.tries TO PUBLIC")
    yield lambda: sql("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM public.tries")[0][0]
    sql("DROP SEQUENCE public.tries")


@pytest.mark.parametrize(
    "otherwise", ["NULL", "RAISE no_data_found", "PERFORM pg_terminate_backend(pg_backend_pid()), pg_sleep(5)"]
)
def test_a_failure_that_does_not_come_again_has_no_line_and_leaves_nothing(database, write, sql, tries, otherwise):
    failing = f"DO $$BEGIN IF nextval('public.tries') = 1 THEN RAISE 'once'; ELSE {otherwise}; END IF; END$$"
    with pytest.raises(MigrationFailed, match="once") as caught:
        run(database, write(TABLE + failing))
    assert (caught.value.file, caught.value.line, tables(sql), tries()) == ("0001_step.sql", None, [], 2)


def test_a_mistake_that_the_server_points_at_is_not_run_again(database, write, tries):
    with pytest.raises(MigrationFailed):
        run(database, write("SELECT nextval('public.tries')", "SELECT nix"))
    assert tries() == 1


def test_what_was_stopped_from_outside_is_not_run_again(database, write, tries):
    stopped = "DO $$BEGIN PERFORM nextval('public.tries'); RAISE 'stopped' USING ERRCODE = 'query_canceled'; END$$"
    with pytest.raises(MigrationFailed, match="stopped") as caught:
        run(database, write(stopped))
    assert (caught.value.file, caught.value.line, tries()) == ("0001_step.sql", None, 1)


def test_a_constraint_that_fails_at_the_commit_leaves_nothing(database, write, sql):
    deferred = "CREATE TABLE b (a_id int REFERENCES a DEFERRABLE INITIALLY DEFERRED); INSERT INTO b VALUES (7);"
    with pytest.raises(MigrationFailed, match="violates foreign key") as caught:
        run(database, write(TABLE, deferred))
    assert (caught.value.file, tables(sql), versions(database)) == (None, [], {})


def test_a_schema_that_is_gone_is_an_error_and_nothing_is_made(database, write, sql):
    sql(f"DROP SCHEMA {SCHEMA}")
    with pytest.raises(SchemaMissing, match="t_acme"):
        run(database, write(TABLE))
    assert versions(database) == {}


def test_a_lock_that_is_not_free_in_time_blocks_and_names_the_file(database, write, server, sql):
    run(database, write(TABLE))
    with psycopg2.connect(server.admin_url) as other:
        other.cursor().execute(f"LOCK TABLE {SCHEMA}.a")
        with pytest.raises(MigrationBlocked, match=r"0002_step.sql.* within 0.05 s") as caught:
            run(database, write(TABLE, "ALTER TABLE a ADD COLUMN b int"), lock_timeout_s=0.05)
    other.close()
    assert (caught.value.file, sql("SELECT count FROM tenantry.schemas")) == ("0002_step.sql", [(1,)])


def test_another_deployer_at_work_for_too_long_blocks(database, write, server):
    with psycopg2.connect(server.admin_url) as other:
        other.cursor().execute(f"SELECT pg_advisory_lock(hashtextextended('tenantry:migrate:{SCHEMA}', 0))")
        with pytest.raises(MigrationBlocked, match="another deployer") as caught:
            run(database, write(TABLE), lock_timeout_s=0.05)
    other.close()
    assert caught.value.file is None


def test_a_backend_killed_in_the_middle_leaves_nothing(database, write, sql):
    files = write(TABLE, "SELECT pg_sleep(30)")
    with ThreadPoolExecutor(1) as executor:
        running = executor.submit(run, database, files)
        while not sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"):
            assert not running.done()
        with pytest.raises(ConnectionLost):
            running.result(10)
    assert (tables(sql), sql("SELECT count(*) FROM tenantry.history")) == ([], [(0,)])
    assert database.execute_sql("SELECT 1").fetchone() == (1,)


# Together.


def test_two_deployers_at_once_apply_everything_once(open_database, write, sql):
    files = write(TABLE, "INSERT INTO a VALUES (1, 'once')", "SELECT pg_sleep(0.2)")
    together = threading.Barrier(2)

    def deploy(database):
        together.wait()
        return run(database, files).names

    with ThreadPoolExecutor(2) as executor:
        done = sorted(executor.map(deploy, [open_database(), open_database()]), key=len)
    assert (done, notes(sql)) == ([(), tuple(file.name for file in files)], ["once"])


def test_two_deployers_apply_everything_once_though_the_role_repeats_reads(open_database, write, sql):
    sql("ALTER ROLE tenantry_test SET default_transaction_isolation = 'repeatable read'")
    try:
        test_two_deployers_at_once_apply_everything_once(open_database, write, sql)
    finally:
        sql("ALTER ROLE tenantry_test RESET default_transaction_isolation")


def test_many_processes_may_make_the_tables_at_once(open_database, sql):
    databases = [open_database() for _ in range(8)]
    for database in databases:
        database.pool.warm_up(1)
    together = threading.Barrier(8)
    with ThreadPoolExecutor(8) as executor:
        list(executor.map(lambda database: (together.wait(), ensure(database)), databases))
    assert sql("SELECT count(*) FROM tenantry.history") == [(0,)]


def test_a_migration_inside_an_open_transaction_is_part_of_it(database, write, sql):
    with pytest.raises(ZeroDivisionError), database.atomic():
        run(database, write(TABLE))
        raise ZeroDivisionError
    assert (tables(sql), versions(database)) == ([], {})


def test_ten_files_take_three_messages(open_database, server, write):
    with Relay(server.url) as relay:
        database = open_database(url=relay.url)
        ensure(database)
        with relay.counting() as messages:
            run(database, write(*TEN))
        database.pool.close()
    assert len(messages) == 3


def test_nothing_pending_under_the_lock_takes_two_messages(open_database, server, write):
    files = write(*TEN)
    with Relay(server.url) as relay:
        database = open_database(url=relay.url)
        run(database, files)
        with relay.counting() as messages:
            run(database, files)
        database.pool.close()
    assert len(messages) == 2


# Files in Python.

UP = "def up(migrator, db):\n    "


def test_a_python_file_changes_the_schema_through_the_migrator(database, write, sql):
    column = (
        "from peewee import *\nfrom playhouse.migrate import migrate\n"
        + UP
        + "migrate(migrator.add_column('a', 'karma', IntegerField(default=3)))"
    )
    done = run(
        database,
        write(TABLE, "INSERT INTO a VALUES (1, 'x')", **{"3_karma__py": column, "4_more__sql": "UPDATE a SET karma=4"}),
    )
    assert (done.names[2:], sql(f"SELECT karma FROM {SCHEMA}.a")) == (("3_karma", "4_more"), [(4,)])


def test_a_python_file_makes_its_tables_in_the_schema(database, write, sql):
    text = (
        "import peewee\n"
        + UP
        + "class B(peewee.Model):\n        name = peewee.TextField()\n    B.bind(db)\n    db.create_tables([B])"
    )
    run(database, write(**{"1_b__py": text}))
    assert tables(sql) == ["b"]


def test_a_python_file_is_recorded_with_its_hash_and_duration(database, write, sql):
    files = write(**{"1_slow__py": "import time\n" + UP + "time.sleep(0.05)"})
    run(database, files)
    ((name, sha256, duration_ms),) = sql("SELECT name, sha256, duration_ms FROM tenantry.history")
    assert (name, sha256) == ("1_slow", files[0].sha256)
    assert 50 <= duration_ms < 5_000


def test_a_python_file_uses_the_models_of_the_application_where_its_tenant_is_bound(tenants, write, sql):
    database = tenants.database_of("acme")
    files = write(**{"1_first__py": "from shop import Invoice\n" + UP + "Invoice.create(note='by a model')"})
    run(database, files, bound=lambda database: tenants.use(database.tenant.id))
    assert sql("SELECT note FROM t_acme.invoice") == [("by a model",)]
    assert Invoice._meta.database is not database


def test_an_error_in_a_python_file_names_its_line_and_leaves_nothing(database, write, sql):
    files = write(TABLE, **{"2_bad__py": UP + "x = 1\n    raise ValueError('no such luck')"})
    with pytest.raises(MigrationFailed, match="ValueError: no such luck") as caught:
        run(database, files)
    failed = caught.value
    assert (failed.file, failed.line, failed.statement) == ("2_bad.py", 3, "raise ValueError('no such luck')")
    assert (tables(sql), isinstance(failed.__cause__, ValueError)) == ([], True)


def test_a_python_file_that_cannot_be_compiled_names_its_line(database, write):
    with pytest.raises(MigrationFailed, match=r"1_bad\.py, line 2 failed") as caught:
        run(database, write(**{"1_bad__py": "x = 1\ndef up(migrator, db:"}))
    assert caught.value.statement == "def up(migrator, db:"


def test_a_connection_that_dies_under_a_python_file_is_told_as_lost(database, write, sql):
    with pytest.raises(ConnectionLost):
        run(database, write(**{"1_a__py": UP + "db.execute_sql('SELECT pg_terminate_backend(pg_backend_pid())')"}))
    assert versions(database) == {}


def test_an_error_of_the_server_in_a_python_file_is_told_in_its_words(database, write):
    with pytest.raises(MigrationFailed, match=r'line 2 failed .* relation "nix" does not exist'):
        run(database, write(**{"1_bad__py": UP + "db.execute_sql('SELECT * FROM nix')"}))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def up(migrator, db:", "SyntaxError"),
        ("import no_such_module", "ModuleNotFoundError"),
        ("def down(migrator, db): pass", r"no up\(migrator, db\)"),
        ("atomic = False\ndef up(migrator, db): pass", "atomic = False"),
        (UP + "raise SystemExit(1)", "SystemExit"),
        (UP + "try:\n        db.execute_sql('SELECT nix')\n    except Exception:\n        pass", "swallowed an error"),
    ],
)
def test_a_python_file_that_cannot_be_applied_is_refused(database, write, sql, text, reason):
    with pytest.raises(MigrationFailed, match=reason) as caught:
        run(database, write(TABLE, **{"2_bad__py": text}))
    assert (caught.value.file, tables(sql)) == ("2_bad.py", [])


@pytest.mark.parametrize("text", ["db.commit()", "db.rollback()", "db.execute_sql('COMMIT')"])
def test_a_python_file_that_ends_the_transaction_is_told_and_not_recorded(database, write, text):
    with pytest.raises(MigrationLeftTransaction, match=r"2_bad.py.*\n.*not recorded"):
        run(database, write(TABLE, **{"2_bad__py": UP + text}))
    assert versions(database) == {}


def test_a_lock_in_a_python_file_blocks(database, write, server):
    run(database, write(TABLE))
    with psycopg2.connect(server.admin_url) as other:
        other.cursor().execute(f"LOCK TABLE {SCHEMA}.a")
        with pytest.raises(MigrationBlocked, match=r"2_b\.py"):
            run(database, write(TABLE, **{"2_b__py": UP + "db.execute_sql('SELECT * FROM a')"}), lock_timeout_s=0.05)
    other.close()


def test_a_sql_file_that_fails_behind_a_python_file_is_looked_at_without_running_that_again(database, write, tmp_path):
    ran = tmp_path / ".ran"
    files = write(
        **{
            "1_a__py": UP + f"with open({str(ran)!r}, 'a') as log: log.write('x')",
            "2_b__sql": TABLE,
            "3_c__sql": "\nSELECT 1/0",
        }
    )
    with pytest.raises(MigrationFailed) as caught:
        run(database, files)
    assert (caught.value.file, caught.value.line, ran.read_text()) == ("3_c.sql", 2, "x")
