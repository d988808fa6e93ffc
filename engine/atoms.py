"""The plans of atoms. Every one is tight: `until` is its next change or its next occurrence.

A verdict names only the keys whose next record can change it, or what it reads: a cadence already
done looks at nothing but what releases the run that did it, a count that has reached its least at
nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import NamedTuple
from zlib import crc32

from ..conds.nodes import Retry
from ..conds.parts import Age, Bound, Count, Past, ThisCycle
from .civil import BEGINNING, FOREVER, Zone
from .history import Run, Source, TaskLog, count_after, count_in
from .periods import Period, Window, period_of
from .periods.algebra import Constant, Expression, Span, all_of, opposite
from .records import Action, bits, new
from .verdict import STALE, ParameterSource, Plan, Reads, Verdict

ANY = bits(*Action)
ENDING = ANY - bits(Action.RUN)
BAD = bits(Action.FAIL, Action.CRASH)
AT_LEAST, AT_MOST = Bound.AT_LEAST, Bound.AT_MOST  # quicker to name
AT_LEAST_ONE = Count(Bound.AT_LEAST, 1)
NONE_AT_LEAST = Count(Bound.AT_LEAST, 0)  # always so


def satisfies(count: Count, n: int) -> bool:
    if count.bound is AT_LEAST:
        return n >= count.times
    return n <= count.times if count.bound is AT_MOST else n == count.times


def unknown(log: TaskLog) -> Verdict:
    """What is said of a task that does not exist."""
    return Verdict(False, BEGINNING, FOREVER, ((log, ANY),))


def undoing(log: TaskLog) -> Reads:
    """What would release a live run of the log."""
    actions = log.policy.undoing
    return ((log, actions),) if actions else ()


def within_lapses(log: TaskLog, now: int, verdict: Verdict, oldest: Run | None = None) -> Verdict:
    """The verdict for as long as the same runs of the log count; of those from the `oldest` on."""
    if not log.leased:
        return verdict
    since, until = log.lapses(now, oldest)
    return verdict._replace(since=max(verdict.since, since), until=min(verdict.until, until))


class WindowPlan(Plan):
    """`time of …`, and any boolean combination of windows as one period."""

    __slots__ = ("period",)

    def __init__(self, period: Period) -> None:
        super().__init__()
        self.period = period

    def evaluate(self, now: int) -> Verdict:
        cursor = self.period.cursor()
        if not cursor.at(now):
            return Verdict(False, cursor.since, cursor.until)
        return Verdict(True, cursor.since, self.period.change_after(now))

    def outlook(self, now: int) -> Expression:
        return self.period.expression


class Cells:
    """Where one period stands: the window or gap looked at last. All plans of the period share it,
    so one search serves a thousand tasks."""

    __slots__ = ("_closed", "_done", "cursor")

    def __init__(self, period: Period) -> None:
        self.cursor = period.cursor()
        self._closed = self._done = STALE

    def closed(self) -> Verdict:
        """What every cadence answers in the gap looked at last."""
        since, until = self.cursor.since, self.cursor.until
        if self._closed.since != since or self._closed.until != until:
            self._closed = Verdict(False, since, until)
        return self._closed

    def done(self) -> Verdict:
        """What every cadence answers in the window looked at last, if a run that has ended counts
        in it: it is false until the next."""
        if self._done.since != self.cursor.since:
            self._done = Verdict(False, self.cursor.since, self.cursor.ahead().start)
        return self._done


class CadencePlan(Plan):
    """`daily …`, `cron …`, `once at …`: in a window, and no counting run has its logical
    instant in it."""

    __slots__ = ("cells", "log")

    def __init__(self, cells: Cells, log: TaskLog) -> None:
        super().__init__()
        self.cells = cells
        self.log = log

    @property
    def sources(self) -> Iterable[Source]:
        return (self.log,)

    def evaluate(self, now: int) -> Verdict:
        cursor = self.cells.cursor
        if not cursor.at(now):
            return self.cells.closed()
        log = self.log
        counted = log.counted_in(cursor.since, cursor.until)
        if counted <= now:
            since = counted if counted > cursor.since else cursor.since
            return Verdict(True, since, cursor.until, ((log, log.policy.starting),))
        if counted >= cursor.until and not log.live:
            return self.cells.done()
        until = cursor.ahead().start if counted >= cursor.until else counted
        return Verdict(False, cursor.since, until, undoing(log) if self._by_live() else ())

    def _by_live(self) -> bool:
        """Whether what counts in the window looked at are live runs alone."""
        start, end, live = self.cells.cursor.since, self.cells.cursor.until, 0
        for run in self.log.live.values():
            if start <= run.scheduled_at < end:
                live += 1
        return live > 0 and live == count_in(self.log.logical, start, end)

    def lookback(self, now: int) -> int:
        cursor = self.cells.cursor
        return cursor.since if cursor.at(now) else cursor.until

    def outlook(self, now: int) -> Expression:
        """Its windows, but those that a run has already."""
        period, log = self.cells.cursor.period, self.log
        expression = period.expression
        current = period.window_from(now)
        first = now if current is None else min(current.start, now)
        leased = [(run.scheduled_at, log.counted(run)) for run in log.leased]
        kept = ((instant, FOREVER) for instant in log.logical[bisect_left(log.logical, first) :])
        for instant, counted in (*kept, *leased):
            done = period.window_from(instant)
            if done is not None and done.start <= instant and done.start < counted:
                over = Span(done.start, min(done.end, counted))
                expression = all_of(expression, opposite((over,)))
        return expression


class EveryPlan(Plan):
    """`every D`: D has passed since the latest counting start, or since the greatest instant of
    a record of `since`."""

    __slots__ = ("log", "microseconds", "reads", "since")

    def __init__(self, microseconds: int, since: tuple[Action, ...], log: TaskLog) -> None:
        super().__init__()
        self.microseconds = microseconds
        self.since = since
        self.log = log
        self.reads: Reads = ((log, bits(*since)),)

    def base(self) -> int | None:
        """What the interval is measured from, if that is the instant of a record."""
        times = self.log.times
        return max((times[a][-1] for a in self.since if times.get(a)), default=None)

    @property
    def sources(self) -> Iterable[Source]:
        return (self.log,)

    def evaluate(self, now: int) -> Verdict:
        if self.since:
            base = self.base()
            due = BEGINNING if base is None else base + self.microseconds
            if now >= due:
                return Verdict(True, due, FOREVER, self.reads)
            return Verdict(False, BEGINNING, due)
        latest = self.log.latest_start(now)
        return within_lapses(self.log, now, self._since_run(latest, now), latest)

    def _since_run(self, latest: Run | None, now: int) -> Verdict:
        log = self.log
        reads: Reads = ((log, log.policy.starting),)
        if latest is None:
            return Verdict(True, BEGINNING, FOREVER, reads)
        due = latest.paced_at + self.microseconds
        if latest.ending is None and (now < due or self._waiting(now)):
            reads += undoing(log)
        if now >= due:
            return Verdict(True, due, FOREVER, reads)
        return Verdict(False, BEGINNING, due, reads)

    def _waiting(self, now: int) -> bool:
        """Whether any start is more recent by the clock than the interval is long."""
        logical = self.log.logical
        return bool(self.log.leased) or logical[-1] + self.microseconds > now

    @property
    def paced(self) -> Plan | None:
        return self

    def phase(self, now: int, since: int) -> int:
        latest = None if self.since else self.log.latest_start(now)
        if latest is None or now < latest.paced_at:
            return now
        kept = now - (now - latest.paced_at) % self.microseconds
        return kept if kept >= max(since, latest.paced_at + self.microseconds) else now

    def newest(self, instant: int, late: int) -> int:
        latest = None if self.since else self.log.latest_start(instant)
        due = BEGINNING if latest is None else latest.paced_at + self.microseconds
        if self.since or not due <= instant <= late:
            return instant
        return late - (late - instant) % self.microseconds


class AfterPlan(Plan):
    """`after task T O`: T has an O record later than the owner's latest counting start."""

    __slots__ = ("actions", "log", "own", "reads")

    def __init__(self, log: TaskLog, actions: tuple[Action, ...], own: TaskLog) -> None:
        super().__init__()
        self.log = log
        self.actions = actions
        self.own = own
        self.reads: Reads = ((log, bits(*actions)),)

    @property
    def sources(self) -> Iterable[Source]:
        return (self.log, self.own)

    def evaluate(self, now: int) -> Verdict:
        if not self.log.known:
            return unknown(self.log)
        return within_lapses(self.own, now, self._standing(now))

    def _standing(self, now: int) -> Verdict:
        mark = self.log.latest(self.actions)
        start = self.own.latest_start(now)
        reads = self.reads
        if mark is None:
            return Verdict(False, BEGINNING, FOREVER, reads)
        if start is None or mark.seq > start.mark.seq:
            reads = ((self.own, self.own.policy.starting),)
            return Verdict(True, min(mark.at, now), FOREVER, reads)
        later = takewhile(lambda run: run.mark.seq >= mark.seq, reversed(self.own.starts))
        counting = (run for run in later if self.own.counted(run) > now)
        if all(run.ending is None for run in counting):
            reads += undoing(self.own)
        return Verdict(False, min(start.mark.at, now), FOREVER, reads)


class HasPlan(Plan):
    """`[task T] has A [count] [span]`."""

    __slots__ = ("actions", "count", "log", "period", "reads", "within", "zone")

    def __init__(
        self,
        log: TaskLog,
        actions: tuple[Action, ...],
        count: Count | None,
        within: ThisCycle | Past | None,
        zone: Zone,
    ) -> None:
        super().__init__()
        self.log = log
        self.actions = actions
        self.count = count or AT_LEAST_ONE
        self.within = within
        self.zone = zone
        self.reads: Reads = ((log, bits(*actions)),)

    @property
    def sources(self) -> Iterable[Source]:
        return (self.log,)

    def evaluate(self, now: int) -> Verdict:
        if not self.log.known:
            return unknown(self.log)
        if self.within is None:
            n = self.log.total(self.actions)
            value, since, until = satisfies(self.count, n), BEGINNING, FOREVER
            settled = self._settled(now, value)
        else:
            value, since, until = self._within(now)
            settled = until < FOREVER and self._settled(now, value)
            settled = settled or self.count == NONE_AT_LEAST
        return new(Verdict, (value, since, until, () if settled else self.reads))

    def _within(self, now: int) -> tuple[bool, int, int]:
        times = self.log.instants(self.actions)
        if isinstance(self.within, ThisCycle):
            return self._cycle(now, times, self.within)
        assert self.within is not None
        return self._past(now, times, self.within.duration.microseconds)

    def number(self, now: int) -> int:
        """How many records are in the span looked at from `now`."""
        if self.within is None:
            return self.log.total(self.actions)
        times = self.log.instants(self.actions)
        match self.within:
            case Past(duration):
                return count_after(times, now - duration.microseconds)
            case ThisCycle() as cycle:
                window, *_ = looked_at(cycle, now, self.zone)
                return 0 if window is None else count_in(times, window.start, window.end)

    def period_ahead(self, now: int) -> int | None:
        """When the range looked at next begins to count records; None: it does now."""
        if not isinstance(self.within, ThisCycle) or self.within.range is None:
            return None
        window = period_of(self.within, self.zone).window_from(now)
        if window is None:
            return FOREVER
        return None if window.start <= now else window.start

    def _settled(self, now: int, value: bool) -> bool:
        """Whether more records can only keep that value, while the same span is looked at."""
        within, bound = self.within, self.count.bound
        if isinstance(within, ThisCycle) and looked_at(within, now, self.zone)[0] is None:
            return True
        if bound is AT_LEAST:
            return value
        if bound is AT_MOST:
            return not value
        return self.number(now) > self.count.times

    def _past(self, now: int, times: list[int], length: int) -> tuple[bool, int, int]:
        """Records only grow older: the value changes when the count falls past the bound."""
        n = self.number(now)
        value = satisfies(self.count, n)
        flips_at = self._falling(n, value)
        until = FOREVER if flips_at is None else times[-flips_at - 1] + length
        since = times[-n - 1] + length if n < len(times) else BEGINNING
        return value, since, until

    def _falling(self, n: int, value: bool) -> int | None:
        """The number below `n` at which a falling count first changes `value`."""
        times = self.count.times
        match self.count.bound:
            case Bound.AT_LEAST:
                flips_at = times - 1 if value else None
            case Bound.AT_MOST:
                flips_at = None if value else times
            case Bound.EXACTLY:
                flips_at = times - 1 if value else times if n > times else None
        return flips_at if flips_at is not None and flips_at >= 0 else None

    def _cycle(self, now: int, times: list[int], cycle: ThisCycle) -> tuple[bool, int, int]:
        window, since, until = looked_at(cycle, now, self.zone)
        value = satisfies(self.count, self.number(now))
        settled = not times or times[-1] < (until if window is None else window.end)
        if settled and value == satisfies(self.count, 0):
            until = FOREVER  # later windows are empty, and empty ones answer the same
        return value, since, until

    def lookback(self, now: int) -> int:
        match self.within:
            case None:
                return FOREVER if self.count == AT_LEAST_ONE else BEGINNING
            case Past(duration):
                return now - duration.microseconds
            case ThisCycle() as cycle:
                window, *_ = looked_at(cycle, now, self.zone)
                return now if window is None else window.start

    def retains(self, now: int) -> int:
        return FOREVER if self.within is None else self.lookback(now)


def looked_at(cycle: ThisCycle, now: int, zone: Zone) -> tuple[Window | None, int, int]:
    """The occurrence that `today …` looks at from `now`, and since and until when it is that one:
    the latest of the range that has begun and reaches into the current cycle."""
    whole = period_of(ThisCycle(cycle.unit), zone)
    current = whole.window_from(now)
    if current is None:
        return None, BEGINNING, FOREVER
    if cycle.range is None:
        return current, current.start, current.end
    ranges = period_of(cycle, zone)
    begun = ranges.window_before(now)
    following = ranges.window_from(max(now, begun.end) if begun else now)
    until = min(current.end, following.start) if following else current.end
    if begun is None or begun.end <= current.start:
        return None, current.start, until
    return begun, max(begun.start, current.start), until


class RunningPlan(Plan):
    """`[task T] is running [age | count]`."""

    __slots__ = ("age", "count", "log")

    def __init__(self, log: TaskLog, age: Age | None, count: Count | None) -> None:
        super().__init__()
        self.log = log
        self.age = age
        self.count = count or AT_LEAST_ONE

    def _bounds(self, started: int) -> tuple[int, int]:
        """When a run that started then comes into the age asked for, and when it leaves it."""
        if self.age is None:
            return BEGINNING, FOREVER
        low, high = self.age.at_least, self.age.less_than
        return (
            started + low.microseconds if low else BEGINNING,
            started + high.microseconds if high else FOREVER,
        )

    @property
    def sources(self) -> Iterable[Source]:
        return (self.log,)

    def evaluate(self, now: int) -> Verdict:
        if not self.log.known:
            return unknown(self.log)
        bounds = [self._bounds(run.mark.at) for run in self.log.live.values()]

        def value_at(instant: int) -> bool:
            return satisfies(self.count, sum(a <= instant < b for a, b in bounds))

        value = value_at(now)
        edges = sorted(edge for pair in bounds for edge in pair if now < edge < FOREVER)
        until = next((edge for edge in edges if value_at(edge) != value), FOREVER)
        since = max((edge for pair in bounds for edge in pair if edge <= now), default=BEGINNING)
        moving = self._moving(value, len(bounds))
        return Verdict(value, since, until, ((self.log, moving),) if moving else ())

    def number(self, now: int) -> int:
        """How many live runs are of the age asked for."""
        bounds = (self._bounds(run.mark.at) for run in self.log.live.values())
        return sum(a <= now < b for a, b in bounds)

    def _moving(self, value: bool, n: int) -> int:
        """The actions that can move the number of `n` live runs to where `value` is another."""
        grows, falls = bits(Action.RUN), ENDING if n else 0
        match self.count.bound:
            case Bound.AT_LEAST if not self.count.times:
                return 0
            case Bound.AT_LEAST:
                return falls if value else grows
            case Bound.AT_MOST:
                return grows if value else falls
            case Bound.EXACTLY if value or self.age is not None or n == self.count.times:
                return grows | falls
            case Bound.EXACTLY:
                return grows if n < self.count.times else falls


class RetryPlan(Plan):
    """`retry n times after D`: the latest outcome is bad, D has passed since it, its attempt is
    below n, and no later run is live."""

    __slots__ = ("log", "node")

    def __init__(self, node: Retry, log: TaskLog) -> None:
        super().__init__()
        self.node = node
        self.log = log

    @property
    def sources(self) -> Iterable[Source]:
        return (self.log,)

    def evaluate(self, now: int) -> Verdict:
        outcome, times = self.log.outcome, self.node.times
        if times == 0:
            return Verdict(False, BEGINNING, FOREVER)
        if outcome is None or outcome.action not in (Action.FAIL, Action.CRASH):
            return Verdict(False, BEGINNING, FOREVER, ((self.log, BAD),))
        spent = times is not None and outcome.attempt >= times
        if spent or any(run.mark.seq > outcome.mark.seq for run in self.log.live.values()):
            return Verdict(False, BEGINNING, FOREVER, ((self.log, BAD),))
        due = self.due(outcome.attempt, outcome.mark.at)
        if now < due and self.node.delay is not None:
            return Verdict(False, BEGINNING, due, ((self.log, BAD),))
        again = times is None and not self.node.delay  # one failure more is retried as well
        reads = ((self.log, ANY - BAD if again else ANY),)
        return Verdict(True, min(due, now), FOREVER, reads)

    def due(self, attempt: int, at: int) -> int:
        """The instant from which on that attempt, which went wrong then, may be retried. The
        jitter is drawn from the task's name and the instant, so the same log gives the same
        answer."""
        node = self.node
        if node.delay is None:
            return at
        most = FOREVER if node.max_delay is None else node.max_delay.microseconds
        try:
            delay = int(min(node.delay.microseconds * node.backoff**attempt, most))
        except OverflowError:
            delay = most
        lot = crc32(f"{self.log.task} {at}".encode()) / 2**32
        return min(at + delay + int(delay * node.jitter * lot), FOREVER)


@dataclass(slots=True)
class Scheduler:
    """What the scheduler atoms ask. Nothing here goes round in cycles: one is a `cycle` of time
    since `started` (None: it has not); `cycles` is given where a question fixes their number."""

    started: int | None = None
    cycles: int | None = None
    cycle: int = 100_000


class CyclesPlan(Plan):
    """`scheduler has more than n cycles`."""

    __slots__ = ("count", "scheduler")

    def __init__(self, scheduler: Scheduler, count: Count) -> None:
        super().__init__()
        self.scheduler = scheduler
        self.count = count

    def evaluate(self, now: int) -> Verdict:
        started, cycle = self.scheduler.started, self.scheduler.cycle
        if self.scheduler.cycles is not None or started is None:
            value = satisfies(self.count, self.scheduler.cycles or 0)
            return Verdict(value, BEGINNING, FOREVER)
        value = satisfies(self.count, max(0, now - started) // cycle)
        edges = (started + n * cycle for n in (self.count.times, self.count.times + 1))
        changes = (edge for edge in edges if now < edge)
        until = next(
            (e for e in changes if satisfies(self.count, (e - started) // cycle) != value), FOREVER
        )
        since = started + max(0, now - started) // cycle * cycle
        return Verdict(value, min(since, now), until)


class AgePlan(Plan):
    """`scheduler started D ago` (now < start + D), and its opposite, `has run over D`."""

    __slots__ = ("microseconds", "over", "scheduler")

    def __init__(self, scheduler: Scheduler, microseconds: int, over: bool) -> None:
        super().__init__()
        self.scheduler = scheduler
        self.microseconds = microseconds
        self.over = over

    def evaluate(self, now: int) -> Verdict:
        if self.scheduler.started is None:
            return Verdict(False, BEGINNING, FOREVER)
        due = self.scheduler.started + self.microseconds
        if now < due:
            return Verdict(not self.over, BEGINNING, due)
        return Verdict(self.over, due, FOREVER)


class ParameterPlan(Plan):
    """`param a, b exists`; `param a is v` and `env v`, compared as text; missing is false."""

    __slots__ = ("parameters", "sources_", "text")

    def __init__(
        self,
        parameters: Mapping[str, object],
        sources: tuple[ParameterSource, ...],
        text: str | None,
    ) -> None:
        super().__init__()
        self.parameters = parameters
        self.sources_ = sources
        self.text = text

    @property
    def sources(self) -> Iterable[Source]:
        return self.sources_

    def evaluate(self, now: int) -> Verdict:
        names = [source.name for source in self.sources_]
        value = all(name in self.parameters for name in names)
        if value and self.text is not None:
            value = all(str(self.parameters[name]) == self.text for name in names)
        return Verdict(value, BEGINNING, FOREVER, tuple((source, ~0) for source in self.sources_))


class Custom(NamedTuple):
    """A user's function as a condition; asked again after `every` microseconds, or None for the
    app's own rhythm."""

    function: Callable[..., object]
    every: int | None = None


class CustomPlan(Plan):
    """A custom condition. Nobody knows when its answer changes, so it stands for `every`."""

    __slots__ = ("ask", "every")
    costly = True

    def __init__(self, ask: Callable[[], object], every: int) -> None:
        super().__init__()
        self.ask = ask
        self.every = every

    def evaluate(self, now: int) -> Verdict:
        return Verdict(bool(self.ask()), now, now + self.every)

    def outlook(self, now: int) -> Expression:
        """Taken to stay as it is."""
        return (Constant(self.check(now).value),)
