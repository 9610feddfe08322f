"""The roles of a database: one for each tenant, and four that tenantry needs for them.

- *app* may become each of the others. It inherits nothing (so neither does who is a member of it), and that is the
  point: a statement that does not say whose it is has no rights.
- *owner* has the schemas and tables of tenants, and the shared ones. Migrations run as this role.
- *tenants* has what all tenants may do with shared tables; the roles of tenants are members of it. Not each role by
  itself: a privilege of ten thousand roles is a list of ten thousand entries on the table.
- *shared* is for work that belongs to no tenant.

What takes ``ask`` runs in the caller's transaction, over a connection that is nobody's role but its login's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import psycopg2

from tenantry.catalog import SCHEMA
from tenantry.catalog.table import Ask
from tenantry.config.grants import parse_grants
from tenantry.databases import LOGIN
from tenantry.errors import ConfigError, RolesNotReady, RoleTaken
from tenantry.naming import RoleName, SchemaName, own_role, quoted, quoted_text, tenant_role
from tenantry.pool import Login

_ON_TABLES = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE")
_ON_SEQUENCES = ("USAGE", "SELECT", "UPDATE")
_SET_IS_APART = 16_00_00  # From this version on, being a member and being allowed to SET ROLE are two things.

# Everything in a schema that belongs to the login. What belongs to an extension, and sequences that belong to a column,
# go with those.
_HAND_OVER = """
DECLARE each record; BEGIN FOR each IN
    SELECT pg_catalog.replace(o.type, ' object', '') AS kind, o.identity
    FROM pg_catalog.pg_shdepend AS d
    JOIN pg_catalog.pg_database AS b ON b.oid = d.dbid AND b.datname = pg_catalog.current_database()
    JOIN pg_catalog.pg_roles AS r ON r.oid = d.refobjid AND r.rolname = current_user
    CROSS JOIN LATERAL pg_catalog.pg_identify_object(d.classid, d.objid, d.objsubid) AS o
    WHERE d.deptype = 'o' AND d.objsubid = 0 AND o.schema = {schema} AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend AS p WHERE p.classid = d.classid AND p.objid = d.objid
        AND (p.deptype = 'e' OR (p.deptype IN ('a', 'i') AND o.type = 'sequence'))
    )
LOOP EXECUTE pg_catalog.format('ALTER %s %s OWNER TO %I', each.kind, each.identity, {owner}); END LOOP; END
"""
_LACKING = """
    SELECT n.nspname FROM unnest(%s::text[], %s::text[]) AS wanted (schema, role)
    JOIN pg_catalog.pg_namespace AS n ON n.nspname = wanted.schema
    LEFT JOIN pg_catalog.pg_roles AS r ON r.rolname = wanted.role
    WHERE r.oid IS NULL OR pg_catalog.pg_get_userbyid(n.nspowner) <> %s
    OR NOT pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE')
    OR (%s AND (NOT r.rolcanlogin OR NOT EXISTS (
        SELECT FROM pg_catalog.pg_db_role_setting AS s JOIN pg_catalog.pg_database AS b ON b.oid = s.setdatabase
        WHERE s.setrole = r.oid AND b.datname = pg_catalog.current_database() AND 'search_path=""' = ANY (s.setconfig)
    )))
"""
# Waits for each to be gone: until then its temporary tables are there. Whoever may become a role may end its sessions.
_THROW_OUT = """
    SELECT pg_catalog.pg_terminate_backend(pid, 5000) FROM pg_catalog.pg_stat_activity
    WHERE usename = current_user
"""
_SHARED_TABLES = """
    SELECT n.nspname, c.relname, c.relkind = 'S', r.rolname,
        array(SELECT a.privilege_type::text FROM pg_catalog.aclexplode(c.relacl) AS a WHERE a.grantee = r.oid)
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    CROSS JOIN pg_catalog.pg_roles AS r
    WHERE n.nspname = ANY (%s) AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    AND pg_catalog.pg_get_userbyid(c.relowner) = %s AND r.rolname = ANY (%s)
"""


@dataclass(frozen=True, slots=True)
class _Need:
    """A privilege that a role must have on a DATABASE, a SCHEMA or a TABLE, which is the *kind*."""

    kind: str
    name: str
    role: RoleName
    privilege: str

    @property
    def sql(self) -> str:
        name = self.name if self.kind == "TABLE" else quoted(SchemaName(self.name))
        return f"GRANT {self.privilege} ON {self.kind} {name} TO {quoted(self.role)}"


class Roles:
    """The roles of one *database*. *grants* is what tenants may do to shared tables besides reading them. With *login*,
    which has the password of each, tenants log in as their roles.
    """

    def __init__(
        self,
        database: str,
        *,
        shared_schema: SchemaName,
        extensions: SchemaName | None = None,
        grants: str | None = None,
        login: Callable[[RoleName], Login] | None = None,
    ) -> None:
        self.database, self._login = database, login
        self.app, self.owner, self.tenants, self.shared = (
            own_role(database, what) for what in ("app", "owner", "tenants", "shared")
        )
        self._extensions = extensions
        self._grants = [each._replace(schema=each.schema or shared_schema) for each in parse_grants(grants or "")]
        self._schemas = sorted({shared_schema, *(SchemaName(each.schema) for each in self._grants)})

    def of(self, schema: SchemaName) -> RoleName:
        """Name the role of the tenant that has *schema*."""
        return tenant_role(self.database, schema)

    # For the whole database.

    def prepare(self, ask: Ask, *, server_version: int) -> None:
        """Make tenantry's own roles, if they are not there, and hand them the shared schemas.

        Raises:
            RolesNotReady: the login may not do that.
        """
        own = (self.app, self.owner, self.tenants, self.shared)
        there = {name for (name,) in ask("SELECT rolname FROM pg_catalog.pg_roles WHERE rolname = ANY (%s)", [*own])}
        missing = [role for role in own if role not in there]
        if missing:
            self.require_createrole(ask)
        for role in missing:
            member = "CURRENT_USER" if role == self.app else quoted(self.app)
            _do(ask, f"CREATE ROLE {quoted(role)} NOLOGIN NOINHERIT;GRANT {quoted(role)} TO {member}")
        self._require_membership(ask, "SET" if server_version >= _SET_IS_APART else "MEMBER")
        of_database = [_Need("DATABASE", self.database, self.owner, "CREATE")]
        if self._login is not None:
            of_database.append(_Need("DATABASE", self.database, self.tenants, "CONNECT"))
        self._meet(ask, [*self._of_own_tables(), *of_database])
        schemas = _existing(ask, self._schemas)
        self._meet(ask, [_Need("SCHEMA", each, self.owner, what) for each in schemas for what in ("USAGE", "CREATE")])
        for schema in schemas:
            self._hand_over(ask, schema)

    def share(self, ask: Ask) -> None:
        """Give tenants and shared work their rights on the shared tables that there are now, and that come later.

        Raises:
            RolesNotReady: the login may not do that.
            ConfigError: a table that is to be granted is not there.
        """
        schemas, all_three = _existing(ask, self._schemas), (self.owner, self.tenants, self.shared)
        extensions = _existing(ask, [self._extensions] if self._extensions else [])
        self._meet(ask, [_Need("SCHEMA", each, role, "USAGE") for each in schemas + extensions for role in all_three])
        tenants, shared = quoted(self.tenants), quoted(self.shared)
        for schema in schemas:
            later = f"ALTER DEFAULT PRIVILEGES IN SCHEMA {quoted(schema)} GRANT"
            _do(ask, f"{later} SELECT ON TABLES TO {tenants}", as_role=self.owner)
            _do(ask, f"{later} {', '.join(_ON_TABLES)} ON TABLES TO {shared}", as_role=self.owner)
            _do(ask, f"{later} {', '.join(_ON_SEQUENCES)} ON SEQUENCES TO {shared}", as_role=self.owner)
        self._align(ask, schemas)

    def require_createrole(self, ask: Ask) -> None:
        """Refuse to begin what would fail half-way.

        Raises:
            RolesNotReady: the login may not make roles.
        """
        role, may = ask(
            "SELECT rolname, rolcreaterole OR rolsuper FROM pg_catalog.pg_roles WHERE rolname = session_user"
        )[0]
        if not may:
            what = f"role {role!r} may not make roles, and each tenant gets one"
            raise RolesNotReady(what, cure=f"ALTER ROLE {quoted(_as_name(role))} CREATEROLE", role=role)

    # For one tenant.

    def create(self, ask: Ask, schema: SchemaName) -> None:
        """Make the role of a tenant, and its *schema*.

        Raises:
            RoleTaken: the role is there, and something or somebody still uses it.
            psycopg2.errors.DuplicateSchema: the schema is there.
        """
        self._make(ask, schema)
        _do(ask, f"CREATE SCHEMA {quoted(schema)} AUTHORIZATION {quoted(self.owner)}")
        self._give(ask, schema)
        self._let_in(ask, schema)

    def take_over(self, ask: Ask, schema: SchemaName) -> None:
        """Bring a *schema* that is there under the roles: for tenants that were made before, or came from a dump.

        Raises:
            RolesNotReady: the login may not make roles, or the schema is somebody else's.
        """
        self.require_createrole(ask)
        ((login,),) = ask("SELECT current_user::text")
        if _owner_of(ask, schema) not in (login, self.owner):
            what = f"the schema {schema!r} does not belong to role {login!r}, which is to hand it over"
            cure = f"ALTER SCHEMA {quoted(schema)} OWNER TO {quoted(_as_name(login))}"
            raise RolesNotReady(what, cure=cure, role=login)
        if not ask("SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = %s", self.of(schema)):
            self._make(ask, schema)
        self._hand_over(ask, schema)
        self._give(ask, schema)
        self._let_in(ask, schema)

    def lacking(self, ask: Ask, schemas: Iterable[SchemaName]) -> list[SchemaName]:
        """Ask which of the *schemas* are there, and not under the roles."""
        names = list(schemas)
        logs_in = self._login is not None
        return [name for (name,) in ask(_LACKING, names, [self.of(name) for name in names], self.owner, logs_in)]

    def drop(self, ask: Ask, schema: SchemaName) -> None:
        """Drop a *schema*, and the role of its tenant with all that it still has elsewhere. Who is logged in as that
        role is thrown out first.
        """
        self.require_createrole(ask)
        role = self.of(schema)
        is_there = bool(ask("SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = %s", role))
        if is_there:
            _do(ask, _THROW_OUT, as_role=role)
        # Before migrate() has brought it under the roles it is still the login's.
        as_role = self.owner if _owner_of(ask, schema) == self.owner else LOGIN
        _do(ask, f"DROP SCHEMA IF EXISTS {quoted(schema)} CASCADE", as_role=as_role)
        if is_there:
            _do(ask, "DROP OWNED BY CURRENT_USER CASCADE", as_role=role)  # Temporary tables; what was granted by hand.
            _do(ask, f"DROP ROLE {quoted(role)}")

    # Inside.

    def _make(self, ask: Ask, schema: SchemaName) -> None:
        role = self.of(schema)
        logs_in = "SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = %s AND rolcanlogin"
        if self._login is None and ask(logs_in, role):
            raise RoleTaken(role=role, reason="it can log in")
        try:
            # A role outlives its database: a left-over that has nothing any more makes room, with its members.
            _do(ask, f"DROP ROLE IF EXISTS {quoted(role)}")
        except psycopg2.Error as error:
            raise RoleTaken(role=role, reason=str(error.diag.message_primary)) from error
        name = quoted(role)
        _do(ask, f"CREATE ROLE {name} NOLOGIN INHERIT;GRANT {quoted(self.tenants)} TO {name}")
        _do(ask, f"GRANT {name} TO {quoted(self.app)}")

    def _give(self, ask: Ask, schema: SchemaName) -> None:
        name, role = quoted(schema), quoted(self.of(schema))
        _do(ask, f"GRANT USAGE ON SCHEMA {name} TO {role}", as_role=self.owner)
        for rights, kind in ((", ".join(_ON_TABLES), "TABLES"), (", ".join(_ON_SEQUENCES), "SEQUENCES")):
            later = f"ALTER DEFAULT PRIVILEGES IN SCHEMA {name} GRANT {rights} ON {kind} TO {role}"
            _do(ask, f"{later};GRANT {rights} ON ALL {kind} IN SCHEMA {name} TO {role}", as_role=self.owner)

    def _let_in(self, ask: Ask, schema: SchemaName) -> None:
        """Let the role log in, where tenants do. It begins with an empty path, as the login of the engine does."""
        if self._login is None:
            return
        role = self.of(schema)
        name, database = quoted(role), quoted(_as_name(self.database))
        ((login,),) = ask("SELECT session_user::text")
        try:
            _do(ask, f"ALTER ROLE {name} LOGIN PASSWORD {quoted_text(self._login(role).verifier())}")
            _do(ask, f"ALTER ROLE {name} IN DATABASE {database} SET search_path = ''")
        except psycopg2.errors.InsufficientPrivilege as error:  # From PostgreSQL 16 on, where another has made it.
            cure = f"GRANT {name} TO {quoted(_as_name(login))} WITH ADMIN OPTION"
            raise RolesNotReady(f"role {login!r} may not let {role!r} log in", cure=cure, role=login) from error

    def _hand_over(self, ask: Ask, schema: SchemaName) -> None:
        """Make what the login owns in *schema* the owner's, and the schema too, if it is the login's."""
        name, owner = quoted(schema), quoted(self.owner)
        is_own = [(_owner_of(ask, schema),)] == ask("SELECT current_user::text")
        if is_own:  # Last, for the login would find nothing in it any more; but the tables' new owner must.
            _do(ask, f"GRANT USAGE, CREATE ON SCHEMA {name} TO {owner}")
        ask("DO %s", _HAND_OVER.format(schema=quoted_text(schema), owner=quoted_text(self.owner)))
        if is_own:
            _do(ask, f"ALTER SCHEMA {name} OWNER TO {owner}")

    def _require_membership(self, ask: Ask, kind: str) -> None:
        ((login, may),) = ask("SELECT session_user, pg_catalog.pg_has_role(session_user, %s, %s)", self.app, kind)
        if not may:
            what = f"role {login!r} may not act for tenants"
            raise RolesNotReady(what, cure=f"GRANT {quoted(self.app)} TO {quoted(_as_name(login))}", role=login)

    def _of_own_tables(self) -> Iterator[_Need]:
        yield _Need("SCHEMA", SCHEMA, self.owner, "USAGE")
        yield _Need("SCHEMA", SCHEMA, self.app, "USAGE")
        yield _Need("TABLE", f"{SCHEMA}.tenants", self.app, "SELECT")  # For a login that makes no tenants itself.
        for privilege in ("SELECT", "INSERT", "UPDATE", "DELETE"):
            yield _Need("TABLE", f"{SCHEMA}.schemas", self.owner, privilege)
            yield _Need("TABLE", f"{SCHEMA}.history", self.owner, privilege)

    def _meet(self, ask: Ask, needs: list[_Need]) -> None:
        for need in self._unmet(ask, needs):
            is_owners = need.kind == "SCHEMA" and _owner_of(ask, SchemaName(need.name)) == self.owner
            try:
                _do(ask, need.sql, as_role=self.owner if is_owners else None)
            except psycopg2.errors.InsufficientPrivilege as error:
                raise self._not_ready(need) from error
        for need in self._unmet(ask, needs):  # Without the right to grant, PostgreSQL may only warn.
            raise self._not_ready(need)

    def _unmet(self, ask: Ask, needs: list[_Need]) -> list[_Need]:
        if not needs:
            return []
        values = [value for need in needs for value in (need.role, need.name, need.privilege)]
        asked = ", ".join(f"pg_catalog.has_{need.kind.lower()}_privilege(%s, %s, %s)" for need in needs)
        (met,) = ask(f"SELECT {asked}", *values)
        return [need for need, is_met in zip(needs, met, strict=True) if not is_met]

    def _not_ready(self, need: _Need) -> RolesNotReady:
        what = f"the role {need.role!r} needs {need.privilege} on the {need.kind.lower()} {need.name}"
        return RolesNotReady(what, cure=need.sql, role=need.role)

    def _align(self, ask: Ask, schemas: list[SchemaName]) -> None:
        """Grant and revoke where the rights on shared tables are not what they should be; elsewhere touch nothing."""
        rows = ask(_SHARED_TABLES, schemas, self.owner, [self.tenants, self.shared])
        tables = {(schema, table) for schema, table, is_sequence, *_ in rows if not is_sequence}
        for grant in self._grants:
            if grant.table != "*" and (grant.schema, grant.table) not in tables:
                raise ConfigError(
                    f"shared_grants names {grant.schema}.{grant.table}, and there is no such shared table: correct the "
                    "name, or leave it out until a shared migration has made it"
                )
        for schema, table, is_sequence, role, has in rows:
            wanted = self._wanted(schema, table, is_sequence=is_sequence, by_tenants=role == self.tenants)
            name = f"{'SEQUENCE' if is_sequence else 'TABLE'} {quoted(schema)}.{quoted(table)}"
            if more := sorted(wanted - set(has)):
                _do(ask, f"GRANT {', '.join(more)} ON {name} TO {quoted(role)}", as_role=self.owner)
            if less := sorted(set(has) - wanted):
                _do(ask, f"REVOKE {', '.join(less)} ON {name} FROM {quoted(role)}", as_role=self.owner)

    def _wanted(self, schema: str, table: str, *, is_sequence: bool, by_tenants: bool) -> frozenset[str]:
        if not by_tenants:
            return frozenset(_ON_SEQUENCES if is_sequence else _ON_TABLES)
        here = [grant for grant in self._grants if grant.schema == schema]
        if is_sequence:  # Of a serial column, as a rule.
            return frozenset({"USAGE"} if any("INSERT" in grant.privileges for grant in here) else ())
        return frozenset({"SELECT"}).union(*(grant.privileges for grant in here if grant.table in (table, "*")))


def _do(ask: Ask, sql: str, *, as_role: RoleName | None = None) -> None:
    if as_role is not None:
        sql = f"SET LOCAL ROLE {quoted(as_role)};{sql};SET LOCAL ROLE {quoted(LOGIN)}"
    ask(sql.replace("%", "%%"))


def _owner_of(ask: Ask, schema: SchemaName) -> str | None:
    owner = "SELECT pg_catalog.pg_get_userbyid(nspowner)::text FROM pg_catalog.pg_namespace WHERE nspname = %s"
    return next((name for (name,) in ask(owner, schema)), None)


def _existing(ask: Ask, schemas: list[SchemaName]) -> list[SchemaName]:
    rows = ask("SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname = ANY (%s) ORDER BY 1", list(schemas))
    return [name for (name,) in rows]


def _as_name(text: str) -> SchemaName:
    return SchemaName(text)  # Of a database or a role, from the server itself: only to be quoted.
