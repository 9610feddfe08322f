"""Where the value of a setting came from."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path


class SourceKind(enum.Enum):
    """The kinds of sources, the strongest first."""

    GIVEN = "given"
    FLAG = "flag"
    ENVIRONMENT = "environment"
    FILE = "file"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Source:
    """Where the value of a setting came from; as a text it is what people are told.

    Relative paths in the value begin at *base*: the directory of the file, else the working directory.

    >>> str(Source(SourceKind.ENVIRONMENT, "TENANTRY_JOBS", Path("/srv/shop")))
    'environment TENANTRY_JOBS'
    """

    kind: SourceKind
    place: str
    base: Path

    def __str__(self) -> str:
        return f"{self.kind.value} {self.place}".rstrip()

    @property
    def is_text(self) -> bool:
        """Whether values come as text there, and are yet to be read as numbers and the like."""
        return self.kind in (SourceKind.FLAG, SourceKind.ENVIRONMENT)


@dataclass(frozen=True, slots=True)
class Found:
    """A value as it was found: nobody has looked at it yet."""

    value: object
    source: Source
