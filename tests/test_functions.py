"""The functions and operators of queries give values of the types that the checkers are told."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import peewee
import pytest

from tenantry import Derived, SharedModel, compiled, fields, fn, with_shared
from tenantry.errors import InvalidQuery


class Number(SharedModel):
    id = fields.AutoField()
    few = fields.IntegerField()
    many = fields.BigIntegerField()
    exact = fields.DecimalField()
    rate = fields.FloatField()
    none = fields.BigIntegerField(null=True)
    text = fields.TextField(default=" Ab ")
    day = fields.DateField(default=date(2026, 5, 6))
    moment = fields.DateTimeField(default=datetime(2026, 5, 6, 7, 8))
    data = fields.JSONField(default={"a": {"b": "x"}})
    list = fields.ArrayField(fields.IntegerField, default=[1, 2])
    words = fields.TSVectorField(default="cat dog")
    key = fields.UUIDField(default=UUID(int=7))
    span = fields.IntervalField(default=timedelta(hours=1))
    time = fields.TimeField(default=time(2))
    flag = fields.BooleanField(default=True)


class Other(Number):
    class Meta:
        alias = True


@pytest.fixture
def numbers(tenants, sql):
    """Three rows; the last has no other below it."""
    with tenants.shared(across_yield=True):
        Number.create_table(safe=False)
        for few in (1, 2, 3):
            Number.create(few=few, many=few * 10, exact=Decimal("1.5") * few, rate=few / 2)
        yield
    sql("DROP TABLE public.number")


def first(*columns: Any) -> Any:
    return with_shared(Number).order_by(Number.id).select(*columns).first()


def same(found: Any, expected: Any) -> None:
    assert found == expected
    assert type(found) is type(expected)


N = Number
day, moment = date(2026, 5, 6), datetime(2026, 5, 6, 7, 8)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        # Operators.
        (N.few + 1, 2),
        (1 - N.few, 0),
        (N.few * 1.5, Decimal("1.5")),
        (N.rate * 2, 1.0),
        (N.many + 2**70, 10 + 2**70),
        (fn.coalesce(N.none, 0) + N.many, 10),
        (fn.coalesce(N.few, 0.5) + 1, 2.0),
        (fn.coalesce(N.few, Decimal(1)) * 2, 2),
        (N.day + timedelta(days=1), datetime(2026, 5, 7)),
        (N.moment - timedelta(hours=7), datetime(2026, 5, 6, 0, 8)),
        (N.moment - N.moment, timedelta(0)),
        (N.day - N.day, 0),
        (N.day - date(2026, 5, 1), 5),
        (date(2026, 5, 8) - N.day, 2),
        (N.day + 3, date(2026, 5, 9)),
        (N.day - N.few, date(2026, 5, 5)),
        (N.moment - datetime(2026, 5, 6), timedelta(hours=7, minutes=8)),
        (datetime(2026, 5, 6, 8) - N.moment, timedelta(minutes=52)),
        (N.moment - date(2026, 5, 6), timedelta(hours=7, minutes=8)),
        (N.moment - N.day, timedelta(hours=7, minutes=8)),
        (N.day - N.moment, timedelta(hours=-7, minutes=-8)),
        (N.moment + N.span, datetime(2026, 5, 6, 8, 8)),
        (N.day + N.span, datetime(2026, 5, 6, 1)),
        (timedelta(hours=1) + N.moment, datetime(2026, 5, 6, 8, 8)),
        (timedelta(hours=1) + N.day, datetime(2026, 5, 6, 1)),
        (N.time - timedelta(hours=1), time(1)),
        (N.span + timedelta(hours=1), timedelta(hours=2)),
        (N.span - N.span, timedelta(0)),
        (N.span * 2, timedelta(hours=2)),
        (1.5 * N.span, timedelta(minutes=90)),
        (N.span / 2, timedelta(minutes=30)),
        (fn.max(N.day).over() - fn.min(N.day).over(), 0),
        (~N.flag, False),
        (N.flag & (N.few > 1), False),
        (N.flag | (N.few > 1), True),
        (~(N.few > 1), True),
        # Values.
        (fn.value(1), 1),
        (fn.value(1.5), 1.5),
        (fn.value(Decimal(1)), Decimal(1)),
        (fn.value("a"), "a"),
        (fn.value(True), True),
        (fn.value(UUID(int=3)), UUID(int=3)),
        (fn.value(day), day),
        (fn.coalesce(N.none, N.few, 5), 1),
        (fn.coalesce(N.none, 5), 5),
        (fn.coalesce(N.none, N.none), None),
        (fn.coalesce(N.few, 0.5), 1.0),
        (fn.coalesce(N.none, Decimal("0.5")), Decimal("0.5")),
        (fn.coalesce(N.key, UUID(int=1)), UUID(int=7)),
        (fn.coalesce(fn.nullif(N.key, UUID(int=7)), UUID(int=1)), UUID(int=1)),
        (fn.nullif(N.few, 1), None),
        (fn.nullif(N.many, 1), 10),
        (fn.greatest(N.few, N.many), 10),
        (fn.greatest(N.none, 3), 3),
        (fn.least(N.few, N.none, N.many), 1),
        (fn.case((N.few == 1, N.many), default=0), 10),
        (fn.case((N.few == 1, N.key)), UUID(int=7)),
        (fn.case((N.few == 1, UUID(int=7))), UUID(int=7)),
        (fn.case((N.few == 1, b"a")), b"a"),
        (fn.case((N.few == 1, 1), default=1.5), 1.0),
        (fn.case((N.few == 2, Decimal(3)), default=0), Decimal(0)),
        # Numbers.
        (fn.abs(0 - N.many), 10),
        (fn.abs(N.exact), Decimal("1.50000")),
        (fn.round(N.exact), Decimal(2)),
        (fn.round(N.exact, 1), Decimal("1.5")),
        (fn.round(N.many), 10),
        (fn.round(N.rate), 0.0),
        (fn.floor(N.few), 1),
        (fn.floor(N.exact), Decimal(1)),
        (fn.ceil(N.rate), 1.0),
        (fn.mod(N.many, 3), 1),
        (fn.mod(N.exact, N.few), Decimal("0.50000")),
        # Texts.
        (fn.lower(fn.coalesce(N.text, "")), " ab "),
        (fn.length(fn.trim(N.text)), 2),
        (fn.concat(N.text, N.none, "x", 3), " Ab x3"),
        (fn.replace(N.text, "A", "c"), " cb "),
        (fn.trim(N.text, " A"), "b"),
        (fn.substring(N.text, 2), "Ab "),
        (fn.substring(N.text, 2, 1), "A"),
        # Dates.
        (fn.date_part("year", N.day), 2026.0),
        (fn.date_part("minute", N.moment), 8.0),
        (fn.date_trunc("month", N.moment), datetime(2026, 5, 1)),
        # JSON, arrays and searches.
        (N.data["a"]["b"], "x"),
        (N.data["a"]["b"].as_text(), "x"),
        (N.data["a"].as_text(), '{"b": "x"}'),
        (N.data.contains({"a": {"b": "x"}}), True),
        (N.data["a"].has_key("b"), True),
        (N.data.has_keys(["a", "c"]), False),
        (fn.jsonb_build_object(few=N.few, text="x"), {"few": 1, "text": "x"}),
        (N.list.contains(1), True),
        (N.list.contains_any(2, 3), True),
        (N.list.contained_by(1), False),
        (N.words.match("cat & dog"), True),
    ],
    ids=lambda each: None,
)
def test_a_value_of_one_row_has_its_type(numbers, column, expected):
    same(first(column)[0], expected)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (fn.sum(N.many), 60),
        (fn.sum(N.many) * 2, 120),
        (fn.sum(N.many) / 8, Decimal("7.5")),
        (fn.count() / 2, 1),
        (fn.count() + 1, 4),
        (fn.coalesce(fn.sum(N.many), 0), 60),
        (fn.coalesce(fn.sum(N.none), 0), 0),
        (fn.coalesce(fn.sum(N.many), 0.5), 60.0),
        (fn.coalesce(fn.sum(N.exact), 0), Decimal("9.0")),
        (fn.sum(fn.coalesce(N.none, 0) + N.many), 60),
        (fn.sum(fn.case((N.few > 1, N.many), default=0)), 50),
        (fn.sum(fn.round(N.many)), 60),
        (fn.max(fn.abs(N.many)) + fn.min(N.many), 40),
        (fn.sum(N.many) + fn.sum(N.exact), Decimal("69.0")),
        (fn.abs(fn.sum(N.many)), 60),
        (fn.greatest(fn.sum(N.many), 3), 60),
        (fn.sum(N.moment - N.moment), timedelta(0)),
        (fn.avg(N.many), Decimal(20)),
        (fn.array_agg(N.few).order_by(N.few.desc()), [3, 2, 1]),
        (fn.array_agg(N.few).filter(N.few > 5), None),
        (fn.string_agg(fn.cast(N.few, "text", str), ",").order_by(N.few.desc()), "3,2,1"),
        (fn.jsonb_agg(N.few).order_by(N.few), [1, 2, 3]),
    ],
    ids=lambda each: None,
)
def test_a_value_of_many_rows_has_its_type(numbers, column, expected):
    same(with_shared(Number).select(column).one()[0], expected)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (fn.dense_rank(), [1, 2, 3]),
        (fn.percent_rank(), [0.0, 0.5, 1.0]),
        (fn.cume_dist(), [1 / 3, 2 / 3, 1.0]),
        (fn.ntile(2), [1, 1, 2]),
        (fn.lag(N.many), [None, 10, 20]),
        (fn.lag(N.key, 2), [None, None, UUID(int=7)]),
        (fn.lead(N.many), [20, 30, None]),
        (fn.first_value(N.many), [10, 10, 10]),
        (fn.last_value(N.many), [10, 20, 30]),
    ],
    ids=lambda each: None,
)
def test_a_value_of_a_window_has_its_type(numbers, function, expected):
    rows = with_shared(Number).order_by(Number.id).select(function.over(order_by=[Number.id]))
    for found, each in zip(rows, expected, strict=True):
        same(found[0], each)


@pytest.mark.parametrize("value", [[1], (1, 2), {"a": 1}], ids=str)
def test_a_case_has_values_of_one_type(numbers, value):
    with pytest.raises(InvalidQuery, match=r"case\(\) takes values of one type that PostgreSQL knows, and was given"):
        first(fn.case((N.few == 1, value)))


@pytest.mark.parametrize("field", [fields.TimestampField(), fields.IPField()], ids=lambda each: type(each).__name__)
def test_nothing_is_computed_of_what_is_stored_as_another_type(numbers, field):
    class Seen(SharedModel):
        at = field

    seen = with_shared(Seen)

    class Sight(Derived):
        at = seen.column(Seen.at)

    for query in (seen.select(Seen.at - Seen.at), with_shared(Sight).select(1 + Sight.at)):
        with pytest.raises(InvalidQuery, match=r"Seen\.at> is stored as a number, and what is computed of it would"):
            query.execute()


def test_a_window_has_a_frame(numbers):
    sum_of_two = fn.sum(N.many).over(
        order_by=[N.id], start=peewee.Window.preceding(1), end=peewee.Window.CURRENT_ROW, frame_type="ROWS"
    )
    rows = with_shared(Number).order_by(Number.id).select(sum_of_two, fn.sum(N.many).over() * 2)
    assert rows.execute() == [(10, 120), (30, 120), (50, 120)]
    assert {type(value) for row in rows for value in row} == {int}


def test_the_elements_of_an_outer_joined_column_may_be_none(numbers):
    query = with_shared(Number).left_join(Other, on=Other.id > Number.id)
    assert query.select(fn.array_agg(Other.id).order_by(Number.id, Other.id)).one() == ([2, 3, 3, None],)


def test_now_is_when_the_transaction_began_with_its_zone(numbers):
    (now,) = first(fn.now())
    assert abs(now - datetime.now(UTC)) < timedelta(minutes=5)


def test_a_value_has_a_name_if_it_is_given_one(numbers):
    assert with_shared(Number).limit(1).select(fn.value("a").alias("kind"), fn.value(1)).dicts() == [
        {"kind": "a", "column_2": 1}
    ]


def test_a_parameter_is_of_its_type_where_a_value_would_be(numbers):
    @compiled
    def query(half: float, whole: Decimal, name: str) -> Any:
        chosen = fn.case((Number.few == 1, whole), default=Decimal(0))
        return with_shared(Number).limit(1).select(fn.coalesce(Number.none, half), chosen, fn.concat(name, "!"))

    for found, expected in zip(query.one(0.5, Decimal(2), "a"), (0.5, Decimal(2), "a!"), strict=True):
        same(found, expected)


@pytest.mark.parametrize("part", ["year'; DROP TABLE number; --", "", 3])
def test_what_is_no_part_of_a_date_is_refused(part):
    with pytest.raises(InvalidQuery, match="is not a part of a date"):
        fn.date_part(part, Number.day)


def test_an_expression_with_a_part_of_a_date_can_be_grouped_by(numbers):
    month = fn.date_trunc("month", Number.moment)
    assert with_shared(Number).group_by(month).select(month, fn.count()).execute() == [(datetime(2026, 5, 1), 3)]
