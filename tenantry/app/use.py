"""The block in which work is done for a tenant."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast

from tenantry.catalog import Tenant
from tenantry.context import Before, Bound, Lease, bind, nothing_open, own_lease, unbind
from tenantry.errors import TransactionLeftOpen

if TYPE_CHECKING:
    from tenantry.app.engine import Tenantry

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T", Tenant, None)


class Use(Generic[T]):
    """The block that :meth:`Tenantry.use` and :meth:`Tenantry.shared` give.

    Above a function it enters anew at each call.
    """

    __slots__ = ("_asked", "_engine", "_entered")

    def __init__(
        self, engine: Tenantry, tenant: object, values: Mapping[str, object], beside_transaction: bool
    ) -> None:
        self._engine, self._asked = engine, (tenant, values, beside_transaction)
        self._entered: tuple[Before, Bound, Lease | None] | None = None

    def __enter__(self) -> T:
        if self._entered is not None:
            raise RuntimeError("this use() block has been entered already: write tenants.use(...) where it is entered")
        here = self._engine._to_bind(*self._asked)
        self._entered = bind(here), here, None if nothing_open() else own_lease(here.key)
        return here.tenant  # type: ignore[return-value]  # a Tenant for use(), None for shared()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        assert self._entered is not None
        (before, here, lease), self._entered = self._entered, None
        unbind(before)
        if not nothing_open() and own_lease(here.key) not in (None, lease):
            here.database.wire.end("ROLLBACK")
            if kind is None:
                raise TransactionLeftOpen

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"use() cannot stand above the generator {function.__qualname__}: enter it inside of it")
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
