"""What the server says in an error, found below peewee's wrapping."""

from __future__ import annotations

import peewee
import psycopg2

UNDEFINED_TABLE = "42P01"
_LOCKS = {"55P03", "40P01"}  # A lock timeout and a deadlock: both are over in a moment, as a rule.
_CANCELLED = "57"  # Somebody or a timeout stopped it, or the server goes down.


def report(error: BaseException | None) -> psycopg2.Error | None:
    """Return the driver's error that *error* is, or that peewee made it from."""
    while isinstance(error, peewee.PeeweeException):
        error = error.__cause__ or error.__context__
    return error if isinstance(error, psycopg2.Error) else None


def sqlstate(error: BaseException) -> str | None:
    """Return PostgreSQL's five letters for *error*; None when it did not come from the server."""
    found = report(error)
    return None if found is None else found.pgcode


def is_lock(error: BaseException) -> bool:
    """Say whether a lock was not to be had."""
    return sqlstate(error) in _LOCKS


def is_cancelled(error: BaseException) -> bool:
    """Say whether it was stopped from outside: running it again to see why would take as long again."""
    return (sqlstate(error) or _CANCELLED).startswith(_CANCELLED)


def message(error: BaseException) -> str:
    """Return PostgreSQL's own words, without the SQL that its CONTEXT repeats."""
    found = report(error)
    if found is None or not found.diag.message_primary:
        return f"{type(error).__name__}: {error}"
    said = [found.diag.message_primary, found.diag.message_detail, found.diag.message_hint]
    return "\n  ".join(filter(None, said))
