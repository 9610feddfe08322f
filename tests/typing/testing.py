"""Read by mypy and pyright, never run: the types of what tests of applications use."""

from __future__ import annotations

from typing import assert_type

import peewee

from tenantry import TenantModel, Tenantry
from tenantry.testing import Report, assert_isolated, find_leaks, prove_isolated


class Note(TenantModel):
    text = peewee.TextField()


def total() -> int:
    return 1


tenants = Tenantry()
assert_type(assert_isolated(tenants, total, tenant="acme", other=tenants["globex"], may_write=[Note]), int)
assert_type(find_leaks(tenants), Report)
assert_type(
    prove_isolated(
        tenants, [Note], between=(tenants["acme"], tenants["globex"]), statements=["SELECT 1", Note.select(), total]
    ),
    Report,
)

assert_isolated(tenants, total)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
prove_isolated(tenants, statements=[1])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
