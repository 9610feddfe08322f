"""The world of an example: two processes' engines over a few tenants, what must be in every table, and the independent
truth about it.

Every value says whose it is: `acme.0:1:17` is the seventeenth that actor 1 has written for acme in its first life. So
whatever is read proves by itself where it comes from.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import peewee
import psycopg2

from tenantry import SharedModel, TenantModel, Tenantry

TENANTS = ("acme", "globex", "initech")
PREFIX = "i_"
COMMONS = "i_commons"  # The schema of the shared tables.
BYSTANDER = "i_bystander"  # Nobody's: it has the tables of a tenant, and so has public. Both are bait.
_BAITS = ("public", BYSTANDER)
POOL_SIZE = 5
SHARED = "shared"  # In place of a tenant's life.

_TABLES = """
    CREATE TABLE {0}author (id serial PRIMARY KEY, value text NOT NULL UNIQUE);
    CREATE TABLE {0}note (
        id serial PRIMARY KEY, value text NOT NULL UNIQUE, author_id int REFERENCES {0}author,
        plan_id int REFERENCES i_commons.plan
    );
"""
_COMMONS = """
    CREATE TABLE i_commons.plan (id serial PRIMARY KEY, value text NOT NULL UNIQUE);
    CREATE FUNCTION i_commons.leave_path(path text) RETURNS int LANGUAGE plpgsql AS
    $$BEGIN PERFORM pg_catalog.set_config('search_path', path, false); RETURN 1; END$$;
"""

tally: Counter[str] = Counter()  # What this process has done, over all examples.


class Plan(SharedModel):
    value = peewee.TextField(unique=True)

    class Meta:
        schema = COMMONS


class Author(TenantModel):
    value = peewee.TextField(unique=True)


class Note(TenantModel):
    value = peewee.TextField(unique=True)
    author = peewee.ForeignKeyField(Author, null=True, backref="notes")
    plan = peewee.ForeignKeyField(Plan, null=True)


class Bait(TenantModel):
    """A table that no tenant has, and public does."""

    value = peewee.TextField()


MODELS = {"plan": Plan, "author": Author, "note": Note}


class Key(NamedTuple):
    """A row: whose, in which table, under which number. Tenants have the same numbers, so a leak hits something."""

    place: str
    table: str
    id: int


Rows = dict[Key, str]


def end_transactions(ask: Any) -> None:
    """End what an example that failed has left open: others would wait for its locks."""
    ask(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_catalog.pg_stat_activity WHERE usename = 'tenantry_test' "
        "AND state <> 'idle'"
    )


def clear(ask: Any) -> None:
    """Take everything of a world away."""
    end_transactions(ask)
    schemas = (*(f"{PREFIX}{tenant}" for tenant in TENANTS), COMMONS, BYSTANDER, "tenantry")
    ask(
        "SET client_min_messages TO warning;"
        + "".join(f"DROP SCHEMA IF EXISTS {schema} CASCADE;" for schema in schemas)
        + "".join(f"DROP TABLE IF EXISTS public.{table} CASCADE;" for table in ("note", "author", "bait"))
    )


class World:
    """Two engines over tenants without rows, and the rows that have been committed."""

    def __init__(self, url: str, ask: Any, folder: Path, **options: Any) -> None:
        self.ask = ask  # Runs SQL as the superuser, on a connection of its own. Names are qualified.
        self.folder = folder
        self.committed: Rows = {}
        self.lives = Counter[str]()
        self.living: dict[str, str] = {}  # By tenant, its place: `acme.0`.
        self.suspended: set[str] = set()
        self.numbers = itertools.count(1)  # No value is written twice.
        self.extra: dict[str, int] = {}  # By place, how many columns migrations have added.
        ((work_mem,),) = ask("SHOW work_mem")
        self._nothing_left = ("none", work_mem, 0, 0, 0, 0)
        self.engine = self._process(url, catalog_interval_s=60.0, **options)
        self.other = self._process(url, catalog_interval_s=0.0, **options)  # Another process: it polls each time.
        self.actors: list[Any] = []  # Those who work in it.
        self.baits: Rows = {
            Key(place, table, number): f"{place}:{number}"
            for place in _BAITS
            for table in ("author", "note")
            for number in range(1, 10)
        }
        self._begin()
        tally["examples"] += 1

    def close(self) -> None:
        self.engine.close()
        self.other.close()

    # What is done to tenants, and known of them.

    def create(self, tenant: str) -> None:
        self.engine.create(tenant)
        self._know(tenant)

    def _know(self, tenant: str) -> None:
        place = f"{tenant}.{self.lives[tenant]}"
        self.lives[tenant] += 1
        self.living[tenant], self.extra[place] = place, len(list((self.folder / "tenant").iterdir())) - 1

    def drop(self, tenant: str) -> None:
        self.engine.drop(tenant)
        place = self.living.pop(tenant)
        self.suspended.discard(tenant)
        self.committed = {key: value for key, value in self.committed.items() if key.place != place}

    def migrate(self, tenant: str) -> None:
        """Add a migration, and bring *tenant* up to all that there are."""
        number = len(list((self.folder / "tenant").iterdir()))
        (self.folder / "tenant" / f"{number + 1:04}_extra.sql").write_text(f"ALTER TABLE note ADD extra_{number} text;")
        (outcome,) = self.engine.migrate([tenant])
        assert outcome.error is None, outcome
        self.extra[self.living[tenant]] = number

    def schema(self, place: str) -> str:
        return COMMONS if place == SHARED else PREFIX + place.partition(".")[0]

    # The truth.

    def check(self) -> None:
        """Compare what the server has with what it must have, and look at what is left on connections."""
        rows, relations = self._found()
        expected = self.committed | self.baits
        assert rows == expected, f"the server has otherwise {sorted(rows.items() ^ expected.items())}"
        for key, value in rows.items():
            assert value.startswith(f"{key.place}:"), f"{value} is in {key}"
        assert relations == self._relations()
        self.check_idle()

    def _found(self) -> tuple[Rows, set[tuple[str, str, int]]]:
        """Return the rows of all tables, and the tables: schema, name, number of columns."""
        rows, relations = {}, set()
        for kind, name, number, text in self.ask(self._look()):
            if kind == "a relation":
                relations.add((text, name, number))
            else:
                rows[Key(kind, name, number)] = text
        return rows, relations

    def _look(self) -> str:
        """Return the question for every row of every table, and for every table there is."""
        tables = [(SHARED, COMMONS, "plan")]
        for place in (*self.living.values(), *_BAITS):
            schema = place if place in _BAITS else self.schema(place)
            tables += [(place, schema, "author"), (place, schema, "note")]
        return (
            "SELECT 'a relation', relname::text, relnatts::int, nspname::text FROM pg_catalog.pg_class c "
            "JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace "
            "WHERE relkind = 'r' AND (nspname LIKE 'i\\_%' OR nspname = 'public') UNION ALL "
            + " UNION ALL ".join(f"SELECT '{p}', '{t}', id, value FROM {schema}.{t}" for p, schema, t in tables)
        )

    def _relations(self) -> set[tuple[str, str, int]]:
        """Return the tables that there must be: schema, name, number of columns."""
        expected = {(COMMONS, "plan", 2), ("public", "bait", 2)}
        extra = {self.schema(place): self.extra[place] for place in self.living.values()} | dict.fromkeys(_BAITS, 0)
        for schema, columns in extra.items():
            expected |= {(schema, "author", 2), (schema, "note", 4 + columns)}
        return expected

    def check_idle(self) -> None:
        """Look at the idle connections as they are. What is marked is scrubbed by the next borrower's message."""
        for connection in self._idle():
            if connection.closed or connection.poller.poll(0):
                continue  # It was killed, and the pool is to notice by itself.
            assert connection.get_transaction_status() == psycopg2.extensions.TRANSACTION_STATUS_IDLE
            if not connection.marked:
                cursor = connection.cursor()
                cursor.execute(_LEFT)
                assert cursor.fetchone() == ('""', *self._nothing_left), "an idle connection has something left on it"

    def _idle(self) -> list[Any]:
        return [*self.engine.parts.pool._idle, *self.other.parts.pool._idle]

    def check_borrowers(self) -> None:
        """Look at every connection as its next borrower finds it: by the first statement of his own."""
        pools = self.engine.parts.pool, self.other.parts.pool
        for pool, database in zip(pools, (self.engine.parts.shared, self.other.parts.shared), strict=True):
            taken = [pool.take("") for _ in range(len(pool._idle))]
            for connection in taken:
                pool.give(connection)
                (found,) = database.wire.ask(_FOUND)
                assert found == (COMMONS, *self._nothing_left, 0), "a borrower finds what another has left"
                pool._idle.rotate()

    @contextlib.contextmanager
    def silence(self) -> Iterator[None]:
        """Nothing is sent to the server in the block."""
        gc.disable()  # What it ends may have to say something.
        try:
            before = self._messages()
            yield
            assert self._messages() <= before, "something was sent"
        finally:
            gc.enable()

    def _messages(self) -> set[Any]:
        """Return when which backend was sent something last. (A pooler may greet one that it needed a while ago.)"""
        return set(
            self.ask(
                "SELECT pid, query_start FROM pg_catalog.pg_stat_activity WHERE datname = current_database() "
                "AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND query_start IS NOT NULL"
            )
        )

    def backends(self, state: str) -> list[int]:
        """List the backends of the engines in a *state*."""
        rows = self.ask(
            "SELECT pid FROM pg_catalog.pg_stat_activity WHERE datname = current_database() AND state = %s "
            "AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
            state,
        )
        return [pid for (pid,) in rows]

    def kill(self, pid: int) -> None:
        """End a backend, and wait until it is gone."""
        # Not by its own timeout, which looks once in a tenth of a second.
        self.ask("SELECT pg_terminate_backend(%s)", pid)
        while self.ask("SELECT FROM pg_catalog.pg_stat_activity WHERE pid = %s", pid):
            time.sleep(0.001)
        for connection in self._idle():
            if not connection.closed and connection.info.backend_pid == pid:
                connection.poller.poll(5_000)  # Its goodbye is a moment later.

    # Inside.

    def _process(self, url: str, **options: Any) -> Tenantry:
        return Tenantry(
            url,
            migrations=self.folder,
            schema_prefix=PREFIX,
            shared_schema=COMMONS,
            databases=2,  # Fewer than there are tenants: they make room for one another, in transactions too.
            tenants_per_connection=7,
            **{"pool_size": POOL_SIZE, "pool_wait_s": 0.03, **options},
        )

    def _begin(self) -> None:
        """Make the tenants; or empty their tables, if the world before this one has left them as they were made."""
        for file in (self.folder / "tenant").glob("*.sql"):
            file.unlink()
        (self.folder / "tenant").mkdir(exist_ok=True)
        (self.folder / "tenant" / "0001_notes.sql").write_text(_TABLES.format(""))
        end_transactions(self.ask)
        for tenant in TENANTS:
            self._know(tenant)
        if self._is_whole():
            tables = [f"{PREFIX}{tenant}.{table}" for tenant in TENANTS for table in ("note", "author")]
            for table in (*tables, f"{COMMONS}.plan"):
                self.ask(f"DELETE FROM {table}; ALTER SEQUENCE {table}_id_seq RESTART")
            return
        clear(self.ask)
        self.ask(
            f"SET ROLE tenantry_test; CREATE SCHEMA {COMMONS}; CREATE SCHEMA {BYSTANDER};{_COMMONS}"
            + _TABLES.format(f"{BYSTANDER}.")
            + _TABLES.format("public.")
            + "CREATE TABLE public.bait (id serial PRIMARY KEY, value text);"
            + "".join(
                f"INSERT INTO {schema}.{table} (value) SELECT '{schema}:' || n FROM generate_series(1, 9) AS n;"
                for schema in _BAITS
                for table in ("author", "note")
            )
            + "RESET ROLE"
        )
        for tenant in TENANTS:
            self.engine.create(tenant)

    def _is_whole(self) -> bool:
        try:
            known = self.ask("SELECT id, state FROM tenantry.tenants ORDER BY id")
            looked = self._found()
        except psycopg2.errors.UndefinedTable:
            return False
        baits = {key: value for key, value in looked[0].items() if key.place in _BAITS}
        return known == [(tenant, "active") for tenant in TENANTS] and (baits, looked[1]) == (
            self.baits,
            self._relations(),
        )


_LEFT = """
    SELECT current_setting('search_path'), current_setting('role'), current_setting('work_mem'),
        (SELECT count(*) FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()),
        (SELECT count(*) FROM pg_catalog.pg_prepared_statements), (SELECT count(*) FROM pg_catalog.pg_cursors),
        (SELECT count(*) FROM pg_catalog.pg_listening_channels())
"""
# The same as a statement of a borrower's, which has a path of its own, and the temporary tables that it can find.
_FOUND = _LEFT.replace("current_setting('search_path')", "current_schema()::text", 1).rstrip() + (
    ", (SELECT count(*) FROM pg_catalog.pg_class WHERE relnamespace = pg_catalog.pg_my_temp_schema())"
)
