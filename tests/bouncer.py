"""A PgBouncer in transaction mode before the server, for as long as a block lives."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import psycopg2
import pytest
from psycopg2.extensions import make_dsn, parse_dsn

PORT = 6432  # Of a socket in a directory of its own: nothing else is there, and nothing listens on a network.
NOBODY = 65534


def require() -> str:
    """Return the path of PgBouncer. Without one the test is skipped; in CI it fails."""
    found = shutil.which("pgbouncer", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if found is None:
        say = pytest.fail if os.environ.get("CI") else pytest.skip
        say("there is no PgBouncer: `scripts/debian-package pgbouncer /usr/sbin/pgbouncer` installs it")
    return found


class Bouncer:
    """Pools *backends* connections to the server of *url* for each user, and lends them for a transaction.

    They are used in turn. *settings* are PgBouncer's own, and *passwords* those of its users. :attr:`url` is *url*
    through it.
    """

    def __init__(self, url: str, *, backends: int, passwords: dict[str, str], **settings: object) -> None:
        self._server, self._passwords = parse_dsn(url), passwords
        self._settings = {
            "pool_mode": "transaction",
            "default_pool_size": backends,
            "server_round_robin": 1,
            "max_client_conn": 500,
            "query_wait_timeout": 20,
            **settings,
        }
        self._url, self._end = url, ExitStack()

    def __enter__(self) -> Bouncer:
        home = Path(self._end.enter_context(tempfile.TemporaryDirectory(prefix="bouncer")))
        self.url = make_dsn(self._url, host=str(home), port=PORT)
        self._write(home)
        # It refuses to run as root, and the embedded server's directory is open to nobody but its owner.
        user = self._owner_of_server() if os.getuid() == 0 else None
        if user is not None:
            for path in (home, *home.iterdir()):
                os.chown(path, user, user)
        with (home / "log").open("wb") as log:
            as_user = {} if user is None else {"user": user, "group": user, "extra_groups": ()}
            process = subprocess.Popen([require(), str(home / "ini")], stdout=log, stderr=log, **as_user)
        self._end.callback(process.wait)
        self._end.callback(process.kill)
        deadline = time.monotonic() + 10
        while not _listens(home / f".s.PGSQL.{PORT}"):
            assert process.poll() is None, (home / "log").read_text()
            assert time.monotonic() < deadline, (home / "log").read_text()
            time.sleep(0.005)
        return self

    def __exit__(self, *error: object) -> None:
        self._end.close()

    def connect(self, **parameters: object) -> psycopg2.extensions.connection:
        """Connect as a program without tenantry does."""
        connection = psycopg2.connect(make_dsn(self.url, **parameters))
        connection.autocommit = True
        return connection

    def _write(self, home: Path) -> None:
        users = home / "users"
        users.write_text("".join(f'"{user}" "{password}"\n' for user, password in self._passwords.items()))
        server = " ".join(f"{key}={self._server[key]}" for key in ("host", "port") if key in self._server)
        settings = {"unix_socket_dir": home, "listen_port": PORT, "auth_type": "trust", "auth_file": users}
        lines = [f"{key} = {value}" for key, value in (settings | self._settings).items()]
        (home / "ini").write_text("\n".join(["[databases]", f"* = {server}", "[pgbouncer]", *lines, ""]))

    def _owner_of_server(self) -> int:
        host, port = self._server.get("host", ""), self._server.get("port", 5432)
        return os.stat(f"{host}/.s.PGSQL.{port}").st_uid if host.startswith("/") else NOBODY


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0
