"""Run the tests against each mutant of the library, several side by side, and tell which test has caught which."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from tenantry.embedded import parse, start

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from mutants import MUTANTS, Mutant  # noqa: E402  # The tests are no package.

SEED = "1"  # The same examples each time: who is caught today is caught tomorrow.
TIMEOUT_S = 180
_FAILED = re.compile(r"^FAILED .*?tests/(.+?)(?: - .*)?$", re.MULTILINE)
_REASON = re.compile(r"^[ |]*E +((?:\w+\.)*\w*(?:Error|Exception|Failed|DID NOT RAISE|[A-Z]\w+): .*)$", re.MULTILINE)


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant: the test that has *caught* it, and how; or else why nobody can say so."""

    name: str
    caught: str
    how: str
    took_s: float
    survived: bool


class Bench:
    """A few servers, and a copy of the package for whoever works on one."""

    def __init__(self, urls: list[str], home: Path) -> None:
        self._home = home
        self._urls: SimpleQueue[str] = SimpleQueue()
        for url in urls:
            self._urls.put(url)

    def run(self, tests: list[str], mutant: Mutant | None, *, examples: str) -> subprocess.CompletedProcess[str]:
        """Run *tests* against a copy of the package, with the edits of *mutant* if there is one."""
        with tempfile.TemporaryDirectory(dir=self._home) as copy:
            package = Path(copy) / "tenantry"
            shutil.copytree(ROOT / "tenantry", package, ignore=shutil.ignore_patterns("__pycache__"))
            for edit in mutant.edits if mutant else ():
                edit.make(package)
            url = self._urls.get()
            try:
                return _python(
                    Path(copy),
                    *("-m", "pytest", "-x", "-q", "--tb=short", "-p", "no:cacheprovider", f"--hypothesis-seed={SEED}"),
                    # Runs side by side would clean up one another's directories.
                    f"--basetemp={Path(copy) / 'tmp'}",
                    *(f"--timeout={TIMEOUT_S - 60}", *(str(ROOT / "tests" / test) for test in tests)),
                    TENANTRY_TEST_URL=url,
                    TENANTRY_TEST_EXAMPLES=examples,
                    TENANTRY_TEST_OPERATIONS=mutant.operations if mutant else "",
                )
            finally:
                self._urls.put(url)

    def judge(self, mutant: Mutant) -> Verdict:
        """Say whether the tests of *mutant* notice it."""
        begun = time.monotonic()

        def verdict(caught: str, how: str, *, survived: bool) -> Verdict:
            return Verdict(mutant.name, caught, how, time.monotonic() - begun, survived)

        try:
            done = self.run([mutant.tests], mutant, examples="mutant")
        except LookupError as error:
            return verdict("", f"it is to be written anew: {error}", survived=True)
        except subprocess.TimeoutExpired:
            return verdict("", f"no answer in {TIMEOUT_S} s", survived=True)
        failed, reasons = _FAILED.search(done.stdout), _REASON.findall(done.stdout)
        if done.returncode == 0:
            return verdict("", f"{mutant.tests} has not noticed", survived=True)
        if done.returncode != 1 or failed is None or "Timeout (>" in done.stdout:
            return verdict("", " / ".join((done.stdout + done.stderr).splitlines()[-3:]), survived=True)
        return verdict(failed[1], reasons[-1] if reasons else "", survived=False)


def _python(copy: Path, *args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    # -P: the working directory has the package as well, and would come first.
    return subprocess.run(
        [sys.executable, "-P", *args],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


@contextlib.contextmanager
def a_bench(width: int) -> Iterator[Bench]:
    """Servers for *width* runs side by side: the tests make roles, which belong to a server and not to a database."""
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(start(parse("embedded:?ephemeral=1", base=ROOT))) for _ in range(width)]
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bench = Bench([server.admin_url for server in servers], home)
        (home / "tenantry").mkdir()
        (home / "tenantry" / "__init__.py").touch()
        found = _python(home, "-c", "import tenantry; print(tenantry.__file__)").stdout.strip()
        if Path(found).parent.parent != home:
            raise SystemExit(f"a mutant would not be run: {found} is imported in its place")
        yield bench


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="only mutants with one of these in their names")
    parser.add_argument("--jobs", type=int, default=min(os.cpu_count() or 1, 8), help="how many side by side")
    asked = parser.parse_args()
    chosen = [m for m in MUTANTS if not asked.words or any(word in m.name for word in asked.words)]
    if not chosen:
        raise SystemExit("there is no such mutant")
    begun = time.monotonic()
    with a_bench(asked.jobs) as bench, ThreadPoolExecutor(asked.jobs) as workers:
        # The tests themselves first: one that fails without a mutant would catch every one.
        sound = bench.run(sorted({mutant.tests for mutant in chosen}), None, examples="test")
        if sound.returncode:
            print(sound.stdout[-3_000:], f"the tests fail without any mutant ({sound.returncode})", sep="\n")
            return 1
        print(f"without a mutant all is well: {sound.stdout.splitlines()[-1]}", flush=True)
        verdicts = []
        for done in as_completed([workers.submit(bench.judge, mutant) for mutant in chosen]):
            verdict = done.result()
            verdicts.append(verdict)
            mark, by = ("SURVIVED", verdict.how) if verdict.survived else ("caught", verdict.caught)
            print(f"{mark:8} {verdict.took_s:5.1f} s  {verdict.name}\n{'':18}{by}", flush=True)
            if not verdict.survived and verdict.how:
                print(f"{'':18}{verdict.how[:140]}", flush=True)
    survivors = [verdict.name for verdict in verdicts if verdict.survived]
    took = f"{time.monotonic() - begun:.0f} s"
    print(
        f"{len(verdicts) - len(survivors)} of {len(verdicts)} mutants caught in {took}",
        *survivors,
        sep="\n  survived: ",
    )
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
