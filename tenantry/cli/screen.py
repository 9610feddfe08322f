"""Where a command talks: data to stdout, everything else to stderr."""

from __future__ import annotations

import os
import sys
import traceback

from tenantry.cli import render
from tenantry.cli.answer import Answer


class Screen:
    """The terminal, the pipe or the log at the other end. With *json* programs read both streams."""

    def __init__(self, *, json: bool) -> None:
        self.json = json
        self._out = sys.stdout  # As it is now: while an application works, what it prints is led elsewhere.

    @property
    def asks(self) -> bool:
        """Whether somebody is there to answer a question."""
        return not self.json and sys.stdin.isatty() and sys.stderr.isatty()

    @property
    def draws(self) -> bool:
        """Whether a moving bar has a place on stderr."""
        return not self.json and sys.stderr.isatty()

    def note(self, text: str) -> None:
        """Tell people something that is no data."""
        if not self.json:
            print(text, file=sys.stderr, flush=True)

    def ask(self, question: str) -> str:
        """Ask, and return what was typed; nothing at the end of the input."""
        print(question, end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip()

    def show(self, answer: Answer) -> int:
        """Print what a command answers, and return its status."""
        if self.json:
            print(render.as_json(answer.data), file=self._out, flush=True)
            return answer.status
        if answer.table is not None:
            render.show_table(answer.table, self._out)
        if answer.text:
            print(answer.text, file=self._out)
        self._out.flush()  # Before the notes, in one terminal.
        for note in answer.notes:
            self.note(note)
        return answer.status

    def show_before_an_error(self, answer: Answer) -> None:
        """Print what was done before an error that is to be told next, even if the reader of this has gone."""
        try:
            self.show(answer)
        except BrokenPipeError:
            self.let_go()

    def let_go(self) -> None:
        """Lead stdout, whose reader has gone, into nothing: Python writes what is left when it ends, and would fail."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), self._out.fileno())

    def fail(self, error: BaseException, *, unexpected: bool = False) -> None:
        """Print *error*; its traceback, too, when nobody has expected it."""
        if self.json:
            print(render.as_json({"error": render.error_data(error)}), file=sys.stderr)
            return
        if unexpected:
            traceback.print_exception(error)
            return
        text = str(error).rstrip()
        if sys.stderr.isatty():
            from rich.text import Text

            render.console(sys.stderr).print(Text.assemble(("error: ", "bold red"), text), soft_wrap=True)
        else:
            print(f"error: {text}", file=sys.stderr)
