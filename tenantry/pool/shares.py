"""The places of each tenant, where one may hold only a share of the pool."""

from __future__ import annotations

import threading
from collections.abc import Collection
from queue import SimpleQueue

Places = SimpleQueue[bool]  # True is a place; False says that the pool is closed.


class Shares:
    """So many places for each schema, but for those of no tenant.

    As with the pool's own places, taking and giving one are single operations of a C structure: the collector may give
    one back at any moment. What a schema once had is kept: it is small, and there is one for each tenant.
    """

    def __init__(self, most: int, uncapped: Collection[str]) -> None:
        self._most, self._uncapped = most, uncapped
        self._lock = threading.RLock()  # Reentrant, for the collector's sake.
        self._places: dict[str, Places] = {}
        self._closed = False

    def of(self, schema: str) -> Places | None:
        """Return the places of *schema*; None when it has no cap."""
        places = self._places.get(schema)
        if places is None and schema not in self._uncapped:
            with self._lock:
                places = self._places.get(schema) or self._open(schema)
        return places

    def close(self) -> None:
        """Tell whoever waits that the pool is closed."""
        with self._lock:
            self._closed = True
            for places in self._places.values():
                places.put(False)

    def _open(self, schema: str) -> Places:
        places: Places = SimpleQueue()
        for _ in range(self._most):
            places.put(not self._closed)
        self._places[schema] = places
        return places
