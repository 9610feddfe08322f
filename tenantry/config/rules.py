"""What the value of a setting may be."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Literal, NoReturn, TypeVar

from tenantry.config.grants import parse_grants
from tenantry.errors import ConfigError, InvalidName
from tenantry.naming import SchemaName, extensions_schema, schema_name

PoolKind = Literal["shared", "per-tenant"]
T_co = TypeVar("T_co", covariant=True)

MOST_CONNECTIONS = 262_143  # PostgreSQL takes no higher max_connections.
MOST = 2**31 - 1
MOST_S = 2_000_000.0  # 23 days. PostgreSQL keeps its timeouts as milliseconds in 32 bits.
LEAST_S = 0.001  # Where PostgreSQL would take 0 for "no limit".
_SWITCH = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
_DATABASE = re.compile(r"postgres(ql)?://|embedded:|\w+\s*=")


@dataclass(frozen=True, slots=True)
class Rule(Generic[T_co]):
    """What a value may be, in words and in code.

    *check* raises ValueError for what it may not be; with a text where that says more than *words*. *read* turns text
    into the value that it stands for, or returns it as it is.
    """

    words: str
    check: Callable[[object], T_co]
    read: Callable[[str], object] = str


def whole(*, most: int = MOST) -> Rule[int]:
    """Make the rule for a count of at least 1."""

    def check(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            raise ValueError
        return value

    return Rule(f"it must be a whole number from 1 to {most}", check, _reader(int))


def one_of(*values: str) -> Rule[str]:
    """Make the rule for one of a few words."""

    def check(value: object) -> str:
        return value if isinstance(value, str) and value in values else _refuse()

    return Rule(f"it must be {', '.join(values[:-1])} or {values[-1]}", check)


def seconds(*, least: float = 0.0) -> Rule[float]:
    """Make the rule for a time in seconds."""

    def check(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= MOST_S:
            raise ValueError
        return float(value)

    return Rule(f"it must be a number of seconds from {least:g} to {MOST_S:.0f}", check, _reader(float))


def _reader(number: Callable[[str], object]) -> Callable[[str], object]:
    def read(text: str) -> object:
        try:
            return number(text)
        except ValueError:
            return text

    return read


def _read_switch(text: str) -> object:
    return _SWITCH.get(text.lower(), text)


def _switch(value: object) -> bool:
    return value if isinstance(value, bool) else _refuse()


def _url(value: object) -> str:
    if not isinstance(value, str) or not _DATABASE.match(value):
        raise ValueError
    if value != value.strip() or not value.isprintable():
        raise ValueError("it must not end in white space, and what cannot be printed is written as %0A and the like")
    return value


def _pool(value: object) -> PoolKind:
    if value == "shared":
        return "shared"
    return "per-tenant" if value == "per-tenant" else _refuse()


def _app(value: object) -> str:
    module, _, name = value.partition(":") if isinstance(value, str) else ("", "", "")
    if not isinstance(value, str) or not all(part.isidentifier() for part in (*module.split("."), *name.split("."))):
        raise ValueError
    return value


def _folder(value: object) -> Path:
    path = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
    if not isinstance(path, str) or not path.strip() or "\0" in path:
        raise ValueError
    return Path(os.path.expanduser(path))


def _schema(value: object) -> SchemaName:
    try:
        return schema_name(value)
    except InvalidName as refused:
        raise ValueError(f"it {refused.rule}") from None  # Its text has the value, and a password may be in that.


def _prefix(value: object) -> str:
    return _schema(value + "x")[:-1] if isinstance(value, str) else _refuse()


def _extensions(value: object) -> SchemaName:
    try:
        return extensions_schema(_schema(value))
    except ConfigError as refused:
        raise ValueError(str(refused)) from None


def _grants(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError
    parse_grants(value)
    return value


def _refuse() -> NoReturn:
    raise ValueError


SWITCH = Rule("it must be true or false", _switch, _read_switch)
URL = Rule("it must be postgresql://user@host/database, key=value pairs of libpq, or embedded:PATH", _url)
POOL = Rule("it must be shared or per-tenant", _pool)
APP = Rule("it must be MODULE:OBJECT, such as shop.db:tenants", _app)
FOLDER = Rule("it must be the path of a folder", _folder)
SCHEMA = Rule("it must be the name of a schema", _schema)
PREFIX = Rule("it must be the beginning of the name of a schema, such as t_", _prefix)
EXTENSIONS = Rule("it must be the name of a schema", _extensions)
GRANTS = Rule("it must be like INSERT ON audit; INSERT, UPDATE ON visits; SELECT ON geo.*", _grants)
