"""Tables of a tenant and shared ones, their models, and rows of them that are drawn."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from psycopg2.extras import Json

from tenantry import SharedModel, TenantModel
from tenantry.fields import (
    AutoField,
    BigAutoField,
    BigIntegerField,
    BooleanField,
    DateField,
    DateTimeField,
    DecimalField,
    FloatField,
    ForeignKeyField,
    IntegerField,
    JSONField,
    TextField,
    UUIDField,
)
from tenantry.naming import quoted

SCHEMAS = {"acme": "t_acme", "globex": "t_globex"}


class Tier(SharedModel):
    id = AutoField()
    name = TextField()
    rate = DecimalField(null=True)
    rank = IntegerField(null=True)


class Area(SharedModel):
    id = AutoField()
    tier = ForeignKeyField(Tier, null=True)
    code = TextField(null=True)


class Deal(TenantModel):
    id = BigAutoField()
    tier = ForeignKeyField(Tier, null=True)
    big = BigIntegerField()
    n = IntegerField(null=True)
    total = DecimalField()
    note = TextField(null=True)
    paid = BooleanField(null=True)
    key = UUIDField(null=True)
    share = FloatField(null=True)
    data = JSONField(null=True)


class Line(TenantModel):
    id = AutoField()
    deal = ForeignKeyField(Deal, null=True)
    qty = IntegerField()
    label = TextField()
    day = DateField()
    at = DateTimeField(null=True)


class OtherDeal(Deal):
    class Meta:
        alias = True


class OtherTier(Tier):
    class Meta:
        alias = True


# Of text in the order of its characters, which is Python's, whatever the server's locale.
_TYPES = {
    int: "int",
    "big": "bigint",
    Decimal: "numeric",
    float: "float8",
    str: 'text COLLATE "C"',
    bool: "bool",
    UUID: "uuid",
    date: "date",
    datetime: "timestamp",
    "json": "jsonb",
}
COLUMNS: dict[Any, dict[str, tuple[Any, bool]]] = {
    Tier: {"id": (int, False), "name": (str, False), "rate": (Decimal, True), "rank": (int, True)},
    Area: {"id": (int, False), "tier": (int, True), "code": (str, True)},
    Deal: {
        "id": ("big", False),
        "tier": (int, True),
        "big": ("big", False),
        "n": (int, True),
        "total": (Decimal, False),
        "note": (str, True),
        "paid": (bool, True),
        "key": (UUID, True),
        "share": (float, True),
        "data": ("json", True),
    },
    Line: {
        "id": (int, False),
        "deal": ("big", True),
        "qty": (int, False),
        "label": (str, False),
        "day": (date, False),
        "at": (datetime, True),
    },
}
COLUMNS |= {OtherDeal: COLUMNS[Deal], OtherTier: COLUMNS[Tier]}
TABLES = (Tier, Area, Deal, Line)
Rows = dict[Any, list[dict[str, Any]]]

TEXTS = ("", "a", "b", "ab", "B", "a%", "a_b")
NUMBERS = (-2, 0, 1, 2, 3)
VALUES: dict[Any, tuple[Any, ...]] = {
    int: NUMBERS,
    "big": (-1, 1, 2, 3_000_000_000),
    Decimal: tuple(map(Decimal, ("-1.5", "0", "1", "1.0", "2.25", "12"))),
    str: TEXTS,
    bool: (False, True),
    UUID: (UUID(int=1), UUID(int=2)),
    float: (-1.5, 0.0, 0.25, 1.0, 2.5),  # Added up and divided exactly.
    date: (date(2024, 2, 29), date(2025, 12, 31), date(2026, 1, 1)),
    datetime: (datetime(2026, 1, 1), datetime(2026, 1, 1, 0, 0, 0, 1), datetime(2026, 3, 29, 2, 30)),
    "json": (
        {},
        {"a": 1, "b": ["x", 2.5, True]},
        {"a": {"b": "x"}},
        [1, {"a": False}],
        {"b": [], "a": "1"},
        {"a": True},
    ),
}


def table_of(model: Any) -> Any:
    """Return the model, or the class of a derived table, whose table an alias has."""
    return next((each for each in TABLES if issubclass(model, each)), model.__mro__[-3])  # Below Derived and object.


def _rows(model: Any) -> st.SearchStrategy[list[dict[str, Any]]]:
    def value(name: str, kind: Any, null: bool) -> st.SearchStrategy[Any]:
        values = VALUES[kind]
        if name == "qty":
            values = (1, 2, 4)  # It is divided by, and exactly.
        elif name in ("tier", "deal"):
            values = (1, 2, 3, 4)
        return st.sampled_from((None, *values) if null else values)

    columns = {name: value(name, *what) for name, what in COLUMNS[model].items() if name != "id"}
    rows = st.lists(st.fixed_dictionaries(columns), max_size=4)
    return rows.map(
        lambda found: [{"id": number} | {name: row[name] for name in columns} for number, row in enumerate(found, 1)]
    )


shared_rows: st.SearchStrategy[Rows] = st.fixed_dictionaries({model: _rows(model) for model in (Tier, Area)})
tenant_rows: st.SearchStrategy[Rows] = st.fixed_dictionaries({model: _rows(model) for model in (Deal, Line)})

Sql = Callable[..., list[tuple[Any, ...]]]


def _table(schema: str, model: Any) -> str:
    return f"{quoted(schema)}.{quoted(model._meta.table_name)}"


def make(sql: Sql) -> None:
    """Make the tables, without keys: a row may refer to one that is not there."""
    for schema in SCHEMAS.values():
        sql(f"DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}; GRANT USAGE ON SCHEMA {schema} TO PUBLIC")
    for model in TABLES:
        columns = ", ".join(
            f"{quoted(getattr(model, name).column_name)} {_TYPES[kind]}" for name, (kind, _) in COLUMNS[model].items()
        )
        for schema in ["public"] if issubclass(model, SharedModel) else SCHEMAS.values():
            table = _table(schema, model)
            sql(f"DROP TABLE IF EXISTS {table}; CREATE TABLE {table} ({columns}); GRANT ALL ON {table} TO PUBLIC")


def drop(sql: Sql) -> None:
    for schema in SCHEMAS.values():
        sql(f"DROP SCHEMA {schema} CASCADE")
    sql("DROP TABLE public.tier, public.area")


def _sent(value: Any) -> Any:
    if isinstance(value, dict | list):
        return Json(value)
    return str(value) if isinstance(value, UUID) else value


def fill(sql: Sql, shared: Rows, of: dict[str, Rows]) -> None:
    """Put these rows into the tables, in the place of what is there."""
    texts, values = [], []
    for schema, rows in [("public", shared), *((SCHEMAS[name], each) for name, each in of.items())]:
        for model, found in rows.items():
            table = _table(schema, model)
            texts.append(f"DELETE FROM {table}")
            for row in found:
                texts.append(f"INSERT INTO {table} VALUES ({', '.join(['%s'] * len(row))})")
                values += map(_sent, row.values())
    sql("; ".join(texts), *values)


def contents(database: Any, schema: str, rows: Rows) -> dict[str, Counter[Any]]:
    """Return what the tables of *rows* have, as whoever is bound reads it: a tenant's in *schema*, and shared ones."""
    found = {}
    for model in rows:
        table = _table("public" if issubclass(model, SharedModel) else schema, model)
        read = database.execute_sql(f"SELECT * FROM {table}").fetchall()
        found[model.__name__] = Counter(tuple(map(_read, row)) for row in read)
    return found


def plain(rows: Rows) -> dict[str, Counter[Any]]:
    """Return *rows* as :func:`contents` does."""
    return {
        model.__name__: Counter(tuple(_read(row[name]) for name in COLUMNS[model]) for row in found)
        for model, found in rows.items()
    }


def _read(value: Any) -> Any:
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True)
    return str(value) if isinstance(value, UUID) else value
