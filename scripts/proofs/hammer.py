"""Hammer tenantry: 32 workers, 50 tenants, 10 connections, and everything that can go wrong, for a minute.

Every value tells whose it is, every worker knows what it has written, and a superuser reads the truth at the end. The
exit code is 0 when nothing was found, and 1 at the first finding. It ends by itself in any case.
"""

from __future__ import annotations

import argparse
import faulthandler
import itertools
import os
import random
import sys
import time

from hammering import builder, failures, refusals, streams, traces, writes  # noqa: F401  # each registers its operations
from hammering.crowd import PATIENCE_S, Crowd
from hammering.report import show_counts, show_finding
from hammering.verdict import faults
from hammering.world import World, a_world


def main() -> int:
    """Hammer for as long as the command line says, and say what was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--url", help="a superuser's URL; else $TENANTRY_TEST_URL, else an embedded server")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    options = parser.parse_args()
    faulthandler.dump_traceback_later(options.seconds + PATIENCE_S + 60.0, exit=True)  # Whatever happens.
    with a_world(options.url) as world:
        found = hammer(world, options.seed, options.seconds)
    faulthandler.cancel_dump_traceback_later()
    return 1 if found else 0


def hammer(world: World, seed: int, seconds: float) -> bool:
    """Hammer, look at what is left, print the counts, and say whether anything was found."""
    tenants = world.engine()
    statements = itertools.count()
    tenants.query_hooks.append(lambda _: next(statements))
    crowd = Crowd(world, tenants, seed, seconds)
    print(f"seed {seed}: {len(crowd.workers)} workers for {seconds:g} s", flush=True)
    begun = time.monotonic()
    crowd.run()
    show_counts(crowd, next(statements), time.monotonic() - begun)
    for who, error, worker in crowd.findings[:1]:
        show_finding(seed, who, error, worker)
    if any(who.startswith("stuck") for who, _, _ in crowd.findings):
        faulthandler.dump_traceback(file=sys.stdout)
    if crowd.findings:
        return True
    left = list(faults(world, tenants, crowd.workers))
    for fault in left[:20]:
        print(f"FOUND at the end, seed {seed}: {fault}")
    tenants.close()
    if not left:
        print("nothing found", flush=True)
    return bool(left)


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # Who is stuck in a driver's call would keep the interpreter from ending.
