"""What stands on the agenda: tasks, and watches over their runs."""

from __future__ import annotations

from collections import deque

from .civil import BEGINNING, FOREVER
from .history import Outcome, Run, TaskLog
from .policy import FailureMode
from .records import BIT, Action
from .schedule import SECOND, Overlap, Request, Schedule
from .verdict import Plan, Reads

NO_REQUESTS: deque[Request] = deque(maxlen=0)
CRASH_WAIT, CRASH_WAIT_MOST = SECOND, 60 * SECOND
LONG_STREAK = 6  # doubled so often it is more than that
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

    # --- after a run was released -----------------------------------------------------------

    def wait_after(self, ending: Action, instant: int) -> None:
        """A run has ended. After one that was released the task waits; one whose lease has to end
        first waits for that."""
        if self._waits_after(ending):
            self.crash_wait = min(max(CRASH_WAIT, 2 * self.crash_wait), CRASH_WAIT_MOST)
            self.not_before = max(self.not_before, instant + self.crash_wait)
        elif not self.log.policy.undoing & BIT[ending]:
            self.crash_wait = 0

    def _waits_after(self, ending: Action) -> bool:
        if ending is Action.CRASH:
            return True
        policy = self.log.policy
        return bool(policy.undoing & BIT[ending]) and policy.failure is not FailureMode.NONE

    def wait_on(self, waited: int) -> None:
        """It is there again, with a log that was known when it had waited for so long."""
        outcome = self.log.outcome
        if outcome is None:
            return
        if waited and self._waits_after(outcome.action):
            self.crash_wait, self.not_before = waited, outcome.mark.at + waited
        elif outcome.action is Action.CRASH:
            self.wait_after(outcome.action, outcome.mark.at)

    def wait_anew(self, known: Outcome | None) -> None:
        """Its log was read anew. If another ending is the latest now, the task waits after that
        one; no longer than after so many that were released in a row."""
        outcome = self.log.outcome
        if outcome is None or known is not None and outcome.mark.seq == known.mark.seq:
            return
        others = self.log.streak - 1
        longest = CRASH_WAIT << min(others - 1, LONG_STREAK) if others > 0 else 0
        self.crash_wait = min(self.crash_wait, longest)
        self.wait_after(outcome.action, outcome.mark.at)

    def begin_again(self) -> None:
        """The clock was set back: what it has waited for is over, but for the wait itself."""
        self.not_before = self.latest = BEGINNING
        self.behind, self.queued = None, False
        if self.crash_wait and self.log.outcome is not None:
            self.not_before = self.log.outcome.mark.at + self.crash_wait


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
