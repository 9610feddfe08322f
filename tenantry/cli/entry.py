"""The way in and out: words to a command, and what it answers or raises to an exit status."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator, Sequence

import peewee
import psycopg2
from cyclopts import CycloptsError

from tenantry.cli.answer import BROKEN_PIPE, DONE, ERROR, INTERRUPTED, LOCKED, TERMINATED, USAGE, Answer
from tenantry.cli.commands import app
from tenantry.cli.screen import Screen
from tenantry.errors import ConfigError, InvalidName, MigrationBlocked, TenantryError, UsageError

JSON = "--json"
EXPECTED = (TenantryError, CycloptsError, peewee.PeeweeException, psycopg2.Error, OSError)  # All else is a bug.


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    0 done, 1 error, 2 usage or configuration, 3 some tenants failed, 4 pending (`migrate status --check`), 5 locked by
    another run, 130 and 143 for SIGINT and SIGTERM.
    """
    words, json = _without_json(sys.argv[1:] if arguments is None else arguments)
    screen = Screen(json=json)
    try:
        with _ended_by_sigterm():
            answer = _run(words, screen)
            if isinstance(answer, Answer):
                return screen.show(answer)
            return answer if isinstance(answer, int) else DONE  # Of a program that has talked for itself, or of --help.
    except KeyboardInterrupt:
        screen.note("interrupted")
        return INTERRUPTED
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else ERROR
    except BrokenPipeError:  # `tenantry tenant list | head -1`
        screen.let_go()
        return BROKEN_PIPE
    except Exception as error:
        expected = isinstance(error, EXPECTED)
        screen.fail(error, unexpected=not expected)
        return _status(error)


def _without_json(words: Sequence[str]) -> tuple[list[str], bool]:
    """Take --json out: every command has it, and errors of usage have to know of it, too."""
    end = words.index("--") if "--" in words else len(words)
    ours = [word for word in words[:end] if word != JSON]
    return [*ours, *words[end:]], len(ours) < end


def _run(words: Sequence[str], screen: Screen) -> object:
    command, bound, injected = app.parse_args(words, exit_on_error=False, print_error=False)
    for name in injected:
        bound.arguments[name] = screen
    return command(*bound.args, **bound.kwargs)


def _status(error: Exception) -> int:
    if isinstance(error, (CycloptsError, ConfigError, InvalidName, UsageError)):
        return USAGE
    return LOCKED if isinstance(error, MigrationBlocked) else ERROR


@contextlib.contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Leave by an exception on SIGTERM: an embedded server is to be left properly."""

    def leave(*_: object) -> None:
        raise SystemExit(TERMINATED)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
