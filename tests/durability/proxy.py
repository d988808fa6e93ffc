"""A road of TCP connections between an instance and its server, which can be made bad.

Every proxy has a thread with an event loop of its own, in the process of the test. Bytes that a
road does not let through are kept, as TCP keeps them, and go on once it is good again; only a cut
loses them.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from enum import Enum, auto

PIECE = 1 << 16
SLOW_PIECE = 256  # bytes at a time on a slow road
SLOW_PAUSE = 0.02  # seconds between two of them


class Way(Enum):
    """How a road is. CLOSED: new connections are refused; SLOW: so many bytes a second; SILENT:
    none at all, though connections stay and new ones are taken."""

    GOOD = auto()
    CLOSED = auto()
    SLOW = auto()
    SILENT = auto()


class Proxy:
    """From `port` on loopback to a port there."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self.target = target
        self._way = Way.GOOD
        self._pairs: set[Pair] = set()
        self._loop = asyncio.new_event_loop()
        self._changed = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._do(self._listen)

    # --- from the test's thread -----------------------------------------------------------

    def be(self, way: Way) -> None:
        """From now on the road is so."""
        self._do(lambda: self._be(way))

    def cut(self) -> None:
        """End all connections that there are."""
        self._do(self._cut)

    def mute(self, word: bytes) -> None:
        """Of the connections that there are, those whose client has ever said the word are silent
        from now on, whatever the road is."""
        self._do(lambda: self._mute(word))

    def carries(self, word: bytes) -> bool:
        """Whether there is a connection that is not mute whose client has said the word."""
        return any(word in pair.said and not pair.muted for pair in list(self._pairs))

    @property
    def kept(self) -> int:
        """How many bytes of servers have come so far and wait to go on."""
        return sum(pair.kept for pair in list(self._pairs))

    def close(self) -> None:
        self._do(self._close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, act: Callable[[], object]) -> None:
        done: Future[None] = Future()

        async def doing() -> None:
            try:
                found = act()
                if asyncio.iscoroutine(found):
                    await found
            except BaseException as error:
                done.set_exception(error)
            else:
                done.set_result(None)

        asyncio.run_coroutine_threadsafe(doing(), self._loop)
        done.result()

    # --- on the thread of the loop --------------------------------------------------------

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _be(self, way: Way) -> None:
        if self._way is Way.CLOSED:
            await self._listen()
        self._way = way
        if way is Way.CLOSED:
            await self._deafen()
            self._cut()
        self._tell()

    def _mute(self, word: bytes) -> None:
        for pair in self._pairs:
            pair.muted |= word in pair.said

    def _tell(self) -> None:
        """Whoever waits for a change looks again."""
        self._changed.set()
        self._changed = asyncio.Event()

    def _cut(self) -> None:
        for pair in list(self._pairs):
            pair.cut()

    async def _deafen(self) -> None:
        """Take no connections any more. One that is accepted in the turn of the loop in which its
        server is closed is lost, and never closed: so that is for the next turn."""
        server, self._server = self._server, None
        if server is not None:
            for listening in server.sockets:
                self._loop.remove_reader(listening.fileno())
            await asyncio.sleep(0)
            server.close()

    async def _close(self) -> None:
        await self._deafen()
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            self._cut()
            await asyncio.wait(others, timeout=0.1)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            ends = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        pair = Pair(self, (reader, writer), ends)
        self._pairs.add(pair)
        try:
            await pair.carry()
        finally:
            self._pairs.discard(pair)
            pair.cut()

    async def pass_on(self, pair: Pair) -> bool:
        """Return when a piece may go on; whether it is to be a small one."""
        while True:
            changed = self._changed
            if not pair.muted and self._way is not Way.SILENT:
                if self._way is Way.SLOW:
                    await asyncio.sleep(SLOW_PAUSE)
                    return True
                return False
            await changed.wait()


Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Pair:
    """The two connections that are one for who uses the road. `said` is the first that the client
    has said, `kept` how much of what the server has said has not gone on."""

    def __init__(self, proxy: Proxy, client: Ends, server: Ends) -> None:
        self.said = b""
        self.kept = 0
        self.muted = False
        self.tasks: tuple[asyncio.Task[None], ...] = ()
        self._proxy = proxy
        self._client = client
        self._server = server

    async def carry(self) -> None:
        """Until one side ends, or the road is cut."""
        to_server = asyncio.create_task(self._carry(self._client[0], self._server[1], True))
        to_client = asyncio.create_task(self._carry(self._server[0], self._client[1], False))
        self.tasks = to_server, to_client
        await asyncio.wait(self.tasks, return_when=asyncio.FIRST_COMPLETED)

    async def _carry(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, from_client: bool
    ) -> None:
        try:
            while piece := await source.read(PIECE):
                if from_client and len(self.said) < PIECE:
                    self.said += piece
                while piece:
                    self.kept = self.kept if from_client else len(piece)
                    some = SLOW_PIECE if await self._proxy.pass_on(self) else len(piece)
                    sink.write(piece[:some])
                    await sink.drain()
                    piece = piece[some:]
                self.kept = self.kept if from_client else 0
        except OSError:
            pass  # an end is gone: so is the other

    def cut(self) -> None:
        for task in self.tasks:
            task.cancel()
        for _, writer in (self._client, self._server):
            writer.transport.abort()
