"""What `oncue log` reads of a store, as one who is no instance: nothing is opened, joined, leased
or made, whether the app runs or not.

The latest come by the index of sequence numbers; all of a log come in pages, so that it need not
fit into memory; what comes is waited for by the store's own notice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import click

from ...engine.records import Action, Record
from ..errors import StoreError
from ..stores.protocol import Query, Store
from .options import now

PAGE = 10_000
AGAIN = 5.0  # seconds until a store that did not answer is asked again without a notice


class Reading:
    """`query` says what is wanted, `runs` of which runs, by their number or their label; () of any.
    `position` is the number up to which the log has been read."""

    def __init__(self, store: Store, query: Query, runs: tuple[str, ...]) -> None:
        self._store = store
        self._said = threading.Event()
        self.position = 0
        named = store.read(Query(seqs=tuple(int(run) for run in runs if run.isdecimal())))
        self._numbers = {each.seq: each for each in named if each.action is Action.RUN}
        self._labels = {run for run in runs if not run.isdecimal() or int(run) not in self._numbers}
        self._any = not runs
        labels = {*self._labels, *(each.run_id for each in self._numbers.values())}
        known = tuple(label for label in labels if label is not None)
        narrowed = len(known) == len(labels) and not self._any
        self._query = query._replace(run_ids=known) if narrowed else query

    def _wanted(self, record: Record) -> bool:
        """Another run may have the label of one that is wanted by its number."""
        run = record.seq if record.action is Action.RUN else record.run
        return self._any or run in self._numbers or record.run_id in self._labels

    def latest(self, most: int) -> tuple[list[Record], bool]:
        """So many of the latest, and whether there are more."""
        self.position = self._newest()
        query = self._query._replace(newest=most + 1) if self._any else self._query
        found = list(filter(self._wanted, self._store.read(query)))
        self._reach(found)
        return found[-most:], len(found) > most

    def pages(self, done: Callable[[float], object]) -> Iterator[list[Record]]:
        """All of them, the earliest first; `done` is told how much of the log that is."""
        newest, position = self._newest(), 0
        while True:
            page = self._store.read(self._query._replace(after=position, oldest=PAGE))
            yield list(filter(self._wanted, page))
            if len(page) < PAGE:
                break
            position = page[-1].seq
            done(min(1.0, position / newest))
        self.position = newest
        self._reach(page)

    def watching(self) -> AbstractContextManager[None]:
        """While in it, the store says when there may be something new."""
        return self._store.watch(self._said.set)

    def coming(self) -> Iterator[list[Record]]:
        """What is new, again and again. A store that does not answer for a while is waited for."""
        answers = True
        while True:
            try:
                yield self._new()
            except StoreError as error:
                if answers:
                    click.echo(f"{error}; going on when it does", err=True)
                answers = False
            else:
                answers = True
            self._said.wait(None if answers else AGAIN)
            self._said.clear()

    def _new(self) -> list[Record]:
        if self._newest() < self.position:
            click.echo("the log has begun anew", err=True)
            self.position = 0
        found = self._store.read(self._query._replace(after=self.position))
        self._reach(found)
        return list(filter(self._wanted, found))

    def _newest(self) -> int:
        newest, _ = self._store.peek({}, now())
        return newest

    def _reach(self, records: list[Record]) -> None:
        if records:
            self.position = max(self.position, records[-1].seq)
