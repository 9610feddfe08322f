"""What the typed builder costs beside psycopg2 with the same SQL, and beside plain peewee with the same query."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import psycopg2

from benchmarks.pinning import Pinning
from benchmarks.report import Cell, Table
from benchmarks.rounds import Operation, Rounds, measure
from benchmarks.server import Server
from benchmarks.shop import ROWS
from benchmarks.ways import TENANT_SHOP, Ways, open_ways
from tenantry import Statement, Tenant, compiled, with_shared
from tenantry.naming import quoted

PSYCOPG2, AGAIN, PLAIN, BUILT, COMPILED = "psycopg2", "psycopg2 again", "plain peewee", "built each time", "compiled"
ONE, MANY, DATACLASS = "one row", f"{ROWS} rows as tuples", f"{ROWS} rows into a dataclass"
TO_PSYCOPG2 = {ONE: 1.2, MANY: 1.15, DATACLASS: 1.5}
TO_PLAIN = 1.0

_COLUMNS = (
    "query",
    "psycopg2 µs",
    "psycopg2 again",
    "compiled / psycopg2",
    "plain peewee / psycopg2",
    "built / plain peewee",
)
_SQL = (
    "SELECT t1.id, t2.name, t1.note, t1.total FROM {0}.invoice AS t1 LEFT OUTER JOIN {0}.customer AS t2 "
    "ON (t1.customer_id = t2.id) WHERE (t1.id <= %s) LIMIT %s"
)

Invoice, Customer = TENANT_SHOP.invoice, TENANT_SHOP.customer


@dataclass(frozen=True, slots=True)
class Line:
    """What a row is put into."""

    id: int
    name: str | None
    note: str | None
    total: Decimal


def query(last: int, most: int) -> Any:
    """Build the query: invoices with their customers, if they have one."""
    joined: Any = with_shared(Invoice).left_join(Customer, on=Invoice.customer == Customer.id)
    selected = joined.where(Invoice.id <= last).limit(most)
    return selected.select(Invoice.id, Customer.name, Invoice.note, Invoice.total)


@compiled
def rows(last: int, most: int) -> Statement[tuple[int, str | None, str | None, Decimal]]:
    return query(last, most)  # type: ignore[no-any-return]


@compiled
def lines(last: int, most: int) -> Statement[Line]:
    return query(last, most).into(Line)  # type: ignore[no-any-return]


def query_tables(server: Server, tenant: Tenant, rounds: Rounds, pinning: Pinning) -> Iterator[Table]:
    """Measure queries that join two tables."""
    with (
        open_ways(server.parameters(), tenant) as ways,
        contextlib.closing(psycopg2.connect(**server.parameters())) as bare,
        pinning.client(),
        ways.engine.use(tenant.id),
    ):
        bare.autocommit = True
        rows.execute(1, 1)
        pinning.backends()
        several = {ONE: (1, rows, False), MANY: (ROWS, rows, False), DATACLASS: (ROWS, lines, True)}
        measured = [_row(ways, bare, tenant, rounds, name, *each) for name, each in several.items()]
    notes = (
        f"Medians of {rounds}. Every way runs the same SQL: two tables, an outer join, four columns.",
        "compiled: rendered once. built: built and rendered at each call, as plain peewee does.",
    )
    yield Table("The typed builder", _COLUMNS, measured, notes)


def _row(
    ways: Ways,
    bare: psycopg2.extensions.connection,
    tenant: Tenant,
    rounds: Rounds,
    name: str,
    most: int,
    run: Any,
    into: bool,
) -> tuple[Cell, ...]:
    sql = _SQL.format(quoted(tenant.schema))

    def by_hand() -> None:
        cursor = bare.cursor()
        cursor.execute(sql, (most, most))
        cursor.fetchall()

    def built() -> None:
        built = query(most, most)
        (built.into(Line) if into else built).execute()

    operations: dict[str, Operation] = {
        PSYCOPG2: by_hand,
        AGAIN: by_hand,
        PLAIN: _plain(ways, most, into=into),
        BUILT: built,
        COMPILED: lambda: run.execute(most, most),
    }
    measured = measure(operations, rounds)
    return (
        name,
        measured.microseconds(PSYCOPG2),
        measured.ratio(AGAIN, PSYCOPG2),
        measured.ratio(COMPILED, PSYCOPG2, goal=TO_PSYCOPG2[name]),
        measured.ratio(PLAIN, PSYCOPG2),
        measured.ratio(BUILT, PLAIN, goal=TO_PLAIN),
    )


def _plain(ways: Ways, most: int, *, into: bool) -> Operation:
    invoice, customer = ways.plain_shop.invoice, ways.plain_shop.customer

    def run() -> None:
        found = (
            invoice.select(invoice.id, customer.name, invoice.note, invoice.total)
            .left_outer_join(customer)
            .where(invoice.id <= most)
            .limit(most)
        )
        list(found.objects(Line) if into else found.tuples())

    return run
