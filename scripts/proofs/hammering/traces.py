"""What borrowers leave on a connection, and whether the next one meets it."""

from __future__ import annotations

from hammering.worker import OF_DRIVER, Worker, operation
from hammering.world import OTHER_ROLE, TENANTS

# All that a statement can see of an earlier borrower, beside the path.
TRACES = """
SELECT current_setting('search_path') AS path, current_user::text <> session_user::text AS role,
    current_setting('statement_timeout') <> '0' AS timeout,
    coalesce(current_setting('hammer.left', true), '') <> '' AS setting,
    (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) AS advisory_locks,
    (SELECT count(*) FROM pg_prepared_statements) AS prepared,
    (SELECT count(*) FROM pg_cursors WHERE name <> '') AS cursors,
    (SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema()) AS temporary_tables,
    (SELECT count(*) FROM pg_listening_channels()) AS channels
"""


def path_of(tenant: str) -> str:
    return f"t_{tenant}, pg_catalog, pg_temp"


def faults_of(description: list[tuple[object, ...]], row: tuple[object, ...], path: str) -> list[str]:
    """Say what a row of TRACES shows of an earlier borrower."""
    names = [str(column[0]) for column in description]
    found = dict(zip(names, row, strict=True))
    shown = str(found.pop("path"))
    faults = [] if shown.replace('"', "") == path else [f"search_path is {shown!r}"]
    return faults + [f"{name}: {value}" for name, value in found.items() if value]


@operation(14)
async def look_for_traces(w: Worker, tenant: str) -> None:
    if w.random.random() < 0.5:
        rows = w.db.execute_sql(TRACES)
    else:
        with w.db.atomic():
            rows = w.db.execute_sql(TRACES)
    faults = faults_of(rows.description, rows.fetchone(), path_of(tenant))
    w.must(not faults, f"{tenant} meets what another borrower has left: {faults}")


@operation(4)
async def leave_path(w: Worker, tenant: str) -> None:
    """A foreign path, and a setting that has to do with it."""
    path = w.random.choice((f"t_{w.random.choice(TENANTS)}", "public", "pg_temp"))
    w.db.execute_sql(f"SELECT set_config('search_path', '{path}', false), set_config('hammer.left', '{tenant}', false)")
    await w.pause()


@operation(2)
async def leave_path_in_transaction(w: Worker, tenant: str) -> None:
    """The same inside a transaction, where each further statement must find its tenant again."""
    with w.transaction(tenant) as changes:
        for _ in range(2):
            w.db.execute_sql(f"SELECT set_config('search_path', 't_{w.random.choice(TENANTS)}', false)")
            await w.pause()
            w.insert(tenant, changes)
            w.look(tenant, changes)


@operation(2)
async def leave_advisory_lock(w: Worker, tenant: str) -> None:
    w.db.execute_sql("SELECT pg_advisory_lock(%s, %s)", (w.number, w.random.randrange(1000)))


@operation(2)
async def leave_channel(w: Worker, tenant: str) -> None:
    w.db.execute_sql("SELECT 1; LISTEN hammer")
    await w.pause()
    w.db.execute_sql("SELECT pg_notify('hammer', %s)", (tenant,))


_HIDDEN = (
    "SELECT 1; PREPARE p{number} AS SELECT value FROM note",
    "DO $$ BEGIN EXECUTE 'SET ROLE " + OTHER_ROLE + "'; END $$",
    "SELECT set_config('statement_timeout', '30000', false)",
)


@operation(6)
async def leave_what_is_hidden(w: Worker, tenant: str) -> None:
    """What would be refused where it stands for itself: behind another statement, or in a function or a DO block."""
    sql = w.random.choice(_HIDDEN).format(number=w.number)
    w.step(sql)
    w.db.execute_sql(sql)


@operation(4)
async def leave_temporary_table(w: Worker, tenant: str) -> None:
    """A temporary `note` must not stand before the tenant's, and no temporary table may be found by the next."""
    with w.transaction(tenant) as changes:
        w.db.execute_sql("CREATE TEMP TABLE note (id serial, worker int, value text)")
        w.db.execute_sql("CREATE TEMP TABLE scratch (value text)")
        await w.pause()
        w.db.execute_sql("INSERT INTO pg_temp.note (worker, value) VALUES (%s, 'temp:note')", (w.number,))
        w.insert(tenant, changes)
        w.look(tenant, changes)
    w.look(tenant)


@operation(4)
async def find_temporary_table(w: Worker, tenant: str) -> None:
    with w.refused("ProgrammingError 42P01"):
        w.db.execute_sql("SELECT value FROM scratch")


_IN_SESSION = (
    "SET search_path TO {other}",
    "SET ROLE " + OTHER_ROLE,
    "PREPARE q AS SELECT 1",
    "LISTEN hammer",
    "SELECT pg_advisory_lock(100, {number})",
    "CREATE TEMP TABLE scratch (value text)",
    "DECLARE held CURSOR WITH HOLD FOR SELECT 1",
)


@operation(6, may=OF_DRIVER)
async def session(w: Worker, tenant: str) -> None:
    """A connection of one's own, on which all that is refused elsewhere may be left."""
    other = f"t_{w.random.choice(TENANTS)}"
    with w.db.session() as connection:
        w.must(connection.autocommit, f"{tenant} gets a connection on which another has switched autocommit off")
        w.must(not connection.notifies, f"{tenant} reads what another was notified of: {connection.notifies}")
        with w.alone(tenant) as changes:
            w.insert(tenant, changes)
        if w.random.random() < 0.5:
            with w.transaction(tenant) as changes:
                w.insert(tenant, changes)
                await w.pause()
                w.replace(tenant, changes)
        w.look(tenant)
        for sql in w.random.sample(_IN_SESSION, 3):
            w.db.execute_sql(sql.format(other=other, number=w.number))
        if w.random.random() < 0.3:
            connection.autocommit = False  # As some libraries leave it, with a transaction open.
            connection.cursor().execute("SELECT 1")
        await w.pause()
    w.look(tenant)
