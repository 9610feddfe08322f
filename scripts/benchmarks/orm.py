"""What a statement of a tenant costs beside the same one of plain peewee, and beside bare psycopg2."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg2

from benchmarks.pinning import Pinning
from benchmarks.report import Cell, Table
from benchmarks.rounds import Operation, Rounds, measure
from benchmarks.server import Server
from benchmarks.ways import INSERT, MODELS, NESTED, PLAIN, POOL, READ, TENANTRY, TRANSACTION, TUPLES, Ways, open_ways
from tenantry import Tenant
from tenantry.naming import quoted

AGAIN = "plain again"
PSYCOPG2 = "psycopg2"
WHOLE_REQUEST = "use(), one-row read, leave"

TO_PLAIN = {READ: 1.05, INSERT: 1.05, TRANSACTION: 0.85, NESTED: 0.85, MODELS: 1.02, TUPLES: 1.02}
TO_POOL = {READ: 0.85, INSERT: 0.85}
RAW = 1.25

_NAMES = ("plain µs", "plain again / plain", "pool / plain", "tenantry / plain", "tenantry / pool")


def orm_tables(server: Server, tenant: Tenant, rounds: Rounds, pinning: Pinning) -> Iterator[Table]:
    """Measure the ORM, then raw SQL."""
    with open_ways(server.parameters(), tenant) as ways, contextlib.closing(_bare(server)) as bare, pinning.client():
        _connect_all(ways)
        pinning.backends()
        yield _orm(ways, rounds, pinning)
        yield _raw(ways, bare, rounds)


def _connect_all(ways: Ways) -> None:
    ways.pool[READ]()
    ways.whole_request()


def _orm(ways: Ways, rounds: Rounds, pinning: Pinning) -> Table:
    with ways.engine.use(ways.tenant.id):
        rows = [_row(name, ways.plain[name], ways.pool[name], ways.tenantry[name], rounds) for name in TO_PLAIN]
    rows.append(_row(WHOLE_REQUEST, ways.plain[READ], ways.pool[READ], ways.whole_request, rounds))
    notes = (
        f"Ratios of times: less is faster. Medians of {rounds}, ± half of what the middle half of the rounds spans.",
        f"What is smaller than the ± of plain again is noise. Pinning: {pinning.said}.",
        "plain: PostgresqlDatabase on one open connection; pool: PooledPostgresqlDatabase, connection_context() each;",
        "tenantry: inside one tenants.use(), but for the last row.",
    )
    return Table("The ORM through a tenant", ("operation", *_NAMES), rows, notes)


def _row(name: str, plain: Operation, pool: Operation, tenantry: Operation, rounds: Rounds) -> tuple[Cell, ...]:
    measured = measure({PLAIN: plain, POOL: pool, TENANTRY: tenantry, AGAIN: plain}, rounds)
    return (
        name,
        measured.microseconds(PLAIN),
        measured.ratio(AGAIN, PLAIN),
        measured.ratio(POOL, PLAIN),
        measured.ratio(TENANTRY, PLAIN, goal=TO_PLAIN.get(name)),
        measured.ratio(TENANTRY, POOL, goal=TO_POOL.get(name)),
    )


def _bare(server: Server) -> psycopg2.extensions.connection:
    connection: psycopg2.extensions.connection = psycopg2.connect(**server.parameters())
    connection.autocommit = True
    return connection


def _raw(ways: Ways, bare: psycopg2.extensions.connection, rounds: Rounds) -> Table:
    sql = "SELECT id, name FROM {}customer WHERE id = %s"
    qualified, unqualified = sql.format(f"{quoted(ways.tenant.schema)}."), sql.format("")

    def by_hand() -> None:
        cursor = bare.cursor()
        cursor.execute(qualified, (1,))
        cursor.fetchone()

    def through_plain() -> None:
        ways.database.execute_sql(unqualified, (1,)).fetchone()

    def through_tenant() -> None:
        ways.engine.database.execute_sql(unqualified, (1,)).fetchone()

    with ways.engine.use(ways.tenant.id):
        measured = measure({PSYCOPG2: by_hand, PLAIN: through_plain, TENANTRY: through_tenant, AGAIN: by_hand}, rounds)
    row = (
        "execute_sql(), one row",
        measured.microseconds(PSYCOPG2),
        measured.ratio(AGAIN, PSYCOPG2),
        measured.ratio(PLAIN, PSYCOPG2),
        measured.ratio(TENANTRY, PSYCOPG2, goal=RAW),
    )
    columns = (
        "operation",
        "psycopg2 µs",
        "psycopg2 again / psycopg2",
        "plain peewee / psycopg2",
        "tenantry / psycopg2",
    )
    return Table(
        "Raw SQL through a tenant",
        columns,
        [row],
        ("psycopg2: by hand, one open connection, names with their schema.",),
    )
