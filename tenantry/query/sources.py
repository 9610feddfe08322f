"""What a query takes rows from: tables of models, and the rows of other queries."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Generic, TypeVar

import peewee

from tenantry.errors import InvalidQuery
from tenantry.query.expressions import Column, Tag

Value = TypeVar("Value")
D = TypeVar("D", bound="Derived")


class Derived:
    """The rows of a query as a table of other queries, which `WITH` puts in front of them.

    A class below it names the columns. What :meth:`step` returns is added to them: a query that may join the class
    itself, and is then run again for the rows that it gave last, until it gives none. With *distinct* each row is kept
    once. *materialized* says whether PostgreSQL is to compute it by itself, or as a part of the query.

    >>> late = with_shared(Invoice).where(Invoice.paid == False).group_by(Invoice.customer)  # doctest: +SKIP
    >>> class Debt(Derived):  # doctest: +SKIP
    ...     customer = late.column(Invoice.customer)
    ...     total = late.column(fn.sum(Invoice.total))
    >>> with_shared(Customer).join(Debt, on=Debt.customer == Customer.id).select(Customer.name, Debt.total)
    """

    _meta: ClassVar[Any]

    def __init_subclass__(cls, *, distinct: bool = False, materialized: bool | None = None) -> None:
        own = {name: each for name, each in vars(cls).items() if isinstance(each, Taken)}
        base: Any = cls.__mro__[1]
        if base is Derived:
            cls._meta = _Meta(cls, Definition(cls, own, distinct=distinct, materialized=materialized))
        elif getattr(vars(cls).get("Meta"), "alias", False) and not own:
            cls._meta = _Meta(cls, base._meta.definition)
        else:
            raise InvalidQuery(
                f"{cls.__name__} is below the derived table {base.__name__}: with Meta.alias = True it is that table "
                "once more, and it has no columns of its own"
            )


class Taken(Generic[Value]):
    """A column of a derived table, in the class: what *node* is in the rows of *query*."""

    def __init__(self, query: Any, node: Any) -> None:
        self.query, self.node = query, node

    def __set_name__(self, owner: Any, name: str) -> None:
        self._name = name

    def __get__(self, row: None, model: type[D]) -> Column[Tag[D], Value]:
        column: Column[Tag[D], Value] = model._meta.columns[self._name]
        return column


class Step(ABC):
    """Rows that are added to a derived table."""

    @abstractmethod
    def node(self, names: list[str]) -> Any:
        """Return the query of these columns, in their order."""


class Definition:
    """How the rows of a derived table are made. Its aliases share it."""

    def __init__(
        self, owner: type[Derived], taken: dict[str, Taken[Any]], *, distinct: bool, materialized: bool | None
    ) -> None:
        self.owner, self.taken = owner, taken
        self.operator = "UNION" if distinct else "UNION ALL"
        self.materialized = materialized
        reserved = next((name for name in taken if name.startswith("_") or name == "step"), None)
        if reserved is not None:
            raise InvalidQuery(f"{owner.__name__}.{reserved}: a column of a derived table needs another name")
        if not taken:
            raise InvalidQuery(f"{owner.__name__} has no columns: name = query.column(Model.name)")
        first, *others = taken.items()
        self.query = first[1].query
        for name, each in others:
            if each.query is not self.query:
                raise InvalidQuery(
                    f"{owner.__name__}.{name} is of another query than {owner.__name__}.{first[0]}: keep the query in "
                    "a variable, and take all columns from that one"
                )

    @property
    def name(self) -> str:
        """Its name, for people and the server."""
        return self.owner.__name__

    def queries(self) -> Iterator[Any]:
        """Give the queries whose rows it has: the one of its columns, and the one of its `step()` if it has that."""
        nodes = [each.node for each in self.taken.values()]
        step: Callable[[], Any] | None = getattr(self.owner, "step", None)
        if step is None:
            yield self.query._node.columns(*nodes)
            return
        yield self.query._node.columns(*map(_unlimited, nodes))
        made = step()
        if not isinstance(made, Step):
            raise InvalidQuery(
                f"step() of {self.name} returned {made!r}, and not rows for it: query.fill({self.name}).set(...)"
            )
        yield made.node(list(self.taken))


def _unlimited(node: Any) -> Any:
    """Return *node* without a limit to its digits or characters: what a step adds to it may have more of them, and
    PostgreSQL takes the type of a recursive table from its first rows.
    """
    if isinstance(node, peewee.DecimalField):
        return peewee.Cast(node, "numeric")
    return peewee.Cast(node, "text") if isinstance(node, peewee.CharField) else node


class _Meta:
    """What a model's `_meta` says of it, of a derived table."""

    def __init__(self, owner: type[Derived], definition: Definition) -> None:
        self.definition = definition
        self.table = DerivedTable(definition.name.lower(), _model=owner)
        self.columns = {name: ColumnOfDerived(self.table, name, each.node) for name, each in definition.taken.items()}
        self.database = definition.query._proxy

    @property
    def sorted_fields(self) -> list[ColumnOfDerived]:
        return list(self.columns.values())


class DerivedTable(peewee.Table):
    """The table of a derived table's class."""

    @property
    def definition(self) -> Definition:
        definition: Definition = self.model._meta.definition
        return definition

    @property
    def model(self) -> Any:
        """The class."""
        return self._model  # type: ignore[attr-defined]  # not in peewee's stubs


class ColumnOfDerived(peewee.WrappedNode):
    """A column of a derived table. What it is compared with is converted as for what it was taken from."""

    def __init__(self, source: DerivedTable, name: str, node: Any) -> None:
        super().__init__(node)
        self.source, self.name = source, name

    def __sql__(self, ctx: Any) -> Any:
        ctx._column(self.source, self.name)
        return ctx

    def __getitem__(self, key: Any) -> Any:  # peewee's own compares with it.
        raise InvalidQuery(
            f"{self!r} is a column of a derived table, and has nothing in it: take what is in a document in the query, "
            f"{self.name}_of = query.column(Model.data[{key!r}])"
        )

    def __hash__(self) -> int:
        return hash((self.source, self.name))

    def __repr__(self) -> str:
        return f"{self.source.model.__name__}.{self.name}"
