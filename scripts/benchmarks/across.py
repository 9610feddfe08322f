"""One query over all tenants, beside the same query once in each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.report import Cell, Table
from benchmarks.rounds import Rounds, measure
from benchmarks.server import Server
from benchmarks.ways import TENANT_SHOP
from tenantry import FixedCatalog, Tenantry, across, fn, with_shared

GOAL = 0.75
ONE_BY_ONE = "use() and a compiled query, one by one"

Customer = TENANT_SHOP.customer


def across_tables(server: Server, catalog: FixedCatalog, rounds: int) -> Iterator[Table]:
    """Measure the rows of all tenants, and their count."""
    ids = [tenant.id for tenant in catalog]
    engine = Tenantry(server.url, catalog=catalog, pool_size=1)
    names: Any = with_shared(Customer).where(Customer.id == 1).select(Customer.name)
    count: Any = with_shared(Customer).select(fn.count())
    compiled = names.compile()

    def one_by_one() -> list[Any]:
        found = []
        for tenant in ids:
            with engine.use(tenant):
                found += [(tenant, row) for row in compiled.execute()]
        return found

    ways: dict[str, Callable[[], Any]] = {
        ONE_BY_ONE: one_by_one,
        "across(), rows": across(engine, names).execute,
        "across(), combined": across(engine, count).combined,
    }
    if ways["across(), rows"]() != one_by_one():
        raise RuntimeError("across() and use() have found different rows")
    measured = measure(ways, Rounds(rounds, 1))
    statements = {way: str(len(across(engine, names).sql()) + 1) for way in ways}
    statements[ONE_BY_ONE] = str(len(ids))
    engine.close()
    rows: list[tuple[Cell, ...]] = []
    for way in ways:
        ratio: Cell = "1" if way == ONE_BY_ONE else measured.ratio(way, ONE_BY_ONE, goal=GOAL)
        rows.append((way, f"{float(measured.microseconds(way)) / 1000:.0f}", ratio, statements[way]))
    note = f"Medians of {rounds} rounds, in turns, over one connection; a row of each tenant by its key."
    yield Table(f"One query over {len(ids):,} tenants", ("", "ms", "/ one by one", "statements"), rows, (note,))
