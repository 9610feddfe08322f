"""`tenantry.fields` hands on peewee's fields, and their values come as the checkers are told."""

from __future__ import annotations

import inspect
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import peewee
import pytest
from playhouse import postgres_ext
from psycopg2.extras import NumericRange

from tenantry import SharedModel, TenantModel, fields, with_shared
from tenantry.errors import InvalidQuery
from tenantry.fields import key_of, typed

LEFT_OUT = {
    "AnyField": "a type of SQLite's",
    "BareField": "a type of SQLite's",
    "Field": "the base",
    "FieldAlias": "peewee's own",
    "MetaField": "the base of what is no column",
    "PrimaryKeyField": "deprecated: AutoField",
    "VirtualField": "no column",
}


def test_every_field_for_postgresql_is_handed_on_and_is_peewees_own():
    theirs = {
        name: kind
        for module in (postgres_ext, peewee)  # Both have a JSONField: peewee's is of jsonb, and handed on.
        for name, kind in vars(module).items()
        if inspect.isclass(kind) and issubclass(kind, peewee.Field) and not name.startswith("_")
    }
    assert {name: getattr(fields, name, None) for name in theirs.keys() - LEFT_OUT} == {
        name: kind for name, kind in theirs.items() if name not in LEFT_OUT
    }
    assert set(fields.__all__) == (theirs.keys() - LEFT_OUT) | {"typed", "col", "key_of"}


class RangeField(peewee.Field):
    """Somebody's own."""

    field_type = "int4range"


MOMENT = datetime(2026, 1, 2, 3, 4, 5)
ID = UUID(int=7)
VALUES = [
    (fields.IntegerField, 2, int),
    (fields.SmallIntegerField, 2, int),
    (fields.BigIntegerField, 2**40, int),
    (fields.FloatField, 1.5, float),
    (fields.DoubleField, 1.5, float),
    (fields.DecimalField, Decimal("1.50000"), Decimal),
    (fields.CharField, "a", str),
    (fields.FixedCharField, "a" * 255, str),
    (fields.TextField, "a", str),
    (fields.IPField, "10.0.0.1", str),
    (fields.BlobField, b"a", memoryview),
    (fields.UUIDField, ID, UUID),
    (fields.BinaryUUIDField, ID, UUID),
    (fields.BooleanField, True, bool),
    (fields.DateField, MOMENT.date(), date),
    (fields.TimeField, MOMENT.time(), time),
    (fields.DateTimeField, MOMENT, datetime),
    (fields.DateTimeTZField, MOMENT.replace(tzinfo=UTC), datetime),
    (fields.TimestampField, MOMENT, datetime),
    (fields.IntervalField, timedelta(days=1), timedelta),
    (fields.TSVectorField, "'a'", str),
    (fields.JSONField, {"a": [1]}, dict),
    (fields.BinaryJSONField, {"a": [1]}, dict),
    (lambda **options: fields.ArrayField(fields.IntegerField, **options), [1, None], list),
    (lambda **options: fields.ArrayField(fields.TextField, **options), ["a", None], list),
    (lambda **options: fields.ArrayField(fields.BooleanField, **options), [True, None], list),
    (lambda **options: fields.ArrayField(fields.DateField, **options), [MOMENT.date()], list),
    (lambda **options: fields.ArrayField(fields.TimeField, **options), [MOMENT.time()], list),
    (lambda **options: fields.ArrayField(fields.DateTimeField, **options), [MOMENT], list),
    (lambda **options: fields.ArrayField(fields.IntervalField, **options), [timedelta(1)], list),
    (lambda **options: fields.ArrayField(fields.DecimalField, **options), [Decimal("1.50000")], list),
    (lambda **options: fields.ArrayField(fields.DoubleField, **options), [1.5], list),
    (lambda **options: typed(RangeField(**options)), NumericRange(1, 3, "[)"), NumericRange),
]


@pytest.fixture
def make_table(sql):
    """Make the table of a shared model, which is gone when the test ends."""
    made = []

    def make(model: Any) -> Any:
        made.append(model)
        model.create_table(safe=False)
        return model

    yield make
    sql("".join(f"DROP TABLE IF EXISTS public.{model._meta.table_name} CASCADE;" for model in made))


@pytest.mark.parametrize("null", [False, True], ids=["not null", "null"])
@pytest.mark.parametrize(("field", "value", "kind"), VALUES, ids=lambda each: getattr(each, "__name__", None))
def test_a_value_comes_in_its_promised_type(tenants, make_table, field, value, kind, null):
    class Kept(SharedModel):
        value = field(null=null)

    with tenants.shared():
        make_table(Kept).create(value=value)
        if null:
            Kept.create(value=None)
        first, *others = with_shared(Kept).order_by(Kept.id).select(Kept.value).execute()
        assert type(first[0]) is kind
        assert (bytes(first[0]) if kind is memoryview else first[0]) == value
        assert others == ([(None,)] if null else [])
        (again, *_) = with_shared(Kept).order_by(Kept.id).execute()
        assert type(again.value) is kind


def test_keys_that_the_table_gives_are_whole_numbers(tenants, make_table):
    class Counted(SharedModel):
        number = fields.IdentityField()

    class Big(SharedModel):
        number = fields.BigAutoField()

    with tenants.shared():
        for model in (make_table(Counted), make_table(Big)):
            model.create()
            assert with_shared(model).select(model.number).execute() == [(1,)]


def test_bits_are_a_number_a_condition_and_a_bool(tenants, make_table):
    class File(SharedModel):
        flags = fields.BitField()
        is_draft, is_secret = flags.flag(1), flags.flag(2)
        bits = fields.BigBitField()

    with tenants.shared():
        file = make_table(File)(is_draft=True)
        file.bits.set_bit(3)
        file.save()
        assert (file.flags, file.is_draft, file.is_secret) == (1, True, False)
        found = (
            with_shared(File).where(File.is_draft).select(File.flags, File.is_draft, File.is_secret, File.bits).one()
        )
        assert found[:3] == (1, True, False)
        assert type(found[3]) is memoryview
        assert bytes(found[3]) == b"\x08"
        assert isinstance(with_shared(File).one().bits, peewee.BigBitFieldData)


# Foreign keys.


class Area(SharedModel):
    code = fields.CharField(primary_key=True)


class Offer(SharedModel):
    id = fields.AutoField()
    name = fields.TextField()
    area = fields.ForeignKeyField(Area, field=Area.code, null=True)
    area_id = key_of(area)


class Order(SharedModel):
    id = fields.AutoField()
    offer = fields.ForeignKeyField(Offer, null=True)
    key_of_offer = key_of(offer)
    parent = fields.ForeignKeyField("self", null=True)
    parent_id = key_of(parent)
    note = fields.TextField(default="")


class Parent(Order):
    class Meta:
        alias = True


class Note(TenantModel):
    order = fields.ForeignKeyField(Order)


@pytest.fixture
def orders(tenants, make_table):
    """An order of an offer in an area, and one below it without an offer."""
    with tenants.shared(across_yield=True):
        for model in (Area, Offer, Order):
            make_table(model)
        Area.create(code="eu")
        first = Order.create(offer=Offer.create(name="small", area="eu"))
        Order.create(parent=first)
        yield


def test_a_key_is_read_without_its_row_by_the_name_that_peewee_gives_it_and_by_another(orders):
    first, second = with_shared(Order).order_by(Order.id)
    assert (first.key_of_offer, first.offer.area_id) == (1, "eu")
    assert (second.key_of_offer, second.parent_id, second.parent) == (None, 1, first)
    assert with_shared(Order).select(Order.key_of_offer, Order.parent_id).execute() == [(1, None), (None, 1)]


def test_a_key_is_written_without_its_row(orders):
    second = Order.get_by_id(2)
    second.key_of_offer = 1
    second.save()
    assert with_shared(Order).where(Order.key_of_offer == 1).count() == 2


def test_a_lookup_joins_along_a_foreign_key_and_keeps_rows_that_have_none(orders):
    query = with_shared(Order).lookup(Order.offer).order_by(Order.id)
    assert query.select(Order.id, Offer.name).execute() == [(1, "small"), (2, None)]


def test_lookups_go_on_from_one_table_to_the_next(orders):
    query = with_shared(Order).lookup(Order.offer).lookup(Offer.area).order_by(Order.id)
    assert query.select(Order.id, Offer.name, Area.code).execute() == [(1, "small", "eu"), (2, None, None)]


def test_a_lookup_is_of_the_column_that_the_key_refers_to():
    class Named(SharedModel):
        offer = fields.ForeignKeyField(Offer, field=Offer.name)

    assert '("t2"."offer_id" = "t1"."name")' in with_shared(Named).lookup(Named.offer).select(Offer.id).sql()[0]


def test_a_lookup_from_an_alias_is_the_aliass(orders):
    query = with_shared(Order).join(Parent, on=Order.parent == Parent.id).lookup(Parent.offer)
    assert query.select(Order.id, Offer.name).execute() == [(2, "small")]


@pytest.mark.parametrize(
    ("key", "complaint"),
    [
        (Order.id, "takes a foreign key"),
        (Offer, "takes a foreign key"),
        (Order.parent, r"its own table: make an alias of it, a class below Order .* on=Order.parent == Alias.id"),
        (Parent.parent, "its own table"),
    ],
    ids=["a column", "a model", "itself", "an alias of itself"],
)
def test_a_lookup_along_anything_else_is_refused(key, complaint):
    with pytest.raises(InvalidQuery, match=complaint):
        with_shared(Order).lookup(key)


def test_a_lookup_from_a_table_that_is_not_joined_is_refused(orders):
    with pytest.raises(InvalidQuery, match=r"Offer\.area_id is a column of a table that the query does not join"):
        with_shared(Order).lookup(Offer.area).execute()
