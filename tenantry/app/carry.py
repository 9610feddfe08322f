"""Work that goes on elsewhere, in another thread or at a later moment, for the tenant that was bound where it began."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import Context, copy_context
from typing import Any, Generic, ParamSpec, TypeVar, cast

from tenantry.app.use import refuse_generator
from tenantry.context import go_on, keep_bound

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


def wrap(function: Callable[P, R]) -> Callable[P, R]:
    """Return *function* as one that runs, wherever it is called, for whoever is bound here and now.

    An open transaction is not taken along: it belongs to the thread and task that began it, and a statement in it from
    elsewhere is refused (`TransactionElsewhere`).

    Raises:
        TypeError: *function* is a generator, which does its work later: :func:`stream` is for what it gives.

    >>> threading.Thread(target=wrap(job)).start()  # doctest: +SKIP
    """
    refuse_generator(function, "wrap()", "give what it returns to stream()")
    context = _context()
    if inspect.iscoroutinefunction(function):
        return cast(Callable[P, R], _wrap_coroutine(function, context))

    @functools.wraps(function)
    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        # A copy for each call: a context is entered by one thread at a time, and what one call binds is its own.
        return context.copy().run(go_on, function, *args, **kwargs)

    return inside


def _wrap_coroutine(function: Callable[..., Any], context: Context) -> Any:
    @functools.wraps(function)
    async def inside(*args: Any, **kwargs: Any) -> Any:
        import asyncio  # It takes 40 ms, and only who has a coroutine needs it.

        return await asyncio.get_running_loop().create_task(function(*args, **kwargs), context=context.copy())

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
        row: T = self._context.run(go_on, self._rows.__next__)
        return row

    def close(self) -> None:
        """Close the generator behind it, where there is one, in its context."""
        rows, self._rows = self._rows, iter(())
        close = getattr(rows, "close", None)
        if close is not None:
            self._context.run(go_on, close)
