"""What stands between an app and a server in tests: a proxy that can fall silent and cut, and a
server that refuses."""

from __future__ import annotations

import selectors
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Proxy:
    """On a port of its own; what comes there goes to a server and back."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._ends: dict[socket.socket, socket.socket] = {}
        self._silent = threading.Event()
        self._stop, self._stopped = socket.socketpair()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def fall_silent(self) -> None:
        """From now on what is said to the server arrives, and no answer does."""
        self._silent.set()

    def cut(self) -> None:
        """Every connection there is; and answers arrive again."""
        for end in list(self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._silent.clear()

    def close(self) -> None:
        self._stop.close()
        self._thread.join()
        for end in (*self._ends, self._listener, self._stopped):
            end.close()

    def _work(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._stopped, selectors.EVENT_READ)
            selector.register(self._listener, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is self._stopped:
                        return
                    if key.fileobj is self._listener:
                        client = self._listener.accept()[0]
                        server = socket.create_connection(self._server)
                        self._ends |= {client: server, server: client}
                        selector.register(client, selectors.EVENT_READ, False)
                        selector.register(server, selectors.EVENT_READ, True)
                    elif isinstance(key.fileobj, socket.socket):
                        self._pass_on(key.fileobj, key.data, selector)

    def _pass_on(
        self, end: socket.socket, is_server: bool, selector: selectors.BaseSelector
    ) -> None:
        other = self._ends.get(end)
        if other is None:
            return  # closed in this round
        data = b""
        with suppress(OSError):
            data = end.recv(1 << 16)
            if data and not (is_server and self._silent.is_set()):
                other.sendall(data)
        if not data:
            for each in (end, other):
                selector.unregister(each)
                self._ends.pop(each)
                each.close()


@contextmanager
def refusing_postgres(code: str, words: str) -> Iterator[int]:
    """The port of a server that asks for a password and does not take it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    client = listener.accept()[0]
                except OSError:
                    return
                with client, client.makefile("rb") as said:
                    (length,) = struct.unpack(">I", said.read(4))
                    (kind,) = struct.unpack(">I", said.read(length - 4)[:4])
                    if kind == 80877103 or kind == 80877104:  # TLS or GSS?
                        client.sendall(b"N")
                        (length,) = struct.unpack(">I", said.read(4))
                        said.read(length - 4)
                    client.sendall(b"R" + struct.pack(">II", 8, 3))
                    said.read(1)
                    (length,) = struct.unpack(">I", said.read(4))
                    said.read(length - 4)
                    fields = f"SFATAL\0VFATAL\0C{code}\0M{words}\0\0".encode()
                    client.sendall(b"E" + struct.pack(">I", len(fields) + 4) + fields)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join()
