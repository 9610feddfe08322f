"""The block in which work is done for a tenant."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from types import FrameType
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast

from tenantry.catalog import Tenant
from tenantry.context import Bound, bind, nothing_open, own_lease, unbind
from tenantry.errors import TransactionLeftOpen

if TYPE_CHECKING:
    from tenantry.app.engine import Tenantry

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T", Tenant, None)

_GENERATORS = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


class Use(Generic[T]):
    """The block that :meth:`Tenantry.use` and :meth:`Tenantry.shared` give.

    Above a function it enters anew at each call.
    """

    __slots__ = ("_across_yield", "_asked", "_engine", "_entered")

    def __init__(
        self,
        engine: Tenantry,
        tenant: object,
        values: Mapping[str, object],
        beside_transaction: bool,
        across_yield: bool = False,
    ) -> None:
        self._engine, self._asked, self._across_yield = engine, (tenant, values, beside_transaction), across_yield
        self._entered: tuple[Bound, Any] | None = None

    def __enter__(self) -> T:
        if self._entered is not None:
            raise RuntimeError("this use() block has been entered already: write tenants.use(...) where it is entered")
        here = self._engine._to_bind(*self._asked)
        frame = None if self._across_yield else _generator(sys._getframe(1))
        if frame is not None:
            here.keep_to(frame)
        self._entered = here, bind(here)
        return here.tenant  # type: ignore[return-value]  # a Tenant for use(), None for shared()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        assert self._entered is not None
        (here, believed), self._entered = self._entered, None
        unbind(here, believed)
        if nothing_open():
            return
        lease = own_lease(here.key)
        if lease is not None and lease.block is here:
            here.database.wire.end("ROLLBACK")
            if kind is None:
                raise TransactionLeftOpen

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        refuse_generator(function, "use()", "enter it inside of it")
        if inspect.iscoroutinefunction(function):
            return cast(Callable[P, R], self._around_coroutine(function))

        @functools.wraps(function)
        def inside(*args: P.args, **kwargs: P.kwargs) -> R:
            with Use[T](self._engine, *self._asked):
                return function(*args, **kwargs)

        return inside

    def _around_coroutine(self, function: Callable[..., Any]) -> Any:
        @functools.wraps(function)
        async def inside(*args: Any, **kwargs: Any) -> Any:
            with Use[T](self._engine, *self._asked):
                return await function(*args, **kwargs)

        return inside


def refuse_generator(function: Callable[..., Any], what: str, right: str) -> None:
    """Check that *function* does its work when it is called, and not later in the hands of whoever iterates."""
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        name = getattr(function, "__qualname__", function)
        raise TypeError(f"{what} cannot stand above the generator {name}: {right}")


def _generator(frame: FrameType) -> FrameType | None:
    """Return the frame of the generator that enters a block, where it is one that yields to a consumer.

    What contextlib makes of a generator (@contextmanager, a fixture of a web framework) leaves as it enters: then it is
    whoever enters that. A `with` in a function ends before that function does; but a function that calls __enter__(),
    or has an ExitStack do it, may leave the block to a generator that has called it.
    """
    code, caller = frame.f_code, cast(FrameType | None, frame)
    if not code.co_flags & _GENERATORS and "__enter__" not in code.co_names and not _is_contextlibs(frame):
        return None
    while caller is not None:
        if caller.f_code.co_flags & _GENERATORS and (caller.f_back is None or not _is_contextlibs(caller.f_back)):
            return caller
        caller = caller.f_back
    return None


def _is_contextlibs(frame: FrameType) -> bool:
    return frame.f_globals.get("__name__") == "contextlib"
