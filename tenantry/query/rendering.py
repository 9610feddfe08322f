"""A query as text and values, with its schema in front of every table: written once, and sent for any tenant."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from itertools import count, pairwise
from types import NoneType
from typing import Any, NamedTuple, get_args

import peewee
from peewee import SCOPE_SOURCE, SCOPE_VALUES, JSONPath, Node, Table
from psycopg2.extras import Json

from tenantry.binding.proxy import BoundDatabase, template
from tenantry.context import Pin
from tenantry.databases import SchemaDatabase
from tenantry.databases.rendering import Rendering, quoted_name
from tenantry.databases.texts import may_leave_traces
from tenantry.errors import InvalidQuery, NoTenantBound
from tenantry.query.checks import AMONG, SEVERAL, check_of, check_table
from tenantry.query.sources import Definition, DerivedTable

HERE = "\0"  # Stands for the quoted schema of whoever runs the text. No text of SQL can have it.
_END_OF_PATH = "}'::text[]"  # Of a path into a document, which peewee writes into the text.
_NAME_BYTES = 50  # Of a derived table: PostgreSQL keeps 63 of a name, and a number may follow.
WHOLE = (peewee.IntegerField, peewee.BigIntegerField, peewee.SmallIntegerField, peewee.AutoField)
_OTHERS = ((WHOLE, (Decimal, float)), (peewee.TimeField, (timedelta,)))
_options: dict[str, Any] = {}


def as_it_is(convert: Any) -> Any:
    """Return what converts as *convert* does, which is a field's, but leaves what is of another type beside it: numbers
    that a whole one would cut off, and spans that one of times would make times.
    """
    field = getattr(convert, "__self__", None)
    while isinstance(field, peewee.ForeignKeyField):
        field = field.rel_field
    own = next((types for fields, types in _OTHERS if isinstance(field, fields)), None)
    if own is None:
        return convert
    return lambda value: value if type(value) in own else convert(value)


class Parameter(Node):
    """A value that is given when the query is run. It is converted as a value that stands in its place would be."""

    def __init__(self, name: str, annotation: Any = None) -> None:
        self.name = name
        # The type that is declared for it, if one is; a value that is None has a plan of its own.
        kinds = get_args(annotation)
        others = [each for each in kinds if each is not NoneType]
        self.kind = others[0] if NoneType in kinds and len(others) == 1 else annotation

    def __sql__(self, ctx: Any) -> Any:
        ctx._values.append(Slot(self.name, self._converter(ctx)))
        return ctx.literal(ctx.state.param or "%s")

    def _converter(self, ctx: Any) -> Any:
        return as_it_is(ctx.state.converter) or None

    def __repr__(self) -> str:
        return f"<the parameter {self.name!r}>"

    def _looked_at(self, *_: Any) -> Any:
        raise InvalidQuery(
            f"the parameter {self.name!r} was looked at while the query was built, and has a value only when it runs: "
            "use it in the query beside a column, and not in an if or a computation of Python's"
        )

    def _beside(self, other: Any) -> Any:
        """Leave what stands beside it to *other*, which is a column or an expression and makes one."""
        return NotImplemented if isinstance(other, peewee.ColumnBase) else self._looked_at()

    __bool__ = __str__ = __format__ = _looked_at  # The text of it would be the text of a value.
    __len__ = __iter__ = __int__ = __float__ = __contains__ = __getitem__ = _looked_at
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _beside
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _beside
    __hash__ = object.__hash__


class ListParameter(Parameter):
    """A parameter that is one value of several: `Invoice.id.in_(ids)`. It is never empty."""

    def __init__(self, name: str, path: Any = None) -> None:
        super().__init__(name)
        self._path = path

    def _converter(self, ctx: Any) -> Any:
        convert = super()._converter(ctx) if self._path is None else self._path._compare_value

        def make(values: Any) -> tuple[Any, ...]:
            if not isinstance(values, SEVERAL):
                raise InvalidQuery(
                    f"the parameter {self.name!r} stands for several values, which are given as a list, and was given "
                    f"{values!r}"
                )
            return tuple(values if convert is None else map(convert, values))

        return make


class Converted(Parameter):
    """A parameter whose value *convert* makes what the driver takes, and not what stands beside it."""

    def __init__(self, parameter: Parameter, convert: Callable[[Any], Any] | None) -> None:
        super().__init__(parameter.name, parameter.kind)
        self._convert = convert

    def _converter(self, ctx: Any) -> Any:
        return self._convert


def _escaped(text: str) -> str:
    """Return *text* as a part of a pattern, in which no character of it stands for others."""
    return re.sub(r"([\\%_])", r"\\\1", text)


class Slot(NamedTuple):
    """Where a parameter's value goes, and how it is made what the driver takes."""

    name: str
    convert: Callable[[Any], Any] | None


class Text(NamedTuple):
    """A rendered query. *sql* has :data:`HERE` for the schema, and %s for each of *values*."""

    sql: str
    values: list[Any]
    of_tenants: str | None = None  # A model of tenants', if there is one among its tables.

    def of(self, database: SchemaDatabase) -> str:
        """Return the SQL for *database*'s schema.

        Raises:
            NoTenantBound: that is the shared one, whose table of a tenant's name would be no tenant's.
        """
        if self.of_tenants is not None and database.pin.tenant is None:
            raise NoTenantBound(self.of_tenants, shared=True)
        return self.sql.replace(HERE, database.qualifier)

    @classmethod
    def of_several(cls, sql: str, parts: Sequence[Text]) -> Text:
        """Return *sql*, in which *parts* stand one after another."""
        values = [value for part in parts for value in part.values]
        return cls(sql, values, next((part.of_tenants for part in parts if part.of_tenants), None))

    def marks(self) -> bool:
        """Say whether it may leave something on its connection."""
        return may_leave_traces(self.sql, self.values)


class Qualified(Rendering):
    """The rendering of a query in which every table says its schema."""

    __slots__ = ("asked", "derived", "places", "sources", "tables")

    def __init__(self, options: Any, pin: Pin | None = None, derived: DerivedTables | None = None) -> None:
        super().__init__(options, pin)
        self.derived = derived
        self.places = 0  # How often it says the schema of whoever runs it.
        # Of the query that is being rendered, and not of those in it and around it:
        self.asked: dict[Any, str] = {}  # Tables whose columns it names, each with one of them.
        self.sources: set[Any] = set()
        self.tables: set[Any] = set()  # Of the whole statement.

    @contextmanager
    def one_query(self) -> Iterator[None]:
        """Render one query: what it has no table for is asked of the one around it, which does not see its tables."""
        asked, sources = self.asked, self.sources
        self.asked, self.sources = {}, set()
        yield
        for table, column in self.asked.items():
            if table not in self.sources:
                asked.setdefault(table, column)
        self.asked, self.sources = asked, sources

    def sql(self, obj: Any) -> Any:
        if isinstance(obj, type) and issubclass(obj, peewee.Model):  # In a query of plain peewee.
            obj = obj._meta.table
        if self.state.scope in (SCOPE_SOURCE, SCOPE_VALUES):
            if isinstance(obj, Table):
                return self._source(obj, obj)
            if isinstance(obj, peewee.ModelAlias):
                return self._source(obj, obj.model._meta.table)
        kind: Any = type(obj)
        check = check_of(kind)
        if check is not None:
            check(obj)
        if kind is peewee.Entity:
            if len(obj._path) > 1 and self.state.scope == SCOPE_SOURCE:
                check_table(obj._path[-2], obj._path[-1], None)
            self._sql.append(".".join(map(_name, obj._path)))
            return self
        if kind is peewee.SQL and not obj.params and obj.sql.endswith(_END_OF_PATH):
            self._sql.append(obj.sql.replace("%", "%%"))
            return self
        return super().sql(obj)

    def _source(self, source: Any, table: Any) -> Any:
        """Write the name of *table*, and what it is called in the query, which *source* says."""
        self.sources.add(table)
        self.tables.add(table)
        if type(table) is DerivedTable:
            self.derived = self.derived or DerivedTables(type(self), self.pin)
            self._sql.append(_name(self.derived.name_of(table.definition)))
        else:
            *schema, name = table._path
            if schema:
                check_table(schema[0], name, table._model)
            self.places += not schema
            self._sql.append(f"{_name(schema[0]) if schema else HERE}.{_name(name)}")
        if self.state.scope != SCOPE_SOURCE:
            return self
        if source is table:
            return table.apply_alias(self)
        if source.alias:
            self.alias_manager[source] = source.alias
        return self.literal(" AS ").sql(peewee.Entity(self.alias_manager[source]))

    def value(self, value: Any, converter: Any = None, add_param: bool = True) -> Any:
        if converter is None and type(value) in (Decimal, float, timedelta):
            converter = as_it_is(self.state.converter)
        return super().value(value, converter, add_param)

    def _column(self, table: Any, column: str) -> None:
        self.asked.setdefault(table, column)
        super()._column(table, column)
        if "%" in column:
            self._sql[-1] = self._sql[-1].replace("%", "%%")


class ForAll(Qualified):
    """The rendering of a query that is to run for every tenant: nothing in it may be one's."""

    __slots__ = ()

    def sql(self, obj: Any) -> Any:
        if type(obj) is peewee.Expression:
            return super().sql(peewee.Expression(obj.lhs, obj.op, _beside(obj), obj.flat))
        if type(obj) is peewee.StringExpression and obj.op == peewee.OP.CONCAT:
            sides = (obj.lhs, obj.rhs)
            if any(side == "%" for side in sides if isinstance(side, str)):  # So contains() and its like are written.
                lhs, rhs = (Converted(each, _escaped) if type(each) is Parameter else each for each in sides)
                return super().sql(peewee.StringExpression(lhs, obj.op, rhs))
        return super().sql(obj)

    def value(self, value: Any, converter: Any = None, add_param: bool = True) -> Any:
        given = value.adapted if isinstance(value, Json) else value
        if given is not value and isinstance(given, Parameter):
            return self.sql(Converted(given, functools.partial(Json, dumps=vars(value)["_dumps"])))
        if isinstance(given, dict | list):
            _refuse_parameter(given)
        return super().value(value, converter, add_param)

    def admit(self, row: Any) -> None:
        own = getattr(row, "_pin", None)
        if own is not None and own.tenant is not None:
            raise InvalidQuery(
                f"{row.pinned_name} belongs to a tenant, and this query is rendered for all: give the row when it "
                "runs, as a parameter"
            )


class DerivedTables:
    """The derived tables of one statement: each is defined once, in front of those that need it."""

    def __init__(self, rendering: type[Qualified], pin: Pin | None) -> None:
        self._rendering, self._pin = rendering, pin
        self._names: dict[Definition, str] = {}
        self._open: list[Definition] = []  # Those that are being rendered, the innermost last.
        self._definitions: list[Text] = []
        self._is_recursive = False

    def name_of(self, definition: Definition) -> str:
        """Return what the table is called in the statement. One that is new to it is rendered first.

        Raises:
            InvalidQuery: it is made of tables that are made of it.
        """
        if definition in self._open:
            self._is_recursive = True
            self._refuse_circle(definition)
        elif definition not in self._names:
            self._define(definition)
        return self._names[definition]

    def before(self, text: Text) -> Text:
        """Return the statement *text* with the definitions of its tables in front."""
        if not self._definitions:
            return text
        tables = ", ".join(each.sql for each in self._definitions)
        sql = f"WITH {'RECURSIVE ' if self._is_recursive else ''}{tables} {text.sql}"
        return Text.of_several(sql, [*self._definitions, text])

    def _refuse_circle(self, definition: Definition) -> None:
        between = self._open[self._open.index(definition) :]
        if len(between) > 1:
            way = ", ".join(f"{a.name} needs {b.name}" for a, b in pairwise([*between, definition]))
            raise InvalidQuery(
                f"derived tables go round in a circle: {way}. In its step() a table may need itself alone"
            )

    def _define(self, definition: Definition) -> None:
        base = definition.name.lower().encode()[:_NAME_BYTES].decode(errors="ignore")
        self._names[definition] = next(
            name for number in count(1) if (name := f"{base}_{number}" if number > 1 else base) not in self._taken()
        )
        self._open.append(definition)
        rows = [_rendered(each, self._rendering(_options, self._pin, self)) for each in definition.queries()]
        self._open.pop()
        sql = f" {definition.operator} ".join(f"({each.sql})" if len(rows) > 1 else each.sql for each in rows)
        columns = ", ".join(map(_name, definition.taken))
        how = {None: "", True: "MATERIALIZED ", False: "NOT MATERIALIZED "}[definition.materialized]
        table = f"{_name(self._names[definition])} ({columns}) AS {how}({sql})"
        self._definitions.append(Text.of_several(table, rows))

    def _taken(self) -> set[str]:
        return set(self._names.values())


def _name(name: str) -> str:
    """Quote a name in a text that the driver fills with values."""
    return quoted_name(name).replace("%", "%%")


def _beside(expression: Any) -> Any:
    """Return the right side of *expression*, with parameters that are what its left side is compared with."""
    left, right = expression.lhs, expression.rhs
    path = left if isinstance(left, JSONPath) and not vars(left)["_as_text"] else None
    if type(right) is Parameter and expression.op in AMONG:
        return ListParameter(right.name, path)
    return right if path is None else _compared(right, path)


def _compared(value: Any, path: Any) -> Any:
    """Return *value*, which *path* is compared with, with parameters that are documents."""
    if type(value) is Parameter:
        return Converted(value, path._compare_value)
    if isinstance(value, list):
        return [_compared(each, path) for each in value]
    if isinstance(value, peewee.NodeList):
        return peewee.NodeList([_compared(each, path) for each in value.nodes], value.glue, value.parens)
    return value


def _refuse_parameter(value: Any) -> None:
    """Refuse a value of which a parameter is a part."""
    if isinstance(value, Parameter):
        raise InvalidQuery(f"{value!r} is a part of a value: give the whole value as a parameter")
    if isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            _refuse_parameter(part)


def render(query: Any, pin: Pin | None = None, *, rendering: type[Qualified] = Qualified) -> Text:
    """Render *query*, for whom has *pin* if anybody has.

    Raises:
        InvalidQuery: it names a column of a table that it does not join, or is made of tables that need each other.
        WrongTenant: something in it belongs to another tenant.
    """
    if not _options:
        _options.update(template.get_context_options())
    context = rendering(_options, pin)
    text = _rendered(query, context)
    return text if context.derived is None else context.derived.before(text)


def _rendered(query: Any, context: Qualified) -> Text:
    sql, values = context.sql(query).query()
    if sql.count(HERE) != context.places:
        raise InvalidQuery("a name in the query has the character NUL, which no name of PostgreSQL has")
    for table, column in context.asked.items():
        if table not in context.sources:
            name = table._model.__name__ if table._model is not None else table.__name__
            raise InvalidQuery(
                f"{name}.{column} is a column of a table that the query does not join: join {name} first"
            )
    return Text(sql, values, next((name for table in context.tables if (name := of_tenants(table._model))), None))


def of_tenants(model: Any) -> str | None:
    """Return the name of *model*, if its table is a tenant's."""
    database = model and model._meta.database
    return model.__name__ if type(database) is BoundDatabase and database.tenant_only else None
