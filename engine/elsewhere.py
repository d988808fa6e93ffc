"""What other instances do: a task that one of them has started is theirs to decide, for a while.

A RUN record that was taken in is seen at its instant, which may be later than what is decided here
until then. A start decided before it would be taken back: so the task is not decided from the
moment the record is known, and is decided from there on once the record is seen, if anything is
left. What a log will say then must not be taken for true before: see `settle`.
"""

from __future__ import annotations

from dataclasses import dataclass

from .asking import Asking
from .civil import FOREVER
from .decisions import Missed
from .history import Source
from .items import Entry
from .overdue import MOST_MISSED
from .past import Past
from .schedule import CatchUp, Overlap


@dataclass(slots=True)
class Coming:
    """The latest RUN record of a task that was taken in and is not seen yet. `since` is the first
    instant at which the task was not decided for its sake."""

    seq: int
    since: int = FOREVER


class Elsewhere:
    """`coming` are the RUN records of others that are still to be seen, by task."""

    def __init__(self, asking: Asking, past: Past) -> None:
        self._asking = asking
        self._past = past
        self.coming: dict[str, Coming] = {}
        self._started: set[str] = set()  # as the latest decision has seen

    def begin(self) -> None:
        """Another decision begins."""
        self._started.clear()

    def take(self, task: str, seq: int) -> None:
        """Another instance has started the task; it is seen later."""
        coming = self.coming.get(task)
        if coming is None:
            self.coming[task] = Coming(seq)
        else:
            coming.seq = seq

    def forget(self, task: str) -> None:
        self.coming.pop(task, None)

    def see(self, entry: Entry, at: int, logical: int) -> None:
        """Another instance has started the task: it has decided what had come due by then."""
        self._started.add(entry.name)
        if entry.schedule.overlap is Overlap.QUEUE and not entry.plan.costly:
            entry.behind, entry.queued = logical, True
        elif not entry.queued and entry.schedule.catch_up is not CatchUp.ALL:
            if entry.behind is not None and entry.behind <= at:
                entry.behind = None

    def has_come(self, entry: Entry, seq: int) -> bool:
        """A run was seen for whose sake the task may not have been decided; whether it is decided
        now, from where it was."""
        coming = self.coming.get(entry.name)
        if coming is None:
            return False
        left = coming.since < FOREVER
        if left:
            entry.behind = min(coming.since, entry.behind or FOREVER)
            coming.since = FOREVER
        if seq == coming.seq:
            del self.coming[entry.name]
        return left and not entry.waits_for_its_run

    def leaves(self, entry: Entry, instant: int) -> bool:
        """Whether the task is not decided at `instant` for the sake of a run that was taken in: a
        start would be taken back."""
        coming = self.coming.get(entry.name)
        if coming is None or entry.plan.costly:
            return False
        if instant < coming.since:
            coming.since = instant
        return True

    def settle(self, source: Source, at: int) -> None:
        """What a source will say from `at` on must not be taken for true before: a task that is
        behind goes on for as long as nothing was due by then."""
        for plan in source.readers:
            for item in plan.askers:
                if not isinstance(item, Entry) or item.plan.costly:
                    continue
                if item.behind is not None and item.behind < at:
                    item.behind = self._due_from(item, item.behind, at)
                    self._past.look(item)
                coming = self.coming.get(item.name)
                if coming is not None and coming.since < at:
                    coming.since = self._due_from(item, coming.since, at)

    def _due_from(self, entry: Entry, instant: int, end: int) -> int:
        """From when on its condition held, from `instant` on; `end`: not before that."""
        for _ in range(MOST_MISSED):
            verdict = self._asking.check(entry, entry.plan, instant)
            if verdict.value or instant >= end:
                break
            instant = min(verdict.until, end)
        return instant

    def has_served(self, entry: Entry, missed: Missed) -> bool:
        """Whether another instance, as is known by now, has started what looked like missed."""
        if entry.name not in self._started or missed.until is not None or entry.plan.costly:
            return False
        return not self._asking.ask(entry, entry.plan, missed.scheduled_at).value
