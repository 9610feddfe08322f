"""How statements of one schema reach the server, and what is left of a transaction when one of them fails.

Who keeps a connection is decided by one fact, looked at after each message: the transaction status that libpq holds
locally. Idle, and the connection goes back to the pool; anything else, and the context keeps it. So a raw BEGIN or
COMMIT needs no bookkeeping of its own.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from typing import Any

import psycopg2
from psycopg2.errors import InvalidSavepointSpecification

from tenantry.context import Lease, is_alone, lease_of, open_leases
from tenantry.databases.prefix import Prefix
from tenantry.databases.rows import Row, Rows
from tenantry.databases.texts import begins_transaction, ends_transaction
from tenantry.errors import ConnectionLost, SessionRequired
from tenantry.naming import SchemaName
from tenantry.pool import IDLE, UNKNOWN, Connection, Pool

ACTIVE = psycopg2.extensions.TRANSACTION_STATUS_ACTIVE
INERROR = psycopg2.extensions.TRANSACTION_STATUS_INERROR

Send = Callable[[Any, str], None]  # Sends the text before the statement, and the statement, over a driver's cursor.


class Wire:
    """The way of one schema's statements to its server and back."""

    def __init__(self, pool: Pool, schema: SchemaName, prefix: Prefix) -> None:
        self.pool, self.schema, self.prefix = pool, schema, prefix
        self.key = (pool, schema)

    def ask(self, sql: str, *params: object, patient: bool = True) -> list[Row]:
        """Run SQL of tenantry's own, and return its rows. With *patient* false it does not wait for a connection."""
        rows = self.run(sql, params, marks=False, patient=patient)
        return rows.fetchall() if rows.description else []

    def run(self, sql: str, params: Any = (), *, marks: bool, patient: bool = True, send: Send | None = None) -> Rows:
        """Send one statement, in the context's transaction or alone, and return its rows.

        With *marks* it may leave something on the connection that no text shows: the next borrower's message begins by
        scrubbing it. With *patient* false it does not wait for a connection. *send* stands for the driver's
        ``execute()``.

        Raises:
            psycopg2.Error: what the server or the driver says of it.
            ConnectionLost, PoolTimeout, ...: see :class:`tenantry.errors.ServerError`.
            TransactionElsewhere: the context carries a transaction of another thread, task or process.
        """
        lease = lease_of(self.key)
        if marks and lease is None and self.pool.pooled and not begins_transaction(sql):
            return self._run_pooled(sql, params, patient, send)
        connection = lease.connection if lease is not None else None
        fresh = connection is None
        if connection is None:
            connection = self.pool.take(self.schema) if patient and is_alone(lease) else self.take(patient=patient)
        head = self.prefix.alone if lease is None and not connection.marked else self._head(lease, connection, fresh)
        marked = marks or (connection.marked and not fresh)
        try:
            connection.marked |= marks  # Before it is sent: a statement that fails keeps the advisory lock it took.
            if marks and connection.pooled and ends_transaction(sql):
                sql = connection.ending(sql)
            cursor = connection.cursor()
            if send is None:
                cursor.execute(head + sql, params)
            else:
                send(cursor, head)
            rows = Rows(cursor, connection.notices)
        except BaseException as error:
            self._failed(lease, connection, error, head)
            raise
        connection.marked = marked
        if lease is None and connection.get_transaction_status() == IDLE:
            self.pool.give(connection)
        else:
            self._settle(lease, connection)
        return rows

    def _run_pooled(self, sql: str, params: Any, patient: bool, send: Send | None) -> Rows:
        """Run what may leave traces on a backend behind a pooler: in a transaction, for its end scrubs that backend."""
        self.begin(None)
        try:
            rows = self.run(sql, params, marks=True, patient=patient, send=send)
            self.end("COMMIT")
        except BaseException:
            self.end("ROLLBACK")
            raise
        return rows

    # What begins and ends transactions. These verbs have a way of their own: they are never recognised in the text of a
    # statement.

    def begin(self, level: str | None) -> None:
        """Begin a transaction with the next statement: BEGIN travels with it."""
        lease = lease_of(self.key)
        verb = f"BEGIN ISOLATION LEVEL {level}" if level else "BEGIN"
        if lease is None:
            Lease(self.key).keep().waiting.append(self.prefix.begin(verb))
        elif lease.session and lease.connection.get_transaction_status() == IDLE:
            lease.waiting.append(f"{verb};\n")

    def end(self, verb: str) -> None:
        """COMMIT or ROLLBACK. A transaction that sent nothing ends without a word; so does the rollback of one whose
        connection died.

        Raises:
            ConnectionLost: the connection died: whether a COMMIT was done is not known.
            psycopg2.Error: the server refuses the commit (a deferred constraint, a serialization failure) and has
                rolled back.
        """
        lease = lease_of(self.key)
        if lease is None:
            return
        connection = lease.connection
        lease.waiting.clear()
        if connection is None:
            lease.end()
            return
        try:
            if connection.get_transaction_status() != IDLE and (verb == "COMMIT" or not connection.closed):
                self.converse(connection, connection.ending(verb))
        except ConnectionLost:
            if verb == "COMMIT":  # Dead is rolled back, and then the block's own error is what counts.
                raise
        except psycopg2.Error:
            if verb == "COMMIT":
                raise
            connection.close()  # Somebody has cancelled the ROLLBACK. This is one too, and nothing can be left open.
        finally:
            if connection.get_transaction_status() in (IDLE, UNKNOWN):
                self._leave(lease, connection)

    def savepoint(self, quoted_sid: str) -> None:
        """Set a savepoint.

        While BEGIN waits it waits too; later it may not: a syntax error would take it along, and its rollback fail.
        """
        lease = lease_of(self.key)
        if lease is not None and lease.connection is None:
            lease.waiting.append(f"SAVEPOINT {quoted_sid};\n")
        else:
            self._verb(f"SAVEPOINT {quoted_sid}")

    def release(self, quoted_sid: str) -> None:
        """Release a savepoint with the next message, if there is one: a COMMIT releases it anyway."""
        lease = lease_of(self.key)
        if lease is None or (lease.connection is not None and lease.connection.get_transaction_status() == INERROR):
            self._verb(
                f"RELEASE SAVEPOINT {quoted_sid}"
            )  # Which fails, as it should: the block must not end as if all were well.
        elif not self._forget_savepoint(lease, quoted_sid):
            lease.waiting.append(f"RELEASE SAVEPOINT {quoted_sid};\n")

    def rollback_to(self, quoted_sid: str) -> None:
        """Roll back to a savepoint; to one that still waits, by forgetting it."""
        lease = lease_of(self.key)
        if lease is not None:
            if self._forget_savepoint(lease, quoted_sid):
                return
            if lease.connection is not None:
                lease.waiting.clear()  # Releases of savepoints inside this one, which ends them.
                if lease.connection.closed:
                    return
        is_aborted = lease is not None and _status(lease.connection) == INERROR
        try:
            self._verb(f"ROLLBACK TO SAVEPOINT {quoted_sid}")
        except ConnectionLost:  # The next statement of the block will say so.
            pass
        except InvalidSavepointSpecification:
            # The message that began the transaction was cut off before it had set the savepoint. The transaction is
            # aborted, and stays so: what counts is the error that did it.
            if not is_aborted:
                raise

    def connection(self) -> Connection:
        """Return the driver's connection of the open transaction or session, with the path set.

        Raises:
            SessionRequired: neither is open here.
        """
        lease = lease_of(self.key)
        if lease is None:
            raise SessionRequired(
                "outside a transaction a tenant has no connection of its own: ask for it inside `with db.atomic():`, "
                "or use `with db.session():`"
            )
        # The path must be there before the first savepoint, or a rollback to it takes it away.
        if lease.waiting or lease.connection is None:
            self.run(self.prefix.inside.strip(), marks=True)  # No query: SET TRANSACTION must still be possible.
        connection = lease.connection
        assert isinstance(connection, Connection)
        if not lease.session:
            del connection.notifies[:]  # Nothing is listened to here: they were for whoever had it before.
        return connection.expose()

    def open_session(self) -> Lease:
        """Keep one connection until :meth:`close_session`, on which statements are sent as they are.

        Raises:
            SessionRequired: a transaction is open here, or a pooler in transaction mode stands before the server.
        """
        if lease_of(self.key) is not None:
            raise SessionRequired("a session cannot begin inside a transaction or another session of the same schema")
        if self.pool.pooled:
            raise SessionRequired(
                "no session can be kept through a pooler in transaction mode, which may run each statement on another "
                "backend: use an engine whose url leads to the server itself"
            )
        connection = self.take()
        lease = Lease(self.key, session=True)
        lease.connection = connection
        try:
            self.converse(connection, (connection.scrub if connection.marked else "") + self.prefix.session, marks=True)
        except BaseException:
            self.pool.discard(connection)
            raise
        del connection.notifies[:]
        connection.expose()
        return lease.keep()

    def close_session(self, lease: Lease) -> None:
        """Give a session's connection back with nothing on it, whatever state it is in."""
        lease.end()
        connection = lease.connection
        try:
            if connection.get_transaction_status() not in (IDLE, UNKNOWN):
                connection.cursor().execute("ROLLBACK")
            connection.cursor().execute(connection.scrub)
        except psycopg2.Error:  # It is dead, or as good as dead: the work in the session had its own answers.
            self.pool.discard(connection)
        except BaseException:
            self.pool.discard(connection)
            raise
        else:
            connection.marked = False
            self.pool.give(connection)

    # Inside.

    def take(self, *, patient: bool = True) -> Connection:
        """Borrow a connection beside those that this context holds.

        In a transaction it is not waited for: all who wait could be holding one. Beside a server-side cursor it is, for
        one that was given up is held until the collector finds it.
        """
        held = [lease for lease in open_leases() if lease.connection is not None and self._is_ours(lease.connection)]
        in_transaction = any(lease.key is not None for lease in held)
        return self.pool.take(self.schema, patient=patient and not in_transaction, nested=bool(held))

    def _is_ours(self, connection: Connection) -> bool:
        pool = None if connection.loan is None else connection.loan.pool
        return pool is not None and pool.family is self.pool.family

    def _head(self, lease: Lease | None, connection: Connection, fresh: bool) -> str:
        scrub = connection.scrub if fresh and connection.marked else ""
        if lease is None:
            return scrub + self.prefix.alone
        waiting = "".join(lease.waiting)
        return scrub + waiting if fresh or lease.session else waiting + self.prefix.inside

    def _settle(self, lease: Lease | None, connection: Connection) -> None:
        """After a message that succeeded, in a transaction or a session: keep the connection, unless it has ended."""
        if lease is None:  # A raw BEGIN.
            lease = Lease(self.key).keep()
        lease.connection = connection
        lease.waiting.clear()
        if connection.get_transaction_status() == IDLE and not lease.session:
            self._leave(lease, connection)  # A raw COMMIT or ROLLBACK.

    def _leave(self, lease: Lease, connection: Connection) -> None:
        if not lease.session:
            lease.end()
            lease.connection = None
            self.pool.give(connection)

    def _failed(self, lease: Lease | None, connection: Connection, error: BaseException, head: str) -> None:
        """Leave the context where plain peewee would be: in an aborted transaction, in none, or with a dead one."""
        if not isinstance(error, Exception) or connection.get_transaction_status() == ACTIVE:
            connection.close()  # Interrupted half-way: nobody knows what is still to be read.
        if isinstance(error, psycopg2.Error):
            _count_lines_from_statement(error, head)
        status = connection.get_transaction_status()
        died = status == UNKNOWN
        begins = lease is not None and bool(lease.waiting) and (lease.connection is None or lease.session)
        if status == IDLE and lease is not None and begins and _is_of_server(error):
            self._abort(lease, connection)
            status = connection.get_transaction_status()
        if status == IDLE:
            self._failed_idle(lease, connection)
        elif lease is None and status == UNKNOWN:
            self.pool.discard(connection)
        else:  # In a transaction, aborted as a rule; or dead, and kept: the block must not go on over another one.
            lease = lease or Lease(self.key).keep()
            lease.connection = connection
            lease.waiting.clear()
        if died and isinstance(error, Exception):
            raise ConnectionLost(
                schema=self.schema, in_transaction=lease is not None, reason=_first_line(error)
            ) from error

    def _failed_idle(self, lease: Lease | None, connection: Connection) -> None:
        # In a transaction that waits: the driver refused the values, and BEGIN goes on waiting.
        if lease is None or lease.connection is None:
            self.pool.give(connection)
        else:  # A raw COMMIT, and an error behind it.
            self._leave(lease, connection)

    def _abort(self, lease: Lease, connection: Connection) -> None:
        """Put the server into the aborted transaction that plain PostgreSQL would be in.

        It parses a whole message before it runs any of it, so a syntax error took the BEGIN with it: without this, what
        follows in the block would be committed statement by statement.
        """
        scrub = connection.scrub if connection.marked and not lease.session else ""
        text = scrub + "".join(lease.waiting) + "ROLLBACK TO SAVEPOINT tenantry_first_message_failed"
        lease.connection = connection
        lease.waiting.clear()
        try:
            with contextlib.suppress(psycopg2.Error):
                connection.cursor().execute(text, ())
        finally:
            if connection.get_transaction_status() != INERROR:
                connection.close()  # This message was cut off as well: a dead transaction is an aborted one.

    def _forget_savepoint(self, lease: Lease, quoted_sid: str) -> bool:
        text = f"SAVEPOINT {quoted_sid};\n"
        if text not in lease.waiting:
            return False
        del lease.waiting[lease.waiting.index(text) :]
        return True

    def _verb(self, verb: str) -> None:
        """Send a savepoint's verb, without the prefix: in an aborted transaction the prefix itself would fail."""
        lease = lease_of(self.key)
        if lease is None or lease.connection is None:
            self.run(verb, marks=False)
            return
        waiting, connection = "".join(lease.waiting), lease.connection
        lease.waiting.clear()
        self.converse(connection, waiting + verb)

    def converse(self, connection: Connection, text: str, *, marks: bool = False) -> psycopg2.extensions.cursor:
        """Send *text* as it is, over a connection that is held.

        Raises:
            ConnectionLost: it died.
            psycopg2.Error: what the server says.
        """
        connection.marked |= marks
        try:
            cursor = connection.cursor()
            cursor.execute(text, ())
        except BaseException as error:
            if not isinstance(error, Exception):
                connection.close()
            elif connection.get_transaction_status() == UNKNOWN:
                raise ConnectionLost(schema=self.schema, in_transaction=True, reason=_first_line(error)) from error
            raise
        return cursor


def _status(connection: Connection | None) -> int | None:
    return None if connection is None else connection.get_transaction_status()


def _is_of_server(error: BaseException) -> bool:
    """Say whether the server has seen the statement. Else the driver refused its values, and nothing was sent."""
    return isinstance(error, psycopg2.Error) and error.pgcode is not None


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _count_lines_from_statement(error: psycopg2.Error, head: str) -> None:
    """Make ``LINE n`` count from the statement that the user wrote. (``diag.statement_position`` cannot be changed.)"""
    shift = head.count("\n")

    def earlier(match: re.Match[str]) -> str:
        return f"LINE {int(match[1]) - shift}:".ljust(len(match[0]))  # The caret in the next line stays under its word.

    def told(text: Any) -> Any:
        return re.sub(r"^LINE (\d+):", earlier, text, count=1, flags=re.MULTILINE) if isinstance(text, str) else text

    error.args = tuple(told(part) for part in error.args)
    if error.pgerror:
        psycopg2.Error.__setstate__(error, {"pgerror": told(error.pgerror), "pgcode": error.pgcode})  # type: ignore[no-untyped-call]
