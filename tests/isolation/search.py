"""How hard is looked for an example: a moment in `scripts/test`, for long in `scripts/prove`, and to catch a mutant."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

_COMMON = settings(
    deadline=None,
    database=None,  # The world is made anew in each run, and so are the examples.
    print_blob=True,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],  # Not Phase.explain, which traces every line.
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
_KINDS = {
    "test": settings(_COMMON, max_examples=40),
    "prove": settings(_COMMON, max_examples=150),
    # Of a mutant only whether it is caught is wanted, not the shortest example.
    "mutant": settings(_COMMON, max_examples=400, phases=[Phase.explicit, Phase.generate]),
}

searched = _KINDS[os.environ.get("TENANTRY_TEST_EXAMPLES", "test")]
# For what happens otherwise each time: there is nothing to shrink.
tried = settings(searched, max_examples=max(searched.max_examples // 3, 5), phases=[Phase.generate])
