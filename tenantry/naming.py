"""The names that end up in SQL: checked once, at the door, and quoted in one place."""

from __future__ import annotations

import hashlib
import re
from typing import NewType

from tenantry.errors import ConfigError, InvalidSchemaName, InvalidTenantId

TenantId = NewType("TenantId", str)
SchemaName = NewType("SchemaName", str)
RoleName = NewType("RoleName", str)

MAX_BYTES = (
    63  # PostgreSQL's NAMEDATALEN - 1. It cuts longer names short without an error: two tenants would share a schema.
)
_ID = re.compile(r"[a-z0-9]([a-z0-9_-]{0,46}[a-z0-9])?")
_ID_RULE = "is not a tenant id: 1 to 48 of a-z, 0-9, '-' and '_', beginning and ending with a letter or digit"


def tenant_id(text: object) -> TenantId:
    """Check *text* and return it as the id of a tenant: subdomains and UUIDs fit.

    Nothing is folded, trimmed or replaced. What is not an id is refused, for two spellings of one id would be two ways
    to one tenant.

    Raises:
        InvalidTenantId: *text* is not a string, or not ``[a-z0-9]([a-z0-9_-]{0,46}[a-z0-9])?``.

    >>> tenant_id("acme")
    'acme'
    """
    if not isinstance(text, str) or not _ID.fullmatch(text):
        raise InvalidTenantId(text, _ID_RULE)
    return TenantId(text)


def schema_name(text: object) -> SchemaName:
    """Check *text* and return it as the name of a schema, any that PostgreSQL keeps whole: it is always quoted.

    Raises:
        InvalidSchemaName: *text* is not a string, empty, longer than 63 bytes, reserved by PostgreSQL, or has a NUL.
    """
    if not isinstance(text, str) or not text or "\0" in text:
        raise InvalidSchemaName(text, "is not a schema name: a string of 1 to 63 bytes without NUL")
    try:
        length = len(text.encode())
    except UnicodeEncodeError:  # A lone surrogate: no encoding of the server can hold it.
        raise InvalidSchemaName(text, "is not a schema name: it cannot be encoded as UTF-8") from None
    if length > MAX_BYTES:
        raise InvalidSchemaName(
            text, f"is not a schema name: it is {length} bytes long, and PostgreSQL keeps {MAX_BYTES}"
        )
    if text.lower().startswith("pg_") or text == "information_schema":
        raise InvalidSchemaName(text, "is not a schema for tables: PostgreSQL reserves it")
    return SchemaName(text)


def tenant_schema(tenant: TenantId, *, prefix: str) -> SchemaName:
    """Name the schema that a new tenant gets: *prefix* and its id. Existing tenants keep what the catalog says.

    Raises:
        InvalidSchemaName: the two together are longer than 63 bytes, or reserved.
    """
    return schema_name(prefix + tenant)


def extensions_schema(text: object) -> SchemaName:
    """Check *text* as the schema of the extensions, which joins every tenant's path.

    Raises:
        ConfigError: it is ``public``: a table that a tenant lacks would silently be read from there.
        InvalidSchemaName: see :func:`schema_name`.
    """
    if text == "public":
        raise ConfigError(
            "extensions='public' would put public on every tenant's path, and a missing table would silently be "
            "public's: move the extensions to a schema of their own (ALTER EXTENSION ... SET SCHEMA extensions)"
        )
    return schema_name(text)


def tenant_role(database: str, schema: SchemaName) -> RoleName:
    """Name the role of the tenant that has *schema*. Roles belong to the cluster, so the *database* is in it.

    No two schemas of a cluster share a role: a name that would be too long, or could be read in two ways, ends in a
    hash of both.

    >>> tenant_role("shop", schema_name("t_acme"))
    't_acme@shop'
    """
    return _role(f"{schema}@{database}", f"{database}\0{schema}", is_plain=not any(mark in schema for mark in "@:"))


def own_role(database: str, what: str) -> RoleName:
    """Name one of tenantry's own roles for *database*. It has a colon, which the role of no tenant has."""
    return _role(f"tenantry:{what}@{database}", f"{database}\0\0{what}", is_plain=True)


def _role(text: str, facts: str, *, is_plain: bool) -> RoleName:
    if is_plain and "#" not in text and len(text.encode()) <= MAX_BYTES:
        return RoleName(text)
    mark = "#" + hashlib.sha256(facts.encode()).hexdigest()[:16]
    return RoleName(text.encode()[: MAX_BYTES - len(mark)].decode(errors="ignore") + mark)


def quoted(name: SchemaName | RoleName) -> str:
    """Quote *name* as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def quoted_text(text: str) -> str:
    """Quote *text* as an SQL string literal, whatever standard_conforming_strings says."""
    if "\\" in text:
        return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
    return "'" + text.replace("'", "''") + "'"
