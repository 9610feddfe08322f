"""peewee's own queries over the tables of a tenant and the shared ones, each one statement, for two tenants."""

from __future__ import annotations

import peewee
import pytest
from peewee import JOIN, fn
from relay import Relay
from shop import Customer, Invoice, Plan


@pytest.fixture
def tenants(tenants):
    """Three plans. acme has an invoice of the first, one of the second and one of none; globex one of the second."""
    with tenants.shared():
        free, pro, _ = (Plan.create(name=name) for name in ("free", "pro", "unused"))
    with tenants.use("acme"):
        ada = Customer.create(name="Ada")
        Invoice.create(plan=free, customer=ada, total=12)
        Invoice.create(plan=pro, customer=ada, total=7)
        Invoice.create(total=5)
    with tenants.use("globex"):
        Invoice.create(plan=pro, customer=Customer.create(name="Bob"), total=70)
    return tenants


def joined():
    return Invoice.select(Invoice, Plan).join(Plan).order_by(Invoice.id)


def named():
    return Invoice.select(Invoice.id, Plan.name).join(Plan).order_by(Invoice.id)


def in_order(rows):
    return sorted(rows, key=repr)


def plans_of(invoices):
    """A common table of a tenant's sums, joined with the shared table."""
    sums = invoices.select(Invoice.plan, fn.SUM(Invoice.total).alias("sum")).group_by(Invoice.plan).cte("sums")
    return Plan.select(Plan.name, sums.c.sum).join(sums, on=sums.c.plan_id == Plan.id).order_by(Plan.id).with_cte(sums)


def upwards():
    """A recursive table that begins with the tenant's invoices, and goes on along the shared plans."""
    first = Invoice.select(Invoice.plan.alias("plan")).where(Invoice.plan.is_null(False)).cte("up", recursive=True)
    plan = Plan.alias()
    up = first.union(plan.select(plan.id).join(first, on=plan.id == first.c.plan + 1))
    return up.select_from(up.c.plan).order_by(up.c.plan)


def renamed(id, name):  # noqa: A002  # As the columns are called.
    return f"{id} {name}"


READS = {
    "a join": (
        lambda: [(row.id, row.plan.name) for row in joined()],
        [(1, "free"), (2, "pro")],
        [(1, "pro")],
    ),
    "a left outer join": (
        lambda: [
            (row.id, row.plan and row.plan.name)
            for row in Invoice.select(Invoice, Plan).join(Plan, JOIN.LEFT_OUTER).order_by(Invoice.id)
        ],
        [(1, "free"), (2, "pro"), (3, None)],
        [(1, "pro")],
    ),
    "a left outer join from the shared table": (
        lambda: in_order(Plan.select(Plan.name, Invoice.total).join(Invoice, JOIN.LEFT_OUTER).tuples()),
        [("free", 12), ("pro", 7), ("unused", None)],
        [("free", None), ("pro", 70), ("unused", None)],
    ),
    "two joins": (
        lambda: [
            (row.customer.name, row.plan.name)
            for row in joined().select_extend(Customer).switch(Invoice).join(Customer)
        ],
        [("Ada", "free"), ("Ada", "pro")],
        [("Bob", "pro")],
    ),
    "a shared subquery": (
        lambda: [row.id for row in Invoice.select().where(Invoice.plan.in_(Plan.select().where(Plan.name == "pro")))],
        [2],
        [1],
    ),
    "a tenant's subquery": (
        lambda: [
            row.name
            for row in Plan.select().where(Plan.id.not_in(Invoice.select(Invoice.plan).where(Invoice.plan > 0)))
        ],
        ["unused"],
        ["free", "unused"],
    ),
    "a correlated subquery": (
        lambda: list(
            Plan.select(Plan.name, Invoice.select(fn.COUNT(Invoice.id)).where(Invoice.plan == Plan.id).alias("count"))
            .order_by(Plan.id)
            .tuples()
        ),
        [("free", 1), ("pro", 1), ("unused", 0)],
        [("free", 0), ("pro", 1), ("unused", 0)],
    ),
    "a join of a subquery": (
        lambda: list(
            Plan.select(
                Plan.name,
                (
                    sums := Invoice.select(Invoice.plan, fn.MAX(Invoice.total).alias("most"))
                    .group_by(Invoice.plan)
                    .alias("s")
                ).c.most,
            )
            .join(sums, on=sums.c.plan_id == Plan.id)
            .order_by(Plan.id)
            .tuples()
        ),
        [("free", 12), ("pro", 7)],
        [("pro", 70)],
    ),
    "a CTE": (lambda: list(plans_of(Invoice).tuples()), [("free", 12), ("pro", 7)], [("pro", 70)]),
    "a recursive CTE": (lambda: [row["plan"] for row in upwards().dicts()], [1, 2, 3], [2, 3]),
    "an alias": (
        lambda: list(
            Invoice.select(Invoice.id, (other := Invoice.alias()).id, (plan := Plan.alias()).name)
            .join(other, on=other.id > Invoice.id)
            .join(plan, on=plan.id == other.plan_id)
            .tuples()
        ),
        [(1, 2, "pro")],
        [],
    ),
    "a union": (
        lambda: in_order((Plan.select(Plan.name) | Customer.select(Customer.name)).tuples()),
        [("Ada",), ("free",), ("pro",), ("unused",)],
        [("Bob",), ("free",), ("pro",), ("unused",)],
    ),
    "what only one has": (
        lambda: in_order((Plan.select(Plan.id) - Invoice.select(Invoice.plan)).tuples()),
        [(3,)],
        [(1,), (3,)],
    ),
    "a window": (
        lambda: list(
            Invoice.select(Plan.name, fn.SUM(Invoice.total).over(order_by=[Plan.name]))
            .join(Plan)
            .order_by(Plan.name)
            .tuples()
        ),
        [("free", 12), ("pro", 19)],
        [("pro", 70)],
    ),
    "dicts": (
        lambda: list(named().dicts()),
        [{"id": 1, "name": "free"}, {"id": 2, "name": "pro"}],
        [{"id": 1, "name": "pro"}],
    ),
    "tuples": (lambda: list(named().tuples()), [(1, "free"), (2, "pro")], [(1, "pro")]),
    "namedtuples": (
        lambda: [(row.id, row.name) for row in named().namedtuples()],
        [(1, "free"), (2, "pro")],
        [(1, "pro")],
    ),
    "objects": (
        lambda: [(row.id, row.name) for row in named().objects()],
        [(1, "free"), (2, "pro")],
        [(1, "pro")],
    ),
    "objects of a callable": (
        lambda: list(named().objects(renamed)),
        ["1 free", "2 pro"],
        ["1 pro"],
    ),
    "a count": (lambda: joined().count(), 2, 1),
    "exists": (lambda: joined().where(Plan.name == "free").exists(), True, False),
    "an aggregate": (
        lambda: joined().where(Plan.name == "pro").select(fn.SUM(Invoice.total)).order_by().scalar(),
        7,
        70,
    ),
}


@pytest.mark.parametrize(("read", "acme", "globex"), READS.values(), ids=READS)
def test_each_tenant_reads_its_own_rows_with_the_shared_ones_in_one_statement(
    server, make_engine, tenants, read, acme, globex
):
    with Relay(server.url) as relay:
        engine = make_engine(url=relay.url)
        for tenant, expected in [("acme", acme), ("globex", globex)]:
            with engine.use(tenant):
                read()  # The pool has its connection.
                with relay.counting() as messages:
                    assert read() == expected
                assert len(messages) == 1
                with engine.database.atomic():
                    assert read() == expected


def test_a_query_that_was_built_outside_reads_the_rows_of_whoever_is_bound(tenants):
    found, query = {}, named().tuples()
    for tenant in ("acme", "globex"):
        with tenants.use(tenant):
            found[tenant] = list(query.clone())
    assert found == {"acme": [(1, "free"), (2, "pro")], "globex": [(1, "pro")]}


def test_backrefs_and_what_is_prefetched_cross_the_schemas_both_ways(tenants):
    found = {}
    for tenant in ("acme", "globex"):
        with tenants.use(tenant):
            pro = Plan.get(Plan.name == "pro")
            prefetched = {
                plan.name: [each.total for each in plan.invoice_set] for plan in peewee.prefetch(Plan.select(), Invoice)
            }
            plans = [
                each.plan.name for each in peewee.prefetch(Invoice.select().where(Invoice.plan > 0), Plan.select())
            ]
            found[tenant] = (
                [each.total for each in pro.invoice_set],
                Customer.get().invoices.count(),
                prefetched,
                sorted(plans),
            )
    assert found == {
        "acme": ([7], 2, {"free": [12], "pro": [7], "unused": []}, ["free", "pro"]),
        "globex": ([70], 1, {"free": [], "pro": [70], "unused": []}, ["pro"]),
    }


# Writes. Each is one transaction's, with a shared row that is written in it.

WRITES = {
    "insert from": (
        lambda: Customer.insert_from(Plan.select(Plan.name).where(Plan.id < 3), [Customer.name]).execute(),
        lambda: [row.name for row in Customer.select().order_by(Customer.id)],
        ["Ada", "free", "pro"],
        ["Bob", "free", "pro"],
    ),
    "insert from a join": (
        lambda: Plan.insert_from(
            Invoice.select(Plan.name.concat(Customer.name)).join(Customer).switch(Invoice).join(Plan), [Plan.name]
        ).execute(),
        lambda: in_order(row.name for row in Plan.select().where(Plan.id > 3)),
        ["freeAda", "proAda"],
        ["proBob"],
    ),
    "update from": (
        lambda: Invoice.update(note=Plan.name).from_(Plan).where(Invoice.plan == Plan.id).execute(),
        lambda: in_order(row.note for row in Invoice.select()),
        ["free", "pro", None],
        ["pro"],
    ),
    "update of a subquery": (
        lambda: Invoice.update(note=Plan.select(Plan.name).where(Plan.id == Invoice.plan)).execute(),
        lambda: in_order(row.note for row in Invoice.select()),
        ["free", "pro", None],
        ["pro"],
    ),
    "delete where": (
        lambda: Invoice.delete().where(Invoice.plan.in_(Plan.select(Plan.id).where(Plan.name == "pro"))).execute(),
        lambda: [row.id for row in Invoice.select().order_by(Invoice.id)],
        [1, 3],
        [],
    ),
    "delete of shared rows": (
        lambda: (
            Plan.delete()
            .where(Plan.id.not_in(Invoice.select(Invoice.plan).where(Invoice.plan > 0)), Plan.id > 2)
            .execute()
        ),
        lambda: [row.name for row in Plan.select().order_by(Plan.id)],
        ["free", "pro"],
        ["free", "pro"],
    ),
}


@pytest.mark.parametrize(("write", "read", "acme", "globex"), WRITES.values(), ids=WRITES)
def test_each_tenant_writes_with_the_shared_rows_and_what_is_rolled_back_is_gone_from_both(
    tenants, write, read, acme, globex
):
    for tenant, expected in [("acme", acme), ("globex", globex)]:
        with tenants.use(tenant):
            before = read(), Plan.select().count()
            with tenants.database.atomic() as block:
                Plan.create(id=90, name="late")
                write()
                assert [row for row in read() if row != "late"] == expected
                block.rollback()
            assert (read(), Plan.select().count()) == before


def test_what_a_write_returns_is_its_tenants(tenants):
    found = {}
    for tenant in ("acme", "globex"):
        with tenants.use(tenant):
            updated = Invoice.update(note=Plan.name).from_(Plan).where(Invoice.plan == Plan.id)
            late = Plan.insert(name=f"{tenant}'s").returning(Plan).execute()[0]
            moved = Invoice.update(plan=late).where(Invoice.total > 10).returning(Invoice)
            found[tenant] = (
                in_order(updated.returning(Invoice.id, Plan.name).tuples().execute()),
                [(row.id, row.plan.name) for row in moved.execute()],
                sorted(row.id for row in Invoice.delete().returning(Invoice).execute()),
            )
    assert found == {
        "acme": ([(1, "free"), (2, "pro")], [(1, "acme's")], [1, 2, 3]),
        "globex": ([(1, "pro")], [(1, "globex's")], [1]),
    }


def test_shared_rows_that_a_tenants_transaction_has_written_go_with_it(tenants, sql):
    with tenants.use("acme"):
        with pytest.raises(ZeroDivisionError), tenants.database.atomic():
            late = Plan.create(name="late")
            Plan.update(name="paid").where(Plan.name == "pro").execute()
            Invoice.create(plan=late, total=99)
            assert Invoice.get(Invoice.total == 99).plan.name == "late"
            with tenants.database.atomic() as inner:
                Plan.delete().where(Plan.name == "unused").execute()
                inner.rollback()
            assert sql("SELECT count(*) FROM public.plan") == [(3,)]  # Nobody else sees what is not committed.
            assert [row.name for row in Plan.select().order_by(Plan.id)] == ["free", "paid", "unused", "late"]
            raise ZeroDivisionError
        assert not Invoice.select().where(Invoice.total == 99).exists()
    assert sql("SELECT name FROM public.plan ORDER BY id") == [("free",), ("pro",), ("unused",)]
