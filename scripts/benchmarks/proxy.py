"""A proxy before the server that counts what a client sends: the messages of PostgreSQL's protocol, on the wire."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from collections import Counter

# https://www.postgresql.org/docs/current/protocol-message-formats.html: a byte for the type, then the length, which
# counts itself. The first message of a connection has no type. Passwords and the goodbye belong to no request.
_LENGTH = struct.Struct("!I")
_UNCOUNTED = frozenset(b"pX")
_PIECE = 65_536


class CountingProxy:
    """Passes everything on to the server at *host* and *port*, and counts the client's messages by type."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._server_port = host, port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.sent: Counter[str] = Counter()
        threading.Thread(target=self._accept, name="counting proxy", daemon=True).start()

    def __enter__(self) -> CountingProxy:
        return self

    def __exit__(self, *error: object) -> None:
        self._listening.close()

    def take(self) -> Counter[str]:
        """Return what was sent since the last time: all that was answered, for it is counted before it goes on."""
        taken, self.sent = self.sent, Counter()
        return taken

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:  # Closed.
                return
            server = self._connect()
            for work in (self._count, _pass_on):
                ends = (client, server) if work == self._count else (server, client)
                threading.Thread(target=work, args=ends, name="counting proxy", daemon=True).start()

    def _connect(self) -> socket.socket:
        if not self._host.startswith(os.sep):
            return socket.create_connection((self._host, self._server_port))
        server = socket.socket(socket.AF_UNIX)
        server.connect(os.path.join(self._host, f".s.PGSQL.{self._server_port}"))
        return server

    def _count(self, client: socket.socket, server: socket.socket) -> None:
        unread, typed = b"", 0
        while piece := _receive(client):
            unread += piece
            while len(unread) >= typed + 4:
                end = typed + _LENGTH.unpack_from(unread, typed)[0]
                if len(unread) < end:
                    break
                if typed and unread[0] not in _UNCOUNTED:
                    self.sent[chr(unread[0])] += 1
                unread, typed = unread[end:], 1
            server.sendall(piece)
        _end(server)


def _pass_on(server: socket.socket, client: socket.socket) -> None:
    while piece := _receive(server):
        client.sendall(piece)
    _end(client)


def _receive(source: socket.socket) -> bytes:
    try:
        return source.recv(_PIECE)
    except OSError:
        return b""


def _end(to: socket.socket) -> None:
    with contextlib.suppress(OSError):  # It went first.
        to.shutdown(socket.SHUT_RDWR)
    to.close()
