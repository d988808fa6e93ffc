"""What is due, and when to look again: a heap of instants and an index from log keys to tasks.

Logical time (DESIGN §3) goes from one decision to the next over breakpoints in order: the
`until` of a verdict, or a record that a verdict reads. At each breakpoint the tasks it concerns
are decided one after another, higher priority first, then in order of definition, each seeing
the starts before it and the records up to it. A decision made at a past breakpoint must still
hold there with the newest log: a record that touches what it read makes it be decided again. A
start's `scheduled_at` is its logical instant.

- A task that cannot start (disabled, or running without multilaunch) is not looked at: the event
  that makes it startable puts it back.
- An occurrence that came and went while nobody looked is started if it ended less than
  `misfire_grace` ago, and only the newest of a task; the others are in `missed`.
- A start that does not consume (its condition still holds with its own run applied) makes the
  task's next start wait `cycle_sleep`; a crash makes it wait 1 s, doubling to 60 s.

The agenda is the only one to change its history. It never reads a clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from .civil import BEGINNING, FOREVER
from .history import History, Mark, Source, TaskLog
from .plan import Planner
from .records import BIT, Action, Record
from .verdict import Plan, Reads, touches

SECOND = 1_000_000
CYCLE_SLEEP = SECOND // 10
MISFIRE_GRACE = 60 * SECOND
CRASH_WAIT = SECOND
CRASH_WAIT_MOST = 60 * SECOND


class Entry:
    """One task on the agenda. `fresh` is its plan with `retry` taken as false: a start that
    only the full plan allows is a retry. `due` is the instant of its valid place in the heap,
    `reads` what its last decision read: a record of these puts it back there."""

    __slots__ = (
        "crash_wait",
        "due",
        "enabled",
        "fresh",
        "log",
        "multilaunch",
        "name",
        "not_before",
        "plan",
        "rank",
        "reads",
        "redo",
    )

    def __init__(self, name: str, plan: Plan, fresh: Plan, log: TaskLog, rank: Rank) -> None:
        self.name = name
        self.plan = plan
        self.fresh = fresh
        self.log = log
        self.rank = rank
        self.enabled = True
        self.multilaunch = False
        self.due = FOREVER
        self.not_before = BEGINNING
        self.redo: int | None = None
        self.reads: Reads = ()
        self.crash_wait = 0

    @property
    def startable(self) -> bool:
        return self.enabled and (self.multilaunch or not self.log.live)


Rank = tuple[int, int]  # (-priority, order of definition)


@dataclass(frozen=True, slots=True)
class Start:
    """A decision: `record` is the RUN record to claim. The claim holds only if no record after
    `position` has one of the keys in `reads`."""

    record: Record
    mark: Mark
    reads: Reads
    position: int
    decided_at: int


@dataclass(frozen=True, slots=True)
class Missed:
    """An occurrence that no run served: it came and went, or a newer one took its place."""

    task: str
    scheduled_at: int


class Agenda:
    """Decides starts. `checked` counts the plans asked, for tests of the work done."""

    def __init__(
        self,
        planner: Planner,
        now: int,
        *,
        cycle_sleep: int = CYCLE_SLEEP,
        misfire_grace: int = MISFIRE_GRACE,
    ) -> None:
        self.planner = planner
        self.history: History = planner.history
        self.logical = now
        self.cycle_sleep = cycle_sleep
        self.misfire_grace = misfire_grace
        self.entries: dict[str, Entry] = {}
        self.missed: list[Missed] = []
        self.checked = 0
        self._by_plan: dict[Plan, list[Entry]] = {}
        self._heap: list[tuple[int, Rank, Entry]] = []
        self._inbox: deque[tuple[int, Record, Mark]] = deque()
        self._defined = 0

    # --- tasks ----------------------------------------------------------------------------

    def add(
        self,
        name: str,
        plan: Plan,
        *,
        fresh: Plan | None = None,
        priority: int = 0,
        multilaunch: bool = False,
    ) -> Entry:
        if name in self.entries:
            raise ValueError(f"there is a task {name!r} on the agenda already")
        self._defined += 1
        rank = (-priority, self._defined)
        entry = Entry(name, plan, fresh or plan, self.history.of(name), rank)
        entry.multilaunch = multilaunch
        self.entries[name] = entry
        self._by_plan.setdefault(plan, []).append(entry)
        outcome = entry.log.outcome
        if outcome is not None and outcome.action is Action.CRASH:
            self._wait_after(entry, Action.CRASH, outcome.mark.at)
        self._push(entry, self.logical)
        return entry

    def remove(self, name: str) -> None:
        entry = self.entries.pop(name)
        entry.enabled = False
        entry.due = FOREVER
        self._by_plan[entry.plan].remove(entry)

    def _push(self, entry: Entry, instant: int) -> None:
        """Look at `entry` at `instant`, or earlier if that was due already."""
        if instant < entry.due:
            entry.due = instant
            heappush(self._heap, (instant, entry.rank, entry))
            if len(self._heap) > 2 * len(self.entries) + 64:  # most of it is out of date
                self._heap[:] = [(e.due, e.rank, e) for e in self.entries.values()]
                heapify(self._heap)

    @property
    def wake(self) -> int | None:
        """The next instant at which an answer can change; None if time alone changes none."""
        if self._inbox:
            return self.logical
        heap = self._heap
        while heap and heap[0][0] != heap[0][2].due:
            heappop(heap)
        return heap[0][0] if heap and heap[0][0] < FOREVER else None

    # --- records --------------------------------------------------------------------------

    def take(self, record: Record, now: int) -> Mark:
        """Take in a record: the next of the log, or one of our own not numbered yet. It is seen
        by the decisions from its instant on."""
        self.history.see(record.seq)
        mark = Mark(record.at, record.seq)
        self._inbox.append((min(record.at, now), record, mark))
        return mark

    def absorb(self) -> None:
        """See all that was taken in, without deciding anything."""
        while self._inbox:
            self._see(*self._inbox.popleft())

    def _see(self, instant: int, record: Record, mark: Mark) -> TaskLog:
        log = self.history.of(record.task)
        log.add(record, mark)
        self.logical = instant = max(self.logical, instant)
        entry = self.entries.get(record.task)
        if entry is not None and record.action is not Action.RUN:
            self._wait_after(entry, record.action, instant)
            self._push(entry, instant)
        self._changed(log, BIT[record.action], instant)
        if log.room < 0:
            self.planner.trim(log, instant)
        return log

    def settle(self, task: str, mark: Mark, seq: int) -> None:
        """The store has the record, as number `seq`."""
        self.history.of(task).settle(mark, seq)

    def reload(self, task: str, records: Iterable[Record]) -> None:
        """What we took in of `task` was not what the store holds: begin anew with that."""
        self._inbox = deque(item for item in self._inbox if item[1].task != task)
        self.history.reload(task, records)
        self._rewritten(task)

    def _wait_after(self, entry: Entry, ending: Action, instant: int) -> None:
        if ending is not Action.CRASH:
            entry.crash_wait = 0
            return
        entry.crash_wait = min(max(CRASH_WAIT, 2 * entry.crash_wait), CRASH_WAIT_MOST)
        entry.not_before = max(entry.not_before, instant + entry.crash_wait)

    def _changed(self, source: Source, bit: int, instant: int) -> None:
        for plan in self.planner.changed(source, bit):
            for entry in self._by_plan.get(plan, ()):
                if touches(entry.reads, source, bit):
                    self._push(entry, instant)

    def _rewritten(self, task: str) -> None:
        """The log of a task is not what it was: whoever may read it looks again."""
        for plan in self.planner.rewritten(self.history.of(task)):
            for entry in self._by_plan.get(plan, ()):
                self._push(entry, self.logical)
        if task in self.entries:
            self._push(self.entries[task], self.logical)

    def reset(self, now: int) -> None:
        """The clock was set back: answers are dropped and logical time with them."""
        self.absorb()
        self.logical = now
        self.history.set_back(now)
        self.planner.forget()
        for entry in self.entries.values():
            entry.not_before = BEGINNING
            entry.due = FOREVER
            self._push(entry, now)

    def drain_missed(self) -> list[Missed]:
        """The occurrences missed since this was last asked."""
        missed, self.missed = self.missed, []
        return missed

    # --- decisions ------------------------------------------------------------------------

    def decide(self, now: int) -> list[Start]:
        """The starts due up to `now`, each already in the history as a provisional run; the
        caller claims them and calls `settle` or `refused` for each, in order."""
        if now < self.logical:
            self.reset(now)
        starts: list[Start] = []
        while True:
            wake = FOREVER if not self._heap else self._heap[0][0]
            if self._inbox and max(self.logical, self._inbox[0][0]) <= wake:
                action = self._inbox[0][1].action
                self._retract(starts, self._see(*self._inbox.popleft()), BIT[action])
                continue
            if wake > now or wake >= FOREVER:
                break
            instant, _, entry = heappop(self._heap)
            if instant != entry.due:
                continue
            entry.due = FOREVER
            self.logical = max(self.logical, instant)
            start = self._consider(entry, self.logical, now)
            if start is not None:
                starts.append(start)
        self.logical = now
        return starts

    def _retract(self, starts: list[Start], log: TaskLog, bit: int) -> None:
        """A start decided before a record that it read must still hold with it."""
        for start in [start for start in starts if touches(start.reads, log, bit)]:
            if start in starts:
                starts.remove(start)
                self.refused(start)
                self._retract(starts, self.history.of(start.record.task), BIT[Action.RUN])

    def _consider(self, entry: Entry, instant: int, now: int) -> Start | None:
        if entry.redo is not None:
            instant, entry.redo = entry.redo, None
        entry.reads = ()
        if not entry.startable:
            return None
        if instant < entry.not_before:
            self._push(entry, entry.not_before)
            return None
        forgiven = now - self.misfire_grace
        verdict = entry.plan.check(max(instant, forgiven))
        self.checked += 1
        if not verdict.value:
            entry.reads = verdict.reads
            self._push(entry, verdict.until)
            return None
        if instant < forgiven:  # nobody looked for longer: what is open then, since it opened
            instant = max(instant, verdict.since)
        newer = self._newer(entry, verdict.until, now)
        if newer is not None:
            self.missed.append(Missed(entry.name, instant))
            self._push(entry, newer)
            return None
        return self._start(entry, instant, now, verdict.since, verdict.reads)

    def _newer(self, entry: Entry, until: int, now: int) -> int | None:
        """When the task's condition came true again before now, once `until` was over."""
        while until <= now:
            verdict = entry.plan.check(until)
            self.checked += 1
            if verdict.value:
                return until
            until = verdict.until
        return None

    def _start(self, entry: Entry, instant: int, now: int, since: int, reads: Reads) -> Start:
        outcome = entry.log.outcome
        retries = outcome is not None and not entry.fresh.check(instant).value
        record = Record(
            entry.name,
            Action.RUN,
            at=now,
            seq=self.history.next_provisional(),
            scheduled_at=entry.plan.phase(instant, since),
            attempt=outcome.attempt + 1 if outcome is not None and retries else 0,
        )
        position = self.history.position
        mark = Mark(now, record.seq)
        entry.log.add(record, mark)
        start = Start(record, mark, reads, position, instant)
        self._changed(entry.log, BIT[Action.RUN], instant)
        verdict = entry.plan.check(instant)
        entry.not_before = instant + max(1, self.cycle_sleep if verdict.value else 0)
        if entry.multilaunch:
            entry.reads = verdict.reads
            self._push(entry, entry.not_before if verdict.value else verdict.until)
        return start

    def refused(self, start: Start) -> None:
        """The store knows a newer record that matters: decide again, at the same logical
        instant, once that record has been taken in."""
        task = start.record.task
        self.history.of(task).drop(start.mark)
        self._rewritten(task)
        entry = self.entries.get(task)
        if entry is not None:
            entry.not_before = BEGINNING
            entry.redo = start.decided_at
            self._push(entry, self.logical)
