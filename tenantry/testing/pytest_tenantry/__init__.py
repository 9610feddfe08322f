"""What pytest loads of tenantry: the options and the fixtures, and nothing of tenantry itself until one is asked for.

pytest imports it in every run of an environment that has tenantry, by the name `pytest_tenantry`: as a part of tenantry
it would bring peewee and psycopg2 along.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tenantry import Tenant, Tenantry
    from tenantry.testing.fixtures import Reused


def pytest_addoption(parser: pytest.Parser) -> None:
    purpose = "the server of tenantry's fixtures, which is written to (default: an embedded one that leaves nothing)"
    parser.getgroup("tenantry").addoption("--tenantry-url", metavar="URL", help=purpose)
    parser.addini("tenantry_url", purpose)


def _fixtures() -> Any:
    from tenantry.testing import fixtures

    return fixtures


@pytest.fixture(scope="session")
def tenantry_url(pytestconfig: pytest.Config) -> str:
    """Where the tests' server is: --tenantry-url, else tenantry_url of pytest's ini file, else an embedded one."""
    named = pytestconfig.getoption("--tenantry-url") or pytestconfig.getini("tenantry_url")
    url: str = _fixtures().url(named)
    return url


@pytest.fixture(scope="session")
def tenantry_engine(request: pytest.FixtureRequest) -> Iterator[Tenantry]:
    """The application's engine, on the tests' server."""
    yield from _fixtures().engine(request.getfixturevalue("tenantry_url"))


@pytest.fixture(scope="session")
def tenantry_seed() -> Callable[[], object] | None:
    """To be overridden: what is called in each new tenant, before a test has it."""
    return None


@pytest.fixture(scope="session")
def tenantry_new_tenant(
    tenantry_engine: Tenantry, tenantry_seed: Callable[[], object] | None
) -> Callable[[], AbstractContextManager[Tenant]]:
    """Makes a tenant for a block: `with tenantry_new_tenant() as tenant:`. It is not bound."""
    return lambda: _fixtures().fresh(tenantry_engine, tenantry_seed)


@pytest.fixture(scope="session")
def tenantry_reused(tenantry_new_tenant: Callable[[], AbstractContextManager[Tenant]]) -> Iterator[Reused]:
    """The tenant that `tenant` binds, in one test after another."""
    yield from _fixtures().reused(tenantry_new_tenant)


@pytest.fixture
def tenant(tenantry_engine: Tenantry, tenantry_reused: Reused) -> Iterator[Tenant]:
    """A tenant, bound, in a transaction that is rolled back when the test ends."""
    yield from _fixtures().rolled_back(tenantry_engine, tenantry_reused)


@pytest.fixture
def fresh_tenant(
    tenantry_engine: Tenantry, tenantry_new_tenant: Callable[[], AbstractContextManager[Tenant]]
) -> Iterator[Tenant]:
    """A tenant of the test's own, bound: what the test does is committed."""
    with tenantry_new_tenant() as tenant, tenantry_engine.use(tenant.id, across_yield=True) as bound:
        yield bound


@pytest.fixture
def two_tenants(
    tenantry_new_tenant: Callable[[], AbstractContextManager[Tenant]],
) -> Iterator[tuple[Tenant, Tenant]]:
    """Two tenants of the test's own, neither of them bound."""
    with tenantry_new_tenant() as one, tenantry_new_tenant() as other:
        yield one, other
