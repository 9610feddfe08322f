"""The block in which work is done for a tenant."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Generic, ParamSpec, TypeVar

from tenantry.catalog import Tenant
from tenantry.context import bind, unbind

if TYPE_CHECKING:
    from tenantry.app.engine import Tenantry

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T", Tenant, None)


class Use(Generic[T]):
    """The block that :meth:`Tenantry.use` and :meth:`Tenantry.shared` give.

    Above a function it enters anew at each call.
    """

    __slots__ = ("_asked", "_engine", "_token")

    def __init__(
        self, engine: Tenantry, tenant: object, values: Mapping[str, object], beside_transaction: bool
    ) -> None:
        self._engine, self._asked = engine, (tenant, values, beside_transaction)

    def __enter__(self) -> T:
        here = self._engine._to_bind(*self._asked)
        self._token = bind(here)
        return here.tenant  # type: ignore[return-value]  # a Tenant for use(), None for shared()

    def __exit__(self, *error: object) -> None:
        unbind(self._token)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def inside(*args: P.args, **kwargs: P.kwargs) -> R:
            with Use[T](self._engine, *self._asked):
                return function(*args, **kwargs)

        return inside
