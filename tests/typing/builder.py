"""What mypy and pyright make of the builder: what is true passes, and each misuse is an error."""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple, assert_type

import peewee

from tenantry import SharedModel, TenantModel, fn
from tenantry.fields import (
    AutoField,
    BooleanField,
    CharField,
    DateField,
    DecimalField,
    FloatField,
    ForeignKeyField,
    IntegerField,
    JSONField,
    TextField,
    col,
)
from tenantry.query import Statement, compiled, with_shared
from tenantry.query.writes import Update


class Plan(SharedModel):
    id = AutoField()
    name = CharField()


class Region(SharedModel):
    code = CharField(primary_key=True)


class Feature(SharedModel):
    id = AutoField()
    plan = ForeignKeyField(Plan)


class Invoice(TenantModel):
    id = AutoField()
    plan = ForeignKeyField(Plan, null=True)
    region = ForeignKeyField(Region, field=Region.code, null=True)
    total = DecimalField()
    lines = IntegerField()
    rate = FloatField(null=True)
    paid = BooleanField(default=False)
    due = DateField(null=True)
    note = TextField(null=True)
    data = JSONField(null=True)


class Parent(Invoice):
    class Meta:
        alias = True


class Plain(peewee.Model):
    slug = peewee.CharField(null=True)
    n = peewee.IntegerField()


assert_type(Invoice().note, str | None)
assert_type(Invoice().plan, Plan | None)
query = with_shared(Invoice)
left = query.left_join(Plan, on=Invoice.plan == Plan.id)
inner = query.join(Plan, on=Invoice.plan == Plan.id)

assert_type(
    left.where(Invoice.total > 10).select(Invoice.id, Plan.name, Invoice.note).order_by(Invoice.id).limit(10).execute(),
    list[tuple[int, str | None, str | None]],
)
assert_type(inner.select(Invoice.id, Plan.name).execute(), list[tuple[int, str]])
assert_type(
    query.right_join(Plan, on=Invoice.plan == Plan.id).select(Invoice.id, Plan.name).execute(),
    list[tuple[int | None, str]],
)
assert_type(
    query.full_join(Plan, on=Invoice.plan == Plan.id).select(Invoice.id, Plan.name).execute(),
    list[tuple[int | None, str | None]],
)
assert_type(query.cross_join(Plan).select(Invoice.id, Plan.name).one(), tuple[int, str])
assert_type(
    left.select(fn.coalesce(Plan.name, ""), fn.count(Invoice.id), fn.count()).execute(), list[tuple[str, int, int]]
)
assert_type(left.select(fn.max(Invoice.total)).scalar(), Decimal | None)
assert_type(left.select(fn.sum(Invoice.lines)).scalar(), int | None)
assert_type(left.select(fn.avg(Invoice.lines)).scalar(), Decimal | None)
assert_type(left.select(fn.count()).scalar(), int | None)
assert_type(
    left.select(Plan.name, fn.count(Invoice.id)).group_by(Plan.name).order_by(Plan.name.desc(nulls="last")).execute(),
    list[tuple[str | None, int]],
)
assert_type(left.select(Invoice.plan, Invoice.region).execute(), list[tuple[int | None, str | None]])
assert_type(left.where((Invoice.total > 3) & (Plan.name == "x") & Invoice.paid.is_null()).execute(), list[Invoice])
assert_type(query.where(Invoice.paid).first(), Invoice | None)
assert_type(
    left.select(Invoice.total * 2, Invoice.lines + 1, Invoice.total * Invoice.lines).one(),
    tuple[Decimal, int, Decimal | int],
)
assert_type(left.select(Plan.id + 1, Invoice.total > 3).one(), tuple[int | None, bool | None])
assert_type(left.select(fn.lower(Plan.name), fn.lower(Invoice.note)).one(), tuple[str | None, str | None])
assert_type(inner.select(fn.lower(Plan.name)).one(), tuple[str])
aliased = query.left_join(Parent, on=Parent.id == Invoice.id)
assert_type(aliased.select(Parent.id, Invoice.id).execute(), list[tuple[int | None, int]])
plain = query.left_join(Plain, on=Invoice.id == col(Plain, Plain.n))
assert_type(
    plain.select(Invoice.id, col(Plain, Plain.n), col(Plain, Plain.slug)).one(), tuple[int, int | None, str | None]
)
assert_type(
    left.select(fn.sum(Invoice.total).filter(Plan.name == "x").over(partition_by=[Plan.name])).one(),
    tuple[Decimal | None],
)
assert_type(query.where(Invoice.plan.in_(with_shared(Plan).select(Plan.id))).first(), Invoice | None)
assert_type(with_shared(Plan).execute(), list[Plan])
assert_type(
    inner.select(Plan.id, Plan.name).union(left.select(Invoice.id, Plan.name)).order_by(1).execute(),
    list[tuple[int, str] | tuple[int, str | None]],
)
assert_type(query.select(Invoice.data["a"][0]).one(), tuple[Any])


# Few rows, others' rows, and queries in queries.
assert_type(query.distinct(Invoice.plan).limit(3).offset(2).first(), Invoice | None)
assert_type(left.distinct().select(Plan.name).execute(), list[tuple[str | None]])
assert_type(query.for_update(Invoice, skip_locked=True).one_or_none(), Invoice | None)
both = left.select(Plan.name).union_all(inner.select(Plan.name))
assert_type(both.order_by(1).offset(1).execute(), list[tuple[str | None] | tuple[str]])
assert_type(inner.select(Plan.name).intersect(inner.select(Plan.name)).one(), tuple[str])
assert_type(left.select(Plan.name).except_(left.select(Plan.name)).one(), tuple[str | None])
price = with_shared(Plan).correlate(Invoice).where(Plan.id == Invoice.plan).select(Plan.name).as_scalar()
assert_type(query.select(price, fn.coalesce(price, "")).one(), tuple[str | None, str])
assert_type((query.exists(), left.count()), tuple[bool, int])
assert_type(left.explain(analyze=True, buffers=True), str)
assert_type(left.select(Invoice.id, Plan.name).compile().one(), tuple[int, str | None])
with left.select(Plan.name).stream(chunk=10) as names:
    assert_type(next(names), tuple[str | None])


@dataclass
class Named:
    id: int
    name: str | None


class Pair(NamedTuple):
    id: int
    name: str


assert_type(left.select(Invoice.id, Plan.name).into(Named).execute(), list[Named])
assert_type(inner.select(Invoice.id, Plan.name).into(Pair).one(), Pair)
assert_type(left.select(Invoice.id, Plan.name).into(lambda i, n: (n or "") * i).first(), str | None)
for row in left.select(Invoice.id, Plan.name):
    assert_type(row, tuple[int, str | None])


@compiled
def due_before(day: date, minimum: Decimal = Decimal(0)) -> Statement[tuple[int, str | None]]:
    return left.where(Invoice.due < day, Invoice.total >= minimum).select(Invoice.id, Plan.name)


assert_type(due_before.execute(date(2026, 1, 1), minimum=Decimal(3)), list[tuple[int, str | None]])
assert_type(due_before.first(date(2026, 1, 1)), tuple[int, str | None] | None)
assert_type(due_before.one(date(2026, 1, 1), Decimal(3)), tuple[int, str | None])


@compiled
def rename(number: int, note: str) -> Update[Any, Any]:
    return query.where(Invoice.id == number).update().set(Invoice.note, note)


assert_type(rename.execute(3, "x"), int)

# Misuse.
query.select(Plan.name)  # type: ignore[arg-type]
left.select(Invoice.id, Feature.id)  # type: ignore[arg-type]
query.where(Plan.id == 3)  # type: ignore[arg-type]
query.left_join(Plan, on=Feature.plan == Plan.id)  # type: ignore[misc]
left.select(Invoice.id, Plan.name).into(Pair)  # type: ignore[arg-type]
left.select(Invoice.id).into(Named)  # type: ignore[arg-type]
query.order_by(Plan.name)  # type: ignore[arg-type]
query.select(Parent.id)  # type: ignore[arg-type]
query.select(fn.count(Plan.id))  # type: ignore[arg-type]
query.select(col(Plain, Plain.n))  # type: ignore[arg-type]
query.group_by(Plan.name)  # type: ignore[arg-type]
left.limit("1; drop table invoice")  # type: ignore[arg-type]
Invoice().total = "x"  # type: ignore[assignment]
due_before.execute("tomorrow")  # type: ignore[arg-type]
query.join(Plan)  # type: ignore[call-arg]
query.offset("2")  # type: ignore[arg-type]
query.distinct(Plan.name)  # type: ignore[arg-type]
query.for_update("invoice")  # type: ignore[arg-type]
query.for_update(no_wait=True)  # type: ignore[call-arg]
query.as_scalar()  # type: ignore[misc]
both.order_by(Plan.name)  # type: ignore[arg-type]
query.intersect([3])  # type: ignore[arg-type]
query.correlate("plan")  # type: ignore[arg-type]
left.explain(analyse=True)  # type: ignore[call-arg]
left.stream("10")  # type: ignore[arg-type]
rename.execute(3)  # type: ignore[call-arg]
