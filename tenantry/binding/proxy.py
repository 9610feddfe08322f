"""The proxy that finds its database each time it needs one: the database of whoever is bound."""

# The proxy overrides peewee's, whose stubs promise its own block classes and a settable __class__.
# pyright: reportIncompatibleMethodOverride=false

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NoReturn

import peewee
from peewee import DatabaseProxy
from playhouse.postgres_ext import PostgresqlExtDatabase

from tenantry.context import Bound, bound, generators_blocks, moved_block
from tenantry.databases import SchemaDatabase
from tenantry.errors import BindingRefused, GeneratorMoved, GeneratorSuspended, NoTenantBound, NothingBound

# What can be answered without a server: how SQL is rendered for PostgreSQL and values are converted. Models, fields and
# queries ask for it anywhere, at import time too. What is not here needs a tenant, or the shared schema.
_DIALECT = frozenset(
    """
    compound_select_parentheses conflict_statement conflict_update context_class default_values_insert extract_date
    field_types for_update from_timestamp get_binary_type get_context_options get_noop_select get_sql_context
    index_schema_prefix index_using_precedes_table index_value_literals interval json_methods last_insert_id limit_max
    nulls_ordering operations param quote random returning_clause rows_affected safe_create_index safe_drop_index
    sequences to_timestamp truncate_date truncate_table use_concat_function _adapter _field_types _operations
    """.split()
)


class _Template(PostgresqlExtDatabase):  # type: ignore[misc]  # playhouse has no types
    """A PostgreSQL database that knows the dialect and can never be connected."""

    def __init__(self) -> None:
        super().__init__("tenantry")

    def _connect(self) -> NoReturn:
        raise NothingBound("this statement")


template = _Template()


class _LateBlock(peewee._callable_context_manager):
    """A block of a proxy's: its database is looked up once, when it is entered.

    peewee's proxies look again when they leave, and pop another tenant's stack if the tenant has changed; and
    `@db.atomic()` above a function would need, and keep, the tenant of the moment in which the module is imported.
    """

    __slots__ = ("_args", "_block", "_kwargs", "_method", "_proxy")

    def __init__(self, proxy: BoundDatabase, method: str, *args: Any, **kwargs: Any) -> None:
        self._proxy, self._method, self._args, self._kwargs = proxy, method, args, kwargs

    def _build_ctx(self) -> _LateBlock:  # For each call of a decorated function.
        return type(self)(self._proxy, self._method, *self._args, **self._kwargs)

    def __enter__(self) -> Any:
        self._block = getattr(self._proxy.current(f"{self._method}()"), self._method)(*self._args, **self._kwargs)
        return self._block.__enter__()

    def __exit__(self, *error: Any) -> Any:
        return self._block.__exit__(*error)


class BoundDatabase(DatabaseProxy):
    """A peewee database that is, at each use, the database of the tenant or shared schema that is bound there.

    With *engine* it refuses what another engine has bound; with *tenant_only* it refuses the shared schema. Rows of
    models whose database *is_shared* belong to all tenants.
    """

    __slots__ = ("_model", "engine", "is_shared", "tenant_only")

    def __init__(self, *, engine: object = None, tenant_only: bool = False, is_shared: bool = False) -> None:
        self._set(_callbacks=[], _model=None, engine=engine, tenant_only=tenant_only, is_shared=is_shared)

    def current(self, what: Any) -> SchemaDatabase:
        """Return the database that is bound here; *what* needs it: a query, or words for it.

        Raises:
            NothingBound, NoTenantBound: nothing is bound, another engine's is, or it is no tenant's. Nothing was sent.
            GeneratorSuspended, GeneratorMoved: what is bound was bound by a generator, for itself or elsewhere.
        """
        here: Bound | None = bound()
        if here is not None and here.frame is not None and here.is_suspended:
            raise GeneratorSuspended(described(what), generator=_name_of(here), bound=here.pin)
        if generators_blocks and (moved := moved_block()) is not None:
            raise GeneratorMoved(described(what), generator=_name_of(moved), bound=moved.pin)
        if here is None or (self.engine is not None and here.engine is not self.engine):
            raise NoTenantBound(described(what)) if self.tenant_only else NothingBound(described(what))
        if here.tenant is None and self.tenant_only:
            raise NoTenantBound(described(what), shared=True)
        database: SchemaDatabase = here.database
        return database

    # The statements. Spelled out, for Python looks for __getattr__ only after it has looked everywhere else.

    def execute(self, query: Any, *args: Any, **options: Any) -> Any:
        if isinstance(query, peewee.BaseQuery):
            from tenantry.binding.queries import adopt  # Queries know the proxy, and it knows them only here.

            adopt(query)
        return self.current(query).execute(query, *args, **options)

    def execute_sql(self, sql: Any, *args: Any, **options: Any) -> Any:
        return self.current("raw SQL").execute_sql(sql, *args, **options)

    def get_sql_context(self, **options: Any) -> Any:
        return template.get_sql_context(**options)

    def __getattr__(self, name: str) -> Any:
        if name in _DIALECT:
            return getattr(template, name)
        if name.startswith("__"):  # Python's own protocols ask for these of anything, copy and pickle among them.
            raise AttributeError(name)
        return getattr(self.current(f"database.{name}"), name)

    # Blocks.

    def atomic(self, *args: Any, **kwargs: Any) -> Any:
        return _LateBlock(self, "atomic", *args, **kwargs)

    def transaction(self, *args: Any, **kwargs: Any) -> Any:
        return _LateBlock(self, "transaction", *args, **kwargs)

    def savepoint(self) -> Any:
        return _LateBlock(self, "savepoint")

    def manual_commit(self) -> Any:
        return _LateBlock(self, "manual_commit")

    def connection_context(self) -> Any:
        return _LateBlock(self, "connection_context")

    def session(self) -> Any:
        return _LateBlock(self, "session")

    def __enter__(self) -> Any:
        return self.current("this block").__enter__()

    def __exit__(self, *error: Any) -> Any:
        return self.current("this block").__exit__(*error)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:  # @database above a function
        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return inside

    # What would tie it to the database of the moment.

    @property
    def obj(self) -> BoundDatabase:
        """What peewee's and playhouse's code takes for "the database behind the proxy": the proxy again, or what they
        make with it (models by reflection, a DataSet) would stay that tenant's in whose block it was made.
        """
        return self

    def initialize(self, obj: object) -> NoReturn:
        raise BindingRefused("initialize()")

    def bind(self, *_: Any, **__: Any) -> NoReturn:
        raise BindingRefused("bind()")

    def bind_ctx(self, *_: Any, **__: Any) -> NoReturn:
        raise BindingRefused("bind_ctx()")

    def _set(self, **values: object) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise BindingRefused(f"setting {name!r} on the database proxy")

    def __deepcopy__(self, memo: object) -> BoundDatabase:  # peewee copies what models inherit.
        return self

    def __copy__(self) -> BoundDatabase:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a database proxy cannot be pickled: it is whoever is bound, in this process")

    # playhouse asks isinstance(database, PostgresqlDatabase). For what asks type(), and for Proxy, it stays a proxy.
    @property  # type: ignore[misc]  # read-only, as it should be
    def __class__(self) -> Any:
        return SchemaDatabase

    @property
    def Model(self) -> type[peewee.Model]:  # noqa: N802  # peewee's name
        """A base of models, as peewee's own: for these too the database is found at each use."""
        if self._model is None:
            from tenantry.binding.models import base_of  # Models know the proxy, and it knows them only here.

            self._set(_model=base_of(self))
        model: type[peewee.Model] = self._model
        return model


def _name_of(block: Bound) -> str:
    name: str = block.frame.f_code.co_qualname
    return name


def described(what: Any) -> str:
    if isinstance(what, str):
        return what
    model = getattr(what, "model", None)
    if isinstance(model, type):
        return model.__name__
    # count() and exists() wrap the query of the model in another: as its source, or as what a function is called with.
    functions = getattr(what, "_returning", None) or ()
    wrapped = [*(getattr(what, "_from_list", None) or ()), *(each for f in functions for each in _arguments(f))]
    return described(wrapped[0]) if wrapped else "this statement"


def _arguments(function: Any) -> Any:
    return getattr(function, "arguments", None) or ()
