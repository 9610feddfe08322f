"""A result that stays in the server and is fetched in pieces."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import psycopg2

from tenantry.context import Lease, Owner, lease_of
from tenantry.databases.rows import Row
from tenantry.databases.wire import Wire
from tenantry.errors import TransactionElsewhere
from tenantry.pool import IDLE, Connection


class ServerCursor:
    """A cursor in the server, with the face of a driver's cursor.

    psycopg2's named cursors write their own DECLARE, which cannot carry a prefix, and peewee declares them WITH HOLD:
    the server would store the whole result, and keep it in the session when the connection goes to somebody else. This
    one lives in a transaction: the open one, or one of its own that ends when the cursor is closed or read to its end.
    """

    itersize, arraysize, rowcount, lastrowid = 2_000, 1, -1, None

    def __init__(self, wire: Wire, sql: str, params: Any, *, marks: bool) -> None:
        self._wire, self._owner = wire, Owner()
        self.name = f"c{uuid.uuid4().hex}"
        self.description: Any = None
        self.closed = True  # Until the server has it.
        self._buffer: list[Row] = []
        self._ended = False
        self._own = lease_of(wire.key) is None
        if self._own:
            wire.begin(None)
        try:
            wire.run(f'DECLARE "{self.name}" NO SCROLL CURSOR FOR {sql}', params, marks=marks)
        except BaseException:
            if self._own:  # Its own transaction must not become the context's.
                wire.end("ROLLBACK")
            raise
        lease = lease_of(wire.key)
        assert lease is not None
        self._connection: Connection = lease.connection
        self._loan = self._connection.loan
        if self._own:
            lease.end()
            # Other statements of the context are no part of it; but who asks for a connection beside it holds one.
            self._lease = Lease(None).keep()
            self._lease.connection = self._connection
        self.closed = False

    def fetchmany(self, size: int | None = None) -> list[Row]:
        """Fetch the next *size* rows.

        Raises:
            psycopg2.ProgrammingError: the transaction that it lives in is over.
            TransactionElsewhere: it is read in another thread, task or process.
        """
        if self._ended:
            return []
        if not self._owner.is_here():
            raise TransactionElsewhere(schema=self._wire.schema, owner=str(self._owner))
        if not self._is_alive():
            raise psycopg2.ProgrammingError("the server-side cursor ended with its transaction")
        wanted = size or self.arraysize
        # With the prefix: a function that the query calls may resolve its names as late as here.
        text = f'{self._wire.prefix.inside}FETCH FORWARD {wanted} FROM "{self.name}"'
        cursor = self._wire.converse(self._connection, text)
        self.description, rows = cursor.description, cursor.fetchall()
        if len(rows) < wanted:
            self._ended = True
            if not self._own:
                cursor.execute(
                    f'CLOSE "{self.name}"'
                )  # Here it surely exists. Later a rollback may take it, and then CLOSE aborts.
        return rows

    def fetchone(self) -> Row | None:
        if not self._buffer:
            self._buffer = self.fetchmany(self.itersize)[::-1]
        return self._buffer.pop() if self._buffer else None

    def fetchall(self) -> list[Row]:
        return list(self)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.fetchone, None)

    def close(self) -> None:
        """End it. In somebody's transaction it goes with the transaction; its own ends here."""
        if self.closed:
            return
        self.closed = True
        if not self._own:
            return
        self._lease.end()
        if not self._is_lent():
            return
        try:
            self._connection.cursor().execute(self._connection.ending("COMMIT"), ())
        except psycopg2.Error:
            self._wire.pool.discard(self._connection)
            if self._ended:  # Given up half-read, nobody waits for the answer: this may be a generator's end.
                raise
        except BaseException:
            self._wire.pool.discard(self._connection)
            raise
        else:
            self._wire.pool.give(self._connection)

    def __del__(self) -> None:
        # Given up half-read. No conversation from inside the garbage collector, and in whatever thread that runs.
        if self.closed or not self._own:
            return
        self._lease.over = True
        if self._is_lent():
            self._wire.pool.discard(self._connection)

    def _is_lent(self) -> bool:
        loan = self._connection.loan
        return loan is self._loan and loan is not None and loan.pool is not None

    def _is_alive(self) -> bool:
        """Say whether its transaction is still open.

        Once it is over the connection may be somebody else's, and an error would abort their work.
        """
        return not self.closed and self._is_lent() and self._connection.get_transaction_status() != IDLE
