"""Puts the configuration together: reads the sources, the strongest wins, and what won is checked."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tenantry.config.files import File, nearest
from tenantry.config.passwords import masked, shown
from tenantry.config.settings import PREFIX_OF_VARIABLES, SETTINGS, Config, Setting
from tenantry.config.sources import Found, Source, SourceKind
from tenantry.errors import InvalidSetting, UnknownSetting

_NOTHING: Mapping[str, object] = MappingProxyType({})
_VARIABLES = frozenset(variable for setting in SETTINGS.values() for variable in setting.variables)
_OF_THE_PROJECT = ("TENANTRY_TEST_", "TENANTRY_BENCH_")
# Kubernetes tells every container of a service called "tenantry" or "tenantry-x" by variables like these.
_OF_KUBERNETES = re.compile(r"_SERVICE_(HOST|PORT)(_\w+)?$|_PORT_\d+_[A-Z]+(_(PROTO|PORT|ADDR))?$")


def load(
    *,
    given: Mapping[str, object] = _NOTHING,
    flags: Mapping[str, object] = _NOTHING,
    environ: Mapping[str, str] = os.environ,
    directory: Path | None = None,
) -> Config:
    """Load the configuration for the working *directory*: what is *given* by the program, else *flags* of the command
    line, else *environ*, else the nearest file, else the default.

    None stands for "not given", and an empty variable for an unset one. The default folder of the migrations is beside
    the file, if there is one. What does not win is not checked.

    Raises:
        InvalidSetting: a value cannot work.
        UnknownSetting: a key, a variable ``TENANTRY_...`` or a name is not a setting; a typo would go unnoticed.
        UnreadableConfig: the nearest file cannot be read.

    >>> load(given={"pool_size": 20}, environ={"TENANTRY_POOL_SIZE": "30"}).pool_size
    20
    """
    directory = (directory or Path.cwd()).resolve()
    file, warnings = nearest(directory)
    found = {
        **_defaults(file.path.parent if file else directory),
        **(_in_file(file) if file else {}),
        **_in_environment(environ, directory),
        **_in_flags(flags, directory),
        **_given(given, directory),
    }
    values: dict[str, Any] = {name: _checked(SETTINGS[name], each) for name, each in found.items()}
    return Config(
        **values,
        sources=MappingProxyType({name: each.source for name, each in found.items()}),
        file=file.path if file else None,
        warnings=(*warnings, *(_leaks(file) if file else ())),
    )


def check(given: Mapping[str, object]) -> None:
    """Check what a program passes, before anything is read or opened.

    Raises:
        InvalidSetting: a value cannot work.
        UnknownSetting: a name is not a setting.
    """
    for name, found in _given(given, Path.cwd()).items():
        _checked(SETTINGS[name], found)


def _defaults(base: Path) -> dict[str, Found]:
    source = Source(SourceKind.DEFAULT, "", base)
    return {name: Found(setting.default, source) for name, setting in SETTINGS.items()}


def _in_file(file: File) -> dict[str, Found]:
    found = {}
    for key, value in file.keys.items():
        source = Source(SourceKind.FILE, file.place(masked(key)), file.path.parent)
        if key not in SETTINGS:
            raise _unknown(key, source)
        found[key] = Found(value, source)
    return found


def _in_environment(environ: Mapping[str, str], directory: Path) -> dict[str, Found]:
    texts = {variable: text for variable, text in environ.items() if text}
    found = {}
    for setting in SETTINGS.values():
        for variable in reversed(setting.variables):
            if variable in texts:
                source = Source(SourceKind.ENVIRONMENT, variable, directory)
                found[setting.name] = Found(texts[variable], source)
    for variable in sorted(texts.keys() - _VARIABLES):
        if variable.startswith(PREFIX_OF_VARIABLES) and not _is_of_others(variable, texts[variable]):
            source = Source(SourceKind.ENVIRONMENT, variable, directory)
            raise _unknown(variable.removeprefix(PREFIX_OF_VARIABLES), source)
    return found


def _is_of_others(variable: str, text: str) -> bool:
    if variable.startswith(_OF_THE_PROJECT) or _OF_KUBERNETES.search(variable):
        return True
    return variable.endswith("_PORT") and text.startswith(("tcp://", "udp://", "sctp://"))


def _in_flags(flags: Mapping[str, object], directory: Path) -> dict[str, Found]:
    found = {}
    for name, value in flags.items():
        source = Source(SourceKind.FLAG, "--" + name.replace("_", "-"), directory)
        if name not in SETTINGS:
            raise _unknown(name, source)
        if value is not None:
            found[name] = Found(value, source)
    return found


def _given(given: Mapping[str, object], directory: Path) -> dict[str, Found]:
    source = Source(SourceKind.GIVEN, "to Tenantry()", directory)
    for name in given:
        if name not in SETTINGS:
            raise _unknown(name, source)
    return {name: Found(value, source) for name, value in given.items() if value is not None}


def _unknown(name: str, source: Source) -> UnknownSetting:
    of_environment = source.kind is SourceKind.ENVIRONMENT
    spellings = {each.name: each.variables[0] if of_environment else each.name for each in SETTINGS.values()}
    near = difflib.get_close_matches(name.lower().replace("-", "_"), spellings, n=1)
    meant = spellings[near[0]] if near else None
    return UnknownSetting(name=masked(name), source=str(source), near=meant, known=list(spellings.values()))


def _checked(setting: Setting, found: Found) -> object:
    value, source = found.value, found.source
    if value is None:  # Only a default can be.
        return None
    read = setting.rule.read(value) if source.is_text and isinstance(value, str) else value
    try:
        checked = setting.rule.check(read)
    except ValueError as refused:
        rule = str(refused) or setting.rule.words
    else:
        return source.base / checked if isinstance(checked, Path) else checked
    raise InvalidSetting(name=setting.name, value=shown(value), source=str(source), rule=rule)


def _leaks(file: File) -> list[str]:
    url = file.keys.get("url")
    if not isinstance(url, str) or masked(url) == url:
        return []
    where, cure = f"{file.place('url')}: {masked(url)!r}", "set TENANTRY_URL instead, or keep the password in ~/.pgpass"
    return [f"{where} has a password in it, and files get shared: {cure}"]
