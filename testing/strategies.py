"""Hypothesis strategies for what oncue is about: conditions, windows, instants, zones and logs.

Everything drawn is valid, and shrinks to short canonical text: the first choice of every strategy
is the plainest (`daily`, 00:00, `Mon`, the task `a`).

    from hypothesis import given
    from oncue.testing.strategies import conditions

    @given(conditions(tasks=["extract", "load"]))
    def test_of_mine(condition): ...
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any as Value
from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ..conds import nodes
from ..conds.nodes import Condition
from ..conds.parts import (
    After,
    Age,
    At,
    Before,
    Between,
    Bound,
    Count,
    Event,
    Past,
    Range,
    Since,
    Starting,
    ThisCycle,
)
from ..conds.points import (
    MONTH_LENGTHS,
    Clock,
    CronFields,
    Duration,
    MonthPoint,
    Point,
    Unit,
    WeekPoint,
    YearPoint,
    is_cycle_start,
    read_cron,
)
from ..conds.reading import readable
from ..engine.records import Action, Record

__all__ = [
    "CADENCES",
    "WINDOWS",
    "atom_strategies",
    "conditions",
    "cron_expressions",
    "durations",
    "instants",
    "logs",
    "names",
    "periods",
    "points",
    "ranges",
    "zones",
]

TASKS = ("a", "b", "c")
ZONES = (
    "UTC",
    "Europe/Dublin",
    "America/New_York",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "America/St_Johns",
    "UTC+12",
)
"""Zones with every kind of oddity: winter time as the exception, half hours, a half-hour change,
a day left out, a rule without a name."""

UNITS = (Unit.DAY, *(unit for unit in Unit if unit is not Unit.DAY))
SECOND = 1_000_000
DAY = 86_400 * SECOND
ODD_NAMES = (
    "success",
    "after",
    "a & b (c)",
    "it's",
    'say "hi"',
    "back\\slash",
    "# no",
    "Ünïcode",
    "1",
)


# --- values ---------------------------------------------------------------------------------


def zones() -> SearchStrategy[str]:
    """Names of zones, the plain ones first."""
    return st.sampled_from(ZONES)


def names(tasks: Iterable[str] = TASKS) -> SearchStrategy[str]:
    """Names of tasks and parameters; sometimes one that needs quotes."""
    plain = st.sampled_from(tuple(tasks))
    return plain | st.sampled_from(ODD_NAMES) | st.text(min_size=1, max_size=8)


def durations(
    shortest: timedelta = timedelta(microseconds=1),
    longest: timedelta = timedelta(days=999_999_999),
) -> SearchStrategy[Duration]:
    """Durations: a whole number of one unit."""
    low, high = shortest // MICROSECOND, longest // MICROSECOND
    units = (60 * SECOND, SECOND, 3600 * SECOND, DAY, 7 * DAY, 1000, 1)
    return multiples(units, low, high).map(Duration)


MICROSECOND = timedelta(microseconds=1)


def multiples(units: Iterable[int], low: int, high: int) -> SearchStrategy[int]:
    """Numbers from `low` to `high` that are whole numbers of one of `units`, the first ones the
    plainest."""
    counts = {
        unit: st.integers(-(-low // unit), high // unit).map(unit.__mul__)
        for unit in units
        if -(-low // unit) <= high // unit
    }
    return chosen_from(counts)


Key = TypeVar("Key")
Drawn = TypeVar("Drawn")


def chosen_from(strategies: Mapping[Key, SearchStrategy[Drawn]]) -> SearchStrategy[Drawn]:
    """From one of the strategies, the first the plainest. They are made once and not at each
    draw, which would take longer than drawing."""
    return st.sampled_from(list(strategies)).flatmap(strategies.__getitem__)


def clocks(unit: Unit = Unit.DAY) -> SearchStrategy[int]:
    """Microseconds of wall clock in a cycle of `unit`, mostly round."""
    cycle, step = {
        Unit.SECOND: (SECOND, 1000),
        Unit.MINUTE: (60 * SECOND, SECOND),
        Unit.HOUR: (3600 * SECOND, 60 * SECOND),
        Unit.DAY: (DAY, 3600 * SECOND),
    }[unit]
    round_ones = st.integers(0, cycle // step - 1).map(lambda n: n * step)
    fine = st.integers(0, cycle // 1000 - 1).map(lambda n: n * 1000)
    if unit is Unit.SECOND:
        return round_ones
    return round_ones | fine | st.integers(0, cycle - 1)


def points(unit: Unit) -> SearchStrategy[Point]:
    """Points of a cycle of `unit`."""
    clock = st.none() | clocks()
    match unit:
        case Unit.SECOND | Unit.MINUTE | Unit.HOUR | Unit.DAY:
            return clocks(unit).map(Clock)
        case Unit.WEEK:
            return st.builds(WeekPoint, st.integers(0, 6), clock)
        case Unit.MONTH:
            return month_points(31)
        case Unit.YEAR:
            return chosen_from(
                {
                    month: st.builds(YearPoint, st.just(month), st.none() | month_points(length))
                    for month, length in enumerate(MONTH_LENGTHS, 1)
                }
            )


def month_points(length: int) -> SearchStrategy[MonthPoint]:
    """Points of a month of `length` days."""
    clock = st.none() | clocks()
    days = st.integers(1, length) | st.just(-1) | st.integers(-length, -1)
    nths = st.integers(1, 5) | st.just(-1)
    return st.builds(MonthPoint, days, st.none(), clock) | st.builds(
        MonthPoint, nths, st.integers(0, 6), clock
    )


def ends(unit: Unit) -> SearchStrategy[Point]:
    """Points of a cycle of `unit` that may end a range; a day may end at 24:00."""
    if unit is Unit.DAY:
        return points(unit) | st.just(Clock(DAY))
    return points(unit)


def ranges(unit: Unit) -> SearchStrategy[Range]:
    """Ranges of a cycle of `unit`."""
    return simple_ranges(unit) | st.one_of(
        points(unit).map(Starting),
        st.lists(points(unit), min_size=1, max_size=3).map(lambda many: At(tuple(many))),
    )


def simple_ranges(unit: Unit) -> SearchStrategy[Value]:
    """Ranges that are a single stretch of the cycle."""
    return st.one_of(
        points(unit).map(After),
        ends(unit).filter(lambda end: not is_cycle_start(end)).map(Before),
        st.builds(Between, points(unit), ends(unit)),
    )


def units() -> SearchStrategy[Unit]:
    """Units, the day first."""
    return st.sampled_from(UNITS)


def cron_expressions() -> SearchStrategy[CronFields]:
    """Cron expressions of five or six fields; none that never matches."""
    fields = (
        cron_field(0, 59),
        cron_field(0, 23),
        cron_field(1, 31, extra=("L", "L,15")),
        cron_field(1, 12, extra=("JAN", "MAR-MAY")),
        cron_field(0, 7, extra=("MON", "MON-FRI", "TUE#2", "FRI#5,MON")),
    )
    five = st.tuples(*fields)
    six = st.tuples(*fields, cron_field(0, 59))
    return (five | six).map(" ".join).filter(partial(readable, read_cron)).map(read_cron)


def cron_field(low: int, high: int, extra: Sequence[str] = ()) -> SearchStrategy[str]:
    """One field: `*`, numbers, ranges, steps, lists, or one of the texts of `extra`."""
    number = st.integers(low, high)
    numbers = st.lists(number, min_size=1, max_size=3, unique=True)
    pair = st.tuples(number, number).map(sorted)
    step = st.integers(1, high)
    return st.one_of(
        st.just("*"),
        number.map(str),
        step.map(lambda n: f"*/{n}"),
        pair.map(lambda ends: f"{ends[0]}-{ends[1]}"),
        st.tuples(pair, step).map(lambda it: f"{it[0][0]}-{it[0][1]}/{it[1]}"),
        numbers.map(lambda many: ",".join(map(str, sorted(many)))),
        st.tuples(number, step).map(lambda it: f"{it[0]}/{it[1]}"),
        *map(st.just, extra),
    )


def datetimes() -> SearchStrategy[datetime]:
    """Naive datetimes: dates, minutes, or anything."""
    day = st.dates().map(lambda date: datetime(date.year, date.month, date.day))
    minute = st.datetimes().map(lambda moment: moment.replace(second=0, microsecond=0))
    return day | minute | st.datetimes()


# --- conditions -----------------------------------------------------------------------------


def counts() -> SearchStrategy[Count]:
    return st.builds(Count, st.sampled_from(Bound), st.integers(0, 5) | st.integers(0, 10**17))


def dates() -> SearchStrategy[Condition]:
    """`between …`, `after …` and `before …` of dates."""
    pair = st.tuples(datetimes(), datetimes()).filter(lambda ends: ends[0] < ends[1])
    days = st.tuples(st.dates(), st.dates()).map(sorted)
    return st.one_of(
        datetimes().map(lambda start: nodes.Dates(start, None)),
        datetimes().map(lambda end: nodes.Dates(None, end)),
        pair.map(lambda ends: nodes.Dates(*ends)),
        days.map(lambda ends: nodes.Dates(at_midnight(ends[0]), at_midnight(ends[1]), True)),
    )


def at_midnight(day: Value) -> datetime:
    return datetime(day.year, day.month, day.day)


def ages() -> SearchStrategy[Age]:
    pair = st.tuples(durations(), durations()).filter(lambda ends: ends[0] < ends[1])
    return st.one_of(
        durations().map(Age),
        durations().map(lambda length: Age(None, length)),
        pair.map(lambda ends: Age(*ends)),
    )


def arguments() -> SearchStrategy[Value]:
    """Arguments of a custom condition."""
    decimals = st.decimals(-1000, 1000, places=3, allow_nan=False).map(float)
    return st.one_of(names(), st.integers(-(10**17), 10**17), decimals, durations(), datetimes())


def atom_strategies(tasks: Sequence[str] = TASKS) -> dict[type[Condition], SearchStrategy[Value]]:
    """For each class of atoms, the strategy of its nodes."""
    name = names(tasks)
    owner_or_name = st.none() | name
    spans = st.one_of(
        st.none(),
        chosen_from(
            {unit: st.builds(ThisCycle, st.just(unit), optional(ranges(unit))) for unit in UNITS}
        ),
        durations().map(Past),
    )
    ranged = chosen_from({unit: st.tuples(st.just(unit), optional(ranges(unit))) for unit in UNITS})
    intervals = st.builds(
        nodes.Every, durations(), st.sampled_from(Since), optional(simple_ranges(Unit.DAY))
    )
    several = st.lists(name, min_size=1, max_size=3).map(tuple)
    return {
        nodes.Cadence: ranged.map(lambda it: nodes.Cadence(*it)),
        nodes.TimeOf: ranged.map(lambda it: nodes.TimeOf(*it)),
        nodes.Constant: st.builds(nodes.Constant, st.booleans()),
        nodes.Every: intervals,
        nodes.AfterTasks: st.builds(
            nodes.AfterTasks, several, st.sampled_from(nodes.OUTCOMES), st.booleans()
        ),
        nodes.Has: st.builds(
            nodes.Has, st.sampled_from(Event), owner_or_name, optional(counts()), spans
        ),
        nodes.Running: st.builds(nodes.Running, owner_or_name, optional(ages()))
        | st.builds(nodes.Running, owner_or_name, st.none(), counts()),
        nodes.Retry: st.builds(nodes.Retry, optional(st.integers(0, 9)), optional(durations())),
        nodes.OnWeekdays: st.lists(st.integers(0, 6), min_size=1).map(
            lambda days: nodes.OnWeekdays(tuple(days))
        ),
        nodes.Cron: cron_expressions().map(nodes.Cron),
        nodes.TimeOfCron: cron_expressions().map(nodes.TimeOfCron),
        nodes.Once: datetimes().map(nodes.Once),
        nodes.Dates: dates(),
        nodes.SchedulerAge: st.builds(nodes.SchedulerAge, durations(), st.booleans()),
        nodes.SchedulerCycles: counts().map(nodes.SchedulerCycles),
        nodes.Env: name.map(nodes.Env),
        nodes.ParamsExist: several.map(nodes.ParamsExist),
        nodes.ParamIs: st.builds(nodes.ParamIs, name, name | st.just("")),
        nodes.Call: st.builds(nodes.Call, name, st.lists(arguments(), max_size=3).map(tuple)),
    }


def optional(strategy: SearchStrategy[Value]) -> SearchStrategy[Value]:
    return st.none() | strategy


WINDOWS = (nodes.TimeOf, nodes.OnWeekdays, nodes.Dates, nodes.TimeOfCron, nodes.Constant)
CADENCES = (nodes.Cadence, nodes.Every, nodes.Cron, nodes.Once)


def conditions(
    *,
    atoms: Iterable[type[Condition]] | SearchStrategy[Condition] | None = None,
    tasks: Sequence[str] = TASKS,
    leaves: int = 8,
    depth: int = 4,
    zoned: bool = True,
) -> SearchStrategy[Condition]:
    """Conditions of at most `leaves` atoms, whose operators and zones stand at most `depth` within
    one another (0: atoms alone).

    `atoms` are the classes of atoms to draw from (default: all that the grammar has), or a strategy
    of your own for them; `tasks` the names that are mostly used; `zoned` whether parts may name a
    zone."""
    leaf = atoms if isinstance(atoms, SearchStrategy) else atoms_of(atoms, tasks)
    operators: list[SearchStrategy[str]] = [st.sampled_from("&|~")]
    if zoned:
        operators.append(zones())
    steps = st.tuples(leaf, st.lists(st.one_of(*operators), max_size=2))
    return st.lists(steps, min_size=1, max_size=leaves if depth else 1).map(
        lambda drawn: joined(drawn, depth)
    )


def atoms_of(
    kinds: Iterable[type[Condition]] | None, tasks: Sequence[str]
) -> SearchStrategy[Condition]:
    """Atoms of the given classes."""
    known = atom_strategies(tasks)
    return st.one_of(*(known.values() if kinds is None else (known[kind] for kind in kinds)))


Step = tuple[Condition, list[str]]  # an atom, and what is done with it: an operator, or a zone


def joined(steps: Iterable[Step], depth: int) -> Condition:
    """The condition of an expression in Polish order, its operators last. It is drawn as a flat
    list because those shrink best: every atom that does not matter goes. What would be deeper than
    `depth` is left out; operands without an operator are joined by *and*."""
    stack: list[tuple[Condition, int]] = []  # each with its depth
    for atom, operators in steps:
        stack.append((atom, 0))
        for operator in operators:
            apply(operator, stack, depth)
    shallow = [term for term, deep in stack if deep < depth]
    return nodes.all_of(*shallow) if len(shallow) > 1 else stack[0][0]


def apply(operator: str, stack: list[tuple[Condition, int]], depth: int) -> None:
    """Put the last one or two of the stack under an operator, if they are there and fit."""
    count = 2 if operator in ("&", "|") else 1
    last = stack[-count:]
    deep = 1 + max(deep for _, deep in last)
    if len(last) < count or deep > depth:
        return
    terms = tuple(term for term, _ in last)
    match operator:
        case "&":
            node: Condition = nodes.All(terms)
        case "|":
            node = nodes.Any(terms)
        case "~":
            node = ~terms[0]
        case zone:
            node = terms[0].in_zone(zone)
    stack[-count:] = [(node, deep)]


def periods(*, leaves: int = 4, zoned: bool = True) -> SearchStrategy[Condition]:
    """Conditions of windows alone: they say "is it now?", whatever the log."""
    return conditions(atoms=WINDOWS, leaves=leaves, zoned=zoned)


# --- time and logs --------------------------------------------------------------------------


def instants(
    earliest: datetime = datetime(2000, 1, 1), latest: datetime = datetime(2040, 1, 1)
) -> SearchStrategy[int]:
    """Instants in microseconds since the epoch, many of them on a boundary or beside one. The
    bounds are in UTC, and included."""
    low, high = (earliest - EPOCH) // MICROSECOND, (latest - EPOCH) // MICROSECOND
    round_ones = multiples((DAY, 3600 * SECOND, 60 * SECOND, SECOND, 1), low, high)
    beside = st.sampled_from((0, -1, 1))
    return st.builds(lambda at, off: min(max(at + off, low), high), round_ones, beside)


EPOCH = datetime(1970, 1, 1)
ENDINGS = tuple(action for action in Action if action is not Action.RUN)


def logs(
    tasks: Sequence[str] = ("self", *TASKS),
    *,
    earliest: datetime = datetime(2024, 1, 1),
    latest: datetime = datetime(2024, 3, 1),
    runs: int = 12,
) -> SearchStrategy[list[Record]]:
    """Logs of at most `runs` runs, in order of sequence: each a RUN record and, mostly, what
    ended it. A run may be logged late, and be on its way while others begin."""
    due = instants(earliest, latest)
    late = st.sampled_from((0, 1, SECOND, 3600 * SECOND))
    lasts = st.sampled_from((SECOND, 60 * SECOND, 7200 * SECOND, DAY, None))
    one = st.tuples(
        st.sampled_from(tuple(tasks)),
        *(due, late, st.sampled_from((0, None, 1)), lasts, st.sampled_from(ENDINGS)),
    )
    return st.lists(one, max_size=runs).map(records)


def records(runs: Iterable[tuple[str, int, int, int | None, int | None, Action]]) -> list[Record]:
    """The log of runs: (task, when due, how late, attempt, how long (None: live), how it ended)."""
    steps: list[tuple[Value, ...]] = []
    for number, (task, due, late, attempt, lasts, ending) in enumerate(runs):
        steps.append((due + late, number, task, Action.RUN, due, attempt))
        if lasts is not None:
            steps.append((due + late + lasts, number, task, ending, None, None))
    return numbered(sorted(steps, key=lambda step: step[:2]))


def numbered(steps: Iterable[tuple[Value, ...]]) -> list[Record]:
    """The records of the steps, with sequence numbers, each ending linked to its run."""
    records: list[Record] = []
    begun: dict[int, int] = {}
    for seq, (at, number, task, action, due, attempt) in enumerate(steps, 1):
        if action is Action.RUN:
            begun[number] = seq
            records.append(Record(task, action, at, seq, due, attempt, run_id=f"r{number}"))
        else:
            run = begun.get(number)
            records.append(Record(task, action, at, seq, run=run, run_id=f"r{number}"))
    return records
