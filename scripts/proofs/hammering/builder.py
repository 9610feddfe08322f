"""Queries of the typed builder, compiled once for everybody, or read in pieces."""

from __future__ import annotations

from typing import Any

from hammering.worker import Worker, operation
from hammering.world import TENANTS, Note
from tenantry import across, compiled, with_shared


@compiled
def _values_of(worker: int) -> Any:
    return with_shared(Note).where(Note.worker == worker).select(Note.value)


@compiled
def _notes_of(worker: int) -> Any:
    return with_shared(Note).where(Note.worker == worker)


@operation(6)
async def compiled_read(w: Worker, tenant: str) -> None:
    """All workers run the same two queries, for whichever tenant: own rows as values, or as instances."""
    if w.random.random() < 0.5:
        values = [value for (value,) in _values_of.execute(w.number)]
    else:
        values = [note.value for note in _notes_of.execute(w.number)]
    w.check(tenant, values)
    faults = w.ledger.faults(tenant, {("note", value) for value in values}, "note")
    w.must(not faults, f"a compiled query in {tenant}: {faults}")


@operation(3)
async def compiled_read_in_transaction(w: Worker, tenant: str) -> None:
    """It finds what the transaction has written, and nothing of it is left when it fails."""
    with w.transaction(tenant) as changes:
        w.insert(tenant, changes)
        await w.pause()
        values = [value for (value,) in _values_of.execute(w.number)]
        faults = w.ledger.faults(tenant, {("note", value) for value in values}, "note", changes)
        w.must(not faults, f"a compiled query in a transaction in {tenant}: {faults}")


@operation(3)
async def built_stream(w: Worker, tenant: str) -> None:
    """Read in pieces while others work; another tenant that is entered meanwhile gets none of it."""
    values = []
    with with_shared(Note).where(Note.worker == w.number).select(Note.value).stream(chunk=3) as rows:
        for (value,) in rows:
            values.append(value)
            await w.pause()
            if w.random.random() < 0.1:
                with w.tenants.use(_other(w, tenant)), w.refused("WrongTenant"):
                    next(rows)
    w.check(tenant, values)
    faults = w.ledger.faults(tenant, {("note", value) for value in values}, "note")
    w.must(not faults, f"a stream of the builder's in {tenant}: {faults}")


@operation(2)
async def built_elsewhere(w: Worker, tenant: str) -> None:
    query = with_shared(Note).where(Note.worker == w.number)
    with w.tenants.use(_other(w, tenant)), w.refused("WrongTenant"):
        query.execute()


@operation(1)
async def read_across(w: Worker, tenant: str) -> None:
    """In one tenant all of them cannot be read; beside it each row comes with its own."""
    with w.tenants.shared():  # A query that is begun in a tenant is that tenant's.
        query = across(w.tenants, with_shared(Note).where(Note.worker == w.number).select(Note.value))
        for other, (value,) in query.execute():
            w.check(other, [value])
    with w.refused("TenantBound"):
        query.execute()


def _other(w: Worker, tenant: str) -> str:
    return w.random.choice([name for name in TENANTS if name != tenant])
