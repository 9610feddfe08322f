"""A query that is rendered once, and from then on costs its run alone, for whichever tenant."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

import peewee

from tenantry.binding.pins import admit_value
from tenantry.context import Pin
from tenantry.databases.texts import are_sql
from tenantry.errors import InvalidQuery
from tenantry.query.rendering import ForAll, Parameter, Slot, render
from tenantry.query.statement import Statement, only

P = ParamSpec("P")
Row = TypeVar("Row")


def compiled(function: Callable[P, Statement[Row]]) -> Compiled[P, Row]:
    """Make of a *function* that builds a query one that is built and rendered at its first run, once.

    Its parameters are the query's, by name and type; what they are is known only when it runs.

    >>> @compiled  # doctest: +SKIP
    ... def above(minimum: Decimal) -> Statement[tuple[int, str]]:
    ...     return with_shared(Invoice).where(Invoice.total > minimum).select(Invoice.id, Invoice.note)
    >>> above.execute(Decimal(10))  # doctest: +SKIP
    """
    return Compiled(function)


class Compiled(Generic[P, Row]):
    """A query of which only the values are still open. It is nobody's, and runs for whoever is bound."""

    def __init__(self, build: Callable[P, Statement[Row]]) -> None:
        self._build = build
        self._signature = _signature(build)
        self._plans: dict[int | None, _Plan] = {}  # By how many rows are wanted: as a rule all.

    def execute(self, *args: P.args, **kwargs: P.kwargs) -> list[Row]:
        """Run it, and return its rows."""
        return self._run(None, args, kwargs)

    def first(self, *args: P.args, **kwargs: P.kwargs) -> Row | None:
        """Return the first row, or None."""
        return next(iter(self._run(1, args, kwargs)), None)

    def one(self, *args: P.args, **kwargs: P.kwargs) -> Row:
        """Return the one row.

        Raises:
            NoResultFound, MultipleResultsFound: there is none, or there are several.
        """
        found: list[Row] = self._run(2, args, kwargs)
        return only(found, self._plans[2].node)

    def _run(self, most: int | None, args: Any, kwargs: Any) -> list[Any]:
        plan = self._plans.get(most) or self._compile(most)
        database = plan.proxy.current(plan.node)
        given = self._given(args, kwargs) if kwargs or len(args) != plan.parameters else args
        values = plan.values(given, database.pin)
        make = plan.make or plan.shape.maker(database.pin)
        sql, marks = plan.text.of(database), plan.marks or plan.hides(values)
        return make(database.fetch(sql, values, marks=marks).fetchall())

    def _given(self, args: Any, kwargs: Any) -> tuple[Any, ...]:
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return tuple(bound.arguments.values())

    def _compile(self, most: int | None) -> _Plan:
        parameters = self._signature.parameters
        if any(each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD) for each in parameters.values()):
            raise InvalidQuery(f"the parameters of a compiled query have names: {self._signature} has not")
        build: Any = self._build
        statement = build(**{name: Parameter(name, each.annotation) for name, each in parameters.items()})
        if not isinstance(statement, Statement):
            raise InvalidQuery(f"{getattr(build, '__name__', build)} returned {statement!r}, and not a query")
        plan = self._plans[most] = _Plan(statement, [*parameters], most)
        return plan


def _signature(build: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(build, eval_str=True)
    except NameError:  # A type that is imported for the checkers alone.
        return inspect.signature(build)


class _Plan:
    """A rendered query, and where its values come from."""

    def __init__(self, statement: Statement[Any], names: list[str], most: int | None) -> None:
        self.node, self.shape, self.proxy = statement.at_most(most), statement._shape, statement._proxy
        text = render(self.node, rendering=ForAll)
        self.text, self.parameters = text, len(names)
        self._constants = [None if isinstance(value, Slot) else value for value in text.values]
        self._slots = [
            (number, names.index(value.name), value.convert)
            for number, value in enumerate(text.values)
            if isinstance(value, Slot)
        ]
        self.marks = text._replace(values=self._constants).marks()
        self.make = self.shape.maker_for_all()

    def hides(self, values: list[Any]) -> bool:
        """Say whether SQL was given for a value."""
        return bool(self._slots) and are_sql(values)

    def values(self, given: Any, pin: Pin) -> list[Any]:
        """Return the values of a run for whom has *pin*: the query's own, and those that are *given*.

        Raises:
            WrongTenant: a row was given that belongs to another tenant.
        """
        if not self._slots:
            return self._constants
        values = self._constants.copy()
        for number, at, convert in self._slots:
            value = given[at]
            if isinstance(value, peewee.Model):
                admit_value(value, pin)
            taken = value if convert is None else convert(value)
            values[number] = taken.get_id() if isinstance(taken, peewee.Model) else taken  # type: ignore[no-untyped-call]
        return values
