"""The fact behind the value of an atom, in words, in the wall clock of the atom's zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from ..conds import nodes, parts
from ..conds.points import Duration
from .atoms import HasPlan, RetryPlan, RunningPlan, looked_at
from .civil import BEGINNING, FOREVER, Zone, to_datetime
from .history import Run, TaskLog
from .periods import Window, is_window, period_of
from .plan import ACTIONS, SINCE, Planner
from .records import Action

SECOND = 1_000_000
WHAT = {
    parts.Event.STARTED: "start",
    parts.Event.SUCCEEDED: "success",
    parts.Event.FAILED: "fail",
    parts.Event.FINISHED: "finish",
    parts.Event.TERMINATED: "terminate",
    parts.Event.INACTED: "inaction",
    parts.Event.CRASHED: "crash",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known, at one instant and in one zone, of the atoms of a task's conditions."""

    planner: Planner
    task: str
    now: int
    zone: Zone

    def of(self, node: nodes.Condition) -> str:
        match node:
            case nodes.Constant():
                return ""
            case nodes.Cadence() | nodes.Cron() | nodes.Once():
                return self.cadence(node)
            case nodes.Every(duration, since):
                return self.interval(duration.microseconds, since)
            case nodes.AfterTasks((name, *_), outcome):
                return self.dependence(name, outcome)
            case nodes.Has():
                return self.records(node)
            case nodes.Running():
                return self.running(node)
            case nodes.Retry():
                return self.retry(node)
            case nodes.SchedulerAge(duration):
                return self.scheduler_age(duration.microseconds)
            case nodes.SchedulerCycles():
                return self.scheduler_cycles()
            case nodes.Env(name):
                return self.parameter("env")
            case nodes.ParamIs(name):
                return self.parameter(name)
            case nodes.ParamsExist(names):
                return ", ".join(map(self.existence, names))
            case nodes.Func() | nodes.Call() | nodes.Phrase():
                return f"it answered {'yes' if self.value(node) else 'no'}"
            case _ if is_window(node):
                return self.window(node)
            case _:
                return ""

    def value(self, node: nodes.Condition) -> bool:
        return self.planner.plan(node, self.task, self.zone).check(self.now).value

    @property
    def own(self) -> TaskLog:
        return self.planner.history.of(self.task)

    def log(self, name: str | None) -> TaskLog:
        return self.planner.history.of(name or self.task)

    def at(self, instant: int) -> str:
        """The instant in words: with its date unless that is today's."""
        moment, today = shown(instant, self.zone), shown(self.now, self.zone)
        if moment is None:
            return "never"
        clock = moment.strftime("%H:%M:%S").removesuffix(":00")
        same_day = today is not None and moment.date() == today.date()
        return clock if same_day else f"{moment:%Y-%m-%d} {clock}"

    # --- windows and cadences -------------------------------------------------------------

    def window(self, node: nodes.Condition | parts.ThisCycle) -> str:
        window = period_of(node, self.zone).window_from(self.now)
        if window is None:
            return "the window never opens again"
        if self.now < window.start:
            return f"opens {self.at(window.start)}"
        return "open for ever" if window.end >= FOREVER else f"open until {self.at(window.end)}"

    def cadence(self, node: nodes.Condition) -> str:
        window = period_of(node, self.zone).window_from(self.now)
        if window is None or self.now < window.start:
            return self.window(node)
        counted = self.own.counted_in(window.start, window.end)
        if counted > self.now:
            lapse = f", released {self.at(counted)}" if counted < window.end else ""
            following = period_of(node, self.zone).window_from(window.end)
            again = "never again" if following is None else f"again {self.at(following.start)}"
            return f"run in this window already, {self.done(window)}{lapse or f'; {again}'}"
        return f"{self.window(node)}, and not run in it yet{self.released(window)}"

    def done(self, window: Window) -> str:
        runs = (run for run in reversed(self.own.starts) if self.within(run, window))
        run = next((run for run in runs if self.own.counted(run) > self.now), None)
        if run is None:
            return "some time ago"
        return f"at {self.at(run.scheduled_at)} ({ended(run)})"

    def released(self, window: Window) -> str:
        """The latest run in the window, if it has been released."""
        runs = [run for run in self.own.starts if self.within(run, window)]
        return f" (the run at {self.at(runs[-1].scheduled_at)}: {ended(runs[-1])})" if runs else ""

    def within(self, run: Run, window: Window) -> bool:
        return window.start <= run.scheduled_at < window.end

    def interval(self, length: int, since: parts.Since) -> str:
        if SINCE[since]:
            times = (self.own.times.get(action) for action in SINCE[since])
            base = max((found[-1] for found in times if found), default=None)
        else:
            start = self.own.latest_start(self.now)
            base = None if start is None else start.paced_at
            if start is not None and self.own.counted(start) < start.paced_at + length:
                released = self.at(self.own.counted(start))
                return f"last run {self.at(start.paced_at)} ({ended(start)}), released {released}"
            if start is None and self.own.starts:
                last = self.own.starts[-1]
                return (
                    f"the run at {self.at(last.scheduled_at)} ({ended(last)}) is released, due now"
                )
        what = {parts.Since.RUN: "run", parts.Since.FINISH: "finish"}.get(since, str(since))
        if base is None:
            return f"no {what} yet, due now"
        due = base + length
        when = "due now" if due <= self.now else f"due {self.at(due)}"
        return f"last {what} {self.at(base)}, {when}"

    # --- the log --------------------------------------------------------------------------

    def dependence(self, name: str, outcome: parts.Event) -> str:
        log = self.log(name)
        if not log.known:
            return f"there is no task '{name}'"
        mark, start = log.latest(ACTIONS[outcome]), self.own.latest_start(self.now)
        if mark is None:
            return f"'{name}' has not {outcome} yet"
        if start is None:
            return f"'{name}' {outcome} {self.at(mark.at)}"
        own = f"this task's own start {self.at(start.mark.at)}"
        if mark.seq > start.mark.seq:
            return f"'{name}' {outcome} {self.at(mark.at)}, after {own}"
        return f"last {WHAT[outcome]} of '{name}' {self.at(mark.at)}, before {own}"

    def records(self, node: nodes.Has) -> str:
        log = self.log(node.task)
        if not log.known:
            return f"there is no task '{node.task}'"
        plan = self.planner.plan(node, self.task, self.zone)
        assert isinstance(plan, HasPlan)
        mark = log.latest(ACTIONS[node.event])
        last = f"last {WHAT[node.event]} {self.at(mark.at)}" if mark else f"never {node.event}"
        if node.count is None and node.within is None:
            return last
        span = self.span(node.within)
        if node.count is None and mark is None:
            return f"{last}{span}"
        counted = f"{node.event} {times(plan.number(self.now))}{span}"
        return f"{counted}, {last}" if mark else counted

    def span(self, within: parts.ThisCycle | parts.Past | None) -> str:
        """The stretch of the log that is looked at."""
        match within:
            case None:
                return ""
            case parts.Past(duration):
                return f" since {self.at(self.now - duration.microseconds)}"
            case parts.ThisCycle():
                window, *_ = looked_at(within, self.now, self.zone)
                if window is None:
                    return f" (the range has not begun: {self.window(within)})"
                return f" between {self.at(window.start)} and {self.at(window.end)}"
            case _:
                assert_never(within)

    def running(self, node: nodes.Running) -> str:
        log = self.log(node.task)
        if not log.known:
            return f"there is no task '{node.task}'"
        live = sorted(log.live.values(), key=lambda run: run.mark.at)
        if not live:
            mark = log.latest(tuple(Action))
            last = "never run" if mark is None else f"last ended {self.at(mark.at)}"
            return f"not running, {last}"
        plan = self.planner.plan(node, self.task, self.zone)
        assert isinstance(plan, RunningPlan)
        since = " and ".join(f"{self.at(run.mark.at)}{self.age(run)}" for run in live[:3])
        more = f" and {len(live) - 3} more" if len(live) > 3 else ""
        age = f", {plan.number(self.now)} of that age" if node.age is not None else ""
        return f"{len(live)} running, since {since}{more}{age}"

    def age(self, run: Run) -> str:
        seconds = (self.now - run.mark.at) // SECOND
        return f" ({Duration(seconds * SECOND)})" if seconds > 0 else ""

    def retry(self, node: nodes.Retry) -> str:
        outcome, most = self.own.outcome, node.times
        if outcome is None or outcome.action not in (Action.FAIL, Action.CRASH):
            return "nothing has failed" if outcome is None else f"last run: {outcome.action}"
        of = "" if most is None else f" of {most + 1}"
        ended_in = f"attempt {outcome.attempt + 1}{of} ended in {outcome.action}"
        text = f"{ended_in} at {self.at(outcome.mark.at)}"
        later = [run for run in self.own.live.values() if run.mark.seq > outcome.mark.seq]
        if most is not None and outcome.attempt >= most:
            return f"{text}, no attempt is left"
        if later:
            return f"{text}, and a later run is under way since {self.at(later[0].mark.at)}"
        due = RetryPlan(node, self.own).due(outcome.attempt, outcome.mark.at)
        return f"{text}, due {self.at(due)}" if due > self.now else text

    # --- what is outside ------------------------------------------------------------------

    def scheduler_age(self, length: int) -> str:
        started = self.planner.scheduler.started
        if started is None:
            return "the scheduler has not started"
        due = started + length
        relation = "is" if self.now < due else "was"
        return f"started {self.at(started)}, the limit {relation} {self.at(due)}"

    def scheduler_cycles(self) -> str:
        scheduler = self.planner.scheduler
        if scheduler.cycles is not None:
            return f"{scheduler.cycles} cycles"
        if scheduler.started is None:
            return "the scheduler has not started"
        n = max(0, self.now - scheduler.started) // scheduler.cycle
        return f"{n} cycles since {self.at(scheduler.started)}"

    def parameter(self, name: str) -> str:
        if name not in self.planner.parameters:
            return f"{name} is not set"
        return f"{name} is {str(self.planner.parameters[name])!r}"

    def existence(self, name: str) -> str:
        return f"{name} is {'set' if name in self.planner.parameters else 'not set'}"


def ended(run: Run) -> str:
    return "still running" if run.ending is None else str(run.ending)


def times(n: int) -> str:
    return "once" if n == 1 else f"{n} times"


def shown(instant: int, zone: Zone) -> datetime | None:
    return None if instant in (BEGINNING, FOREVER) else to_datetime(instant, zone)
