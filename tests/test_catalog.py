"""The catalog that tenantry keeps: written with the tenants, read ahead of requests."""

from __future__ import annotations

import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import peewee
import psycopg2
import pytest
from relay import Relay
from shop import Customer

from tenantry import FixedCatalog, SharedModel, State, Tenant, Tenantry, catalog
from tenantry.catalog import SCHEMA, TableCatalog
from tenantry.databases import Prefix, SharedDatabase, Wire
from tenantry.errors import (
    CatalogIsReadOnly,
    CatalogUnavailable,
    ConfigError,
    InvalidTenantId,
    MigrationEdited,
    MigrationFailed,
    PoolTimeout,
    SchemaIsShared,
    SchemaTaken,
    ServerRefused,
    TenantDropped,
    TenantExists,
    TenantNotReady,
    TenantSuspended,
    TransactionOpen,
    UnknownTenant,
)
from tenantry.migrations.history import ensure
from tenantry.naming import schema_name
from tenantry.pool import Pool, PoolSettings
from tenantry.provisioning import prepare


@pytest.fixture(autouse=True)
def clean(sql):
    """No catalog and no schemas but those that the test makes."""

    def drop():
        sql("DROP SCHEMA IF EXISTS tenantry CASCADE")
        for (schema,) in sql("SELECT nspname FROM pg_namespace WHERE nspname LIKE 't\\_%'"):
            sql(f'DROP SCHEMA "{schema}" CASCADE')

    drop()
    yield
    drop()


@pytest.fixture
def engine(server):
    """Make engines over the catalog that tenantry keeps; each is a process of its own as far as the catalog goes."""
    with contextlib.ExitStack() as engines:

        def make(**options):
            made = Tenantry(**{"url": server.url, "catalog_interval_s": 0.2, **options})
            engines.callback(made.close)
            return made

        yield make


def schemas(sql):
    return [name for (name,) in sql("SELECT nspname FROM pg_namespace WHERE nspname LIKE 't\\_%' ORDER BY 1")]


# Making and unmaking.


def test_a_tenant_is_made_with_its_schema_and_its_row(engine, sql):
    tenants = engine()
    made = tenants.create("acme", labels={"plan": "pro"})
    assert (made.id, made.schema, made.state, made.labels, made.epoch) == (
        "acme",
        "t_acme",
        State.ACTIVE,
        {"plan": "pro"},
        0,
    )
    assert schemas(sql) == ["t_acme"]
    assert sql("SELECT id, schema, server, state FROM tenantry.tenants") == [("acme", "t_acme", "main", "active")]
    with tenants.use("acme"):
        assert tenants.current == made


def test_a_second_tenant_of_the_same_id_is_refused(engine, sql):
    engine().create("acme")
    with pytest.raises(TenantExists, match="'acme'") as caught:
        engine().create("acme")
    assert caught.value.tenant == "acme"
    assert schemas(sql) == ["t_acme"]


def test_of_many_who_make_the_same_tenant_at_once_one_wins(engine, sql):
    engines = [engine() for _ in range(4)]
    barrier, results = threading.Barrier(4), []

    def make(tenants):
        barrier.wait()
        try:
            results.append(tenants.create("acme").id)
        except TenantExists:
            results.append("exists")

    threads = [threading.Thread(target=make, args=(tenants,)) for tenants in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["acme", "exists", "exists", "exists"]
    assert schemas(sql) == ["t_acme"]


@pytest.mark.parametrize("make", ["the catalog", "the history"])
def test_tables_that_another_makes_while_their_lock_is_waited_for_are_seen(server, sql, make):
    pool = Pool(server.url, PoolSettings(size=1))
    database = SharedDatabase(pool, schema_name("public"))
    database.execute_sql("DROP SCHEMA IF EXISTS tenantry")  # The session remembers that there is none.
    work = (lambda: prepare(pool)) if make == "the catalog" else (lambda: ensure(database))
    with contextlib.closing(psycopg2.connect(server.admin_url)) as other, ThreadPoolExecutor(1) as executor:
        other.cursor().execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('tenantry:ensure', 0));"
            "CREATE SCHEMA tenantry AUTHORIZATION tenantry_test"
        )
        waiting = executor.submit(work)
        until(lambda: sql("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))
        other.commit()
        waiting.result(10)
    pool.close()


def until(condition, wait_s=5.0):
    deadline = time.monotonic() + wait_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def test_a_schema_that_is_there_is_not_taken_over(engine, sql):
    sql("CREATE SCHEMA t_acme")
    with pytest.raises(SchemaTaken, match="'t_acme'"):
        engine().create("acme")
    assert sql("SELECT count(*) FROM tenantry.tenants") == [(0,)]


def test_a_schema_that_another_tenant_has_is_not_given_twice(engine, sql):
    engine(schema_prefix="t_a_").create("b")
    with pytest.raises(SchemaTaken, match="'t_a_b'"):
        engine().create("a_b")


@pytest.mark.parametrize(
    ("setting", "by"),
    [
        ({"shared_schema": "t_acme"}, "the setting shared_schema"),
        ({"extensions": "t_acme"}, "the setting extensions"),
        ({"schema_prefix": "tenan"}, "tenantry's own tables"),
    ],
    ids=["shared_schema", "extensions", "own"],
)
def test_a_tenant_whose_schema_the_settings_share_is_refused(engine, sql, setting, by):
    name = "try" if "schema_prefix" in setting else "acme"
    schema = "tenantry" if name == "try" else "t_acme"
    with pytest.raises(SchemaIsShared, match=f"'{schema}' of tenant '{name}' is that of {by}, too"):
        engine(**setting).create(name)
    assert schemas(sql) == []
    tenants = engine(catalog=FixedCatalog([Tenant(name, schema)]), **setting)
    with pytest.raises(SchemaIsShared) as caught, tenants.use(name):
        pass
    assert (caught.value.tenant, caught.value.schema, caught.value.by) == (name, schema, by)


def test_a_new_tenant_whose_schema_is_a_models_is_refused_before_anything_is_made(engine, sql):
    class Country(SharedModel):
        class Meta:
            schema = "t_geo"

    tenants = engine()
    with pytest.raises(SchemaIsShared, match="'t_geo' of tenant 'geo' is that of the model Country, too"):
        tenants.create("geo")
    assert (schemas(sql), sql("SELECT to_regclass('tenantry.tenants')")) == ([], [(None,)])
    assert tenants.create("acme").schema != Country._meta.schema


@pytest.mark.parametrize("text", ["ACME", 'a"; drop schema public cascade; --', "a%s", "", "a" * 49])
def test_what_is_not_an_id_makes_no_tenant(engine, sql, text):
    with pytest.raises(InvalidTenantId):
        engine().create(text)
    assert schemas(sql) == []


def test_a_tenant_that_is_dropped_leaves_its_row_and_nothing_else(engine, sql):
    tenants = engine()
    tenants.create("acme")
    with tenants.use("acme"):
        Customer.create_table()
    assert tenants.drop("acme").state is State.DROPPED
    assert schemas(sql) == []
    with pytest.raises(TenantDropped), tenants.use("acme"):
        pass
    with pytest.raises(TenantDropped):
        tenants.drop("acme")
    with pytest.raises(UnknownTenant):
        tenants.drop("globex")


def test_a_dropped_id_can_be_made_anew_in_another_epoch_with_every_migration(engine, folder):
    folder("tenant/0001_customer.sql", CUSTOMER)
    tenants = engine(migrations=folder.path)
    tenants.create("acme", labels={"was": "old"})
    with tenants.use("acme"):
        Customer.create(name="of the first epoch")
    tenants.drop("acme")
    made = tenants.create("acme")
    assert (made.epoch, made.labels, made.state) == (1, {}, State.ACTIVE)
    with tenants.use("acme"):
        assert list(Customer.select()) == []


def test_a_schema_that_was_dropped_by_hand_is_made_anew_with_every_migration(engine, folder, sql):
    folder("tenant/0001_customer.sql", CUSTOMER)
    tenants = engine(migrations=folder.path)
    tenants.create("acme")
    sql("DROP SCHEMA t_acme CASCADE; DELETE FROM tenantry.tenants")
    again = engine(migrations=folder.path)
    again.create("acme")
    with again.use("acme"):
        assert Customer.select().count() == 0


def test_dropping_and_making_a_tenant_again_and_again_at_once_is_never_half_done(engine, folder, sql):
    folder("tenant/0001_customer.sql", CUSTOMER)
    one, other = engine(migrations=folder.path), engine(migrations=folder.path)
    one.create("acme")
    unexpected = []

    def work(tenants):
        for _ in range(25):
            for step in (tenants.drop, tenants.create):
                try:
                    step("acme")
                except (TenantDropped, TenantExists, UnknownTenant):
                    pass
                except Exception as error:
                    unexpected.append(error)

    threads = [threading.Thread(target=work, args=(tenants,)) for tenants in (one, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert unexpected == []
    state = sql("SELECT state FROM tenantry.tenants")
    assert (schemas(sql) == ["t_acme"]) == (state == [("active",)])


def test_a_tenant_that_is_being_made_is_not_resumed(engine, thousand, sql):
    sql("UPDATE tenantry.tenants SET state = 'provisioning', changed = pg_current_xact_id() WHERE id = 'n5'")
    with pytest.raises(TenantNotReady):
        engine().resume("n5")


def test_an_id_that_is_none_is_refused_before_a_new_engine_asks_its_server(server, sql):
    with Relay(server.url) as relay, contextlib.closing(Tenantry(relay.url)) as tenants:
        with pytest.raises(InvalidTenantId):
            tenants.create('x"; drop schema public cascade; --')
        assert relay.messages == []


def test_several_tenants_are_named_by_a_list(engine):
    with pytest.raises(TypeError, match=r"migrate\(\['acme'\]\)"):
        engine().migrate("acme")


def test_a_suspended_tenant_is_refused_until_it_is_resumed(engine):
    tenants = engine()
    tenants.create("acme")
    tenants.suspend("acme")
    with pytest.raises(TenantSuspended), tenants.use("acme"):
        pass
    tenants.resume("acme")
    with tenants.use("acme"):
        pass


def test_a_dropped_tenant_is_not_resumed(engine):
    tenants = engine()
    tenants.create("acme")
    tenants.drop("acme")
    with pytest.raises(TenantDropped):
        tenants.resume("acme")


def test_tenants_are_not_made_inside_a_transaction(engine, sql):
    tenants = engine()
    tenants.create("acme")
    with tenants.use("acme"), tenants.database.atomic(), pytest.raises(TransactionOpen):
        tenants.create("globex")
    assert schemas(sql) == ["t_acme"]


def test_tenants_are_not_dropped_inside_a_transaction(engine, sql):
    tenants = engine()
    tenants.create("acme"), tenants.create("globex")
    with tenants.use("acme"), tenants.database.atomic(), pytest.raises(TransactionOpen):
        tenants.drop("globex")
    assert schemas(sql) == ["t_acme", "t_globex"]


def test_a_catalog_of_the_applications_own_is_not_written_to(make_engine):
    tenants = make_engine()
    for write in (tenants.create, tenants.drop, tenants.suspend, tenants.resume):
        with pytest.raises(CatalogIsReadOnly, match="FixedCatalog"):
            write("acme")


# Migrations, as part of making and as a run of their own.

CUSTOMER = "CREATE TABLE customer (id serial PRIMARY KEY, name text NOT NULL UNIQUE);"


class Folder:
    """A folder of migrations that a test writes."""

    def __init__(self, path):
        self.path = path
        path.mkdir()

    def __call__(self, name, text):
        file = self.path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path / "the migrations")


def test_a_new_tenant_has_every_migration(engine, folder, sql):
    folder("tenant/0001_customer.sql", CUSTOMER)
    folder("tenant/0002_email.sql", "ALTER TABLE customer ADD email text;")
    tenants = engine(migrations=folder.path)
    tenants.create("acme")
    with tenants.use("acme"):
        Customer.create(name="first")
    assert sql("SELECT schema, name FROM tenantry.history ORDER BY 2") == [
        ("t_acme", "0001_customer"),
        ("t_acme", "0002_email"),
    ]
    assert [outcome.state.value for outcome in tenants.migrate()] == ["up_to_date"]


def test_a_migration_that_fails_half_way_leaves_no_schema_and_no_row(engine, folder, sql):
    folder("tenant/0001_customer.sql", CUSTOMER)
    folder("tenant/0002_broken.sql", "CREATE TABLE a (x int);\n\nCREATE TABLE b (y nonsense);")
    tenants = engine(migrations=folder.path)
    with pytest.raises(MigrationFailed, match=r"0002_broken\.sql") as caught:
        tenants.create("acme")
    assert (caught.value.file, caught.value.line) == ("0002_broken.sql", 3)
    assert schemas(sql) == []
    assert sql("SELECT * FROM tenantry.tenants") == []
    assert sql("SELECT * FROM tenantry.history") == []
    with pytest.raises(UnknownTenant), tenants.use("acme"):
        pass


def test_a_python_migration_may_use_the_models_of_the_application(engine, folder, sql):
    folder("tenant/0001_customer.sql", CUSTOMER)
    folder(
        "tenant/0002_first.py",
        "from shop import Customer\n\n\ndef up(migrator, db):\n    Customer.create(name='made by a migration')\n",
    )
    engine(migrations=folder.path).create("acme")
    assert sql("SELECT name FROM t_acme.customer") == [("made by a migration",)]


def test_shared_migrations_run_first_and_once(engine, folder, sql):
    folder("shared/0001_plan.sql", "CREATE TABLE shared_plan (id int PRIMARY KEY);")
    folder("tenant/0001_invoice.sql", "CREATE TABLE invoice (plan int REFERENCES public.shared_plan);")
    tenants = engine(migrations=folder.path)
    try:
        assert [outcome.schema for outcome in tenants.migrate()] == ["public"]
        for name in ("acme", "globex"):
            tenants.create(name)
        assert {outcome.state.value for outcome in tenants.migrate()} == {"up_to_date"}
        assert sql("SELECT schemaname FROM pg_tables WHERE tablename = 'shared_plan'") == [("public",)]
    finally:
        sql("DROP TABLE IF EXISTS public.shared_plan CASCADE")


def test_shared_migrations_that_a_new_tenant_needs_go_first(engine, folder, sql):
    folder("shared/0001_plan.sql", "CREATE TABLE shared_plan (id int PRIMARY KEY);")
    folder("tenant/0001_invoice.sql", "CREATE TABLE invoice (plan int REFERENCES public.shared_plan);")
    try:
        engine(migrations=folder.path).create("acme")
        assert sql("SELECT schema FROM tenantry.schemas ORDER BY 1") == [("public",), ("t_acme",)]
    finally:
        sql("DROP TABLE IF EXISTS public.shared_plan CASCADE")


def test_no_tenant_is_touched_when_the_shared_schema_fails(engine, folder, sql):
    tenants = engine(migrations=folder.path)
    tenants.create("acme")
    folder("shared/0001_broken.sql", "CREATE TABLE x (y nonsense);")
    folder("tenant/0001_customer.sql", CUSTOMER)
    with pytest.raises(MigrationFailed, match=r"0001_broken\.sql"):
        tenants.migrate()
    assert sql("SELECT to_regclass('t_acme.customer')") == [(None,)]


def test_tenants_that_are_behind_are_brought_up_side_by_side(engine, folder):
    tenants = engine(migrations=folder.path)
    for name in ("acme", "globex", "initech"):
        tenants.create(name)
    tenants.suspend("initech")
    folder("tenant/0001_customer.sql", CUSTOMER)
    told = []
    outcomes = tenants.migrate(jobs=2, on_outcome=told.append)
    assert [(outcome.schema, outcome.applied) for outcome in outcomes] == [
        (f"t_{name}", ("0001_customer",)) for name in ("acme", "globex", "initech")
    ]
    assert sorted(told, key=lambda outcome: outcome.schema) == outcomes


def test_an_applied_file_that_was_edited_is_refused(engine, folder):
    folder("tenant/0001_customer.sql", CUSTOMER)
    tenants = engine(migrations=folder.path)
    tenants.create("acme")
    folder("tenant/0001_customer.sql", CUSTOMER + " -- edited")
    (outcome,) = tenants.migrate()
    assert isinstance(outcome.error, MigrationEdited)
    assert "0001_customer.sql" in str(outcome.error)


def test_a_folder_of_migrations_that_was_named_and_is_not_there_is_an_error(engine, tmp_path):
    with pytest.raises(ConfigError, match="nowhere"):
        engine(migrations=tmp_path / "nowhere").migrate()


def test_a_fleet_with_nothing_to_do_is_asked_in_one_message_besides_the_catalog(engine, folder, server):
    folder("tenant/0001_customer.sql", CUSTOMER)
    folder("shared/0001_nothing.sql", "SELECT 1;")
    with Relay(server.url) as relay:
        tenants = engine(url=relay.url, migrations=folder.path)
        tenants.migrate()
        for name in ("acme", "globex", "initech"):
            tenants.create(name)
        with relay.counting() as messages:
            assert {outcome.state.value for outcome in tenants.migrate()} == {"up_to_date"}
        assert len(messages) == 2


# Reading.


def test_without_any_tenant_every_id_is_unknown(engine):
    tenants = engine()
    with pytest.raises(UnknownTenant), tenants.use("acme"):
        pass
    assert list(tenants) == []


def test_the_catalog_is_gone_through_in_the_order_of_the_ids(engine):
    tenants = engine()
    for name in ("globex", "acme", "initech"):
        tenants.create(name)
    assert [tenant.id for tenant in engine()] == ["acme", "globex", "initech"]


def test_other_processes_follow_within_the_interval(engine):
    one, other = engine(), engine()
    one.create("acme")
    with other.use("acme"):
        pass
    one.suspend("acme")
    time.sleep(0.25)
    with pytest.raises(TenantSuspended), other.use("acme"):
        pass


def test_a_tenant_that_another_process_has_just_made_is_found_without_waiting_for_the_interval(engine, monkeypatch):
    monkeypatch.setattr(catalog.table, "ASK_AGAIN_S", 0.0)
    one, other = engine(), engine(catalog_interval_s=60)
    one.create("acme")
    with other.use("acme"):
        pass
    one.create("globex")
    with other.use("globex"):
        pass


def test_a_change_that_was_begun_early_and_committed_late_is_seen(engine, server, sql):
    tenants = engine(catalog_interval_s=0.05)
    for name in ("acme", "globex"):
        tenants.create(name)
    slow = psycopg2.connect(server.admin_url)
    slow.cursor().execute(
        "UPDATE tenantry.tenants SET state = 'suspended', changed = pg_current_xact_id() WHERE id = 'acme'"
    )
    tenants.suspend("globex")  # Later in number, earlier in commit.
    time.sleep(0.06)
    with pytest.raises(TenantSuspended), tenants.use("globex"):
        pass
    slow.commit()
    slow.close()
    time.sleep(0.06)
    with pytest.raises(TenantSuspended), tenants.use("acme"):
        pass


@pytest.fixture
def thousand(engine, sql):
    engine().create("n0")
    sql(
        "INSERT INTO tenantry.tenants (id, schema, state) "
        "SELECT 'n' || n, 't_n' || n, 'active' FROM generate_series(1, 999) AS n"
    )


def test_requests_spread_over_a_thousand_tenants_ask_once(engine, server, thousand):
    with Relay(server.url) as relay:
        tenants = engine(url=relay.url, catalog_interval_s=60)
        tenants.warm_up(connections=1)
        with relay.counting() as messages:
            for number in range(1_000):
                with tenants.use(f"n{number}"):
                    pass
        assert len(messages) == 1


def test_thousands_of_unknown_ids_do_not_mean_thousands_of_queries(engine, server, thousand):
    with Relay(server.url) as relay:
        tenants = engine(url=relay.url, catalog_interval_s=60)
        tenants.warm_up(connections=1)
        with relay.counting() as messages:
            for number in range(3_000):
                with pytest.raises(UnknownTenant):
                    tenants[f"unknown-{number}"]
        assert len(messages) <= 3


def test_a_row_that_is_no_tenant_does_not_take_the_others_with_it(engine, thousand, sql, caplog):
    sql("INSERT INTO tenantry.tenants (id, schema, state) VALUES ('NOT AN ID', 'x', 'active')")
    with engine().use("n7"):
        pass
    assert "NOT AN ID" in caplog.text


# When the server does not answer.


class Answers:
    """Stands between a catalog and its server, and can be told to fail: what the network does."""

    def __init__(self, url):
        self.wire = Wire(Pool(url), SCHEMA, Prefix.of(SCHEMA))
        self.error, self.asked = None, 0

    def ask(self, *args, **options):
        self.asked += 1
        if self.error is not None:
            raise self.error
        return self.wire.ask(*args, **options)


@pytest.fixture
def answers(server, thousand):
    answers = Answers(server.url)
    yield answers
    answers.wire.pool.close()


REFUSED = ServerRefused(address="x", reason="down")


def test_what_is_known_is_served_while_polls_fail_for_a_while(answers):
    known = TableCatalog(answers.ask, interval_s=0.02)
    assert known.get("n7").schema == "t_n7"
    answers.error = REFUSED
    time.sleep(0.03)
    assert known.get("n7").schema == "t_n7"
    assert answers.asked == 2


def test_a_catalog_that_has_not_answered_for_ten_intervals_is_not_believed_until_it_answers(answers):
    known = TableCatalog(answers.ask, interval_s=0.02)
    known.get("n7")
    answers.error = REFUSED
    time.sleep(0.03)
    known.get("n7")
    time.sleep(0.25)
    with pytest.raises(CatalogUnavailable, match="has not answered"):
        known.get("n7")
    answers.error = None
    time.sleep(0.03)
    assert known.get("n7") is not None


def test_a_server_that_never_answered_is_its_own_error(answers):
    answers.error = REFUSED
    with pytest.raises(ServerRefused):
        TableCatalog(answers.ask).get("n7")


def test_a_catalog_that_may_not_be_read_is_peewees_error(engine, thousand, sql):
    sql("REVOKE ALL ON SCHEMA tenantry FROM tenantry_test; ALTER SCHEMA tenantry OWNER TO CURRENT_USER")
    with pytest.raises(peewee.ProgrammingError, match="permission denied"), engine().use("n1"):
        pass


def test_a_poll_does_not_wait_for_a_connection(engine, thousand):
    tenants = engine(pool_size=1, pool_wait_s=30, catalog_interval_s=0.02)
    with tenants.use("n0"):
        pass
    held = tenants.parts.pool.take("t_n0")
    time.sleep(0.03)
    begun = time.monotonic()
    with tenants.use("n0"):
        pass
    assert time.monotonic() - begun < 5
    tenants.parts.pool.give(held)


def test_only_one_thread_polls_while_others_go_on(answers):
    known = TableCatalog(answers.ask, interval_s=0.02)
    known.get("n7")
    going, go_on = threading.Event(), threading.Event()
    ask = answers.wire.ask

    def slow(*args, **options):
        going.set()
        go_on.wait(10)
        return ask(*args, **options)

    answers.wire.ask = slow
    time.sleep(0.03)
    poller = threading.Thread(target=known.get, args=("n7",))
    poller.start()
    assert going.wait(5)
    assert known.get("n8").schema == "t_n8"  # While the other waits for its answer.
    go_on.set()
    poller.join()


def test_the_first_load_is_waited_for_by_everybody(answers):
    known = TableCatalog(answers.ask)
    found = []
    threads = [threading.Thread(target=lambda: found.append(known.get("n7"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [tenant.id for tenant in found] == ["n7"] * 8
    assert answers.asked == 1


def test_the_first_load_tells_that_every_connection_is_in_use(engine, thousand):
    tenants = engine(pool_size=1, pool_wait_s=0.1)
    held = tenants.parts.pool.take("x")
    with pytest.raises(PoolTimeout), tenants.use("n0"):
        pass
    tenants.parts.pool.give(held)
