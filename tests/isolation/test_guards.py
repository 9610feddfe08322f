"""Guards that stand behind another one, each with that other out of the way."""

from __future__ import annotations

import contextlib

import peewee
import pytest
from shop import Customer

from isolation.world import Note
from tenantry.errors import WrongTenant
from tenantry.migrations import history
from tenantry.naming import schema_name

# To shrink an example takes a while.
pytestmark = [pytest.mark.timeout(600)]


@pytest.fixture
def one(make_engine):
    """An engine with one connection, which every tenant gets."""
    return make_engine(pool_size=1)


@pytest.mark.parametrize("in_block", [False, True], ids=["a statement", "a transaction"])
def test_a_temporary_table_is_gone_for_the_next_although_the_connection_was_not_marked(one, in_block):
    acme, globex = one.database_of("acme"), one.database_of("globex")
    # As SQL of tenantry's own, it marks nothing.
    acme.wire.ask("CREATE TEMP TABLE left_behind AS SELECT 'acme' AS name")
    with pytest.raises(peewee.ProgrammingError), globex.atomic() if in_block else contextlib.nullcontext():
        globex.execute_sql("SELECT name FROM left_behind")


def test_a_connection_that_comes_back_in_a_transaction_is_lent_to_nobody(one):
    pool = one.parts.pool
    connection = pool.take("t_acme")
    connection.cursor().execute("BEGIN; INSERT INTO t_acme.customer (name) VALUES ('acme')")
    pool.give(connection)
    assert connection.closed
    with one.use("acme"):
        assert Customer.select().count() == 0


def test_two_schemas_whose_names_have_one_hash_of_32_bits_do_not_wait_for_each_other(one, make_engine, sql):
    ((name, other),) = sql(
        "SELECT min(name), max(name) FROM (SELECT 'h' || n AS name FROM generate_series(1, 200000) AS n) AS names "
        "GROUP BY hashtext('tenantry:migrate:' || name) HAVING count(*) > 1 LIMIT 1"
    )
    sql(f"CREATE SCHEMA {name}; CREATE SCHEMA {other}")
    try:
        first, second = make_engine(shared_schema=schema_name(name)), make_engine(shared_schema=schema_name(other))
        history.ensure(one.parts.shared)
        with first.parts.shared.atomic(), second.parts.shared.atomic():
            assert history.hold(first.parts.shared, lock_timeout_s=0.1) == {}
            assert history.hold(second.parts.shared, lock_timeout_s=0.1) == {}
    finally:
        sql(f"DROP SCHEMA {name}, {other}, tenantry CASCADE")


def test_a_drop_leaves_no_history_though_a_new_tenant_would_take_it_away(make_world):
    world = make_world()
    world.drop("acme")
    assert world.ask("SELECT schema FROM tenantry.history WHERE schema = 'i_acme'") == []
    assert world.ask("SELECT schema FROM tenantry.schemas WHERE schema = 'i_acme'") == []


def test_another_process_has_a_new_database_for_a_tenant_that_was_made_anew(make_world):
    world = make_world()
    with world.other.use("acme"):
        row = Note.create(value="of its first life")
    world.drop("acme")
    world.create("acme")
    with world.other.use("acme"), pytest.raises(WrongTenant):
        row.save()
