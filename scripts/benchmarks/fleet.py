"""Creating and migrating many tenants: time, connections and memory, and the run after it that has nothing to do."""

from __future__ import annotations

import resource
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import psycopg2

from benchmarks.proxy import CountingProxy
from benchmarks.report import Judged, Table
from benchmarks.server import Server
from tenantry import Tenantry

JOBS = 4
QUIET_RUNS = 7
_TABLES = ("customer", "invoice", "line", "payment", "note")


def fleet_tables(server: Server, count: int) -> Iterator[Table]:
    """Make *count* tenants with ten files each, by three ways, and run again with nothing to do."""
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        files = _write_files(folder / "full" / "tenant")
        (folder / "none").mkdir()
        rows: list[tuple[Any, ...]] = []

        created, most = _sampled(server, lambda: _create(server, folder / "full", "bc_", count))
        rows.append(_row("create(), ten files each, one after another", count, created, most))

        _create(server, folder / "none", "bm_", count)
        migrated, most = _sampled(server, lambda: _migrate(server, folder / "full", "bm_"))
        rows.append(_row(f"migrate(), ten files each, {JOBS} at a time", count, migrated, most))

        _make_schemas(server, "bf_", count)
        floor, most = _sampled(server, lambda: _floor(server, "bf_", count, ";\n".join(files)))
        rows.append(_row(f"psycopg2, one message each, {JOBS} at a time", count, floor, most))

        quiet, messages = _quiet(server, folder / "full", "bm_")
        yield Table(
            f"{count:,} tenants: creation and migration",
            ("what", "seconds", "ms each", "/ psycopg2", "most connections", "peak memory, MB"),
            [(*row[:3], f"{row[3] / floor:.2f}", *row[4:]) for row in rows],
            ("psycopg2 keeps no history, takes no lock, and knows no files. Memory is the whole process's, so far.",),
        )
        yield Table(
            "The run after it, with nothing to do",
            ("what", "measured"),
            [
                ("milliseconds", Judged(quiet * 1000, goal=20, digits=1)),
                ("queries for what is pending", Judged(messages - 1, goal=1, digits=0)),
                ("queries for who the tenants are", "1"),
            ],
            (f"migrate() of all tenants: the median of {QUIET_RUNS} runs. The catalog is read again in each.",),
        )


def _row(what: str, count: int, seconds: float, most: int) -> tuple[Any, ...]:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return what, f"{seconds:.2f}", f"{seconds / count * 1000:.2f}", seconds, str(most), str(peak)


def _write_files(folder: Path) -> list[str]:
    """Five tables with keys and indexes, then five alterations."""
    folder.mkdir(parents=True)
    texts = []
    for number, table in enumerate(_TABLES):
        parent = f", parent int REFERENCES {_TABLES[number - 1]}" if number else ""
        texts.append(
            f"CREATE TABLE {table} (id serial PRIMARY KEY, name text NOT NULL, made timestamptz DEFAULT now(){parent});"
            f"\nCREATE INDEX {table}_name ON {table} (name)"
        )
    texts += [f"ALTER TABLE {table} ADD COLUMN remark text" for table in _TABLES]
    for number, text in enumerate(texts, start=1):
        (folder / f"{number:04}_step.sql").write_text(text + ";\n")
    return texts


def _engine(server: Server, folder: Path, prefix: str, url: str | None = None) -> Tenantry:
    return Tenantry(url or server.url, migrations=folder, schema_prefix=prefix, jobs=JOBS, pool_size=10)


def _create(server: Server, folder: Path, prefix: str, count: int) -> None:
    tenants = _engine(server, folder, prefix)
    for number in range(count):
        tenants.create(f"{prefix[1]}{number}")
    tenants.close()


def _migrate(server: Server, folder: Path, prefix: str) -> None:
    tenants = _engine(server, folder, prefix)
    failed = [outcome for outcome in tenants.migrate() if outcome.error is not None]
    tenants.close()
    if failed:
        raise RuntimeError(f"{len(failed)} tenants failed; the first: {failed[0].error}")


def _make_schemas(server: Server, prefix: str, count: int) -> None:
    with psycopg2.connect(server.url) as connection:
        connection.cursor().execute(";".join(f"CREATE SCHEMA {prefix}{number}" for number in range(count)))
    connection.close()


def _floor(server: Server, prefix: str, count: int, sql: str) -> None:
    schemas: SimpleQueue[str] = SimpleQueue()
    for number in range(count):
        schemas.put(f"{prefix}{number}")

    def work() -> None:
        connection = psycopg2.connect(server.url)
        connection.autocommit = True
        while True:
            try:
                schema = schemas.get_nowait()
            except Empty:
                break
            connection.cursor().execute(f"BEGIN; SET LOCAL search_path TO {schema}; {sql}; COMMIT")
        connection.close()

    workers = [threading.Thread(target=work) for _ in range(JOBS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def _sampled(server: Server, work: Callable[[], None]) -> tuple[float, int]:
    """Time *work*, and count the connections of the role meanwhile."""
    most, done = 0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(0.02):
            most = max(most, len(server.backends()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    begun = time.perf_counter()
    try:
        work()
    finally:
        seconds = time.perf_counter() - begun
        done.set()
        watcher.join()
    return seconds, most


def _quiet(server: Server, folder: Path, prefix: str) -> tuple[float, float]:
    """Return the median seconds of a run with nothing to do, and its messages."""
    tenants = _engine(server, folder, prefix)
    tenants.migrate()
    times = []
    for _ in range(QUIET_RUNS):
        begun = time.perf_counter()
        tenants.migrate()
        times.append(time.perf_counter() - begun)
    tenants.close()
    at = server.admin.info
    with CountingProxy(at.host or "localhost", at.port) as proxy:
        url = psycopg2.extensions.make_dsn(
            server.url, host="127.0.0.1", port=proxy.port, sslmode="disable", gssencmode="disable"
        )
        tenants = _engine(server, folder, prefix, url)
        tenants.migrate()
        proxy.take()
        tenants.migrate()
        messages = proxy.take()["Q"]
        tenants.close()
    return statistics.median(times), messages
