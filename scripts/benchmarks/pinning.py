"""A core for the client and another for the server: unpinned, the same code took 21 and 56 µs in one run."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from benchmarks.server import Server, is_local


class Pinning:
    """Keeps this thread and the server's backends apart while it lasts; *said* tells what came of it."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        self.said = "not pinned"

    @contextlib.contextmanager
    def client(self) -> Iterator[Pinning]:
        """Pin this thread for the block."""
        if len(self._cores) < 2:
            self.said = "not pinned: it takes two cores, and a system that can"
            yield self
            return
        os.sched_setaffinity(0, self._cores[:1])
        self.said = f"client pinned to core {self._cores[0]}, server not"
        try:
            yield self
        finally:
            os.sched_setaffinity(0, self._cores)

    def backends(self) -> None:
        """Pin the backends that serve the benchmark now. Later ones are not: call it once all are connected."""
        if len(self._cores) < 2 or not is_local(self._server.admin):
            return
        try:
            for pid in self._server.backends():
                if b"postgres" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.sched_setaffinity(pid, self._cores[1:2])
        except (PermissionError, ProcessLookupError, FileNotFoundError) as error:
            self.said = f"client pinned to core {self._cores[0]}, server not ({error.strerror})"
        else:
            self.said = f"client pinned to core {self._cores[0]}, the server's backends to core {self._cores[1]}"
