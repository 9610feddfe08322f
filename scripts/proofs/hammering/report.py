"""What a run has done, for people: a table in a terminal, plain lines in a pipe."""

from __future__ import annotations

import sys
import traceback
from collections import Counter
from typing import TYPE_CHECKING

from hammering.worker import Worker

if TYPE_CHECKING:
    from hammering.crowd import Crowd


def show_counts(crowd: Crowd, statements: int, seconds: float) -> None:
    """Print what was done, how often, and with which errors."""
    done: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    writes: Counter[str] = Counter()
    for worker in crowd.workers:
        done += worker.done
        errors += worker.errors
        writes.update(worker.ledger.counts)
    speed = {"statements": statements, "statements per second": round(statements / seconds)}
    _show("operations", done)
    _show("errors, all expected", errors)
    _show("disturbances", crowd.disturbed)
    _show("rows written or removed", writes)
    _show("in all", Counter({"operations": sum(done.values()), **speed, "most backends": crowd.most_backends}))


def show_finding(seed: int, who: str, error: BaseException, worker: Worker | None) -> None:
    """Print one thing that must not happen, and what led to it."""
    print(f"FOUND by {who}, seed {seed}: {error}")
    if worker is not None:
        print("its last steps:")
        for step in worker.steps:
            print(f"  {step}")
    traceback.print_exception(error, file=sys.stdout)
    sys.stdout.flush()


def _show(title: str, counts: Counter[str]) -> None:
    rows = sorted(counts.items(), key=lambda row: (-row[1], row[0]))
    if not sys.stdout.isatty():
        for name, count in rows:
            print(f"{title}\t{name}\t{count}")
        return
    wide = max((len(name) for name, _ in rows), default=0)
    print(f"\n\033[1m{title}\033[0m")
    for name, count in rows:
        print(f"  {name.ljust(wide)}  {count:>9,}")
