"""The log in memory: one instance, nothing survives the process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...engine.records import Action, Record
from .protocol import CLOCK_CHECK, Answer, Claim, Step, judge


class MemoryStore:
    def __init__(self) -> None:
        self._log: list[Record] = []
        self._held: set[int] = set()

    patience = CLOCK_CHECK

    async def open(self, now: int) -> None:
        """The runs that the life before this one left live have crashed."""
        for run in sorted(self._held):
            started = self._log[run - 1]
            seq = len(self._log) + 1
            label = started.run_id
            self._log.append(Record(started.task, Action.CRASH, now, seq, run=run, run_id=label))
        self._held.clear()

    async def load(self, lookback: Mapping[str, int]) -> tuple[int, list[Record]]:
        return len(self._log), [record for record in self._log if record.task in lookback]

    async def commit(self, steps: Sequence[Step]) -> list[Answer]:
        refusals = judge(steps, self._overtaken, self._held)
        return [
            self._write(step) if refused is None else refused
            for step, refused in zip(steps, refusals, strict=True)
        ]

    def _overtaken(self, claim: Claim) -> bool:
        newer = self._log[claim.position :]
        if not newer:
            return False
        keys = claim.keys
        return any(
            record.task == claim.record.task or (record.task, record.action) in keys
            for record in newer
        )

    def _write(self, step: Step) -> Answer:
        seq = len(self._log) + 1
        self._log.append(step.record._replace(seq=seq))
        if isinstance(step, Claim):
            self._held.add(seq)
        elif step.record.run is not None:
            self._held.discard(step.record.run)
        return seq

    async def follow(self, position: int, now: int) -> list[Record]:
        return self._log[position:]

    async def log_of(self, task: str) -> list[Record]:
        return [record for record in self._log if record.task == task]

    async def close(self) -> None:
        return None
