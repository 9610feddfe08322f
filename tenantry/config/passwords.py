"""What may be shown of a value that could hold a password.

Texts are masked that libpq would refuse, too: it is the mistyped URL that ends up in an error message. Where it is not
clear how far a password goes, more is hidden.
"""

from __future__ import annotations

import re
from pathlib import PurePath
from urllib.parse import unquote

MASK = "***"
_PAIRS = re.compile(r"\s*\w+\s*=")  # The other notation of libpq: host=db user=app
_KEY = re.compile(r"(?<![\w%.-])[\w%.-]++(?=\s*=)")
_SECRET = re.compile(r"pass(?!file)|pwd|pw$|secret|token|scram", re.IGNORECASE)
_QUOTED = re.compile(r"\s*'(?:[^'\\]|\\.?)*(?:'|\Z)", re.DOTALL)
# A password may hold anything that looks like a parameter, so it ends only where one that is common begins.
_NEXT = re.compile(r"(?<!\\)[\s&]+(?:host|hostaddr|port|dbname|user|sslmode|application_name|connect_timeout)\s*=")


def masked(text: str) -> str:
    """Hide the passwords in the URL or the ``key=value`` pairs of a database.

    >>> masked("postgresql://app:secret@db/shop?sslpassword=secret")
    'postgresql://app:***@db/shop?sslpassword=***'
    """
    return _without_secrets(_without_login(text))


def shown(value: object) -> str:
    """Write *value* for an error message: masked, and nothing of what is no plain value, for it could hold anything."""
    if isinstance(value, (str, PurePath)):
        return repr(masked(str(value)))
    if isinstance(value, int) and value.bit_length() > 64:  # Python refuses to write out the longest.
        return f"<a number of {value.bit_length()} bits>"
    if isinstance(value, (int, float)):
        return repr(value)
    return f"<{type(value).__name__}>"


def _without_login(text: str) -> str:
    start = text.find("://")
    if start < 0 and (text.startswith("embedded:") or _PAIRS.match(text)):
        return text
    # The last @, though libpq takes the first: a password with a raw @ in it is the commonest mistake of all.
    colon, at = text.find(":", start + 3 if start >= 0 else 0), text.rfind("@")
    return f"{text[: colon + 1]}{MASK}{text[at:]}" if 0 <= colon < at - 1 else text


def _without_secrets(text: str) -> str:
    for key in _KEY.finditer(text):
        if _SECRET.search(unquote(key[0])):
            begin = text.index("=", key.end()) + 1
            quoted = _QUOTED.match(text, begin)
            rest = _NEXT.search(text, quoted.end() if quoted else begin)
            return text[:begin] + MASK + (_without_secrets(text[rest.start() :]) if rest else "")
    return text
