"""A PostgreSQL role per tenant: what the server itself refuses, and row-level security for shared tables.

The threats in names: t22 a mistaken statement (c, d: hostile SQL, e: what the catalog shows), t23 rows of others in a
shared table, t24 what an error tells, t25 rights that are too wide, t26 tables that come later.
"""

from __future__ import annotations

import json
import threading
import time

import peewee
import psycopg2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from own_database import connect, own_database
from psycopg2.extensions import make_dsn
from relay import Relay

from tenantry import FixedCatalog, SharedModel, Tenant, TenantModel, Tenantry, across, fn, with_shared
from tenantry.cli.entry import main
from tenantry.errors import ConfigError, InvalidSetting, MigrationFailed, RolesNotReady, RoleTaken
from tenantry.naming import MAX_BYTES, own_role, schema_name, tenant_id, tenant_role
from tenantry.policies import tenant_policy

pytestmark = pytest.mark.direct  # The pooler of the tests knows one login, and these make others.

LOGIN = DATABASE = "tenantry_roles"
OWN = [own_role(DATABASE, what) for what in ("app", "owner", "tenants", "shared")]

SHARED = """
CREATE TABLE plan (id serial PRIMARY KEY, name text);
CREATE TABLE audit (id serial PRIMARY KEY, tenant text NOT NULL, note text);
"""
TENANT = "CREATE TABLE invoice (id serial PRIMARY KEY, plan_id int REFERENCES public.plan, note text);"


class Plan(SharedModel):
    name = peewee.TextField()


class Audit(SharedModel):
    tenant = peewee.TextField()
    note = peewee.TextField(null=True)


class Invoice(TenantModel):
    plan = peewee.ForeignKeyField(Plan, null=True)
    note = peewee.TextField(null=True)


@pytest.fixture
def admin(server):
    """Run SQL as the superuser in a database of the test's own, whose owner is a login that may make roles."""
    with own_database(server.admin_url, DATABASE, LOGIN) as run:
        yield run


@pytest.fixture
def url(server, admin):
    return make_dsn(server.url, dbname=DATABASE, user=LOGIN)


@pytest.fixture
def migrations(tmp_path):
    """A folder of migrations, as a function that adds one."""

    def add(path, text):
        file = tmp_path / "migrations" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    add("shared/0001_tables.sql", SHARED)
    add("tenant/0001_tables.sql", TENANT)
    return add


@pytest.fixture
def engine(url, migrations, tmp_path):
    """Make engines over the database; with roles, unless told otherwise."""
    engines = []

    def make(**options):
        settings = {"url": url, "roles": True, "pool_size": 2, "migrations": tmp_path / "migrations", **options}
        engines.append(Tenantry(**settings))
        return engines[-1]

    yield make
    for each in engines:
        each.close()


@pytest.fixture
def tenants(engine):
    """Two tenants, each with an invoice and a role."""
    tenants = engine()
    for name in ("acme", "globex"):
        tenants.create(name)
        with tenants.use(name):
            Invoice.create(note=f"of {name}")
    return tenants


def roles(admin):
    return {name for (name,) in admin("SELECT rolname FROM pg_roles WHERE rolname LIKE %s", "%@" + DATABASE)} - set(OWN)


def ask(tenants, sql):
    return tenants.database.execute_sql(sql).fetchall()


def whose(tenants):
    return ask(tenants, "SELECT current_user::text, session_user::text")


# Who a statement runs as.


def test_a_statement_of_a_tenant_runs_as_its_role(tenants):
    with tenants.use("acme"):
        assert whose(tenants) == [(f"t_acme@{DATABASE}", LOGIN)]
        assert [invoice.note for invoice in Invoice.select()] == ["of acme"]


def test_a_query_over_many_tenants_runs_as_the_owner_of_their_tables(tenants):
    assert across(tenants, with_shared(Invoice).select(Invoice.note)).execute() == [
        ("acme", ("of acme",)),
        ("globex", ("of globex",)),
    ]
    assert across(tenants, with_shared(Invoice).select(fn.count())).combined() == [(2,)]


def test_a_query_over_many_tenants_finds_no_rows_that_a_policy_keeps_for_a_tenant(url, migrations, engine):
    migrations("shared/0002_policy.sql", tenant_policy(Audit, "tenant"))
    tenants = engine(tenant_setting=True, shared_grants="SELECT, INSERT ON audit")
    tenants.create("acme")
    with tenants.use("acme"):
        Audit.create(tenant="acme", note="mine")
        Invoice.create(note="mine")
    query = with_shared(Invoice).left_join(Audit, on=Audit.note == Invoice.note).select(Invoice.note, Audit.note)
    assert across(tenants, query).execute() == [("acme", ("mine", None))]


def test_a_role_costs_no_message(tenants, url, engine):
    with Relay(url) as relay:
        through = engine(url=relay.url)
        with through.use("acme"):
            whose(through)
            with relay.counting() as messages:
                Invoice.get()
                assert len(messages) == 1
                with through.database.atomic():
                    Invoice.get()
                    Invoice.get()
                assert len(messages) == 4


def test_each_statement_of_a_transaction_has_the_role_again(tenants):
    mine = [(f"t_acme@{DATABASE}", LOGIN)]
    with tenants.use("acme"), tenants.database.atomic() as transaction:
        assert whose(tenants) == mine
        with pytest.raises(ZeroDivisionError), tenants.database.atomic():
            ask(tenants, "SELECT 1")
            raise ZeroDivisionError
        assert whose(tenants) == mine
        transaction.rollback()
        assert whose(tenants) == mine


def test_a_transaction_can_still_choose_its_isolation(tenants):
    with tenants.use("acme"), tenants.database.atomic():
        tenants.database.execute_sql("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        assert ask(tenants, "SHOW transaction_isolation") == [("serializable",)]


def test_a_session_keeps_the_role_and_leaves_none(tenants, engine):
    tenants = engine(pool_size=1)
    with tenants.use("acme"):
        with tenants.database.session():
            assert whose(tenants) == whose(tenants) == [(f"t_acme@{DATABASE}", LOGIN)]
        connection = tenants.parts.pool.take("looked at")
        cursor = connection.cursor()
        cursor.execute("SELECT current_user::text, current_setting('role')")
        assert cursor.fetchone() == (LOGIN, "none")
        tenants.parts.pool.give(connection)


def test_a_time_zone_does_not_take_the_role_away(tenants):
    database = tenants.database_of("acme")
    database.set_time_zone("Asia/Tokyo")
    assert database.execute_sql("SELECT current_user::text, current_setting('TimeZone')").fetchall() == [
        (f"t_acme@{DATABASE}", "Asia/Tokyo")
    ]


def test_a_cursor_in_the_server_reads_as_the_tenant(tenants):
    with tenants.use("acme"):
        cursor = tenants.database.execute_sql("SELECT note, current_user::text FROM invoice", named_cursor=True)
        assert list(cursor) == [("of acme", f"t_acme@{DATABASE}")]


# What the server refuses.


def test_t22_the_table_of_another_tenant_is_refused(tenants):
    with tenants.use("acme"):
        for sql in ("SELECT * FROM t_globex.invoice", "DELETE FROM t_globex.invoice", "DROP SCHEMA t_globex CASCADE"):
            with pytest.raises(peewee.ProgrammingError, match=r"permission denied|must be owner"):
                ask(tenants, sql)


def test_t22_a_statement_that_is_nobodys_is_refused(tenants, url):
    login = connect(url).cursor()
    for sql in (
        "SELECT * FROM t_acme.invoice",
        "DELETE FROM t_acme.invoice",
        "CREATE TABLE t_acme.x ()",
        "DROP TABLE t_acme.invoice",
    ):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            login.execute(sql)
    login.connection.close()


def test_t22_shared_work_reaches_no_tenant(tenants):
    with tenants.shared():
        assert Plan.create(name="pro").id == 1
        with pytest.raises(peewee.ProgrammingError, match="permission denied for schema t_acme"):
            ask(tenants, "SELECT * FROM t_acme.invoice")


def test_t22_tenantrys_own_tables_are_no_tenants_business(tenants):
    with tenants.use("acme"), pytest.raises(peewee.ProgrammingError, match="permission denied for schema tenantry"):
        ask(tenants, "SELECT * FROM tenantry.tenants")


def test_t22c_reset_role_in_injected_sql_leads_to_a_login_without_rights(tenants):
    with tenants.use("acme"):
        with pytest.raises(peewee.ProgrammingError, match="permission denied for schema t_globex"):
            ask(tenants, "SELECT 1; RESET ROLE; SELECT * FROM t_globex.invoice")
        assert whose(tenants) == [(f"t_acme@{DATABASE}", LOGIN)]


def test_t22c_set_role_in_injected_sql_escapes_as_the_page_says_and_stays_on_no_connection(tenants):
    with tenants.use("acme"):
        escaped = f'SELECT 1; SET ROLE "t_globex@{DATABASE}"; SELECT note FROM t_globex.invoice'
        assert ask(tenants, escaped) == [("of globex",)]
        assert whose(tenants) == [(f"t_acme@{DATABASE}", LOGIN)]


def test_t22d_a_login_of_a_tenants_own_escapes_nowhere(tenants, admin, server):
    admin(f"CREATE ROLE {LOGIN}_acme LOGIN PASSWORD 'tenantry' IN ROLE \"t_acme@{DATABASE}\"")
    own = connect(make_dsn(server.url, dbname=DATABASE, user=f"{LOGIN}_acme")).cursor()
    own.execute("SELECT note FROM t_acme.invoice")
    assert own.fetchall() == [("of acme",)]
    with pytest.raises(psycopg2.errors.InsufficientPrivilege, match="permission denied to set role"):
        own.execute(f'SET ROLE "t_globex@{DATABASE}"')
    own.connection.close()


def test_t22e_the_names_of_all_schemas_can_be_seen_as_the_page_says(tenants):
    with tenants.use("acme"):
        assert ask(tenants, "SELECT nspname FROM pg_namespace WHERE starts_with(nspname, 't_') ORDER BY 1") == [
            ("t_acme",),
            ("t_globex",),
        ]


def test_t24_what_is_anothers_and_what_is_not_there_fail_with_one_error(tenants):
    with tenants.use("acme"):
        for sql in ("SELECT * FROM t_globex.invoice", "SELECT * FROM t_nobody.invoice"):
            with pytest.raises(peewee.ProgrammingError):
                ask(tenants, sql)


def test_t25_a_tenant_makes_no_tables(tenants, admin):
    schemas = ["t_acme", "t_globex", "tenantry", *(["public"] if tenants.parts.pool.server_version >= 15_00_00 else [])]
    with tenants.use("acme"):
        for schema in schemas:
            with pytest.raises(peewee.ProgrammingError, match="permission denied for schema"):
                ask(tenants, f"CREATE TABLE {schema}.x ()")
        with pytest.raises(peewee.ProgrammingError, match="must be owner"):
            ask(tenants, "ALTER TABLE invoice ADD COLUMN x int")


def test_t26_tables_that_come_later_belong_to_the_tenant_too(tenants, migrations):
    migrations("tenant/0002_more.sql", "CREATE TABLE payment (id serial PRIMARY KEY, note text);")
    assert all(outcome.error is None for outcome in tenants.migrate())
    with tenants.use("acme"):
        ask(tenants, "INSERT INTO payment (note) VALUES ('paid') RETURNING id")
        with pytest.raises(peewee.ProgrammingError, match="permission denied"):
            ask(tenants, "SELECT * FROM t_globex.payment")


def test_t26_shared_tables_that_come_later_can_be_read_too(tenants, admin):
    admin(f'SET ROLE "{OWN[1]}"; CREATE TABLE public.later (id serial); RESET ROLE')
    with tenants.shared():
        assert ask(tenants, "INSERT INTO later DEFAULT VALUES RETURNING id") == [(1,)]
    with tenants.use("acme"):
        assert ask(tenants, "SELECT id FROM public.later") == [(1,)]


# Shared tables.


def test_a_tenant_reads_shared_tables_and_writes_none(tenants):
    with tenants.shared():
        Plan.create(name="pro")
    with tenants.use("acme"):
        Invoice.create(plan=Plan.get())
        with pytest.raises(peewee.ProgrammingError, match="permission denied for table plan"):
            Plan.create(name="free")


def test_a_tenant_may_do_what_shared_grants_says_and_loses_what_it_no_longer_says(tenants, engine):
    granted = engine(shared_grants="insert on audit; UPDATE, DELETE ON plan")
    granted.migrate()
    with granted.use("acme"):
        Audit.insert(tenant="acme").execute()
        Plan.delete().execute()
        with pytest.raises(peewee.ProgrammingError, match="permission denied for table audit"):
            Audit.update(note="changed").execute()
    tenants.migrate()
    with tenants.use("acme"), pytest.raises(peewee.ProgrammingError, match="permission denied for table audit"):
        Audit.insert(tenant="acme").execute()


def test_shared_tables_may_be_in_several_schemas(engine, migrations):
    migrations("shared/0002_geo.sql", "CREATE SCHEMA geo; CREATE TABLE geo.country (name text);")
    tenants = engine(shared_grants="SELECT ON geo.*")
    tenants.create("acme")
    with tenants.use("acme"):
        assert ask(tenants, "SELECT * FROM geo.country") == []


def test_shared_grants_for_a_table_that_is_not_there_are_refused(engine):
    with pytest.raises(ConfigError, match=r"shared_grants names public\.audti, and there is no such shared table"):
        engine(shared_grants="INSERT ON audti").create("acme")


@pytest.mark.parametrize(
    "text", ["audit", "ALL ON audit", "INSERT ON audit; DROP TABLE x", 'INSERT ON "a"', "INSERT ON"]
)
def test_shared_grants_that_cannot_be_read_are_refused_at_once(text):
    with pytest.raises(InvalidSetting, match="it must be like INSERT ON audit"):
        Tenantry("postgresql://nowhere/", shared_grants=text)


def test_the_extensions_can_be_used_by_tenants(engine, admin):
    admin(f"CREATE SCHEMA ext AUTHORIZATION {LOGIN}; CREATE FUNCTION ext.one() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    tenants = engine(extensions="ext")
    tenants.create("acme")
    with tenants.use("acme"):
        assert ask(tenants, "SELECT one()") == [(1,)]


# Making and unmaking.


def test_a_tenant_that_could_not_be_made_leaves_no_role(tenants, migrations, admin):
    migrations("tenant/0002_broken.sql", "SELECT 1/0;")
    with pytest.raises(MigrationFailed):
        tenants.create("initech")
    assert roles(admin) == {f"t_acme@{DATABASE}", f"t_globex@{DATABASE}"}


def test_a_dropped_tenant_takes_its_role_with_it_and_can_be_made_anew(tenants, admin):
    tenants.drop("acme")
    assert roles(admin) == {f"t_globex@{DATABASE}"}
    tenants.create("acme")
    with tenants.use("acme"):
        assert Invoice.select().count() == 0


def test_a_tenant_can_be_dropped_while_another_connection_has_a_temporary_table_of_its(tenants, engine, admin):
    other = engine()
    with other.use("acme"), other.database.session():
        other.database.execute_sql("CREATE TEMPORARY TABLE note (id int)")
        tenants.drop("acme")
    assert roles(admin) == {f"t_globex@{DATABASE}"}


def test_a_suspended_tenant_can_be_resumed(tenants):
    tenants.suspend("acme")
    tenants.resume("acme")
    with tenants.use("acme"):
        assert Invoice.select().count() == 1


def test_a_login_that_may_not_make_roles_is_told_before_anything_is_made(engine, admin):
    admin(f"ALTER ROLE {LOGIN} NOCREATEROLE")
    with pytest.raises(RolesNotReady, match=f'ALTER ROLE "{LOGIN}" CREATEROLE;') as caught:
        engine().create("acme")
    assert caught.value.role == LOGIN
    assert admin("SELECT 1 FROM pg_roles WHERE rolname LIKE %s", "%@" + DATABASE) == []
    assert admin("SELECT 1 FROM pg_namespace WHERE nspname IN ('t_acme', 'tenantry')") == []


def test_a_login_that_lost_the_right_to_make_roles_makes_no_tenant(tenants, admin):
    admin(f"ALTER ROLE {LOGIN} NOCREATEROLE")
    with pytest.raises(RolesNotReady, match="CREATEROLE"):
        tenants.create("initech")
    assert admin("SELECT 1 FROM tenantry.tenants WHERE id = 'initech'") == []


def test_a_login_that_is_no_member_of_what_another_has_made_is_told_so(engine, admin):
    admin("".join(f'CREATE ROLE "{role}";' for role in OWN))
    with pytest.raises(RolesNotReady, match=f"role '{LOGIN}' may not act for tenants") as caught:
        engine().create("acme")
    assert caught.value.cure == f'GRANT "{OWN[0]}" TO "{LOGIN}"'


def test_a_left_over_role_that_has_nothing_makes_room_with_its_members(engine, admin, url):
    connect(url).cursor().execute(f'CREATE ROLE "t_acme@{DATABASE}"')
    admin(f'CREATE ROLE {LOGIN}_reader; GRANT "t_acme@{DATABASE}" TO {LOGIN}_reader')
    engine().create("acme")
    assert admin(f"SELECT pg_has_role('{LOGIN}_reader', 't_acme@{DATABASE}', 'MEMBER')") == [(False,)]


@pytest.mark.parametrize("use", ["ALTER ROLE {role} LOGIN", "GRANT CREATE ON DATABASE {database} TO {role}"])
def test_a_role_that_is_in_use_is_not_taken(engine, admin, url, use):
    connect(url).cursor().execute(f'CREATE ROLE "t_acme@{DATABASE}"')
    admin(use.format(role=f'"t_acme@{DATABASE}"', database=DATABASE))
    with pytest.raises(RoleTaken, match=f"'t_acme@{DATABASE}' exists already") as caught:
        engine().create("acme")
    assert caught.value.role == f"t_acme@{DATABASE}"
    assert admin("SELECT 1 FROM tenantry.tenants") == []
    admin(f'DROP OWNED BY "t_acme@{DATABASE}"')


def test_what_an_administrator_has_to_grant_is_named(engine, admin):
    admin("CREATE SCHEMA ext")
    with pytest.raises(RolesNotReady) as caught:
        engine(extensions="ext").create("acme")
    assert caught.value.cure == f'GRANT USAGE ON SCHEMA "ext" TO "{OWN[1]}"'


def test_tenants_that_are_made_at_once_do_not_disturb_each_other(engine, admin):
    tenants, failed = engine(pool_size=4), []

    def make(name):
        try:
            tenants.create(name)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=make, args=(f"n{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(roles(admin)) == 8


def test_the_application_may_log_in_as_one_who_makes_no_tenants(tenants, engine, admin, url):
    admin(f"CREATE ROLE {LOGIN}_web LOGIN PASSWORD 'tenantry' IN ROLE \"{OWN[0]}\"")
    admin(f"ALTER ROLE {LOGIN}_web SET search_path = ''")
    web = engine(url=make_dsn(url, user=f"{LOGIN}_web"))
    with web.use("acme"):
        assert whose(web) == [(f"t_acme@{DATABASE}", f"{LOGIN}_web")]
        assert Invoice.get().note == "of acme"
    with pytest.raises(RolesNotReady, match="may not make roles"):
        web.create("initech")


# Tenants that were made before.


TYPES = """
CREATE VIEW noted AS SELECT * FROM invoice; CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM invoice;
CREATE TYPE colour AS ENUM ('red'); CREATE DOMAIN short AS text CHECK (length(value) < 9);
CREATE SEQUENCE numbers; CREATE STATISTICS both_columns ON plan_id, note FROM invoice;
CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE TABLE part (id int) PARTITION BY RANGE (id);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (1) TO (9);
"""
OWNERS = """
    SELECT DISTINCT pg_get_userbyid(refobjid)::text FROM pg_shdepend, pg_identify_object(classid, objid, objsubid) AS o
    WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND deptype = 'o'
    AND o.schema IN ('t_acme', 'public')
"""


@pytest.fixture
def before(engine, migrations):
    """A tenant that was made without roles, with one of everything."""
    migrations("tenant/0002_types.sql", TYPES)
    before = engine(roles=False)
    before.create("acme")
    with before.use("acme"):
        Invoice.create(note="old")
    return before


def test_migrate_brings_tenants_that_were_made_without_roles_under_them(before, engine, admin, url):
    tenants = engine()
    assert all(outcome.error is None for outcome in tenants.migrate())
    with tenants.use("acme"):
        assert [invoice.note for invoice in Invoice.select()] == ["old"]
        ask(tenants, "SELECT nextval('numbers'), one(), 'red'::colour, 'x'::short FROM noted, counted, part")
    assert admin(OWNERS) == [(OWN[1],)]
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        connect(url).cursor().execute("SELECT * FROM t_acme.invoice")


def test_nothing_is_done_twice_for_a_tenant_that_has_its_role(tenants, url, engine):
    with Relay(url) as relay:
        through = engine(url=relay.url)
        with relay.counting() as messages:
            through.migrate()
        assert not any(b"t_acme@" in message and b"GRANT" in message for message in messages)


def test_a_tenant_that_was_made_without_roles_can_be_dropped_with_them(before, engine, admin):
    tenants = engine()
    tenants.drop("acme")
    assert admin("SELECT 1 FROM pg_namespace WHERE nspname = 't_acme'") == []


def test_tenants_of_the_applications_own_catalog_get_roles(before, engine, admin):
    tenants = engine(catalog=FixedCatalog([Tenant(tenant_id("acme"), schema_name("t_acme"))]))
    tenants.migrate()
    with tenants.use("acme"):
        assert whose(tenants) == [(f"t_acme@{DATABASE}", LOGIN)]


def test_a_table_that_is_in_use_is_not_waited_for_for_ever(before, engine, admin, url):
    reader = psycopg2.connect(url)
    reader.cursor().execute("SELECT * FROM t_acme.invoice")
    begun = time.monotonic()
    with pytest.raises(peewee.OperationalError, match="lock timeout"):
        engine(lock_timeout_s=0.1).migrate()
    assert time.monotonic() - begun < 2
    reader.close()
    assert roles(admin) == set()


def test_a_schema_that_is_somebody_elses_is_named_with_its_cure(before, engine, admin):
    admin("ALTER SCHEMA t_acme OWNER TO CURRENT_USER")
    with pytest.raises(RolesNotReady) as caught:
        engine().migrate()
    assert caught.value.cure == f'ALTER SCHEMA "t_acme" OWNER TO "{LOGIN}"'
    admin(caught.value.cure)
    engine().migrate()


@pytest.fixture
def doctor(url, monkeypatch, tmp_path, capsys):
    """Ask the doctor, and return the checks of the roles as (state, finding, cure)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TENANTRY_URL", url)
    monkeypatch.setenv("TENANTRY_ROLES", "true")

    def ask_doctor():
        main(["doctor", "--json"])
        checks = json.loads(capsys.readouterr().out)["checks"]
        return [(each["state"], each["says"], each["cure"]) for each in checks if each["name"] == "roles"]

    return ask_doctor


def test_the_command_line_brings_tenants_under_roles_and_the_doctor_counts_who_has_none(before, doctor, capsys):
    assert doctor() == [("fail", "1 tenants have no role of their own yet", "tenantry migrate up --all")]
    assert main(["migrate", "up", "--all"]) == 0
    capsys.readouterr()
    assert doctor() == [("ok", "every tenant has a role of its own", "")]


def test_the_doctor_warns_of_a_login_that_may_not_make_roles(tenants, doctor, admin):
    admin(f"ALTER ROLE {LOGIN} NOCREATEROLE")
    assert doctor()[-1][0] == "warn"
    assert doctor()[-1][2] == f'ALTER ROLE "{LOGIN}" CREATEROLE;'


# Row-level security.


@pytest.fixture(params=[True, False], ids=["with roles", "without roles"])
def audited(request, engine, migrations):
    """Two tenants with a row each in a shared table that has a policy."""
    migrations("shared/0002_policy.sql", tenant_policy("audit", "tenant"))
    grants = {"shared_grants": "INSERT, UPDATE, DELETE ON audit"} if request.param else {}
    tenants = engine(roles=request.param, tenant_setting=True, **grants)
    for name in ("acme", "globex"):
        tenants.create(name)
        with tenants.use(name):
            Audit.insert(tenant=name, note=f"of {name}").execute()
    return tenants


def test_t23_a_tenant_sees_its_own_rows_of_a_shared_table(audited, admin):
    for name in ("acme", "globex"):
        with audited.use(name):
            assert [row.note for row in Audit.select()] == [f"of {name}"]
    assert admin("SELECT count(*) FROM public.audit") == [(2,)]


def test_t23_a_tenant_writes_no_row_of_another(audited, admin):
    with audited.use("acme"):
        with pytest.raises(peewee.ProgrammingError, match="row-level security"):
            Audit.insert(tenant="globex").execute()
        with pytest.raises(peewee.ProgrammingError, match="row-level security"):
            Audit.update(tenant="globex").execute()
        assert Audit.delete().execute() == 1
    assert admin("SELECT tenant FROM public.audit") == [("globex",)]


def test_t23_without_a_tenant_there_are_no_rows(audited):
    with audited.use("acme"):
        Audit.get()  # The setting that is over is empty on the connection, and no longer unknown.
    with audited.shared():
        assert Audit.select().count() == 0


def test_t23_an_engine_that_tells_nobody_of_the_tenant_sees_no_rows(audited, engine):
    silent = engine(roles=audited.parts.config.roles)
    with silent.use("acme"):
        assert Audit.select().count() == 0


def test_the_policy_is_written_for_a_model_too():
    assert tenant_policy(Audit, "tenant") == tenant_policy("audit", "tenant", schema="public")


def test_nobody_is_told_of_the_tenant_who_did_not_ask_for_it(tenants):
    with tenants.use("acme"):
        assert ask(tenants, "SELECT current_setting('tenantry.tenant', true)") == [(None,)]


# The names of roles.


NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=63
)


@given(NAMES, NAMES)
def test_a_role_has_a_name_that_postgresql_keeps_whole(database, schema):
    for name in (tenant_role(database, schema), own_role(database, "owner")):
        assert 0 < len(name.encode()) <= MAX_BYTES


AWKWARD = st.text("ab@:#", min_size=1, max_size=5)


@given(AWKWARD, AWKWARD, AWKWARD, AWKWARD)
@example("b@c", "a", "c", "a@b")
@example("a", "b", "a", "tenantry:app")
@example("b@d" + tenant_role("d", schema_name("a@b"))[-17:], "a", "d", "a@b")
def test_no_two_tenants_of_a_cluster_share_a_role(database, schema, other_database, other_schema):
    same = (database, schema) == (other_database, other_schema)
    assert (tenant_role(database, schema) == tenant_role(other_database, other_schema)) is same
    assert own_role(other_database, "app") != tenant_role(other_database, other_schema)


def test_long_names_that_differ_at_their_ends_have_roles_that_differ():
    names = {tenant_role("d", "t_" + "x" * 60 + end) for end in "abc"}
    assert len(names) == 3
