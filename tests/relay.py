"""A relay between a client and the server:

it counts the client's messages as they pass, and can refuse or cut connections.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator

from psycopg2.extensions import make_dsn, parse_dsn


class Relay:
    """Listens on loopback and passes everything on to the server of *url*.

    The first *refusing* connections are closed at once.
    """

    def __init__(self, url: str, *, refusing: int = 0) -> None:
        self._target = parse_dsn(url)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = make_dsn(
            url, host="127.0.0.1", port=self._listener.getsockname()[1], sslmode="disable", gssencmode="disable"
        )
        self.refusing, self.refused = refusing, 0
        self.messages: list[bytes] = []
        self.on_message: Callable[[bytes], object] = lambda message: None  # Before it is passed on.
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Relay:
        self._start(self._listen)
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # close() alone does not wake who waits in accept().
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(5)
        for side in self._sockets:
            side.close()

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def cut(self) -> None:
        """Cut all connections, as a network does: without a goodbye of the server's."""
        for side in self._sockets:
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def counting(self) -> Iterator[list[bytes]]:
        """Collect the messages that the client sends in the block."""
        self.messages = collected = []
        yield collected

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.refused < self.refusing:
                    self.refused += 1
                    client.close()
                    continue
                server = self._connect()
                self._sockets += [client, server]
                self._start(self._pass_messages, client, server)
                self._start(self._pass_bytes, server, client)

    def _connect(self) -> socket.socket:
        host, port = self._target.get("host", "/tmp"), int(self._target.get("port", 5432))
        if not host.startswith("/"):
            return socket.create_connection((host, port))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{host}/.s.PGSQL.{port}")
        return server

    def _pass_bytes(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def _pass_messages(self, client: socket.socket, server: socket.socket) -> None:
        """Pass on message by message: one byte of type but for the first, four of length, the body."""
        buffer, typed = b"", False
        with contextlib.suppress(OSError):
            while data := client.recv(65_536):
                buffer += data
                while len(buffer) >= 4 + typed:
                    length = struct.unpack_from("!i", buffer, int(typed))[0] + typed
                    if len(buffer) < length:
                        break
                    if typed and buffer[:1] not in (b"p", b"X"):  # Not a password, not a goodbye.
                        self.messages.append(buffer[5:length])
                        self.on_message(buffer[5:length])
                    typed = True
                    server.sendall(buffer[:length])
                    buffer = buffer[length:]
            server.shutdown(socket.SHUT_WR)
