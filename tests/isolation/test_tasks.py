"""asyncio tasks of one thread, each held by a gate before each of its steps: who goes through next is drawn."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isolation.actor import Actor
from isolation.programs import Step, programs
from isolation.search import searched
from isolation.world import World

# To shrink an example takes a while.
pytestmark = [pytest.mark.timeout(600)]

TASKS = 3


async def perform(world: World, lists: list[list[Step]], order: list[int]) -> None:
    actors = [Actor(world, number) for number in range(1, len(lists) + 1)]
    world.actors = list(actors)
    gates = [asyncio.Queue[None]() for _ in lists]
    moved: asyncio.Queue[bool] = asyncio.Queue()

    async def work(actor: Actor, program: list[Step], gate: asyncio.Queue[None]) -> None:
        for step in program:
            await gate.get()
            moved.put_nowait(step.run(actor))
        await gate.get()
        actor.context.run(actor.close)
        actor.context.run(actor.check_context)

    tasks = [
        asyncio.create_task(work(*each), name=f"actor {each[0].number}")
        for each in zip(actors, lists, gates, strict=True)
    ]
    left = [len(steps) for steps in lists]
    try:
        for number in order:
            if left[number]:
                left[number] -= 1
                gates[number].put_nowait(None)
                mover = asyncio.create_task(moved.get())
                await asyncio.wait([mover, *tasks], return_when=asyncio.FIRST_COMPLETED)
                if not mover.done():
                    await asyncio.gather(*(task for task in tasks if task.done()))
                if mover.result():
                    world.check()
        for number, task in enumerate(tasks):
            for _ in range(left[number] + 1):
                gates[number].put_nowait(None)
            await task
        world.check()
        world.check_borrowers()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@searched
@given(
    lists=st.lists(programs(longest=25), min_size=TASKS, max_size=TASKS),
    order=st.lists(st.integers(0, TASKS - 1), min_size=TASKS * 25, max_size=TASKS * 25),
)
def test_tasks_whose_steps_interleave_have_each_their_own_tenant(make_world, lists, order):
    asyncio.run(perform(make_world(), lists, order))
