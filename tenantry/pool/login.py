"""The login of a tenant's role: who it is, and what the server is told to check it by."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Callable
from dataclasses import dataclass, field

from tenantry.errors import ConfigError
from tenantry.naming import RoleName

TenantPassword = Callable[[str], str]

_ITERATIONS = 4096  # PostgreSQL's own number.
_SALT_BYTES = 16


@dataclass(frozen=True, slots=True)
class Login:
    """A role, and its password."""

    role: RoleName
    password: str = field(repr=False)

    @classmethod
    def of(cls, role: RoleName, tenant_password: TenantPassword) -> Login:
        """Ask *tenant_password* for the password of *role*.

        Raises:
            ConfigError: what it returns is no password. It is not shown.
        """
        password: object = tenant_password(role)
        # Of other letters there is more than one spelling, and libpq and PgBouncer do not agree which one is meant.
        if not isinstance(password, str) or not password or not password.isascii() or not password.isprintable():
            raise ConfigError(
                f"tenant_password({role!r}) returned no password: it must be a text of printable ASCII characters"
            )
        return cls(role, password)

    def verifier(self) -> str:
        """Return what the server keeps in place of the password (RFC 5803), each time with another salt.

        It is made here, so that the password itself comes into no statement, and so into no log of the server.
        """
        salt = os.urandom(_SALT_BYTES)
        salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(), salt, _ITERATIONS)
        stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
        server = hmac.digest(salted, b"Server Key", "sha256")
        return f"SCRAM-SHA-256${_ITERATIONS}:{_text(salt)}${_text(stored)}:{_text(server)}"


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
