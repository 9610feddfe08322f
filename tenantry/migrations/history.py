"""What each schema of a server has applied: tenantry's own tables, read and locked. (:mod:`.block` writes them, in the
message of the change.)
"""

from __future__ import annotations

from importlib import resources
from typing import Any

import peewee

from tenantry.databases import SchemaDatabase
from tenantry.errors import MigrationBlocked, SchemaMissing
from tenantry.migrations.reports import UNDEFINED_TABLE, is_lock, sqlstate
from tenantry.naming import quoted, quoted_text

DONE = "done"

# The operators are qualified as well: a schema may have operators of its own, and it is first on the path.
_LOCK = "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended(%s, 0));\n"
_VERSIONS = "SELECT schema, version FROM tenantry.schemas"
_APPLIED = (
    "SELECT name, sha256 FROM tenantry.history WHERE schema OPERATOR(pg_catalog.=) %s "
    "AND state OPERATOR(pg_catalog.=) %s"
)
# A schema for each version: those of one version have one history. In one statement, so in one snapshot: another
# deployer may be at work, and a version must not be paired with a later history.
_BY_VERSION = (
    "SELECT one.version, name, sha256 FROM (SELECT DISTINCT ON (version) version, schema FROM tenantry.schemas) AS one "
    "JOIN tenantry.history AS h ON h.schema OPERATOR(pg_catalog.=) one.schema AND state OPERATOR(pg_catalog.=) %s"
)
_HELD = (
    "SELECT pg_catalog.to_regnamespace(%s) IS NOT NULL, h.name, h.sha256 FROM (VALUES (1)) AS one "
    "LEFT JOIN tenantry.history AS h ON h.schema OPERATOR(pg_catalog.=) %s AND h.state OPERATOR(pg_catalog.=) %s"
)
# In a DO, whose statements are looked at when they run: without the tables there is nothing to forget, and no error.
_FORGET = (
    "BEGIN PERFORM pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended({lock}, 0));"
    "IF pg_catalog.to_regclass('tenantry.history') IS NOT NULL THEN "
    "DELETE FROM tenantry.history AS h WHERE h.schema OPERATOR(pg_catalog.=) {schema};"
    "DELETE FROM tenantry.schemas AS s WHERE s.schema OPERATOR(pg_catalog.=) {schema};END IF;END"
)


def ensure(database: SchemaDatabase) -> None:
    """Make the tables of the history on the server of *database*, if they are not there.

    Any number of processes may do so at once.

    Raises:
        peewee.ProgrammingError: the role may not create a schema in this database.
    """
    ddl = resources.files("tenantry.migrations").joinpath("history.sql").read_text("utf-8")
    with database.atomic():
        # IF NOT EXISTS alone does not suffice: of two who find nothing, one fails on a unique key of the catalog.
        database.execute_sql(_LOCK + ddl, ("tenantry:ensure",))


def versions(database: SchemaDatabase) -> dict[str, str]:
    """Ask for the versions of all schemas on the server of *database*, in one query.

    Empty when nothing was ever applied there, and the tables do not exist.
    """
    return dict(_rows_if_there(database, _VERSIONS))


def applied(database: SchemaDatabase, schema: str) -> dict[str, str]:
    """Ask for what *schema* has applied: name to sha256."""
    return dict(_rows_if_there(database, _APPLIED, schema, DONE))


def applied_by_version(database: SchemaDatabase) -> dict[str, dict[str, str]]:
    """Ask for what the schemas of each version have applied: version to name to sha256."""
    found: dict[str, dict[str, str]] = {}
    for version, name, sha256 in _rows_if_there(database, _BY_VERSION, DONE):
        found.setdefault(version, {})[name] = sha256
    return found


def hold(database: SchemaDatabase, *, lock_timeout_s: float) -> dict[str, str]:
    """Lock the history of the schema until the open transaction ends, and return what is applied: name to sha256.

    Who waits for any lock in this transaction gives up after *lock_timeout_s* seconds. One message.

    Raises:
        MigrationBlocked: another deployer is at work on this schema.
        SchemaMissing: there is no such schema any more.
        peewee.ProgrammingError: the tables of the history are not there; see :func:`is_missing`.
    """
    schema = database.schema
    milliseconds = max(1, round(lock_timeout_s * 1000))  # 0 would stand for ever.
    try:
        rows = database.execute_sql(
            f"SET LOCAL lock_timeout TO {milliseconds};\n{_LOCK}{_HELD}",
            (f"tenantry:migrate:{schema}", quoted(schema), schema, DONE),
        ).fetchall()
    except peewee.OperationalError as error:
        if is_lock(error):
            raise MigrationBlocked(schema=schema, file=None, lock_timeout_s=lock_timeout_s) from error
        raise
    if not rows[0][0]:
        raise SchemaMissing(schema=schema)
    return {name: sha256 for _, name, sha256 in rows if name is not None}


def forget(database: SchemaDatabase) -> None:
    """Take the schema of *database* out of the history, in the transaction that drops it, if one is open.

    Or a new schema of that name would be taken for one that has had all its migrations. It waits for a deployer who is
    at work on the schema: what that one records would stay behind.
    """
    lock = quoted_text(f"tenantry:migrate:{database.schema}")
    database.execute_sql("DO %s", (_FORGET.format(schema=quoted_text(database.schema), lock=lock),))


def is_missing(error: Exception) -> bool:
    """Say whether *error* is that the tables of the history do not exist."""
    return sqlstate(error) == UNDEFINED_TABLE


def _rows_if_there(database: SchemaDatabase, sql: str, *params: object) -> list[tuple[Any, ...]]:
    # Not asked beforehand: it would cost everybody a round trip that serves one run in the life of a server.
    try:
        rows: list[tuple[Any, ...]] = database.execute_sql(sql, params).fetchall()
    except peewee.ProgrammingError as error:
        if is_missing(error):
            return []
        raise
    return rows
