"""What a program passes to its engine: the settings as keyword arguments."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

from tenantry.config.rules import PoolKind


class Settings(TypedDict, total=False):
    """The keyword arguments of an engine: every setting but the url, which has a place of its own, and `app`."""

    migrations: str | Path
    schema_prefix: str
    shared_schema: str
    extensions: str | None
    roles: bool
    shared_grants: str | None
    tenant_setting: bool
    pool: PoolKind
    pool_size: int
    tenant_share: int | None
    pool_wait_s: float
    pool_idle_s: float
    pool_ask_after_s: float
    tenants_per_connection: int
    tenant_pool_size: int
    tenant_pools: int
    connect_attempts: int
    allow_default_path: bool
    pooler: str
    databases: int
    catalog_interval_s: float
    jobs: int
    lock_timeout_s: float
