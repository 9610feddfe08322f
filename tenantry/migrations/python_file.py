"""Migrations in Python: the files of playhouse.migrations, unchanged."""

from __future__ import annotations

import types
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from playhouse.migrate import SchemaMigrator

from tenantry.context import Lease, lease_of
from tenantry.databases import SchemaDatabase
from tenantry.errors import ConnectionLost, MigrationBlocked, MigrationFailed, MigrationLeftTransaction
from tenantry.migrations import failure
from tenantry.migrations.files import MigrationFile
from tenantry.migrations.reports import is_lock

Up = Callable[[Any, Any], object]
Binding = Callable[[SchemaDatabase], AbstractContextManager[object]]


def unbound(_: SchemaDatabase) -> AbstractContextManager[object]:
    """Bind nothing: the files use what they are given, and no model of the application."""
    return nullcontext()


def load(schema: str, file: MigrationFile) -> Up:
    """Run the module of *file* and return its ``up``. Anew for each schema: nothing of one tenant may be kept in it.

    Raises:
        MigrationFailed: it cannot be run, has no ``up``, or says ``atomic = False``.
    """
    module = types.ModuleType(file.name)
    module.__file__ = str(file.path)
    try:
        exec(compile(file.text, str(file.path), "exec"), vars(module))
    except Exception as error:
        raise failure.of_python(schema, file, error) from error
    up: Up | None = getattr(module, "up", None)
    if not callable(up):
        raise _refused(schema, file, "it has no up(migrator, db)")
    if not getattr(module, "atomic", True):
        raise _refused(schema, file, "it says atomic = False, and files that run outside a transaction are not applied")
    return up


def run(database: SchemaDatabase, file: MigrationFile, up: Up, *, bound: Binding, lock_timeout_s: float) -> None:
    """Call *up* in the open transaction of *database*.

    Raises:
        MigrationFailed: it raised something, or swallowed an error of the server.
        MigrationLeftTransaction: it ended the transaction.
        MigrationBlocked: a lock was not free in time.
        ConnectionLost: the connection died.
    """
    lease = _open_lease(database)
    # Never playhouse's own schema=...: what it does not qualify would land in public.
    migrator = SchemaMigrator.from_database(database)
    try:
        with bound(database):
            up(migrator, database)
    except ConnectionLost:
        raise
    except (Exception, SystemExit) as error:
        if is_lock(error):
            raise MigrationBlocked(
                schema=database.schema, file=file.path.name, lock_timeout_s=lock_timeout_s
            ) from error
        raise failure.of_python(database.schema, file, error) from error
    if lease is None or lease.over or _open_lease(database) is not lease:
        raise MigrationLeftTransaction(schema=database.schema, file=file.path.name)
    if not database.is_connection_usable():
        raise _refused(database.schema, file, "it swallowed an error of the server, which aborts the transaction")


def _open_lease(database: SchemaDatabase) -> Lease | None:
    return lease_of((database.pool, database.schema))


def _refused(schema: str, file: MigrationFile, why: str) -> MigrationFailed:
    return MigrationFailed(schema=schema, file=file.path.name, reason=why)
