"""What the demo does, step by step. The code that is shown is the code of these functions: what is seen has run.

The docstring of a function is said before its code, and what it shows comes below. Lines have at most 80 columns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tenantry import SharedModel, TenantModel, Tenantry, across, fn, with_shared
from tenantry.fields import AutoField, BooleanField, DecimalField, ForeignKeyField, IntegerField, TextField

Show = Callable[[object], object]


class Plan(SharedModel):  # one table for all, in public
    id = AutoField()
    name = TextField(unique=True)
    places = IntegerField()


class Invoice(TenantModel):  # one table in each tenant's schema
    id = AutoField()
    customer = TextField()
    total = DecimalField()
    plan = ForeignKeyField(Plan, null=True)
    paid = BooleanField(default=False)


def start() -> Tenantry:
    """The engine is one pool of connections, however many tenants there are."""
    return Tenantry("embedded:?ephemeral=1", migrations="migrations")


def migrate_shared(tenants: Tenantry, show: Show) -> None:
    """The shared table comes first."""
    tenants.migrate(on_outcome=show)


def create(tenants: Tenantry, show: Show) -> None:
    """A tenant is made whole, or not at all: schema, tables, row in the catalog."""
    for name in ("acme", "globex", "initech"):
        show(tenants.create(name))


def migrate_all(tenants: Tenantry, show: Show) -> None:
    """Three at a time, each in its own transaction. One that fails stops no other."""
    tenants.migrate(jobs=3, on_outcome=show)


def write(tenants: Tenantry, show: Show) -> None:
    """The models are the same for all. Who is bound decides whose tables they are."""
    with tenants.use("acme"):
        founder = Plan.get(name="Founder")
        Invoice.create(customer="Road Runner", total=12)
        Invoice.create(customer="Wile E. Coyote", total=250, plan=founder)
    with tenants.use("globex"):
        Invoice.create(customer="Homer", total=99)
    with tenants.use("initech"):
        Invoice.create(customer="Milton", total=4)


def read(tenants: Tenantry, show: Show) -> None:
    """Each reads what it has written, and nothing else. Each counts its own ids."""
    query = Invoice.select(Invoice.id, Invoice.customer, Invoice.total)
    for tenant in tenants:
        with tenants.use(tenant.id):
            show(query.order_by(Invoice.id).dicts())


def join(tenants: Tenantry, show: Show) -> None:
    """One statement joins both schemas. A checker knows that a plan may be None."""
    joined = with_shared(Invoice).left_join(Plan, on=Invoice.plan == Plan.id)
    query = joined.select(Invoice.customer, Plan.name.alias("plan"))
    with tenants.use("acme"):
        show(query.order_by(Invoice.id).dicts())


def sell(tenants: Tenantry, show: Show) -> None:
    """One transaction writes both, the invoice and the place in the plan, or none."""
    with tenants.use("globex"), tenants.database.atomic():
        plan = Plan.get(name="Founder")
        Invoice.create(customer="Lisa", total=199, plan=plan)
        one_less = Plan.update(places=Plan.places - 1)
        one_less.where(Plan.id == plan.id).execute()
    with tenants.shared():
        show(Plan.select(Plan.name, Plan.places).order_by(Plan.id).dicts())


def ask_all(tenants: Tenantry, show: Show) -> None:
    """One statement asks them all, and says whose each row is; or adds them up."""
    billed = fn.sum(Invoice.total).alias("billed")
    query = with_shared(Invoice).select(fn.count().alias("invoices"), billed)
    for tenant, row in across(tenants, query).dicts():
        show({"tenant": tenant, **row})
    count, total = across(tenants, query).combined()[0]
    show({"tenant": "all", "invoices": count, "billed": total})


def no_tenant(tenants: Tenantry, show: Show) -> None:
    """Without a tenant a query is an error, and not a leak. Nothing is sent."""
    show(Invoice.select().dicts())


def only_shared(tenants: Tenantry, show: Show) -> None:
    """What belongs to no tenant has a block of its own, and no tenant's tables."""
    with tenants.shared():
        Invoice.create(customer="Nobody", total=1)


def foreign_row(tenants: Tenantry, show: Show) -> None:
    """acme has an invoice 2. For initech there is none."""
    with tenants.use("initech"):
        Invoice.get_by_id(2)


def two_tenants(tenants: Tenantry, show: Show) -> None:
    """A transaction is one tenant's: no other can be entered while it is open."""
    with tenants.use("acme"), tenants.database.atomic():
        Invoice.update(paid=True).execute()
        with tenants.use("globex"):
            Invoice.update(paid=True).execute()


def not_from_public(tenants: Tenantry, show: Show) -> None:
    """Raw SQL stays inside, too. What the tenant lacks is not looked up in public."""
    with tenants.use("acme"):
        tenants.database.execute_sql("DELETE FROM plan")


def misspelt(tenants: Tenantry, show: Show) -> None:
    """Nobody comes into being by a typing error."""
    with tenants.use("amce"):
        Invoice.create(customer="Road Runner", total=12)


def unharmed(tenants: Tenantry, show: Show) -> None:
    """What was refused has left nothing behind: nobody's invoice is paid."""
    for tenant in tenants:
        with tenants.use(tenant.id):
            paid = Invoice.select().where(Invoice.paid).count()
            show({"invoices": Invoice.select().count(), "paid": paid})


def figures(tenants: Tenantry, show: Show) -> None:
    """As many connections as work at once; for 10,000 tenants it would be no more."""
    figures = tenants.figures()
    show({"opened": figures.opened, "at most": figures.size})


@dataclass(frozen=True)
class Chapter:
    """A heading, what is said below it, the files of migrations that come with it, and the steps."""

    heading: str
    steps: tuple[Callable[[Tenantry, Show], None], ...]
    says: str = ""
    files: tuple[str, ...] = ()
    refused: bool = False  # Each step ends with an error: that is what it shows.


MODELS = (Plan, Invoice)
CHAPTERS = (
    Chapter(
        "A shared schema and three tenants",
        (migrate_shared, create),
        "Tables are made by migrations: files of SQL. A bare name is the tenant's own.",
        ("shared/0001_plans.sql", "tenant/0001_invoices.sql"),
    ),
    Chapter(
        "A schema change for all, side by side",
        (migrate_all,),
        "Who has paid? The column comes with one more file.",
        ("tenant/0002_paid.sql",),
    ),
    Chapter("Writing and reading as each of them", (write, read)),
    Chapter("Tenant and shared tables together", (join, sell)),
    Chapter("All tenants at once", (ask_all,)),
    Chapter("Without a tenant", (no_tenant, only_shared), refused=True),
    Chapter("Across tenants", (foreign_row, two_tenants, not_from_public, misspelt), refused=True),
    Chapter("Afterwards", (unharmed, figures)),
)
