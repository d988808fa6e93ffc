"""Why a condition is true or false, what would flip it, and when time alone will.

The tree of an explanation is the tree of the condition, each part with its value and the fact
behind it. `flips_at` is exact as long as nothing more is recorded. `ways` are the minimal sets of
atoms that would have to change for the whole to change.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice, product

from ..conds import nodes, parts, points
from .civil import BEGINNING, FOREVER, Zone, to_datetime
from .civil import zone as zone_of
from .history import TaskLog
from .periods import Period, Window, is_window, period_of
from .plan import ACTIONS, SINCE, Planner
from .records import Action
from .verdict import Plan

MOST_WAYS = 16


@dataclass(frozen=True, slots=True)
class Explanation:
    """One part of a condition at an instant. `until` and `flips_at` are aware datetimes in the
    part's zone; None: never, by time alone. `str` draws the tree."""

    text: str
    value: bool
    reason: str
    until: datetime | None
    flips_at: datetime | None
    parts: tuple[Explanation, ...] = ()
    negated: bool = False
    either: bool = False

    @property
    def ways(self) -> tuple[tuple[str, ...], ...]:
        """The minimal sets of atoms whose change would change the value of the whole; each
        atom's text says what would have to come true, `~` before it what would have to end."""
        return tuple(tuple(dict.fromkeys(way)) for way in islice(self._ways(), MOST_WAYS))

    def _ways(self) -> Iterator[tuple[str, ...]]:
        if not self.parts:
            yield (f"~({self.text})" if self.value else self.text,)
        elif self.negated:
            yield from self.parts[0]._ways()
        elif self.value is self.either:  # every part that holds the value up has to change
            holding = (part for part in self.parts if part.value is self.value)
            for way in product(*(tuple(islice(p._ways(), MOST_WAYS)) for p in holding)):
                yield tuple(atom for atoms in way for atom in atoms)
        else:  # any one part would do
            for part in self.parts:
                yield from part._ways()

    def __bool__(self) -> bool:
        return self.value

    def __str__(self) -> str:
        return "\n".join(self._lines("", ""))

    def _lines(self, first: str, rest: str) -> Iterator[str]:
        mark = "✓" if self.value else "✗"
        yield f"{first}{mark} {self.text}" + (f"  —  {self.reason}" if self.reason else "")
        for i, part in enumerate(self.parts):
            last = i == len(self.parts) - 1
            yield from part._lines(
                rest + ("└─ " if last else "├─ "), rest + ("   " if last else "│  ")
            )

    def to_dict(self) -> dict[str, object]:
        return {
            "text": self.text,
            "value": self.value,
            "reason": self.reason,
            "until": self.until.isoformat() if self.until else None,
            "flips_at": self.flips_at.isoformat() if self.flips_at else None,
            "parts": [part.to_dict() for part in self.parts],
        }


def flips_at(plan: Plan, now: int) -> int:
    """When the value changes if nothing more is recorded; FOREVER if time alone never changes
    it. Exact: it is asked of the period that the condition is as long as the log stands."""
    return Period(plan.outlook(now)).change_after(now)


@dataclass(slots=True)
class Explainer:
    """Explains the conditions of one task at one instant."""

    planner: Planner
    task: str
    now: int

    def explain(self, node: nodes.Condition, zone: Zone) -> Explanation:
        plan = self.planner.plan(node, self.task, zone)
        verdict = plan.check(self.now)
        flip = flips_at(plan, self.now)
        match node:
            case nodes.Zoned(term, name):
                return self.explain(term, zone_of(name))
            case nodes.All(terms) | nodes.Any(terms):
                parts = tuple(self.explain(term, zone) for term in terms)
            case nodes.Not(term):
                parts = (self.explain(term, zone),)
            case _:
                parts = ()
        return Explanation(
            str(node),
            verdict.value,
            "" if parts else self.reason(node, zone),
            shown(verdict.until, zone),
            shown(flip, zone),
            parts,
            negated=isinstance(node, nodes.Not),
            either=isinstance(node, nodes.Any),
        )

    # --- the fact behind an atom ----------------------------------------------------------

    def reason(self, node: nodes.Condition, zone: Zone) -> str:
        own = self.planner.history.of(self.task)
        match node:
            case nodes.Constant():
                return ""
            case nodes.Cadence() | nodes.Cron() | nodes.Once():
                return self.cadence(node, zone, own)
            case nodes.Every(duration, since, range_):
                return self.interval(duration.microseconds, since, range_, zone, own)
            case nodes.AfterTasks(names, outcome):
                return "; ".join(self.dependence(name, outcome, own, zone) for name in names)
            case nodes.Has(event, name):
                mark = self.planner.history.of(name or self.task).latest(ACTIONS[event])
                return f"last {event} {self.at(mark.at, zone)}" if mark else f"never {event}"
            case nodes.Running(name):
                live = len(self.planner.history.of(name or self.task).live)
                return f"{live} running"
            case nodes.Retry(times):
                return self.retry(times, own, zone)
            case _ if is_window(node):
                return self.window(node, zone)
            case _:
                return ""

    def at(self, instant: int, zone: Zone) -> str:
        """The instant in words: with its date unless that is today's."""
        moment, today = shown(instant, zone), shown(self.now, zone)
        if moment is None:
            return "never"
        clock = moment.strftime("%H:%M:%S").removesuffix(":00")
        same_day = today is not None and moment.date() == today.date()
        return clock if same_day else f"{moment:%Y-%m-%d} {clock}"

    def window(self, node: nodes.Condition, zone: Zone) -> str:
        window = period_of(node, zone).window_from(self.now)
        if window is None:
            return "the window never opens again"
        if window.start <= self.now:
            return f"open until {self.at(window.end, zone)}"
        return f"opens {self.at(window.start, zone)}"

    def cadence(self, node: nodes.Condition, zone: Zone, own: TaskLog) -> str:
        window = period_of(node, zone).window_from(self.now)
        if window is None or self.now < window.start:
            return self.window(node, zone)
        if own.counted_in(window.start, window.end) <= self.now:
            return f"{self.window(node, zone)}, and not run in it yet"
        return f"run in this window already, {self.done(window, own, zone)}"

    def done(self, window: Window, own: TaskLog, zone: Zone) -> str:
        run = next(r for r in reversed(own.starts) if window.start <= r.scheduled_at < window.end)
        ending = "still running" if run.ending is None else str(run.ending)
        return f"at {self.at(run.scheduled_at, zone)} ({ending})"

    def interval(
        self,
        length: int,
        since: parts.Since,
        range_: parts.Range | None,
        zone: Zone,
        own: TaskLog,
    ) -> str:
        if SINCE[since]:
            mark = own.latest(SINCE[since])
            base = None if mark is None else mark.at
        else:
            start = own.latest_start(self.now)
            base = None if start is None else start.scheduled_at
        what = {parts.Since.RUN: "run", parts.Since.FINISH: "finish"}.get(since, str(since))
        due = "due now" if base is None or base + length <= self.now else ""
        text = f"no {what} yet" if base is None else f"last {what} {self.at(base, zone)}"
        if not due and base is not None:
            due = f"due {self.at(base + length, zone)}"
        if range_ is not None:
            window = self.window(nodes.TimeOf(points.Unit.DAY, range_), zone)
            return f"{text}, {due}; {window}"
        return f"{text}, {due}"

    def dependence(self, name: str, outcome: parts.Event, own: TaskLog, zone: Zone) -> str:
        mark = self.planner.history.of(name).latest(ACTIONS[outcome])
        if mark is None:
            return f"'{name}' has not {outcome} yet"
        text = f"'{name}' {outcome} {self.at(mark.at, zone)}"
        start = own.latest_start(self.now)
        if start is None:
            return text
        relation = "before" if mark.seq < start.mark.seq else "after"
        return f"{text}, {relation} this task's own start {self.at(start.mark.at, zone)}"

    def retry(self, times: int | None, own: TaskLog, zone: Zone) -> str:
        outcome = own.outcome
        if outcome is None or outcome.action not in (Action.FAIL, Action.CRASH):
            return "nothing has failed" if outcome is None else f"last run: {outcome.action}"
        tried = f"attempt {outcome.attempt + 1} ended in {outcome.action}"
        left = "" if times is None else f" of {times + 1}"
        return f"{tried}{left} at {self.at(outcome.mark.at, zone)}"


def shown(instant: int, zone: Zone) -> datetime | None:
    return None if instant in (BEGINNING, FOREVER) else to_datetime(instant, zone)
