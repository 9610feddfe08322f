"""The peewee databases: peewee's own words and rules on top of the wire."""

# peewee's stubs leave out its private names, which its own subclasses live on.
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Iterator
from typing import Any, cast

import peewee
import psycopg2
from peewee import InterfaceError, RawQuery, SelectBase
from playhouse.postgres_ext import FetchManyCursor, PostgresqlExtDatabase
from psycopg2.sql import Composable

from tenantry.catalog import Tenant
from tenantry.context import Pin, beliefs, is_collecting, lease_of, put
from tenantry.databases.blocks import BlockState, Savepoint, Transaction
from tenantry.databases.prefix import Prefix
from tenantry.databases.rendering import Rendering
from tenantry.databases.rows import Rows, StatementCursor
from tenantry.databases.streams import ServerCursor
from tenantry.databases.texts import may_leave_traces, raw_may_leave_traces, refuse, refuse_hidden_end
from tenantry.databases.wire import Wire
from tenantry.errors import ServerError
from tenantry.naming import RoleName, SchemaName, TenantId, quoted
from tenantry.pool import Connection, Pool

__exception_wrapper__ = peewee.__exception_wrapper__  # type: ignore[attr-defined]  # not in peewee's stubs

ErrorHook = Callable[[Exception], None]


class SchemaDatabase(PostgresqlExtDatabase):  # type: ignore[misc]  # playhouse has no types
    """A peewee database whose every statement finds the tables of one schema. It is light: it holds no connection and
    no transaction.

    ``connect()`` and ``close()`` keep peewee's rules (twice is an error, so is closing in a transaction) and hold
    nothing: a connection is borrowed for a statement or a transaction.
    """

    _key: tuple[object, str] = (None, "")  # Nobody's, while peewee's __init__ looks whether it is closed.

    def __init__(
        self,
        pool: Pool,
        schema: SchemaName,
        *,
        shared_schema: SchemaName | None = None,
        extensions: SchemaName | None = None,
        role: RoleName | None = None,
        told: TenantId | None = None,
        query_hooks: list[Callable[[Any], Any]] | None = None,
        on_error: ErrorHook | None = None,
        **options: Any,
    ) -> None:
        super().__init__(schema, **options)
        self._prefix = functools.partial(Prefix.of, schema, extensions=extensions, role=role, tenant=told)
        self._sql_options: dict[str, Any] | None = None
        self.pin = Pin(pool.family)  # Whose its rows and queries are.
        # In front of a table, in a text that the driver fills: its own schema, and the one that all tenants share.
        self.qualifier = _qualifier(schema)
        self.shared_qualifier = self.qualifier if shared_schema is None else _qualifier(shared_schema)
        self.wire = Wire(pool, schema, self._prefix())  # The way of its statements.
        self._key = self.wire.key
        self._on_error = on_error
        if query_hooks is not None:
            self.query_hooks = query_hooks

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.schema}>"

    @property
    def schema(self) -> SchemaName:
        """The schema whose tables its statements find."""
        return self.wire.schema

    @property
    def pool(self) -> Pool:
        """The connections that it borrows from."""
        return self.wire.pool

    # Connecting holds nothing.

    @property
    def _state(self) -> BlockState:
        state = current = beliefs.get()
        if state is not None and state.key is self._key and state.owner.is_here():
            return state  # type: ignore[no-any-return]  # the context keeps it for us, and does not know what it is
        while state is not None:
            if state.key == self._key and state.owner.is_here():
                return state  # type: ignore[no-any-return]  # as above
            state = state.outer
        state = BlockState(self._key, current)
        if not is_collecting():
            put(beliefs, state)
        return state

    @_state.setter
    def _state(self, _: object) -> None:
        """peewee's __init__ puts a threading.local here."""

    def connect(self, reuse_if_open: bool = False) -> bool:
        opened: bool = super().connect(reuse_if_open)
        self._state.connected = True
        return opened

    def close(self) -> bool:
        was_open: bool = super().close()
        self._state.connected = False
        return was_open

    def _connect(self) -> None:
        self.server_version = self.pool.server_version

    def _close(self, conn: object) -> None:
        """Roll back what begin() or a raw BEGIN has left open, as closing a connection does. A block refuses it."""
        lease = lease_of(self._key)
        if lease is not None and not lease.session:
            self.wire.end("ROLLBACK")

    def is_connection_usable(self) -> bool:
        lease = lease_of(self.wire.key)
        if lease is None or lease.connection is None:
            return not self._state.closed
        return bool(self._adapter.is_connection_usable(lease.connection))

    def connection(self) -> Connection:
        """Return the driver's connection of the open transaction or session. Its path is set until that ends.

        Raises:
            SessionRequired: neither is open here.
        """
        self._open()
        with __exception_wrapper__:
            return self.wire.connection()

    def cursor(self, named_cursor: Any = None) -> StatementCursor:
        """Return a cursor on which each ``execute()`` is a statement of its own, or of the open transaction."""
        self._open()

        def execute(sql: Any, params: Any) -> Any:
            return self._run_raw(sql, params, named=bool(named_cursor), literal=params is None)

        return StatementCursor(execute, self._copy)

    def session(self) -> contextlib.AbstractContextManager[Connection]:
        """Keep one connection for the block, for what PostgreSQL refuses in a transaction or keeps in a session.

        LISTEN, VACUUM, CREATE INDEX CONCURRENTLY, session settings: statements are sent as they are, the path is set in
        the session, and all of it is scrubbed when the block ends.

        Raises:
            SessionRequired: a transaction is open here.
        """
        return self._session()

    @contextlib.contextmanager
    def _session(self) -> Iterator[Connection]:
        self._open()
        with __exception_wrapper__:
            lease = self.wire.open_session()
        try:
            yield lease.connection
        finally:
            with __exception_wrapper__:
                self.wire.close_session(lease)

    def dispose(self) -> None:
        """Forget what this context believes to be open.

        After a fork the child's pool forgets its connections by itself.
        """
        self._state.reset()

    def set_time_zone(self, timezone: str) -> None:
        """Use *timezone* in the statements of this object: a part of their prefix, it stays on no connection."""
        self.wire.prefix = self._prefix(time_zone=timezone)

    # Statements.

    def get_sql_context(self, **context_options: Any) -> Any:
        # peewee asks itself for the same options at each query.
        if self._sql_options is None:
            self._sql_options = self.get_context_options()
        if not context_options:
            return Rendering(self._sql_options, self.pin)
        scope = context_options.pop("scope", peewee.SCOPE_NORMAL)  # Of what makes tables.
        return Rendering({**self._sql_options, **context_options}, self.pin, scope)

    def execute(
        self, query: Any, named_cursor: bool = False, array_size: int | None = None, **context_options: Any
    ) -> Any:
        sql, params = self.get_sql_context(**context_options).sql(query).query()
        if named_cursor or (self._server_side_cursors and isinstance(query, SelectBase)):
            return FetchManyCursor(self._execute_cursor(sql, params, named_cursor=True), array_size)
        marks = may_leave_traces(sql, params) or isinstance(query, RawQuery)
        return self._observed(sql, params, self._run, marks)

    def fetch(self, sql: str, params: Any, *, marks: bool) -> Rows:
        """Run a query that was built, and is no raw SQL. With *marks* it may leave something on its connection."""
        return cast(Rows, self._observed(sql, params, self._run, marks))

    def open_cursor(self, sql: str, params: Any, *, marks: bool) -> ServerCursor:
        """Open a cursor in the server for a query that was built."""

        def declare(sql: Any, params: Any, marks: bool) -> ServerCursor:
            self._open()
            return ServerCursor(self.wire, sql, params or (), marks=marks)

        return cast(ServerCursor, self._observed(sql, params, declare, marks))

    def execute_sql(self, sql: str | bytes | Composable, params: Any = None, named_cursor: Any = None) -> Any:
        """Run raw SQL of this schema.

        Raises:
            SessionRequired: it would stay on a connection that other tenants use.
        """
        return self._execute_cursor(sql, params, named_cursor=named_cursor)

    def _execute_cursor(self, sql: Any, params: Any, named_cursor: Any = None, **_: Any) -> Any:
        return self._observed(sql, params, self._run_raw, bool(named_cursor))

    def _observed(self, sql: Any, params: Any, run: Callable[[Any, Any, bool], Any], option: bool) -> Any:
        """Run a statement as peewee does: logged, told to the hooks as the user wrote it, its errors peewee's."""
        self._log_query(sql, params)
        begun = time.perf_counter() if self.query_hooks else None
        try:
            with __exception_wrapper__:
                cursor = run(sql, params, option)
        except Exception as error:
            if begun is not None:
                self._notify_hooks(sql, params, begun, error)
            if self._on_error is not None and isinstance(error, ServerError):
                self._on_error(error)
            raise
        if begun is not None:
            self._notify_hooks(sql, params, begun, None)
        return cursor

    def _run(self, sql: str, params: Any, marks: bool) -> Rows:
        if self._state.closed:
            self._open()
        return self.wire.run(sql, params or (), marks=marks)

    def _run_raw(self, sql: Any, params: Any, named: bool = False, *, literal: bool = False) -> Any:
        text = self._raw_text(sql)  # Before a connection is opened: what is refused sends nothing.
        self._open()
        if literal:  # A driver's cursor that is given no values takes the text as it is.
            text = text.replace("%", "%%")
        if not named:
            return self._run(text, params, raw_may_leave_traces(text, params))
        return ServerCursor(self.wire, text, params or (), marks=True)

    def _copy(self, sql: Any, file: Any, size: int) -> Rows:
        text = self._raw_text(sql)
        self._open()

        # copy_expert() takes the text as it is, without the driver's doubling of %.
        def send(cursor: Any, head: str) -> None:
            cursor.copy_expert(head.replace("%%", "%") + text, file, size)

        return self.wire.run(text, marks=True, send=send)

    def _raw_text(self, sql: Any) -> str:
        if isinstance(sql, Composable):
            with self._borrowed() as connection:
                sql = sql.as_string(connection)
        text: str = sql.decode() if isinstance(sql, bytes) else sql
        if not text.strip():
            # The driver would see the prefix, and send it.
            raise psycopg2.ProgrammingError("can't execute an empty query")
        lease = lease_of(self.wire.key)
        if lease is None or not lease.session:
            refuse(text, in_transaction=lease is not None)
            if self.pool.pooled:
                refuse_hidden_end(text)
        return text

    @contextlib.contextmanager
    def _borrowed(self) -> Iterator[Connection]:
        lease = lease_of(self.wire.key)
        if lease is not None and lease.connection is not None:
            yield lease.connection
            return
        connection = self.wire.take()
        try:
            yield connection
        finally:
            self.pool.give(connection)

    def _open(self) -> None:
        state = self._state
        if state.closed:
            if not self.autoconnect:
                raise InterfaceError("Error, database connection not opened.")
            self._connect()
            state.closed = False  # Not by connect(), which would forget the blocks that have been entered.

    # Transactions.

    def begin(self, isolation_level: Any = None) -> None:
        """Begin a transaction with the next statement: BEGIN travels with it, and an empty block sends nothing."""
        self._open()
        level = isolation_level or self._isolation_level
        self.wire.begin(self._level_name(level) if level else None)

    def commit(self) -> None:
        self._end("COMMIT")

    def rollback(self) -> None:
        self._end("ROLLBACK")

    def savepoint(self, *args: Any) -> Any:
        return Savepoint(self, *args)

    def transaction(self, *args: Any, **kwargs: Any) -> Any:
        return Transaction(self, *args, **kwargs)

    def _level_name(self, level: Any) -> str:
        levels = self._adapter.isolation_levels
        name: str = levels.get(level, level)
        if name not in levels.values():  # BEGIN waits, so the server would complain at some later statement.
            raise ValueError(f"{level!r} is not an isolation level: it is one of {', '.join(sorted(levels.values()))}")
        return name

    def _end(self, verb: str) -> None:
        if self._state.closed:
            raise InterfaceError(f"Cannot {verb.lower()}, database connection not open.")
        self._control(self.wire.end, verb)

    def _control(self, verb: Callable[[str], None], argument: str) -> None:
        with __exception_wrapper__:
            verb(argument)


def _qualifier(schema: SchemaName) -> str:
    return quoted(schema).replace("%", "%%")


class TenantDatabase(SchemaDatabase):
    """The database of a tenant."""

    def __init__(self, pool: Pool, tenant: Tenant, **options: Any) -> None:
        super().__init__(pool, tenant.schema, **options)
        self.tenant = tenant
        self.pin = Pin(pool.family, tenant.id, tenant.epoch)


class SharedDatabase(SchemaDatabase):
    """The database of the shared schema, for work that belongs to no tenant."""
