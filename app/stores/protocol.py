"""What every store promises.

A commit is a list of steps that become durable together, in order, before the code of any claimed
run starts. A claim is the RUN record of a start and the lease on its run; a finish is the ending
record and the lease's release; an extension makes a lease last longer; a missed occurrence is
noted down.

A claim is refused when the log holds, after the position its decision was based on, a record of
its own task or of a key its verdict read. The test and the write are one atomic step, so two
instances never both start what excludes each other. It is also refused when another instance has
registered a newer condition of the task than this one. A finish or an extension is refused when the
lease is gone: somebody has written `crash` for that run. What follows in a commit from a refused
step is refused with it. Sequence numbers are given in commit order, from 1, and
none twice, whatever is dropped of the log.

A lease is either its instance's, and lasts for as long as that lives, or lasts for so long from the
claim or the latest extension on, by the store's clock. That it ran out changes nothing by itself:
whoever next opens or follows the store writes `crash` for its run. The number of the RUN record is
the run's fencing token: of two runs of a task the later has the higher.

Dynamic tasks are rows of the store (`dynamic.py`), so that there may be millions.

A store has any number of apps, each in a namespace of its own, and each with any number of
instances.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Container, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from enum import Enum
from typing import NamedTuple, Protocol

from ...engine.decisions import Claim, Missed
from ...engine.records import Action, Record
from ..errors import StoreError
from .dynamic import Awaited, Dynamic, Planned, Rest, Shares, Wanted
from .skew import Skew

CLOCK_CHECK = 5_000_000
"""Even a store that nobody else writes to is looked at so often, in microseconds: the same waking
notices a clock that was moved."""
CROWDED_PATIENCE = 250_000
"""How often it is looked at while other instances are on it, where it gives no notice by itself."""
LEASE = 15_000_000
"""For how long an instance is taken to live without a renewal, in microseconds; it renews each
third of that."""
NOWHERE = 1 << 62
"""A number beyond those of all records."""
BETWEEN = 1000
"""So many records of others a commit is answered with, at most."""
UNSPEAKABLE = re.compile("[\0\ud800-\udfff]")
"""What not every store can hold in a text: NUL, and halves of surrogate pairs."""
LONGEST_NAME = 1000
"""How many bytes a name may have as UTF-8: an entry of an index of PostgreSQL has at most 2704, and
two names may be in one."""


__all__ = [
    "BETWEEN", "CLOCK_CHECK", "CROWDED_PATIENCE", "LEASE", "NOWHERE", "Answer", "Answers", "Claim",
    "Dynamic", "Extension", "Finish", "Instance", "LONGEST_NAME", "LogLost", "Missed", "Planned",
    "Query", "Refused", "Registered", "Rest", "Step", "Store", "UNSPEAKABLE", "Wanted", "judge",
]  # fmt: skip


class Finish(NamedTuple):
    """`record.run` names the run."""

    record: Record


class Extension(NamedTuple):
    """From now on the lease of a run lasts for so many microseconds."""

    task: str
    run: int
    lease: int


class Query(NamedTuple):
    """What to read of the log: all that satisfies each condition that is not None. `since` and
    `until` are of `at`, [since, until); `after` is a sequence number that all have to be beyond;
    `newest` keeps so many of the latest, `oldest` in its place so many of the earliest."""

    tasks: tuple[str, ...] | None = None
    actions: tuple[Action, ...] | None = None
    run_ids: tuple[str, ...] | None = None
    seqs: tuple[int, ...] | None = None
    since: int | None = None
    until: int | None = None
    newest: int | None = None
    after: int | None = None
    oldest: int | None = None

    def matches(self, record: Record) -> bool:
        """Whether a numbered record does, apart from `newest` and `oldest`."""
        return (
            (self.tasks is None or record.task in self.tasks)
            and (self.actions is None or record.action in self.actions)
            and (self.run_ids is None or record.run_id in self.run_ids)
            and (self.seqs is None or record.seq in self.seqs)
            and (self.since is None or record.at >= self.since)
            and (self.until is None or record.at < self.until)
            and (self.after is None or record.seq > self.after)
        )


class Refused(Enum):
    NEWER = "a newer record changes what the claim was based on"
    SUPERSEDED = "another app has registered a newer condition of the task"
    LEASE_LOST = "the run's lease was lost"


NEWER, LEASE_LOST = Refused.NEWER, Refused.LEASE_LOST  # quicker to name


class Registered(NamedTuple):
    """What is known of a task: since when its condition reads as it does, and up to when all that
    came due was decided by somebody (None: never yet)."""

    since: int
    decided: int | None


class Instance(NamedTuple):
    """One app instance on the store. `since` is when it joined, by the app's clock; `alive` whether
    it is taken to live, `own` whether it is this one."""

    id: str
    host: str
    pid: int
    since: int
    alive: bool
    own: bool


class LogLost(StoreError):
    """The store has lost records that it had, or may have. Nothing of the call has happened; the
    store goes on, and what is known of the log has to be read anew."""


Step = Claim | Finish | Extension | Missed | Rest
Answer = int | Refused
"""The sequence number of the record written (of a step that writes none: the newest there is), or
why nothing was."""


class Answers(list[Answer]):
    """Those to the steps of a commit. `between` are all records after the position that was given
    with them and before those that it wrote; None where that has to be asked for."""

    between: list[Record] | None = None

    @property
    def newest(self) -> int:
        """The newest number that they tell of."""
        numbers = [answer for answer in self if isinstance(answer, int)]
        return max(numbers + [record.seq for record in (self.between or ())[-1:]], default=0)


class Store(Protocol):
    """One app instance's way to the log. Every method raises StoreError when the store fails;
    then nothing of the call has happened, or the store sees to it that nothing has before it
    answers again."""

    @property
    def patience(self) -> int:
        """After how many microseconds to look for records of others again."""

    @property
    def skew(self) -> Skew | None:
        """How far the store's clock is ahead of the app's, as far as is known from when it was
        followed; None where leases are timed by a clock of this host."""

    def on_notice(self, heard: Callable[[int], None]) -> None:
        """Said before the store is opened: `heard` is to be called, on any thread, when another
        instance may have written, with the newest number that there is by then; NOWHERE where it
        may be any, and where something else has happened. A store without a notice of its own never
        does."""

    def again(self) -> Store:
        """Another way to the same log, which is not open."""

    async def open(self, now: int) -> None:
        """Make ready, and join the instances, as a new one. Runs whose lease is over get a `crash`;
        so do those that this one left live when it was closed."""

    async def load(self, lookback: Mapping[str, int]) -> tuple[int, list[Record]]:
        """The newest sequence number of the log, and what a start needs of these tasks, by
        sequence: the latest record of each action, the latest run of each ending, the live runs,
        what happened at or after the instant given for the task, and of each of these the run it
        ended and its ending."""

    def peek(self, lookback: Mapping[str, int], now: int) -> tuple[int, list[Record]]:
        """The same without opening the store: nothing is written or joined. Runs whose lease is
        over are given as crashed. Blocks, on any thread; a store that is not there yet is empty."""

    async def commit(self, steps: Sequence[Step], position: int | None = None) -> list[Answer]:
        """Make the steps durable, in order. A store that gives notice may tell at the same time
        what others have written after a position: the answers are Answers then."""

    async def follow(self, position: int, now: int) -> list[Record]:
        """The records after `position`, by sequence. Runs whose lease is over get a `crash`."""

    def is_there(self) -> bool:
        """Whether anybody has made it yet. Blocks, as `read` does."""

    def watch(self, heard: Callable[[], None]) -> AbstractContextManager[None]:
        """While in it, `heard` is called on another thread when somebody may have written. Nothing
        is opened, written or joined. Raises StoreError for a store that is not there."""

    def read(self, query: Query) -> list[Record]:
        """The records that satisfy the query, by sequence. Blocks, on any thread, whether the store
        is open or not; one that is not there yet has none."""

    def count(self, query: Query) -> int:
        """How many they are."""

    async def register(
        self, conditions: Mapping[str, str], now: int, again: Mapping[str, int] = {}
    ) -> dict[str, Registered]:
        """Say how the conditions of these tasks read now. One that reads as it did stays registered
        since then; another is so since `now`, and nothing is decided of it yet. It takes the place
        of what other instances have registered before.

        Of those in `again` it is said once more, to a store that may have lost it: they are
        registered since that instant, and all is decided of them until `now`. What the store says
        that is newer stays."""

    async def decided(self, tasks: Mapping[str, int]) -> None:
        """Up to when all that came due of these tasks, registered before, was decided. What is
        known of an instant that is later stays, and so does what is known of a task whose condition
        another instance has registered since, to read otherwise."""

    def missed(self, tasks: Sequence[str] | None = None, newest: int | None = None) -> list[Missed]:
        """The occurrences noted as missed that no run has served since, by instant; of these tasks,
        and so many of the latest. Blocks, as `read` does."""

    def registered(self, conditions: Mapping[str, str] | None = None) -> dict[str, Registered]:
        """What is known of the tasks ever registered; with `conditions`, of those that are
        registered as reading so. Blocks, as `read` does."""

    def instances(self) -> list[Instance]:
        """Who has the store open. Blocks, as `read` does."""

    async def trim(self, before: int, lookback: Mapping[str, int], most: int) -> int:
        """Drop records from before an instant, and missed occurrences: at most so many, the oldest
        first; how many were dropped. What `load` gives for the look-back stays, of a task that is
        not in it what it gives for any, and so does what is live. A run goes with its ending. Of a
        dynamic task that is gone nothing stays, if this instance looks for those of its family; but
        a store may keep the newest record of the log."""

    # --- dynamic tasks --------------------------------------------------------------------

    def schedule(self, tasks: Sequence[Planned], now: int) -> Awaitable[None]:
        """Let these dynamic tasks be, all or none. One that is as it is to be already stays as it
        is; another one that there is keeps its records, and what it was about if its condition
        reads as it did. Of the same name twice the last counts."""

    def unschedule(self, tasks: Sequence[str]) -> Awaitable[set[str]]:
        """Remove these dynamic tasks; which there were. Runs that are live go on to their end."""

    async def take(
        self, shares: Shares, now: int, but: Mapping[str, int] = {}
    ) -> tuple[list[Dynamic], int]:
        """Hold for this instance what is to be looked at by now, of each shard no more than so
        many, the longest due first; and at which instant there is more to be had (FOREVER: time
        alone brings none). `look` is what it was before. Tasks of `but` are passed over in both, as
        if they were not there, while they are of the version that it says."""

    async def let_go(self, but: Sequence[str]) -> None:
        """Let go of what this instance holds, but for these: of a `take` without an answer. They
        are due at once."""

    async def rouse(self, keys: Sequence[Awaited], now: int) -> None:
        """Whoever waits for one of these is due now."""

    async def set_back(self, now: int, beyond: int) -> None:
        """The clock was, and says `now`: what was decided, or scheduled, later than `beyond` is so
        since now, and due at once. To ask costs nothing where there is none."""

    def dynamic(self, wanted: Wanted) -> list[Dynamic]:
        """The dynamic tasks, by name. Blocks, as `read` does."""

    async def close(self) -> None:
        """Leave the instances. Live runs of this instance are left to be written as crashed, and
        what it holds is let go of."""


def judge(
    steps: Iterable[Step],
    refusal: Callable[[Claim], Refused | None],
    held: Container[int | None],
) -> list[Refused | None]:
    """Why each step is refused, or None: `refusal` tells whether the task of a claim has a newer
    condition, or is none any more (SUPERSEDED), or the log has a newer record of what the claim
    read (NEWER), `held` the runs whose lease is this instance's. Once a record is refused so are
    all claims and rests after it: what they read does not tell what they rest on, since a condition
    that holds because of a record reads nothing more of it."""
    undone = False
    ended: set[int | None] = set()
    answers: list[Refused | None] = []
    for step in steps:
        refused: Refused | None = None
        if isinstance(step, Claim):
            refused = refusal(step) or (NEWER if undone else None)
            undone = refused is not None
        elif isinstance(step, Finish):
            run = step.record.run
            if run in held and run not in ended:
                ended.add(run)
            else:
                refused, undone = LEASE_LOST, True
        elif isinstance(step, Extension) and (step.run not in held or step.run in ended):
            refused = LEASE_LOST
        elif undone and isinstance(step, Rest):
            refused = NEWER
        answers.append(refused)
    return answers
