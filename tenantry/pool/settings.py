"""How a pool behaves."""

from __future__ import annotations

from dataclasses import dataclass

from tenantry.errors import ConfigError

# In "transaction" mode a pooler lends a backend for a transaction only. "session" stands for a pooler in session mode,
# and for none: a connection is a backend. "auto" is to look.
POOLERS = ("auto", "session", "transaction")


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSettings:
    """How a pool behaves. Times are in seconds."""

    size: int = 10  # Per server and process. PostgreSQL's own default is 100 connections for everyone.
    wait_s: float = 5.0  # How long to wait for a free connection, and for a new one to open.
    ask_after_s: float = 60.0  # A connection that was idle for longer is asked before it is used.
    idle_s: float = (
        300.0  # Then it is closed: below the 350 s after which common load balancers drop it without a word.
    )
    # Then it is recycled: a backend keeps about 0.16 MB of catalog for each tenant of 20 tables.
    tenants_per_connection: int = 1_000
    connect_attempts: int = 4
    # The longest wait before the second attempt; doubled for each further one. A random part of it is waited.
    backoff_s: float = 0.2
    allow_default_path: bool = False
    pooler: str = "auto"  # What stands between: see POOLERS.
    tenant_share: int | None = None  # The most connections that one schema may hold at a time.
    uncapped: frozenset[str] = frozenset({""})  # Schemas that belong to no tenant: the share is not theirs.

    def __post_init__(self) -> None:
        counts = "size", "tenants_per_connection", "connect_attempts"
        for name in counts if self.tenant_share is None else (*counts, "tenant_share"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1:
                raise ConfigError(
                    f"pool setting {name}={getattr(self, name)!r}: it must be a whole number of at least 1"
                )
        if self.pooler not in POOLERS:
            raise ConfigError(f"pool setting pooler={self.pooler!r}: it must be one of {', '.join(POOLERS)}")
        for name in ("wait_s", "ask_after_s", "idle_s", "backoff_s"):
            if getattr(self, name) < 0:
                raise ConfigError(f"pool setting {name}={getattr(self, name)!r}: a time in seconds cannot be negative")
