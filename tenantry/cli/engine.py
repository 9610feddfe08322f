"""The engine that a command works with: the application's own, or one made of the configuration alone."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from tenantry import Tenantry
from tenantry.cli.answer import TERMINATED
from tenantry.config import SETTINGS, Config, SourceKind, load
from tenantry.errors import ConfigError


@contextlib.contextmanager
def engine(flags: Mapping[str, object]) -> Iterator[Tenantry]:
    """Give the engine that the configuration names (`app`), or else is, with the settings of *flags*; close it after.

    Raises:
        ConfigError: the configuration cannot work, `app` leads to no engine, or the program sets itself what a flag
            was given for.
    """
    with _found(flags) as (tenants, config):
        if flags:
            tenants.parts.config = config
        yield tenants


@contextlib.contextmanager
def configuration(flags: Mapping[str, object]) -> Iterator[Config]:
    """Give the configuration of that engine, of which nothing is opened: for what works without its server, too.

    Raises:
        ConfigError: see :func:`engine`.
    """
    with _found(flags) as (_, config):
        yield config


@contextlib.contextmanager
def _found(flags: Mapping[str, object]) -> Iterator[tuple[Tenantry, Config]]:
    config = load(flags=flags)
    # What the application prints is no data, at its import and later: stdout is the command's own.
    with _in_environment(flags), contextlib.redirect_stdout(sys.stderr):
        tenants = Tenantry() if config.app is None else _imported(config)
        try:
            found = tenants.config
            _refuse_overruled(found, flags, str(config.app))
            # What is wrong with a flag is to be blamed on it, and not on the variable that it went through.
            named = {name: config.sources[name] for name in flags}
            yield tenants, dataclasses.replace(found, sources=MappingProxyType({**found.sources, **named}))
        finally:
            tenants.close()


@contextlib.contextmanager
def _in_environment(flags: Mapping[str, object]) -> Iterator[None]:
    """Hand *flags* on through the environment: there they reach an engine that the application has made, and stand
    above the file and below what the program passes.
    """
    variables = {SETTINGS[name].variables[0]: str(value) for name, value in flags.items()}
    before = {variable: os.environ.get(variable) for variable in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for variable, text in before.items():
            if text is None:
                del os.environ[variable]
            else:
                os.environ[variable] = text


def _refuse_overruled(config: Config, flags: Mapping[str, object], app: str) -> None:
    """A flag that does nothing would let a command run on another server than the one that was typed."""
    for name in flags:
        if config.sources[name].kind is SourceKind.GIVEN:
            raise ConfigError(
                f"{SETTINGS[name].flag} would do nothing: {app} is made with a {name} of its own, and what the program "
                f"passes to Tenantry() always holds. Leave out the flag, or the argument."
            )


def _imported(config: Config) -> Tenantry:
    app = str(config.app)
    module_name, _, path = app.partition(":")
    for directory in (config.file and config.file.parent, Path.cwd()):
        if directory and str(directory) not in sys.path:
            sys.path.insert(0, str(directory))
    try:
        found: object = importlib.import_module(module_name)
    except ConfigError:
        raise
    except (Exception, SystemExit) as error:
        if isinstance(error, SystemExit) and error.code == TERMINATED:  # By SIGTERM.
            raise
        raise ConfigError(f"app={app!r} ({config.sources['app']}) cannot be imported: {_told(error)}") from error
    for name in path.split("."):
        found = getattr(found, name, None)
    if not isinstance(found, Tenantry):
        what = "there is no such object" if found is None else f"it is a {type(found).__name__}"
        raise ConfigError(f"app={app!r} ({config.sources['app']}) is not a Tenantry object: {what}")
    return found


def _told(error: BaseException) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = "" if "importlib" in last.filename else f" ({last.filename}, line {last.lineno})"
    return f"{type(error).__name__}: {error}{where}"
