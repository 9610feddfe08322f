"""The bases of models, whose rows know whose they are."""

# peewee's stubs leave out its private names, which its own subclasses live on.
# pyright: reportAttributeAccessIssue=false, reportIncompatibleMethodOverride=false

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Self

import peewee

from tenantry.binding.pins import admit_here, pin_here, pin_of_new_row
from tenantry.binding.proxy import BoundDatabase, template
from tenantry.binding.queries import (
    PinnedAlias,
    PinnedDelete,
    PinnedInsert,
    PinnedRaw,
    PinnedSelect,
    PinnedUpdate,
)
from tenantry.binding.relations import Metadata, refuse_catalogs
from tenantry.context import Pin, blocks_here, own_block
from tenantry.errors import BindingRefused, InvalidModel, NothingBound, WrongTenant


class _ModelBase(peewee.ModelBase):
    """Makes the classes of the models. Their database is their kind's, whatever stands before it among their bases."""

    _meta: Any  # peewee's, on each class.

    def __new__(cls, name: str, bases: tuple[type, ...], attrs: dict[str, Any], **kwargs: Any) -> Any:
        kinds = [base for base in bases if isinstance(base, _ModelBase) and hasattr(base, "_meta")]
        meta = {key: value for key, value in vars(attrs.get("Meta", object)).items() if not key.startswith("_")}
        if kinds:
            database = kinds[0]._meta.database
            if any(kind._meta.database is not database for kind in kinds):
                raise InvalidModel(name, "a table is either every tenant's own or shared by all: it has two bases")
            if "database" in meta:
                raise BindingRefused(f"Meta.database of {name}")
            if not database.is_shared and meta.get("schema") is not None:
                raise BindingRefused(f"Meta.schema of {name}")
            # peewee lets the first base decide: a mixin that is a plain Model would take the database away.
            meta = {"database": database, "schema": kinds[0]._meta.schema, **meta}
        for field in attrs.values():
            if isinstance(field, peewee.ForeignKeyField):  # Later peewee puts the primary key there.
                vars(field)["says_field"] = field.rel_field is not None
        if meta.pop("alias", False):
            if not kinds or _PinnedModel in kinds[0].__bases__:
                raise InvalidModel(name, "Meta.alias is for a class below a model: it is that model's table once more")
            meta["table_name"] = kinds[0]._meta.table_name
            attrs = {**_without_backrefs(kinds[0]), **attrs}
        wanted = meta.get("model_metadata_class") or _metadata_class(bases)
        meta["model_metadata_class"] = (
            wanted if issubclass(wanted, Metadata) else type("Metadata", (Metadata, wanted), {})
        )
        return super().__new__(cls, name, bases, {**attrs, "Meta": type("Meta", (), meta)}, **kwargs)  # type: ignore[no-untyped-call]

    def __init__(cls, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A mixin that stands behind the base has its __init__() behind the base's.
        cls._is_plain = super(_PinnedModel, cls).__init__ is peewee.Model.__init__  # type: ignore[misc]  # cls is one
        refuse_catalogs(cls.__name__, cls._meta.database, cls._meta.table_name)
        # Fields that depend on the driver (JSON, blobs) have asked for their database while the class was made: a
        # tenant's, if one was bound.
        for hook in cls._meta._db_hooks:
            hook(template)


def _without_backrefs(model: Any) -> dict[str, Any]:
    """Return copies of *model*'s foreign keys that give the models they refer to no attribute."""
    fields = {field.name: copy.deepcopy(field) for field in model._meta.refs}
    for field in fields.values():
        field.declared_backref = "+"
    return fields


def _metadata_class(bases: tuple[type, ...]) -> type:
    found = (type(base._meta) for base in bases if hasattr(base, "_meta"))
    return next((each for each in found if each is not peewee.Metadata), Metadata)


class _PinnedModel(peewee.Model):
    """What all models of tenantry are: their rows and queries are pinned to where they were made."""

    _pin: Pin | None = None
    _is_shared = False
    _is_plain = True  # Nobody but peewee makes its rows.

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        blocks = blocks_here()
        pin = blocks[0].pin if blocks is not None and blocks[0].plain else pin_of_new_row()
        if pin is not None:
            self._pin = pin.shared if self._is_shared else pin
        super().__init__(*args, **kwargs)

    _own_init = __init__

    @property
    def pinned_name(self) -> str:
        """What an error calls it."""
        return f"this {type(self).__name__}"

    # Its queries.

    @classmethod
    def alias(cls, alias: Any = None) -> Any:
        return PinnedAlias(cls, alias)

    @classmethod
    def select(cls, *fields: Any) -> Any:
        return PinnedSelect(cls, fields or cls._meta.sorted_fields, is_default=not fields)

    @classmethod
    def update(cls, __data: Any = None, **update: Any) -> Any:
        return PinnedUpdate(cls, cls._normalize_data(__data, update))  # type: ignore[attr-defined]  # peewee's stubs

    @classmethod
    def insert(cls, __data: Any = None, **insert: Any) -> Any:
        return PinnedInsert(cls, cls._normalize_data(__data, insert))  # type: ignore[attr-defined]  # peewee's stubs

    @classmethod
    def insert_many(cls, rows: Any, fields: Any = None) -> Any:
        return PinnedInsert(cls, insert=rows, columns=fields)

    @classmethod
    def insert_from(cls, query: Any, fields: Any) -> Any:
        return PinnedInsert(cls, insert=query, columns=[getattr(cls, f) if isinstance(f, str) else f for f in fields])

    @classmethod
    def raw(cls, sql: str, *params: Any) -> Any:
        return PinnedRaw(cls, sql, params)

    @peewee.classmethod_only  # type: ignore[arg-type]  # peewee's stubs
    def delete(cls) -> Any:  # noqa: N805 - it is a class method
        return PinnedDelete(cls)

    # Its rows.

    def save(self, force_insert: bool = False, only: Any = None) -> Any:
        _admit_row(self)
        saved = super().save(force_insert, only)
        self._settle()
        return saved

    def delete_instance(self, recursive: bool = False, delete_nullable: bool = False) -> Any:
        admit_here(self)
        return super().delete_instance(recursive, delete_nullable)

    def dependencies(self, search_nullable: bool = True, exclude_null_children: bool = False) -> Any:
        admit_here(self)
        return super().dependencies(search_nullable, exclude_null_children)

    @classmethod
    def bulk_create(cls, model_list: Iterable[Any], batch_size: int | None = None) -> Any:
        rows = _admitted(model_list)
        super().bulk_create(rows, batch_size)
        for row in rows:
            row._settle()

    @classmethod
    def bulk_update(cls, model_list: Iterable[Any], fields: Any, batch_size: int | None = None) -> Any:
        return super().bulk_update(_admitted(model_list), fields, batch_size)  # type: ignore[no-untyped-call]

    def copy_to(self, tenant: str, **values: Any) -> Self:
        """Return an unsaved copy for *tenant*, without the key that its table gives by itself.

        A foreign key to a row of this tenant means nothing in another: *values* must say what it is there.

        Raises:
            NothingBound: no engine is bound here that knows *tenant*.
            UnknownTenant, ...: see :meth:`tenantry.Tenantry.use`.
            WrongTenant: a foreign key refers to a row of this tenant, and *values* do not replace it.
        """
        here = own_block()
        if here is None or here.engine is None:
            raise NothingBound("copy_to()")
        engine: Any = here.engine
        pin = engine.database_of(tenant).pin
        data = {name: value for name, value in self.__data__.items() if name not in values}
        if self._meta.auto_increment:
            data.pop(self._meta.primary_key.name, None)  # type: ignore[union-attr]  # there is one
        is_theirs = self._pin is not None and self._pin.tenant is not None and self._pin != pin
        for field in self._meta.refs if is_theirs else ():
            if not getattr(field.rel_model, "_is_shared", False) and data.get(field.name) is not None:
                raise WrongTenant(f"{type(self).__name__}.{field.name} of this row", made_in=self._pin, bound=pin)
        other = type(self)(__no_default__=True)
        other._pin = pin.shared if self._is_shared else pin
        for name, value in {**copy.deepcopy(data), **values}.items():
            setattr(other, name, value)
        return other

    def __eq__(self, other: Any) -> bool:
        return bool(super().__eq__(other)) and self._pin == other._pin

    def __hash__(self) -> int:
        return hash((type(self), self._pin, self.get_id()))  # type: ignore[no-untyped-call]

    def __sql__(self, ctx: Any) -> Any:
        if hasattr(ctx, "admit"):
            ctx.admit(self)
        return super().__sql__(ctx)  # type: ignore[no-untyped-call]

    def _settle(self) -> None:
        """A row that belonged to nobody belongs, once it is saved, to where it was saved."""
        here = pin_here()
        if here is not None and (self._pin is None or self._pin.tenant is None):
            self._pin = here.shared if self._is_shared else here


def _admit_row(row: Any) -> None:
    """Check that *row* may be written here, and with it what it refers to: the keys are taken from there."""
    admit_here(row)
    for other in row.__rel__.values():
        if isinstance(other, _PinnedModel):
            admit_here(other)


def _admitted(rows: Iterable[Any]) -> list[Any]:
    rows = list(rows)
    for row in rows:
        _admit_row(row)
    return rows


class TenantModel(_PinnedModel, metaclass=_ModelBase):
    """A table that every tenant has one of, in its schema. Its queries need `tenants.use()`.

    >>> class Invoice(TenantModel):
    ...     total = peewee.DecimalField()
    """

    if not TYPE_CHECKING:  # A checker would have the Meta of each model below it be one of this.

        class Meta:
            database = BoundDatabase(tenant_only=True)


class SharedModel(_PinnedModel, metaclass=_ModelBase):
    """A table that all tenants share, in `public` or the schema that its Meta names. Its queries need `use()` or
    `shared()`.

    Inside a tenant it is used over the tenant's connection, so that one transaction can write both.
    """

    _is_shared = True

    if not TYPE_CHECKING:

        class Meta:
            database = BoundDatabase(is_shared=True)
            schema = "public"


def base_of(proxy: BoundDatabase) -> type[peewee.Model]:
    """Make a base of models whose database is *proxy*, as peewee's ``database.Model`` is."""

    class BaseModel(_PinnedModel, metaclass=_ModelBase):
        class Meta:
            database = proxy

    return BaseModel


def models_of(engine: object) -> list[type[peewee.Model]]:
    """Find the models of the process whose database is whoever is bound by *engine*; peewee's own can be made with it
    as well.
    """
    found = []
    for model in dict.fromkeys(_below(peewee.Model)):  # One that has several bases is met several times.
        database = model._meta.database
        if type(database) is BoundDatabase and database.engine in (None, engine) and model not in _BASES:
            found.append(model)
    return found


_BASES = (TenantModel, SharedModel)


def _below(model: Any) -> Iterator[Any]:
    for each in model.__subclasses__():
        yield each
        yield from _below(each)
