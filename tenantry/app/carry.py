"""Work that goes on elsewhere, in another thread or at a later moment, for the tenant that was bound where it began."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import Context, copy_context
from typing import Generic, ParamSpec, TypeVar

from tenantry.context import keep_bound

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


def wrap(function: Callable[P, R]) -> Callable[P, R]:
    """Return *function* as one that runs, wherever it is called, for whoever is bound here and now.

    An open transaction is not taken along: it belongs to the thread and task that began it, and a statement in it from
    elsewhere is refused (`TransactionElsewhere`).

    >>> threading.Thread(target=wrap(job)).start()  # doctest: +SKIP
    """
    context = _context()

    @functools.wraps(function)
    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        # A copy for each call: a context is entered by one thread at a time, and what one call binds is its own.
        return context.copy().run(function, *args, **kwargs)

    return inside


class TenantExecutor(ThreadPoolExecutor):
    """A ThreadPoolExecutor whose jobs run for whoever is bound where they are submitted.

    >>> with TenantExecutor() as executor, tenants.use("acme"):  # doctest: +SKIP
    ...     totals = executor.map(total_of, months)
    """

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return super().submit(wrap(fn), *args, **kwargs)


def stream(rows: Iterable[T]) -> Stream[T]:
    """Return *rows* as an iterator whose every step runs for whoever is bound here, wherever it is asked for.

    For what a web server reads after the view has returned. :meth:`Stream.close` closes a generator behind it.
    """
    return Stream(rows)


def _context() -> Context:
    context = copy_context()
    context.run(keep_bound)
    return context


class Stream(Generic[T]):
    """An iterator that steps in the context in which it was made. It ends, and closes what is behind it, once."""

    def __init__(self, rows: Iterable[T]) -> None:
        self._context = _context()
        self._rows: Iterator[T] = self._context.run(iter, rows)

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        return self._context.run(next, self._rows)

    def close(self) -> None:
        """Close the generator behind it, where there is one, in its context."""
        close = getattr(self._rows, "close", None)
        if close is not None:
            self._context.run(close)
