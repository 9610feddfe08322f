"""A small shop: two tables, as models of a tenant and as plain models of peewee, and the SQL that makes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import peewee
from psycopg2.extensions import connection as Connection  # noqa: N812

from tenantry import FixedCatalog, Tenant
from tenantry.naming import SchemaName, quoted, quoted_text, schema_name, tenant_id

ROWS = 100

_DDL = """
CREATE SCHEMA {schema};
CREATE TABLE {schema}.customer (id serial PRIMARY KEY, name text NOT NULL);
CREATE TABLE {schema}.invoice (
    id serial PRIMARY KEY, customer_id int REFERENCES {schema}.customer, total numeric NOT NULL, note text,
    issued timestamp NOT NULL
);
INSERT INTO {schema}.customer (name) VALUES ({name});
"""
_INVOICES = """
INSERT INTO {schema}.invoice (customer_id, total, note, issued)
SELECT 1, n * 1.25, 'invoice ' || n, timestamp '2026-01-02 03:04:05' + n * interval '1 day'
FROM generate_series(1, {rows}) n;
"""
_AT_ONCE = 50  # Schemas in one transaction: quicker than one by one, and far from the server's limit of locks.


@dataclass(frozen=True)
class Shop:
    """The two models."""

    customer: Any  # Classes that are made in a function: the checkers cannot know their fields.
    invoice: Any


def models(base: type[peewee.Model]) -> Shop:
    """Make the models below *base*, which knows their database."""

    class Customer(base):  # type: ignore[misc, valid-type]
        name = peewee.TextField()

    class Invoice(base):  # type: ignore[misc, valid-type]
        customer = peewee.ForeignKeyField(Customer, null=True)
        total = peewee.DecimalField()
        note = peewee.TextField(null=True)
        issued = peewee.DateTimeField()

    return Shop(Customer, Invoice)


def plain_models(database: peewee.Database) -> Shop:
    """Make the models as an application without tenants does."""

    class Plain(peewee.Model):
        class Meta:
            pass

    Plain._meta.set_database(database)
    return models(Plain)


def catalog(tenants: int) -> FixedCatalog:
    """Name *tenants* tenants."""
    names = (f"shop-{number:04}" for number in range(tenants))
    return FixedCatalog(Tenant(tenant_id(name), schema_name(f"t_{name}")) for name in names)


def build(connection: Connection, tenants: Iterable[Tenant], *, owner: str) -> None:
    """Make the tables of *tenants*, for the role *owner*.

    The first customer of each is named for its tenant: so a row of another tenant is seen.
    """
    for batch in _batches(iter(tenants)):
        text = "".join(_DDL.format(schema=quoted(tenant.schema), name=quoted_text(tenant.id)) for tenant in batch)
        connection.cursor().execute(f"BEGIN;SET LOCAL ROLE {owner};{text}COMMIT")


def fill(connection: Connection, schema: SchemaName) -> None:
    """Give the tenant of *schema* its invoices."""
    connection.cursor().execute(_INVOICES.format(schema=quoted(schema), rows=ROWS))


def _batches(tenants: Iterator[Tenant]) -> Iterator[list[Tenant]]:
    while batch := list(islice(tenants, _AT_ONCE)):
        yield batch
