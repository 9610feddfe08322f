"""How many messages each way sends: each is a round trip, which a network makes dearer than anything measured here."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.proxy import CountingProxy
from benchmarks.report import Judged, Table
from benchmarks.rounds import Operation
from benchmarks.server import Server
from benchmarks.ways import EMPTY, INSERT, NESTED, PLAIN, POOL, READ, TENANTRY, TRANSACTION, open_ways
from tenantry import Tenant

_CALLS = 10


def message_tables(server: Server, tenant: Tenant) -> Iterator[Table]:
    """Count the messages of each operation."""
    at = server.admin.info
    with CountingProxy(at.host or "localhost", at.port) as proxy:
        # Without TLS: what is encrypted cannot be counted.
        parameters = server.parameters(host="127.0.0.1", port=proxy.port, sslmode="disable", gssencmode="disable")
        parameters.pop("hostaddr", None)
        with open_ways(parameters, tenant) as ways:
            rows = []
            for name in (READ, INSERT, TRANSACTION, NESTED, EMPTY):
                plain, pool = _count(proxy, ways.plain[name]), _count(proxy, ways.pool[name])
                with ways.engine.use(tenant.id):
                    ours = _count(proxy, ways.tenantry[name])
                rows.append((name, f"{plain:g}", f"{pool:g}", Judged(ours, goal=plain, digits=0)))
            request = _count(proxy, ways.whole_request)
            rows.append(("use(), one-row read, leave", "-", "-", Judged(request, goal=1, digits=0)))
    notes = (
        f"Counted by a proxy between client and server, over {_CALLS} calls each. The goal: no more than plain peewee.",
    )
    yield Table("Messages sent for one operation", ("operation", PLAIN, POOL, TENANTRY), rows, notes)


def _count(proxy: CountingProxy, operation: Operation) -> float:
    operation()  # The first one connects.
    proxy.take()
    for _ in range(_CALLS):
        operation()
    sent = proxy.take()
    return (sent.total() - sent["P"] - sent["B"] - sent["D"] - sent["E"]) / _CALLS
