"""Runs the steps of the story, and keeps what each has shown."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import peewee

from tenantry import Tenant, Tenantry
from tenantry.cli.render import error_data
from tenantry.errors import TenantryError
from tenantry.migrations import Outcome

if TYPE_CHECKING:
    from tenantry.cli.demo.stage import Stage
    from tenantry.cli.demo.story import Chapter, Show


class Play:
    """The story on its way. Without a *stage* it is played for the record alone."""

    def __init__(self, tenants: Tenantry, stage: Stage | None) -> None:
        self._tenants, self._stage = tenants, stage
        self.steps: list[dict[str, object]] = []
        self._heading, self._rows = "", list[dict[str, object]]()
        self._is_first, self._refused = True, False

    def wait_for_server(self) -> None:
        """Start the server.

        Raises:
            TenantryError: it does not come up.
        """
        begun = time.perf_counter()
        health = self._tenants.health()
        if health.error is not None:
            raise health.error
        if self._stage:
            version, took_s = self._tenants.parts.pool.server_version // 10_000, time.perf_counter() - begun
            self._stage.remark(f"PostgreSQL {version} was started for this demo, in {took_s:.1f} s")

    def open(self, chapter: Chapter, files: Iterable[tuple[str, str]]) -> None:
        """Begin a chapter, with its *files*: path and text."""
        self._heading, self._is_first, self._refused = chapter.heading, not chapter.says, chapter.refused
        if self._stage:
            self._stage.heading(chapter.heading)
            self._stage.says(chapter.says)
            for name, text in files:
                self._stage.file(name, text)

    def step(self, step: Callable[[Tenantry, Show], None], code: str) -> None:
        """Run one step, and show its code and what came of it.

        Raises:
            Exception: the step has failed, and was not there to be refused.
        """
        if self._stage:
            if not self._is_first:
                self._stage.blank()
            self._stage.says(inspect.getdoc(step) or "")
            self._stage.code(code)
        self._rows, self._is_first = [], False
        record: dict[str, object] = {"chapter": self._heading, "step": step.__name__, "code": code}
        try:
            step(self._tenants, self._show)
        except (TenantryError, peewee.PeeweeException, peewee.DoesNotExist) as error:
            if not self._refused:
                raise
            record["error"] = error_data(error)
            if self._stage:
                self._stage.error(error)
        self.steps.append({**record, "rows": self._rows})
        if self._stage and self._rows and "applied" not in self._rows[0]:
            self._stage.table(self._rows)

    def _show(self, value: object) -> None:
        if isinstance(value, Outcome):
            self._rows.append({"schema": value.schema, "state": value.state, "applied": value.applied})
            if self._stage:
                self._stage.outcome(value)
        elif isinstance(value, Tenant):
            self._rows.append({"tenant": value.id, "schema": value.schema, "state": value.state})
        else:
            here = self._tenants.current_or_none
            whose = {"tenant": here.id} if here else {}
            rows: Iterable[Mapping[str, object]] = [value] if isinstance(value, Mapping) else value  # type: ignore[assignment]  # a query
            self._rows.extend({**whose, **row} for row in rows)
