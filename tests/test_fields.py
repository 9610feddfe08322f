"""`tenantry.fields` hands on peewee's fields."""

from __future__ import annotations

import peewee
from playhouse import postgres_ext

from tenantry import fields


def test_every_field_for_postgresql_is_handed_on_and_is_peewees_own():
    # The rest are bases, peewee's internals, fields for SQLite, and the deprecated PrimaryKeyField.
    left_out = {"AnyField", "BareField", "Field", "MetaField", "PrimaryKeyField", "VirtualField"}
    theirs = {name for name in vars(peewee) if name.endswith("Field") and not name.startswith("_")} - left_out
    assert theirs <= set(fields.__all__)
    for name in set(fields.__all__) - {"typed", "col"}:
        assert getattr(fields, name) is getattr(peewee, name, getattr(postgres_ext, name, None))
