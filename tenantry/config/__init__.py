"""The configuration: one table of settings, and where the value of each came from.

What a program passes is never overridden. What it does not pass comes from a flag of the command line, else from the
environment, else from the nearest file, else it is the default. Nothing is merged: each setting has one source, and
:func:`describe` names it.

>>> config = load(environ={"TENANTRY_URL": "postgresql://app@db/shop", "TENANTRY_POOL_SIZE": "20"})
>>> config.pool_size, str(config.sources["pool_size"])
(20, 'environment TENANTRY_POOL_SIZE')
"""

from tenantry.config.given import Settings
from tenantry.config.loader import check, load
from tenantry.config.passwords import masked
from tenantry.config.settings import SETTINGS, Config, Description, Setting, describe, require_url
from tenantry.config.sources import Source, SourceKind

__all__ = [
    "SETTINGS",
    "Config",
    "Description",
    "Setting",
    "Settings",
    "Source",
    "SourceKind",
    "check",
    "describe",
    "load",
    "masked",
    "require_url",
]
