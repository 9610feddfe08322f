"""What peewee writes into the text of a query as it is given: checked before it stands there."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import peewee

from tenantry.errors import InvalidQuery

SEVERAL = (list, tuple, set, frozenset, range)  # What may stand for the values of an IN.
AMONG = frozenset({peewee.OP.IN, peewee.OP.NOT_IN})
ARITHMETIC = frozenset({peewee.OP.ADD, peewee.OP.SUB, peewee.OP.MUL, peewee.OP.DIV})

_STORED_AS_NUMBERS = (peewee.TimestampField, peewee.IPField)  # And are read as moments and texts.

# Schemas of the server itself, in which nothing is anybody's.
_OF_THE_SERVER = frozenset({"pg_catalog", "information_schema"})

_COLLATION = re.compile(r'("[^"]+"|[a-z_][\w-]*)(\.("[^"]+"|[a-z_][\w-]*))?', re.IGNORECASE)
_BOUND = re.compile(r"(UNBOUNDED|\d+) (PRECEDING|FOLLOWING)|CURRENT ROW", re.IGNORECASE)
_EXCLUDED = re.compile(r"CURRENT ROW|GROUP|TIES|NO OTHERS", re.IGNORECASE)
_FRAME = re.compile(r"ROWS|RANGE|GROUPS", re.IGNORECASE)


def check_table(schema: str, name: str, model: Any) -> None:
    """Check that a table that says its *schema* is the one that all share.

    Raises:
        InvalidQuery: it is no shared model's, and may be a tenant's.
    """
    if not getattr(model, "_is_shared", False) and schema not in _OF_THE_SERVER:
        raise InvalidQuery(
            f"the table {schema}.{name} may be another tenant's: a query of the builder has tables of the tenant, "
            "which say no schema, and those of shared models. Make it a SharedModel, or write the query with raw()"
        )


def check_name(name: str) -> None:
    """Check that the *name* of a function or a type is found in the tenant's path, or is the server's own.

    Raises:
        InvalidQuery: it says another schema, which may be a tenant's.
    """
    schema, dot, _ = name.rpartition(".")
    if dot and schema.lower() not in _OF_THE_SERVER:
        raise InvalidQuery(
            f"{name!r} says its schema, which may be another tenant's: leave it out, and what the tenant or "
            "an extension has is found, or write the query with raw(): its {tenant} and {shared} stand for the schemas"
        )


@functools.cache
def check_of(kind: Any) -> Callable[[Any], None] | None:
    """Return what checks a node of this class; it raises `InvalidQuery`. Of most there is nothing to check."""
    return next((check for each, check in _CHECKS.items() if issubclass(kind, each)), None)


def _check_expression(node: Any) -> None:
    if node.op in ARITHMETIC:
        for side in (node.lhs, node.rhs):
            _check_computed(side)
    elif node.op in AMONG:
        _check_among(node)


def _check_computed(side: Any) -> None:
    while isinstance(side, peewee.WrappedNode):
        side = side.node
    if isinstance(side, _STORED_AS_NUMBERS):
        raise InvalidQuery(
            f"{side!r} is stored as a number, and what is computed of it would have another type than its values: "
            "compute it in Python, of what was selected"
        )


def _check_among(node: Any) -> None:
    if isinstance(node.rhs, SEVERAL):
        return
    if not isinstance(node.rhs, peewee.Node) or isinstance(node.rhs, peewee.Model):
        raise InvalidQuery(
            f"in_() and not_in() take a list of values or a query, and {node.lhs!r} was given {node.rhs!r}"
        )


def _check_function(node: Any) -> None:
    check_name(node.name)


def _check_cast(node: Any) -> None:
    check_name(node._cast)


def _check_order(node: Any) -> None:
    _check("a collation", _COLLATION, node.collation)


def _check_sql(node: Any) -> None:
    if node.sql.startswith("COLLATE "):
        _check("a collation", _COLLATION, node.sql.removeprefix("COLLATE "))


def _check_window(node: Any) -> None:
    _check("the frame of a window", _FRAME, node.frame_type)
    _check("an end of a frame", _BOUND, node.start)
    _check("an end of a frame", _BOUND, node.end)
    _check("what a frame leaves out", _EXCLUDED, node._exclude)


def _check(what: str, rule: re.Pattern[str], text: Any) -> None:
    written = getattr(text, "sql", text)
    if written and not rule.fullmatch(str(written).strip()):
        raise InvalidQuery(f"{written!r} is not {what}")


_CHECKS: dict[type[Any], Callable[[Any], None]] = {
    peewee.Cast: _check_cast,
    peewee.Expression: _check_expression,
    peewee.Function: _check_function,
    peewee.Ordering: _check_order,
    peewee.SQL: _check_sql,
    peewee.Window: _check_window,
}
