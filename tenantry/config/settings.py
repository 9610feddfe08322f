"""The settings. This table is the only place that knows them; flags, variables, keys, texts and checks come from it."""

# ruff: noqa: RUF009 - what _setting() makes is a dataclasses.field.

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from tenantry.config.passwords import masked
from tenantry.config.rules import (
    APP,
    EXTENSIONS,
    FOLDER,
    GRANTS,
    LEAST_S,
    MOST_CONNECTIONS,
    POOL,
    PREFIX,
    SCHEMA,
    SWITCH,
    URL,
    PoolKind,
    Rule,
    one_of,
    seconds,
    whole,
)
from tenantry.config.sources import Source
from tenantry.errors import NoUrl
from tenantry.naming import SchemaName

T = TypeVar("T")

PREFIX_OF_VARIABLES = "TENANTRY_"


def _setting(default: T, rule: Rule[T], purpose: str, *, also: str = "") -> T:
    """Describe a setting. *also* names a second environment variable, asked after that of the setting's own name."""
    return field(default=default, metadata={"rule": rule, "purpose": purpose, "also": also})


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Config:
    """Every setting, with the source of each. Times are in seconds, and paths are absolute. :func:`load` makes it."""

    url: str | None = _setting(None, URL, "where the database is", also="DATABASE_URL")
    app: str | None = _setting(None, APP, "where the command line finds the Tenantry object, as MODULE:OBJECT")
    migrations: Path = _setting(Path("migrations"), FOLDER, "the folder of the migrations")
    schema_prefix: str = _setting("t_", PREFIX, "a new tenant's schema is this and its id")
    shared_schema: SchemaName = _setting(SchemaName("public"), SCHEMA, "the schema of the shared tables")
    extensions: SchemaName | None = _setting(None, EXTENSIONS, "the schema of the extensions that tenants use")
    roles: bool = _setting(False, SWITCH, "run each tenant's statements as a PostgreSQL role of its own")
    shared_grants: str | None = _setting(None, GRANTS, "what a tenant's role may do to shared tables, besides reading")
    tenant_setting: bool = _setting(False, SWITCH, "tell the server the tenant, as tenantry.tenant, for its policies")
    pool: PoolKind = _setting("shared", POOL, "one pool for all tenants, or one for each, with a login of its own")
    pool_size: int = _setting(10, whole(most=MOST_CONNECTIONS), "connections to the server, in each process")
    tenant_share: int | None = _setting(None, whole(most=MOST_CONNECTIONS), "the most of them that one tenant may hold")
    pool_wait_s: float = _setting(5.0, seconds(), "how long to wait for a free connection")
    pool_idle_s: float = _setting(300.0, seconds(), "an idle connection is closed after this time")
    pool_ask_after_s: float = _setting(60.0, seconds(), "an idle connection is asked before use after this time")
    tenants_per_connection: int = _setting(1_000, whole(), "a connection that has served so many is replaced")
    tenant_pool_size: int = _setting(2, whole(most=MOST_CONNECTIONS), "connections of a tenant's own pool")
    tenant_pools: int = _setting(32, whole(most=MOST_CONNECTIONS), "how many tenants' own pools to keep")
    connect_attempts: int = _setting(4, whole(), "how often to try to open a connection")
    allow_default_path: bool = _setting(False, SWITCH, "accept a role whose own search_path is not empty")
    pooler: str = _setting("auto", one_of("auto", "session", "transaction"), "how a pooler before the server lends")
    databases: int = _setting(1_024, whole(), "how many tenants' database objects to keep; they hold no connections")
    catalog_interval_s: float = _setting(5.0, seconds(), "how often a process reads changes of the catalog")
    jobs: int = _setting(4, whole(most=MOST_CONNECTIONS), "how many tenants to migrate at a time")
    lock_timeout_s: float = _setting(2.0, seconds(least=LEAST_S), "how long a migration waits for a lock")

    sources: Mapping[str, Source] = field(compare=False)
    file: Path | None = None  # The one configuration file that was read.
    warnings: tuple[str, ...] = ()  # What works, and should be changed.

    def __repr__(self) -> str:  # Without passwords: it ends up in logs and tracebacks.
        return f"Config({', '.join(f'{name}={text!r}' for name, text, _ in describe(self))})"

    @property
    def base(self) -> Path:
        """Where a relative path in the url (`embedded:PATH`) begins: the directory of the file that the url came from,
        else the working directory.
        """
        return self.sources["url"].base


class Setting(NamedTuple):
    """A row of the table. *rule* says what a value may be, in words and in code."""

    name: str
    default: object
    rule: Rule[object]
    purpose: str
    variables: tuple[str, ...]  # Of the environment, the stronger first.

    @property
    def flag(self) -> str:
        """How the command line calls it."""
        return "--" + self.name.replace("_", "-")


def _rows() -> dict[str, Setting]:
    rows = {}
    for each in fields(Config):
        if each.metadata:
            variables = (PREFIX_OF_VARIABLES + each.name.upper(), each.metadata["also"])
            rule, purpose = each.metadata["rule"], each.metadata["purpose"]
            rows[each.name] = Setting(each.name, each.default, rule, purpose, tuple(filter(None, variables)))
    return rows


SETTINGS: Mapping[str, Setting] = MappingProxyType(_rows())


class Description(NamedTuple):
    """A setting as people are shown it: without passwords, and with where it came from."""

    name: str
    value: str
    source: str


def describe(config: Config) -> list[Description]:
    """List all settings for people to read; what is not set is an empty text.

    >>> describe(load(environ={"TENANTRY_URL": "postgresql://app:secret@db/shop"}))[0]
    Description(name='url', value='postgresql://app:***@db/shop', source='environment TENANTRY_URL')
    """
    return [Description(name, _text(getattr(config, name)), str(config.sources[name])) for name in SETTINGS]


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(value).removesuffix(".0")
    return masked(str(value))  # Any text: people do put a URL into the wrong setting.


def require_url(config: Config) -> str:
    """Return the url.

    Raises:
        NoUrl: nothing says where the database is. There is no default.
    """
    if config.url is None:
        raise NoUrl(file=config.file or "tenantry.toml")
    return config.url
