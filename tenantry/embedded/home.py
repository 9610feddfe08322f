"""Where the files of an embedded server are on this machine."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tenantry.embedded import root
from tenantry.errors import ConfigError

SOCKET = ".s.PGSQL.5432"
_SOCKET_BYTES = 103  # The longest path of a socket on macOS; Linux takes 107.
# libpq splits a host at commas, PostgreSQL splits its list of directories: only what none of them could mistake.
_PLAIN = re.compile(r"[\w.:/\\~-]+", re.ASCII)
_LOCK, _POINTER = "tenantry.lock", "location"
_EPHEMERAL = "tenantry-ephemeral-"
_MEMORY = Path("/dev/shm")
_MEMORY_BYTES = 512 * 1024**2  # A cluster begins with 40 MB. Containers often have no more than 64 MB there.
_NEW_S = 60.0  # Much longer than from the making of an ephemeral home to the first share in it.


@dataclass(frozen=True)
class Home:
    """The two directories of a server, mostly one and the same.

    *control* belongs to those who use it, *files* to whom it runs as: *account*, or None for whoever starts it.
    """

    control: Path
    files: Path
    account: root.Account | None = None

    @property
    def lock(self) -> Path:
        """Locked by whoever starts or stops the server."""
        return self.control / _LOCK

    @property
    def users(self) -> Path:
        """Shared by everybody who uses the server."""
        return self.control / "users"

    @property
    def kept(self) -> Path:
        """Exists while the server is to outlive its users."""
        return self.control / "keep"

    @property
    def data(self) -> Path:
        """The data directory of PostgreSQL."""
        return self.files / "data"

    @property
    def log(self) -> Path:
        """What the server has said since it started."""
        return self.files / "server.log"

    @property
    def socket_directory(self) -> Path:
        """Where the socket is: beside the data, or under a short name where that path is too long or too odd."""
        beside = self.files / "socket"
        if _fits(beside):
            return beside
        # Every process has to find the same, so TMPDIR has no say in it.
        return Path(
            tempfile.gettempdir() if sys.platform == "win32" else "/tmp", f"tenantry-socket-{_short(self.files)}"
        )


def _fits(directory: Path) -> bool:
    socket = directory / SOCKET
    return _PLAIN.fullmatch(str(socket)) is not None and len(os.fsencode(socket)) <= _SOCKET_BYTES


def open_control(directory: Path) -> Path:
    """Make the directory of a place, and return its real path.

    Raises:
        ConfigError: it cannot be made, or is used for something else.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (directory / _LOCK).exists():
            _claim(directory)
        with (directory / _LOCK).open("r+b"):
            return directory.resolve()
    except FileExistsError:
        raise ConfigError(f"{directory} is a file: an embedded server needs a directory of its own") from None
    except OSError as error:
        reason = error.strerror or error
        raise ConfigError(
            f"{directory} cannot hold an embedded server: {reason}. Name another directory: embedded:PATH"
        ) from error


def _claim(directory: Path) -> None:
    # The lock is made first and never goes: when it is still missing now, the files are not those of another process.
    if any(directory.iterdir()) and not (directory / _LOCK).exists():
        raise ConfigError(f"{directory} holds other files: an embedded server needs a directory of its own")
    (directory / _LOCK).touch(mode=0o600)
    (directory / ".gitignore").write_text("*\n")


def settle(control: Path) -> Home:
    """Decide where the files of *control* are, and remember it. Only under its lock.

    For root that is below /var/lib, and *control* keeps a file that says where. Data that another user has made stays
    where it is, and root runs the server as that user.

    Raises:
        ConfigError: root made it, and this is not root; or its files are gone, or those of another directory.
    """
    found = look(control)
    if found is not None:
        return found
    if not root.is_root():
        return Home(control, control)
    account = root.account()
    files = root.new_directory(_short(control), account)
    _write_pointer(control, files)
    return Home(control, files, account)


def look(control: Path) -> Home | None:
    """Find where the files of *control* are, if that was ever decided.

    Raises:
        ConfigError: see :func:`settle`.
    """
    if not (control / _LOCK).exists():
        return None
    if (control / _POINTER).exists():
        return _elsewhere(control)
    if not (control / "data").exists():
        return None
    return Home(control, control, root.owner_of(control / "data") if root.is_root() else None)


def _elsewhere(control: Path) -> Home:
    if not root.is_root():
        raise ConfigError(
            f"the embedded server in {control} was made by root: go on as root, or name another directory"
        )
    files, original = _read_pointer(control)
    if files.parent != root.TOP or not files.is_dir():
        raise ConfigError(
            f"{control / _POINTER} says that the data is in {files}, and that is gone, or in another container: "
            f"remove {control} to begin with an empty database"
        )
    if original != control and (original / _POINTER).exists():
        raise ConfigError(
            f"{control} is a copy of {original}, and both would be one database: remove {control} to begin with an "
            "empty one"
        )
    return Home(control, files, root.owner_of(files))


def _write_pointer(control: Path, files: Path) -> None:
    half = control / f"{_POINTER}.new"
    half.write_text(f"{files}\n{control}\n")
    half.replace(control / _POINTER)


def _read_pointer(control: Path) -> tuple[Path, Path]:
    """Read where the files are, and the directory for which that was written."""
    files, original = (control / _POINTER).read_text().splitlines()
    return Path(files), Path(original)


def new_ephemeral() -> Home:
    """Make a home in memory, or on disk where there is too little of it. Take a share in it at once."""
    account = root.account() if root.is_root() else None
    made = Path(tempfile.mkdtemp(prefix=_EPHEMERAL, dir=_ephemeral_tops()[0]))
    if account:
        account.own(made)
    return Home(made, made, account)


def ephemerals() -> list[Home]:
    """Find the ephemeral homes of this user, in all processes. Not the newest: nobody may have a share in them yet."""
    account = root.account() if root.is_root() else None
    found = (path for top in _ephemeral_tops() for path in top.glob(f"{_EPHEMERAL}*"))
    return [Home(path, path, account) for path in found if is_ours(path, account) and age_s(path) > _NEW_S]


def age_s(path: Path) -> float:
    """How many seconds ago *path* was changed last."""
    return time.time() - path.stat().st_mtime


def _ephemeral_tops() -> list[Path]:
    """Where ephemeral data may be, the best place first."""
    disk = root.top() if root.is_root() else Path(tempfile.gettempdir())
    if not os.access(_MEMORY, os.W_OK | os.X_OK):
        return [disk]
    return [_MEMORY, disk] if shutil.disk_usage(_MEMORY).free >= _MEMORY_BYTES else [disk, _MEMORY]


def make_socket_directory(home: Home) -> None:
    """Make the directory of the socket, which only the server's user can enter, and clear it of what a crash has left.

    Raises:
        ConfigError: somebody else has it.
    """
    directory = home.socket_directory
    try:
        directory.mkdir(mode=0o700)
        if home.account:
            home.account.own(directory)
    except FileExistsError:
        if not is_ours(directory, home.account):
            raise ConfigError(
                f"{directory} belongs to another user, and the socket of {home.data} must be there: remove it"
            ) from None
    for name in (SOCKET, f"{SOCKET}.lock"):
        (directory / name).unlink(missing_ok=True)


def is_ours(path: Path, account: root.Account | None) -> bool:
    """Whether *path* is a directory that *account* (None: this user) has made. Others can make some with such names."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and (sys.platform == "win32" or found.st_uid == (account or root.this()).uid)


def _short(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
