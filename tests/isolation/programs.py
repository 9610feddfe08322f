"""Programs: what somebody is going to do, drawn before anything is done.

Nothing that is drawn depends on what happens, so that a library that leaks cannot make an example different when it is
run again: Hypothesis would call the example flaky, and hide the leak. A step that does not fit is left out.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from hypothesis import strategies as st

from isolation import built  # noqa: F401  # Its operations.
from isolation.actor import Actor
from isolation.operations import OPERATIONS
from isolation.world import TENANTS


class Step(NamedTuple):
    """An operation, and what it chooses with."""

    operation: str
    tenant: str
    number: int

    def __repr__(self) -> str:
        return f"{self.operation}({self.tenant!r}, {self.number})"

    def run(self, actor: Actor) -> bool:
        """Let *actor* do it, if it fits; say whether it did."""
        operation = OPERATIONS[self.operation]
        fits: bool = actor.context.run(operation.fits, actor)
        if fits:
            actor.done.append(self)
            try:
                actor.context.run(operation.run, actor, self.tenant, self.number)
            except Exception as error:
                error.add_note(f"actor {actor.number} has done {actor.done}")
                raise
        return fits


# Operations that every program may have. A search for something in particular names more.
ALWAYS = ("enter", "leave", "create", *os.environ.get("TENANTRY_TEST_OPERATIONS", "").split())
CHOSEN = 10


@st.composite
def programs(draw: Any, *, longest: int, parallel: bool = False) -> list[Step]:
    """Draw a list of steps; long ones are as likely as short ones.

    Each has a vocabulary of its own: of fifty operations the two that make a leak together would seldom meet otherwise
    (A. Groce et al., "Swarm Testing", ISSTA 2012).
    """
    pooled = bool(os.environ.get("TENANTRY_TEST_POOLED"))
    names = [
        name for name, each in OPERATIONS.items() if (each.parallel or not parallel) and not (each.direct and pooled)
    ]
    chosen = draw(st.lists(st.sampled_from(names), min_size=CHOSEN, max_size=CHOSEN, unique=True))
    weighted = [name for name in {*ALWAYS, *chosen} for _ in range(OPERATIONS[name].weight)]
    steps = st.builds(Step, st.sampled_from(sorted(weighted)), st.sampled_from(TENANTS), st.integers(0, 11))
    length = draw(st.integers(0, longest))
    return draw(st.lists(steps, min_size=length, max_size=length))
