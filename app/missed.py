"""What nobody ran, and when: noted in the store, or come due since somebody last decided.

The second is found by a look that changes nothing: an agenda of its own, asked what an app that
starts now would do. What that would start is taken as done, so that of several occurrences it goes
on to the next.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from ..engine.agenda import Agenda
from ..engine.civil import BEGINNING, FOREVER, Zone, to_datetime
from ..engine.decisions import Missed, Start
from ..engine.items import Entry
from ..engine.records import Action, Record
from .journal import scheduler_log

if TYPE_CHECKING:
    from .runtime import Runtime
    from .session import Session

MOST_STARTS = 1000  # that are looked for one by one


class Fate(StrEnum):
    """What becomes of an occurrence that nobody has run."""

    MISSED = "missed"
    CAUGHT_UP = "will be caught up with"
    AGAIN = "will run again after a crash"
    DUE = "is due"


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Aware datetimes in the task's zone. With `until`: all those from `at` up to then, of which
    there are too many to look for each."""

    task: str
    at: datetime
    fate: Fate
    until: datetime | None = None

    def to_dict(self) -> dict[str, str | None]:
        """Plain values, for JSON."""
        until = None if self.until is None else self.until.isoformat()
        return {
            "task": self.task,
            "at": self.at.isoformat(),
            "until": until,
            "fate": self.fate.name.lower(),
        }


Found = tuple[Missed, Fate]


def occurrences(
    session: Session, life: Runtime | None, names: Container[str] | None
) -> list[Occurrence]:
    """By instant; of these tasks, or of all. `life` has peeked at the store; without one, the
    store's notes are all."""
    noted: list[Found] = [(each, Fate.MISSED) for each in session.store.missed()]
    come_due = [] if life is None else list(undecided(life, names))
    found = dict([*noted, *come_due])
    return [
        Occurrence(
            each.task,
            moment(each.scheduled_at, session, each.task),
            fate,
            None if each.until is None else moment(each.until, session, each.task),
        )
        for each, fate in sorted(found.items(), key=lambda f: (f[0].scheduled_at, f[0].task))
        if names is None or each.task in names
    ]


def moment(instant: int, session: Session, task: str) -> datetime:
    """In the task's zone, if there is such a task; else in the app's."""
    known = session.get(task)
    zone = known and known.timezone or session.config.timezone
    found = to_datetime(instant, zone)
    assert found is not None  # instants of occurrences are of years that datetimes have
    return found


def undecided(life: Runtime, names: Container[str] | None) -> Iterator[Found]:
    """What has come due of these tasks and was decided by nobody. Custom conditions are not asked:
    what they would have said then is not known."""
    agenda, now = life.agenda, life.clock.now()
    agenda.asking.silenced = tell_failing
    entries: list[Entry] = []
    for name, entry in agenda.entries.items():
        searched = entry.behind is not None and entry.enabled
        if searched and (names is None or name in names):
            entry.not_before = BEGINNING  # what waits after a crash is due all the same
            entries.append(entry)
        else:
            agenda.enable(name, False)
    opened = {entry.name: opened_at(entry, now) for entry in entries}
    begun = {entry.name: entry.log.starts[-1].scheduled_at for entry in entries if entry.log.starts}
    room = MOST_STARTS + len(entries)
    while room:
        starts = agenda.decide(now, room)
        yield from ((missed, Fate.MISSED) for missed in agenda.drain_missed())
        for start in starts:
            task, at = start.record.task, start.record.logical
            fate = Fate.DUE if at >= opened[task] else Fate.CAUGHT_UP
            yield Missed(task, at), Fate.AGAIN if at == begun.get(task) else fate
            serve(agenda, start, now)
        if not starts:
            return
        room -= len(starts)
        for entry in entries:
            if entry.behind is None and entry.enabled:  # the others are caught up with in order
                agenda.enable(entry.name, False)
    for entry in entries:
        if entry.behind is not None and entry.behind < now:
            yield Missed(entry.name, entry.behind, now), Fate.CAUGHT_UP
        elif entry.behind is not None and opened[entry.name] <= now:
            yield Missed(entry.name, opened[entry.name]), Fate.DUE


def opened_at(entry: Entry, now: int) -> int:
    """Since when the condition holds; FOREVER if it does not."""
    try:
        verdict = entry.plan.check(now)
    except Exception as error:
        tell_failing(entry.name, error)
        return FOREVER
    return verdict.since if verdict.value else FOREVER


def serve(agenda: Agenda, start: Start, now: int) -> None:
    """Go on as if the start had been claimed, and its run had succeeded at once."""
    task, run = start.record.task, agenda.history.position + 1
    agenda.settle(task, start.mark, run)
    agenda.take(Record(task, Action.SUCCESS, now, run + 1, run=run), now)


def tell_failing(task: str, error: Exception) -> None:
    scheduler_log.error("a condition of task %s failed: %r", task, error)


def tell_missed(missed: Missed, zone: Zone) -> None:
    since = to_datetime(missed.scheduled_at, zone)
    if missed.until is None:
        scheduler_log.warning("missed: %s at %s", missed.task, since)
    else:
        until = to_datetime(missed.until, zone)
        scheduler_log.warning(
            "missed: %s from %s until %s, too many to look for each", missed.task, since, until
        )
