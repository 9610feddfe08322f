"""What people see while many tenants are migrated: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator

from tenantry.cli import fleet
from tenantry.cli.render import STYLES, console
from tenantry.cli.screen import Screen
from tenantry.migrations import Outcome, OutcomeState

HEARTBEAT_S = 10.0  # CI systems end a job that is silent for minutes.
_BAD = (OutcomeState.FAILED, OutcomeState.DEFERRED)

Tell = Callable[[Outcome], None]


@contextlib.contextmanager
def progress(screen: Screen, total: int, names: dict[str, str]) -> Iterator[Tell]:
    """Show how far a run is over the *total* of schemas that are behind; a new failure is told at once."""

    told: set[str] = set()

    def failed(outcome: Outcome) -> str:
        name = names.get(outcome.schema, outcome.schema)
        if outcome.error is None or name == fleet.SHARED:  # Without the shared schema the run ends, with its error.
            return ""
        reason = fleet.reason(outcome.error)
        if reason in told:  # Once: a thousand tenants may fail alike.
            return ""
        told.add(reason)
        return f"{name} {outcome.state.value}: {reason}"

    with _bar(total, failed) if screen.draws else _heartbeat(screen, total, failed) as tell:
        yield lambda outcome: None if outcome.state is OutcomeState.UP_TO_DATE else tell(outcome)


@contextlib.contextmanager
def _bar(total: int, failed: Callable[[Outcome], str]) -> Iterator[Tell]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("migrating"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[bad]}"))
    with Progress(*columns, TimeRemainingColumn(), console=console(sys.stderr), transient=True) as drawn:
        task, counts = drawn.add_task("", total=total, bad=""), dict.fromkeys(OutcomeState, 0)

        def tell(outcome: Outcome) -> None:
            counts[outcome.state] += 1
            if text := failed(outcome):
                drawn.console.print(text, style=STYLES[outcome.state.value], soft_wrap=True)
            bad = ", ".join(f"{counts[state]} {state.value}" for state in _BAD if counts[state])
            drawn.update(task, advance=1, bad=bad)

        yield tell


@contextlib.contextmanager
def _heartbeat(screen: Screen, total: int, failed: Callable[[Outcome], str]) -> Iterator[Tell]:
    begun, counts, over = time.monotonic(), dict.fromkeys(OutcomeState, 0), threading.Event()

    def tell(outcome: Outcome) -> None:
        counts[outcome.state] += 1
        if text := failed(outcome):
            screen.note(text)

    def beat() -> None:
        while not over.wait(HEARTBEAT_S):
            done = sum(counts.values())
            bad = " ".join(f"{state.value}={counts[state]}" for state in _BAD)
            eta = f" eta={(time.monotonic() - begun) / done * (total - done):.0f}s" if done else ""
            screen.note(f"migrated {done}/{total} ok={counts[OutcomeState.DONE]} {bad}{eta}")

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield tell
    finally:
        over.set()
        thread.join()
