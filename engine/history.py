"""The log index: what conditions ask of the log, in O(1) or O(log n).

One `TaskLog` per task name; only the agenda changes it, by `add`, `settle` and `drop`.

A run counts (LANGUAGE.md §7) from its start until it is released, as the task's policy says.
Counting runs are kept twice: by logical instant, for windows, and by sequence, for "the latest
counting start"; those whose counting has an end stand beside the windows' index. A decision's own
records are taken in before the store has numbered them (so that the next decision sees them);
until `settle` they carry a number above every real one.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from itertools import count
from typing import Any

from .civil import BEGINNING, FOREVER
from .policy import COMMIT, Policy
from .records import BIT, FINISHED, Action, Record

ROOM = 64
RUN, FAIL, CRASH = Action.RUN, Action.FAIL, Action.CRASH  # quicker to name
PROVISIONAL = 1 << 62  # sequence numbers from here on are not the store's yet


class Mark:
    """When a record happened and where it stands in the log."""

    __slots__ = ("at", "seq")

    def __init__(self, at: int, seq: int) -> None:
        self.at = at
        self.seq = seq


class Run:
    """One run. `mark` is its RUN record (of a run known by its ending alone, that); `ending` is
    None while it is live; `paced_at` is what intervals are measured from. `until` is when the
    lease of one that failed ends, if it was extended; `ended` when it ended."""

    __slots__ = (
        "attempt", "ended", "ending", "mark", "paced_at", "run_id", "scheduled_at", "until"
    )  # fmt: skip

    def __init__(
        self, mark: Mark, scheduled_at: int, attempt: int | None, run_id: str | None
    ) -> None:
        self.mark = mark
        self.scheduled_at = self.paced_at = scheduled_at
        self.attempt = attempt
        self.run_id = run_id
        self.ending: Action | None = None
        self.until: int | None = None
        self.ended = FOREVER


class Outcome:
    """How the run that ended last ended; `attempt` is that run's."""

    __slots__ = ("action", "attempt", "mark")

    def __init__(self, action: Action, mark: Mark, attempt: int) -> None:
        self.action = action
        self.mark = mark
        self.attempt = attempt


class Source:
    """Something that answers depend on; `readers` are those who asked to be told of a change. Most
    have one reader, and there may be many of them. `read` are the actions that any answer has ever
    depended on, as bits: of others nobody need be told."""

    __slots__ = ("read", "readers")

    def __init__(self) -> None:
        self.read = 0
        self.readers: Sequence[Any] = ()

    def tell(self, reader: Any) -> None:
        """One more reader."""
        if isinstance(self.readers, list):
            self.readers.append(reader)
        else:
            self.readers = [*self.readers, reader] if self.readers else (reader,)

    def keep_readers(self, kept: Container[Any]) -> None:
        """Drop all the others."""
        left = [reader for reader in self.readers if reader in kept]
        self.readers = left if len(left) > 1 else tuple(left)


class TaskLog(Source):
    """What the log says of one task. Of one without records the containers are shared, empty.

    `last` is the latest record of each action; `times` are the instants of each action, sorted.
    `finished` are those of the actions FINISHED together.
    `live` are the runs without an ending, by the sequence number of their RUN record. `logical`
    are the logical instants of the runs that count for good, sorted, `leased` the runs that count
    until an instant to come; `starts` are the runs by sequence. `policy` says which count.
    `streak` is the number of fails and crashes since the latest other ending. `dropped` counts the
    instants of each action that are kept no more; `room` is how many records may still come
    before it is time to drop again. `known` tells whether there is such a task; conditions on
    one that there is not are false. Runs numbered up to `born` are not of it, but of one that had
    its name before.
    """

    __slots__ = (
        "born",
        "dropped",
        "finished",
        "known",
        "last",
        "leased",
        "live",
        "logical",
        "outcome",
        "policy",
        "room",
        "starts",
        "streak",
        "task",
        "times",
    )

    def __init__(self, task: str) -> None:
        super().__init__()
        self.task = task
        self.known = True
        self.born = 0
        self.policy = COMMIT
        self.clear()

    def clear(self) -> None:
        self.last = NO_MARKS
        self.times = NO_TIMES
        self.live = NO_RUNS
        self.finished = self.logical = NO_INSTANTS
        self.starts = self.leased = NO_STARTS
        self.streak = 0
        self.outcome: Outcome | None = None
        self.dropped: dict[Action, int] = NO_COUNTS
        self.room = ROOM

    def _begin(self) -> None:
        self.last = {}
        self.times = {}
        self.live = {}
        self.finished, self.logical = [], []
        self.starts, self.leased = [], []

    def adopt(self, policy: Policy) -> None:
        """From now on `policy` says which of the runs count."""
        if policy == self.policy:
            return
        self.policy = policy
        if self.starts:
            self.logical = sorted(r.scheduled_at for r in self.starts if self.counted(r) == FOREVER)
            self.leased = [r for r in self.starts if BEGINNING < self.counted(r) < FOREVER]

    def counted(self, run: Run) -> int:
        """Until when a run counts."""
        if run.ending is None:
            return FOREVER
        return self.policy.counts_until(run.ending, run.mark.at, run.until)

    def owed(self, now: int) -> Run | None:
        """The latest start, if it was released: what it was to do has not been done."""
        run = self.starts[-1] if self.starts else None
        owed = run is not None and run.ending is not None and self.counted(run) <= now
        return run if owed else None

    def latest_start(self, now: int) -> Run | None:
        """The latest start that counts at `now`."""
        for run in reversed(self.starts):
            if self.counted(run) > now:
                return run
        return None

    def lapses(self, now: int, oldest: Run | None = None) -> tuple[int, int]:
        """Between which instants around `now` no run is released by time alone; of those from the
        `oldest` on, or of all."""
        first = 0 if oldest is None else oldest.mark.seq
        ends = [self.counted(run) for run in self.leased if run.mark.seq >= first]
        since = max((end for end in ends if end <= now), default=BEGINNING)
        return since, min((end for end in ends if end > now), default=FOREVER)

    def free_from(self, instant: int) -> int:
        """The first instant from this one on at which no run was live, by when they happened. A run
        that crashed had ended nobody knows how long before that was found."""
        for run in self.starts:
            if run.mark.at <= instant < run.ended and run.ending is not Action.CRASH:
                instant = run.ended
        return instant

    def lapse(self, now: int) -> bool:
        """Release for good the runs whose leases have ended; whether there were any."""
        ended = [run for run in self.leased if self.counted(run) <= now]
        for run in ended:
            run.until = BEGINNING
            self.leased.remove(run)
        return bool(ended)

    def latest(self, actions: Iterable[Action]) -> Mark | None:
        """The latest record of any of `actions`."""
        marks = [self.last[action] for action in actions if action in self.last]
        return max(marks, key=lambda mark: mark.seq, default=None)

    def instants(self, actions: tuple[Action, ...]) -> list[int]:
        """The sorted instants of the records of `actions`; not to be changed."""
        return self.finished if actions == FINISHED else self.times.get(actions[0], [])

    def counted_in(self, start: int, end: int) -> int:
        """Until when a counting run has its logical instant in [start, end); BEGINNING: none."""
        logical = self.logical
        if logical and logical[-1] >= start and logical[bisect_left(logical, start)] < end:
            return FOREVER
        if not self.leased:
            return BEGINNING
        within = (run for run in self.leased if start <= run.scheduled_at < end)
        return max(map(self.counted, within), default=BEGINNING)

    def mirror(self, other: TaskLog) -> None:
        """Be as `other` is, sharing nothing that either may change."""
        self.clear()
        self.known, self.policy = other.known, other.policy
        if other.last is NO_MARKS:
            return
        twins = {id(run): copy(run) for run in other.starts}
        self.starts = list(twins.values())
        self.live = {seq: twins[id(run)] for seq, run in other.live.items()}
        self.leased = [twins[id(run)] for run in other.leased if id(run) in twins]
        self.last, self.dropped = dict(other.last), dict(other.dropped)
        self.times = {action: list(times) for action, times in other.times.items()}
        self.finished, self.logical = list(other.finished), list(other.logical)
        self.streak, self.outcome = other.streak, other.outcome

    @contextmanager
    def as_it_was(self) -> Iterator[None]:
        """What is added in this block, runs of its own and their endings, is gone after it."""
        before = {name: copy(getattr(self, name)) for name in TaskLog.__slots__}
        try:
            yield
        finally:
            for name, value in before.items():
                setattr(self, name, value)

    # --- taking in ------------------------------------------------------------------------

    def has(self, record: Record) -> bool:
        """Whether a record of the task's name is of this one."""
        return not self.born or (record.run or record.seq) > self.born

    def add(self, record: Record, mark: Mark | None = None) -> Mark:
        """Take in a record; `mark` is the place it was promised already."""
        if self.last is NO_MARKS:
            self._begin()
        _, action, at, number, scheduled_at, attempt, ends, run_id, _, until = record[:]
        if mark is None:
            mark = Mark(at, number)
        last = self.last
        latest = last.get(action)
        if latest is None or latest.seq < mark.seq:
            last[action] = mark
        times = self.times.get(action)
        if times is None:
            self.times[action] = [at]
        elif not times or times[-1] <= at:
            times.append(at)
        else:
            insort(times, at)
        self.room -= 1
        if action is RUN:
            self._start(Run(mark, at if scheduled_at is None else scheduled_at, attempt, run_id))
            return mark
        if action in FINISHED:
            finished = self.finished
            if finished and finished[-1] > at:
                insort(finished, at)
            else:
                finished.append(at)
        if ends is None:
            ended = self._ended_by(run_id)
        else:
            named = self.live.get(ends)
            ended = () if named is None else (named,)
        if not ended and action is not CRASH:  # a finish without a run record
            run = Run(mark, at if scheduled_at is None else scheduled_at, attempt, run_id)
            self._start(run)
            ended = (run,)
        attempt = None
        undone = self.policy.undoing & BIT[action]
        for run in ended:
            del self.live[run.mark.seq]
            run.ending, run.until, run.ended = action, until, at
            if undone:
                self._release(run)
            if run.attempt is not None and (attempt is None or run.attempt > attempt):
                attempt = run.attempt
        self.streak = self.streak + 1 if action is FAIL or action is CRASH else 0
        self.outcome = Outcome(action, mark, self.streak - 1 if attempt is None else attempt)
        return mark

    def _start(self, run: Run) -> None:
        seq, starts, logical = run.mark.seq, self.starts, self.logical
        self.live[seq] = run
        place = len(starts)
        while place and starts[place - 1].mark.seq > seq:
            place -= 1
        starts.insert(place, run)
        if logical and logical[-1] > run.scheduled_at:
            insort(logical, run.scheduled_at)
        else:
            logical.append(run.scheduled_at)

    def _ended_by(self, label: str | None) -> Sequence[Run]:
        """The live runs that an ending ends which names none: the oldest of its label; without a
        label all that have none, since only one could have been live."""
        same = [run for run in self.live.values() if run.run_id == label]
        return same if label is None else same[:1]

    def _release(self, run: Run) -> None:
        self._uncount(run)
        if self.counted(run) > BEGINNING:
            self.leased.append(run)

    def _uncount(self, run: Run) -> None:
        place = bisect_left(self.logical, run.scheduled_at)
        if self.logical[place : place + 1] == [run.scheduled_at]:  # else it is dropped already
            del self.logical[place]

    def keep(self, since: int, now: int) -> None:
        """Drop what is older than `since`, but the latest of each kind and what is live; and
        the leases that have ended by `now`. Not while a start may be taken back, after which
        another is the latest."""
        if any(seq > PROVISIONAL for seq in self.live):
            return
        self.dropped = dict(self.dropped)
        for action, times in self.times.items():
            self.dropped[action] = self.dropped.get(action, 0) + cut(times, since)
        cut(self.finished, since)
        cut(self.logical, since)
        self.leased = [run for run in self.leased if self.counted(run) > now]
        held = {id(run) for run in self.leased}
        held.update(id(run) for run in self.starts[-1:])  # it may be owed
        for run in reversed(self.starts):  # what counts when those that live are released
            if run.ending is not None and self.counted(run) == FOREVER:
                held.add(id(run))
                break
        self.starts = [
            run
            for run in self.starts
            if run.ending is None or id(run) in held or run.scheduled_at >= since
        ]
        self.room = ROOM + len(self.finished) + len(self.starts)

    def is_later_than(self, now: int) -> bool:
        """Whether anything is."""
        if self.last is NO_MARKS:
            return False
        return any(times and times[-1] > now for times in (*self.times.values(), self.logical))

    def set_back(self, now: int, beyond: int) -> None:
        """The clock says `now`, whatever the log says: what is later than `beyond` is read as now
        where elapsed time counts, and stays where it was where windows do."""
        if not self.is_later_than(beyond):
            return
        for times in (self.finished, *self.times.values()):
            kept = bisect_right(times, beyond)
            latest = max(now, times[kept - 1]) if kept else now
            times[kept:] = [latest] * (len(times) - kept)

        def read(at: int) -> int:
            return at if at <= beyond else now

        for mark in self.last.values():
            mark.at = read(mark.at)
        for run in self.starts:
            run.mark.at = read(run.mark.at)
            run.paced_at = read(run.paced_at)
            if run.ending is not None:
                run.ended = read(run.ended)
        if self.outcome is not None:
            self.outcome.mark.at = read(self.outcome.mark.at)

    def total(self, actions: tuple[Action, ...]) -> int:
        """How many records of `actions` there ever were."""
        found = 0
        for action in actions:
            found += len(self.times.get(action, ())) + self.dropped.get(action, 0)
        return found

    def settle(self, mark: Mark, seq: int) -> None:
        """Give a provisional record its number."""
        run = self.live.pop(mark.seq, None)
        mark.seq = seq
        if run is not None:
            self.live[seq] = run

    def drop(self, mark: Mark) -> None:
        """Take back a provisional start whose claim was refused."""
        run = self.live.pop(mark.seq)
        self.starts.remove(run)
        self._uncount(run)
        times = self.times[Action.RUN]
        del times[bisect_left(times, mark.at)]
        if self.last[Action.RUN] is mark:
            self._restore_last_run()

    def _restore_last_run(self) -> None:
        del self.last[Action.RUN]
        if self.starts:
            self.last[Action.RUN] = self.starts[-1].mark


NO_MARKS: dict[Action, Mark] = {}
NO_COUNTS: dict[Action, int] = {}
NO_TIMES: dict[Action, list[int]] = {}
NO_RUNS: dict[int, Run] = {}
NO_INSTANTS: list[int] = []
NO_STARTS: list[Run] = []


class History:
    """The logs of all tasks; `position` is the number up to which every record was seen.
    `next_provisional` gives a number for a record that the store has not numbered yet."""

    __slots__ = ("next_provisional", "position", "tasks")

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self.tasks: dict[str, TaskLog] = {}
        self.position = 0
        self.next_provisional: Callable[[], int] = count(PROVISIONAL + 1).__next__
        for record in records:
            self.add(record)

    def of(self, task: str) -> TaskLog:
        log = self.tasks.get(task)
        if log is None:
            log = self.tasks[task] = TaskLog(task)
        return log

    def add(self, record: Record) -> Mark:
        """Take in a record: the next of the log, or a provisional one."""
        self.see(record.seq)
        log = self.of(record.task)
        return log.add(record) if log.has(record) else Mark(record.at, record.seq)

    def see(self, seq: int) -> None:
        """Every record up to this one is known, or about to be."""
        if self.position < seq < PROVISIONAL:
            self.position = seq

    def reload(self, task: str, records: Iterable[Record]) -> None:
        """Forget what is known of `task` and take in its log anew."""
        log = self.of(task)
        log.clear()
        for record in records:
            if log.has(record):
                log.add(record)

    def set_back(self, now: int, beyond: int) -> None:
        for log in self.tasks.values():
            log.set_back(now, beyond)


def cut(times: list[int], since: int) -> int:
    """Drop the sorted `times` before `since`, but the last; how many were dropped."""
    old = min(bisect_left(times, since), len(times) - 1)
    del times[: max(old, 0)]
    return max(old, 0)


def count_in(times: list[int], start: int, end: int) -> int:
    """How many of the sorted `times` are in [start, end)."""
    return bisect_left(times, end) - bisect_left(times, start)


def count_after(times: list[int], instant: int) -> int:
    """How many of the sorted `times` are later than `instant`."""
    return len(times) - bisect_right(times, instant)
