"""Tenants that are made for a test, and dropped after it."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator

from tenantry import Tenant, Tenantry


@contextlib.contextmanager
def fresh(tenants: Tenantry, seed: Callable[[], object] | None = None) -> Iterator[Tenant]:
    """Make a tenant with every migration and what *seed* does in it; drop it when the block ends."""
    # At random: other runs may be at work on the server, and one that was killed has dropped nothing.
    name = f"test-{secrets.token_hex(6)}"
    made = tenants.create(name, labels={"made-for": "tests"})
    try:
        if seed is not None:
            with tenants.use(name):
                seed()
        yield made
    finally:
        tenants.drop(name)
