"""A proxy between a store and its server that loses requests or answers."""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from urllib.parse import urlsplit


class Proxy:
    """Stands before the server at `address`; `url` is its own. Of the next `cuts` requests that
    have `marker` in them the connection is cut: before the server has them, which are then `kept`,
    or, if `arriving`, before its answer is back."""

    def __init__(self, address: str, marker: bytes) -> None:
        parts = urlsplit(address)
        self._target = (parts.hostname or "localhost", parts.port or 6379)
        self._marker = marker
        self.cuts = 0
        self.arriving = True
        self.kept: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        port = self._listener.getsockname()[1]
        credentials, at, _ = parts.netloc.rpartition("@")
        self.url = f"{parts.scheme}://{credentials}{at}127.0.0.1:{port}{parts.path}"

    def __enter__(self) -> Proxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for each in [self._listener, *self._open]:
            end(each)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(self._target)
            self._open += [near, far]
            doomed = threading.Event()
            for run in (self._ask, self._answer):
                threading.Thread(target=run, args=(near, far, doomed), daemon=True).start()

    def _ask(self, near: socket.socket, far: socket.socket, doomed: threading.Event) -> None:
        while data := received(near):
            if self.cuts and self._marker in data:
                self.cuts -= 1
                if not self.arriving:
                    self.kept.append(data)
                    break
                doomed.set()
            far.sendall(data)
        if not doomed.is_set():
            end(near)
            end(far)

    def _answer(self, near: socket.socket, far: socket.socket, doomed: threading.Event) -> None:
        while (data := received(far)) and not doomed.is_set():
            near.sendall(data)
        end(near)
        end(far)


def received(connection: socket.socket) -> bytes:
    """The next bytes; none: it is over."""
    try:
        return connection.recv(1 << 16)
    except OSError:
        return b""


def end(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it is over already
    connection.close()
