"""Hears on Redis that another instance has written."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

from redis.client import PubSub
from redis.exceptions import RedisError

from .protocol import NOWHERE
from .rediswire import Client

LOOK = 0.5  # seconds in which a listener notices that it is to end
REST = 0.01  # seconds in which what is said is heard together
MOST = 1000  # words that are heard together
AGAIN = 1.0  # seconds between attempts to listen again


class Listener:
    """Calls `heard`, on a thread of its own, with what others than `own` say on a channel: a number
    up to which they have written, if that is beyond what was `seen`, or NOWHERE; also whenever it
    may have missed something. `listening` is whether it hears now."""

    def __init__(
        self, client: Client, channel: str, own: str, heard: Callable[[int], None]
    ) -> None:
        self._client = client
        self._channel = channel
        self._own = own.encode()
        self._heard = heard
        self.seen = 0
        self._left = threading.Event()
        self._begun = threading.Event()
        self.listening = False
        self._thread = threading.Thread(target=self._live, name="oncue-news", daemon=True)

    def start(self) -> None:
        """Returns once it hears, or has failed to."""
        self._thread.start()
        self._begun.wait()

    def leave(self) -> None:
        """Hear no more after the next word, or a moment."""
        self._left.set()

    def join(self) -> None:
        self._thread.join()

    def _live(self) -> None:
        again = False
        while not self._left.is_set():
            try:
                self._listen(again)
            except RedisError:
                pass  # whoever writes or reads says so
            finally:
                self.listening = False
                self._begun.set()
            again = True
            self._left.wait(AGAIN)

    def _listen(self, again: bool) -> None:
        with self._client.pubsub() as pubsub:
            pubsub.subscribe(self._channel)
            while not self._left.is_set():
                newest = 0
                for message in said(pubsub):
                    if message["type"] == "subscribe":
                        self.listening = True
                        self._begun.set()
                        newest = max(newest, NOWHERE if again else 0)
                    else:
                        newest = max(newest, self._told(message["data"]))
                if newest > self.seen:
                    self._heard(newest)
                self._left.wait(REST)

    def _told(self, said: bytes) -> int:
        """Up to which number another instance has written; anybody may say anything."""
        who, _, number = said.partition(b" ")
        try:
            newest = int(number)
        except ValueError:  # also of too many digits
            newest = NOWHERE
        return 0 if who == self._own else newest


def said(pubsub: PubSub) -> Iterator[dict[str, Any]]:
    """What there is to be heard by now, of very much only some; if nothing, it is waited for."""
    timeout = LOOK
    for _ in range(MOST):
        message = pubsub.get_message(timeout=timeout)
        if message is None:
            return
        yield message
        timeout = 0
