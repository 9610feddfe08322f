"""How hard the examples are looked for, and what has been done when all are through."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

pytest.register_assert_rewrite("isolation.world", "isolation.actor", "isolation.operations")

from isolation.world import World, clear, tally  # noqa: E402

_COMMON = {
    "deadline": None,
    "database": None,
    "print_blob": True,
    "phases": [Phase.explicit, Phase.generate, Phase.shrink],  # Not Phase.explain, which traces every line.
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
}
settings.register_profile("test", max_examples=30, **_COMMON)
settings.register_profile("prove", max_examples=150, **_COMMON)
# Of a mutant only whether it is caught is wanted, not the shortest example.
settings.register_profile("mutant", **{**_COMMON, "max_examples": 400, "phases": [Phase.explicit, Phase.generate]})


settings.load_profile(os.environ.get("TENANTRY_TEST_EXAMPLES", "test"))


def pytest_sessionfinish() -> None:
    """Add what was done to the file that $TENANTRY_TEST_TALLY names."""
    file = os.environ.get("TENANTRY_TEST_TALLY")
    if file:
        with open(file, "a") as lines:
            lines.write(json.dumps(tally) + "\n")


@pytest.fixture
def make_world(server, sql, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., World]]:
    """Make a world for each example; the one before it ends then."""
    monkeypatch.chdir(tmp_path)  # Where there is no pyproject.toml to read for each engine.
    worlds: list[World] = []

    def make(**options: object) -> World:
        while worlds:
            worlds.pop().close()
        worlds.append(World(server.url, sql, tmp_path, **options))
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()
    clear(sql)
