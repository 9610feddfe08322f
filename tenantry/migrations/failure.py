"""Where a migration failed: the file, the line, the statement."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Sequence
from dataclasses import dataclass

import peewee
import psycopg2

from tenantry.databases import SchemaDatabase
from tenantry.errors import MigrationBlocked, MigrationError, MigrationFailed
from tenantry.migrations.block import Block
from tenantry.migrations.files import MigrationFile
from tenantry.migrations.reports import is_cancelled, is_lock, message, report, sqlstate
from tenantry.migrations.statements import Statement, split

SAVEPOINT = "tenantry_migrations"  # Set in the message of the files: a failure is looked into from where they began.


@dataclass(frozen=True, slots=True)
class _Place:
    """A place in a file."""

    line: int | None = None
    statement: str | None = None


def of_sql(
    database: SchemaDatabase, files: Sequence[MigrationFile], block: Block, error: Exception, *, lock_timeout_s: float
) -> MigrationError:
    """Tell what happened to the *files* that ran in *block*. The transaction must be rolled back afterwards."""
    number = block.failed(error)
    file = None if number is None else files[number].path.name
    if is_lock(error):
        return MigrationBlocked(schema=database.schema, file=file, lock_timeout_s=lock_timeout_s)
    place = _Place() if number is None else _place(database, files[: number + 1], block, error)
    return MigrationFailed(
        schema=database.schema, file=file, line=place.line, statement=place.statement, reason=message(error)
    )


def of_python(schema: str, file: MigrationFile, error: BaseException) -> MigrationFailed:
    """Tell in which line of a Python *file* an error arose, or passed through."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file.path)]
    if isinstance(error, SyntaxError) and error.filename == str(file.path):
        lines.append(error.lineno)
    line = lines[-1] if lines else None
    code = file.text.splitlines()[line - 1 : line] if line else []
    return MigrationFailed(
        schema=schema, file=file.path.name, line=line, statement="".join(code).strip() or None, reason=message(error)
    )


def _place(database: SchemaDatabase, files: Sequence[MigrationFile], block: Block, error: Exception) -> _Place:
    """Find the place in the last of *files* where *error* arose."""
    statements = list(split(files[-1].text))
    offset = _offset(error, block.pieces[len(files) - 1])
    if offset is not None:
        return _at(files[-1], [statement for statement in statements if statement.start <= offset], offset)
    if is_cancelled(error):
        return _Place()
    return _run_again(database, files, statements, error)


def _run_again(
    database: SchemaDatabase, files: Sequence[MigrationFile], statements: list[Statement], error: Exception
) -> _Place:
    """Run the *files* again from where they began, the last one by *statements*, and see which of them fails."""
    block = Block()
    for file in files[:-1]:
        block.add(file.text)
    for statement in statements:
        block.add(statement.text, apart=statement is statements[0])
    again = _outcome(database, block)
    number = None if again is None else block.failed(again)
    # Another error than before means that it was not only taken apart: its place would mislead.
    if again is None or number is None or number < len(files) - 1 or sqlstate(again) != sqlstate(error):
        return _Place()
    statement = statements[number - len(files) + 1]
    offset = _offset(again, block.pieces[number]) or 0
    return _at(files[-1], [statement], statement.start + offset)


def _outcome(database: SchemaDatabase, block: Block) -> Exception | None:
    # ROLLBACK TO goes over the driver: the prefix of a statement would fail in the aborted transaction. If the
    # connection is lost meanwhile, the first error is still what is told.
    with contextlib.suppress(psycopg2.Error):
        database.connection().cursor().execute(f"ROLLBACK TO SAVEPOINT {SAVEPOINT}")
        try:
            database.execute_sql(block.render())
        except peewee.DatabaseError as again:
            return again
    return None


def _offset(error: Exception, piece: str) -> int | None:
    """Return where in *piece* the server saw the error. It tells for mistakes that it sees before it runs anything."""
    found = report(error)
    if found is None or found.diag.internal_position is None:
        return None
    query = found.diag.internal_query or ""
    if not query.endswith(piece):  # It is a statement inside a function that the piece calls.
        return None
    return int(found.diag.internal_position) - 1 - (len(query) - len(piece))


def _at(file: MigrationFile, statements: Sequence[Statement], offset: int) -> _Place:
    line = file.text.count("\n", 0, offset) + 1
    return _Place(line, statements[-1].text if statements else None)
