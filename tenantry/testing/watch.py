"""Which tables the statements of a transaction touch beyond the boundary of its tenant, as PostgreSQL's locks tell."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from threading import get_ident
from typing import Any, NamedTuple, Self

from tenantry import Tenantry
from tenantry.inspection import Relation
from tenantry.testing.boundary import NAMES, Boundary, Outside

_EXPLAIN = "EXPLAIN "
_CONTROL = ("SAVEPOINT", "RELEASE", "ROLLBACK")


class Touch(NamedTuple):
    """What was touched, and the statement that was the first to do so."""

    relation: Relation
    sql: str


class Watch:
    """A block inside a transaction: its :meth:`foreign` tells what statements in it touched that the tenant may not.

    What was touched in the transaction before the block is not told again.
    """

    def __init__(self, tenants: Tenantry, outside: Outside, boundary: Boundary) -> None:
        self._hooks, self._outside, self._boundary = tenants.query_hooks, outside, boundary
        self._database: Any = tenants.database
        self._touched: dict[int, str] = {}
        self._thread = get_ident()

    def __enter__(self) -> Self:
        self._pid: int = self._database.execute_sql("SELECT pg_catalog.pg_backend_pid()").fetchone()[0]
        self._known = self._outside.locked_by(self._pid)
        self._hooks.append(self._statement)
        return self

    def __exit__(self, *error: object) -> None:
        self._hooks.remove(self._statement)

    def _statement(self, event: Any) -> None:
        """Look at what is locked now. What failed, or was said elsewhere, has locked nothing here."""
        if event.exception is None and get_ident() == self._thread and not event.sql.startswith(_CONTROL):
            new = self._outside.locked_by(self._pid) - self._known
            self._known |= new
            self._touched |= dict.fromkeys(new, event.sql.removeprefix(_EXPLAIN))

    def foreign(self) -> list[Touch]:
        """Return what was touched beyond the boundary. In the transaction: it names what was made in it as well."""
        named = self._outside.relations(self._touched)
        made = [oid for oid in self._touched if oid not in named]
        if made:
            known = self._database.execute_sql(NAMES, (made,)).fetchall()
            named |= {oid: Relation(*row) for oid, *row in known}
        touches = (Touch(relation, self._touched[oid]) for oid, relation in named.items())
        return sorted(each for each in touches if not self._boundary.admits(each.relation))


@contextlib.contextmanager
def undone(database: Any) -> Iterator[None]:
    """A block whose statements are rolled back at its end."""
    with database.atomic() as block:
        try:
            yield
        finally:
            block.rollback()
