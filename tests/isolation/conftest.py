"""The world of an example, and what has been done when all are through."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("isolation.world", "isolation.actor", "isolation.operations", "isolation.built")

from isolation.world import World, clear, tally  # noqa: E402


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
    sql("ALTER ROLE tenantry_test SET lock_timeout = '5s'")  # Nobody should wait for a lock here.
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
    sql("ALTER ROLE tenantry_test RESET lock_timeout")
