"""Look for examples that break the isolation of tenants, for as long as is asked, each round with another seed."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tenantry.embedded import parse, start

ROOT = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def a_server() -> Iterator[str]:
    """Give the URL of the server named by TENANTRY_TEST_URL, else of an embedded one, which all rounds share."""
    named = os.environ.get("TENANTRY_TEST_URL")
    if named:
        yield named
        return
    with start(parse("embedded:?ephemeral=1", base=ROOT)) as server:
        yield server.admin_url


def run_round(url: str, seed: int, tally: Counter[str]) -> bool:
    """Run the suite with *seed*, add what it has done to the *tally*, and say whether it found nothing."""
    pytest = ("-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", f"--hypothesis-seed={seed}", "tests/isolation")
    with tempfile.NamedTemporaryFile() as counts:
        search = {"TENANTRY_TEST_URL": url, "TENANTRY_TEST_EXAMPLES": "prove", "TENANTRY_TEST_TALLY": counts.name}
        done = subprocess.run(
            [sys.executable, *pytest],
            cwd=ROOT,
            env={**os.environ, **search},
            capture_output=True,
            text=True,
            check=False,
        )
        for line in Path(counts.name).read_text().splitlines():
            tally.update(json.loads(line))
    if done.returncode:
        print(done.stdout, done.stderr, f"found with the seed {seed}", sep="\n")
    return done.returncode == 0


def report(tally: Counter[str], rounds: int, took_s: float) -> None:
    print(
        f"{rounds} rounds in {took_s:.0f} s: {tally['examples']:,} examples of {tally['steps']:,} steps, "
        f"{tally['values read']:,} values read, and nothing found"
    )
    for kind in ("did", "refused"):
        several = sorted(((n, name) for name, n in tally.items() if name.startswith(f"{kind}: ")), reverse=True)
        print(f"  {kind}:", ", ".join(f"{name.partition(': ')[2]} {n}" for n, name in several))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="no round is begun after this time")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the first round")
    asked = parser.parse_args()
    tally, begun, rounds = Counter[str](), time.monotonic(), 0
    with a_server() as url:
        while rounds == 0 or time.monotonic() - begun < asked.seconds:
            if not run_round(url, asked.seed + rounds, tally):
                return 1
            rounds += 1
            print(f"round {rounds} (seed {asked.seed + rounds - 1}): nothing found", flush=True)
    report(tally, rounds, time.monotonic() - begun)
    return 0


if __name__ == "__main__":
    sys.exit(main())
