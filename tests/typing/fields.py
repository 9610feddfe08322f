"""What mypy and pyright make of the fields: on the class a column, on a row its value, `None` where it may be null."""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, assert_type
from uuid import UUID

import peewee

from tenantry import SharedModel, TenantModel, fn, with_shared
from tenantry.fields import (
    ArrayField,
    AutoField,
    BigAutoField,
    BigBitField,
    BigIntegerField,
    BinaryJSONField,
    BinaryUUIDField,
    BitField,
    BlobField,
    BooleanField,
    CharField,
    DateField,
    DateTimeField,
    DateTimeTZField,
    DecimalField,
    DeferredForeignKey,
    DoubleField,
    FixedCharField,
    FloatField,
    ForeignKeyField,
    HStoreField,
    IdentityField,
    IntegerField,
    IntervalField,
    IPField,
    JSONField,
    ManyToManyField,
    SmallIntegerField,
    TextField,
    TimeField,
    TimestampField,
    TSVectorField,
    UUIDField,
    key_of,
    typed,
)


class Region(SharedModel):
    code = CharField(primary_key=True)


class Plan(SharedModel):
    id = AutoField()
    name = CharField()
    region = ForeignKeyField(Region, field=Region.code)


class Tagging(TenantModel): ...


class Invoice(TenantModel):
    id = AutoField()
    plan = ForeignKeyField(Plan, null=True)
    plan_id = key_of(plan)
    paid_by = ForeignKeyField(Plan)
    paid_by_id = key_of(paid_by)
    parent = ForeignKeyField("self", null=True)
    parent_id = key_of(parent)
    root = ForeignKeyField("self")
    later = DeferredForeignKey("Later", null=True)
    plans = ManyToManyField(Plan, through_model=Tagging)
    flags = BitField()
    is_draft = flags.flag(1)
    bits = BigBitField()


class Parent(Invoice):
    class Meta:
        alias = True


# Every field, null and not.


class Every(TenantModel):
    auto = AutoField()
    big_auto = BigAutoField()
    identity = IdentityField()
    integer, integer_null = IntegerField(), IntegerField(null=True)
    small, small_null = SmallIntegerField(), SmallIntegerField(null=True)
    big, big_null = BigIntegerField(), BigIntegerField(null=True)
    single, single_null = FloatField(), FloatField(null=True)
    double, double_null = DoubleField(), DoubleField(null=True)
    decimal, decimal_null = DecimalField(), DecimalField(null=True)
    char, char_null = CharField(), CharField(null=True)
    fixed, fixed_null = FixedCharField(), FixedCharField(null=True)
    text, text_null = TextField(), TextField(null=True)
    ip, ip_null = IPField(), IPField(null=True)
    blob, blob_null = BlobField(), BlobField(null=True)
    uuid, uuid_null = UUIDField(), UUIDField(null=True)
    binary_uuid, binary_uuid_null = BinaryUUIDField(), BinaryUUIDField(null=True)
    boolean, boolean_null = BooleanField(), BooleanField(null=True)
    date, date_null = DateField(), DateField(null=True)
    time, time_null = TimeField(), TimeField(null=True)
    moment, moment_null = DateTimeField(), DateTimeField(null=True)
    zoned, zoned_null = DateTimeTZField(), DateTimeTZField(null=True)
    stamp, stamp_null = TimestampField(), TimestampField(null=True)
    span, span_null = IntervalField(), IntervalField(null=True)
    words, words_null = TSVectorField(), TSVectorField(null=True)
    data, jsonb, store = JSONField(), BinaryJSONField(), HStoreField()
    ints, ints_null = ArrayField(IntegerField), ArrayField(IntegerField, null=True)
    texts, texts_null = ArrayField(TextField), ArrayField(CharField, null=True)
    decimals, doubles = ArrayField(DecimalField, {"max_digits": 8}), ArrayField(DoubleField)
    bools, dates, moments = ArrayField(BooleanField), ArrayField(DateField), ArrayField(DateTimeField)
    times, spans = ArrayField(TimeField), ArrayField(IntervalField)
    uuids, jsons, matrix = ArrayField(UUIDField), ArrayField(JSONField), ArrayField(IntegerField, dimensions=2)
    own = typed(peewee.UUIDField(null=True))


row = Every()
of = with_shared(Every)
assert_type((row.auto, row.big_auto, row.identity), tuple[int, int, int])
assert_type((row.integer, row.integer_null), tuple[int, int | None])
assert_type((row.small, row.small_null), tuple[int, int | None])
assert_type((row.big, row.big_null), tuple[int, int | None])
assert_type((row.single, row.single_null), tuple[float, float | None])
assert_type((row.double, row.double_null), tuple[float, float | None])
assert_type((row.decimal, row.decimal_null), tuple[Decimal, Decimal | None])
assert_type((row.char, row.char_null), tuple[str, str | None])
assert_type((row.fixed, row.fixed_null), tuple[str, str | None])
assert_type((row.text, row.text_null), tuple[str, str | None])
assert_type((row.ip, row.ip_null), tuple[str, str | None])
assert_type((row.blob, row.blob_null), tuple[memoryview, memoryview | None])
assert_type((row.uuid, row.uuid_null), tuple[UUID, UUID | None])
assert_type((row.binary_uuid, row.binary_uuid_null), tuple[UUID, UUID | None])
assert_type((row.boolean, row.boolean_null), tuple[bool, bool | None])
assert_type((row.date, row.date_null), tuple[date, date | None])
assert_type((row.time, row.time_null), tuple[time, time | None])
assert_type((row.moment, row.moment_null), tuple[datetime, datetime | None])
assert_type((row.zoned, row.zoned_null), tuple[datetime, datetime | None])
assert_type((row.stamp, row.stamp_null), tuple[datetime, datetime | None])
assert_type((row.span, row.span_null), tuple[timedelta, timedelta | None])
assert_type((row.words, row.words_null), tuple[str, str | None])
assert_type((row.data, row.jsonb, row.store), tuple[Any, Any, Any])
assert_type((row.ints, row.ints_null), tuple[list[int | None], list[int | None] | None])
assert_type((row.texts, row.texts_null), tuple[list[str | None], list[str | None] | None])
assert_type((row.decimals, row.doubles), tuple[list[Decimal | None], list[float | None]])
assert_type((row.bools, row.dates, row.moments), tuple[list[bool | None], list[date | None], list[datetime | None]])
assert_type((row.times, row.spans), tuple[list[time | None], list[timedelta | None]])
assert_type((row.uuids, row.jsons, row.matrix), tuple[list[Any], list[Any], list[Any]])
assert_type(row.own, UUID | None)

assert_type(of.select(Every.auto, Every.big_auto, Every.identity).one(), tuple[int, int, int])
assert_type(of.select(Every.integer, Every.small_null, Every.big).one(), tuple[int, int | None, int])
assert_type(of.select(Every.single, Every.double_null, Every.decimal).one(), tuple[float, float | None, Decimal])
assert_type(of.select(Every.char, Every.fixed_null, Every.ip).one(), tuple[str, str | None, str])
assert_type(of.select(Every.blob, Every.uuid_null, Every.binary_uuid).one(), tuple[memoryview, UUID | None, UUID])
assert_type(of.select(Every.date, Every.time_null, Every.moment).one(), tuple[date, time | None, datetime])
assert_type(of.select(Every.zoned, Every.stamp_null, Every.span).one(), tuple[datetime, datetime | None, timedelta])
assert_type(of.select(Every.words, Every.ints_null).one(), tuple[str, list[int | None] | None])
assert_type(of.select(Every.data, Every.jsonb, Every.store).one(), tuple[Any, Any, Any])
assert_type(of.select(Every.own).one(), tuple[UUID | None])

# Columns that can do more than others.

assert_type(of.where(Every.words.match("a & b")).select(Every.data["a"]["b"].as_text()).one(), tuple[str | None])
assert_type(of.where(Every.data.contains({"a": 1}), Every.data["a"].has_key("b")).first(), Every | None)
assert_type(
    of.where(Every.jsonb.contains({"a": 1}), Every.jsonb.has_key("a")).select(Every.jsonb["a"]).one(), tuple[str | None]
)
assert_type(of.where(Every.ints.contains(1, 2), Every.texts.contains_any("a")).first(), Every | None)

# Foreign keys, and bits.

invoice = Invoice()
assert_type(invoice.plan, Plan | None)
assert_type(invoice.plan_id, int | None)
assert_type(invoice.paid_by, Plan)
assert_type(invoice.paid_by_id, int)
assert_type(invoice.parent, Invoice | None)
assert_type(invoice.parent_id, int | None)
assert_type(invoice.root, Invoice)
assert_type(Parent().parent, Parent | None)
assert_type(invoice.later, Any)
assert_type(invoice.plans, peewee.ManyToManyQuery[Plan])
assert_type(invoice.flags, int)
assert_type(invoice.is_draft, bool)
assert_type(invoice.bits, peewee.BigBitFieldData)
assert_type(Plan().region, Region)
query = with_shared(Invoice)
assert_type(
    query.where(Invoice.is_draft).select(Invoice.plan_id, Invoice.parent, Invoice.root, Invoice.later).one(),
    tuple[int | None, int | None, int, Any],
)
assert_type(query.select(Invoice.flags, Invoice.is_draft, Invoice.bits).one(), tuple[int, bool | None, memoryview])
invoice.plan_id = 3
invoice.plan = None
invoice.parent = invoice

# Joins along them.

looked_up = query.lookup(Invoice.plan)
assert_type(looked_up.select(fn.row(Invoice), Plan.name).one(), tuple[Invoice, str | None])
assert_type(
    looked_up.lookup(Plan.region).select(Invoice.id, Plan.name, Region.code).execute(),
    list[tuple[int, str | None, str | None]],
)
assert_type(query.lookup(Invoice.paid_by).select(Plan.region).scalar(), str | None)

# Misuse.
query.lookup(Plan.region)  # type: ignore[arg-type]
query.lookup(Invoice.id)  # type: ignore[arg-type]
query.lookup(Invoice.parent)  # type: ignore[arg-type]
query.select(Invoice.plans)  # type: ignore[call-overload]
invoice.paid_by = None  # type: ignore[assignment]
invoice.paid_by_id = "x"  # type: ignore[assignment]
invoice.is_draft = 3  # type: ignore[assignment]
row.ints = ["x"]  # type: ignore[list-item]
row.integer = None  # type: ignore[assignment]
ArrayField(int)  # type: ignore[arg-type]
Every.text.match("a")  # type: ignore[attr-defined]
Every.text.has_key("a")  # type: ignore[attr-defined]
key_of(Region.code)  # type: ignore[arg-type]
