"""One plan, run on one schema: all of it and its record in one transaction, or nothing."""

from __future__ import annotations

import time
from dataclasses import dataclass

import peewee

from tenantry.databases import SchemaDatabase
from tenantry.errors import ConnectionLost, MigrationError, MigrationFailed
from tenantry.migrations import failure, history, python_file
from tenantry.migrations.block import Block
from tenantry.migrations.files import Kind, MigrationFile
from tenantry.migrations.plan import Plan
from tenantry.migrations.plan import plan as make_plan
from tenantry.migrations.python_file import Binding, unbound
from tenantry.migrations.reports import message

# A statement that waits for a lock makes all later ones on the table wait behind it, reads too.
LOCK_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done to one schema. No names: another deployer had done it, or nothing was pending."""

    schema: str
    names: tuple[str, ...]
    version: str
    duration_s: float


def apply(
    plan: Plan, database: SchemaDatabase, *, lock_timeout_s: float = LOCK_TIMEOUT_S, bound: Binding = unbound
) -> Applied:
    """Run *plan* on the schema of *database*, in one transaction under the schema's lock.

    The history is read again under the lock, so that two deployers apply nothing twice. *bound* is entered around each
    Python file: ``lambda database: tenants.use(...)`` for files that use the application's models.

    Raises:
        MigrationFailed: a file failed; the schema is as it was.
        MigrationLeftTransaction: a Python file ended the transaction.
        MigrationBlocked: a lock was not free within *lock_timeout_s* seconds.
        MigrationEdited: a file was changed after it was applied.
        SchemaMissing: there is no such schema any more.
        ConnectionLost: the connection died. If that was at the COMMIT, only the history knows whether it was done.
    """
    if plan.schema != database.schema:
        raise MigrationError(f"a plan for the schema {plan.schema!r} cannot be applied to {database.schema!r}")
    begun = time.perf_counter()
    try:
        done = _apply(plan, database, lock_timeout_s, bound)
    except peewee.ProgrammingError as error:
        if not history.is_missing(error):
            raise
        history.ensure(database)
        done = _apply(plan, database, lock_timeout_s, bound)
    return Applied(plan.schema, tuple(file.name for file in done.pending), done.version, time.perf_counter() - begun)


def _apply(plan: Plan, database: SchemaDatabase, lock_timeout_s: float, bound: Binding) -> Plan:
    ended = False
    try:
        # READ COMMITTED, whatever the role's default: in a snapshot taken before the lock was had, the history would
        # lack what the deployer before us has done.
        with database.atomic("READ COMMITTED"):
            applied = history.hold(database, lock_timeout_s=lock_timeout_s)
            current = make_plan(plan.schema, plan.files, applied)
            if current.pending:
                _Run(database, lock_timeout_s, bound).all(current)
            ended = True
    except peewee.DatabaseError as error:
        if not ended or isinstance(error, ConnectionLost):
            raise
        # At the COMMIT: a constraint that is checked at the end, as a rule.
        raise MigrationFailed(schema=plan.schema, file=None, statement="COMMIT", reason=message(error)) from error
    return current


class _Run:
    """The files of one plan on their way: consecutive SQL files go out together, Python files between them."""

    def __init__(self, database: SchemaDatabase, lock_timeout_s: float, bound: Binding) -> None:
        self._database, self._lock_timeout_s, self._bound = database, lock_timeout_s, bound
        self._block, self._files = Block(), list[MigrationFile]()

    def all(self, plan: Plan) -> None:
        # Before anything runs: a file that is refused must not cost the work of those before it.
        ups = {file.name: python_file.load(plan.schema, file) for file in plan.pending if file.kind is Kind.PYTHON}
        for file in plan.pending:
            if file.kind is Kind.SQL:
                self._block.add_file(plan.schema, file)
                self._files.append(file)
                continue
            if self._files:
                self._send()
            self._call(file, ups[file.name])
        self._block.add_outcome(plan)
        self._send()

    def _call(self, file: MigrationFile, up: python_file.Up) -> None:
        begun = time.perf_counter()
        python_file.run(self._database, file, up, bound=self._bound, lock_timeout_s=self._lock_timeout_s)
        self._block.add_record(self._database.schema, file, duration_s=time.perf_counter() - begun)

    def _send(self) -> None:
        block, files = self._block, self._files
        self._block, self._files = Block(), []
        try:
            self._database.execute_sql(f"SAVEPOINT {failure.SAVEPOINT};{block.render()}")
        except ConnectionLost:
            raise
        except peewee.DatabaseError as error:
            told = failure.of_sql(self._database, files, block, error, lock_timeout_s=self._lock_timeout_s)
            raise told from error
