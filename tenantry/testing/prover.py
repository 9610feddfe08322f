"""The search for leaks: every kind of statement of every model, for two tenants, on the server and rolled back."""

# peewee's stubs leave out its private names.
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from typing import Any

import peewee

from tenantry import SharedModel, Tenant, Tenantry
from tenantry.binding import models_of
from tenantry.errors import NotIsolated
from tenantry.inspection import survey
from tenantry.testing import statements as kinds
from tenantry.testing.boundary import Boundary, Model, Outside
from tenantry.testing.fresh import fresh
from tenantry.testing.report import Gap, Leak, Report
from tenantry.testing.watch import Touch, Watch, undone

Statement = str | peewee.Query | Callable[[], object]

_TABLES = ("r", "p")
CALLED = "called"


def prove_isolated(
    tenants: Tenantry,
    models: Iterable[Model] | None = None,
    *,
    between: tuple[Tenant, Tenant] | None = None,
    statements: Iterable[Statement] = (),
    shared_tables: Iterable[str] = (),
) -> Report:
    """Look for leaks as :func:`find_leaks` does, and raise if there is one.

    Raises:
        NotIsolated: something leads to a table that is neither the tenant's nor shared, or could not be looked at.
    """
    report = find_leaks(tenants, models, between=between, statements=statements, shared_tables=shared_tables)
    if not report.is_proof:
        raise NotIsolated(str(report), leaks=report.leaks)
    return report


def find_leaks(
    tenants: Tenantry,
    models: Iterable[Model] | None = None,
    *,
    between: tuple[Tenant, Tenant] | None = None,
    statements: Iterable[Statement] = (),
    shared_tables: Iterable[str] = (),
) -> Report:
    """Look for references to tables that are neither the tenant's own nor those of shared models.

    Each kind of statement of the *models* (all that the process knows), and the *statements* of the application (SQL,
    queries, or functions that do some work) are looked at *between* two tenants, which are made for it and dropped if
    none are given: PostgreSQL tells what it takes the names for. Everything is rolled back; a sequence may have moved.
    What leads out of the tenants' schemas by itself (views, triggers, defaults, keys, functions) is looked up.

    *shared_tables*, as ``schema.table``, are shared without a model.

    Raises:
        TransactionOpen: a transaction of a tenant is open here.
        CatalogIsReadOnly: two tenants were to be made, and the application keeps the catalog.
        Exception: what a function of *statements* raises.
    """
    with ExitStack() as stack:
        pair = between or (stack.enter_context(fresh(tenants)), stack.enter_context(fresh(tenants)))
        outside = stack.enter_context(Outside(tenants))
        searched = [_Search(tenants, tenant, outside, Boundary.of(tenants, tenant, shared_tables)) for tenant in pair]
        chosen = searched[0].with_tables(models_of(tenants)) if models is None else list(models)
        extra = list(statements)
        for search in searched:
            search.all(chosen, extra)
    return Report(
        between=(pair[0].id, pair[1].id),
        models=tuple(model.__name__ for model in chosen),
        statements=sum(search.count for search in searched),
        leaks=tuple(leak for search in searched for leak in search.leaks),
        gaps=tuple(gap for search in searched for gap in search.gaps),
    )


class _Search:
    """The search as one tenant."""

    def __init__(self, tenants: Tenantry, tenant: Tenant, outside: Outside, boundary: Boundary) -> None:
        self._tenants, self._tenant, self._outside, self._boundary = tenants, tenant, outside, boundary
        self._database: Any = tenants.database
        self.leaks: list[Leak] = []
        self.gaps: list[Gap] = []
        self.count = 0

    def with_tables(self, models: Iterable[Model]) -> list[Model]:
        """Leave out the bases that other models are made from: those that have no table."""
        return [model for model in models if not model.__subclasses__() or self._table(model)[0] is not None]

    def all(self, models: Sequence[Model], extra: Sequence[Statement]) -> None:
        with self._tenants.use(self._tenant.id), undone(self._database):
            shared = next((model for model in models if issubclass(model, SharedModel)), None)
            for model in models:
                self._model(model, None if model is shared else shared)
            for statement in extra:
                self._extra(statement)
        departures, _ = survey(self._outside.ask, [self._boundary.own])
        for way in departures:
            if not self._boundary.lets_out(way):
                self._add(None, way.kind, way.reference, f"{way.schema}: {way.what}")

    def _model(self, model: Any, shared: Model | None) -> None:
        relkind, has_triggers = self._table(model)
        name, is_table = model.__name__, relkind in _TABLES
        for kind, build in kinds.reads(model):
            self._query(name, kind, build, matters=kind == "select")
        for kind, work in kinds.typed(model, shared):
            self._work(name, [(kind, work)])
        if not is_table:
            return
        for kind, build in kinds.writes(model):
            self._query(name, kind, build)
        for kind, work in kinds.typed_writes(model):
            self._work(name, [(kind, work)])
        steps = list(kinds.runs(model))
        if issubclass(model, SharedModel):
            steps.pop()  # Before a shared row goes, PostgreSQL asks the tables of all tenants whether they refer to it.
        else:  # Others are using shared tables.
            self._work(name, kinds.definitions(model))
        self._work(name, steps, matters=has_triggers)

    def _query(self, model: str, kind: str, build: Callable[[], Any], *, matters: bool = False) -> None:
        self._work(model, [(kind, lambda: self._explain(build()))], matters=matters)

    def _explain(self, query: Any) -> None:
        sql, params = self._database.get_sql_context().sql(query).query()
        self._database.current("EXPLAIN").execute_sql(f"EXPLAIN {sql}", params)

    def _extra(self, statement: Statement) -> None:
        if isinstance(statement, str):
            self._work("SQL", [("raw", lambda: self._database.execute_sql(statement))], matters=True)
        elif isinstance(statement, peewee.Query):
            self._query("query", type(statement).__name__, statement.clone, matters=True)
        else:
            self._work(getattr(statement, "__name__", "work"), [(CALLED, statement)], matters=True)

    def _work(self, model: str, steps: Iterable[tuple[str, Callable[[], object]]], *, matters: bool = False) -> None:
        """Do the *steps*, one after another, and undo them. When one fails the rest is left out."""
        seen: set[Touch] = set()
        kind = ""
        try:
            with undone(self._database), Watch(self._tenants, self._outside, self._boundary) as watch:
                for kind, work in steps:
                    work()
                    self.count += 1
                    for touch in watch.foreign():
                        if touch not in seen:
                            seen.add(touch)
                            self._add(model, kind, str(touch.relation), touch.sql)
        except Exception as error:  # A field's own as well: a model must not keep the others from being looked at.
            if kind == CALLED:
                raise
            reason = str(error).strip().partition("\n")[0]
            self.gaps.append(Gap(tenant=self._tenant.id, model=model, kind=kind, reason=reason, matters=matters))

    def _add(self, model: str | None, kind: str, reference: str, evidence: str) -> None:
        self.leaks.append(Leak(tenant=self._tenant.id, model=model, kind=kind, reference=reference, evidence=evidence))

    def _table(self, model: Any) -> tuple[str | None, bool]:
        """Say what the table of *model* is, None when there is none, and whether it has triggers."""
        rows = self._outside.ask(
            "SELECT c.relkind, EXISTS (SELECT FROM pg_catalog.pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal) "
            "FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace "
            "WHERE n.nspname = %s AND c.relname = %s",
            model._meta.schema or self._tenant.schema,
            model._meta.table_name,
        )
        return rows[0] if rows else (None, False)
