"""One DO for several files and their bookkeeping: what runs a tenant's migrations as one statement of one message."""

from __future__ import annotations

import itertools
import re

from tenantry.migrations.files import MigrationFile
from tenantry.migrations.history import DONE
from tenantry.migrations.plan import Plan
from tenantry.migrations.reports import report
from tenantry.naming import quoted_text

# A file may leave another path or lock timeout behind (pg_dump's output does), and the next one must not find it: each
# begins with both as the block has found them. In the text of its EXECUTE, where that costs least.
_HEAD = (
    "DECLARE t pg_catalog.timestamptz[];before pg_catalog.text:=pg_catalog.concat("
    "'SET LOCAL search_path TO ',pg_catalog.current_setting('search_path'),"
    "';SET LOCAL lock_timeout TO ''',pg_catalog.current_setting('lock_timeout'),''';');BEGIN "
    "t[0]:=pg_catalog.clock_timestamp();"
)


class Block:
    """A DO that EXECUTEs pieces of SQL one after the other.

    Inside of EXECUTE the server itself refuses what would end the transaction, in any spelling. The line number in the
    context of an error tells the piece that failed, so nothing is spent on telling them apart while all goes well.
    """

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self._body = [_HEAD]
        self._lines: list[int] = []  # Of each piece's EXECUTE, counted as the server does.
        self._next_line = 1
        self._rows: list[str] = []

    def add(self, sql: str, *, apart: bool = True) -> None:
        """Add SQL that may be several statements; *apart* from what the SQL before it has set."""
        sql += "\n"  # The text may end in a comment; and no line number may stand for two pieces.
        as_found = "before OPERATOR(pg_catalog.||) " if apart else ""
        self._lines.append(self._next_line)
        self._next_line += sql.count("\n")
        self.pieces.append(sql)
        self._body.append(
            f"EXECUTE {as_found}{dollar_quoted(sql)};t[{len(self.pieces)}]:=pg_catalog.clock_timestamp();"
        )

    def add_file(self, schema: str, file: MigrationFile) -> None:
        """Add a file, and its line in the history."""
        self.add(file.text)
        end = len(self.pieces)
        took_s = f"pg_catalog.date_part('epoch',t[{end}] OPERATOR(pg_catalog.-) t[{end - 1}])"
        self._record(schema, file, f"t[{end}]", f"{took_s} OPERATOR(pg_catalog.*) 1000")

    def add_record(self, schema: str, file: MigrationFile, *, duration_s: float) -> None:
        """Add the line in the history of a file that has run elsewhere in the transaction."""
        self._record(schema, file, "pg_catalog.clock_timestamp()", repr(duration_s * 1000))

    def add_outcome(self, plan: Plan) -> None:
        """Add what the schema has become."""
        last = "NULL" if plan.last is None else quoted_text(plan.last)
        self._write_rows()
        self._body.append(
            "INSERT INTO tenantry.schemas AS s (schema,count,last,version,migrated_at) VALUES ("
            f"{quoted_text(plan.schema)},{len(plan.after)},{last},'{plan.version}',pg_catalog.clock_timestamp()) "
            "ON CONFLICT (schema) DO UPDATE SET count=EXCLUDED.count,last=EXCLUDED.last,version=EXCLUDED.version,"
            "migrated_at=EXCLUDED.migrated_at;"
        )

    def render(self) -> str:
        """Return the DO, as the driver takes it: ``%`` is doubled."""
        self._write_rows()
        return f"DO {dollar_quoted(''.join(self._body) + 'END')};".replace("%", "%%")

    def failed(self, error: BaseException) -> int | None:
        """Return the number of the piece in which *error* arose, counted from 0; None when it was in no piece."""
        found = report(error)
        context = (found.diag.context or "") if found is not None else ""
        # The last line is the outermost; only its numbers are read, for its words are in the server's language.
        outermost = [line for line in context.splitlines() if "inline_code_block" in line][-1:]
        numbers = re.findall(r"[0-9]+", "".join(outermost))
        line = int(numbers[0]) if numbers else 0
        return self._lines.index(line) if line in self._lines else None

    def _record(self, schema: str, file: MigrationFile, at: str, duration_ms: str) -> None:
        self._rows.append(
            f"({quoted_text(schema)},{quoted_text(file.name)},'{file.sha256}',{at},{duration_ms},'{DONE}')"
        )

    def _write_rows(self) -> None:
        if self._rows:
            rows = ",".join(self._rows)
            self._rows.clear()
            self._body.append(
                f"INSERT INTO tenantry.history (schema,name,sha256,applied_at,duration_ms,state) VALUES {rows};"
            )


def dollar_quoted(text: str) -> str:
    """Quote *text* as an SQL string without changing a letter of it: with a tag that it does not hold."""
    tag = next(tag for n in itertools.count() if (tag := f"$t{n}") not in text)
    return f"{tag}${text}{tag}$"
