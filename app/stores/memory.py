"""The log in memory: one instance, nothing survives the process.

It keeps the newest `KEPT` records and, of older ones, what a start would need: the latest of each
task and action, the live runs, and what lies in the look-back that was last asked for.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence

from ...engine.civil import FOREVER
from ...engine.records import Action, Record
from .protocol import CLOCK_CHECK, Answer, Claim, Query, Step, judge

KEPT = 100_000


class MemoryStore:
    """`_log` are the records, `_seqs` their numbers; they are put together where they are read."""

    patience = CLOCK_CHECK

    def __init__(self) -> None:
        self._log: list[Record] = []
        self._seqs: list[int] = []
        self._newest = 0
        self._held: dict[int, Record] = {}  # the RUN records of the live runs
        self._lookback: dict[str, int] = {}

    async def open(self, now: int) -> None:
        """The runs that the life before this one left live have crashed."""
        for run, started in sorted(self._held.items()):
            self._append(Record(started.task, Action.CRASH, now, run=run, run_id=started.run_id))
        self._held.clear()

    async def load(self, lookback: Mapping[str, int]) -> tuple[int, list[Record]]:
        self._lookback |= lookback
        return self.peek(lookback, 0)

    def peek(self, lookback: Mapping[str, int], now: int) -> tuple[int, list[Record]]:
        places = (i for i, record in enumerate(self._log) if record.task in lookback)
        return self._newest, self._numbered(places)

    async def commit(self, steps: Sequence[Step]) -> list[Answer]:
        answers: list[Answer] = []
        for step, refused in zip(steps, judge(steps, self._overtaken, self._held), strict=True):
            if refused is not None:
                answers.append(refused)
                continue
            seq = self._append(step.record)
            if isinstance(step, Claim):
                self._held[seq] = step.record
            elif step.record.run is not None:
                del self._held[step.record.run]
            answers.append(seq)
        return answers

    def _overtaken(self, claim: Claim) -> bool:
        if claim.position >= self._newest:
            return False
        keys = claim.keys
        return any(
            record.task == claim.record.task or (record.task, record.action) in keys
            for record in self._log[bisect_right(self._seqs, claim.position) :]
        )

    def _append(self, record: Record) -> int:
        self._newest = seq = self._newest + 1
        self._log.append(record)
        self._seqs.append(seq)
        if len(self._log) >= 2 * KEPT:
            self._trim()
        return seq

    def _trim(self) -> None:
        """Drop what is old and would not be asked for."""
        old = self._newest - KEPT
        heads = {(r.task, r.action): seq for seq, r in zip(self._seqs, self._log, strict=True)}
        needed = {*heads.values(), *self._held}
        kept = [
            (seq, record)
            for seq, record in zip(self._seqs, self._log, strict=True)
            if seq > old or seq in needed or record.at >= self._lookback.get(record.task, FOREVER)
        ]
        self._seqs = [seq for seq, _ in kept]
        self._log = [record for _, record in kept]

    async def follow(self, position: int, now: int) -> list[Record]:
        return self._numbered(range(bisect_right(self._seqs, position), len(self._log)))

    def read(self, query: Query) -> list[Record]:
        found: list[Record] = []
        pairs = list(zip(self._seqs, self._log, strict=False))  # as they are now
        for seq, record in reversed(pairs):
            numbered = record._replace(seq=seq)
            if query.matches(numbered):
                found.append(numbered)
                if len(found) == query.newest:
                    break
        return found[::-1]

    def count(self, query: Query) -> int:
        return len(self.read(query))

    def _numbered(self, places: Iterable[int]) -> list[Record]:
        return [self._log[place]._replace(seq=self._seqs[place]) for place in places]

    async def close(self) -> None:
        return None
