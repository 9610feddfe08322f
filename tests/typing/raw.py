"""What mypy and pyright make of raw SQL: the type of its rows is what they are put into."""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, assert_type

from tenantry import raw
from tenantry.query import Raw


@dataclass
class Line:
    id: int
    plan: str | None


query = raw("SELECT i.id, p.name AS plan FROM {tenant}.invoice i, {shared}.plan p WHERE i.total > %s", 10)
assert_type(query, Raw[tuple[Any, ...]])
assert_type(query.execute(), list[tuple[Any, ...]])
assert_type(query.dicts(), list[dict[str, Any]])
assert_type(query.rowcount(), int)
assert_type(raw("SELECT %(least)s", {"least": 3}).one(), tuple[Any, ...])
assert_type(query.into(Line), Raw[Line])
assert_type(query.into(Line).execute(), list[Line])
assert_type(query.into(Line).first(), Line | None)
assert_type(query.into(Line).one_or_none(), Line | None)
assert_type(query.into(lambda number, plan: f"{number}").one(), str)
for line in query.into(Line):
    assert_type(line, Line)

# Misuse.
raw(3)  # type: ignore[arg-type]
raw("SELECT 1", value=3)  # type: ignore[call-arg]
query.into("line")  # type: ignore[arg-type]
query.into(Line).scalar()  # type: ignore[misc]
query.execute(10)  # type: ignore[call-arg]
