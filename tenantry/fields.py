"""The fields of models: peewee's own, at one place of import. What the checkers know of them is in the stub beside this
file.
"""

from typing import Any

from peewee import (
    AutoField,
    BigAutoField,
    BigBitField,
    BigIntegerField,
    BinaryUUIDField,
    BitField,
    BlobField,
    BooleanField,
    CharField,
    CompositeKey,
    DateField,
    DateTimeField,
    DecimalField,
    DeferredForeignKey,
    DoubleField,
    FixedCharField,
    FloatField,
    ForeignKeyField,
    IdentityField,
    IntegerField,
    IPField,
    JSONField,
    ManyToManyField,
    SmallIntegerField,
    TextField,
    TimeField,
    TimestampField,
    UUIDField,
)
from playhouse.postgres_ext import (
    ArrayField,
    BinaryJSONField,
    DateTimeTZField,
    HStoreField,
    IntervalField,
    TSVectorField,
)

__all__ = [
    "ArrayField",
    "AutoField",
    "BigAutoField",
    "BigBitField",
    "BigIntegerField",
    "BinaryJSONField",
    "BinaryUUIDField",
    "BitField",
    "BlobField",
    "BooleanField",
    "CharField",
    "CompositeKey",
    "DateField",
    "DateTimeField",
    "DateTimeTZField",
    "DecimalField",
    "DeferredForeignKey",
    "DoubleField",
    "FixedCharField",
    "FloatField",
    "ForeignKeyField",
    "HStoreField",
    "IPField",
    "IdentityField",
    "IntegerField",
    "IntervalField",
    "JSONField",
    "ManyToManyField",
    "SmallIntegerField",
    "TSVectorField",
    "TextField",
    "TimeField",
    "TimestampField",
    "UUIDField",
    "col",
    "key_of",
    "typed",
]


def typed(field: Any) -> Any:
    """Type a field of peewee's, playhouse's or of your own: `key = typed(peewee.UUIDField(null=True))`."""
    return field


def col(model: Any, field: Any) -> Any:
    """Bring the field of a plain peewee model to the builder: `col(Country, Country.name)`."""
    return field


def key_of(field: Any) -> Any:
    """Type the key of a foreign key of the same class, without its row: `plan_id = key_of(plan)`."""
    return _KeyOf(field)


class _KeyOf:
    """The key of a foreign key. peewee puts its own in its place, where it has the name that peewee gives to that."""

    def __init__(self, field: Any) -> None:
        self._field = field

    def __get__(self, row: Any, model: Any) -> Any:
        return getattr(model, self._field.name) if row is None else row.__data__.get(self._field.name)

    def __set__(self, row: Any, key: Any) -> None:
        setattr(row, self._field.name, key)
