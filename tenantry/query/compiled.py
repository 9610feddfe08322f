"""A query that is rendered once, and from then on costs its run alone, for whichever tenant."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, overload

import peewee

from tenantry.binding.pins import admit_value
from tenantry.context import Pin
from tenantry.databases.texts import are_sql
from tenantry.errors import InvalidQuery
from tenantry.query.checks import SEVERAL
from tenantry.query.nodes import WriteNode
from tenantry.query.rendering import ForAll, Parameter, Slot, render
from tenantry.query.rows import Shape
from tenantry.query.statement import Results, Runnable, check_column, only
from tenantry.query.writes import Write

P = ParamSpec("P")
Row = TypeVar("Row")
Value = TypeVar("Value")


@overload
def compiled(function: Callable[P, Results[Row]]) -> Compiled[P, Row]: ...
@overload
def compiled(function: Callable[P, Write[Any, Any]]) -> CompiledWrite[P]: ...
def compiled(function: Callable[P, Runnable]) -> Any:
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

    def __init__(self, build: Callable[P, Runnable]) -> None:
        self._build = build
        self._signature = _signature(build)
        self._parameters = len(self._signature.parameters)
        # By how many rows are wanted, as a rule all, and which parameters are None or empty, which other SQL is for.
        self._plans: dict[int | tuple[Any, ...] | None, _Plan] = {}

    def execute(self, *args: P.args, **kwargs: P.kwargs) -> list[Row]:
        """Run it, and return its rows."""
        found: list[Row] = self._run(*self._planned(None, args, kwargs))
        return found

    def first(self, *args: P.args, **kwargs: P.kwargs) -> Row | None:
        """Return the first row, or None."""
        return next(iter(self._run(*self._planned(1, args, kwargs))), None)

    def one(self, *args: P.args, **kwargs: P.kwargs) -> Row:
        """Return the one row.

        Raises:
            NoResultFound, MultipleResultsFound: there is none, or there are several.
        """
        plan, given = self._planned(2, args, kwargs)
        with plan.block():
            found: list[Row] = self._run(plan, given)
            return only(found, plan.node)

    def one_or_none(self, *args: P.args, **kwargs: P.kwargs) -> Row | None:
        """Return the one row, or None if there is none.

        Raises:
            MultipleResultsFound: there are several.
        """
        plan, given = self._planned(2, args, kwargs)
        with plan.block():
            found: list[Row] = self._run(plan, given)
            return only(found, plan.node) if found else None

    def scalar(self: Compiled[P, tuple[Value]], *args: P.args, **kwargs: P.kwargs) -> Value | None:
        """Return the one value of the first row, or None where there is no row."""
        plan, given = self._planned(1, args, kwargs)
        check_column(plan.shape, plan.node)
        found: list[tuple[Value]] = self._run(plan, given)
        return found[0][0] if found else None

    def _run(self, plan: _Plan, given: tuple[Any, ...]) -> Any:
        database = plan.proxy.current(plan.node)
        values = plan.values(given, database.pin)
        sql, marks = plan.text.of(database), plan.marks or plan.hides(values)
        rows = database.fetch(sql, values, marks=marks)
        if plan.shape is None:
            return rows.rowcount
        make = plan.make or plan.shape.maker(database.pin)
        return make(rows.fetchall())

    def _planned(self, most: int | None, args: Any, kwargs: Any) -> tuple[_Plan, tuple[Any, ...]]:
        """Return the plan of a run, and the values that it is given."""
        given = self._given(args, kwargs)
        for value in given:
            if _has_other_sql(value):
                return self._special(most, given), given
        return self._plans.get(most) or self._compile(most, most, {}), given

    def _special(self, most: int | None, given: tuple[Any, ...]) -> _Plan:
        """Return the plan of a run with values that are None or empty, which other SQL is for."""
        fixed = {
            name: value for name, value in zip(self._signature.parameters, given, strict=True) if _has_other_sql(value)
        }
        key = (most, *((name, value is None) for name, value in fixed.items()))
        return self._plans.get(key) or self._compile(key, most, fixed)

    def _given(self, args: Any, kwargs: Any) -> tuple[Any, ...]:
        if not kwargs and len(args) == self._parameters:
            return args  # type: ignore[no-any-return]  # of the ParamSpec
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return tuple(bound.arguments.values())

    def _compile(self, key: Any, most: int | None, fixed: Mapping[str, Any]) -> _Plan:
        parameters = self._signature.parameters
        if any(each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD) for each in parameters.values()):
            raise InvalidQuery(f"the parameters of a compiled query have names: {self._signature} has not")
        build: Any = self._build
        named = getattr(build, "__name__", build)
        given = {
            name: fixed[name] if name in fixed else Parameter(name, each.annotation)
            for name, each in parameters.items()
        }
        statement = build(**given)
        if not isinstance(statement, Runnable):
            raise InvalidQuery(f"{named} returned {statement!r}, and not a query")
        if most is not None and not isinstance(statement, Results):
            raise InvalidQuery(
                f"{named} writes, and gives no rows: execute() it, or let it give back what it has written, with "
                "returning()"
            )
        plan = self._plans[key] = _Plan(statement, [*parameters], most)
        return plan


def _signature(build: Callable[..., Any]) -> inspect.Signature:
    """Return the signature of *build*, with types for the annotations that there are when a program runs."""
    signature = inspect.signature(build)
    names = getattr(inspect.unwrap(build), "__globals__", {})
    parameters = [each.replace(annotation=_evaluated(each.annotation, names)) for each in signature.parameters.values()]
    return signature.replace(parameters=parameters)


def _evaluated(annotation: Any, names: dict[str, Any]) -> Any:
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, names)
    except Exception:  # A type that is imported, or can be subscripted, for the checkers alone.
        return annotation


def _has_other_sql(value: Any) -> bool:
    """Say whether *value* is None or an empty list, which are not written as other values are."""
    return value is None or (not value and isinstance(value, SEVERAL))


def _key(value: Any) -> Any:
    """Return the key of a row, and any other value as it is."""
    return value.get_id() if isinstance(value, peewee.Model) else value  # type: ignore[no-untyped-call]


class CompiledWrite(Protocol[P]):
    """What writes, rendered once."""

    def execute(self, *args: P.args, **kwargs: P.kwargs) -> int:
        """Run it, and return how many rows it has written."""
        ...


class _Plan:
    """A rendered query, and where its values come from."""

    def __init__(self, statement: Runnable, names: list[str], most: int | None) -> None:
        self.proxy = statement._proxy
        self.shape: Shape | None
        self.node, self.shape = (
            (statement.at_most(most), statement._shape) if isinstance(statement, Results) else (statement._node, None)
        )
        text = render(self.node, rendering=ForAll)
        self.text = text
        self._constants = [None if isinstance(value, Slot) else value for value in text.values]
        self._slots = [
            (number, names.index(value.name), value.convert)
            for number, value in enumerate(text.values)
            if isinstance(value, Slot)
        ]
        self.marks = text._replace(values=self._constants).marks()
        self.make = self.shape.maker_for_all() if self.shape else None

    def block(self) -> AbstractContextManager[Any]:
        """Return a block that undoes what is written in it when one() finds another number of rows."""
        return self.proxy.current(self.node).atomic() if isinstance(self.node, WriteNode) else nullcontext()

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
            for row in value if isinstance(value, SEVERAL) else (value,):
                if isinstance(row, peewee.Model):
                    admit_value(row, pin)
            taken = value if convert is None else convert(value)
            values[number] = _key(taken) if type(taken) is not tuple else tuple(map(_key, taken))
        return values
