"""A tenant can be capped to a share of the pool: one that floods it does not starve the others."""

from __future__ import annotations

import contextlib
import gc
import os
import threading
import time

import pytest
from psycopg2.extensions import make_dsn
from shop import Customer, Plan

from tenantry.errors import ConfigError, InvalidSetting, PoolClosed, PoolTimeout, ServerRefused
from tenantry.pool import Pool, PoolSettings


@pytest.fixture
def pool(server):
    """Three connections, of which a tenant may have two."""
    pool = Pool(server.url, PoolSettings(size=3, tenant_share=2, wait_s=0.3))
    yield pool
    pool.close()


def until(condition, wait_s=5.0):
    deadline = time.monotonic() + wait_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def test_a_tenant_that_has_its_share_is_told_the_cap_and_names_nobody(pool):
    held = [pool.take("t_acme"), pool.take("t_acme")]
    with pytest.raises(PoolTimeout, match=r"pool_size=3, of which one tenant may have tenant_share=2") as caught:
        pool.take("t_acme")
    assert (caught.value.tenant_share, caught.value.waited_s, len(caught.value.holders)) == (2, 0.3, len(held))
    assert "raise tenant_share" in str(caught.value)
    assert "acme" not in str(caught.value)
    assert pool.figures().timeouts == 1


def test_another_tenant_gets_what_is_left_at_once(pool):
    held = [pool.take("t_acme"), pool.take("t_acme"), pool.take("t_globex")]
    assert pool.figures().waits == 0
    with pytest.raises(PoolTimeout) as caught:
        pool.take("t_initech")
    assert caught.value.tenant_share is None
    assert [holder.schema for holder in pool.holders()] == [connection.schema for connection in held]


def test_without_a_cap_a_tenant_may_have_all(server):
    pool = Pool(server.url, PoolSettings(size=3))
    assert len({pool.take("t_acme") for _ in range(3)}) == 3
    pool.close()


def test_who_waits_for_a_tenants_share_gets_the_next_that_the_tenant_gives_back(pool):
    held = [pool.take("t_acme"), pool.take("t_acme")]
    threading.Timer(0.05, lambda: pool.give(held[0])).start()
    assert pool.take("t_acme") is held[0]
    assert (pool.figures().waits, pool.figures().waiting) == (1, 0)


def test_who_waits_for_a_share_is_counted_and_keeps_no_place_of_the_pool(server):
    pool = Pool(server.url, PoolSettings(size=2, tenant_share=1, wait_s=5.0))
    first = pool.take("t_acme")
    waiting = threading.Thread(target=lambda: pool.give(pool.take("t_acme")))
    waiting.start()
    until(lambda: pool.figures().waiting == 1)
    pool.give(pool.take("t_globex", patient=False))
    pool.give(first)
    waiting.join(5)
    assert not waiting.is_alive()
    pool.close()


def test_a_wait_for_the_share_and_one_for_the_pool_are_one_wait(server):
    pool = Pool(server.url, PoolSettings(size=2, tenant_share=1, wait_s=0.6))
    mine, other = pool.take("t_acme"), pool.take("t_globex")

    def pass_the_place_on():
        pool.give(mine)
        taken.append(pool.take("t_initech", patient=False))

    taken = []
    begun = time.monotonic()
    timer = threading.Timer(0.4, pass_the_place_on)
    timer.start()
    with contextlib.suppress(PoolTimeout):
        taken.append(pool.take("t_acme"))
    timer.join()
    assert time.monotonic() - begun < 0.9
    assert not other.closed
    pool.close()


def test_whoever_holds_the_share_already_is_told_at_once(pool):
    held = [pool.take("t_acme"), pool.take("t_acme")]
    begun = time.monotonic()
    with pytest.raises(PoolTimeout, match="holds one already"):
        pool.take("t_acme", patient=False, nested=True)
    assert time.monotonic() - begun < pool.settings.wait_s
    assert len(held) == 2


def test_giving_back_twice_makes_no_second_share(pool):
    held = [pool.take("t_acme"), pool.take("t_acme")]
    pool.give(held[0])
    pool.give(held[0])
    assert pool.take("t_acme") is held[0]
    with pytest.raises(PoolTimeout):
        pool.take("t_acme")


def test_the_share_of_a_connection_that_was_forgotten_is_not_lost(pool):
    held = [pool.take("t_acme"), pool.take("t_acme")]
    del held[0]
    gc.collect()
    assert pool.take("t_acme").schema == "t_acme"


@pytest.mark.direct
def test_a_failed_attempt_to_connect_gives_its_share_back(server, sql):
    pool = Pool(make_dsn(server.url, dbname="made_later"), PoolSettings(size=3, tenant_share=1, wait_s=0.1))
    with pytest.raises(ServerRefused):
        pool.take("t_acme")
    with pytest.raises(ServerRefused):
        pool.take("t_acme")


def test_a_timeout_of_the_pool_gives_the_share_back(server):
    pool = Pool(server.url, PoolSettings(size=1, tenant_share=1, wait_s=0.1))
    held = pool.take("t_globex")
    for _ in range(2):
        with pytest.raises(PoolTimeout) as caught:
            pool.take("t_acme")
        assert caught.value.tenant_share is None
    pool.give(held)
    assert pool.take("t_acme") is held
    pool.close()


def test_who_waits_for_a_share_while_the_pool_is_closed_is_told_at_once(server):
    pool = Pool(server.url, PoolSettings(size=2, tenant_share=1, wait_s=60))
    held, told = pool.take("t_acme"), []

    def wait():
        with contextlib.suppress(PoolClosed):
            pool.take("t_acme")
        told.append(True)

    threads = [threading.Thread(target=wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    until(lambda: pool.figures().waiting == 3)
    pool.close()
    for thread in threads:
        thread.join(5)
    assert len(told) == 3
    pool.give(held)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_all_of_each_share(pool):
    held = [pool.take("t_acme"), pool.take("t_acme")]
    child = os.fork()
    if child == 0:  # pragma: no cover
        try:
            mine = [pool.take("t_acme"), pool.take("t_acme")]
            os._exit(len(mine) - 2)
        except BaseException:
            os._exit(3)
    assert os.waitpid(child, 0)[1] == 0
    with pytest.raises(PoolTimeout):
        pool.take("t_acme")
    assert len(held) == 2


@pytest.mark.parametrize("wrong", [0, -1, "2"])
def test_a_share_that_cannot_work_is_refused(wrong):
    with pytest.raises(ConfigError, match="tenant_share"):
        PoolSettings(tenant_share=wrong)


# Through the engine.


@pytest.fixture
def capped(make_engine):
    """Four connections, of which a tenant may have one."""
    return make_engine(pool_size=4, tenant_share=1, pool_wait_s=10.0)


def test_an_engine_is_told_the_share(make_engine):
    with pytest.raises(InvalidSetting, match="tenant_share"):
        make_engine(tenant_share=0)


def test_a_tenant_that_floods_the_pool_does_not_starve_the_others(capped):
    release = threading.Event()

    def hold():
        with capped.use("acme"), capped.database.atomic():
            Customer.select().count()
            release.wait(20)

    flood = [threading.Thread(target=hold) for _ in range(12)]
    for thread in flood:
        thread.start()
    until(lambda: capped.figures().waiting == 11)
    begun = time.monotonic()
    with capped.use("globex"):
        assert Customer.select().count() == 0
    assert time.monotonic() - begun < 2
    assert [holder.schema for holder in capped.parts.pool.holders()] == ["t_acme"]
    release.set()
    for thread in flood:
        thread.join(20)
    assert (capped.figures().in_use, capped.figures().timeouts) == (0, 0)


def test_a_thread_that_dies_in_a_transaction_gives_the_tenants_place_back(capped):
    def die():
        database = capped.database_of("acme")
        database.begin()
        database.execute_sql("INSERT INTO customer (name) VALUES ('lost')")

    thread = threading.Thread(target=die)
    thread.start()
    thread.join()
    gc.collect()
    with capped.use("acme"):
        assert Customer.select().count() == 0


def test_the_shared_schema_belongs_to_no_tenant_and_has_no_cap(capped):
    ready, counted = threading.Barrier(3, timeout=10), []

    def work():
        with capped.shared(), capped.database.atomic():
            counted.append(Plan.select().count())
            ready.wait()  # All three hold one at the same time.

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert counted == [0, 0, 0]
    assert not ready.broken
