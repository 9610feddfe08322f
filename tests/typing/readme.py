"""The example of the README, as the checkers see it."""

# ruff: noqa
from decimal import Decimal
from typing import assert_type

from tenantry import SharedModel, TenantModel, Tenantry, across, fn, with_shared
from tenantry.fields import AutoField, DecimalField, ForeignKeyField, TextField


class Plan(SharedModel):  # one table for all tenants
    id = AutoField()
    name = TextField()


class Invoice(TenantModel):  # one table in the schema of each tenant
    id = AutoField()
    plan = ForeignKeyField(Plan, null=True)
    total = DecimalField()


tenants = Tenantry("embedded:", migrations="migrations", pool_size=10)  # touches nothing yet
tenants.migrate()  # the shared tables, then those of every tenant
for name in ("acme", "globex"):
    tenants.create(name)  # its schema, every migration and its row in the catalog, or nothing at all

with tenants.shared():
    pro = Plan.create(name="pro")
with tenants.use("acme"):
    Invoice.create(plan=pro, total=12)
    invoices = with_shared(Invoice).left_join(Plan, on=Invoice.plan == Plan.id)  # one statement over both schemas
    rows = invoices.where(Invoice.total > 10).select(Invoice.id, Plan.name, Invoice.total).execute()
    print("acme:", rows)  # list[tuple[int, str | None, Decimal]], as a checker knows too
with tenants.use("globex"):
    print("globex:", Invoice.select().count())
print("all:", across(tenants, with_shared(Invoice).select(fn.count(), fn.sum(Invoice.total))).execute())
list(Invoice.select())  # whose?

assert_type(rows, list[tuple[int, str | None, Decimal]])
