"""A pool per tenant, each with a login of its own: what SQL that is injected cannot do, and what the pools may hold.

The servers of the tests let everybody in without asking for a password, so here the server is shown to know who has
logged in and what that role may do. That the password is asked for is shown on a server of the test's own.

The threats in names: t22c and t22d are hostile SQL in the statements of a tenant.
"""

from __future__ import annotations

import gc
import hmac
import json
import os
import re
import signal
import sys
import threading
import time
from pathlib import Path

import peewee
import psycopg2
import pytest
from own_database import connect, own_database
from psycopg2.extensions import make_dsn
from relay import Relay

from tenantry import Hooks, SharedModel, TenantModel, Tenantry, across, embedded, with_shared
from tenantry.cli.entry import main
from tenantry.errors import (
    ConfigError,
    PoolClosed,
    PoolTimeout,
    RolesNotReady,
    ServerRefused,
    TransactionOpen,
    UnsafeDefaultPath,
    WrongTenant,
)
from tenantry.naming import RoleName
from tenantry.pool import Login

pytestmark = pytest.mark.direct  # The pooler of the tests knows one login, and these make others.

LOGIN = DATABASE = "tenantry_pools"
ACME, GLOBEX = f"t_acme@{DATABASE}", f"t_globex@{DATABASE}"
SHARED = "CREATE TABLE plan (id serial PRIMARY KEY, name text);"
TENANT = "CREATE TABLE invoice (id serial PRIMARY KEY, note text);"


def password(role):
    return hmac.digest(b"of the tests", role.encode(), "sha256").hex()


class Plan(SharedModel):
    name = peewee.TextField()


class Invoice(TenantModel):
    note = peewee.TextField(null=True)


@pytest.fixture
def admin(server):
    """Run SQL as the superuser in a database of the test's own, whose owner is a login that may make roles."""
    with own_database(server.admin_url, DATABASE, LOGIN) as run:
        yield run


@pytest.fixture
def url(server, admin):
    return make_dsn(server.url, dbname=DATABASE, user=LOGIN, password="tenantry")


@pytest.fixture
def folder(tmp_path):
    for kind, text in (("shared", SHARED), ("tenant", TENANT)):
        (tmp_path / "migrations" / kind).mkdir(parents=True)
        (tmp_path / "migrations" / kind / "0001_tables.sql").write_text(text)
    return tmp_path / "migrations"


@pytest.fixture
def engine(url, folder):
    """Make engines over the database; with a pool per tenant, unless told otherwise."""
    engines = []

    def make(**options):
        settings = {"url": url, "roles": True, "pool": "per-tenant", "pool_size": 2, "pool_wait_s": 1.0}
        engines.append(Tenantry(**{**settings, "migrations": folder, "tenant_password": password, **options}))
        return engines[-1]

    yield make
    for each in engines:
        each.close()


@pytest.fixture
def tenants(engine):
    """Two tenants with an invoice each, over pools of their own."""
    tenants = engine()
    make_two(tenants)
    return tenants


def make_two(tenants):
    for name in ("acme", "globex"):
        tenants.create(name)
        with tenants.use(name):
            Invoice.create(note=f"of {name}")


def ask(tenants, sql):
    return tenants.database.execute_sql(sql).fetchall()


def whose(tenants):
    return ask(tenants, "SELECT session_user::text, current_user::text")


def sessions(admin, role):
    """The backends that have logged in as *role*."""
    return [pid for (pid,) in admin("SELECT pid FROM pg_stat_activity WHERE usename = %s", role)]


def until(condition, wait_s=5.0):
    """Wait for *condition*: the server takes a moment to end a backend."""
    deadline = time.monotonic() + wait_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


# Who has logged in.


def test_a_tenants_statements_go_over_a_connection_that_has_logged_in_as_its_role(tenants):
    with tenants.use("acme"):
        assert whose(tenants) == [(ACME, ACME)]
        assert [invoice.note for invoice in Invoice.select()] == ["of acme"]
        with tenants.database.atomic():
            assert whose(tenants) == [(ACME, ACME)]
        with tenants.database.session():
            assert whose(tenants) == [(ACME, ACME)]


def test_what_is_no_tenants_goes_over_the_login_of_the_url(tenants):
    with tenants.shared():
        assert whose(tenants) == [(LOGIN, f"tenantry:shared@{DATABASE}")]


def test_a_tenant_reads_shared_tables(tenants):
    with tenants.shared():
        Plan.create(name="pro")
    with tenants.use("acme"):
        assert [plan.name for plan in Plan.select()] == ["pro"]
        with pytest.raises(peewee.ProgrammingError, match="permission denied for table plan"):
            Plan.create(name="free")


def test_the_url_may_be_a_url_or_pairs_with_a_login_of_their_own(tenants, engine, url):
    parts = psycopg2.extensions.parse_dsn(url)
    text = f"postgresql://{LOGIN}:tenantry@/{DATABASE}?host={parts['host']}&port={parts.get('port', 5432)}"
    for each in (url, text):
        other = engine(url=each)
        with other.use("acme"):
            assert whose(other) == [(ACME, ACME)]


def test_a_pooler_that_lets_a_tenant_in_as_somebody_else_is_refused(tenants, admin, url):
    pool = tenants.database_of("acme").pool
    pool.close_idle()
    pool.address._parameters["user"] = LOGIN  # As PgBouncer does that has user= in its line for the database.
    with tenants.use("acme"), pytest.raises(ServerRefused, match=f"let us in as '{LOGIN}', and not as '{ACME}'"):
        Invoice.get()


# What hostile SQL cannot do.


@pytest.mark.parametrize(
    "sql",
    [
        "RESET ROLE",
        "RESET SESSION AUTHORIZATION",
        "SET ROLE none",
        "RESET ALL",
        "DISCARD PLANS",
        f'SET ROLE "tenantry:tenants@{DATABASE}"',
        "COMMIT",
        "ROLLBACK",
    ],
)
def test_t22c_reset_role_in_a_tenants_sql_leads_to_nobody_who_may_more(tenants, sql):
    with tenants.use("acme"):
        with pytest.raises(peewee.ProgrammingError, match="permission denied for schema t_globex"):
            ask(tenants, f"SELECT 1; {sql}; SELECT note FROM t_globex.invoice")
        assert whose(tenants) == [(ACME, ACME)]
        assert Invoice.get().note == "of acme"


OTHERS = [GLOBEX, LOGIN, *(f"tenantry:{what}@{DATABASE}" for what in ("app", "owner", "shared"))]


@pytest.mark.parametrize("role", OTHERS)
@pytest.mark.parametrize("verb", ["SET ROLE", "SET LOCAL ROLE", "SET SESSION AUTHORIZATION"])
def test_t22d_a_tenants_sql_becomes_nobody_else(tenants, verb, role):
    with tenants.use("acme"):
        with pytest.raises(peewee.ProgrammingError, match=r"permission denied to set (role|session authorization)"):
            ask(tenants, f'SELECT 1; {verb} "{role}"; SELECT note FROM t_globex.invoice')
        assert whose(tenants) == [(ACME, ACME)]


@pytest.mark.parametrize(
    "sql",
    [f"SELECT set_config('role', '{GLOBEX}', false)", f"SELECT set_config('session_authorization', '{GLOBEX}', false)"],
)
def test_t22d_a_function_that_sets_the_role_is_refused_too(tenants, sql):
    with tenants.use("acme"), pytest.raises(peewee.ProgrammingError, match="permission denied"):
        ask(tenants, sql)


def test_t22d_a_session_of_a_tenant_escapes_nowhere(tenants):
    with tenants.use("acme"), tenants.database.session() as connection:
        cursor = connection.cursor()
        for sql in ("RESET ROLE; SELECT * FROM t_globex.invoice", f'SET ROLE "{GLOBEX}"'):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute(sql)


@pytest.mark.parametrize(
    "sql",
    [
        f"ALTER ROLE \"{GLOBEX}\" PASSWORD 'mine'",
        f'GRANT "{GLOBEX}" TO "{ACME}"',
        f'GRANT "{ACME}" TO "{GLOBEX}"',
        f'ALTER ROLE "{ACME}" CREATEROLE',
        "CREATE ROLE tenantry_pools_more",
        "SELECT * FROM tenantry.tenants",
        "CREATE TABLE t_acme.x ()",
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{GLOBEX}'",
    ],
)
def test_t22d_a_tenant_has_no_power_over_roles(tenants, sql):
    with tenants.use("globex"):
        Invoice.get()
    with tenants.use("acme"), pytest.raises(peewee.ProgrammingError, match=r"permission denied|must (be|have)"):
        ask(tenants, sql)


@pytest.mark.parametrize("role", ["CURRENT_USER", f'"tenantry:tenants@{DATABASE}"'])
def test_t22d_what_a_tenant_throws_away_is_taken_from_nobody_else(tenants, folder, role):
    with tenants.use("acme"):
        ask(tenants, f"DROP OWNED BY {role}; SELECT 1")
    (folder / "shared" / "0002_more.sql").write_text("CREATE TABLE region (id int);")
    (folder / "tenant" / "0002_more.sql").write_text("CREATE TABLE payment (id int);")
    with tenants.use("globex"):
        assert Plan.select().count() == 0
    tenants.migrate()
    with tenants.use("globex"):
        assert ask(tenants, "SELECT count(*) FROM public.region, payment, invoice") == [(0,)]


def test_t22d_nothing_that_a_tenant_leaves_on_a_connection_is_met_by_another(engine):
    tenants = engine(tenant_pool_size=1, pool_size=1)
    make_two(tenants)
    with tenants.use("acme"):
        ask(tenants, "SELECT set_config('tenantry.x', 'acme', false), pg_advisory_lock(1)")
    with tenants.use("globex"):
        assert ask(tenants, "SELECT current_setting('tenantry.x', true)") == [(None,)]


def test_t22d_as_the_page_says_shared_work_is_no_tenants_and_can_become_any(tenants):
    with tenants.shared():
        assert ask(tenants, f'SELECT 1; SET ROLE "{GLOBEX}"; SELECT note FROM t_globex.invoice') == [("of globex",)]


# Passwords.


def test_the_server_is_sent_a_verifier_and_never_the_password(engine, admin, url):
    with Relay(url) as relay:
        tenants = engine(url=relay.url)
        with relay.counting() as messages:
            make_two(tenants)
        assert any(b"LOGIN PASSWORD" in message for message in messages)
        assert not any(password(role).encode() in message for message in messages for role in (ACME, GLOBEX))
    ((stored,),) = admin("SELECT rolpassword FROM pg_authid WHERE rolname = %s", ACME)
    assert re.fullmatch(r"SCRAM-SHA-256\$4096:[\w+/=]{24}\$[\w+/=]{44}:[\w+/=]{44}", stored)


@pytest.fixture
def strict():
    """The URL of a server that asks tenants for their passwords."""
    with embedded.start(embedded.parse("embedded:?ephemeral=1", base=Path.cwd())) as server:
        rules = server.data / "pg_hba.conf"
        users = [psycopg2.extensions.parse_dsn(each)["user"] for each in (server.url, server.admin_url)]
        rules.write_text(f"local all {','.join(users)} trust\nlocal all all scram-sha-256\n")
        server.let_make_roles()
        admin = connect(server.admin_url)
        admin.cursor().execute("SELECT pg_reload_conf()")
        admin.close()
        yield server.url


@pytest.fixture
def on_strict(strict, engine):
    def make(**options):
        return engine(url=strict, **options)

    return make


def test_a_server_that_asks_for_passwords_lets_in_with_the_tenants_own(on_strict):
    tenants = on_strict()
    make_two(tenants)
    with tenants.use("acme"):
        assert Invoice.get().note == "of acme"
        assert whose(tenants)[0][0].startswith("t_acme@")


def test_a_wrong_password_is_refused_and_neither_it_nor_another_tenant_is_shown(on_strict):
    make_two(on_strict())
    wrong = on_strict(tenant_password=lambda role: f"S3cret of {role}")
    with wrong.use("acme"), pytest.raises(ServerRefused, match="password authentication failed") as caught:
        Invoice.get()
    assert not re.search("S3cret|globex", str(caught.value) + repr(vars(caught.value)) + repr(caught.value.__cause__))


def test_a_new_secret_reaches_the_roles_that_were_shut_out_first(on_strict):
    tenants = on_strict()
    make_two(tenants)
    database = tenants.parts.shared_as_login
    role = tenants.parts.roles.of(tenants["acme"].schema)
    database.execute_sql(f'ALTER ROLE "{role}" NOLOGIN')
    anew = on_strict(tenant_password=lambda role: "another for " + role)
    anew.migrate()
    with anew.use("acme"):
        assert Invoice.get().note == "of acme"


@pytest.mark.parametrize("wrong", [None, "", b"bytes", "päss", "line\nend", "nul\0"])
def test_what_is_no_password_is_refused_and_not_shown(wrong):
    with pytest.raises(ConfigError, match="must be a text of printable ASCII characters") as caught:
        Login.of(RoleName("t_acme@shop"), lambda _: wrong)
    assert not re.search("bytes|päss|line|nul", str(caught.value))


def test_a_login_does_not_show_its_password():
    assert "S3cret" not in repr(Login.of(RoleName("t_acme@shop"), lambda _: "S3cret"))


def test_a_pool_per_tenant_needs_roles():
    with pytest.raises(ConfigError, match=r'pool="per-tenant" \(given to Tenantry\(\)\) .* roles=True'):
        Tenantry("postgresql://nowhere/", pool="per-tenant", tenant_password=password).parts


def test_a_pool_per_tenant_needs_passwords():
    with pytest.raises(ConfigError, match=r"tenant_password=.*app=MODULE:OBJECT"):
        Tenantry("postgresql://nowhere/", pool="per-tenant", roles=True).parts


# Bounds.


def test_a_tenant_has_at_most_tenant_pool_size_connections(engine, admin):
    tenants = engine(tenant_pool_size=1, pool_wait_s=0.2)
    make_two(tenants)
    held, go = threading.Event(), threading.Event()

    def hold():
        with tenants.use("acme"), tenants.database.atomic():
            Invoice.get()
            held.set()
            go.wait(10)

    thread = threading.Thread(target=hold, name="holder")
    thread.start()
    held.wait(10)
    try:
        with tenants.use("globex"):  # Another's is another's.
            Invoice.get()
        with tenants.use("acme"), pytest.raises(PoolTimeout) as caught:
            Invoice.get()
        assert len(sessions(admin, ACME)) == 1
    finally:
        go.set()
        thread.join()
    assert "tenant_pool_size=1" in str(caught.value)
    assert "raise tenant_pool_size" in str(caught.value)
    assert "'holder'" in str(caught.value)
    assert not re.search(r"globex|acme|@", str(caught.value))


def test_the_pool_that_was_not_used_longest_makes_room_and_lets_its_connections_go(engine, admin):
    tenants = engine(tenant_pools=1)
    make_two(tenants)
    until(lambda: not sessions(admin, ACME))
    assert len(sessions(admin, GLOBEX)) == 1
    with tenants.use("acme"):
        Invoice.get()
    until(lambda: not sessions(admin, GLOBEX))
    assert len(sessions(admin, ACME)) == 1


def test_who_is_in_the_middle_when_room_is_made_goes_on(engine, admin):
    tenants = engine(tenant_pools=1)
    make_two(tenants)
    with tenants.use("acme"), tenants.database.atomic():
        Invoice.create(note="before")
        with tenants.use("globex", beside_transaction=True):
            Invoice.get()
        Invoice.create(note="after")
        with tenants.use("acme"):  # A database made anew, and the same transaction.
            Invoice.create(note="inside")
            assert Invoice.select().count() == 4
            assert len(sessions(admin, ACME)) == 1
    with tenants.use("acme"):
        assert Invoice.select().count() == 4


def test_a_tenant_that_is_bound_while_its_pool_makes_room_works_on_and_keeps_no_connection(engine, admin):
    tenants = engine(tenant_pools=1)
    make_two(tenants)
    with tenants.use("acme"):
        with tenants.use("globex"):
            Invoice.get()
        assert Invoice.get().note == "of acme"
        until(lambda: not sessions(admin, ACME))
        with tenants.use("acme"):  # It is kept again.
            Invoice.get()
            assert len(sessions(admin, ACME)) == 1


def test_a_transaction_that_ends_after_room_was_made_leaves_no_connection(engine, admin):
    tenants = engine(tenant_pools=1)
    make_two(tenants)
    with tenants.use("acme"), tenants.database.atomic():
        Invoice.get()
        with tenants.use("globex", beside_transaction=True):
            Invoice.get()
        assert len(sessions(admin, ACME)) == 1
    until(lambda: not sessions(admin, ACME))


def test_a_pool_that_nobody_uses_any_more_is_swept(engine, admin):
    tenants = engine(pool_idle_s=0.2)
    make_two(tenants)
    assert len(sessions(admin, ACME)) == 1
    time.sleep(0.4)
    with tenants.use("globex"):
        Invoice.get()
    until(lambda: not sessions(admin, ACME))


def test_many_threads_and_few_pools_mix_nothing_up(engine, admin):
    tenants = engine(tenant_pools=2, tenant_pool_size=1, pool_wait_s=30.0)
    names = ["acme", "globex", "initech", "umbrella"]
    for name in names:
        tenants.create(name)
        with tenants.use(name):
            Invoice.create(note=name)
    wrong = []

    def work(number):
        for turn in range(12):
            name = names[(number + turn) % 4]
            try:
                with tenants.use(name), tenants.database.atomic():
                    if [each.note for each in Invoice.select()] != [name] or whose(tenants)[0][
                        0
                    ] != f"t_{name}@{DATABASE}":
                        wrong.append(name)
            except Exception as error:
                wrong.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    until(lambda: len(admin("SELECT 1 FROM pg_stat_activity WHERE usename LIKE %s", f"t_%@{DATABASE}")) <= 2)


def test_a_second_connection_beside_a_transaction_is_not_waited_for(engine):
    tenants = engine(tenant_pool_size=1, pool_wait_s=30.0)
    make_two(tenants)
    held, go = threading.Event(), threading.Event()

    def hold():
        with tenants.use("globex"), tenants.database.atomic():
            Invoice.get()
            held.set()
            go.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    begun = time.monotonic()
    try:
        with tenants.use("acme"), tenants.database.atomic():
            Invoice.get()
            with tenants.use("globex", beside_transaction=True), pytest.raises(PoolTimeout) as caught:
                Invoice.get()
        assert caught.value.nested
        assert time.monotonic() - begun < 5
    finally:
        go.set()
        thread.join()


# One engine, though it has many pools.


def test_a_shared_row_is_used_by_every_tenant_of_the_engine(tenants):
    with tenants.shared():
        plan = Plan.create(name="pro")
    with tenants.use("acme"):
        assert Plan.get(Plan.id == plan.id) == plan
        query = Plan.select().where(Plan.name == "pro")
        assert [each.id for each in query] == [plan.id]


def test_a_transaction_keeps_another_tenant_out(tenants):
    with tenants.use("acme"), tenants.database.atomic():
        Invoice.get()
        with pytest.raises(TransactionOpen), tenants.use("globex"):
            pass
        with pytest.raises(TransactionOpen), tenants.shared():
            pass
        with pytest.raises(TransactionOpen):
            tenants.drop("acme")


def test_a_migration_does_not_bind_its_tenant_beside_itself(tenants, folder):
    """The tenant would wait for the locks of the migration, and that for the tenant."""
    (folder / "tenant" / "0002_more.py").write_text(
        "from tenantry.errors import TransactionOpen\n"
        "import builtins\n\n"
        "def up(migrator, db):\n"
        "    db.execute_sql('ALTER TABLE invoice ADD COLUMN paid boolean')\n"
        "    try:\n"
        "        with builtins.tenants.use('acme'):\n"
        "            raise AssertionError\n"
        "    except TransactionOpen:\n"
        "        pass\n"
    )
    import builtins

    builtins.tenants = tenants
    try:
        assert [outcome.error for outcome in tenants.migrate(["acme"])] == [None, None]
    finally:
        del builtins.tenants


def test_a_killed_connection_is_replaced(tenants, admin):
    (pid,) = sessions(admin, ACME)
    admin("SELECT pg_terminate_backend(%s, 5000)", pid)
    with tenants.use("acme"):
        assert Invoice.get().note == "of acme"


def test_the_figures_add_up_all_pools_also_those_that_are_gone(engine):
    tenants = engine(tenant_pools=1, tenant_pool_size=3, pool_size=2)
    make_two(tenants)
    gc.collect()
    figures = tenants.figures()
    assert figures.size == 2 + 3
    assert figures.in_use == 0
    assert figures.idle == tenants.parts.pool.figures().idle + 1
    assert figures.opened == tenants.parts.pool.figures().opened + 2
    assert tenants.health().figures.size == 2


def test_warming_up_fills_the_pools_of_the_tenants_that_are_named(tenants, admin):
    assert tenants.warm_up(["acme"]) == 2 + 2
    assert len(sessions(admin, ACME)) == 2


def test_hooks_are_told_of_the_tenant_whose_server_fails(engine, admin):
    told = []
    hooks = Hooks(server_error=lambda tenant, error: told.append((tenant.id, type(error))))
    tenants = engine(hooks=hooks)
    make_two(tenants)
    admin(f'ALTER ROLE "{ACME}" NOLOGIN')
    tenants.database_of("acme").pool.close_idle()
    with tenants.use("acme"), pytest.raises(ServerRefused, match="not permitted to log in"):
        Invoice.get()
    assert told == [("acme", ServerRefused)]


def test_on_connect_is_told_of_tenants_connections_too(engine):
    told = []
    tenants = engine(on_connect=lambda connection: told.append(connection.info.user))
    make_two(tenants)
    assert {LOGIN, ACME, GLOBEX} == set(told)


def test_a_closed_engine_closes_the_pools_of_its_tenants(tenants, admin):
    database = tenants.database_of("acme")
    tenants.close()
    until(lambda: not sessions(admin, ACME) and not sessions(admin, GLOBEX))
    with pytest.raises(PoolClosed):
        database.execute_sql("SELECT 1")
    gc.collect()
    with tenants.use("globex"), pytest.raises(PoolClosed):  # Over a pool that is made only now.
        Invoice.get()


def test_a_forked_child_has_connections_locks_and_counts_of_its_own(engine, admin):
    tenants = engine(tenant_pools=1)
    make_two(tenants)
    with tenants.use("acme"):
        Invoice.get()
    gc.collect()
    (parents,) = sessions(admin, ACME)
    reading, writing = os.pipe()
    held, go = threading.Event(), threading.Event()

    def hold():
        with tenants.parts.tenant_pools._lock:
            held.set()
            go.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    child = os.fork()
    if not child:
        try:
            signal.alarm(10)
            with tenants.use("acme"):
                ((pid,),) = ask(tenants, "SELECT pg_backend_pid()")
            os.write(writing, f"{pid} {tenants.figures().opened}".encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    go.set()
    thread.join()
    os.close(writing)
    pid, opened = os.read(reading, 100).split()
    os.close(reading)
    assert int(pid) != parents
    assert int(opened) == 1
    with tenants.use("acme"):
        assert ask(tenants, "SELECT pg_backend_pid()") == [(parents,)]


# Making, unmaking, and tenants that were made before.


@pytest.fixture
def before(engine):
    """Two tenants with roles that cannot log in."""
    before = engine(pool="shared", tenant_password=None)
    make_two(before)
    return before


def test_migrate_lets_tenants_log_in_that_were_made_before(before, engine):
    tenants = engine()
    with tenants.use("acme"), pytest.raises(ServerRefused, match="is not permitted to log in"):
        Invoice.get()
    tenants.migrate()
    with tenants.use("acme"):
        assert Invoice.get().note == "of acme"


def test_migrate_lets_tenants_log_in_that_were_made_without_roles(engine):
    make_two(engine(pool="shared", roles=False))
    tenants = engine()
    tenants.migrate()
    with tenants.use("acme"):
        assert whose(tenants) == [(ACME, ACME)]
        assert Invoice.get().note == "of acme"


def test_who_still_shares_a_pool_goes_on_after_the_tenants_can_log_in(before, engine):
    engine().migrate()
    with before.use("acme"):
        assert whose(before) == [(LOGIN, ACME)]


def test_a_path_that_a_tenant_gave_itself_is_refused_and_mended_by_migrate(tenants):
    with tenants.use("acme"):
        ask(tenants, f"ALTER ROLE CURRENT_USER IN DATABASE {DATABASE} SET search_path = 'public'; SELECT 1")
        tenants.database_of("acme").pool.close_idle()
        with pytest.raises(UnsafeDefaultPath, match="public"):
            Invoice.get()
    with tenants.use("globex"):
        Invoice.get()
    tenants.migrate()
    with tenants.use("acme"):
        assert Invoice.get().note == "of acme"


def test_the_doctor_counts_tenants_that_cannot_log_in(tenants, admin, url, folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TENANTRY_URL", url)
    (tmp_path / "shop_of_pools.py").write_text(
        "from tenantry import Tenantry\n"
        "tenants = Tenantry(roles=True, pool='per-tenant', tenant_password=lambda role: 'of ' + role)\n"
    )
    monkeypatch.setenv("TENANTRY_APP", "shop_of_pools:tenants")
    monkeypatch.syspath_prepend(tmp_path)

    def found():
        sys.modules.pop("shop_of_pools", None)
        main(["doctor", "--json"])
        checks = json.loads(capsys.readouterr().out)["checks"]
        return [(each["state"], each["says"], each["cure"]) for each in checks if each["name"] == "roles"]

    assert found() == [("ok", "every tenant has a role of its own, and can log in", "")]
    admin(f'ALTER ROLE "{ACME}" NOLOGIN')
    assert found() == [("fail", "1 tenants cannot log in as a role of their own yet", "tenantry migrate up --all")]


def test_a_role_that_another_login_has_made_is_named_with_its_cure(before, engine, admin):
    if before.parts.pool.server_version < 16_00_00:
        pytest.skip("up to PostgreSQL 15 CREATEROLE is power over all roles")
    admin(
        f'DROP OWNED BY "{ACME}"; DROP ROLE "{ACME}"; CREATE ROLE "{ACME}"; GRANT "{ACME}" TO "tenantry:app@{DATABASE}"'
    )
    with pytest.raises(RolesNotReady, match="may not let") as caught:
        engine().migrate()
    assert caught.value.cure == f'GRANT "{ACME}" TO "{LOGIN}" WITH ADMIN OPTION'
    admin(caught.value.cure)
    engine().migrate()


def test_a_database_that_not_everybody_may_enter_lets_tenants_in(engine, admin):
    admin(f"REVOKE CONNECT ON DATABASE {DATABASE} FROM PUBLIC")
    tenants = engine()
    make_two(tenants)
    with tenants.use("acme"):
        assert Invoice.get().note == "of acme"


def test_a_dropped_tenants_login_ends_with_its_connections(tenants, engine, admin):
    other = engine()
    with other.use("acme"):
        Invoice.get()
    begun = sessions(admin, ACME)
    assert len(begun) == 2
    pool = tenants.database_of("acme").pool
    tenants.drop("acme")
    assert pool.figures().idle == 0
    assert admin("SELECT pid FROM pg_stat_activity WHERE pid = ANY (%s)", begun) == []
    assert admin("SELECT 1 FROM pg_roles WHERE rolname = %s", ACME) == []


def test_dropping_a_tenant_does_not_wait_for_its_own_transactions(tenants, engine, admin):
    other, held, go, ended = engine(), threading.Event(), threading.Event(), []

    def hold():
        try:
            with other.use("acme"), other.database.atomic():
                Invoice.create(note="open")
                held.set()
                go.wait(20)
                Invoice.get()
        except Exception as error:
            ended.append(error)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    begun = time.monotonic()
    tenants.drop("acme")
    assert time.monotonic() - begun < 5
    go.set()
    thread.join()
    assert len(ended) == 1


def test_a_tenant_that_is_made_anew_is_met_by_no_connection_of_the_old_one(tenants, engine):
    other = engine(catalog_interval_s=0.01)
    with other.use("acme"):
        Invoice.get()
    old = tenants.database_of("acme")
    tenants.drop("acme")
    tenants.create("acme")
    time.sleep(0.05)
    for each in (tenants, other):
        with each.use("acme"):
            assert Invoice.select().count() == 0
            assert whose(each) == [(ACME, ACME)]
    assert tenants.database_of("acme").pool is not old.pool


def test_a_left_over_role_that_can_log_in_makes_room(tenants, engine, admin):
    admin("DROP SCHEMA t_acme CASCADE; DELETE FROM tenantry.tenants WHERE id = 'acme'")
    anew = engine()
    anew.create("acme")
    with anew.use("acme"):
        assert Invoice.select().count() == 0


def test_a_query_over_many_tenants_goes_over_the_main_pool(tenants):
    before = tenants.parts.tenant_pools.figures()
    found = dict(across(tenants, with_shared(Invoice)))
    assert {tenant: row.note for tenant, row in found.items()} == {"acme": "of acme", "globex": "of globex"}
    assert tenants.parts.tenant_pools.figures() == before
    with tenants.use("acme"):
        found["acme"].save()
        with pytest.raises(WrongTenant):
            found["globex"].save()
