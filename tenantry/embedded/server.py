"""Starting and stopping embedded servers, agreed among all the processes that use one."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg2

from tenantry.embedded import cluster, locks
from tenantry.embedded.home import Home, ephemerals, look, new_ephemeral, open_control, settle
from tenantry.embedded.place import VERSIONS, Place
from tenantry.embedded.postmaster import ROLE, Running, living, running, set_up
from tenantry.errors import ConfigError, EmbeddedFailed, TenantryError

_TURN_S = 180.0  # Longer than another process takes to make a cluster, to start it, and to give up.


@dataclass(frozen=True)
class Status:
    """What there is at a place. *pid* and *url* are None while nothing runs, *version* and *data* until it is made."""

    running: bool = False
    pid: int | None = None
    url: str | None = None
    version: int | None = None
    data: Path | None = None


class Server:
    """A share in a running server, which ends with the last share in it, unless it was told to stay.

    *data* is its data directory.

    Also a context manager: the share is given back at the end of the block, and in any case at the end of the process,
    however that comes. A forked child has no share of its own.
    """

    def __init__(self, data: Path, running: Running, leave: Callable[[], None]) -> None:
        self.data, self._running, self._leave = data, running, leave
        self._process: int | None = os.getpid()
        atexit.register(self.stop)

    @property
    def url(self) -> str:
        """The URL for applications: of an ordinary role, which owns the database and has an empty search_path."""
        return self._running.url

    @property
    def admin_url(self) -> str:
        """The URL of the superuser, in the same database: for tests and for `doctor`, never for an application."""
        return self._running.admin_url

    @property
    def version(self) -> int:
        """The major version of PostgreSQL."""
        return self._running.version

    @property
    def pid(self) -> int:
        """The process id of the server, as it was when this share began."""
        return self._running.pid

    def let_make_roles(self) -> None:
        """Let the applications' role make roles, for a role per tenant."""
        connection = psycopg2.connect(self.admin_url)
        try:
            connection.autocommit = True
            connection.cursor().execute(f"ALTER ROLE {ROLE} CREATEROLE")
        finally:
            connection.close()

    def stop(self) -> None:
        """Give the share back, and stop the server if it was the last. Done once; never by a forked child.

        Raises:
            EmbeddedFailed: the server was to stop, and is still there after half a minute.
        """
        if self._process != os.getpid():
            return
        self._process = None
        atexit.unregister(self.stop)
        self._leave()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start(place: Place, *, keep: bool = False) -> Server:
    """Make, start or join the server at *place*. With *keep* it stays when its last share ends, until `stop(place)`.

    Raises:
        ConfigError: the place cannot hold a server, or holds one of another version.
        EmbeddedUnavailable: the package with PostgreSQL is not installed.
        EmbeddedFailed: the server does not come up.
    """
    if place.directory is not None:
        return _start_in(place.directory, place.version, keep=keep)
    if keep:
        raise ConfigError(
            "an ephemeral server cannot be kept: nobody could find it again. Name a directory: embedded:PATH"
        )
    return _start_ephemeral(place.version)


def stop(place: Place) -> bool:
    """Stop the server at *place*, whoever uses it, and say whether one ran.

    Raises:
        ConfigError: it belongs to somebody else.
        EmbeddedFailed: it is still there after half a minute.
    """
    home = _look(place)
    if home is None:
        return False
    with _turn(home.control):
        home.kept.unlink(missing_ok=True)
        ran = living(home) is not None
        cluster.halt(home)
    return ran


def status(place: Place) -> Status:
    """Look at what is at *place*, and start nothing.

    Raises:
        ConfigError: it belongs to somebody else.
    """
    home = _look(place)
    if home is None:
        return Status()
    version = cluster.data_version(home)
    try:
        found = running(home, wait_s=0)
    except EmbeddedFailed:
        found = None
    if found is None:
        return Status(version=version, data=home.data)
    return Status(running=True, pid=found.pid, url=found.url, version=version, data=home.data)


def _look(place: Place) -> Home | None:
    if place.directory is None:
        return None
    try:
        return look(place.directory.resolve())
    except PermissionError as error:
        raise ConfigError(
            f"the embedded server in {place.directory} belongs to another user: go on as that user"
        ) from error


def _start_in(directory: Path, version: int | None, *, keep: bool) -> Server:
    control = open_control(directory)
    with _turn(control):
        home = settle(control)
        share = locks.Share(home.users)
        try:
            found = _bring_up(home, version)
        except BaseException:
            share.release()
            raise
        if keep:
            home.kept.touch()
    return Server(home.data, found, lambda: _leave(home, share))


@contextlib.contextmanager
def _turn(control: Path) -> Iterator[None]:
    """Start and stop in turn: four processes that meet on a fresh directory make one cluster."""
    try:
        with locks.alone(Home(control, control).lock, wait_s=_TURN_S):
            yield
    except TimeoutError as error:
        raise EmbeddedFailed(
            f"is being started or stopped by another process for {_TURN_S:g} s", data=control
        ) from error


def _bring_up(home: Home, wanted: int | None, *, ephemeral: bool = False) -> Running:
    has = cluster.data_version(home)
    _check_version(home, has, wanted)
    if has is None:
        cluster.make_data(home, wanted or VERSIONS[-1], ephemeral=ephemeral)
    if running(home) is None:
        cluster.boot(home)
    set_up(home)
    found = running(home)
    if found is None:
        raise EmbeddedFailed("ended as soon as it had started", data=home.data)
    return found


def _check_version(home: Home, has: int | None, wanted: int | None) -> None:
    if has is None:
        return
    made = f"{home.data} was made by PostgreSQL {has}"
    if has not in VERSIONS:
        raise ConfigError(f"{made}, and there are only {' and '.join(map(str, VERSIONS))}: name another directory")
    if wanted not in (None, has):
        raise ConfigError(f"{made}, not {wanted}: leave out version={wanted}, or name another directory")


def _leave(home: Home, share: locks.Share) -> None:
    share.release()
    if not home.lock.exists():  # Somebody has deleted the directory under us.
        cluster.halt(home)
        return
    with _turn(home.control):
        if not home.kept.exists() and not locks.is_shared(home.users):
            cluster.halt(home)


def _start_ephemeral(version: int | None) -> Server:
    _sweep()
    home = new_ephemeral()
    share = locks.Share(home.users)
    try:
        found = _bring_up(home, version, ephemeral=True)
    except BaseException:
        _discard(home, share)
        raise
    return Server(home.data, found, lambda: _discard(home, share))


def _sweep() -> None:
    """Stop and delete the ephemeral servers whose processes were killed."""
    for home in ephemerals():
        with contextlib.suppress(TenantryError, OSError):
            if not locks.is_shared(home.users):
                _discard(home, locks.Share(home.users))


def _discard(home: Home, share: locks.Share) -> None:
    # Not gently: a last checkpoint would save what is deleted now.
    cluster.halt(home, mode="immediate")
    share.release()
    shutil.rmtree(home.files, ignore_errors=True)
