"""An app's health over HTTP: `GET /health` is answered with JSON, 200 if it is alive, else 503.

The answers come from a loop on a thread of their own, so that an app whose loop is stuck is told
to be, and nobody waits. What a client sends is read up to its headers' end, no more than
`LONGEST`, for no longer than `PATIENCE`. Who is connected when it closes has `LAST_WORDS` to finish
his request, then his connection is closed.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus

from .errors import OncueError
from .health import Health

LONGEST = 8192  # bytes of a request
PATIENCE = 5.0  # seconds for a request and its answer
LAST_WORDS = 0.1  # seconds
MOST_CLIENTS = 32  # at the same time; others are turned away
PATHS = ("/health", "/")
METHODS = ("GET", "HEAD")

scheduler_log = logging.getLogger("oncue.scheduler")


class Endpoint:
    """Listens from now on until it is closed. Raises OncueError when it cannot."""

    def __init__(self, address: tuple[str, int], health: Callable[[], Health]) -> None:
        self._health = health
        self._clients: set[asyncio.Task[None] | None] = set()
        self._hung_up = False  # whether nobody is answered any more
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        try:
            self._socket = socket.create_server(address, family=family)
        except OSError as error:
            where = f"{address[0]}:{address[1]}"
            raise OncueError(f"health_address={where}: {error.strerror or error}") from error
        self._loop = asyncio.new_event_loop()
        self._closed = asyncio.Event()
        host, port, *_ = self._socket.getsockname()
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}/health"
        self._thread = threading.Thread(target=self._run, name="oncue-health", daemon=True)
        self._thread.start()
        scheduler_log.info("health at %s", self.url)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._closed.set)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._talk, sock=self._socket, limit=LONGEST)
        await self._closed.wait()
        with suppress(NotImplementedError):  # where loops are no selectors
            self._loop.remove_reader(self._socket)  # accept no more
        await self._end_talks()
        server.close()  # not before: it drops what it has just accepted, and leaves it open

    async def _end_talks(self) -> None:
        """Those too that are about to begin, of connections that were accepted just now."""
        own, until = asyncio.current_task(), self._loop.time() + LAST_WORDS
        while others := asyncio.all_tasks() - {own}:
            left = until - self._loop.time()
            if left <= 0:
                self._hung_up = True
                for client in self._clients:
                    if client is not None:
                        client.cancel()
            await asyncio.wait(others, timeout=None if self._hung_up else left)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = asyncio.current_task()
        self._clients.add(client)
        try:
            if len(self._clients) <= MOST_CLIENTS and not self._hung_up:
                writer.transport.set_write_buffer_limits(0)  # `drain` waits until all is sent
                async with asyncio.timeout(2 * PATIENCE):
                    writer.write(await self._answer(reader))
                    await writer.drain()
        except (TimeoutError, ConnectionError, asyncio.IncompleteReadError):
            pass  # nobody is there to be told
        except asyncio.CancelledError:
            pass  # we are closed; asyncio would report it
        finally:
            self._clients.discard(client)
            writer.transport.abort()  # at once, also where somebody does not take his answer

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        try:
            async with asyncio.timeout(PATIENCE):
                head = await reader.readuntil(b"\r\n\r\n")
        except TimeoutError:
            return response(HTTPStatus.REQUEST_TIMEOUT)
        except asyncio.LimitOverrunError:
            return response(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        return answer(head, self._health)


def answer(head: bytes, health: Callable[[], Health]) -> bytes:
    """The response to a request, of which this is all up to the end of the headers."""
    words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        return response(HTTPStatus.BAD_REQUEST)
    method, path = words[0], words[1].partition("?")[0]
    if path not in PATHS:
        return response(HTTPStatus.NOT_FOUND, with_body=method != "HEAD")
    if method not in METHODS:
        return response(HTTPStatus.METHOD_NOT_ALLOWED)
    found = health()
    status = HTTPStatus.OK if found.alive else HTTPStatus.SERVICE_UNAVAILABLE
    return response(status, found.to_dict(), with_body=method != "HEAD")


def response(
    status: HTTPStatus, value: dict[str, object] | None = None, *, with_body: bool = True
) -> bytes:
    """`value` as JSON; without one, what the status says."""
    body = json.dumps({"error": status.phrase} if value is None else value).encode() + b"\n"
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "Connection: close",
    ]
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        lines.append(f"Allow: {', '.join(METHODS)}")
    head = "\r\n".join([*lines, "", ""]).encode("ascii")
    return head + body if with_body else head
