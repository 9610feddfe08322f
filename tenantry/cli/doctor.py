"""`tenantry doctor`: what could go wrong, looked at one thing after another, each with its cure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import peewee
import psycopg2
from cyclopts import Parameter

from tenantry import SharedModel, State, Tenant, Tenantry, embedded
from tenantry.binding import models_of
from tenantry.cli import fleet
from tenantry.cli.answer import DONE, ERROR, USAGE, Answer, Table
from tenantry.cli.connection import RoleFacts, connected, facts, pooler_facts
from tenantry.cli.engine import engine
from tenantry.cli.flags import PROJECT, ProjectFlags
from tenantry.config import Config, masked, require_url
from tenantry.errors import ConfigError, MigrationError, RolesNotReady, SchemaIsShared, TenantryError
from tenantry.inspection import Danger, Finding, inspect

OLDEST = 14_00_00  # The oldest PostgreSQL that is tested.
OK, WARN, FAIL = "ok", "warn", "fail"
_CALM = (TenantryError, peewee.PeeweeException, psycopg2.Error, OSError)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. *cure* is what to do about it. *misconfigured* says that no server is to blame."""

    state: str
    name: str
    says: str
    cure: str = ""
    misconfigured: bool = False


def doctor(
    *,
    production: Annotated[bool, Parameter(negative="", help="Fail on what is for development only.")] = False,
    flags: ProjectFlags = PROJECT,
) -> Answer:
    """Look for what is wrong, or could go wrong: configuration, server, role, migrations, tenants."""
    found = list(_checks(flags.settings(), production))
    failed = [check for check in found if check.state == FAIL]
    return Answer(
        data={"checks": [asdict(check) for check in found], "failed": len(failed)},
        table=Table(("state", "check", "finding", "cure"), [(c.state, c.name, c.says, c.cure) for c in found]),
        status=USAGE if any(check.misconfigured for check in failed) else ERROR if failed else DONE,
    )


def _failure(name: str, error: Exception, cure: str) -> Check:
    return Check(FAIL, name, str(error), cure, misconfigured=isinstance(error, ConfigError))


def _checks(flags: dict[str, object], production: bool) -> Iterator[Check]:
    try:
        with engine(flags) as tenants:
            yield from _of_engine(tenants, production)
    except ConfigError as error:
        yield _failure("configuration", error, "correct it, and look again: tenantry config show")
    except TenantryError as error:
        yield _failure("server", error, "start it, or correct the url")


def _of_engine(tenants: Tenantry, production: bool) -> Iterator[Check]:
    config = tenants.parts.config
    url = require_url(config)
    yield Check(OK, "configuration", f"url {masked(url)} ({config.sources['url']})")
    yield from (Check(WARN, "configuration", warning) for warning in config.warnings)
    is_embedded = url.startswith(embedded.SCHEME)
    if is_embedded:
        state = FAIL if production else OK
        cure = "set TENANTRY_URL to a server of your own" if production else ""
        yield Check(state, "embedded", "the embedded PostgreSQL is for development and tests", cure)
    try:
        found = _facts(config, url)
    except _CALM as error:
        yield _failure("server", error, "start it, or correct the url")
    else:
        yield from _of_role(found, config)
        if not is_embedded:
            yield _of_pooler(config, url)
        yield from _of_tenants(tenants) if found.has_empty_path or config.allow_default_path else ()
        yield from _of_roles(tenants)
    yield _migrations(tenants)


def _facts(config: Config, url: str) -> RoleFacts:
    if not url.startswith(embedded.SCHEME):
        with connected(url) as connection:
            return facts(connection)
    with embedded.start(embedded.parse(url, base=config.base)) as server, connected(server.url) as connection:
        return facts(connection)


def _of_role(found: RoleFacts, config: Config) -> Iterator[Check]:
    role = f"role {found.role!r}"
    if found.version >= OLDEST:
        yield Check(OK, "server", f"PostgreSQL {found.version_text}, database {found.database!r}")
    else:
        yield Check(FAIL, "server", f"PostgreSQL {found.version_text} is too old", f"upgrade to {OLDEST // 10000}")
    powers = {"is a superuser": found.superuser, "has BYPASSRLS": found.bypasses_rls}
    power = " and ".join(name for name, has in powers.items() if has)
    if power:
        yield Check(FAIL, "role", f"{role} {power}: it sees past every policy", "let the application use another role")
    else:
        yield Check(OK, "role", f"{role} is an ordinary one")
    if found.has_empty_path:
        yield Check(OK, "search_path", "empty by default: what escapes its tenant finds nothing")
    else:
        state = WARN if config.allow_default_path else FAIL
        yield Check(state, "search_path", f"{found.path!r} by default", f"{found.empty_path_sql};")
    if found.may_create_schemas:
        yield Check(OK, "schemas", f"{role} may create schemas")
    else:
        cure = f'GRANT CREATE ON DATABASE "{found.database}" TO "{found.role}";'
        yield Check(FAIL, "schemas", f"{role} may not create schemas, so no tenants", cure)
    if found.public_is_open:
        cure = "REVOKE CREATE ON SCHEMA public FROM PUBLIC;"
        yield Check(WARN, "public", "every role may create tables and functions in public", cure)
    else:
        yield Check(OK, "public", "not every role may create in public")
    if found.temp_is_open:
        cure = f'to do without them: REVOKE TEMP ON DATABASE "{found.database}" FROM PUBLIC;'
        yield Check(OK, "temp", "temporary tables may be made; they end with the statement or transaction", cure)
    else:
        yield Check(OK, "temp", "not every role may make temporary tables")


_REFUSED = "session() is refused, and with it LISTEN, SET, VACUUM and CREATE INDEX CONCURRENTLY"


def _of_pooler(config: Config, url: str) -> Check:
    try:
        found = pooler_facts(url)
    except _CALM as error:
        return _failure("pooler", error, "let the role have two connections")
    told, mode = f"(pooler = {config.pooler!r})", "auto" if found.is_there else "transaction"
    if config.pooler == "transaction" or (config.pooler == "auto" and found.is_there):
        cure = "for these: an engine whose url leads to the server itself"
        if not found.lends_for_transaction:
            cure += '. Where a connection keeps its backend: pooler = "session"'
        return Check(OK, "pooler", f"one in transaction mode is before the server {told}: {_REFUSED}", cure)
    if found.lends_for_transaction:
        says = f"one lends a backend for a transaction only {told}: what a session leaves on it, another tenant finds"
        return Check(FAIL, "pooler", says, f'set pooler = "{mode}"')
    if found.is_there:
        return Check(OK, "pooler", f"one in session mode is before the server {told}")
    return Check(OK, "pooler", "none: each connection is a backend of its own")


def _of_tenants(tenants: Tenantry) -> Iterator[Check]:
    try:
        living = [tenant for tenant in tenants if tenant.state is not State.DROPPED]
        yield Check(OK, "catalog", f"{len(living)} tenants")
    except _CALM as error:
        yield _failure("catalog", error, "may the role read tenantry.tenants?")
        return
    yield from _of_schemas(tenants, living)
    try:
        found = fleet.standings(tenants)
    except (ConfigError, MigrationError, OSError):
        return  # The files cannot be read: that is told by the check of the migrations.
    except _CALM as error:
        yield _failure("pending", error, "may the role read tenantry.schemas?")
        return
    behind = [each for each in found if each.state == fleet.BEHIND]
    edited = [each for each in found if each.state == fleet.EDITED]
    if behind:
        yield Check(WARN, "pending", f"{len(behind)} of {len(found)} schemas are behind", "tenantry migrate up")
    if edited:
        yield Check(FAIL, "edited", edited[0].reason, "tenantry migrate status names them all")
    if not behind and not edited:
        yield Check(OK, "pending", f"all {len(found)} schemas are up to date")


_STATES = {Danger.LEAVES: FAIL, Danger.DEFINER: FAIL}  # The others depend on what the application does with them.


def _of_schemas(tenants: Tenantry, living: list[Tenant]) -> Iterator[Check]:
    parts, owners = tenants.parts, {tenant.schema: tenant.id for tenant in living}
    models: list[Any] = [model for model in models_of(tenants) if model._meta.schema is not None]
    fixed = parts.common | {model._meta.schema: f"the model {model.__name__}" for model in models}
    for schema in sorted(owners.keys() & fixed):
        both = SchemaIsShared(tenant=owners[schema], schema=schema, by=fixed[schema])
        yield Check(FAIL, "shared", both.what, both.cure)
    shared = {parts.config.shared_schema, *(each._meta.schema for each in models if issubclass(each, SharedModel))}
    shared -= owners.keys()  # Else what leads to that tenant would pass.
    try:
        found = inspect(parts.shared_as_login.wire.ask, owners, shared, extensions=parts.config.extensions)
    except _CALM as error:
        yield _failure("isolation", error, "look at the server")
        return
    if not found:
        yield Check(OK, "isolation", f"nothing in {len(owners)} tenants' schemas leads out of them")
    alike: dict[tuple[Danger, str], list[Finding]] = {}
    for finding in found:  # What a migration has made is in every schema.
        alike.setdefault((finding.danger, finding.what), []).append(finding)
    for (danger, _), findings in alike.items():
        more = f" (and in {len(findings) - 1} more schemas)" if findings[1:] else ""
        yield Check(_STATES.get(danger, WARN), "isolation", f"{findings[0]}{more}", findings[0].cure)


def _of_roles(tenants: Tenantry) -> Iterator[Check]:
    try:
        roles = tenants.parts.roles
        if roles is None:
            return
        ask = tenants.parts.shared_as_login.wire.ask
        lacking = roles.lacking(ask, [each.schema for each in tenants if each.state is not State.DROPPED])
        logs_in = tenants.parts.tenant_pools is not None
        if lacking:
            what = "cannot log in as a role of their own yet" if logs_in else "have no role of their own yet"
            yield Check(FAIL, "roles", f"{len(lacking)} tenants {what}", "tenantry migrate up --all")
        else:
            yield Check(OK, "roles", f"every tenant has a role of its own{', and can log in' if logs_in else ''}")
        roles.require_createrole(ask)
    except RolesNotReady as error:
        yield Check(WARN, "roles", error.what, f"{error.cure};")
    except _CALM as error:
        yield Check(FAIL, "roles", str(error), "look at the server")


def _migrations(tenants: Tenantry) -> Check:
    try:
        number = {kind: len(tenants.parts.files(kind)) for kind in ("shared", "tenant")}
    except _CALM as error:
        return _failure("migrations", error, "correct the folder, or the setting migrations")
    says = f"{number['shared']} shared and {number['tenant']} for tenants in {tenants.parts.config.migrations}"
    if not any(number.values()):
        return Check(WARN, "migrations", says, "tenantry migrate new initial")
    return Check(OK, "migrations", says)
