"""What peewee knows of a model, and the ways from a row to those that refer to it: they end at the tenant."""

# peewee's stubs leave out its private names, which its own subclasses live on.
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

from typing import Any

import peewee

from tenantry.binding.foreign_keys import ForeignKey, with_pins
from tenantry.binding.pins import admit_here
from tenantry.binding.queries import PinnedManyToMany
from tenantry.errors import BindingRefused, InvalidModel


class _Backref:
    """The rows that refer to a row: a query, or the list that peewee has prefetched."""

    field: Any

    def __get__(self, row: Any, kind: Any = None) -> Any:
        if row is None:
            return super().__get__(row, kind)  # type: ignore[misc]  # a mixin
        admit_here(row)
        if self.field.backref in row.__dict__:
            kept = row.__dict__[self.field.backref]
            if row._pin is None or row._pin.tenant is None:  # A shared row may be here, and those that refer to it not.
                for other in kept:
                    admit_here(other)
            return kept
        found = super().__get__(row, kind)  # type: ignore[misc]  # a mixin
        # The key is in the query: wherever it is run, it must be for this row's tenant.
        if row._pin is not None and row._pin.tenant is not None:
            found._pin = row._pin
        return found

    # peewee's has neither, so that what is set hides it: then nobody would ask whose the row is.

    def __set__(self, row: Any, value: Any) -> None:
        row.__dict__[self.field.backref] = value

    def __delete__(self, row: Any) -> None:
        if self.field.backref not in row.__dict__:
            raise AttributeError(self.field.backref)
        del row.__dict__[self.field.backref]


class _ManyToMany:
    """A many-to-many field of a row."""

    def get_query(self, row: Any) -> Any:
        admit_here(row)
        found: Any = super().get_query(row)  # type: ignore[misc]  # a mixin
        found.__class__ = PinnedManyToMany  # peewee names its own class where it makes it.
        found._pin = row._pin
        return found


class Metadata(peewee.Metadata):
    """What peewee knows of a model: its fields are made so that they end at the tenant, and its database stays."""

    def add_field(self, field_name: str, field: Any, set_attribute: bool = True) -> None:
        if isinstance(field, peewee.ForeignKeyField):
            self._refuse_shared_to_tenant(field_name, field)
            field.accessor_class = with_pins(ForeignKey, field.accessor_class)
            field.backref_accessor_class = with_pins(_Backref, field.backref_accessor_class)
        elif isinstance(field, peewee.ManyToManyField):
            if field._through_model is None:  # type: ignore[attr-defined]  # peewee's stubs
                raise InvalidModel(
                    f"{self.model.__name__}.{field_name}",
                    "peewee would make a plain model for the table between the two: write that model, as a "
                    "TenantModel with a foreign key to each, and name it: ManyToManyField(..., through_model=...)",
                )
            field.accessor_class = with_pins(_ManyToMany, field.accessor_class)
        super().add_field(field_name, field, set_attribute)

    def __setattr__(self, name: str, value: Any) -> None:  # bind() and bind_ctx() end here.
        if name == "database" and getattr(self, name, None) is not None:
            raise BindingRefused(f"setting the database of {self.model.__name__}")
        super().__setattr__(name, value)

    def set_table_name(self, table_name: str) -> None:
        refuse_catalogs(self.model.__name__, self.database, table_name)
        super().set_table_name(table_name)

    @property
    def schema(self) -> Any:
        return self._schema  # type: ignore[attr-defined]  # peewee's stubs

    @schema.setter
    def schema(self, value: Any) -> None:
        raise BindingRefused(f"setting the schema of {self.model.__name__}")

    def _refuse_shared_to_tenant(self, name: str, field: Any) -> None:
        other = getattr(field.rel_model, "_meta", None)
        if self.database.is_shared and other is not None and getattr(other.database, "tenant_only", False):
            raise InvalidModel(
                f"{self.model.__name__}.{name}",
                f"a shared table cannot refer to {field.rel_model.__name__}, of which every tenant has its own",
            )


def refuse_catalogs(model: str, database: Any, table: str) -> None:
    """Check that the table of a tenant's *model* cannot be taken for one of PostgreSQL's own.

    They are on every path: where a tenant lacks the table, the query would read the catalog.
    """
    if not database.is_shared and table.startswith("pg_"):
        raise InvalidModel(model, f"the name of its table, {table!r}, begins like those of PostgreSQL's own catalogs")
