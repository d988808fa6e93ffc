"""A thread that hears of the records of other instances and keeps an instance's lease alive.

It has a connection of its own, so neither waits for a commit nor for a task that blocks everything
else. When the connection is lost, or does not answer in time to renew the lease by another, it
makes another one, and takes it that something was said meanwhile.
"""

from __future__ import annotations

import logging
import selectors
import socket
from collections.abc import Callable, Sequence
from threading import Thread, Timer

import psycopg

from ..clock import stopwatch
from ..errors import StoreError
from .postgres_link import Connection, cut, why

AGAIN = 1.0  # seconds until a lost connection is tried again
REST = 0.01  # seconds in which what is said is heard together
PATIENCE = 5.0  # seconds that a stop waits for an answer of the server

scheduler_log = logging.getLogger("oncue.scheduler")


class Listener:
    """By a connection that `connect` gives, `listen` asks to be told, and `renew` makes the lease
    last, every so many seconds. `heard` is called on the thread with what instances said, and with
    None where they may have said something that was lost."""

    def __init__(
        self,
        connect: Callable[[], Connection],
        listen: Callable[[Connection], None],
        renew: Callable[[Connection], None],
        every: float,
        heard: Callable[[Sequence[str] | None], None],
    ) -> None:
        self._connect = connect
        self._subscribe = listen
        self._renew = renew
        self._every = every
        self._heard = heard
        self._stop, self._stopped = socket.socketpair()
        self._link: Connection | None = None
        try:
            self._begin()
        except BaseException:
            self._drop()
            self._stop.close()
            self._stopped.close()
            raise
        self._renew_at = stopwatch() + every
        self._thread = Thread(target=self._work, name="oncue-postgres-listen", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Wait for the thread to end; a server that is silent is not waited for."""
        self._stop.close()
        self._thread.join(PATIENCE)
        link = self._link
        if self._thread.is_alive() and link is not None:
            cut(link)
        self._thread.join()

    def _drop(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.close()

    def _begin(self) -> Connection:
        link = self._link = self._connect()
        link.add_notify_handler(lambda notice: self._heard([notice.payload]))  # between two looks
        self._ask(link, self._subscribe)
        return link

    def _ask(self, link: Connection, question: Callable[[Connection], None]) -> None:
        """A server that is silent is given up."""
        limit = Timer(self._every, cut, (link,))
        limit.daemon = True
        limit.start()
        try:
            question(link)
        finally:
            limit.cancel()

    def _work(self) -> None:
        failing = False
        with self._stopped:
            while True:
                try:
                    link = self._link
                    if link is None:
                        link = self._begin()
                        self._ask(link, self._renew)
                        failing = False
                        self._heard(None)
                    if self._listen(link):
                        return link.close()
                except (psycopg.Error, StoreError) as error:
                    if not failing:
                        scheduler_log.warning("nothing is heard of others: %s", why(error))
                    failing = True
                    self._drop()
                    if self._told_to_stop(AGAIN):
                        return

    def _listen(self, link: Connection) -> bool:
        """Until the next renewal is due: then do it; whether to stop."""
        with selectors.DefaultSelector() as selector:
            selector.register(link.fileno(), selectors.EVENT_READ)
            selector.register(self._stopped, selectors.EVENT_READ)
            while True:
                left = self._renew_at - stopwatch()
                if left <= 0:
                    self._renew_at = stopwatch() + self._every
                    self._ask(link, self._renew)
                    continue
                for key, _ in selector.select(left):
                    if key.fileobj is self._stopped:
                        return True
                    link.pgconn.consume_input()
                    self._tell(link)
                    if self._told_to_stop(REST):
                        return True

    def _tell(self, link: Connection) -> None:
        said = []
        while (notice := link.pgconn.notifies()) is not None:
            said.append(notice.extra.decode(errors="replace"))
        if said:
            self._heard(said)

    def _told_to_stop(self, seconds: float) -> bool:
        with selectors.DefaultSelector() as selector:
            selector.register(self._stopped, selectors.EVENT_READ)
            return bool(selector.select(seconds))
