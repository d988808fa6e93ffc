"""The dynamic tasks of a ledger in memory: what `dynamic.py` tells, in dicts and heaps."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from heapq import heapify, heappop, heappush
from itertools import islice

from ...engine.civil import FOREVER
from .dynamic import PIECE, Awaited, Dynamic, Planned, Rest, Shares, Wanted, floor_of

Look = tuple[int, str]
"""When to look at which task; right only if the row says so too."""


class Rows:
    """`waiting` tells of each key who waits for it, and up to which position that is known;
    `_stirred` of which there are records, the number of the latest and the instant of the first.
    Nothing was decided, or scheduled, later than `_latest`."""

    def __init__(self) -> None:
        self.waiting: dict[Awaited, dict[str, int]] = {}
        self._rows: dict[str, Dynamic] = {}
        self._looks: dict[str, list[Look]] = {}  # by shard
        self._waits: dict[str, tuple[Awaited, ...]] = {}  # what each task waits for
        self._held: dict[str, set[str]] = {}  # by instance
        self._stirred: dict[Awaited, tuple[int, int]] = {}
        self._latest = 0

    def __contains__(self, task: str) -> bool:
        return task in self._rows

    def is_of(self, task: str, version: int) -> bool:
        row = self._rows.get(task)
        return row is not None and row.version == version

    def schedule(self, tasks: Sequence[Planned], now: int, newest: int) -> None:
        self._latest = max(self._latest, now)
        for planned in tasks:
            row = self._rows.get(planned.task)
            if row is None:
                self._put(
                    Dynamic(
                        *planned[:4],
                        planned.version,
                        newest,
                        now,
                        None,
                        planned.due,
                        planned.due,
                        0,
                        0,
                        None,
                    )  # fmt: skip
                )
            elif row[1:4] != planned[1:4]:  # shard, text and condition
                self._put(self._changed(row, planned, now))

    @staticmethod
    def _changed(row: Dynamic, planned: Planned, now: int) -> Dynamic:
        look = 0 if row.holder is None else None
        changed = row._replace(
            shard=planned.shard, text=planned.text, version=planned.version, look=look
        )
        if row.condition == planned.condition:
            return changed
        return changed._replace(
            condition=planned.condition, since=now, decided=None, due=planned.due, wait=0
        )

    def _put(self, row: Dynamic) -> None:
        self._rows[row.task] = row
        if row.look is not None:
            looks = self._looks.setdefault(row.shard, [])
            heappush(looks, (row.look, row.task))
            if len(looks) > 2 * len(self._rows) + PIECE:
                here = (each for each in self._rows.values() if each.shard == row.shard)
                looks[:] = [(each.look, each.task) for each in here if each.look is not None]
                heapify(looks)

    def remove(self, task: str) -> bool:
        row = self._rows.pop(task, None)
        if row is None:
            return False
        self._forget_waits(task)
        if row.holder is not None:
            self._held[row.holder].discard(task)
        return True

    def take(
        self, shares: Shares, now: int, but: Mapping[str, int], instance: str
    ) -> tuple[list[Dynamic], int]:
        for key in list(self._stirred):
            self._wake(key, *self._stirred[key], now)
        taken: list[Dynamic] = []
        first = 0 if self._stirred else FOREVER
        for shard, share in shares.items():
            looks = self._looks.get(shard, [])
            passed_over: list[Look] = []
            while looks:
                look, task = looks[0]
                if self._stands(looks[0], shard):
                    if task in but and self.is_of(task, but[task]):
                        passed_over.append(looks[0])
                    elif look <= now and share > 0:
                        taken.append(self._hold(task, instance))
                        share -= 1
                    else:
                        first = min(first, look)
                        break
                heappop(looks)
            for each in passed_over:
                heappush(looks, each)
        return taken, first

    def _stands(self, look: Look, shard: str) -> bool:
        row = self._rows.get(look[1])
        return row is not None and row.look == look[0] and row.shard == shard

    def _hold(self, task: str, instance: str) -> Dynamic:
        """The row as it was."""
        row = self._rows[task]
        self._rows[task] = row._replace(look=None, holder=instance)
        self._held.setdefault(instance, set()).add(task)
        return row

    def rest(self, rest: Rest, instance: str) -> None:
        row = self._rows.get(rest.task)
        if row is None or row.holder != instance:
            return
        if row.version != rest.version:
            self._release(row)
        elif rest.done:
            self.remove(rest.task)
        else:
            self._latest = max(self._latest, rest.decided)
            self._held[instance].discard(rest.task)
            self._forget_waits(rest.task)
            self._waits[rest.task] = rest.reads
            for key in rest.reads:
                self.waiting.setdefault(key, {})[rest.task] = rest.position
            self._put(
                row._replace(
                    decided=rest.decided,
                    due=rest.due,
                    look=rest.due,
                    wait=rest.wait,
                    waits=len(rest.reads),
                    holder=None,
                )  # fmt: skip
            )

    def release_all(self, instance: str, but: Container[str] = ()) -> None:
        """What it holds, but for these, is due at once."""
        for task in [task for task in self._held.get(instance, ()) if task not in but]:
            self._held[instance].discard(task)
            self._put(self._rows[task]._replace(holder=None, look=0))

    def release(self, task: str, instance: str) -> None:
        """If the instance holds it, it is due at once."""
        row = self._rows.get(task)
        if row is not None and row.holder == instance:
            self._release(row)

    def _release(self, row: Dynamic) -> None:
        if row.holder is not None:
            self._held[row.holder].discard(row.task)
        self._put(row._replace(holder=None, look=0))

    def set_back(self, now: int, beyond: int) -> None:
        if self._latest <= beyond:
            return
        self._latest = beyond
        for row in list(self._rows.values()):
            if row.holder is None and floor_of(row) > beyond:
                decided = None if row.decided is None else now
                since = min(row.since, now)
                self._put(row._replace(since=since, decided=decided, due=None, look=0))

    # --- records --------------------------------------------------------------------------

    def stir(self, key: Awaited, seq: int, at: int) -> None:
        """There is a record. Of several the instant of the first counts, and the latest number."""
        if key in self.waiting:
            _, at = self._stirred.get(key, (0, at))
            self._stirred[key] = seq, at

    def rouse(self, keys: Iterable[Awaited], now: int) -> None:
        for key in keys:
            self._stirred[key] = FOREVER, now
            while key in self._stirred:
                self._wake(key, FOREVER, now, now)

    def _wake(self, key: Awaited, seq: int, at: int, now: int) -> None:
        """Some of those who wait for it."""
        waiting = self.waiting.get(key, {})
        concerned = [task for task, position in waiting.items() if position < seq]
        for task in islice(concerned, PIECE):
            row = self._rows[task]
            self._forget(task, key)
            waits = row.waits - 1
            look = min(at, now, now if row.look is None else row.look)
            self._put(row._replace(waits=waits, look=look if row.holder is None else None))
        if len(concerned) <= PIECE:
            self._stirred.pop(key, None)

    def _forget_waits(self, task: str) -> None:
        for key in self._waits.get(task, ()):
            self._forget(task, key)
        self._waits.pop(task, None)

    def _forget(self, task: str, key: Awaited) -> None:
        waiting = self.waiting.get(key)
        if waiting is not None:
            waiting.pop(task, None)
            if not waiting:
                del self.waiting[key]

    # --- reading --------------------------------------------------------------------------

    def find(self, wanted: Wanted) -> list[Dynamic]:
        rows, named = self._rows, wanted.tasks
        asked = list(rows.values()) if named is None else map(rows.get, {*named})
        found = [row for row in asked if row is not None and wanted.matches(row)]
        found.sort(key=lambda row: row.task)
        return found[: wanted.most]
