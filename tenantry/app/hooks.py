"""What an application is told of its engine."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tenantry.catalog import Tenant

logger = logging.getLogger("tenantry")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What an application wants to be told. A hook that raises is logged, and disturbs nobody."""

    database_made: Callable[[Tenant], object] | None = None
    database_evicted: Callable[[Tenant], object] | None = None  # It made room for another, or the engine was closed.
    server_error: Callable[[Tenant | None, Exception], object] | None = None  # None stands for the shared schema.

    def tell(self, hook: str, *facts: Any) -> None:
        """Call *hook*, if the application has given it."""
        told = getattr(self, hook)
        if told is None:
            return
        try:
            told(*facts)
        except Exception:
            logger.exception("the hook %s failed for %s", hook, facts[0])
