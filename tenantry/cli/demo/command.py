"""`tenantry demo`: runs the story, away from whatever is configured here."""

from __future__ import annotations

import contextlib
import inspect
import os
import shlex
import shutil
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from tenantry.cli.answer import Answer
from tenantry.cli.screen import Screen

if TYPE_CHECKING:
    from tenantry.cli.demo.stage import Stage

NEXT = (
    ("tenantry init", "models, first migrations, tenantry.toml"),
    ("tenantry tenant create acme globex", "makes two tenants"),
    ("python models.py", "writes and reads as each of them"),
    ("tenantry db psql --tenant acme", "a look at one of them"),
    ("tenantry migrate new add_note", "the next change: edit the file,"),
    ("tenantry migrate up", "and bring it to all of them"),
    ("tenantry doctor", "what is well, and what is not"),
)


def demo(*, screen: Annotated[Screen, Parameter(parse=False)]) -> Answer:
    """See it work on a PostgreSQL that comes and goes with the demo. Nothing else is touched."""
    # Here, or `tenantry --help` would wait for the models and for rich.
    from tenantry.cli.demo import story
    from tenantry.cli.demo.play import Play
    from tenantry.cli.demo.stage import Stage

    begun, stage = time.perf_counter(), None if screen.json else Stage()
    with _elsewhere() as folder:
        if stage:
            stage.says("tenantry: one set of models, one PostgreSQL schema for each tenant", "bold")
            stage.heading("The models and the engine")
            for model in story.MODELS:
                stage.code(inspect.getsource(model))
                stage.blank()
            stage.says(inspect.getdoc(story.start) or "")
            stage.code(_code(story.start, "tenants"))
        tenants = story.start()
        try:
            play = Play(tenants, stage)
            play.wait_for_server()
            for chapter in story.CHAPTERS:
                play.open(chapter, [_file(folder, name) for name in chapter.files])
                for step in chapter.steps:
                    play.step(step, _code(step))
        finally:
            tenants.close()
    if stage:
        _end(stage, time.perf_counter() - begun)
    return Answer(data={"steps": play.steps})


def _end(stage: Stage, took_s: float) -> None:
    stage.heading("What to try next")
    stage.says(f"This took {took_s:.1f} s, and nothing of it is left. Now in a directory of your own:")
    for line in _activation():
        stage.code(line, "sh")
    for words, what in NEXT:
        stage.code(f"{words:<35} # {what}", "sh")


@contextlib.contextmanager
def _elsewhere() -> Iterator[Path]:
    """Work in an empty directory, without the settings of whoever runs this."""
    before, here = dict(os.environ), Path.cwd()
    with tempfile.TemporaryDirectory(prefix="tenantry-demo-") as directory:
        for name in before:
            if name.startswith("TENANTRY_") or name == "DATABASE_URL":
                del os.environ[name]
        os.chdir(directory)
        try:
            yield Path(directory)
        finally:
            os.chdir(here)
            os.environ.update(before)


def _file(folder: Path, name: str) -> tuple[str, str]:
    """Put a migration of the story into *folder*, and return its path there and its text."""
    text = resources.files("tenantry.cli.demo").joinpath("migrations", *name.split("/")).read_text("utf-8")
    path = folder / "migrations" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return f"migrations/{name}", text


def _code(step: Callable[..., object], result: str = "") -> str:
    """Return the body of *step* as it would be typed: without its docstring, and with a name for its *result*."""
    lines = inspect.getsource(step).splitlines()
    body = next(number for number, line in enumerate(lines) if line.endswith('"""')) + 1
    return textwrap.dedent("\n".join(lines[body:])).replace("return ", f"{result} = ")


def _activation() -> list[str]:
    """Return what makes the commands work in a shell where they do not yet."""
    activate = Path(sys.prefix, "bin", "activate")
    return [] if shutil.which("tenantry") or not activate.exists() else [f". {shlex.quote(str(activate))}"]
