"""Requests of many tenants over few connections: whether it matters how they are spread."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from benchmarks.report import Judged, Table
from benchmarks.rounds import judged
from benchmarks.server import Server
from benchmarks.ways import TENANT_SHOP
from tenantry import FixedCatalog, Tenantry

THREADS, POOL_SIZE = 16, 10
EVEN, ZIPF, ONE = "evenly", "by Zipf", "all to one"
GOALS = {EVEN: 0.85, ZIPF: 0.95}
_EXPONENT, _SEED = 1.1, 20_260_102
_SAMPLE_S = 0.02
_WARM_UP = 20  # Requests for each tenant: so that each of the ten backends has met about nine in ten of them.


@dataclass(frozen=True)
class Load:
    """How much is asked: *rounds* turns for each spread, each of *requests* requests."""

    rounds: int
    requests: int


@dataclass
class Outcome:
    """What went on while requests ran."""

    errors: list[Exception] = field(default_factory=list)
    foreign: int = 0
    most_connections: int = 0


def request_tables(server: Server, catalog: FixedCatalog, load: Load) -> Iterator[Table]:
    """Measure the throughput of each spread, in turns."""
    ids = [tenant.id for tenant in catalog]
    spreads = _spreads(ids, load.requests)
    outcome = Outcome()
    rates: dict[str, list[float]] = {name: [] for name in spreads}
    engine = Tenantry(server.url, catalog=catalog, pool_size=POOL_SIZE)
    with _Sampler(server, outcome):
        engine.warm_up()
        _run(engine, random.Random(_SEED).sample(ids * _WARM_UP, len(ids) * _WARM_UP), outcome)
        for number in range(load.rounds):
            for name in spreads if number % 2 else reversed(spreads):
                rates[name].append(load.requests / _run(engine, spreads[name], outcome))
    engine.close()
    yield _table(rates, outcome, len(ids), load)


def _spreads(ids: Sequence[str], requests: int) -> dict[str, list[str]]:
    chance = random.Random(_SEED)
    ranked = chance.sample(ids, len(ids))
    weights = [1 / rank**_EXPONENT for rank in range(1, len(ids) + 1)]
    even = (ranked * (requests // len(ids) + 1))[:requests]
    return {
        EVEN: chance.sample(even, requests),
        ZIPF: chance.choices(ranked, weights, k=requests),
        ONE: [ranked[0]] * requests,
    }


def _run(engine: Tenantry, ids: Sequence[str], outcome: Outcome) -> float:
    """Serve a request for each of *ids* with all threads, and return how long it took."""
    start = threading.Barrier(THREADS + 1)

    def serve(share: Sequence[str]) -> None:
        start.wait()
        for tenant in share:
            try:
                _request(engine, tenant, outcome)
            except Exception as error:  # All kinds: none is to be overlooked.
                outcome.errors.append(error)

    threads = [threading.Thread(target=serve, args=(ids[number::THREADS],)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    start.wait()
    begun = time.perf_counter()
    for thread in threads:
        thread.join()
    return time.perf_counter() - begun


def _request(engine: Tenantry, tenant: str, outcome: Outcome) -> None:
    with engine.use(tenant):
        if TENANT_SHOP.customer.get_by_id(1).name != tenant:
            outcome.foreign += 1


class _Sampler:
    """Counts the connections of the ordinary role from beside, over and over, and keeps the highest count."""

    def __init__(self, server: Server, outcome: Outcome) -> None:
        self._server, self._outcome = server, outcome
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="sampler")

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._over.wait(_SAMPLE_S):
            self._outcome.most_connections = max(self._outcome.most_connections, len(self._server.backends()))


def _table(rates: dict[str, list[float]], outcome: Outcome, tenants: int, load: Load) -> Table:
    rows = []
    for name in rates:
        against_one = [rate / one for rate, one in zip(rates[name], rates[ONE], strict=True)]
        summed = judged(against_one, goal=GOALS.get(name), floor=True)
        middle = judged(rates[name])
        rows.append((f"requests spread {name}", f"{middle.value:.0f}", "1" if name == ONE else summed))
    rows += [
        ("errors", "", Judged(len(outcome.errors), goal=0, digits=0)),
        ("rows of another tenant", "", Judged(outcome.foreign, goal=0, digits=0)),
        ("most connections at a time", "", Judged(outcome.most_connections, goal=POOL_SIZE, digits=0)),
    ]
    notes = [
        f"{THREADS} threads, pool of {POOL_SIZE}; a request: use(), one-row read, leave. Zipf: s = {_EXPONENT}.",
        f"{load.rounds} rounds of {load.requests} requests, after {_WARM_UP} for each tenant; not pinned.",
        *(f"error: {type(error).__name__}: {error}" for error in outcome.errors[:3]),
    ]
    return Table(f"{tenants:,} tenants", ("", "requests/s", "throughput / all to one"), rows, notes)
