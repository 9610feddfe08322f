"""What mypy and pyright make of derived tables, and of what writes."""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from decimal import Decimal
from typing import Any, assert_type

from tenantry import Derived, SharedModel, Step, TenantModel, fn, with_shared
from tenantry.fields import (
    ArrayField,
    AutoField,
    BlobField,
    BooleanField,
    CharField,
    DecimalField,
    ForeignKeyField,
    IntegerField,
    JSONField,
    TextField,
    UUIDField,
)


class Plan(SharedModel):
    id = AutoField()
    name = CharField()
    price = DecimalField()


class Invoice(TenantModel):
    id = AutoField()
    plan = ForeignKeyField(Plan, null=True)
    total = DecimalField()
    paid = BooleanField(default=False)
    note = TextField(null=True)


class Archive(TenantModel):
    number = IntegerField()
    plan = CharField(null=True)
    total = DecimalField()


class Document(TenantModel):
    plan = ForeignKeyField(Plan)
    price = DecimalField(null=True)
    scan = BlobField()
    is_new = BooleanField()
    keys = ArrayField(UUIDField)
    data = JSONField()


class Category(TenantModel):
    id = AutoField()
    parent = IntegerField(null=True)
    name = TextField()


query = with_shared(Invoice)
left = query.left_join(Plan, on=Invoice.plan == Plan.id)
inner = query.join(Plan, on=Invoice.plan == Plan.id)
by_plan = left.group_by(Invoice.plan, Plan.name)


class Spent(Derived):
    plan = by_plan.column(Invoice.plan)
    name = by_plan.column(Plan.name)
    total = by_plan.column(fn.sum(Invoice.total))
    number = by_plan.column(fn.count())


class SpentToo(Spent):
    class Meta:
        alias = True


spent = with_shared(Plan).left_join(Spent, on=Spent.plan == Plan.id)
assert_type(
    spent.select(Plan.id, Spent.name, Spent.total, Spent.number).execute(),
    list[tuple[int, str | None, Decimal | None, int | None]],
)
assert_type(
    with_shared(Spent).select(Spent.plan, Spent.name, Spent.total, Spent.number).one(),
    tuple[int | None, str | None, Decimal | None, int],
)
assert_type(
    with_shared(Spent).left_join(SpentToo, on=Spent.total < SpentToo.total).select(SpentToo.number).scalar(),
    int | None,
)

assert_type(spent.select(Spent.total / 2, Spent.number / 2).one(), tuple[Decimal | None, int | Decimal | None])
documents = with_shared(Document)


class Found(Derived):
    data = documents.column(Document.data)
    keys = documents.column(Document.keys)
    plan = documents.column(Document.plan)


assert_type(with_shared(Found).select(Found.plan, Found.data, Found.keys).one(), tuple[int, Any, Any])

roots = with_shared(Category).where(Category.parent.is_null())


class Tree(Derived):
    id = roots.column(Category.id)
    path = roots.column(Category.name)

    @staticmethod
    def step() -> Step:
        children = with_shared(Category).join(Tree, on=Category.parent == Tree.id)
        return children.fill(Tree).set(Tree.id, Category.id).set(Tree.path, Tree.path.concat(Category.name))


assert_type(with_shared(Tree).order_by(Tree.path).select(Tree.id, Tree.path).execute(), list[tuple[int, str]])

# Outer joins that leave the first table without a row.
assert_type(query.right_join(Plan, on=Invoice.plan == Plan.id).execute(), list[Invoice | None])
assert_type(query.full_join(Plan, on=Invoice.plan == Plan.id).first(), Invoice | None)
assert_type(
    query.right_join(Plan, on=Invoice.plan == Plan.id).left_join(Archive, on=Archive.number == Invoice.id).one(),
    Invoice | None,
)

# Writes.
assert_type(
    inner.where(Plan.name == "x").update().set(Invoice.total, Plan.price).set(Invoice.paid, True).execute(), int
)
assert_type(
    inner.update()
    .set(Invoice.total, Invoice.total * 2)
    .set(Invoice.note, None)
    .returning(Invoice.id, Plan.name)
    .execute(),
    list[tuple[int, str]],
)
assert_type(query.delete().execute(), int)
writing = documents.update().set(Document.price, 3).set(Document.scan, b"x").set(Document.plan, Plan())
assert_type(writing.set(Document.is_new, Document.price > 3).set(Document.keys, []).execute(), int)
assert_type(documents.update().set(Document.price, Document.plan).set(Document.scan, b"").execute(), int)
assert_type(query.update().set(Invoice.total, fn.coalesce(fn.sum(Invoice.total), 0)).execute(), int)
assert_type(documents.update().set(Document.plan, 3).set(Document.price, None).execute(), int)
assert_type(inner.delete().returning().execute(), list[Invoice])
assert_type(query.where(Invoice.id == 3).delete().returning(Invoice.note).scalar(), str | None)
assert_type(
    left.insert(Archive)
    .set(Archive.number, Invoice.id)
    .set(Archive.plan, Plan.name)
    .set(Archive.total, Decimal(3))
    .execute(),
    int,
)
assert_type(
    query.insert(Archive).set(Archive.number, Invoice.id).ignore_conflicts().returning(Archive.number).one(), tuple[int]
)

assert_type(
    query.insert(Archive)
    .set(Archive.number, Invoice.id)
    .set(Archive.total, 3 * Invoice.total)
    .update_conflicts(Archive.number)
    .execute(),
    int,
)

# Misuse.
query.select(Invoice.id).right_join(Plan, on=Invoice.plan == Plan.id)  # type: ignore[misc]
query.select(Invoice.id).full_join(Plan, on=Invoice.plan == Plan.id)  # type: ignore[misc]
with_shared(Plan).select(Spent.total)  # type: ignore[arg-type]
query.column(Plan.name)  # type: ignore[arg-type]
left.update()  # pyright: ignore[reportAttributeAccessIssue]
inner.select(Invoice.id).delete()  # type: ignore[misc]
inner.update().set(Plan.name, "x")  # type: ignore[arg-type]
inner.update().set(Invoice.total, "x")  # type: ignore[misc]
inner.update().set(Invoice.total, Plan.name)  # type: ignore[misc]
query.update().set(Invoice.total, Plan.price)  # type: ignore[arg-type]
left.insert(Archive).set(Archive.total, Plan.price)  # type: ignore[misc]
left.insert(Archive).set(Invoice.total, Invoice.total)  # type: ignore[arg-type]
left.insert(Archive).set(Archive.number, Invoice.id).returning(Invoice.id)  # type: ignore[arg-type]
query.insert(Archive).update_conflicts(Invoice.id)  # type: ignore[arg-type]
query.delete().returning(Plan.id)  # type: ignore[arg-type]
with_shared(Category).fill(Tree).set(Tree.id, Category.parent)  # type: ignore[misc]
documents.update().set(Document.plan, Invoice())  # type: ignore[misc]
documents.update().set(Document.scan, "x")  # type: ignore[misc]
documents.update().set(Document.is_new, Document.price)  # type: ignore[misc]
query.update().set(Invoice.total, fn.sum(Invoice.total))  # type: ignore[misc]
documents.update().set(Document.plan, Document.price)  # type: ignore[misc]
documents.update().set(Document.price, 1.5)  # type: ignore[misc]
query.column(Document.data)  # type: ignore[arg-type]
Found.data["a"]  # type: ignore[index]
