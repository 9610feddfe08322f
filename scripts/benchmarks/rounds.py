"""Measuring several ways to do one thing in turns, so that a slow moment of the machine hits them all."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.report import Judged

Operation = Callable[[], object]


@dataclass(frozen=True)
class Rounds:
    """How often things are measured: *count* rounds, in each of which every way has its turn of *calls* calls."""

    count: int
    calls: int

    def __str__(self) -> str:
        return f"{self.count} rounds of {self.calls} calls"


@dataclass(frozen=True)
class Measured:
    """The median time of a call, in seconds, of each way in each round."""

    times: Mapping[str, list[float]]

    def microseconds(self, way: str) -> str:
        return f"{statistics.median(self.times[way]) * 1e6:.1f}"

    def ratio(self, way: str, base: str, *, goal: float | None = None) -> Judged:
        """The median over the rounds of what *way* takes in parts of what *base* takes in the same round."""
        ratios = [one / other for one, other in zip(self.times[way], self.times[base], strict=True)]
        return judged(ratios, goal=goal)


def judged(ratios: list[float], *, goal: float | None = None, floor: bool = False) -> Judged:
    """Sum up *ratios*, one of each round."""
    low, middle, high = statistics.quantiles(ratios, n=4)
    return Judged(middle, goal, floor, spread=(high - low) / 2)


def measure(ways: Mapping[str, Operation], rounds: Rounds) -> Measured:
    """Measure *ways* in turns, after one round that does not count."""
    times: dict[str, list[float]] = {way: [] for way in ways}
    names = list(ways)
    for number in range(rounds.count + 1):
        for way in names if number % 2 else reversed(names):  # Nobody always comes after the same neighbour.
            taken = _median_time(ways[way], rounds.calls)
            if number:
                times[way].append(taken)
    return Measured(times)


def _median_time(operation: Operation, calls: int) -> float:
    operation()  # What the last way has left in the caches is not this one's fault.
    taken = []
    for _ in range(calls):
        begun = time.perf_counter()
        operation()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)
