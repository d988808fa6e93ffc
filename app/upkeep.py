"""What is written to the store now and then, besides the log: how conditions read, up to when all
that came due was decided, and what of the log may go.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..engine.agenda import Agenda
from ..engine.civil import FOREVER, SECOND
from .stores.protocol import Registered, Store

MARK_EVERY = 30 * SECOND
TRIM_EVERY = 3600 * SECOND
TRIMMED_AT_ONCE = 1000


class Upkeep:
    """`keep` is for how long records are kept, in microseconds; None: for ever. `due` is when
    there next is something to do."""

    def __init__(self, store: Store, agenda: Agenda) -> None:
        self.store = store
        self.agenda = agenda
        self.keep: int | None = None
        self._known: dict[str, Registered] = {}
        self._begun = 0  # since when our conditions are registered, but for these
        self._later: dict[str, int] = {}
        self._new: dict[str, str] = {}  # conditions to be registered, by task
        self._again: set[str] = set()  # those of them that were before
        self._mark_at = self._trim_at = FOREVER

    def begin(self, known: Mapping[str, Registered], now: int) -> int:
        """The store says this of the tasks; from when on there is something to decide."""
        self._known = dict(known)
        self._begun = now
        self._mark_at, self._trim_at = now + MARK_EVERY, now
        return min((undecided(each) for each in known.values()), default=now)

    def undecided(self) -> dict[str, int]:
        """The same of each task that is still to be planned."""
        return {task: undecided(known) for task, known in self._known.items()}

    def take_since(self, task: str) -> int | None:
        """From when on nobody has decided what came due of a task, which is being planned now;
        None: nothing has."""
        known = self._known.pop(task, None)
        return None if known is None else undecided(known)

    def register(self, task: str, condition: str) -> None:
        """The task is new, or its condition is another."""
        self._new[task] = condition
        self._again.discard(task)

    def register_again(self, conditions: Mapping[str, str]) -> None:
        """The store may not know any more how they read."""
        self._again |= conditions.keys() - self._new.keys()
        self._new = {**conditions, **self._new}

    @property
    def due(self) -> int:
        trim_at = FOREVER if self.keep is None else self._trim_at
        return BEFORE_ALL if self._new else min(self._mark_at, trim_at)

    async def register_new(self, now: int) -> set[str]:
        """Register what is new; the tasks whose logs have to be read for that."""
        new, self._new = self._new, {}
        if not new:
            return set()
        again = {task: self._later.get(task, self._begun) for task in self._again}
        try:
            found = await self.store.register(new, now, again)
        except BaseException:
            self._new = new | self._new
            raise
        self._later |= dict.fromkeys(new.keys() - again.keys(), now)
        self._again.clear()
        needed: set[str] = set()
        for task, known in found.items():
            if task in self.agenda.entries and self.agenda.search(task, undecided(known)):
                needed |= self.agenda.read_by(task)
        return needed

    async def see_to(self, now: int) -> None:
        if now >= self._mark_at:
            await self.store.decided(self.agenda.decided())
            self._mark_at = now + MARK_EVERY
        if self.keep is not None and now >= self._trim_at:
            before, lookback = now - self.keep, self.agenda.lookback(now)
            dropped = await self.store.trim(before, lookback, TRIMMED_AT_ONCE)
            if dropped < TRIMMED_AT_ONCE:
                self._trim_at = now + TRIM_EVERY

    def set_back(self, now: int) -> None:
        """The clock was."""
        self._mark_at = min(self._mark_at, now + MARK_EVERY)
        self._trim_at = min(self._trim_at, now + TRIM_EVERY)


BEFORE_ALL = 0


def undecided(known: Registered) -> int:
    return known.since if known.decided is None else max(known.since, known.decided)
