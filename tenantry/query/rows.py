"""What is made of the rows that the server sends: values of the promised types, in the shape that was asked for."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import peewee

from tenantry.binding import BoundDatabase
from tenantry.binding.instances import is_made_of_fields
from tenantry.context import Pin
from tenantry.errors import InvalidQuery
from tenantry.query.checks import ARITHMETIC
from tenantry.query.rendering import WHOLE, Parameter
from tenantry.query.sources import ColumnOfDerived, Derived

Row = tuple[Any, ...]
Convert = Callable[[Any], Any]

# Fields whose values come from the driver as they are promised. A class below them may convert.
_NATIVE = frozenset(
    {
        peewee.AutoField,
        peewee.BigAutoField,
        peewee.BigIntegerField,
        peewee.BooleanField,
        peewee.CharField,
        peewee.DateField,
        peewee.DateTimeField,
        peewee.DecimalField,
        peewee.DoubleField,
        peewee.FixedCharField,
        peewee.FloatField,
        peewee.IdentityField,
        peewee.IntegerField,
        peewee.SmallIntegerField,
        peewee.TextField,
        peewee.TimeField,
    }
)

_BEYOND_BIGINT = 2**63


class Entity:
    """A whole row of a model among the columns of a query."""

    def __init__(self, model: Any) -> None:
        self.model: type[peewee.Model] = checked_model(model)


def checked_model(model: Any) -> Any:
    """Return *model*, when it is one.

    Raises:
        InvalidQuery: it is something else.
    """
    if not (isinstance(model, type) and issubclass(model, (peewee.Model, Derived)) and model is not Derived):
        raise InvalidQuery(f"{model!r} is not a model")
    return model


def proxy_of(model: Any) -> BoundDatabase | None:
    """Return the proxy that finds *model*'s database, if it has one."""
    database = model._meta.database
    return database if type(database) is BoundDatabase else None


def bare(node: Any) -> Any:
    """Return what an alias stands for."""
    return bare(node.node) if isinstance(node, peewee.Alias) else node


def is_whole(node: Any) -> bool:
    """Say whether the values of *node* are promised to be whole numbers."""
    node = inner(node)
    if isinstance(node, peewee.Expression):
        has_fraction = node.op == peewee.OP.DIV and (may_be_numeric(node.lhs) or may_be_numeric(node.rhs))
        return node.op in ARITHMETIC and not has_fraction and is_whole(node.lhs) and is_whole(node.rhs)
    if isinstance(node, peewee.ForeignKeyField):
        return is_whole(node.rel_field)
    if isinstance(node, (peewee.Function, peewee.Case)):
        return bool(vars(node).get("whole"))
    return node.kind is int if isinstance(node, Parameter) else isinstance(node, (*WHOLE, int))


def may_be_numeric(node: Any) -> bool:
    """Say whether PostgreSQL may make whole numbers numeric in *node*, as its sum of bigint is."""
    node = inner(node)
    if isinstance(node, peewee.Expression):
        return may_be_numeric(node.lhs) or may_be_numeric(node.rhs)
    if isinstance(node, (peewee.Function, peewee.Case)):
        return bool(vars(node).get("numeric"))
    return isinstance(node, int) and abs(node) >= _BEYOND_BIGINT


def inner(node: Any) -> Any:
    """Return what *node* has the value of: what an alias or a derived column stands for, a query selects, a window has
    the function of.
    """
    node = bare(node)
    if isinstance(node, ColumnOfDerived):
        return inner(node.node)
    if type(node) is peewee.NodeList:
        first: Any = node.nodes[0]
        if isinstance(first, peewee.Select):  # A query as a value.
            selected: Any = first
            return inner(selected._returning[0])
        if isinstance(first, peewee.Function):  # A function of a window.
            return first
    return node


def converter(node: Any) -> Convert | None:
    """Return what makes a value of *node* from the driver's, or None where the driver's is right."""
    node = inner(node)
    if isinstance(node, peewee.ForeignKeyField):
        key = node.rel_field
        if not isinstance(key, WHOLE) and not getattr(node, "says_field", True):
            owner, name = node.rel_model.__name__, key.name
            raise InvalidQuery(
                f"{node.model.__name__}.{node.name} has the type of most keys, int, and {owner}.{name} is none: "
                f"say ForeignKeyField({owner}, field={owner}.{name})"
            )
        return converter(key)
    if isinstance(node, peewee.Field):
        return None if type(node) in _NATIVE else node.python_value
    if isinstance(node, peewee.Expression):
        return int if may_be_numeric(node) and is_whole(node) else None
    made: Convert | None = getattr(node, "_python_value", None)  # Of a function.
    return made


def name_of(node: Any) -> str | None:
    """Return what a column is called, if it has a name."""
    if isinstance(node, peewee.Alias):
        named: Any = node
        return str(named._alias)
    if isinstance(node, Entity):
        return node.model.__name__.lower()
    if isinstance(node, (peewee.Field, ColumnOfDerived)):
        return str(node.name)
    return str(node.name).lower() if isinstance(node, peewee.Function) else None


class Shape:
    """How rows are made of what the server sends."""

    def __init__(self, columns: Sequence[Any], make: Callable[..., Any] | None = None, *, single: bool = False) -> None:
        self.columns = columns  # Fields, expressions and entities, as they were selected.
        self.make = make  # Called with a row's values; None gives them as a tuple.
        self.single = single  # A row is its one entity.

    @property
    def nodes(self) -> list[Any]:
        """What the server is to send: the columns, and for each entity those of its table."""
        nodes: list[Any] = []
        for column in self.columns:
            nodes += column.model._meta.sorted_fields if isinstance(column, Entity) else [column]
        return nodes

    def with_rows_of(self, other: Shape, operator: str) -> Shape:
        """Return how the rows of both are made, which *operator* brings together.

        Raises:
            InvalidQuery: they have not as many columns, or one of them is made in different ways.
        """
        if len(self.columns) != len(other.columns):
            mine, theirs = (", ".join(each.names()) for each in (self, other))
            raise InvalidQuery(f"{operator} needs queries of the same columns: one has {mine}, and the other {theirs}")
        columns = []
        for number, (mine, theirs) in enumerate(zip(self.columns, other.columns, strict=True), 1):
            common = _common(mine, theirs)
            if common is None:
                raise InvalidQuery(
                    f"{operator} needs queries of the same columns: of column {number}, {self.names()[number - 1]} and "
                    f"{other.names()[number - 1]}, the values come in different ways: cast() one to the other's type"
                )
            columns.append(common)
        return Shape(columns, self.make, single=self.single)

    def names(self) -> list[str]:
        """Return a name for each column."""
        return [name_of(column) or f"column_{number}" for number, column in enumerate(self.columns, 1)]

    def keys(self) -> list[str]:
        """Return a name for each column of a dict.

        Raises:
            InvalidQuery: two of them have the same name.
        """
        return keys_of(self.names(), rename="with .alias()")

    def maker(self, pin: Pin) -> Callable[[list[Row]], list[Any]]:
        """Return what makes a list of rows of the driver's, for whom has *pin*."""
        steps, make = self._steps(pin), self.make
        if steps is None:
            if make is None:
                return _as_they_are
            return lambda rows: [make(*row) for row in rows]
        if self.single:
            (step,) = steps
            return lambda rows: [step(row) for row in rows]
        if make is None:
            return lambda rows: [tuple(step(row) for step in steps) for row in rows]
        return lambda rows: [make(*[step(row) for step in steps]) for row in rows]

    def maker_for_all(self) -> Callable[[list[Row]], list[Any]] | None:
        """Return what makes rows for anybody; None if there are instances among them, which belong to somebody."""
        return None if any(isinstance(column, Entity) for column in self.columns) else self.maker(Pin(None))

    def _steps(self, pin: Pin) -> list[Callable[[Row], Any]] | None:
        """Return what takes each value from a row; None if they can stay as they are."""
        steps: list[Callable[[Row], Any]] = []
        at, is_plain = 0, True
        for column in self.columns:
            if isinstance(column, Entity):
                steps.append(_instance(column.model, at, pin))
                at, is_plain = at + len(column.model._meta.sorted_fields), False
                continue
            convert = converter(column)
            steps.append(_value(at, convert))
            at, is_plain = at + 1, is_plain and convert is None
        return None if is_plain else steps


def keys_of(names: list[str], *, rename: str) -> list[str]:
    """Return *names* for the keys of a dict. *rename* is how a column is given another.

    Raises:
        InvalidQuery: two of them are the same.
    """
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InvalidQuery(
            f"dicts(): two columns are called {twice!r}, and one would be lost: give one a name, {rename}"
        )
    return names


def _common(mine: Any, theirs: Any) -> Any:
    """Return a column whose values are made as those of both, by the name of the first; None if they differ."""
    if isinstance(mine, Entity) or isinstance(theirs, Entity):
        both = isinstance(mine, Entity) and isinstance(theirs, Entity) and mine.model is theirs.model
        return mine if both else None
    own, other = converter(mine), converter(theirs)
    if own == other or _is_same(getattr(own, "__self__", None), getattr(other, "__self__", None)):
        return mine
    if not (is_whole(mine) and is_whole(theirs)):
        return None
    return mine if own else bare(theirs).alias(name_of(mine))  # What is numeric in one is so in both.


def _is_same(mine: Any, theirs: Any) -> bool:
    """Say whether two fields make values in one way: those of one class of peewee's do, and documents that are read
    by one function. What an application's own depend on is not known.
    """
    own = isinstance(mine, peewee.Field) and type(mine).__module__ in ("peewee", "playhouse.postgres_ext")
    return own and type(mine) is type(theirs) and getattr(mine, "_loads", None) is getattr(theirs, "_loads", None)


def _as_they_are(rows: list[Row]) -> list[Row]:
    return rows


def _value(at: int, convert: Convert | None) -> Callable[[Row], Any]:
    if convert is None:
        return lambda row: row[at]
    return lambda row: None if row[at] is None else convert(row[at])


def _instance(model: Any, at: int, pin: Pin) -> Callable[[Row], Any]:
    """Return what makes an instance of *model* from the values that begin at *at*: None where its table has no row."""
    if issubclass(model, Derived):
        raise InvalidQuery(f"{model.__name__} is a derived table, whose rows are no instances: select() its columns")
    fields = [
        (number, field.name, converter(field)) for number, field in enumerate(model._meta.sorted_fields, start=at)
    ]
    end = at + len(fields)
    is_plain, new = is_made_of_fields(model), object.__new__
    own = pin.shared if getattr(model, "_is_shared", False) else pin

    def make(row: Row) -> Any:
        if row[at:end].count(None) == len(fields):
            return None
        values = {
            name: row[number] if convert is None or row[number] is None else convert(row[number])
            for number, name, convert in fields
        }
        if not is_plain:
            made = model(__no_default__=True, **values)
            made._dirty.clear()
        else:
            made = new(model)
            made.__data__, made.__rel__, made._dirty = values, {}, set()
        if hasattr(model, "_pin"):
            made._pin = own
        return made

    return make


def checked(make: Callable[..., Any], columns: Sequence[Any]) -> Callable[..., Any]:
    """Return *make*, when it can be called with a value of each of *columns*.

    Raises:
        InvalidQuery: it takes another number of values, or has the names of the columns in another order.
    """
    names = [None if isinstance(column, peewee.Function) else name_of(column) for column in columns]
    return fitting(make, names, rename=".alias({!r})")


def fitting(make: Callable[..., Any], names: Sequence[str | None], *, rename: str) -> Callable[..., Any]:
    """Return *make*, when it can be called with values of these *names*. *rename* is how a column is given another.

    Raises:
        InvalidQuery: it takes another number of values, or has the names in another order.
    """
    if not callable(make):
        raise InvalidQuery(f"into() takes what makes a row of its values, and was given {make!r}")
    try:
        signature = inspect.signature(make)
    except (TypeError, ValueError):  # int, str and the like do not say what they take.
        return make
    named = getattr(make, "__name__", repr(make))
    try:
        bound = signature.bind(*names)
    except TypeError:
        raise InvalidQuery(f"into({named}) is given {len(names)} values, and takes {signature}") from None
    if not (hasattr(make, "__dataclass_fields__") or hasattr(make, "_fields")):
        return make
    for number, (parameter, name) in enumerate(bound.arguments.items(), 1):
        if name is not None and name != parameter:
            raise InvalidQuery(
                f"into({named}): value {number} is {name!r} and would become {parameter!r}: select in the order of the "
                f"fields, or give the column this name with {rename.format(parameter)}"
            )
    return make
