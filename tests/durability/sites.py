"""Where a store is that several processes share, and what may happen to it but for these.

An instance has a place, from 0 on, and whoever takes its place after it the same way to the store.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Protocol

from oncue.tests.durability.proxy import Proxy, Way
from oncue.tests.durability.servers import Server

LOCKED = 0.5  # seconds for which no write of an instance lasts that is not stopped


class Victim(Protocol):
    """`rest` is for how many seconds nothing happens to it, at least and at most."""

    rest: tuple[float, float]

    def touches(self, place: int) -> bool:
        """Whether an instance there suffers with it."""

    def harm(self, random: Random) -> float:
        """Do something to it, until it is mended after so many seconds."""

    def mend(self) -> None:
        """It is well when this returns."""


class Site(Protocol):
    """`address` is of the store itself. `skew` is how many seconds an instance's clock may be off,
    `settling` how many it takes for all to be well again after the last death, `in_doubt` how many
    until nothing comes any more of a call without an answer, and what the dead held is free."""

    address: str
    skew: float
    settling: float
    in_doubt: float
    victims: Sequence[Victim]

    def way(self, place: int) -> str:
        """The address for an instance there."""

    def is_locked(self) -> bool:
        """Whether nobody can write, as it may be when an instance was stopped while it did."""


class FileSite:
    """A file, to which nothing happens; everybody on its host has one clock."""

    skew = 0.0
    settling = 8.0
    in_doubt = 0.0
    victims: Sequence[Victim] = ()

    def __init__(self, path: Path) -> None:
        self.address = str(path)

    def way(self, place: int) -> str:
        return self.address

    def is_locked(self) -> bool:
        with closing(sqlite3.connect(self.address, timeout=LOCKED)) as db:
            try:
                db.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return True
            db.rollback()
            return False


class Road:
    """The way to the server from one place. It may be bad for longer than a lease lasts."""

    rest = (2.0, 15.0)
    WAYS = (Way.CLOSED, Way.SLOW, Way.SILENT)
    SECONDS = ((0.2, 2.0), (2.0, 6.0), (16.0, 22.0))
    CUT = 0.4  # how often it is cut, and well at once

    def __init__(self, proxy: Proxy, place: int) -> None:
        self.proxy = proxy
        self._place = place

    def touches(self, place: int) -> bool:
        return place == self._place

    def harm(self, random: Random) -> float:
        if random.random() < self.CUT:
            self.proxy.cut()
            return 0.0
        self.proxy.be(random.choice(self.WAYS))
        return random.uniform(*random.choice(self.SECONDS))

    def mend(self) -> None:
        self.proxy.be(Way.GOOD)


class Machine:
    """What the server runs on."""

    rest = (8.0, 16.0)
    DOWN = (0.0, 4.0)

    def __init__(self, server: Server) -> None:
        self._server = server

    def touches(self, place: int) -> bool:
        return True

    def harm(self, random: Random) -> float:
        end = random.choice((self._server.stop, self._server.crash))
        end()
        return random.uniform(*self.DOWN)

    def mend(self) -> None:
        self._server.start()
        self._server.wait()


class ServerSite:
    """A server, and a road to it from every place. Close it after use."""

    skew = 1.9  # just below max_skew
    settling = 24.0  # a lease of 15 s, and what is done after that
    in_doubt = 24.0

    def __init__(self, server: Server, places: int) -> None:
        self._server = server
        server.start()
        server.wait()
        self.address = server.address()
        self._proxies = [Proxy(server.port) for _ in range(places)]
        roads = [Road(proxy, place) for place, proxy in enumerate(self._proxies)]
        self.victims: Sequence[Victim] = [*roads, Machine(server)]

    def way(self, place: int) -> str:
        return self._server.address(self._proxies[place].port)

    def is_locked(self) -> bool:
        return False  # it ends whatever a client has begun that says no more

    def close(self) -> None:
        for proxy in self._proxies:
            proxy.close()
        self._server.remove()
