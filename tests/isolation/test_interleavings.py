"""Several who work at the same time, in every order of their steps: nobody sees or disturbs another's tenant.

Who moves next is drawn, so a failure shrinks to the shortest programs and the simplest order.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isolation.actor import Actor
from isolation.programs import Step, programs
from isolation.search import searched
from isolation.world import World

# To shrink an example takes a while.
pytestmark = [pytest.mark.timeout(600)]

ACTORS = 3


class Stage:
    """The thread of one actor. It moves when it is told to, and whoever tells it waits until it has."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self._cues: SimpleQueue[Any] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=f"actor {actor.number}")
        self._thread.start()

    def do(self, work: Any, *args: Any) -> Any:
        done: Future[Any] = Future()
        self._cues.put((work, args, done))
        return done.result(30)

    def end(self) -> None:
        self._cues.put(None)
        self._thread.join(30)

    def _work(self) -> None:
        for work, args, done in iter(self._cues.get, None):
            try:
                done.set_result(work(*args))
            except BaseException as error:
                done.set_exception(error)


def perform(world: World, lists: list[list[Step]], order: Iterator[int]) -> None:
    """Let an actor for each program do its steps, in the *order* of their numbers, and look after each step."""
    actors = [Actor(world, number) for number in range(1, len(lists) + 1)]
    world.actors = list(actors)
    stages = [Stage(actor) for actor in actors]
    left = [iter(steps) for steps in lists]
    try:
        for number in order:
            step = next(left[number], None)
            if step is not None and stages[number].do(step.run, actors[number]):
                world.check()
        for stage in stages:
            stage.do(stage.actor.context.run, stage.actor.close)
            stage.do(stage.actor.context.run, stage.actor.check_context)
        world.check()
        world.check_borrowers()
    finally:
        for stage in stages:
            stage.end()


@searched
@given(
    lists=st.lists(programs(longest=25), min_size=ACTORS, max_size=ACTORS),
    order=st.lists(st.integers(0, ACTORS - 1), min_size=ACTORS * 25, max_size=ACTORS * 25),
)
def test_threads_whose_steps_interleave_have_each_their_own_tenant(make_world, lists, order):
    perform(make_world(), lists, iter(order))


# Two programs, each of which a leak would go through in some order. All orders are tried.

WRITER = [Step("enter", "acme", 0), Step("begin", "acme", 0), Step("create", "acme", 0), Step("leave", "acme", 0)]
READER = [
    Step("enter", "globex", 0),
    Step("create", "globex", 0),
    Step("read", "globex", 0),
    Step("leave", "globex", 1),
]
TRACER = [
    Step("enter", "acme", 0),
    Step("leave_traces", "globex", 0),
    Step("create", "acme", 0),
    Step("leave", "acme", 1),
]


@pytest.mark.parametrize("other", [READER, TRACER], ids=["a reader", "one who leaves traces"])
def test_in_all_orders_of_two_short_programs_nobody_sees_the_others_tenant(make_world, other):
    world = make_world()
    for chosen in itertools.combinations(range(8), 4):
        perform(world, [WRITER, other], iter([int(turn in chosen) for turn in range(8)]))
