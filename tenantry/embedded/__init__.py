"""PostgreSQL without installing one: what is behind the URLs `embedded:`, `embedded:PATH` and `embedded:?ephemeral=1`.

It is real PostgreSQL, for development and for tests, from the extra `tenantry[embedded]`. It listens on no port; its
socket is in a directory that only its user can enter, and whoever reaches the socket is let in. Applications get an
ordinary role: a superuser would see past every policy, and no test would notice.

Its users share it. It stops when the last of them has gone, and one that was killed does not count any more.

PostgreSQL refuses to run as root. For root it runs as the user `pgserver`, who could not reach most directories of
root, and no directory is opened for that: the data is below /var/lib/tenantry-embedded, and PATH keeps a file,
`location`, that says where.
"""

from tenantry.embedded.place import SCHEME, Place, parse
from tenantry.embedded.server import Server, Status, start, status, stop

__all__ = ["SCHEME", "Place", "Server", "Status", "parse", "start", "status", "stop"]
