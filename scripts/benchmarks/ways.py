"""What is compared, on the same tables: plain peewee on one open connection, peewee's own pool, and tenantry."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import peewee
from playhouse.pool import PooledPostgresqlDatabase
from psycopg2.extensions import make_dsn

from benchmarks.rounds import Operation
from benchmarks.shop import ROWS, Shop, models, plain_models
from tenantry import FixedCatalog, Tenant, TenantModel, Tenantry
from tenantry.naming import quoted

READ, INSERT = "one-row read by key, model", "one-row insert"
TRANSACTION, NESTED = "transaction, one insert", "nested atomic, one insert"
MODELS, TUPLES = f"{ROWS} rows as models", f"{ROWS} rows as tuples"
EMPTY = "empty transaction"

PLAIN, POOL, TENANTRY = "plain peewee", "peewee's pool", "tenantry"

TENANT_SHOP = models(TenantModel)


@dataclass(frozen=True)
class Ways:
    """Each way's operations by name; tenantry's are to be called where *tenant* is bound. And what is behind them."""

    plain_shop: Shop
    plain: dict[str, Operation]
    pool: dict[str, Operation]
    tenantry: dict[str, Operation]
    database: Any  # The plain one: peewee's stub gives its methods no types.
    engine: Tenantry
    tenant: Tenant

    def whole_request(self) -> None:
        """Enter the tenant, read a row, leave."""
        with self.engine.use(self.tenant.id):
            TENANT_SHOP.customer.get_by_id(1)


@contextlib.contextmanager
def open_ways(parameters: dict[str, Any], tenant: Tenant) -> Iterator[Ways]:
    """Open the three ways to *tenant*'s tables over the server that *parameters* name."""
    path = f"{quoted(tenant.schema)}, pg_catalog"
    others = dict(parameters)
    name = others.pop("dbname")
    plain: Any = peewee.PostgresqlDatabase(name, **others)
    pool = PooledPostgresqlDatabase(
        name, max_connections=10, options=f"-c search_path={path.replace(' ', '')}", **others
    )
    engine = Tenantry(make_dsn(**parameters), catalog=FixedCatalog([tenant]))
    plain.connect()
    plain.execute_sql(f"SET search_path TO {path}")
    shop = plain_models(plain)
    try:
        yield Ways(
            plain_shop=shop,
            plain=operations(shop, plain),
            pool={name: _in_context(pool, call) for name, call in operations(plain_models(pool), pool).items()},
            tenantry=operations(TENANT_SHOP, engine.database),
            database=plain,
            engine=engine,
            tenant=tenant,
        )
    finally:
        plain.close()
        pool.close_all()
        engine.close()


def operations(shop: Shop, database: Any) -> dict[str, Operation]:
    """What is measured, written once for all: only the models and the database differ."""
    customer, invoice = shop.customer, shop.invoice

    def transaction() -> None:
        with database.atomic():
            customer.create(name="Ada")

    def nested() -> None:
        with database.atomic(), database.atomic():
            customer.create(name="Ada")

    def empty() -> None:
        with database.atomic():
            pass

    return {
        READ: lambda: customer.get_by_id(1),
        INSERT: lambda: customer.create(name="Ada"),
        TRANSACTION: transaction,
        NESTED: nested,
        MODELS: lambda: list(invoice.select().limit(ROWS)),
        TUPLES: lambda: list(invoice.select().limit(ROWS).tuples()),
        EMPTY: empty,
    }


def _in_context(pool: Any, operation: Operation) -> Operation:
    """Borrow a connection for each operation, as web applications do for each request."""

    def borrowed() -> None:
        with pool.connection_context():
            operation()

    return borrowed
