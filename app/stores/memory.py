"""The log in memory: nothing survives the process. A ledger of its own, or one that it shares with
other instances, is what a file is to the stores on a disk."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any, TypeVar, cast

from ...engine.records import Action, Record
from .dynamic import Awaited, Dynamic, Planned, Rest, Shares, Wanted, family_of
from .ledger import Held, Ledger, by_instant, record_of
from .protocol import (
    CLOCK_CHECK,
    CROWDED_PATIENCE,
    Answer,
    Claim,
    Extension,
    Finish,
    Instance,
    Missed,
    Query,
    Refused,
    Registered,
    Step,
    judge,
)
from .watching import looking

M = TypeVar("M", bound=Callable[..., Coroutine[Any, Any, Any]])


def one_by_one(method: M) -> M:
    """Instances may be on several threads; nothing in the method waits for anything."""

    @wraps(method)
    async def called(self: MemoryStore, *args: Any) -> Any:
        with self.ledger.lock:
            return await method(self, *args)

    return cast(M, called)


class MemoryStore:
    """One instance on a ledger."""

    def __init__(self, ledger: Ledger | None = None) -> None:
        self.ledger = Ledger() if ledger is None else ledger
        self.id = ""
        self._since = 0
        self._held: Held = {}

    @property
    def patience(self) -> int:
        return CLOCK_CHECK if self.ledger.instances.keys() <= {self.id} else CROWDED_PATIENCE

    @property
    def skew(self) -> None:
        return None

    def on_notice(self, heard: Callable[[int], None]) -> None:
        """It gives none."""

    def again(self) -> MemoryStore:
        return MemoryStore(self.ledger)

    @one_by_one
    async def open(self, now: int) -> None:
        self.id = str(self.ledger.name())
        self._since = now
        self._join()
        self.ledger.reap(now, self.id)

    def _join(self) -> None:
        self.ledger.join(self.id, self._since)
        self._held = self.ledger.held[self.id]

    @one_by_one
    async def load(self, lookback: Mapping[str, int]) -> tuple[int, list[Record]]:
        self.ledger.remember(lookback)
        return self._load(lookback)

    def _load(self, lookback: Mapping[str, int]) -> tuple[int, list[Record]]:
        ledger = self.ledger
        needed = sorted(ledger.needed(lookback, lookback.keys()))
        return ledger.newest, [record_of(ledger.line(seq), seq) for seq in needed]

    def peek(self, lookback: Mapping[str, int], now: int) -> tuple[int, list[Record]]:
        newest, records = self._load(lookback)
        crashed = [
            Record(run.task, Action.CRASH, now, newest + n, run=seq, run_id=run.run_id)
            for n, (_, seq, run) in enumerate(self.ledger.over(), 1)
        ]
        return newest, records + [record for record in crashed if record.task in lookback]

    @one_by_one
    async def commit(self, steps: Sequence[Step], position: int | None = None) -> list[Answer]:
        ledger = self.ledger
        self._join_again()
        held = self._held
        missed: list[Missed] = []
        answers: list[Answer] = []
        for step, refused in zip(steps, judge(steps, self._refusal, held), strict=True):
            if refused is not None:
                answers.append(refused)
                continue
            if isinstance(step, Claim):
                record = step.record
                seq = ledger.append(record)
                held[seq] = record
                if step.lease is not None:
                    ledger.ends[seq] = ledger.clock() + step.lease
                if ledger.missed and record.scheduled_at is not None:
                    ledger.missed.discard(Missed(record.task, record.scheduled_at))
            elif isinstance(step, Finish):
                ledger.append(step.record)
                ledger.release(held, step.record.run)  # type: ignore[arg-type]
            elif isinstance(step, Extension):
                ledger.ends[step.run] = ledger.clock() + step.lease
            elif isinstance(step, Rest):
                ledger.rows.rest(step, self.id)
                if step.reads:
                    ledger.stir_again(step.position, step.reads)
            else:
                missed.append(step)
            answers.append(ledger.newest)
        if missed:
            ledger.note_missed(missed)
        return answers

    def _join_again(self) -> None:
        """If it was taken for gone: what was live has crashed, what begins is ours."""
        if self.id not in self.ledger.instances:
            self._join()

    def _is_outdated(self, task: str) -> bool:
        return task in self.ledger.outdated.get(self.id, ())

    def _refusal(self, claim: Claim) -> Refused | None:
        task = claim.record.task
        if claim.version is not None:
            superseded = not self.ledger.rows.is_of(task, claim.version)
        else:
            superseded = self._is_outdated(task)
        if superseded:
            return Refused.SUPERSEDED
        newer = claim.position < self.ledger.newest and self._overtaken(claim)
        return Refused.NEWER if newer else None

    def _overtaken(self, claim: Claim) -> bool:
        keys = claim.keys
        return any(
            record.task == claim.record.task or (record.task, record.action) in keys
            for record in self.ledger.after(claim.position)
        )

    @one_by_one
    async def follow(self, position: int, now: int) -> list[Record]:
        self.ledger.reap(now, self.id)
        return self.ledger.after(position)

    def is_there(self) -> bool:
        return bool(self.ledger.newest or self.ledger.instances)

    def watch(self, heard: Callable[[], None]) -> AbstractContextManager[None]:
        return looking(lambda: self.ledger.newest, heard)

    def read(self, query: Query) -> list[Record]:
        found: list[Record] = []
        pairs = list(zip(self.ledger.seqs, self.ledger.lines, strict=False))  # as they are now
        backwards = query.oldest is None
        most = query.newest if backwards else query.oldest
        for seq, line in reversed(pairs) if backwards else pairs:
            if len(found) == most:
                break
            numbered = record_of(line, seq)
            if query.matches(numbered):
                found.append(numbered)
        return found[::-1] if backwards else found

    def count(self, query: Query) -> int:
        return len(self.read(query))

    @one_by_one
    async def register(
        self, conditions: Mapping[str, str], now: int, again: Mapping[str, int] = {}
    ) -> dict[str, Registered]:
        """Nothing is ever lost here: what is said once more is known."""
        ledger = self.ledger
        outdated = ledger.outdated.setdefault(self.id, set())
        outdated.difference_update(conditions.keys() - again.keys())
        new: dict[str, tuple[str, int]] = {}  # many tasks may have the same condition
        for task, condition in conditions.items():
            known = ledger.conditions.get(task)
            if task not in again and (known is None or known[0] != condition):
                ledger.conditions[task] = new.setdefault(condition, (condition, now))
                ledger.decided.pop(task, None)
                for instance, tasks in ledger.outdated.items():
                    if instance != self.id and known is not None:
                        tasks.add(task)
        return {task: self._registered(task) for task in conditions}

    def _registered(self, task: str) -> Registered:
        return Registered(self.ledger.conditions[task][1], self.ledger.decided.get(task))

    @one_by_one
    async def decided(self, tasks: Mapping[str, int]) -> None:
        ledger = self.ledger
        for task, instant in tasks.items():
            if task in ledger.conditions and not self._is_outdated(task):
                ledger.decided[task] = max(instant, ledger.decided.get(task, instant))

    def registered(self, conditions: Mapping[str, str] | None = None) -> dict[str, Registered]:
        return {
            task: self._registered(task)
            for task, (condition, _) in list(self.ledger.conditions.items())
            if conditions is None or conditions.get(task) == condition
        }

    def missed(self, tasks: Sequence[str] | None = None, newest: int | None = None) -> list[Missed]:
        found = sorted(
            (each for each in list(self.ledger.missed) if tasks is None or each.task in tasks),
            key=by_instant,
        )
        return found if newest is None else found[max(0, len(found) - newest) :]

    def instances(self) -> list[Instance]:
        ledger, host, pid = self.ledger, platform.node(), os.getpid()
        return [
            Instance(id_, host, pid, since, not ledger.is_gone(id_), id_ == self.id)
            for id_, since in list(ledger.instances.items())
        ]

    @one_by_one
    async def trim(self, before: int, lookback: Mapping[str, int], most: int) -> int:
        return self.ledger.trim(before, lookback, most)

    @one_by_one
    async def schedule(self, tasks: Sequence[Planned], now: int) -> None:
        self.ledger.rows.schedule(tasks, now, self.ledger.newest)

    @one_by_one
    async def unschedule(self, tasks: Sequence[str]) -> set[str]:
        return {task for task in tasks if self.ledger.rows.remove(task)}

    @one_by_one
    async def take(
        self, shares: Shares, now: int, but: Mapping[str, int] = {}
    ) -> tuple[list[Dynamic], int]:
        self._join_again()
        self.ledger.families.update(map(family_of, shares))
        return self.ledger.rows.take(shares, now, but, self.id)

    @one_by_one
    async def let_go(self, but: Sequence[str]) -> None:
        self.ledger.rows.release_all(self.id, frozenset(but))

    @one_by_one
    async def rouse(self, keys: Sequence[Awaited], now: int) -> None:
        self.ledger.rows.rouse(keys, now)

    @one_by_one
    async def set_back(self, now: int, beyond: int) -> None:
        self.ledger.rows.set_back(now, beyond)

    def dynamic(self, wanted: Wanted) -> list[Dynamic]:
        return self.ledger.rows.find(wanted)

    @one_by_one
    async def close(self) -> None:
        self.ledger.rows.release_all(self.id)
        self.ledger.instances.pop(self.id, None)
        self.ledger.outdated.pop(self.id, None)
