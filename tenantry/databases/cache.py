"""The databases of the tenants that were used last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from lru import LRU

from tenantry.forks import ForkSafeLock

T = TypeVar("T")


class DatabaseCache(Generic[T]):
    """At most *size* values by name; the one that was not asked for longest makes room.

    lru-dict 1.4.1 crashes the interpreter when several threads use it without a lock and its keys run Python code to
    hash or compare, or when it has a callback. So: one lock round every call, keys that are ``str``, no callback; and
    *evicted* is told after the lock is released.
    """

    def __init__(self, size: int, *, made: Callable[[str, T], None], evicted: Callable[[str, T], None]) -> None:
        self._values: LRU[str, T] = LRU(size)
        self._size, self._made, self._evicted = size, made, evicted
        self._lock = ForkSafeLock()

    def __len__(self) -> int:
        with self._lock:
            return len(self._values)

    def get(self, key: str, make: Callable[[], T]) -> T:
        """Return the value of *key*; make it if it is not here."""
        self._lock.acquire()  # Not `with`, which calls Python twice: every use() comes here.
        try:
            value = self._values.get(key)
        finally:
            self._lock.release()
        return self._add(key, make()) if value is None else value

    def drop(self, key: str) -> None:
        """Forget *key*, if it is here."""
        with self._lock:
            value = self._values.pop(key, None)
        if value is not None:
            self._evicted(key, value)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            values = self._values.items()
            self._values.clear()
        for key, value in values:
            self._evicted(key, value)

    def _add(self, key: str, value: T) -> T:
        gone: tuple[str, T] | None = None
        with self._lock:
            other = self._values.get(key)
            if other is not None:  # Two threads made it at once; one of the two is used.
                return other
            if len(self._values) >= self._size:
                # Not popitem(): in lru-dict 1.4.1 it keeps a reference for ever.
                gone = self._values.peek_last_item()
                assert gone is not None
                del self._values[gone[0]]
            self._values[key] = value
        self._made(key, value)
        if gone is not None:
            self._evicted(*gone)
        return value
