"""The pool: bounded, patient, careful with dead connections."""

from __future__ import annotations

import gc
import os
import re
import socket
import threading
import time

import psycopg2
import pytest
from psycopg2.extensions import make_dsn
from relay import Relay

from tenantry.errors import (
    ConfigError,
    PoolClosed,
    PoolTimeout,
    ServerRefused,
    ServerUnreachable,
    UnsafeDefaultPath,
)
from tenantry.pool import Pool, PoolSettings


def ask(connection, sql="SELECT 1"):
    cursor = connection.cursor()
    cursor.execute(sql)
    return cursor.fetchone()[0]


def backend(connection):
    return connection.info.backend_pid


def until(condition, wait_s=5.0):
    """Wait for *condition*: the server takes a moment to end a backend."""
    deadline = time.monotonic() + wait_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def kill(sql, pid):
    sql("SELECT pg_terminate_backend(%s)", pid)
    until(lambda: not sql("SELECT 1 FROM pg_stat_activity WHERE pid = %s", pid))


def test_making_a_pool_touches_no_server():
    Pool("postgresql://nobody@203.0.113.1/nothing")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://app:S3cret@db:99999/shop",
        "postgresql://app:S3cret@db:abc/shop",
        "postgresql://app:S3cret@one:1,two:65536/shop",
        "postgresql:///shop?port=0&password=S3cret",
        "host=one,two port=1,-2 password=S3cret",
        "postgresql://app:S3cret@db:5_499/shop",
        "postgresql://app:S3cret@db:٥٤٣٢/shop",
        "postgresql://app:S3cret@db:%C2%A05432/shop",
    ],
)
def test_a_port_that_is_none_is_refused_before_anything_is_opened_and_shown_without_the_password(url):
    with pytest.raises(ConfigError, match=r"\*\*\*.* has a port that is none") as caught:
        Pool(url)
    assert "S3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["host=one,two port=1,65535", "host=one,two port=1", "postgresql://one:,two:6/shop", "port=' +05432 '"]
)
def test_all_ports_that_libpq_takes_are_taken(url):
    Pool(url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://app:S3@cret@db/shop",
        "postgres://app:S3@cret:5432@db",
        "postgresql://app:S3cret/slash@db/shop",
        "postgresql://app:54/S3cret@db/shop",
        "postgresql://127.0.0.1:54/S3cret@db/shop",
        "postgresql://app:S3?@cret@one,two/shop",
        "postgresql://app:S3/@cret@db/shop?options=-c%20a%3Db@c",
    ],
)
def test_a_password_with_a_raw_at_or_slash_is_refused_and_told_how_to_write_it(url):
    with pytest.raises(ConfigError, match=r"\*\*\*.*%40.*%2F") as caught:
        Pool(url)
    assert not re.search("S3|cret", str(caught.value))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://app:S3%40%2Fcret@one:1,two:2,[::1]:3/shop",
        "postgresql://app:why?@db/shop",
        "postgresql://app@%2Fvar%2Frun/shop?application_name=a@b&options=-c%20a.b%3Dc@d",
        "postgresql:///shop?host=/tmp/a@b&password=a@b/c",
        "host=db user=app password='a@b/c@d' options='-c a.b=c@d'",
        "postgresql://app@/shop",
        "postgresql://",
    ],
)
def test_what_libpq_means_as_it_is_written_is_taken(url):
    Pool(url)


def test_an_idle_connection_is_used_again(pool):
    first = pool.take("t_acme")
    pool.give(first)
    assert pool.take("t_globex") is first


def test_the_connection_used_last_is_used_first(pool):
    first, second = pool.take("a"), pool.take("a")
    pool.give(first)
    pool.give(second)
    assert pool.take("a") is second


def test_a_pool_never_opens_more_than_its_size(pool, sql):
    held = [pool.take("a"), pool.take("a")]
    with pytest.raises(PoolTimeout):
        pool.take("a")
    assert pool.figures().opened == len(held) == 2


def test_who_waits_gets_the_connection_that_comes_back(pool):
    held = [pool.take("a"), pool.take("a")]
    threading.Timer(0.1, lambda: pool.give(held[0])).start()
    assert pool.take("b") is held[0]
    assert pool.figures().waits == 1


def test_a_timeout_names_the_size_and_who_holds_connections_longest_first(pool):
    first = pool.take("t_acme")
    time.sleep(0.15)
    second = pool.take("t_globex")
    with pytest.raises(PoolTimeout) as caught:
        pool.take("t_initech")
    error = caught.value
    assert (error.size, error.waited_s, error.nested) == (2, 0.5, False)
    assert "pool_size=2" in str(error)
    assert "MainThread" in error.holders[0]
    assert [holder.schema for holder in pool.holders()] == ["t_acme", "t_globex"]
    assert first.loan.pool is second.loan.pool is pool


def test_the_text_of_a_timeout_names_no_tenant(pool):
    held = [pool.take("t_acme"), pool.take("t_globex")]
    with pytest.raises(PoolTimeout) as caught:
        pool.take("t_initech")
    assert not any(connection.schema in str(caught.value) for connection in held)


def test_whoever_holds_one_already_is_told_at_once_when_there_is_no_second(pool):
    held = [pool.take("a"), pool.take("b")]
    begun = time.monotonic()
    with pytest.raises(PoolTimeout, match="holds one already") as caught:
        pool.take("c", patient=False, nested=True)
    assert caught.value.nested
    assert time.monotonic() - begun < pool.settings.wait_s
    assert len(held) == 2


def test_giving_a_connection_back_twice_makes_no_second_place(pool):
    connection = pool.take("a")
    pool.give(connection)
    pool.give(connection)
    taken = [pool.take("a"), pool.take("a")]
    with pytest.raises(PoolTimeout):
        pool.take("a")
    assert len(taken) == 2


@pytest.mark.direct
def test_a_backend_that_was_killed_while_idle_is_replaced_unseen(pool, sql):
    connection = pool.take("a")
    pool.give(connection)
    kill(sql, backend(connection))
    other = pool.take("a")
    assert ask(other) == 1
    assert other is not connection


@pytest.mark.direct
def test_an_idle_connection_with_news_on_its_socket_is_asked_and_kept(pool, sql):
    connection = pool.take("a")
    connection.cursor().execute("LISTEN news")
    pool.give(connection)
    sql("NOTIFY news")
    until(lambda: connection.poller.poll(0))
    assert pool.take("a") is connection


@pytest.mark.direct
def test_a_connection_that_was_idle_for_long_is_asked_before_it_is_used(server):
    pool = Pool(server.url, PoolSettings(size=1, ask_after_s=0.0))
    connection = pool.take("a")
    pool.give(connection)
    before = ask(connection, "SELECT pg_catalog.pg_backend_pid()")
    assert pool.take("a") is connection
    assert before == backend(connection)
    pool.close()


def test_a_connection_that_was_idle_for_too_long_is_closed_by_the_next_one_given(server):
    pool = Pool(server.url, PoolSettings(size=3, idle_s=0.2))
    held = [pool.take("a") for _ in range(3)]
    for connection in held[:2]:
        pool.give(connection)
    time.sleep(0.35)
    pool.give(held[2])
    assert (pool.figures().idle, pool.figures().closed) == (1, 2)
    pool.close()


def test_a_connection_is_recycled_after_it_has_served_many_tenants(server):
    pool = Pool(server.url, PoolSettings(size=1, tenants_per_connection=3))
    connection = pool.take("t0")
    pool.give(connection)
    for number in range(1, 3):
        pool.give(pool.take(f"t{number}"))
    assert not connection.closed
    pool.give(pool.take("t3"))
    assert connection.closed
    assert (pool.figures().recycled, pool.figures().closed) == (1, 1)
    pool.close()


def test_the_place_of_a_connection_that_was_forgotten_is_not_lost(server):
    pool = Pool(server.url, PoolSettings(size=1, wait_s=0.5))
    connection = pool.take("a")
    del connection
    gc.collect()
    assert ask(pool.take("b")) == 1
    pool.close()


def test_a_server_that_is_not_there_is_unreachable_after_a_few_attempts():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        pool = Pool(f"postgresql://app:secret@127.0.0.1:{port}/shop", PoolSettings(connect_attempts=3, backoff_s=0.01))
        with pytest.raises(ServerUnreachable, match="refused") as caught:
            pool.take("a")
    assert caught.value.attempts == 3
    assert f"127.0.0.1:{port}" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_server_that_is_still_starting_is_tried_again(server):
    with Relay(server.url, refusing=2) as relay:
        pool = Pool(relay.url, PoolSettings(connect_attempts=3, backoff_s=0.01))
        assert ask(pool.take("a")) == 1
        pool.close()
    assert relay.refused == 2


def test_what_will_not_pass_by_itself_is_not_tried_again(server):
    pool = Pool(make_dsn(server.url, dbname="there_is_no_such_database"), PoolSettings(connect_attempts=9, backoff_s=9))
    with pytest.raises(ServerRefused, match="there_is_no_such_database"):
        pool.take("a")


@pytest.mark.direct
def test_a_failed_attempt_to_connect_gives_its_place_back(server):
    pool = Pool(make_dsn(server.url, dbname="there_is_no_such_database"), PoolSettings(size=1, wait_s=0.1))
    for _ in range(3):
        with pytest.raises(ServerRefused):
            pool.take("a")


def test_a_role_with_a_default_path_is_refused_with_the_cure(server):
    pool = Pool(server.admin_url)
    with pytest.raises(UnsafeDefaultPath, match="ALTER ROLE") as caught:
        pool.take("a")
    assert "public" in caught.value.path


def test_a_default_path_can_be_allowed(server):
    pool = Pool(server.admin_url, PoolSettings(allow_default_path=True))
    assert ask(pool.take("a")) == 1
    pool.close()


def test_dates_stay_readable_after_a_scrub_when_the_role_has_another_style(server, sql):
    sql("ALTER ROLE tenantry_test SET DateStyle = 'German'")
    try:
        pool = Pool(server.url)
        connection = pool.take("a")
        connection.cursor().execute(connection.scrub)
        assert ask(connection, "SELECT date '2026-11-23'").isoformat() == "2026-11-23"
        pool.close()
    finally:
        sql("ALTER ROLE tenantry_test RESET DateStyle")


def test_kerberos_is_not_tried_unless_the_url_says_so(server):
    pool = Pool(server.url)
    assert pool.take("a").info.dsn_parameters["gssencmode"] == "disable"
    pool.close()
    pool = Pool(make_dsn(server.url, gssencmode="prefer"))
    assert pool.take("a").info.dsn_parameters["gssencmode"] == "prefer"
    pool.close()


def test_a_url_that_cannot_be_read_is_refused_without_showing_its_password():
    with pytest.raises(ConfigError) as caught:
        Pool("postgresql:/app:secret@host/shop")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("wrong", [{"size": 0}, {"size": "10"}, {"wait_s": -1}, {"connect_attempts": 0}])
def test_a_setting_that_cannot_work_is_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        PoolSettings(**wrong)


def test_a_closed_pool_lends_nothing_and_closes_what_comes_back(pool):
    held, idle = pool.take("a"), pool.take("a")
    pool.give(idle)
    pool.close()
    assert idle.closed
    with pytest.raises(PoolClosed):
        pool.take("a")
    pool.give(held)
    assert held.closed


def test_who_waits_while_the_pool_is_closed_is_told_at_once(server):
    pool = Pool(server.url, PoolSettings(size=1, wait_s=60))
    held = pool.take("a")
    told = []

    def wait():
        try:
            pool.take("b")
        except PoolClosed as error:
            told.append(error)

    threads = [threading.Thread(target=wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    until(lambda: pool.figures().waiting == 3)
    pool.close()
    for thread in threads:
        thread.join(5)
    assert len(told) == 3
    pool.give(held)


def test_warming_up_opens_the_connections_ahead(server):
    pool = Pool(server.url, PoolSettings(size=3))
    assert pool.warm_up(2) == 2
    assert pool.warm_up() == 3
    assert (pool.figures().opened, pool.figures().idle) == (3, 3)
    pool.close()


def test_health_measures_the_answer_of_the_server(pool):
    health = pool.health()
    assert health.ok
    assert health.error is None
    assert health.latency_s > 0
    assert health.figures.idle == 1


def test_health_of_a_server_that_refuses_is_its_refusal(server):
    health = Pool(make_dsn(server.url, dbname="there_is_no_such_database")).health()
    assert not health.ok
    assert isinstance(health.error, ServerRefused)


def test_figures_count_without_asking_the_server(pool, sql):
    connection = pool.take("a")
    assert pool.figures().in_use == 1
    pool.give(connection)
    figures = pool.figures()
    assert (figures.size, figures.in_use, figures.idle, figures.opened, figures.closed) == (2, 0, 1, 1, 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_a_forked_child_leaves_its_parents_connections_alone(pool):
    held, idle = pool.take("a"), pool.take("a")
    pool.give(idle)
    child = os.fork()
    if child == 0:  # pragma: no cover
        try:
            others = [pool.take("a"), pool.take("b")]
            wrong = any(backend(other) in (backend(held), backend(idle)) for other in others) or ask(others[0]) != 1
            del held, idle
            gc.collect()
            os._exit(1 if wrong else 0)
        except BaseException:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert ask(held) == 1
    assert ask(idle) == 1


def test_a_connection_can_be_prepared_when_it_opens(server):
    seen = []
    pool = Pool(server.url, on_connect=lambda connection: seen.append(connection.info.backend_pid))
    assert seen == []
    assert backend(pool.take("a")) in seen
    pool.close()


def test_a_connection_whose_preparation_fails_is_closed_and_its_place_given_back(server, sql):
    def fail(connection):
        raise psycopg2.ProgrammingError("no such type")

    pool = Pool(server.url, PoolSettings(size=1, wait_s=0.1), on_connect=fail)
    for _ in range(2):
        with pytest.raises(psycopg2.ProgrammingError):
            pool.take("a")
    assert pool.figures().in_use == 0
