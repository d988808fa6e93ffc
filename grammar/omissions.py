"""The slips inside atoms that leave a word out, or put another in its place.

Functions as in `slips`, tried in the order of `OMISSIONS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from ..conds.diagnostic import Diagnostic, nearest
from ..conds.durations import read_duration
from ..conds.points import (
    CADENCES,
    Unit,
    a,
    reads,
)
from ..conds.printer import quoted
from ..conds.reading import readable
from ..conds.words import is_keyword
from .errors import NEARBY, Stop
from .idioms import SYNONYMS
from .slips import EVENTS, near_keyword

UNITS_OF_POINTS = (Unit.DAY, Unit.WEEK, Unit.MONTH, Unit.YEAR)


# --- another word ---------------------------------------------------------------------------


def no_outcome(stop: Stop) -> Diagnostic | None:
    """`after task 'x' started`."""
    if "OUTCOME" not in stop.accepts or stop.word not in EVENTS:
        return None
    words = stop.tables.spelling["OUTCOME"]
    message = f"{stop.token!r} is no outcome to wait for: {', '.join(words)}"
    return stop.error("outcome", message, expected=words)


def no_unit(stop: Stop) -> Diagnostic | None:
    """`time of daily`, `this days`."""
    if "UNIT" not in stop.accepts:
        return None
    nouns = {cadence: unit.value for unit, cadence in CADENCES.items()}
    fix = nouns.get(stop.word) or next(iter(nearest(stop.word, nouns.values(), 1)), None)
    units = tuple(unit.value for unit in Unit)
    what = f"{stop.token!r} is not a cycle" if stop.token else "a cycle is missing"
    return stop.error("unknown-unit", f"{what}: {fix or ', '.join(units)}", fix=fix, expected=units)


# --- a word left out ------------------------------------------------------------------------


def task_after_range(stop: Stop) -> Diagnostic | None:
    """`daily after task 'x'`: an `&` is missing before `after`."""
    if "POINT" not in stop.accepts or stop.previous != "after":
        return None
    named = stop.token[:1] in ("'", '"')
    if stop.word not in ("task", "tasks", "all", "any") and not named:
        return None
    start = len(stop.plain[: stop.starts[-1]].rstrip())
    fix = " & after task" if named else " & after"
    mended = stop.mended(start, stop.read_to, fix)
    message = f"& is missing between the two conditions: {mended}"
    return stop.error("missing-operator", message, start, stop.read_to, fix)


def missing_on(stop: Stop) -> Diagnostic | None:
    """`weekly Mon`, `daily 10:00`."""
    unit, rest = stop.unit, stop.rest()
    if not {"STARTING", "AT"} <= stop.accepts or not rest:
        return None
    for first, last in two_ends(rest):
        if reads(unit, first) and reads(unit, last):
            fix = f"between {first} and {last}"
            end = stop.start + len(rest)
            return stop.error("missing-on", f"a range is written {fix}", end=end, fix=fix)
    if not reads(unit, rest):
        return None
    word = "on" if unit in (Unit.WEEK, Unit.MONTH, Unit.YEAR) else "at"
    fix, end = f"{word} {rest}", stop.start + len(rest)
    message = f"{word} is missing before {rest}: {fix}, or after {rest}"
    return stop.error("missing-on", message, end=end, fix=fix, expected=(word, "after"))


def has_outcome(stop: Stop) -> Diagnostic | None:
    """`after task a has succeeded`."""
    word = re.compile(r"\s*(\w+)").match(stop.plain, stop.end)
    if "OUTCOME" not in stop.accepts or stop.word not in ("has", "is") or word is None:
        return None
    fix = SYNONYMS.get(word[1].lower(), word[1])
    if fix.lower() not in stop.tables.spelling["OUTCOME"]:
        return None
    message = f"the outcome follows the name: {fix} without {stop.token}"
    return stop.error("extra-has", message, end=word.end(), fix=fix)


def several_tasks(stop: Stop) -> Diagnostic | None:
    """`after task a, b`."""
    follows = re.compile(r"\s*[^\W\d]|\s*['\"]").match(stop.plain, stop.end)
    if "OUTCOME" not in stop.accepts or stop.token != "," or follows is None:
        return None
    if "task" not in stop.values[-2:]:
        return None
    start = stop.starts[-2]
    fix = f"tasks{stop.plain[start + len('task') : stop.end]}"
    return stop.error("several-tasks", "several tasks are listed after tasks", start, fix=fix)


def missing_subject(stop: Stop) -> Diagnostic | None:
    """`task has failed`: `has` is read as the name."""
    named_has = re.fullmatch(r"task\s+has", stop.previous)
    if stop.accepts != {"HAS", "IS"} or named_has is None or stop.word not in EVENTS:
        return None
    message = "the name of the task is missing; of the owning task say has alone"
    return stop.error("missing-name", message, stop.starts[-1], stop.read_to, "has")


def missing_task(stop: Stop) -> Diagnostic | None:
    """`after 'extract'`, `after extract`."""
    if not {"DATETIME", "TASK"} <= stop.accepts:
        return None
    if stop.token[:1] in ("'", '"') and len(stop.token) > 1:
        fix = f"{tasks_word(stop)} {stop.token}"
    elif stop.word and not is_keyword(stop.word) and not window_of(stop):
        if stop.plain[stop.end :].strip() and (near := nearest(stop.word, ("task", "tasks"), 1)):
            return stop.error("unknown-word", f"{stop.token!r}: {near[0]}?", fix=near[0])
        fix = f"{tasks_word(stop)} {stop.token}"
    else:
        return None
    word = fix.split()[0]
    return stop.error("missing-task", f"the word {word} is missing: after {fix}", fix=fix)


def tasks_word(stop: Stop) -> str:
    """`task`, or `tasks` before a list."""
    return "tasks" if stop.plain[stop.end :].lstrip().startswith(",") else "task"


def window_of(stop: Stop) -> Unit | None:
    """The unit of which the rest of the operand is a point."""
    rest = stop.rest()
    return next((unit for unit in UNITS_OF_POINTS if rest and reads(unit, rest)), None)


BETWEEN = re.compile(r"(?P<start>[^&|()]+?)\s+and\s+(?P<end>[^&|()]+)", re.I)


def missing_window(stop: Stop) -> Diagnostic | None:
    """`after 10:00`, `before Mon`, `between 10:00 and 12:00`: the unit is left out."""
    if "DATETIME" not in stop.accepts or stop.previous not in ("after", "before", "between"):
        return None
    start = stop.starts[-1]
    if stop.previous == "between":
        ends = BETWEEN.match(stop.plain, stop.start, stop.start + NEARBY)
        texts = (ends["start"], ends["end"].rstrip()) if ends else ()
        unit = next((u for u in UNITS_OF_POINTS if ends and all(reads(u, t) for t in texts)), None)
        written = f"between {' and '.join(texts)}"
        end = ends.end() if ends else stop.end
    else:
        unit, written = window_of(stop), f"{stop.previous} {stop.rest()}"
        end = stop.start + len(stop.rest())
    if unit is None:
        return None
    fix = f"time of {unit.value} {written}"
    message = f"{written} is of {a(unit)}: {fix}, or {CADENCES[unit]} {written}"
    return stop.error("missing-unit", message, start, end, fix)


def missing_span(stop: Stop) -> Diagnostic | None:
    """`has failed on Mon`: a range of no cycle."""
    if "TODAY" not in stop.accepts or stop.word not in RANGES:
        return None
    rest = stop.rest()
    point = rest[len(stop.token) :].strip()
    unit = next((unit for unit in UNITS_OF_POINTS if reads(unit, point)), None)
    if unit is None:
        return None
    fix = f"{'today' if unit is Unit.DAY else f'this {unit.value}'} {rest}"
    return stop.error(
        "missing-span", f"a range needs a cycle: {fix}", end=stop.start + len(rest), fix=fix
    )


RANGES = ("on", "at", "after", "before", "starting")


def missing_has(stop: Stop) -> Diagnostic | None:
    """`task 'x' failed`."""
    if stop.accepts != {"HAS", "IS"}:
        return None
    if stop.word == "not":
        return stop.error("missing-has", "the word has is missing: has not", fix="has not")
    words = (*EVENTS, *SYNONYMS)
    near = nearest(stop.word, words, 1) or ((stop.word,) if stop.word in words else ())
    if not near:
        return None
    fix = f"has {SYNONYMS.get(near[0], near[0])}"
    return stop.error("missing-has", f"the word has is missing: {fix}", fix=fix)


def bare_count(stop: Stop) -> Diagnostic | None:
    """`has failed 3 times`: at least, at most, exactly?"""
    if not stop.token.isdigit() or "EXACTLY" not in stop.accepts or "INT" in stop.accepts:
        return None
    times = re.compile(r"(?:\s+or\s+(more|less|fewer))?\s*times?(?![\w.:-])", re.I).match(
        stop.plain, stop.end
    )
    end = times.end() if times else stop.end
    least = not times or times[1] is None or times[1].lower() == "more"
    fix = (
        f"at {'least' if least else 'most'} {stop.token} {'time' if stop.token == '1' else 'times'}"
    )
    bounds = ("at least", "at most", "exactly")
    return stop.error(
        "bare-count", f"a count needs a bound: {fix}", end=end, fix=fix, expected=bounds
    )


def bare_age(stop: Stop) -> Diagnostic | None:
    """`is running for 10 minutes`."""
    rest = stop.rest()
    if stop.previous != "for" or not readable(read_duration, rest):
        return None
    fix = f"more than {rest}"
    return stop.error(
        "bare-age", f"an age needs a bound: for {fix}", end=stop.start + len(rest), fix=fix
    )


AGE = re.compile(r"running\s+(?:more|less)\s+than\s+[0-9]+\Z", re.I)


def missing_times(stop: Stop) -> Diagnostic | None:
    """`retry 3`, `at least 3`."""
    for word in ("times", "cycles"):
        if stop.accepts != {word.upper(), word[:-1].upper()}:
            continue
        if (near := near_keyword(stop)) is not None:
            return near
        message = f"the word {word} is missing after {stop.previous}"
        if stop.search_before(AGE, stop.start):
            message = f"a unit, or the word times, is missing after {stop.previous}"
        end = stop.read_to
        return stop.error("missing-times", message, end, end, f" {word}", (word,))
    return None


def missing_ago(stop: Stop) -> Diagnostic | None:
    """`scheduler started 10 minutes`."""
    if stop.accepts != {"AGO"} or stop.token not in ("", ")", "&", "|"):
        return None
    end = stop.read_to
    return stop.error("missing-ago", "the word ago is missing", end, end, " ago", ("ago",))


def missing_comma(stop: Stop) -> Diagnostic | None:
    """`after tasks 'a' 'b'`."""
    named = stop.token[:1] in ("'", '"') or (stop.word and not is_keyword(stop.word))
    if "COMMA" not in stop.accepts or not named or near_keyword(stop) is not None:
        return None
    if reads_points(stop):
        return None
    fix = f", {stop.token}"
    return stop.error(
        "missing-comma", f"a comma is missing before {stop.token}", stop.read_to, stop.end, fix
    )


def reads_points(stop: Stop) -> bool:
    """Whether the list that is read is of points, and not of names."""
    listed = stop.values[-1] if stop.values else None
    return isinstance(listed, list) and isinstance(listed[-1], tuple)


def missing_number(stop: Stop) -> Diagnostic | None:
    if "INT" not in stop.accepts or "DURATION" in stop.accepts:
        return None
    if stop.after_operand and re.match(r"\s*(?:times?)\b", stop.plain[stop.end :]) is None:
        return None
    what = f"{stop.token!r} is not a whole number" if stop.token else "a number is missing"
    return stop.error("missing-number", f"{what}: as in 3", expected=("a whole number",))


def missing_and(stop: Stop) -> Diagnostic | None:
    """`between 10:00-12:00`, `between 10:00, 12:00`, `between 10:00 12:00`, `between 10:00`."""
    if stop.accepts != {"AND"}:
        return None
    said = stop.previous_text
    for first, last in two_ends(said):
        if all(reads(stop.unit, end) for end in (first, last)):
            fix = f"{first} and {last}"
            message = f"the ends of between are joined by and: {fix}"
            return stop.error("between-and", message, stop.starts[-1], stop.read_to, fix, ("and",))
    joint = re.compile(r"\s*(?:,|;|&|\||\.{2,}|\bor\b)\s*(?=[\w])", re.I).match(
        stop.plain, stop.read_to
    )
    if joint is not None:
        message = "the ends of between are joined by and"
        end = joint.end()
        return stop.error("between-and", message, stop.read_to, end, " and ", ("and",))
    between = stop.search_before(BETWEEN_ONE, stop.read_to)
    if between is None or stop.plain[stop.start :].strip():
        return stop.error(
            "between-and", "and is missing: between needs two ends", expected=("and",)
        )
    fix = f"after {said}"
    message = f"and is missing: between needs two ends; from one on it is {fix}"
    return stop.error("between-and", message, between.start(), stop.read_to, fix, ("and",))


BETWEEN_ONE = re.compile(r"\bbetween\s+[^&|()]+\Z", re.I)


def two_ends(said: str) -> Iterator[tuple[str, str]]:
    """The ways to take a text as two ends."""
    for joint in re.finditer(r"\s*-\s*|\s+", said if len(said) <= NEARBY else ""):
        yield said[: joint.start()], said[joint.end() :]


def unquoted_name(stop: Stop) -> Diagnostic | None:
    """`after task a/b`: a name goes on with a character that a bare one cannot have."""
    followed = stop.accepts_any("OUTCOME", "HAS", "EXISTS", "COMMA") or stop.search_before(
        ENV, stop.start
    )
    if stop.start != stop.read_to or not followed or stop.token in ("", ",", "(", ")"):
        return None
    if reads_points(stop):
        return None
    word = re.compile(r"[^\s&|(),'\"]+").match(stop.plain, stop.starts[-1])
    if word is None or not word[0][0].isalpha() or word.end() <= stop.start:
        return None
    fix = quoted(word[0])
    return stop.error(
        "quote-name", f"such a name needs quotes: {fix}", stop.starts[-1], word.end(), fix
    )


ENV = re.compile(r"\benv\s+\S+\Z", re.I)


ON_WEEKDAY = re.compile(r"\bon\s+(?P<day>\w+)\Z", re.I)


def weekday_with_clock(stop: Stop) -> Diagnostic | None:
    """`on Mon 10:00`."""
    found = stop.search_before(ON_WEEKDAY, stop.start)
    if "COMMA" not in stop.accepts or found is None:
        return None
    point = f"{found['day']} {stop.rest()}"
    if not reads(Unit.WEEK, point):
        return None
    fix = f"time of week on {point}"
    end = stop.start + len(stop.rest())
    return stop.error("weekday-clock", f"on takes whole days: {fix}", found.start(), end, fix)


OMISSIONS: tuple[Callable[[Stop], Diagnostic | None], ...] = (
    missing_on,
    has_outcome,
    several_tasks,
    missing_subject,
    no_outcome,
    no_unit,
    task_after_range,
    missing_task,
    missing_window,
    missing_span,
    missing_has,
    bare_count,
    bare_age,
    missing_times,
    missing_ago,
    unquoted_name,
    weekday_with_clock,
    missing_comma,
    missing_number,
    missing_and,
)
