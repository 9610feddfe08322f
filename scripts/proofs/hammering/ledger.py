"""What a worker knows of its own writes: what must be there, what must not, and what nobody can know."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

Row = tuple[str, str]  # A table and a value.


@dataclass
class Changes:
    """What one statement, savepoint or transaction means to change."""

    around: Changes | None = None  # Those of the block around a savepoint.
    added: set[Row] = field(default_factory=set)
    removed: set[Row] = field(default_factory=set)
    undone: set[Row] = field(default_factory=set)  # Added and removed again, or rolled back inside.
    doomed: bool = False  # The server has aborted it: nothing of it may be found.

    def add(self, value: str, table: str = "note") -> str:
        self.added.add((table, value))
        return value

    def remove(self, value: str, table: str = "note") -> str:
        row = (table, value)
        if row in self.added:
            self.added.discard(row)
            self.undone.add(row)
        else:
            self.removed.add(row)
        return value

    def applied_to(self, rows: set[Row]) -> set[Row]:
        """Return *rows* as they are inside the block that makes these changes."""
        if self.around is not None:
            rows = self.around.applied_to(rows)
        return (rows - self.removed) | self.added

    def take(self, inner: Changes) -> None:
        """Make the changes of a savepoint that was released part of these."""
        for table, value in inner.removed:
            self.remove(value, table)
        self.added |= inner.added
        self.undone |= inner.undone


class Ledger:
    """The rows of one worker, by tenant, as they must be in the server."""

    def __init__(self) -> None:
        self._there: dict[str, set[Row]] = {}
        self._open: dict[str, list[Changes]] = {}  # Whose outcome nobody knows: done or not, but as a whole.
        self._gone: dict[Row, str] = {}  # Why a row must not be there.
        self.counts = {"acknowledged": 0, "rolled back": 0, "unknown": 0}

    def values(self, tenant: str, changes: Changes | None = None, table: str = "note") -> list[str]:
        """List the worker's values that *tenant* has, as seen inside *changes*."""
        rows = self._there.get(tenant, set())
        if changes is not None:
            rows = changes.applied_to(rows)
        return sorted(value for where, value in rows if where == table)

    def done(self, tenant: str, changes: Changes) -> None:
        self.counts["acknowledged"] += len(changes.added) + len(changes.removed)
        rows = self._there.setdefault(tenant, set())
        rows -= changes.removed
        rows |= changes.added
        self._bury(changes.removed, "was deleted or replaced")
        self._bury(changes.undone, "was rolled back or replaced in its own transaction")

    def failed(self, changes: Changes) -> None:
        self.counts["rolled back"] += len(changes.added) + len(changes.removed)
        self._bury(changes.added | changes.undone, "was rolled back")

    def unknown(self, tenant: str, changes: Changes) -> None:
        if not (changes.added or changes.removed):
            return
        self.counts["unknown"] += len(changes.added) + len(changes.removed)
        self._there.setdefault(tenant, set()).difference_update(changes.removed)  # It is left alone from here on.
        self._open.setdefault(tenant, []).append(changes)
        self._bury(changes.undone, "was rolled back or replaced in its own transaction")

    def faults(
        self, tenant: str, found: set[Row], table: str | None = None, inside: Changes | None = None
    ) -> list[str]:
        """Compare what was *found* of this worker's rows, in one table or in all, with what must be there."""
        expected = self._there.get(tenant, set())
        if inside is not None:
            expected = inside.applied_to(expected)
        expected = {row for row in expected if table in (None, row[0])}
        faults = []
        for changes in self._open.get(tenant, []):
            after = {row for row in changes.added if table in (None, row[0])}
            before = {row for row in changes.removed if table in (None, row[0])}
            if found & (after | before) not in (after, before):
                faults.append(f"a transaction was done by halves: {sorted(found & (after | before))} of {changes}")
            found = found - after - before
        faults += [f"the acknowledged write {row} is lost" for row in sorted(expected - found)]
        faults += [f"{row} is there, and {self._gone.get(row, 'nobody wrote it')}" for row in sorted(found - expected)]
        return faults

    def tenants(self) -> Iterator[str]:
        """Go through the tenants that this worker has written for."""
        yield from self._there.keys() | self._open.keys()

    def _bury(self, rows: set[Row], why: str) -> None:
        self._gone.update(dict.fromkeys(rows, why))
