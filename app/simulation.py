"""What an app would do: all of it, on a virtual clock, with the engine that runs it.

Nothing is started, stored or waited for. A simulation is a value: records, runs, a table, a chart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from ..conds.durations import Duration
from ..engine import forecast
from ..engine.agenda import CYCLE_SLEEP
from ..engine.civil import FOREVER, Zone, from_datetime, to_datetime
from ..engine.decisions import ConditionFailed
from ..engine.forecast import Course, ShutCondFailed, Standstill
from ..engine.records import Action, Record
from .binding import bound
from .errors import DefinitionError, OncueError
from .face import LogLine, records_of
from .options import DurationLike
from .session import Session

if TYPE_CHECKING:
    from .cli.chart import Bar, Chart

DEFAULT_DURATION = Duration.of("1 second")
Lasting = DurationLike | Callable[["Run"], DurationLike]
Outcome = str | Action | Sequence[str | Action] | Callable[["Run"], str | Action]
ENDLESS = FOREVER // 2  # longer than any simulation
ENDINGS = tuple(action for action in Action if action is not Action.RUN)


@dataclass(frozen=True, slots=True)
class Run:
    """One run. `number` counts the task's runs from 1, `attempt` the retries of one from 0;
    datetimes are aware. What is under way at the end has neither `ended` nor `outcome`."""

    task: str
    number: int
    scheduled_at: datetime
    started: datetime
    attempt: int = 0
    ended: datetime | None = None
    outcome: Action | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Simulation:
    """What happened between `start` and `end`. `records` are the log in order, `runs` the same
    by run, in order of their starts; `missed` are occurrences that no run served, `missed_between`
    the times in which those were too many to look for each."""

    start: datetime
    end: datetime
    tasks: tuple[str, ...]
    records: tuple[Record, ...]
    runs: tuple[Run, ...]
    missed: tuple[tuple[str, datetime], ...]
    missed_between: tuple[tuple[str, datetime, datetime], ...]
    zone: Zone

    def of(self, task: str) -> tuple[Run, ...]:
        """The runs of one task. Raises KeyError for one there is not."""
        if task not in self.tasks:
            raise KeyError(f"there is no task {task!r}; there are {', '.join(self.tasks)}")
        return tuple(run for run in self.runs if run.task == task)

    def __iter__(self) -> Iterator[Run]:
        return iter(self.runs)

    def __len__(self) -> int:
        return len(self.runs)

    def __str__(self) -> str:
        """A table: a line for each run."""
        rows = [("started", "task", "attempt", "took", "outcome")]
        for run in self.runs:
            took = "" if run.ended is None else took_text(run.ended - run.started)
            attempt = str(run.attempt) if run.attempt else ""
            started = f"{run.started:%Y-%m-%d %H:%M:%S}"
            rows.append((started, run.task, attempt, took, run.outcome or "running"))
        widths = [max(len(row[column]) for row in rows) for column in range(5)]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )

    def chart(self) -> Chart:
        """The runs of each task as a strip of bars: a Gantt chart."""
        from .cli.chart import Chart, Strip

        start, end = from_datetime(self.start, self.zone), from_datetime(self.end, self.zone)
        strips = (Strip(task, tuple(self._bars(task, start, end))) for task in self.tasks)
        return Chart(start, end, self.zone, tuple(strips), "runs")

    def _bars(self, task: str, start: int, end: int) -> Iterator[Bar]:
        from .cli.chart import FINEST, Bar

        bars: list[Bar] = []
        finest = (end - from_datetime(self.start, self.zone)) // FINEST
        for run in self.of(task):
            began = max(start, from_datetime(run.started, self.zone))
            ended = end if run.ended is None else from_datetime(run.ended, self.zone)
            if bars and began < bars[-1].end + finest:  # beside the one before, or all but
                bars[-1] = Bar(bars[-1].start, max(bars[-1].end, ended), many=True)
            else:
                bars.append(Bar(began, max(ended, began + 1)))
        yield from bars

    def svg(self, width: int = 800) -> str:
        """The chart as a picture."""
        from .cli.svg import svg

        return svg(self.chart(), width)

    def to_dicts(self) -> list[dict[str, object]]:
        """The runs, for JSON."""
        return [
            {
                "task": run.task,
                "number": run.number,
                "attempt": run.attempt,
                "scheduled_at": run.scheduled_at.isoformat(),
                "started": run.started.isoformat(),
                "ended": run.ended.isoformat() if run.ended else None,
                "outcome": run.outcome,
                "error": run.error,
            }
            for run in self.runs
        ]


def simulate(
    app: Any,
    start: datetime,
    end: datetime | timedelta,
    *,
    durations: Mapping[str, Lasting] | Lasting = DEFAULT_DURATION,
    outcomes: Mapping[str, Outcome] | None = None,
    log: Iterable[LogLine] = (),
    progress: Callable[[float], object] | None = None,
) -> Simulation:
    """What the app would do from `start` (naive: in its zone) to `end`, or for so long.

    `durations` are how long the runs of each task take: seconds, text, a timedelta, or a function
    of the run; one for all of them, or by the task's name (then 1 second for the others).
    `outcomes` are how they end: an action, a list of those of the first runs (the others succeed),
    or a function of the run. Timeouts and end_conds end what takes longer; what is `permanent` and
    has no length of its own lasts as long as the app. `log` is what happened before; a run that it
    leaves live is the first of its task. `progress` is told after each record what part of the time
    is over, from 0 to 1. Custom conditions are asked, by the real clock of their own. Raises
    DefinitionError for a name of no task, an outcome there is not, or a task that starts again and
    again while no time passes, OncueError where a condition that raises would end the app.
    """
    session: Session = getattr(app, "session", app)
    zone = session.config.timezone
    first = from_datetime(start, zone)
    last = (
        first + end // timedelta(microseconds=1)
        if isinstance(end, timedelta)
        else (from_datetime(end, zone))
    )
    if last <= first:
        raise DefinitionError(f"the simulation is empty: its end {end} is not after its start")
    if to_datetime(first, zone) is None or to_datetime(last, zone) is None:
        raise DefinitionError("the simulation goes beyond the years that datetimes have")
    tasks = {task.name: task for task in session}
    director = Director(tasks.keys(), zone, durations, outcomes or {})
    director.blocking = {name for name, task in tasks.items() if task.execution == "main"}
    director.permanent = {name for name, task in tasks.items() if task.permanent}
    sleep = session.config.cycle_sleep
    simulation = forecast.Simulation(
        {name: task.plan for name, task in tasks.items()},
        first,
        director.course,
        log=records_of(log, zone),
        parameters=session.parameters,
        customs=session.customs,
        cycle_sleep=0 if sleep is None else sleep.microseconds,
        shut_cond=session.config.shut_cond,
        zone=zone,
        at_start=[name for name, task in tasks.items() if task.on_startup],
        at_end=[name for name, task in tasks.items() if task.on_shutdown],
        till_end=director.permanent,
        requests=[(name, request) for name, task in tasks.items() for request in task.requests],
        rhythm=CYCLE_SLEEP if sleep is None else sleep.microseconds,
        bind=partial(bound, session),
        silenced=unheard if session.config.silence_cond_check else None,
    )

    def watched(record: Record) -> Record:
        if progress is not None:
            progress((record.at - first) / (last - first))
        return record

    records = recorded(map(watched, simulation.run(last)), simulation, director)
    missed = [(each.task, director.moment(each.scheduled_at), each) for each in simulation.missed]
    return Simulation(
        director.moment(first),
        director.moment(last),
        tuple(tasks),
        records,
        tuple(director.ended(records)),
        tuple((task, at) for task, at, each in missed if each.until is None),
        tuple(
            (task, at, director.moment(each.until))
            for task, at, each in missed
            if each.until is not None
        ),
        zone,
    )


def recorded(
    happening: Iterable[Record], simulation: forecast.Simulation, director: Director
) -> tuple[Record, ...]:
    """What happens in the simulation, or an error as the app would raise it."""
    try:
        return tuple(happening)
    except (ConditionFailed, ShutCondFailed) as failure:
        moment = director.moment(simulation.now)
        text = f"at {moment:%Y-%m-%d %H:%M:%S} {failure}: {failure.__cause__!r}"
        raise OncueError(text) from failure.__cause__
    except Standstill as failure:
        moment = director.moment(failure.instant)
        raise DefinitionError(
            f"{failure}, at {moment:%Y-%m-%d %H:%M:%S}: give its runs a duration, its retries a "
            "delay, or the app a cycle_sleep"
        ) from None


def unheard(task: str, error: Exception) -> None:
    """A condition that raised is false; a simulation has no log to say so."""


class Director:
    """Says what becomes of each run, and keeps the runs."""

    def __init__(
        self,
        tasks: Iterable[str],
        zone: Zone,
        durations: Mapping[str, Lasting] | Lasting,
        outcomes: Mapping[str, Outcome],
    ) -> None:
        known = set(tasks)
        self.zone = zone
        self.blocking: set[str] = set()
        self.permanent: set[str] = set()
        self._lasting: Mapping[str, Lasting] = durations if isinstance(durations, Mapping) else {}
        self._default: Lasting = DEFAULT_DURATION if isinstance(durations, Mapping) else durations
        self._outcomes = outcomes
        self._numbers = {task: count(1) for task in known}
        self._runs: dict[int, Run] = {}
        if not isinstance(outcomes, Mapping):
            raise DefinitionError(f"outcomes are by the task's name, as in {{name: {outcomes!r}}}")
        for name in (*self._lasting, *outcomes):
            if name not in known:
                known_names = ", ".join(sorted(known)) or "none"
                raise DefinitionError(f"there is no task {name!r}; there are {known_names}")
        for name, outcome in outcomes.items():
            if callable(outcome):
                continue
            single = isinstance(outcome, str) or not isinstance(outcome, Sequence)
            for one in (outcome,) if single else outcome:
                ending(one, name)

    def moment(self, instant: int) -> datetime:
        found = to_datetime(instant, self.zone)
        assert found is not None
        return found

    def course(self, record: Record) -> Course:
        number = next(self._numbers[record.task])
        run = self._runs[record.seq] = Run(
            record.task,
            number,
            self.moment(record.logical),
            self.moment(record.at),
            record.attempt or 0,
        )
        return Course(self._duration(run), self._outcome(run), record.task in self.blocking)

    def _duration(self, run: Run) -> int:
        if run.task in self.permanent and run.task not in self._lasting:
            return ENDLESS
        lasting = self._lasting.get(run.task, self._default)
        taken = lasting(run) if callable(lasting) else lasting
        return Duration.of(taken).microseconds if taken else 0

    def _outcome(self, run: Run) -> Action:
        said = self._outcomes.get(run.task, Action.SUCCESS)
        if callable(said):
            said = said(run)
        elif not isinstance(said, str):
            said = said[run.number - 1] if run.number <= len(said) else Action.SUCCESS
        return ending(said, run.task)

    def ended(self, records: Iterable[Record]) -> Iterator[Run]:
        """The runs with their endings, in order of their starts."""
        endings = {record.run: record for record in records if record.action is not Action.RUN}
        for seq, run in self._runs.items():
            found = endings.get(seq)
            if found is None:
                yield run
                continue
            yield Run(
                run.task,
                run.number,
                run.scheduled_at,
                run.started,
                run.attempt,
                self.moment(found.at),
                found.action,
                found.error,
            )


def ending(said: object, task: str) -> Action:
    """An outcome as users name it."""
    if said not in ENDINGS:
        known = ", ".join(ENDINGS)
        raise DefinitionError(f"task {task!r} cannot end in {said!r}; there are {known}")
    return Action(str(said))


def took_text(length: timedelta) -> str:
    microseconds = length // timedelta(microseconds=1)
    return str(Duration(microseconds)) if microseconds else "nothing"
