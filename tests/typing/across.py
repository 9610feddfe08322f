"""What mypy and pyright make of a query over many tenants: its rows come with the ids of their tenants."""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, assert_type

from tenantry import TenantModel, Tenantry, across, fn, with_shared
from tenantry.fields import AutoField, DecimalField, TextField
from tenantry.naming import TenantId


class Invoice(TenantModel):
    id = AutoField()
    total = DecimalField()
    note = TextField(null=True)


@dataclass
class Line:
    id: int
    note: str | None


tenants = Tenantry("postgresql://app@localhost/shop")
query = with_shared(Invoice).select(Invoice.id, Invoice.note)

assert_type(across(tenants, query).execute(), list[tuple[TenantId, tuple[int, str | None]]])
assert_type(across(tenants, with_shared(Invoice)).execute(), list[tuple[TenantId, Invoice]])
assert_type(across(tenants, query.into(Line)).execute(), list[tuple[TenantId, Line]])
assert_type(
    across(tenants, query, among=["acme", tenants["globex"]], batch=10).dicts(), list[tuple[TenantId, dict[str, Any]]]
)
assert_type(across(tenants, query).sql(), list[tuple[str, list[Any]]])

for tenant, (number, note) in across(tenants, query):
    assert_type(tenant, TenantId)
    assert_type(number, int)
    assert_type(note, str | None)

with across(tenants, query).stream() as rows:
    for _, row in rows:
        assert_type(row, tuple[int, str | None])

totals = with_shared(Invoice).group_by(Invoice.note).select(Invoice.note, fn.count(), fn.sum(Invoice.total))
assert_type(across(tenants, totals).combined(), list[tuple[str | None, int, Decimal | None]])

across(tenants, Invoice)  # type: ignore[arg-type]
across(query, tenants)  # type: ignore[arg-type]
across(tenants, query, only=["acme"])  # type: ignore[call-arg]
across(tenants, query, among=[1])  # type: ignore[list-item]
across(tenants, query, batch="all")  # type: ignore[arg-type]
across(tenants, query).execute()[0].note  # type: ignore[attr-defined]
