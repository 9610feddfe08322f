"""The models: one set for all tenants. Run it: python models.py"""

import peewee

from tenantry import SharedModel, TenantModel, Tenantry

tenants = Tenantry()  # Reads tenantry.toml and the environment, at its first use.


class Plan(SharedModel):  # One table for all tenants.
    name = peewee.TextField(unique=True)
    price = peewee.DecimalField()


class Invoice(TenantModel):  # One table in each tenant's schema.
    customer = peewee.TextField()
    total = peewee.DecimalField()
    plan = peewee.ForeignKeyField(Plan, null=True)


def main() -> None:
    """Write an invoice for every tenant, and read what it has."""
    for tenant in tenants:
        with tenants.use(tenant.id):
            Invoice.create(customer="Road Runner", total=12)
            print(tenant.id, "- invoices:", Invoice.select().count())


if __name__ == "__main__":
    main()
