"""One query over many tenants, in as few statements as the server's locks allow."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import peewee

from tenantry.app.engine import Tenantry
from tenantry.catalog import State, Tenant, admit
from tenantry.context import Owner, Pin, bound, lease_of
from tenantry.databases import SchemaDatabase
from tenantry.errors import InvalidQuery, SchemaIsShared, TenantBehind, TenantBound, TransactionElsewhere
from tenantry.naming import SchemaName, TenantId
from tenantry.query import Statement
from tenantry.query.combining import Carried, Combined
from tenantry.query.rows import Row, Shape
from tenantry.query.statement import Stream, check_chunk
from tenantry.query.union import Union, checked, shape_of

Row_co = TypeVar("Row_co", covariant=True)
Value = TypeVar("Value")
_to_peewee = peewee.__exception_wrapper__  # type: ignore[attr-defined]  # not in peewee's stubs

# Planning a union takes longer than its branches do, and from about 100 on its cost makes the server compile it, which
# takes longer still. Below 20 the messages are felt. Measured with 1,000 tenants: 10 to 75 are equally quick.
MOST_TENANTS = 50
SHARE_OF_LOCKS = 16  # One statement takes a sixteenth of the table of locks at most: all sessions share it.
_SAMPLE = 20  # Tenants whose tables are counted.

_MISSING = ("42P01", "42703", "3F000")  # undefined_table, undefined_column, invalid_schema_name
_GROUPING = "42803"  # grouping_error
# A statement locks each table that it reads, with its partitions, and the indexes of each.
_LOCKS = """
    WITH RECURSIVE tables AS (
        SELECT c.oid, c.relnamespace AS place FROM pg_catalog.pg_class AS c
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = ANY (%s) AND c.relname = ANY (%s)
        UNION SELECT i.inhrelid, t.place FROM tables AS t JOIN pg_catalog.pg_inherits AS i ON i.inhparent = t.oid
    ), counted AS (
        SELECT count(DISTINCT t.oid) + count(x.indexrelid) AS locks FROM tables AS t
        LEFT JOIN pg_catalog.pg_index AS x ON x.indrelid = t.oid GROUP BY t.place
    )
    SELECT pg_catalog.current_setting('max_locks_per_transaction')::int * (
        pg_catalog.current_setting('max_connections')::int
        + pg_catalog.current_setting('max_prepared_transactions')::int
    ), COALESCE((SELECT max(locks) FROM counted), 1)
"""


def across(
    tenants: Tenantry,
    query: Statement[Row_co],
    *,
    among: Iterable[str | Tenant] | None = None,
    batch: int | None = None,
) -> Across[Row_co]:
    """Ask many tenants one *query*: all active ones, or those *among*. A row comes with the id of its tenant.

    The tenants of a statement are so many that their locks fit the server, or *batch*; each statement is a snapshot.

    Raises:
        InvalidQuery: *query* is none that reads tenants' tables; or *batch* is no number of tenants.

    >>> for tenant, invoice in across(tenants, with_shared(Invoice).where(Invoice.total > 100)):  # doctest: +SKIP
    ...     print(tenant, invoice.total)
    """
    if not isinstance(tenants, Tenantry):
        raise TypeError(f"across() takes the engine, Tenantry(), and was given {tenants!r}")
    if isinstance(among, str):  # Which is an iterable too, of letters.
        raise TypeError(f"several tenants are named by a list: across(tenants, query, among=[{among!r}])")
    if batch is not None and (isinstance(batch, bool) or not isinstance(batch, int) or batch < 1):
        raise InvalidQuery(f"batch takes a number of tenants, and was given {batch!r}")
    return Across(tenants, checked(query), None if among is None else [*among], batch)


class Across(Generic[Row_co]):
    """A query over many tenants, which is run freshly each time. It is refused where a tenant is bound.

    Each of its methods that run it raises:
        TenantBound: a tenant is bound here; nothing was sent.
        WrongTenant: the query, or something in it, belongs to a tenant.
        InvalidQuery: it reads shared tables alone, or locks rows.
        UnknownTenant, TenantSuspended, ...: what the catalog says of a tenant *among* them.
        TenantBehind: a tenant has not the table or the column that it reads.
        TransactionOpen: a transaction of a tenant is open here.
    """

    __slots__ = ("_among", "_batch", "_engine", "_query")

    def __init__(
        self,
        tenants: Tenantry,
        query: Statement[Row_co],
        among: Sequence[str | Tenant] | None,
        batch: int | None,
    ) -> None:
        self._engine, self._query, self._among, self._batch = tenants, query, among, batch

    def execute(self) -> list[tuple[TenantId, Row_co]]:
        """Run it, and return its rows, each with the id of its tenant: tenant by tenant, in the query's order."""
        return self._all(shape_of(self._query))

    def __iter__(self) -> Iterator[tuple[TenantId, Row_co]]:
        return iter(self.execute())

    def dicts(self) -> list[tuple[TenantId, dict[str, Any]]]:
        """Run it, and return each row as a dict by the names of its columns.

        Raises:
            InvalidQuery: two of them have the same name.
        """
        shape = shape_of(self._query)
        names = shape.keys()
        return [(tenant, dict(zip(names, row, strict=True))) for tenant, row in self._all(Shape(shape.columns))]

    @contextmanager
    def stream(self, chunk: int = 2_000) -> Iterator[Iterator[tuple[TenantId, Row_co]]]:
        """Give the rows in a block, *chunk* at a time, from a cursor in the server for each batch of tenants.

        >>> with across(tenants, query).stream() as rows:  # doctest: +SKIP
        ...     for tenant, row in rows:
        ...         ...
        """
        check_chunk(chunk)
        run, union = self._begin()
        rows = _Stream(run, union, chunk)
        try:
            yield rows
        finally:
            rows.end()

    def combined(self) -> list[Row_co]:
        """Run it, and return its groups as if all the tenants' tables were one: the server adds up their aggregates.

        Raises:
            InvalidQuery: it has what cannot be combined: other aggregates than count, sum, avg, min, max, bool_and and
                bool_or, or an order or a limit, which each tenant would apply to its own rows.
        """
        database = self._database()
        plan = Combined(self._query, database.pin.place, engine=self._engine)
        run = _Run(self._engine, database, self._chosen(), plan.union, self._batch)
        try:
            rows = _combine(run, plan)
        except peewee.ProgrammingError as error:
            raise (plan.refusal(_first_line(error)) if _code(error) == _GROUPING else error) from error
        return plan.shape.maker(database.pin)(plan.rows(rows))

    def sql(self) -> list[tuple[str, list[Any]]]:
        """Return the statements that :meth:`execute` would send, each with its values. The server is asked how many."""
        run, union = self._begin()
        return [union.statement(_schemas(batch)) for batch in run.batches()]

    def _all(self, shape: Shape) -> list[Any]:
        run, union = self._begin()
        marks, found = union.text.marks(), []

        def send(batch: list[Tenant]) -> list[Any]:
            rows = run.database.fetch(*union.statement(_schemas(batch)), marks=marks).fetchall() if batch else []
            return run.attributed(batch, rows, shape)

        for batch in run.batches():
            found += run.sent(batch, send)
        return found

    def _begin(self) -> tuple[_Run, Union[Row_co]]:
        database = self._database()
        union = Union(self._query, database.pin.place, engine=self._engine)
        return _Run(self._engine, database, self._chosen(), union, self._batch), union

    def _database(self) -> SchemaDatabase:
        """Return the database over which it runs: nobody's, as the role that has the tables of all tenants."""
        refuse_in_tenant()
        database = self._engine.parts.shared_as_owner
        if bound() is None:
            self._engine._refuse_beside_transaction("many tenants", own=database.wire.key)
        return database

    def _chosen(self) -> list[Tenant]:
        parts = self._engine.parts
        if self._among is None:
            chosen = [tenant for tenant in self._engine if tenant.state is State.ACTIVE]
        else:
            ids = dict.fromkeys(each.id if isinstance(each, Tenant) else each for each in self._among)
            chosen = [admit(parts.catalog, each) for each in ids]
        for tenant in chosen:
            if tenant.schema in parts.common:
                raise SchemaIsShared(tenant=tenant.id, schema=tenant.schema, by=parts.common[tenant.schema])
        return chosen


class _Run:
    """One run over the tenants that were *chosen* at its beginning."""

    def __init__(
        self, engine: Tenantry, database: SchemaDatabase, chosen: list[Tenant], union: Union[Any], batch: int | None
    ) -> None:
        self._engine, self.database, self._chosen = engine, database, chosen
        self._union, self._batch = union, batch

    def batches(self) -> list[list[Tenant]]:
        """Divide the tenants among statements."""
        size = self._batch or self._fitting()
        return [self._chosen[at : at + size] for at in range(0, len(self._chosen), size)]

    def sent(self, batch: list[Tenant], send: Callable[[list[Tenant]], Value]) -> Value:
        """Return what *send* gives for a batch; where a tenant has gone meanwhile, once more for those that are left.

        Raises:
            TenantBehind: one is there, and has not what the query reads.
        """
        try:
            return self._attempt(batch, send)
        except peewee.ProgrammingError as error:
            if _code(error) not in _MISSING:
                raise
            left, failed = self._left(batch), error
        if len(left) < len(batch):
            try:
                return self._attempt(left, send)
            except peewee.ProgrammingError as error:
                if _code(error) not in _MISSING:
                    raise
                failed = error
        raise self._blamed(left, failed) from failed

    def attributed(self, batch: list[Tenant], rows: list[Row], shape: Shape) -> list[Any]:
        """Return what is made of *rows* of a batch, each with its tenant's id, tenant by tenant."""
        whose, found = operator.itemgetter(0), []
        for_all = shape.maker_for_all()
        # Workers of the server may bring the tenants in any order; a tenant's own rows come in theirs.
        for number, own in itertools.groupby(sorted(rows, key=whose), key=whose):
            tenant = batch[number]
            make = for_all or shape.maker(Pin(self.database.pin.place, tenant.id, tenant.epoch))
            found += [(tenant.id, row) for row in make([row[1:] for row in own])]
        return found

    def _fitting(self) -> int:
        """Ask how many tenants a statement may read."""
        if len(self._chosen) < 2:
            return 1
        step = -(-len(self._chosen) // _SAMPLE)
        with _to_peewee:
            ((capacity, locks),) = self.database.wire.ask(_LOCKS, _schemas(self._chosen[::step]), self._union.tables)
        fitting: int = capacity // SHARE_OF_LOCKS // locks
        return max(1, min(MOST_TENANTS, fitting))

    def _attempt(self, batch: list[Tenant], send: Callable[[list[Tenant]], Value]) -> Value:
        lease = lease_of(self.database.wire.key)
        if lease is None or lease.session:
            return send(batch)
        with self.database.savepoint():  # What fails must not take along the transaction that it is part of.
            return send(batch)

    def _left(self, batch: list[Tenant]) -> list[Tenant]:
        """Return those of a batch that the catalog has still, in the same life."""
        now = {tenant.id: tenant for tenant in self._engine}
        return [each for each in batch if (known := now.get(each.id)) is not None and _is_still(each, known)]

    def _blamed(self, batch: list[Tenant], error: Exception) -> Exception:
        """Find the tenant of a batch at which the server fails, by halves, and return what is to be raised."""
        while len(batch) > 1:
            half = batch[: len(batch) // 2]
            batch = half if self._fails(half) is not None else batch[len(half) :]
        found = self._fails(batch) if batch else None
        return error if found is None else TenantBehind(batch[0].id, reason=_first_line(found))

    def _fails(self, batch: list[Tenant]) -> Exception | None:
        sql, values = self._union.statement(_schemas(batch))

        def explain(_: object) -> None:
            self.database.fetch(f"EXPLAIN {sql}", values, marks=False)

        try:
            self._attempt(batch, explain)
        except peewee.ProgrammingError as error:
            return error if _code(error) in _MISSING else None
        return None


class _Stream(Stream):
    """The rows of a stream, batch after batch."""

    def __init__(self, run: _Run, union: Union[Any], chunk: int) -> None:
        super().__init__(chunk)
        self._run, self._union, self._marks = run, union, union.text.marks()
        self._batches = iter(run.batches())
        self._owner = Owner()
        self._batch: list[Tenant] = []
        self._cursor: Any = None

    def __next__(self) -> Any:
        refuse_in_tenant()  # At each row, for others' come next.
        while True:
            for row in self._piece:
                return row
            if self._cursor is None:
                self._begin()
            self._fetch()

    def close(self) -> None:
        """Close the cursor that is open."""
        if self._cursor is not None:
            cursor, self._cursor = self._cursor, None
            cursor.close()

    def _begin(self) -> None:
        """Begin the next batch: where the stream was begun, for a cursor of another thread would not be the block's."""
        if not self._owner.is_here():
            raise TransactionElsewhere(schema=self._run.database.wire.schema, owner=str(self._owner))
        batch = next(self._batches)
        try:
            self._batch, self._cursor = self._run.sent(batch, self._open)
        except BaseException:
            self._batches = itertools.chain([batch], self._batches)  # Who asks again must not get the next tenant's.
            raise

    def _open(self, batch: list[Tenant]) -> tuple[list[Tenant], Any]:
        if not batch:
            return batch, None
        sql, values = self._union.statement(_schemas(batch))
        return batch, self._run.database.open_cursor(sql, values, marks=self._marks)

    def _fetch(self) -> None:
        if self._cursor is not None and self._take(self._cursor, self._attributed):
            self.close()

    def _attributed(self, rows: list[Row]) -> list[Any]:
        return self._run.attributed(self._batch, rows, self._union.shape)


def refuse_in_tenant() -> None:
    """Refuse to read many tenants where one is bound.

    Raises:
        TenantBound: one is.
    """
    here = bound()
    if here is not None and here.tenant is not None:
        raise TenantBound(here.tenant.id)


def _combine(run: _Run, plan: Combined) -> list[Row]:
    """Run *plan*: each statement takes what the earlier ones have combined, so that the server adds up all of it."""
    carried: Carried = []
    marks = plan.union.text.marks()

    def fetch(statement: tuple[str, list[Any]]) -> list[Row]:
        return run.database.fetch(*statement, marks=marks).fetchall()

    def carry(batch: list[Tenant]) -> Carried:
        return fetch(plan.carrying(_schemas(batch), carried)) if batch else carried

    def end(batch: list[Tenant]) -> list[Row]:
        return fetch(plan.ending(_schemas(batch), carried)) if batch or carried else plan.of_none()

    *earlier, last = run.batches() or [[]]
    for batch in earlier:
        carried = run.sent(batch, carry)
    return run.sent(last, end)


def _schemas(batch: list[Tenant]) -> list[SchemaName]:
    return [tenant.schema for tenant in batch]


def _is_still(tenant: Tenant, known: Tenant) -> bool:
    return known.epoch == tenant.epoch and known.state in (State.ACTIVE, State.SUSPENDED)


def _code(error: peewee.PeeweeException) -> str | None:
    return getattr(getattr(error, "orig", None), "pgcode", None)


def _first_line(error: Exception) -> str:
    return str(error.args[0]).strip().partition("\n")[0]
