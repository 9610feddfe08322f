"""What the text of a statement tells.

It is looked at to refuse, or to clean up more than is needed; never to leave the prefix away.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg2.extras import Json

from tenantry.errors import SessionRequired

_BLANK = r"(?:[\s;]|--[^\n]*(?:\n|$)|/\*.*?\*/)*"
_STAYS = re.compile(
    _BLANK
    + r"(?:set\s+(?!local\b|transaction\b|constraints\b)|reset\b|listen\b|load\b|discard\b|prepare\s+(?!transaction\b)|"
    r"declare\b.*\bwith\s+hold\b)",
    re.IGNORECASE | re.DOTALL,
)
_BEGINS = re.compile(_BLANK + r"(?:begin|start\s+transaction)\b", re.IGNORECASE)
_END = (
    r"(?:(?:commit|rollback|abort)\b(?!\s+(?:(?:work|transaction)\s+)?to\b)(?!\s+prepared\b)"
    r"(?!\s+(?:(?:work|transaction)\s+)?and\s+chain\b)|prepare\s+transaction\b)"
)
_ENDS = re.compile(_BLANK + rf"(?:{_END}|end\b)[^;]*" + _BLANK + r"\Z", re.IGNORECASE | re.DOTALL)
_HIDDEN_END = re.compile(r"(?:^|;)\s*" + _END, re.IGNORECASE)
# What is no statement of the text: comments, strings, and the bodies of functions.
_INSIDE = re.compile(r"--[^\n]*|/\*.*?\*/|'[^']*'|(\$\w*\$).*?\1", re.DOTALL)
# As above, to the letter: also names in quotes, texts with backslashes, and where a comment in comments begins.
_QUOTED = re.compile(
    r"--[^\n]*|(?P<comment>/\*)|(?<![\w$])[eE]'(?:[^'\\]|\\.|'')*(?:'|\Z)|'[^']*(?:'|\Z)|\"[^\"]*(?:\"|\Z)|"
    r"(?<![\w$])(?P<tag>\$(?:[^\W\d]\w*)?\$).*?(?:(?P=tag)|\Z)",
    re.DOTALL,
)
_COMMENT = re.compile(r"/\*|\*/")
_TEMPORARY = re.compile(_BLANK + r"create\s+(?:(?:local|global)\s+)?temp(?:orary)?\b", re.IGNORECASE | re.DOTALL)

# Words that stand before a parenthesis in what peewee renders, and leave nothing on a connection: SQL's own, types, and
# functions that only compute. It need not be complete: what is not here costs the next statement on the connection a
# few microseconds.
_HARMLESS = frozenset(
    """
    all and any array as asc between by case check conflict cross cube default desc distinct else end except exists
    filter first following for foreign from full group groups having ilike in include inner insert intersect into is
    join key last lateral left like limit materialized not nothing null nulls offset on or order outer over partition
    preceding primary range recursive references returning right rollup rows select set sets similar some then to union
    unique update using values when where window with within bit char character decimal float interval numeric time
    timestamp varchar varying abs avg bool_and bool_or btrim cast ceil ceiling char_length coalesce concat concat_ws
    count cume_dist date_part date_trunc dense_rank every exp extract first_value floor format greatest initcap json_agg
    json_build_array json_build_object json_object_agg jsonb_agg jsonb_array_elements jsonb_array_length
    jsonb_build_array jsonb_build_object jsonb_object_agg jsonb_set lag last_value lead least left length ln log lower
    lpad ltrim max md5 min mod now nth_value ntile nullif octet_length percent_rank percentile_cont percentile_disc
    position power random rank regexp_replace repeat replace reverse right round row row_number rpad rtrim sign
    split_part sqrt stddev stddev_pop stddev_samp string_agg strpos substr substring sum to_char to_date to_number
    to_timestamp to_tsquery to_tsvector trim trunc ts_rank upper var_pop var_samp variance array_agg array_length unnest
    plainto_tsquery phraseto_tsquery websearch_to_tsquery
    """.split()
)
# With the dot of a schema in front of it: what an application calls like a harmless function is another.
_CALLED = re.compile(r"((?:\.\s*|(?<![\w\"$]))[^\W\d][\w$]*)\s*\(")
# A quoted name in front of a parenthesis is a call, unless one of these words says that columns follow.
_CALLED_QUOTED = re.compile(
    r"(?<!into )(?<!table )(?<!exists )(?<!references )(?<!with )(?<!recursive )"
    r"(?<![\w\".])(?:\"[^\"]*\"\.)*\"[^\"]*\"\s*\(",
    re.IGNORECASE,
)
_HIDES = re.compile(r"/\*|--|;|\$|\binto\s+temp", re.IGNORECASE)
_PLAIN = re.compile(r"\s*(?:select|insert|update|delete|with|values)\b", re.IGNORECASE)
# By their exact type: a subclass may adapt itself to any SQL, as the driver's AsIs does.
_VALUES = frozenset({str, int, float, bool, bytes, Decimal, date, time, datetime, timedelta, UUID, type(None), Json})

_verdicts: dict[str, bool] = {}
_LONGEST_TEXT = 4_096  # A bulk insert is a text of its own each time, and not worth remembering.
# A web application has hundreds of statement texts; IN lists of all lengths must not pile up.
_MOST_VERDICTS = 4_096


def refuse(sql: str, *, in_transaction: bool) -> None:
    """Refuse raw SQL that would stay on a connection which other tenants use.

    Raises:
        SessionRequired: it sets, prepares, listens to or holds something for the session.
    """
    what = _STAYS.match(sql) or (not in_transaction and _TEMPORARY.match(sql))
    if what:
        raise SessionRequired(
            "this was not sent, for it would stay on a connection that other tenants use, where it is wiped before the "
            f"next use: {_shortened(sql)!r}. Say SET LOCAL, or make the temporary table, inside db.atomic(); or run it "
            "in `with db.session():`"
        )


def begins_transaction(sql: str) -> bool:
    """Say whether raw SQL begins a transaction that it does not end."""
    return bool(_BEGINS.match(sql))


def ends_transaction(sql: str) -> bool:
    """Say whether raw SQL is a COMMIT or ROLLBACK, in any of their spellings, and nothing else."""
    return bool(_ENDS.match(sql))


def refuse_hidden_end(sql: str) -> None:
    """Refuse raw SQL that ends its transaction among other statements: behind a pooler the backend it ran on may be
    another's before anything could be scrubbed from it.

    Raises:
        SessionRequired: it does.
    """
    if _HIDDEN_END.search(_INSIDE.sub(" ", sql)) and not ends_transaction(sql):
        raise SessionRequired(
            "this was not sent, for it ends its transaction among other statements, and a pooler in transaction mode "
            f"could lend the backend to others as it leaves it: {_shortened(sql)!r}. Send the COMMIT by itself"
        )


def quoted_parts(sql: str) -> Iterator[range]:
    """Find what stands in quotes or in a comment: no word of it is SQL."""
    at = 0
    while part := _QUOTED.search(sql, at):
        at = _end_of_comment(sql, part.end()) if part["comment"] else part.end()
        yield range(part.start(), at)


def _end_of_comment(sql: str, at: int) -> int:
    depth = 1  # Comments of PostgreSQL's nest.
    for mark in _COMMENT.finditer(sql, at):
        depth += 1 if mark[0] == "/*" else -1
        if not depth:
            return mark.end()
    return len(sql)


def may_leave_traces(sql: str, params: Any) -> bool:
    """Say whether SQL that peewee has rendered may leave something on the connection.

    It may when it calls a function that is not known to be harmless (``set_config(..., false)``, ``pg_advisory_lock``,
    or one that calls them), or when one of its values is SQL. The verdict on a text is remembered.
    """
    verdict = _verdicts.get(sql)
    if verdict is None:
        verdict = _judge(sql)
        if len(_verdicts) >= _MOST_VERDICTS:
            _verdicts.clear()
        if len(sql) <= _LONGEST_TEXT:
            _verdicts[sql] = verdict
    values = params.values() if type(params) is not list and isinstance(params, Mapping) else params or ()
    return verdict or are_sql(values)


def are_sql(values: Collection[object]) -> bool:
    """Say whether one of *values* may be SQL, which any command can hide in."""
    return not (_VALUES.issuperset(map(type, values)) or all(map(_is_plain, values)))


def raw_may_leave_traces(sql: str, params: Any) -> bool:
    """As :func:`may_leave_traces`, of SQL that somebody wrote: it may be any command."""
    return not _PLAIN.match(sql) or may_leave_traces(sql, params)


def _judge(sql: str) -> bool:
    calls = any(word.lower() not in _HARMLESS for word in _CALLED.findall(sql))
    return calls or bool(_HIDES.search(sql) or _CALLED_QUOTED.search(sql))


def _is_plain(value: object) -> bool:
    return type(value) in _VALUES or (isinstance(value, list | tuple) and all(map(_is_plain, value)))


def _shortened(sql: str) -> str:
    sql = " ".join(sql.split())
    return sql if len(sql) <= 80 else sql[:79] + "…"
