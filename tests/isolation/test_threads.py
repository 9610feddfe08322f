"""Threads that run freely, let go at the same moment."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isolation.actor import Actor
from isolation.programs import Step, programs
from isolation.search import tried

# To shrink an example takes a while.
pytestmark = [pytest.mark.timeout(600)]

THREADS = 4


@tried
@given(lists=st.lists(programs(longest=60, parallel=True), min_size=THREADS, max_size=THREADS))
def test_threads_let_go_at_the_same_moment_have_each_their_own_tenant(make_world, lists):
    world = make_world(pool_size=3 * THREADS, pool_wait_s=5.0)
    actors = [Actor(world, number, exact=False) for number in range(1, THREADS + 1)]
    world.actors = list(actors)
    barrier, errors = threading.Barrier(THREADS), []

    def work(actor: Actor, program: list[Step]) -> None:
        try:
            barrier.wait(30)
            for step in program:
                step.run(actor)
            actor.context.run(actor.close)
            actor.context.run(actor.check_context)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=each) for each in zip(actors, lists, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    if errors:
        raise errors[0]
    world.check()
    world.check_borrowers()
