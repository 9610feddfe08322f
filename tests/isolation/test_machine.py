"""Whatever is done in whatever order, each tenant has its own rows and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given

from isolation.actor import Actor
from isolation.programs import programs
from isolation.search import searched

# To shrink an example takes a while.
pytestmark = [pytest.mark.timeout(600)]


@searched
@given(program=programs(longest=80))
def test_whatever_is_done_each_tenant_has_its_own_rows_and_nothing_else(make_world, program):
    world = make_world()
    actor = Actor(world)
    world.actors = [actor]
    for step in program:
        if step.run(actor):
            world.check()
            actor.context.run(actor.check_context)
    actor.context.run(actor.close)
    actor.context.run(actor.check_context)
    world.check()
    world.check_borrowers()
    assert world.backends("idle in transaction") == []
