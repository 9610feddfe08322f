"""Run the benchmark and print what came out."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from rich.console import Console

from benchmarks import shop
from benchmarks.across import across_tables
from benchmarks.fleet import fleet_tables
from benchmarks.messages import message_tables
from benchmarks.orm import orm_tables
from benchmarks.pinning import Pinning
from benchmarks.queries import query_tables
from benchmarks.report import Table, show
from benchmarks.requests import Load, request_tables
from benchmarks.rounds import Rounds
from benchmarks.server import Server, open_server


def main() -> None:
    options = _options()
    console = (
        Console() if sys.stdout.isatty() else Console(width=1_000, color_system=None)
    )  # No line is folded in a pipe.
    begun = time.monotonic()
    with open_server(options.url) as server:
        machine = _machine(server)
        console.print(machine, highlight=False, soft_wrap=True)
        tables = []
        for table in _tables(server, quick=options.quick):
            show(table, console)
            tables.append(table)
    missed = sum(table.missed() for table in tables)
    console.print(f"\n{missed} goals missed; {time.monotonic() - begun:.0f} s", highlight=False)
    if options.json:
        content = {"schema_version": 1, "machine": machine, "tables": [table.as_json() for table in tables]}
        options.json.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description="Measure tenantry against plain peewee, in one run on one server."
    )
    parser.add_argument(
        "--url",
        default=os.environ.get("TENANTRY_BENCH_URL"),
        help="a superuser's; a database and role are made and dropped there ($TENANTRY_BENCH_URL; else: embedded)",
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds and 100 tenants: less than a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all numbers to FILE")
    return parser.parse_args()


def _machine(server: Server) -> str:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    packages = ", ".join(f"{name} {version(name)}" for name in ("peewee", "psycopg2-binary"))
    return f"{cores} cores, Python {platform.python_version()}, {server.describe()}, {packages}"


def _tables(server: Server, *, quick: bool) -> Iterator[Table]:
    catalog = shop.catalog(100 if quick else 1_000)
    first = next(iter(catalog))
    shop.build(server.admin, catalog, owner=server.role)
    shop.fill(server.admin, first.schema)
    rounds = Rounds(20, 20) if quick else Rounds(90, 25)
    yield from orm_tables(server, first, rounds, Pinning(server))
    yield from query_tables(server, first, rounds, Pinning(server))
    yield from message_tables(server, first)
    yield from across_tables(server, catalog, 5 if quick else 9)
    yield from request_tables(server, catalog, Load(7, 1_600) if quick else Load(15, 5_000))
    yield from fleet_tables(server, 50 if quick else 1_000)


if __name__ == "__main__":
    main()
