"""What tenants may do to shared tables, as the setting says it."""

from __future__ import annotations

import re
from typing import NamedTuple

_PRIVILEGE = r"(?i:SELECT|INSERT|UPDATE|DELETE)"
_TABLE = r"(?:[a-z_][a-z0-9_]*\.)?(?:[a-z_][a-z0-9_]*|\*)"
_GRANT = re.compile(rf"\s*({_PRIVILEGE}(?:\s*,\s*{_PRIVILEGE})*)\s+(?i:ON)\s+({_TABLE}(?:\s*,\s*{_TABLE})*)\s*")


class Grant(NamedTuple):
    """Privileges on a table. *schema* is empty for the shared schema, and the table ``*`` stands for all of one."""

    privileges: frozenset[str]
    schema: str
    table: str


def parse_grants(text: str) -> tuple[Grant, ...]:
    """Read ``PRIVILEGES ON TABLES; ...``.

    Raises:
        ValueError: it is not written like that.

    >>> parse_grants("INSERT ON audit")
    (Grant(privileges=frozenset({'INSERT'}), schema='', table='audit'),)
    """
    return tuple(grant for part in text.split(";") if part.strip() for grant in _parse(part))


def _parse(part: str) -> list[Grant]:
    found = _GRANT.fullmatch(part)
    if found is None:
        raise ValueError
    privileges = frozenset(word.strip().upper() for word in found[1].split(","))
    names = [name.strip().rpartition(".") for name in found[2].split(",")]
    return [Grant(privileges, schema, table) for schema, _, table in names]
