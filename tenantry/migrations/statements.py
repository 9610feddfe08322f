"""SQL text taken apart into statements. Only to name the line of a failure: what runs is never cut by this."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
    (?P<blank>\s+|--[^\n]*)
    |(?P<comment>/\*)
    |[eE]'(?:[^'\\]|\\.|'')*'?
    |'[^']*'?
    |"[^"]*"?
    |(?P<dollar>\$(?:[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_\x80-\U0010ffff]*)?\$)
    |(?P<word>[A-Za-z0-9_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]*)
    |(?P<mark>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT = re.compile(r"/\*|\*/")
_ROUTINE = re.compile(r"create (or replace )?(function|procedure)\b")


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement: its text, without what stands before it, and where it begins in the whole."""

    text: str
    start: int
    line: int


@dataclass(slots=True)
class _Reading:
    """What is known of the statement that is being read."""

    start: int | None = None
    words: str = ""  # The first few, which tell a routine with a body of statements.
    parentheses: int = 0
    blocks: int = 0  # BEGIN ATOMIC ... END, and the CASE ... END in it.

    def word(self, word: str) -> None:
        if len(self.words) < 40:
            self.words = f"{self.words} {word}".strip()
        if word in ("begin", "case") and _ROUTINE.match(self.words):
            self.blocks += 1
        elif word == "end" and self.blocks:
            self.blocks -= 1

    def ends(self, mark: str) -> bool:
        self.parentheses += {"(": 1, ")": -1}.get(mark, 0)
        return mark == ";" and self.parentheses <= 0 and not self.blocks


def split(text: str) -> Iterator[Statement]:
    """Go through the statements of *text*, as psql tells them apart: quotes of all kinds, comments, routine bodies."""
    at, reading = 0, _Reading()
    while found := _TOKEN.match(text, at):
        at = _end(text, found)
        if found["blank"] or found["comment"]:
            continue
        if found["mark"] == ";" and reading.start is None:
            continue
        if reading.start is None:
            reading.start = found.start()
        if found["word"]:
            reading.word(found["word"].lower())
        elif found["mark"] and reading.ends(found["mark"]):
            yield _statement(text, reading.start, at)
            reading = _Reading()
    if reading.start is not None:
        yield _statement(text, reading.start, at)


def _end(text: str, found: re.Match[str]) -> int:
    """Return where a token ends: one that nests, or ends with its own tag, is more than the expression can tell."""
    if found["comment"]:
        depth = 1
        for edge in _COMMENT.finditer(text, found.end()):
            depth += 1 if edge[0] == "/*" else -1
            if not depth:
                return edge.end()
        return len(text)
    if found["dollar"]:
        closing = text.find(found["dollar"], found.end())
        return len(text) if closing < 0 else closing + len(found["dollar"])
    return found.end()


def _statement(text: str, start: int, end: int) -> Statement:
    return Statement(text[start:end].rstrip(), start, text.count("\n", 0, start) + 1)
