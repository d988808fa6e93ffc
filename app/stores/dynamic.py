"""What a store keeps of dynamic tasks: millions of them, each a row that is read only when it is
due.

A row says how its task was scheduled and when to look at it next. `take` holds what is due for one
instance, which decides about it and lets it go by a `Rest`: until an instant, and until a record
that its answer depends on. The store finds out by itself whom a record concerns: at the next `take`
whoever waits for an action of a task, as known up to a position that the latest such record is
beyond, is due since the first of them. So nothing is lost when nobody runs, and nobody is asked who
is not concerned.

To hold a row is no claim: what starts a run is a `Claim`, refused unless the row is of the version
that was decided about. What is held by an instance that is gone is due at once. So is the task of a
run that has outlasted its lease, if the instance of the run still holds it: whoever writes the
crash of the run releases the row in the same step.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

PARAMETER = "parameter"
"""In the place of an action: who waits for this waits for a parameter of the app, of that name."""
PIECE = 1000
"""How many tasks one record wakes at once; the others come after them."""
NO_VERSION = -1
"""A version that no row is of: a `Rest` of it lets go of what is held, and says nothing of it."""

Awaited = tuple[str, str]
"""A task and an action; or a parameter and `PARAMETER`."""


class State(StrEnum):
    """What a dynamic task is about: it will be looked at at an instant to come (SCHEDULED), or now
    (DUE); an instance has it, to decide about it or to run it (HELD); it waits for a record
    (WAITING); nothing starts it any more (SPENT)."""

    SCHEDULED = "scheduled"
    DUE = "due"
    HELD = "held"
    WAITING = "waiting"
    SPENT = "spent"


class Planned(NamedTuple):
    """A dynamic task as it is to be. `task` is its name in the log, the family's and its own with a
    colon between. `shard` is where to look for it, `text` all that it was scheduled with,
    `condition` how its condition reads, `due` when it is to be looked at first. Another `version`
    is given each time."""

    task: str
    shard: str
    text: str
    condition: str
    due: int
    version: int


class Dynamic(NamedTuple):
    """A dynamic task as it is. Of the log it has the records of runs numbered after `born`. Its
    condition reads so `since` an instant, and all that came due was `decided` up to one (None:
    never yet). By time alone its answer changes next at `due` (None: never). It is looked at at
    `look` (None: when a record comes, or while it is held): 0 means at once, and it may be the
    instant of a record that it waited for. `wait` is how long it had to wait after its latest
    crash, in microseconds."""

    task: str
    shard: str
    text: str
    condition: str
    version: int
    born: int
    since: int
    decided: int | None
    due: int | None
    look: int | None
    wait: int
    waits: int
    holder: str | None

    def state(self, now: int) -> State:
        if self.holder is not None:
            return State.HELD
        if self.look is not None:
            return State.SCHEDULED if self.look > now else State.DUE
        return State.WAITING if self.waits else State.SPENT


class Rest(NamedTuple):
    """A step of a commit: let go of a dynamic task, all of which was decided up to `decided`. Its
    answer stands until `due` (None: for ever by time alone), and until a record of `reads` beyond
    `position`. `done`: it is removed. One that is of another version by now, or that another
    instance holds, is only let go of: it is due at once."""

    task: str
    version: int
    due: int | None
    decided: int
    position: int = 0
    reads: tuple[Awaited, ...] = ()
    wait: int = 0
    done: bool = False


class Wanted(NamedTuple):
    """Which dynamic tasks to give, in order of their names: those of a family, or these, that come
    after one and satisfy what else is not None. `since` and `until` are of `look`, [since, until);
    `now` is what tells what is due."""

    family: str | None = None
    tasks: tuple[str, ...] | None = None
    state: State | None = None
    since: int | None = None
    until: int | None = None
    after: str | None = None
    most: int | None = None
    now: int = 0

    def matches(self, row: Dynamic) -> bool:
        """Apart from `most`."""
        look = row.look
        return (
            (self.family is None or row.task.startswith(f"{self.family}:"))
            and (self.tasks is None or row.task in self.tasks)
            and (self.state is None or row.state(self.now) is self.state)
            and (self.since is None or (look is not None and look >= self.since))
            and (self.until is None or (look is not None and look < self.until))
            and (self.after is None or row.task > self.after)
        )


Shares = Mapping[str, int]
"""Of each shard, how many tasks at most."""


def floor_of(row: Dynamic) -> int:
    """Up to when all that came due was decided."""
    return row.since if row.decided is None else row.decided


def family_of(name: str) -> str:
    """Of a dynamic task by its name in the log, or of a shard."""
    return name.partition(":")[0]


def condition_of(wanted: Wanted, mark: str, among: str) -> str:
    """What is wanted as the condition of a statement: `mark` makes of a field's name the place of
    its value, `among` is how a task is one of `tasks`."""
    states = {
        State.SCHEDULED: "look > {now}",
        State.DUE: "look <= {now}",
        State.HELD: "holder IS NOT NULL",
        State.WAITING: "look IS NULL AND holder IS NULL AND waits > 0",
        State.SPENT: "look IS NULL AND holder IS NULL AND waits = 0",
    }
    parts = {
        "family": "task > {family} || ':' AND task < {family} || ';'",
        "tasks": among,
        "state": states[wanted.state] if wanted.state is not None else "",
        "since": "look >= {since}",
        "until": "look < {until}",
        "after": "task > {after}",
    }
    places = {name: mark.format(name) for name in Wanted._fields}
    asked = [part for name, part in parts.items() if getattr(wanted, name) is not None]
    return " AND ".join(["true", *(part.format(**places) for part in asked)])
