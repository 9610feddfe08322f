"""What the search for leaks has found, as values and as text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """A reference to a table that is neither the tenant's own nor shared."""

    tenant: str
    model: str | None  # None where no model's statement led to it, but a thing of the tenant's schema.
    kind: str  # Of statement ("upsert"), or of thing ("view").
    reference: str  # What it leads to, as schema.name.
    evidence: str  # The SQL, or the thing with its schema.

    def __str__(self) -> str:
        return f"{self.reference}, for {self.tenant}: {self.model or 'the schema'}, {self.kind}\n    {self.evidence}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """What could not be looked at, and why. With *matters* nothing is proven of it."""

    tenant: str
    model: str
    kind: str
    reason: str
    matters: bool

    def __str__(self) -> str:
        return f"{self.model}, {self.kind}, for {self.tenant}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was looked at for two tenants, and what was found."""

    between: tuple[str, str]
    models: tuple[str, ...]
    statements: int
    leaks: tuple[Leak, ...]
    gaps: tuple[Gap, ...]

    @property
    def is_proof(self) -> bool:
        """Whether nothing leads to another tenant, and everything that matters was looked at."""
        return not self.leaks and not any(gap.matters for gap in self.gaps)

    def __str__(self) -> str:
        looked = f"{len(self.models)} models, {self.statements} statements, as {' and '.join(self.between)}"
        lines = [f"{len(self.leaks) or 'no'} leak{'s' * (len(self.leaks) != 1)} in {looked}", *map(str, self.leaks)]
        for title, matters in (("nothing is proven of", True), ("not looked at", False)):
            gaps = [f"  {gap}" for gap in self.gaps if gap.matters is matters]
            lines += [f"{title}:", *gaps] if gaps else []
        return "\n".join(lines)
