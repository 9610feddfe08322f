"""What goes in front of every statement, so that it finds one schema and no other."""

from __future__ import annotations

from dataclasses import dataclass

from tenantry.naming import RoleName, SchemaName, TenantId, quoted, quoted_text

LOGIN = RoleName("none")  # PostgreSQL's word for the role that has logged in.
TENANT = "tenantry.tenant"  # The setting by which policies know the tenant.


@dataclass(frozen=True, slots=True)
class Prefix:
    """The rendered prefix of one schema, ready for the driver: ``%`` is doubled. Every text ends its line.

    ``public`` is not on the path: a table that is missing is an error instead of public's. ``pg_catalog`` is named
    behind the schema, so that DDL for a schema that is gone fails instead of landing in ``pg_temp``, which is named
    last, or PostgreSQL would search it first.
    """

    inside: str  # For a statement in a transaction. On each of them: a rollback to a savepoint takes the path back.
    # For a statement that is its own transaction. The temporary tables of the connection's last user must not be found.
    alone: str
    session: str  # For a session, in which statements are sent as they are.

    def begin(self, verb: str) -> str:
        """Render what begins a transaction with *verb*. DISCARD takes a snapshot, so it has a transaction of its own:
        SET TRANSACTION must be possible in the one that begins.
        """
        return f"BEGIN;DISCARD TEMP;COMMIT;{verb};{self.inside}"

    @classmethod
    def of(
        cls,
        schema: SchemaName,
        *,
        extensions: SchemaName | None = None,
        role: RoleName | None = None,
        tenant: TenantId | None = None,
        time_zone: str | None = None,
    ) -> Prefix:
        """Render the prefix of *schema*; the *extensions* schema joins the path. Statements run as *role*, and policies
        are told of *tenant*.
        """
        names = [quoted(schema), "pg_catalog", *([quoted(extensions)] if extensions else []), "pg_temp"]
        settings = [
            f"search_path TO {', '.join(names)}",
            *([f"TIME ZONE {quoted_text(time_zone)}"] if time_zone else []),
            *([f"{TENANT} TO {quoted_text(tenant)}"] if tenant else []),
            *([f"ROLE {quoted(role)}"] if role else []),
        ]
        local = "".join(f"SET LOCAL {setting};" for setting in settings).replace("%", "%%")
        lasting = "".join(f"SET {setting};" for setting in settings).replace("%", "%%")
        return cls(inside=f"{local}\n", alone=f"DISCARD TEMP;{local}\n", session=f"{lasting}\n")
