"""Hints that the tree alone can give: what a correct condition does that its author may not want.

Each hint is one function from the condition (as the start_cond of a task) to diagnostics; `lint`
joins them. Hints that need windows (never true, always true, days that some months lack, times
that a clock change skips) are the engine's; `arrange` is for both.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from .diagnostic import Diagnostic, Severity, nearest
from .nodes import (
    AfterTasks,
    All,
    Any,
    Cadence,
    Call,
    Condition,
    Constant,
    Cron,
    Dates,
    Defined,
    Every,
    Func,
    Has,
    LimitError,
    Not,
    Once,
    Phrase,
    Retry,
    Running,
    TimeOf,
    TimeOfCron,
    Zoned,
    all_of,
    postorder,
)
from .parts import Before, Between, Bound, Event, Range, ThisCycle
from .points import (
    LONG_MONTHS,
    LONG_WEEKDAYS,
    WEEKDAYS,
    MonthPoint,
    Point,
    Unit,
    WeekPoint,
    YearPoint,
)
from .printer import text
from .rewrite import renamed
from .words import is_keyword


class Subject(NamedTuple):
    """What the hints look at: the condition, the names of the known tasks (None: not known), and
    the text it was read from (None: not known)."""

    root: Condition
    tasks: Collection[str] | None
    source: str | None


def lint(
    node: Condition, *, tasks: Collection[str] | None = None, source: str | None = None
) -> list[Diagnostic]:
    """The hints for `node` as the start_cond of a task, in the order of their places.

    `tasks` are the names of the known tasks: given, others are warned of. `source` is the text
    that `node` was parsed from: given, hints show its line, and know which names were quoted."""
    subject = Subject(node, tasks, source)
    return arrange([hint for look in HINTS for hint in look(subject)], source)


def arrange(hints: Iterable[Diagnostic], source: str | None) -> list[Diagnostic]:
    """The hints of all floors in the order of their places, each with its source. What is never
    true does not run again and again."""
    placed = [replace(hint, source=source) for hint in hints]
    if any(hint.code == "never-true" for hint in placed):
        placed = [hint for hint in placed if hint.code != "runs-again"]
    return sorted(placed, key=lambda hint: -1 if hint.span is None else hint.span.start)


def warning(code: str, message: str, node: Condition, fix: str | None = None) -> Diagnostic:
    return Diagnostic(Severity.WARNING, code, message, node.span, (), fix)


def information(code: str, message: str, node: Condition, fix: str | None = None) -> Diagnostic:
    return Diagnostic(Severity.INFORMATION, code, message, node.span, (), fix)


def written(node: Condition) -> str | None:
    """The text of a fix; None where it would be longer than a text may be."""
    try:
        return text(node)
    except LimitError:
        return None


# --- what a condition consumes ----------------------------------------------------------------

CADENCES = (Cadence, Every, Cron, Once)


def is_cadence(node: Condition) -> bool:
    return isinstance(node, CADENCES)


def bare(node: Condition) -> Condition:
    """`node` without the zones and names around it."""
    while isinstance(node, Zoned | Defined):
        node = node.term
    return node


def consumes(root: Condition) -> bool:
    """Whether a run makes the condition false, so that it does not start again at once.

    A custom condition may do so, and is given the benefit of the doubt."""
    done: dict[int, tuple[bool, bool]] = {}  # by id: as it is, and under not
    for node in postorder(root):
        done[id(node)] = consumed(node, [done[id(term)] for term in node.operands])
    return done[id(root)][0]


def consumed(node: Condition, terms: list[tuple[bool, bool]]) -> tuple[bool, bool]:
    """Whether a run makes `node` false, and whether it makes its opposite false."""
    match node:
        case All():
            return any(term[0] for term in terms), all(term[1] for term in terms)
        case Any():
            return all(term[0] for term in terms), any(term[1] for term in terms)
        case Not():
            return terms[0][1], terms[0][0]
        case Zoned() | Defined():
            return terms[0]
        case Constant(value):
            return not value, value
        case Has():
            return has_consumes(node)
        case Cadence() | Every() | Cron() | Once():
            return True, True  # what is wrong with a cadence under not has a hint of its own
        case AfterTasks() | Retry():
            return True, False
        case Call() | Phrase() | Func():
            return True, True
        case _:
            return False, False


def has_consumes(node: Has) -> tuple[bool, bool]:
    """Of the owner's own log: a run ends `has … at most n times`, and the opposite of `has …`."""
    own = node.task is None
    at_most = node.count is not None and node.count.bound is Bound.AT_MOST
    at_least = node.count is None or node.count.bound is Bound.AT_LEAST
    return own and at_most, own and at_least


def runs_again(subject: Subject) -> Iterator[Diagnostic]:
    """No self-consuming atom."""
    root = subject.root
    if consumes(root):
        return
    fix = None
    if isinstance(root, TimeOf):
        fix = written(Cadence(root.unit, root.range))
    message = "a task with this condition would run again and again: nothing in it is used up"
    yield warning("runs-again", f"{message}; {fix} runs once each" if fix else message, root, fix)


def two_cadences(subject: Subject) -> Iterator[Diagnostic]:
    """Two cadences joined by *and*: each must be due, so the slower one rules."""
    for node in postorder(subject.root, written=True):
        if not isinstance(node, All):
            continue
        rhythmic = [term for term in node.terms if has_cadence(term)]
        if len(rhythmic) > 1:
            fix = one_cadence(node, rhythmic)
            message = "two cadences joined by and: a run must be due by both"
            yield warning("two-cadences", f"{message}: {fix}?" if fix else message, node, fix)


def has_cadence(root: Condition) -> bool:
    """Whether a cadence of `root` decides when it is due, nots aside."""
    stack = [root]
    while stack:
        node = stack.pop()
        if is_cadence(node):
            return True
        if not isinstance(node, Not):
            stack.extend(node.operands)
    return False


def one_cadence(node: All, rhythmic: list[Condition]) -> str | None:
    """The fastest cadence first, the others as windows; None where that cannot be said."""
    if not all(isinstance(term, Cadence | Every | Cron) for term in rhythmic):
        return None
    fastest = min(rhythmic, key=pace)
    rest = [as_window(term) for term in node.terms if term != fastest]
    if any(is_cadence(term) for term in rest):
        return None
    return written(all_of(fastest, *rest))


def pace(node: Condition) -> int:
    """The length of a cycle, roughly, in seconds; the order is all that is used."""
    match node:
        case Every(duration):
            return int(duration.seconds)
        case Cadence(unit):
            return SECONDS[unit]
        case _:
            return SECONDS[Unit.MINUTE]


SECONDS = {
    Unit.SECOND: 1,
    Unit.MINUTE: 60,
    Unit.HOUR: 3_600,
    Unit.DAY: 86_400,
    Unit.WEEK: 604_800,
    Unit.MONTH: 2_592_000,
    Unit.YEAR: 31_536_000,
}


def as_window(node: Condition) -> Condition:
    match node:
        case Cadence(unit, range_):
            return TimeOf(unit, range_)
        case Cron(fields):
            return TimeOfCron(fields)
        case _:
            return node


def negated_cadence(subject: Subject) -> Iterator[Diagnostic]:
    """A cadence under *not*: true when no run is due, so also right after one."""
    for node in postorder(subject.root, written=True):
        if isinstance(node, Not) and has_cadence(node.term):
            fix = None
            if isinstance(node.term, Cadence) and node.term.range is not None:
                fix = written(Not(TimeOf(node.term.unit, node.term.range)))
            message = "a cadence under not is true whenever no run is due, also right after a run"
            yield warning("negated-cadence", f"{message}: {fix}?" if fix else message, node, fix)


def cadence_and_log(subject: Subject) -> Iterator[Diagnostic]:
    """`daily & ~has succeeded today`: the same, but for a run over the end of the cycle."""
    for node in postorder(subject.root, written=True):
        if not isinstance(node, All):
            continue
        units = {term.unit: term for term in map(bare, node.terms) if isinstance(term, Cadence)}
        for term in map(bare, node.terms):
            unit = own_cycle(term)
            if unit is not None and unit in units:
                message = (
                    f"{units[unit]} runs once each {unit} by itself, by when the run began; "
                    f"{term} goes by when it ended, so a run over the end of the {unit} makes "
                    f"them differ"
                )
                yield warning("cadence-and-log", message, term)


def own_cycle(node: Condition) -> Unit | None:
    """The unit of `~has succeeded this unit`, of the owner."""
    if not isinstance(node, Not) or not isinstance(node.term, Has):
        return None
    has = node.term
    if has.task is not None or has.event not in (Event.SUCCEEDED, Event.FINISHED):
        return None
    return has.within.unit if isinstance(has.within, ThisCycle) else None


# --- points ---------------------------------------------------------------------------------


def ranges(root: Condition) -> Iterator[tuple[Condition, Unit, Range]]:
    """Every range of the tree, with its cycle's unit and the atom it is of."""
    for node in postorder(root, written=True):
        match node:
            case TimeOf(unit, range_) | Cadence(unit, range_):
                if range_ is not None:
                    yield node, unit, range_
            case Every(_, _, range_):
                if range_ is not None:
                    yield node, Unit.DAY, range_
            case Has(_, _, _, ThisCycle(unit, range_)):
                if range_ is not None:
                    yield node, unit, range_
            case _:
                pass


def whole_day_end(subject: Subject) -> Iterator[Diagnostic]:
    """An end without a clock time names a whole day (or month), which is included."""
    for node, unit, range_ in ranges(subject.root):
        if isinstance(range_, Before | Between):
            included = whole_day(range_.end)
            if included is not None:
                shown = range_.end.text(unit)
                but = exact(range_.end, unit)
                message = f"an end of {shown} includes {included}; {but} does not"
                yield information("whole-day-end", message, node)
    for node in postorder(subject.root, written=True):
        if isinstance(node, Dates) and node.end is not None and node.end_is_date:
            day = node.end.date().isoformat()
            message = f"an end of {day} includes that day; {day} 00:00 does not"
            yield information("whole-day-end", message, node)


def exact(end: Point, unit: Unit) -> str:
    """How an end that names a whole day or month is written without it."""
    first = " 1st" if isinstance(end, YearPoint) and end.day is None else ""
    return f"{end.text(unit)}{first} 00:00"


def whole_day(end: Point) -> str | None:
    """What an end includes, if it names a whole day or month."""
    match end:
        case WeekPoint(weekday, None):
            return LONG_WEEKDAYS[weekday]
        case MonthPoint(_, _, None):
            return f"the {end.text()}" if end.weekday is None else f"that {WEEKDAYS[end.weekday]}"
        case YearPoint(month, None):
            return f"all of {LONG_MONTHS[month - 1]}"
        case YearPoint(_, MonthPoint(_, _, None)):
            return "that day"
        case _:
            return None


def sixty_times(subject: Subject) -> Iterator[Diagnostic]:
    """`cron 20 4 * * * *`: a sixth field is for seconds, so this fires in each of them."""
    for node in postorder(subject.root, written=True):
        if isinstance(node, Cron) and node.fields.seconds == tuple(range(60)):
            five = f"cron {node.fields.text.rpartition(' ')[0]}"
            message = f"a sixth field of * fires sixty times a minute: {five}?"
            yield warning("sixty-times", message, node, five)


# --- names ----------------------------------------------------------------------------------


def named_tasks(node: Condition) -> tuple[str, ...]:
    """The tasks that an atom names."""
    match node:
        case AfterTasks(tasks):
            return tasks
        case Has(_, task) | Running(task):
            return () if task is None else (task,)
        case _:
            return ()


MOST_GUESSES = 10  # for so many unknown names the near ones are looked for


def unknown_task(subject: Subject) -> Iterator[Diagnostic]:
    """The name of no known task; until there is one, the atom is false."""
    if subject.tasks is None:
        return
    known = frozenset(subject.tasks)
    guesses = MOST_GUESSES
    for node in postorder(subject.root, written=True):
        for name in named_tasks(node):
            if name in known:
                continue
            near = nearest(name, subject.tasks) if guesses > 0 else ()
            guesses -= 1
            message = f"no task is called {name!r}"
            fix = written(renamed(node, {name: near[0]})) if near else None
            if near:
                message += f": {' or '.join(map(repr, near))}?"
            yield warning("unknown-task", message, node, fix)


def keyword_name(subject: Subject) -> Iterator[Diagnostic]:
    """`after task success`: a name without quotes that is a keyword elsewhere."""
    for node in postorder(subject.root, written=True):
        for name in named_tasks(node):
            if not is_keyword(name) or (subject.tasks is not None and name in subject.tasks):
                continue
            if is_quoted(node, name, subject.source):
                continue
            message = f"{name!r} is read as a task's name"
            if isinstance(node, AfterTasks):
                message += f"; for an outcome say after task 'x' {outcome_like(name)}"
            yield information("keyword-name", message, node, written(node))


def outcome_like(word: str) -> str:
    """The outcome that a word was perhaps meant for."""
    lower = word.lower()
    stems = {"fail": Event.FAILED, "finish": Event.FINISHED, "terminat": Event.TERMINATED}
    return next((event for stem, event in stems.items() if lower.startswith(stem)), "succeeded")


def is_quoted(node: Condition, name: str, source: str | None) -> bool:
    if source is None or node.span is None:
        return False
    place = source[node.span.start : node.span.end]
    return f"'{name}'" in place or f'"{name}"' in place


HINTS: tuple[Callable[[Subject], Iterator[Diagnostic]], ...] = (
    runs_again,
    two_cadences,
    negated_cadence,
    cadence_and_log,
    whole_day_end,
    sixty_times,
    unknown_task,
    keyword_name,
)
