"""What mypy and pyright make of functions and operators: the type that comes, and None where it may."""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, assert_type
from uuid import UUID

import peewee

from tenantry import SharedModel, TenantModel, fn, with_shared
from tenantry.fields import (
    AutoField,
    BooleanField,
    CharField,
    DateField,
    DateTimeField,
    DecimalField,
    FloatField,
    ForeignKeyField,
    IntegerField,
    IntervalField,
    JSONField,
    TextField,
    TimeField,
    UUIDField,
)


class Plan(SharedModel):
    id = AutoField()
    name = CharField()


class Feature(SharedModel):
    name = CharField()


class Invoice(TenantModel):
    id = AutoField()
    plan = ForeignKeyField(Plan, null=True)
    total = DecimalField()
    lines = IntegerField()
    few = IntegerField(null=True)
    rate = FloatField()
    paid = BooleanField()
    due = DateField()
    due_null = DateField(null=True)
    issued = DateTimeField()
    starts = TimeField()
    lasts = IntervalField(null=True)
    span = IntervalField()
    key = UUIDField()
    note = TextField(null=True)
    title = TextField()
    data = JSONField(null=True)


query = with_shared(Invoice)
left = query.lookup(Invoice.plan)
inner = query.join(Plan, on=Invoice.plan == Plan.id)

# Of many rows.

assert_type(inner.select(fn.array_agg(Plan.name)).one(), tuple[list[str] | None])
assert_type(left.select(fn.array_agg(Plan.name)).one(), tuple[list[str | None] | None])
assert_type(left.select(fn.array_agg(Invoice.lines)).one(), tuple[list[int] | None])
assert_type(left.select(fn.array_agg(Invoice.few)).one(), tuple[list[int | None] | None])
assert_type(left.select(fn.array_agg(fn.coalesce(Plan.name, ""))).one(), tuple[list[str] | None])
assert_type(
    left.select(fn.array_agg(Plan.name).filter(Invoice.total > 3).order_by(Invoice.id)).one(),
    tuple[list[str | None] | None],
)
names = fn.array_agg(Plan.name).over(partition_by=[Plan.id])
assert_type(left.select(names).one(), tuple[list[str | None] | None])
assert_type(left.select(fn.string_agg(Plan.name, ",").order_by(Plan.name)).one(), tuple[str | None])
assert_type(left.select(fn.jsonb_agg(Plan.name), fn.count()).one(), tuple[Any, int])
assert_type(left.select(fn.jsonb_build_object(id=Invoice.id, plan=Plan.name), fn.count()).one(), tuple[Any, int])
assert_type(
    left.select(fn.sum(Invoice.lines), fn.sum(Invoice.total), fn.sum(Invoice.rate), fn.sum(Invoice.lasts)).one(),
    tuple[int | None, Decimal | None, float | None, timedelta | None],
)
assert_type(left.select(fn.avg(Invoice.lines), fn.avg(Invoice.total)).one(), tuple[Decimal | None, Decimal | None])
assert_type(left.select(fn.avg(Invoice.rate), fn.min(Plan.name)).one(), tuple[float | Decimal | None, str | None])
assert_type(left.select(fn.sum(fn.coalesce(Invoice.few, 0) + Invoice.lines)).one(), tuple[int | None])

# Arithmetic: what is fixed stays so, and what is mixed with a column may be missing as the column may.

assert_type(left.select(fn.coalesce(fn.sum(Invoice.total), 0)).one(), tuple[Decimal | int])
assert_type(left.select(fn.sum(Invoice.lines) * 2, fn.count() + 1).one(), tuple[int | None, int])
assert_type(left.select(fn.count() / 2, 100 * fn.count() - fn.count()).one(), tuple[int | Decimal, int])
assert_type(inner.select(fn.coalesce(Plan.id, 0) + Invoice.lines).one(), tuple[int])
of_two = fn.coalesce(Invoice.few, 0) + Plan.id
assert_type(left.select(of_two).one(), tuple[int | None])
assert_type(inner.select(of_two).one(), tuple[int])
assert_type(left.select(Plan.id + fn.coalesce(Invoice.few, 0)).one(), tuple[int | None])
assert_type(
    left.select(Invoice.lines * 1.5, 2 * Invoice.lines, 1 - Plan.id).one(), tuple[int | Decimal, int, int | None]
)
assert_type(left.select(fn.sum(Invoice.total) + fn.sum(Invoice.lines)).one(), tuple[Decimal | int | None])
assert_type(left.where(fn.coalesce(Invoice.few, 0) + 1 > 3).first(), Invoice | None)
assert_type(left.having(fn.sum(Invoice.lines) * 2 > fn.count() + 1).first(), Invoice | None)
assert_type(left.select(fn.sum(Invoice.lines) > 3).one(), tuple[bool | None])
assert_type(
    left.select(Invoice.due + timedelta(days=1), Invoice.due_null - timedelta(days=1)).one(),
    tuple[datetime, datetime | None],
)
assert_type(
    left.select(Invoice.issued - Invoice.issued, Invoice.lasts + timedelta(1)).one(), tuple[timedelta, timedelta | None]
)
assert_type(left.select(fn.now() - timedelta(days=1)).one(), tuple[datetime])
assert_type(inner.select(Invoice.id + Plan.id, Invoice.lines / 2).one(), tuple[int, int | Decimal])
assert_type(left.select(Invoice.id + Plan.id, Plan.id - fn.count()).one(), tuple[int | None, int | None])
assert_type(
    query.select(Invoice.due - Invoice.due, Invoice.due - date(2026, 1, 1), date(2026, 1, 1) - Invoice.due).one(),
    tuple[int, int, int],
)
assert_type(query.select(Invoice.due + 3, Invoice.due_null - 3).one(), tuple[date, date | None])
assert_type(
    query.select(Invoice.issued - datetime(2026, 1, 1), datetime(2026, 1, 1) - Invoice.issued).one(),
    tuple[timedelta, timedelta],
)
assert_type(
    query.select(Invoice.issued - Invoice.due, Invoice.due - Invoice.issued, Invoice.due_null - Invoice.due).one(),
    tuple[timedelta, timedelta, int | None],
)
assert_type(
    query.select(Invoice.issued + Invoice.span, Invoice.issued - Invoice.lasts, Invoice.due + Invoice.span).one(),
    tuple[datetime, datetime | None, datetime | None],
)
assert_type(query.select(Invoice.span * 2, Invoice.lasts / 2, 2 * Invoice.span).one()[1], timedelta | None)
assert_type(query.select(Invoice.starts - timedelta(hours=1)).one(), tuple[time])
assert_type(
    query.select(fn.now() - Invoice.issued, fn.max(Invoice.due) - fn.min(Invoice.due)).one(),
    tuple[timedelta, int | None],
)

# Conditions.

assert_type(left.where(~Invoice.paid, Invoice.paid & (Plan.id > 3), Invoice.paid | Invoice.paid).one(), Invoice)
assert_type(left.where(fn.coalesce(Invoice.paid, False)).one(), Invoice)
assert_type(left.select(~Invoice.paid, Invoice.paid & (Plan.id > 3)).one(), tuple[bool | None, bool | None])
assert_type(inner.where(Invoice.id.in_([Plan.id]), Invoice.id.between(Plan.id, 4)).one(), Invoice)
assert_type(inner.where(Invoice.id.not_in([1, 2]), Invoice.id.between(3, Plan.id)).one(), Invoice)

# Values.

assert_type(left.select(fn.value("a"), fn.value(1), fn.value(Decimal(1))).one(), tuple[str, int, Decimal])
assert_type(left.select(fn.coalesce(Plan.name, Invoice.note, "")).one(), tuple[str])
assert_type(left.select(fn.coalesce(Invoice.note, Invoice.title)).one(), tuple[str])
assert_type(left.select(fn.coalesce(Plan.name, Invoice.title)).one(), tuple[str | None])
assert_type(left.select(fn.coalesce(Plan.name, fn.concat(Invoice.id, "x"))).one(), tuple[str])
assert_type(left.select(fn.coalesce(Plan.name, Invoice.note, Invoice.note)).one(), tuple[str | None])
assert_type(left.select(fn.coalesce(Plan.name, Invoice.note, Plan.name, "")).one(), tuple[str])
assert_type(left.select(fn.nullif(Invoice.lines, Plan.id)).one(), tuple[int | None])
assert_type(left.select(fn.greatest(Plan.id, Invoice.lines, Invoice.id)).one(), tuple[int | None])
assert_type(left.select(fn.nullif(Invoice.lines, 0), fn.nullif(Plan.name, "")).one(), tuple[int | None, str | None])
assert_type(left.select(fn.greatest(Invoice.lines, 3)).one(), tuple[int])
assert_type(left.select(fn.least(Invoice.lines, Plan.id)).one(), tuple[int | None])
assert_type(left.select(fn.case((Invoice.paid.is_null(), "a"), default="b")).one(), tuple[str])
assert_type(left.select(fn.case((Invoice.paid.is_null(), 1))).one(), tuple[int | None])
assert_type(left.select(fn.case((Invoice.paid.is_null(), Invoice.lines))).one(), tuple[int | None])
assert_type(inner.select(fn.case((Invoice.paid.is_null(), Plan.name), default="b")).one(), tuple[str])
named = fn.case((Invoice.paid.is_null(), Plan.name), default=Invoice.title)
assert_type(left.select(named).one(), tuple[str | None])

assert_type(left.select(fn.case((Plan.name == "x", 1), (Invoice.paid, 2), default=3)).one(), tuple[int])
assert_type(left.select(fn.case((Plan.name == "x", Plan.id), (Invoice.paid, Invoice.id))).one(), tuple[int | None])
assert_type(
    left.select(fn.case((Plan.name == "x", Invoice.title), (Invoice.paid, "b"), default="c")).one(), tuple[str | None]
)

# Numbers, texts, and dates.

assert_type(left.select(fn.abs(Invoice.total), fn.abs(Plan.id)).one(), tuple[Decimal, int | None])
assert_type(
    left.select(fn.round(Invoice.total, 1), fn.round(fn.sum(Invoice.total))).one(), tuple[Decimal, Decimal | None]
)
assert_type(left.select(fn.floor(Invoice.rate), fn.ceil(fn.coalesce(Invoice.few, 0))).one(), tuple[float, int])
assert_type(
    left.select(fn.mod(Invoice.lines, 2), fn.mod(Invoice.total, Plan.id)).one(), tuple[int, Decimal | int | None]
)
assert_type(left.select(fn.lower(fn.coalesce(Plan.name, "")), fn.upper(Plan.name)).one(), tuple[str, str | None])
assert_type(left.select(fn.length(Invoice.note), fn.length(Invoice.title)).one(), tuple[int | None, int])
assert_type(left.select(fn.length(Plan.name), fn.length(fn.concat(Plan.name, "x"))).one(), tuple[int | None, int])
assert_type(left.select(fn.concat(Plan.name, "-", Invoice.id)).one(), tuple[str])
assert_type(left.select(Plan.name.concat("x"), fn.coalesce(Plan.name, "").concat("y")).one(), tuple[str | None, str])
assert_type(left.select(fn.replace(Invoice.title, "a", "b"), fn.trim(Plan.name)).one(), tuple[str, str | None])
assert_type(left.select(fn.substring(Invoice.title, 1, 2)).one(), tuple[str])
assert_type(
    left.select(fn.date_part("year", Invoice.due), fn.date_part("day", Invoice.due_null)).one(),
    tuple[float, float | None],
)
assert_type(left.select(fn.date_trunc("month", Invoice.due), fn.now()).one(), tuple[datetime, datetime])
assert_type(left.select(fn.date_trunc("month", fn.min(Invoice.due))).one(), tuple[datetime | None])

# Windows.

window = peewee.Window
assert_type(left.select(fn.dense_rank().over(order_by=[Plan.name]), fn.ntile(2).over()).one(), tuple[int, int])
assert_type(left.select(fn.percent_rank().over(order_by=[Invoice.id])).one(), tuple[float])
assert_type(left.select(fn.lag(Invoice.lines).over(order_by=[Invoice.id])).one(), tuple[int | None])
assert_type(left.select(fn.coalesce(fn.lead(Plan.name, 2).over(order_by=[Invoice.id]), "")).one(), tuple[str])
assert_type(left.select(fn.first_value(Invoice.id).over(order_by=[Invoice.id])).one(), tuple[int | None])
assert_type(
    left.select(
        fn.sum(Invoice.lines).over(
            order_by=[Invoice.id], start=window.preceding(1), end=window.CURRENT_ROW, frame_type="ROWS"
        )
    ).one(),
    tuple[int | None],
)
assert_type(left.select(fn.count().over(partition_by=[Plan.name, Invoice.lines])).one(), tuple[int])
assert_type(left.select(fn.count().over(partition_by=[Plan.name], order_by=[Invoice.id])).one(), tuple[int])
assert_type(left.select(fn.sum(Invoice.lines).order_by(Plan.name, Invoice.id)).one(), tuple[int | None])
assert_type(left.select(fn.row_number().over(order_by=[Plan.name]), fn.rank().over()).one(), tuple[int, int])
assert_type(left.select(fn.cume_dist().over(order_by=[Invoice.id])).one(), tuple[float])
assert_type(left.select(fn.last_value(Plan.name).over(order_by=[Invoice.id])).one(), tuple[str | None])
assert_type(left.select(fn.bool_and(Invoice.paid), fn.bool_or(Plan.id > 3)).one(), tuple[bool | None, bool | None])

# Others.

assert_type(left.select(fn.cast(Invoice.id, "uuid", UUID)).one(), tuple[UUID | None])
assert_type(left.select(fn.call("random", returns=float)).one(), tuple[float | None])
assert_type(left.select(fn.call("left", Plan.name, 2, returns=str)).one(), tuple[str | None])
assert_type(left.select(fn.row(Plan), Invoice.id).one(), tuple[Plan | None, int])
has_plan = fn.exists(with_shared(Plan).correlate(Invoice).where(Plan.id == Invoice.plan))
assert_type(query.where(~has_plan).select(has_plan).one(), tuple[bool | None])

# Misuse.
fn.sum(Invoice.title)  # type: ignore[arg-type]
fn.sum(fn.coalesce(Invoice.title, ""))  # type: ignore[arg-type]
fn.lower(Invoice.id)  # type: ignore[type-var]
fn.lower(fn.count())  # type: ignore[type-var]
fn.abs(Invoice.title)  # type: ignore[type-var]
fn.coalesce(Invoice.title, object())  # type: ignore[call-overload]
fn.date_part("yeer", Invoice.due)  # type: ignore[call-overload]
fn.date_part("year", Invoice.title)  # type: ignore[call-overload]
fn.ntile("2")  # type: ignore[arg-type]
fn.value(object())  # type: ignore[type-var]
fn.count() + "x"  # type: ignore[operator]
fn.count() % 2  # type: ignore[operator]
Invoice.lines % 2  # type: ignore[operator]
fn.round(Invoice.rate, 2)  # type: ignore[type-var]
query.select(fn.coalesce(Plan.name, ""))  # type: ignore[arg-type]
query.select(of_two)  # type: ignore[arg-type]
fn.bool_and(Invoice.lines > 3, Invoice.paid)  # type: ignore[call-arg]
fn.bool_or(Invoice.title)  # type: ignore[arg-type]
fn.exists(Invoice)  # type: ignore[arg-type]
fn.call("random")  # type: ignore[call-arg]
fn.row_number(Invoice.id)  # type: ignore[call-arg]
query.select(fn.array_agg(Plan.name))  # type: ignore[arg-type]
left.select(fn.sum(Invoice.lines).filter(Feature.name == "x"))  # type: ignore[arg-type]
Invoice.title + 1  # type: ignore[operator]
Invoice.key + 1  # type: ignore[operator]
Invoice.title * 2  # type: ignore[operator]
Invoice.starts + 3  # type: ignore[operator]
Invoice.due * 2  # type: ignore[operator]
~Invoice.lines  # type: ignore[misc]
Invoice.lines & Invoice.paid  # type: ignore[misc]
query.where(Invoice.id == Plan.id)  # type: ignore[arg-type]
query.where((Invoice.id == 3) & (Plan.name == "x"))  # type: ignore[arg-type]
query.having(Invoice.id < Plan.id)  # type: ignore[arg-type]
query.where(Invoice.id.in_([Plan.id]))  # type: ignore[arg-type]
query.where(Invoice.id.between(Plan.id, 4))  # type: ignore[arg-type]
query.where(Invoice.title.like(Plan.name))  # type: ignore[arg-type]
query.select(Invoice.id + Plan.id)  # type: ignore[arg-type]
query.select(fn.call("left", Plan.name, 2, returns=str))  # type: ignore[arg-type]
query.select(fn.count().over(partition_by=[Plan.name]))  # type: ignore[arg-type]
fn.case((Invoice.paid, [1]))  # type: ignore[type-var]
fn.count(fn.row(Plan))  # type: ignore[arg-type]
query.column(fn.row(Invoice))  # type: ignore[arg-type]
