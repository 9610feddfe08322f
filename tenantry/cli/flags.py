"""The flags that stand for settings: their names and texts come from the table of settings."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated

from cyclopts import Parameter

from tenantry.config import SETTINGS


def _flag(name: str) -> Parameter:
    setting = SETTINGS[name]
    return Parameter(name=setting.flag, help=f"{setting.purpose[0].upper()}{setting.purpose[1:]}.")


class _Flags:
    """Flags that stand for settings."""

    def settings(self) -> dict[str, object]:
        """Return what was given, as text: the table of settings reads and checks it."""
        return {each.name: value for each in fields(self) if (value := getattr(self, each.name)) is not None}  # type: ignore[arg-type]  # each is a dataclass


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ServerFlags(_Flags):
    """Which server."""

    url: Annotated[str | None, _flag("url")] = None


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class FolderFlags(_Flags):
    """Which migrations."""

    migrations: Annotated[str | None, _flag("migrations")] = None


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ProjectFlags(FolderFlags, ServerFlags):
    """Which server, and which migrations."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class RunFlags(ProjectFlags):
    """How to go through many tenants."""

    jobs: Annotated[str | None, _flag("jobs")] = None
    lock_timeout_s: Annotated[str | None, _flag("lock_timeout_s")] = None


SERVER, FOLDER, PROJECT, RUN = ServerFlags(), FolderFlags(), ProjectFlags(), RunFlags()
