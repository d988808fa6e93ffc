"""The common slips: each function knows one kind of stop and explains it, or passes.

They are tried in order, the most telling first. A slip looks at the token that could not be used,
at what the state accepts, and at what was read; it changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ..conds.diagnostic import Diagnostic, nearest
from ..conds.durations import UNITS, read_duration
from ..conds.points import (
    CADENCES,
    FORMS,
    MONTH_NUMBERS,
    WEEKDAY_NUMBERS,
    WEEKDAYS,
    Unit,
    read_cron,
    read_point,
    reads,
)
from ..conds.printer import quoted
from ..conds.reading import ReadError
from ..conds.words import STARTERS, is_keyword
from .errors import Stop

BINARY = ("&", "|", "and", "or")
SYMBOL = {"&&": "&", "||": "|", "!": "~", "and": "&", "or": "|", "&": "&", "|": "|"}


def operand_wanted(stop: Stop) -> bool:
    return "LPAR" in stop.accepts and "TILDE" in stop.accepts


def operand_done(stop: Stop) -> bool:
    return "AMPERSAND" in stop.accepts


# --- quotes, parentheses, operators ---------------------------------------------------------


def open_quote(stop: Stop) -> Diagnostic | None:
    if stop.token not in ("'", '"'):
        return None
    word = re.compile(r"[^\s&|()]*").match(stop.plain, stop.end)
    assert word is not None
    end = word.end()
    fix = f"{stop.token}{word[0]}{stop.token}" if word[0] else None
    return stop.error("open-quote", "the quote is never closed", end=end, fix=fix)


def empty_text(stop: Stop) -> Diagnostic | None:
    if stop.plain.strip():
        return None
    return stop.error(
        "empty", "empty condition: as in daily or every 10 minutes", 0, len(stop.text)
    )


def foreign_operator(stop: Stop) -> Diagnostic | None:
    """`!`, `&&` and `||`, which other languages have."""
    if stop.token == "!" and (operand_wanted(stop) or operand_done(stop)):
        mended = stop.mended(stop.start, stop.end, "~")
        return stop.error("operator", f"'!' is written ~: {mended}", fix="~")
    if not operand_wanted(stop) or stop.previous not in ("&", "|"):
        return None
    if stop.token[0:1] != stop.previous:
        return None
    start = stop.starts[-1]
    mended = stop.mended(start, stop.start + 1, stop.previous)
    if stop.start == stop.read_to:
        symbol = stop.previous * 2
        message = f"{symbol!r} is written {stop.previous}: {mended}"
    else:
        message = f"an operand is missing between {stop.previous} and {stop.previous}: {mended}"
    return stop.error("operator", message, start, stop.start + 1, stop.previous)


def missing_operand(stop: Stop) -> Diagnostic | None:
    """An operator at the end or the start, two in a row, an empty group."""
    if not operand_wanted(stop) or not (
        stop.token in ("", ")") or stop.word in BINARY or stop.token in BINARY
    ):
        return None
    previous = stop.previous
    if previous == "(" and stop.token == ")":
        message = "an operand is missing in the parentheses"
        return stop.error("missing-operand", message, stop.starts[-1], stop.end)
    if previous in (*BINARY, "~", "not"):
        start, message = stop.starts[-1], f"an operand is missing after {previous}"
        if stop.token in ("", ")"):
            before = len(stop.plain[:start].rstrip())
            return (
                stop.error("missing-operand", message, start, stop.read_to, "")
                if (before)
                else stop.error("missing-operand", message, start, stop.read_to)
            )
        return stop.error("missing-operand", message, start, stop.end, SYMBOL[stop.token.lower()])
    if stop.token in ("", ")"):
        message = f"an operand is missing after {previous or 'nothing'}"
        return stop.error("missing-operand", message)
    message = f"an operand is missing before {stop.token}"
    return stop.error("missing-operand", message, fix="")


def open_parenthesis(stop: Stop) -> Diagnostic | None:
    if stop.token or "RPAR" not in stop.accepts or operand_wanted(stop):
        return None
    openings = [
        start for start, value in zip(stop.starts, stop.values, strict=True) if value == "("
    ]
    if not openings:
        return None
    start, end = openings[-1], stop.read_to
    fix = stop.text[start:end] + ")"
    return stop.error("open-parenthesis", "the parenthesis is never closed", start, end, fix)


def lone_parenthesis(stop: Stop) -> Diagnostic | None:
    if stop.token != ")" or "(" in stop.values:
        return None
    return stop.error("lone-parenthesis", "there is nothing to close", fix="")


def missing_operator(stop: Stop) -> Diagnostic | None:
    """Two operands side by side; but a misspelt continuation is told as such."""
    if not operand_done(stop) or stop.token in ("", ")"):
        return None
    if stop.word and (near := near_keyword(stop)) is not None:
        return near
    gap_start, gap_end = stop.read_to, stop.start
    if stop.token == ",":
        gap_end = stop.end
    mended = stop.mended(gap_start, gap_end, " & ")
    where = f"before {stop.token}" if stop.token != "," else "in the place of the comma"
    message = f"& or | is missing {where}: {mended}"
    return stop.error(
        "missing-operator",
        message,
        gap_start,
        max(gap_end, stop.end),
        (f" & {stop.plain[gap_end : stop.end]}" if stop.token != "," else " &"),
        ("&", "|"),
    )


def near_keyword(stop: Stop) -> Diagnostic | None:
    """A word that looks like one of the keywords that would have been right."""
    if not stop.word or is_keyword(stop.word):
        return None
    near = nearest(stop.word, stop.keywords, 1)
    if not near:
        return None
    return stop.error("unknown-word", f"{stop.token!r} is not known here: {near[0]}?", fix=near[0])


# --- the start of an operand ------------------------------------------------------------------


def lone_name(stop: Stop) -> Diagnostic | None:
    """A name or a quoted text that stands for a condition, but no call follows."""
    if stop.accepts != {"LPAR"}:
        return None
    start, end = stop.starts[-1], stop.read_to
    token = stop.plain[start:end]
    if token[0] in "'\"":
        fix = f"after task {token}"
        return stop.error("lone-name", f"a name alone is no condition: {fix}?", start, end, fix)
    return unknown_condition(stop, token, start, end)


def unknown_condition(stop: Stop, word: str, start: int, end: int) -> Diagnostic:
    lower = word.lower()
    if lower in WEEKDAY_NUMBERS:
        fix = f"on {WEEKDAYS[WEEKDAY_NUMBERS[lower]]}"
        return stop.error("bare-point", f"a weekday alone is no condition: {fix}", start, end, fix)
    if lower in MONTH_NUMBERS:
        fix = f"time of year on {word}"
        return stop.error("bare-point", f"a month alone is no condition: {fix}", start, end, fix)
    near = nearest(lower, sorted(STARTERS), 1)
    if not near and stop.phrases is not None and (like := stop.phrases.like(word)):
        message = f"unknown condition {word!r}: {like[0]}?"
        return stop.error("unknown-condition", message, start, end)
    if near:
        message = f"unknown condition {word!r}: {near[0]}?"
        return stop.error("unknown-condition", message, start, end, near[0])
    return stop.error("unknown-condition", f"unknown condition {word!r}", start, end)


def not_an_operand(stop: Stop) -> Diagnostic | None:
    """A number, a time, a date or a keyword of the inside at the start of an operand."""
    if not operand_wanted(stop):
        return None
    rest = stop.rest()
    found = operand_fix(stop, rest)
    if found is not None:
        return stop.error(
            "bare-point",
            f"{rest} alone is no condition: {found}",
            end=stop.start + len(rest),
            fix=found,
        )
    if stop.word in PARTS:
        message = f"a condition does not start with {stop.token!r}: {PARTS[stop.word]}"
        return stop.error("unknown-condition", message)
    if stop.word:
        return unknown_condition(stop, stop.token, stop.start, stop.end)
    return stop.error("unknown-condition", f"a condition does not start with {stop.token!r}")


PARTS = {
    "at": "as in daily at 10:00",
    "starting": "as in daily starting 10:00",
    "in": "a zone follows a condition",
    "today": "as in has succeeded today",
    "this": "as in has succeeded this week",
    "past": "as in has failed past 2 hours",
    "running": "as in task 'x' is running",
    "any": "as in after any tasks 'a', 'b'",
    "all": "as in after all tasks 'a', 'b'",
    "tasks": "as in after tasks 'a', 'b'",
    "since": "as in every 10 minutes since last success",
}


def operand_fix(stop: Stop, rest: str) -> str | None:
    """A condition that a bare value was meant for."""
    if re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", rest):
        return f"once at {rest}"
    if rest[:1].isdigit() and reads_duration(rest):
        if stop.previous in BINARY:
            return f"every {rest}"
        return f"every {rest}"
    if re.match(r"[0-9]{1,2}(:[0-9]{2}|\s*[ap]m\b)", rest) and reads(Unit.DAY, rest):
        return f"daily at {rest}"
    if stop.word == "at" and reads(Unit.DAY, rest[2:].strip()):
        return f"daily {rest}"
    if stop.word in EVENTS or stop.word in SYNONYMS:
        event = SYNONYMS.get(stop.word, stop.word)
        return f"has {event}{rest[len(stop.token) :]}"
    return None


def reads_duration(text: str) -> bool:
    try:
        read_duration(text)
    except ReadError:
        return False
    return True


# --- inside an atom -------------------------------------------------------------------------

EVENTS = ("started", "succeeded", "failed", "finished", "terminated", "inacted", "crashed")
SYNONYMS = {
    "run": "started",
    "ran": "started",
    "start": "started",
    "success": "succeeded",
    "succeed": "succeeded",
    "fail": "failed",
    "failure": "failed",
    "finish": "finished",
    "ended": "finished",
    "terminate": "terminated",
    "crash": "crashed",
}


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


def after_what(stop: Stop) -> Diagnostic | None:
    """`after 'extract'`, `after extract`, `after 10:00`."""
    if not {"DATETIME", "TASK"} <= stop.accepts:
        return None
    rest = stop.rest()
    fix = None
    if stop.token[:1] in ("'", '"') and len(stop.token) > 1:
        fix = f"task {stop.token}"
        return stop.error(
            "missing-task", f"the word task is missing: after {fix}", end=stop.end, fix=fix
        )
    for unit in (Unit.DAY, Unit.WEEK, Unit.MONTH, Unit.YEAR):
        if rest and reads(unit, rest):
            fix = f"time of {unit.value} after {rest}"
            start = stop.starts[-1]
            return stop.error(
                "missing-unit",
                f"after a time of what? {fix}, or {CADENCES[unit]} after {rest}",
                start,
                stop.start + len(rest),
                fix,
            )
    if stop.word and not is_keyword(stop.word):
        near = nearest(stop.word, ("task", "tasks"), 1) if " " in rest else ()
        if near:
            return stop.error("unknown-word", f"{stop.token!r}: {near[0]}?", fix=near[0])
        fix = f"task {stop.token}"
        return stop.error("missing-task", f"the word task is missing: after {fix}", fix=fix)
    return None


def count_without_bound(stop: Stop) -> Diagnostic | None:
    """`has failed 3 times`."""
    if not stop.token.isdigit() or "EXACTLY" not in stop.accepts:
        return None
    times = re.compile(r"\s*(times?)(?![\w.:-])", re.I).match(stop.plain, stop.end)
    end = times.end() if times else stop.end
    fix = f"at least {stop.token} {'time' if int(stop.token[:18]) == 1 else 'times'}"
    return stop.error(
        "bare-count",
        f"a count needs a bound: {fix}",
        end=end,
        fix=fix,
        expected=("at least", "at most", "exactly"),
    )


def event_synonym(stop: Stop) -> Diagnostic | None:
    if not {"EVENT", "OUTCOME"} & stop.accepts:
        return None
    meant = SYNONYMS.get(stop.word)
    if meant is None or meant not in stop.keywords:
        if "OUTCOME" in stop.accepts and stop.word in EVENTS:
            words = ("succeeded", "failed", "finished", "terminated")
            message = f"{stop.token!r} is no outcome to wait for: {', '.join(words)}"
            return stop.error("outcome", message, expected=words)
        return None
    return stop.error("unknown-word", f"{stop.token!r} is written {meant}", fix=meant)


def between_without_and(stop: Stop) -> Diagnostic | None:
    """`between 10:00 to 12:00`, `between 10:00`."""
    if stop.accepts != {"AND"}:
        return None
    if stop.word in ("to", "until", "till") or stop.token in ("-", "&"):
        return stop.error(
            "between-and",
            f"the ends of between are joined by and, not {stop.token!r}",
            fix="and",
            expected=("and",),
        )
    return stop.error("between-and", "and is missing: between needs two ends", expected=("and",))


def bad_point(stop: Stop) -> Diagnostic | None:
    if "POINT" not in stop.accepts:
        return None
    unit = wanted_unit(stop)
    text = stop.rest() if stop.token not in ("", ",", ")", "&", "|") else ""
    if not text:
        message = f"a point of a {unit} is missing: {FORMS[unit]}"
        return stop.error("missing-point", message, expected=(FORMS[unit],))
    return reader_error(stop, lambda: read_point(unit, stop.token), stop.token, unit)


def wanted_unit(stop: Stop) -> Unit:
    """The unit of the cadence or window that the parser was reading."""
    names = {name: unit for unit, name in CADENCES.items()}
    for value in reversed(stop.values):
        if isinstance(value, str):
            if value in names:
                return names[value]
            if value in [unit.value for unit in Unit]:
                return Unit(value)
    return Unit.DAY


def reader_error(
    stop: Stop, read: Callable[[], object], text: str, unit: Unit | None = None
) -> Diagnostic | None:
    """The error of a value's reader, at its place; None if it reads."""
    try:
        read()
    except ReadError as error:
        start, end = stop.start + error.start, stop.start + error.end
        return stop.error(error.code, error.message, start, max(end, start), error.fix)
    return None


FOLLOWS = re.compile(r"(?<!\S)(?:since|between|after|before|ago|in)(?!\S)", re.I)


def bad_duration(stop: Stop) -> Diagnostic | None:
    if "DURATION" not in stop.accepts:
        return None
    rest = stop.rest()
    follow = FOLLOWS.search(rest)
    text = rest[: follow.start()].rstrip() if follow else rest
    if stop.previous == "every" and text.lower() in WEEKDAY_NUMBERS:
        fix = f"weekly on {WEEKDAYS[WEEKDAY_NUMBERS[text.lower()]]}"
        return stop.error(
            "weekday-interval",
            f"every takes a duration: {fix}",
            stop.starts[-1],
            stop.start + len(text),
            fix,
        )
    if stop.previous == "every" and text.lower() in CADENCE_NOUNS:
        fix = CADENCE_NOUNS[text.lower()]
        unit = text.lower()
        more = f", or every 1 {unit}" if unit in UNITS else ""
        return stop.error(
            "number-missing",
            f"a number is missing after every: {fix}{more}",
            stop.starts[-1],
            stop.start + len(text),
            fix,
        )
    return reader_error(stop, lambda: read_duration(text), text)


CADENCE_NOUNS = {unit.value: cadence for unit, cadence in CADENCES.items()}


def bad_cron(stop: Stop) -> Diagnostic | None:
    if "CRON" not in stop.accepts:
        return None
    return reader_error(stop, lambda: read_cron(""), "")


def bad_date(stop: Stop) -> Diagnostic | None:
    if "DATETIME" not in stop.accepts:
        return None
    message = "a date is missing: as in 2026-01-31 or 2026-01-31 10:00"
    if stop.token:
        message = f"{stop.rest() or stop.token!r} is not a date: as in 2026-01-31 10:00"
    return stop.error("bad-date", message)


def bad_weekday(stop: Stop) -> Diagnostic | None:
    if "WEEKDAY" not in stop.accepts:
        return None
    names = tuple(name.title() for name in WEEKDAY_NUMBERS)
    head = re.split(r"[-.:]", stop.token)
    near = nearest(stop.word, names, 1) if stop.word else ()
    if len(head) == 2 and all(part.lower() in WEEKDAY_NUMBERS for part in head):
        fix = f"time of week between {head[0]} and {head[1]}"
        return stop.error(
            "dashed-range", f"a range of weekdays: {fix}", stop.starts[-1], stop.end, fix
        )
    if near:
        return stop.error("bad-point", f"{stop.token!r} is not a weekday: {near[0]}?", fix=near[0])
    what = f"{stop.token!r} is not a weekday" if stop.token else "a weekday is missing"
    return stop.error("bad-point", f"{what}: {', '.join(WEEKDAYS)}", expected=WEEKDAYS)


def missing_times(stop: Stop) -> Diagnostic | None:
    """`retry 3`, `at least 3`."""
    for word in ("times", "cycles"):
        if stop.accepts == {word.upper(), word[:-1].upper()}:
            if stop.word and (near := near_keyword(stop)):
                return near
            fix = f" {word}"
            message = f"the word {word} is missing after {stop.previous}"
            return stop.error("missing-times", message, stop.read_to, stop.read_to, fix, (word,))
    return None


def missing_number(stop: Stop) -> Diagnostic | None:
    if "INT" not in stop.accepts or stop.accepts & {"AMPERSAND", "DURATION"}:
        return None
    what = f"{stop.token!r} is not a whole number" if stop.token else "a number is missing"
    return stop.error("missing-number", f"{what}: as in 3", expected=("a whole number",))


def missing_name(stop: Stop) -> Diagnostic | None:
    if stop.accepts not in ({"NAME", "STRING"}, {"NAME", "NUMBER", "STRING"}):
        return None
    what = "a name is missing" if not stop.token else f"a name is missing before {stop.token!r}"
    if stop.token and not stop.word and stop.token not in BINARY and stop.token not in "(),":
        fix = quoted(stop.token)
        return stop.error("quote-name", f"such a name needs quotes: {fix}", fix=fix)
    return stop.error("missing-name", f"{what}: a word, or any text in quotes")


def missing_zone(stop: Stop) -> Diagnostic | None:
    if "ZONE" not in stop.accepts:
        return None
    return stop.error("missing-zone", "a time zone is missing: as in Europe/Dublin or UTC")


def unexpected(stop: Stop) -> Diagnostic:
    """What none of the slips knows: what would have been right."""
    if (near := near_keyword(stop)) is not None:
        return near
    expected = tuple(sorted(expectations(stop)))
    found = f"{stop.token!r} is unexpected" if stop.token else "the condition ends too early"
    shown = f": {' or '.join(expected)} is missing" if 0 < len(expected) <= 4 else ""
    return stop.error("unexpected", found + shown, expected=expected if len(expected) <= 12 else ())


NAMED = {
    "NAME": "a name",
    "STRING": "a text in quotes",
    "ZONE": "a time zone",
    "POINT": "a point in time",
    "DURATION": "a duration",
    "ARG_DURATION": "a duration",
    "DATETIME": "a date",
    "WEEKDAY": "a weekday",
    "CRON": "a cron expression",
    "INT": "a whole number",
    "NUMBER": "a number",
    "$END": "the end",
    "PHRASE": "a phrase",
}


def expectations(stop: Stop) -> set[str]:
    """What the state accepts, in words."""
    found: set[str] = set()
    for name in stop.accepts:
        found.update(stop.tables.spelling.get(name) or (NAMED[name],))
    return found


SLIPS: tuple[Callable[[Stop], Diagnostic | None], ...] = (
    open_quote,
    empty_text,
    foreign_operator,
    missing_operand,
    open_parenthesis,
    lone_parenthesis,
    lone_name,
    task_after_range,
    after_what,
    count_without_bound,
    event_synonym,
    between_without_and,
    bad_point,
    bad_duration,
    bad_cron,
    bad_date,
    bad_weekday,
    missing_times,
    missing_number,
    missing_name,
    missing_zone,
    missing_operator,
    not_an_operand,
)
