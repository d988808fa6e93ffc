"""What stands on the agenda: tasks, and watches over their runs."""

from __future__ import annotations

from collections import deque

from .civil import BEGINNING, FOREVER
from .history import Run, TaskLog
from .schedule import Overlap, Request, Schedule
from .verdict import Plan, Reads

NO_REQUESTS: deque[Request] = deque(maxlen=0)
PLACES = 1 << 64  # more than there are tasks, and than priorities are told apart


class Item:
    """What stands in the heap: `due` is the instant of its valid place there, `reads` what its
    last answer read: a record of these puts it back. Of two that are due together the one of lower
    `rank` is first; if that is the same, one of them is gone."""

    __slots__ = ("due", "log", "name", "plan", "rank", "reads")

    def __init__(self, name: str, plan: Plan, log: TaskLog, rank: int) -> None:
        self.name = name
        self.plan = plan
        self.log = log
        self.rank = rank
        self.due = FOREVER
        self.reads: Reads = ()

    def __lt__(self, other: Item) -> bool:
        return False


class Entry(Item):
    """One task on the agenda. `fresh` is its plan with `retry` taken as false: a start that
    only the full plan allows is a retry. `watch` looks after its live runs, `latest` is the
    instant of its latest start, `requests` are the starts asked for, `paced` is the interval that
    gives a start its phase. `behind` is from when on it
    has still to be decided, where that is not the present; `queued` whether what has come due
    since then waited for a run of the task itself, or for room."""

    __slots__ = (
        "behind",
        "crash_wait",
        "enabled",
        "fresh",
        "latest",
        "not_before",
        "paced",
        "queued",
        "requests",
        "schedule",
        "watch",
    )

    def __init__(
        self, name: str, schedule: Schedule, plan: Plan, fresh: Plan, log: TaskLog, rank: int
    ) -> None:
        super().__init__(name, plan, log, rank)
        self.schedule = schedule
        self.fresh = fresh
        self.paced = plan.paced
        self.watch: Watch | None = None
        self.enabled = schedule.enabled
        self.not_before = self.latest = BEGINNING
        self.behind: int | None = None
        self.queued = False
        self.requests: deque[Request] = NO_REQUESTS
        self.crash_wait = 0

    @property
    def waits_for_its_run(self) -> bool:
        """Whether it cannot start before a live run of the task has ended."""
        overlap = self.schedule.overlap
        return bool(self.log.live) and (overlap is Overlap.SKIP or overlap is Overlap.QUEUE)

    def waits_for_its_condition(self, instant: int) -> bool:
        """Whether nothing but that decides at `instant` if the task starts."""
        ready = self.enabled and self.schedule.standing and instant >= self.not_before
        return ready and not (self.requests or self.log.live)


class Watch(Item):
    """When the live runs of a task are to be ended. `told` are those of which it was said."""

    __slots__ = ("timeout", "told")

    def __init__(self, entry: Entry, plan: Plan, timeout: int | None) -> None:
        super().__init__(entry.name, plan, entry.log, entry.rank + 1)
        self.timeout = timeout
        self.told: set[Run] = set()


def rank_of(schedule: Schedule, place: int) -> int:
    """What is asked for by occasion first, then by -priority and order of definition. The watch of
    an entry comes right after it."""
    urgency = min(max(schedule.priority, -PLACES), PLACES)
    if not schedule.standing:
        urgency += 4 * PLACES
    return 2 * place - urgency * PLACES


def place_of(rank: int) -> int:
    """The place in the order of definition that is in a rank."""
    return rank % PLACES // 2
