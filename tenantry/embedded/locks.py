"""Who uses a server, kept by the kernel: a lock ends with its process, however that dies.

A list of process ids would not do. `kill -9` leaves an id in it for ever, another process may get that id later, and
in a second container it means nothing at all.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

_POLL_S = 0.02

if sys.platform == "win32":
    import msvcrt

    # msvcrt has no shared locks: whoever shares locks one byte, and whoever wants it for himself locks all of them.
    _SHARES = 1024

    def _try_bytes(fd: int, first: int, count: int) -> bool:
        os.lseek(fd, first, os.SEEK_SET)
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, count)
        except OSError:
            return False
        return True

    def _share(fd: int) -> None:
        while not any(_try_bytes(fd, share, 1) for share in range(_SHARES)):
            time.sleep(_POLL_S)

    def _try_alone(fd: int) -> bool:
        return _try_bytes(fd, 0, _SHARES)

    def _let_go(fd: int) -> None:
        """Do nothing: closing lets go, and no child of a Windows process has the file open too."""

else:
    import fcntl

    def _share(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_SH)

    def _try_alone(fd: int) -> bool:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _let_go(fd: int) -> None:
        # Said aloud, for closing is not enough: a forked child has the same lock open.
        fcntl.flock(fd, fcntl.LOCK_UN)


def _open(path: Path) -> int:
    # Root locks files in directories of other users: no link there may lead it elsewhere.
    return os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)


class Share:
    """One user's share in what *path* stands for, from now until `release()` or the end of the process."""

    def __init__(self, path: Path) -> None:
        self._fd = _open(path)
        _share(self._fd)

    def release(self) -> None:
        """Give the share back, for children that were forked meanwhile as well."""
        _let_go(self._fd)
        os.close(self._fd)


def is_shared(path: Path) -> bool:
    """Whether anybody has a share in *path*."""
    fd = _open(path)
    try:
        return not _try_alone(fd)
    finally:
        os.close(fd)


@contextlib.contextmanager
def alone(path: Path, *, wait_s: float) -> Iterator[None]:
    """Be the only one in this block, among all processes that name *path*.

    Raises:
        TimeoutError: another was in it for *wait_s* seconds.
    """
    fd = _open(path)
    try:
        deadline = time.monotonic() + wait_s
        while not _try_alone(fd):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{path} is locked")
            time.sleep(_POLL_S)
        yield
    finally:
        _let_go(fd)
        os.close(fd)
