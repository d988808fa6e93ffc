"""Everyday English in the place of the language's own words, and what it is written as.

Functions as in `slips`, tried in the order of `IDIOMS`, before those that only know what is wrong.
Each offers a text that means what was said; where that is a guess, it offers none.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ..conds.dates import date_meant
from ..conds.diagnostic import Diagnostic
from ..conds.durations import read_duration
from ..conds.points import (
    CADENCES,
    MONTH_NUMBERS,
    WEEKDAY_NUMBERS,
    WEEKDAYS,
    Unit,
    a,
    reads,
)
from ..conds.reading import ordinal, readable
from ..conds.zones import is_zone
from .errors import NEARBY, Stop
from .slips import EVENTS

ON_UNITS = (Unit.WEEK, Unit.MONTH, Unit.YEAR)

SYNONYMS = {
    "run": "started",
    "ran": "started",
    "start": "started",
    "success": "succeeded",
    "succeed": "succeeded",
    "succeeds": "succeeded",
    "fail": "failed",
    "fails": "failed",
    "failure": "failed",
    "finish": "finished",
    "finishes": "finished",
    "ended": "finished",
    "completed": "finished",
    "done": "finished",
    "terminate": "terminated",
    "crash": "crashed",
    "last": "past",
    "previous": "past",
    "within": "past",
    "never": "not",
    "to": "and",
    "until": "and",
    "till": "and",
    "-": "and",
    "@": "at",
    "=": "is",
    "from": "after",
    "longer": "more",
    "shorter": "less",
    "both": "all",
    "for": "over",
}
UNTIL = ("until", "till", "before", "to")


def synonym(stop: Stop) -> Diagnostic | None:
    """A word that means what one of the right ones means."""
    token = stop.token.lower()
    if token in ("until", "till") and "before" in stop.keywords:
        meant = "before"
    else:
        meant = SYNONYMS.get(token, "")
    if meant not in stop.keywords or (meant == "and" and stop.accepts != {"AND"}):
        return None
    message = f"{stop.token!r} is written {meant} here"
    return stop.error("unknown-word", message, fix=meant, expected=(meant,))


# --- numbers --------------------------------------------------------------------------------

NUMBERS = {
    word: number
    for number, word in enumerate(
        "one two three four five six seven eight nine ten eleven twelve".split(), 1
    )
} | {"a": 1, "an": 1, "fifteen": 15, "twenty": 20, "thirty": 30}
TIMES = {"once": 1, "twice": 2, "thrice": 3}
ORDINALS = {
    word: ordinal(number)
    for number, word in enumerate("first second third fourth fifth".split(), 1)
}


def number_word(stop: Stop) -> Diagnostic | None:
    """`every five minutes`, `retry three times`, `has failed twice`."""
    if stop.word in TIMES and stop.accepts_any("INT", "EXACTLY"):
        number, times = TIMES[stop.word], " time" if stop.word == "once" else " times"
    elif stop.word in NUMBERS and stop.accepts_any("INT", "DURATION", "EXACTLY"):
        number, times = NUMBERS[stop.word], ""
    else:
        return None
    bound = "" if stop.accepts_any("INT", "DURATION") else "at least "
    if bound and not times and not TIMES_FOLLOW.match(stop.plain, stop.end):
        return None
    fix = f"{bound}{number}{times}"
    return stop.error("number-word", f"numbers are written in digits: {fix}", fix=fix)


TIMES_FOLLOW = re.compile(r"\s+times?(?![\w.:-])", re.I)


def comparison(stop: Stop) -> Diagnostic | None:
    """`has failed > 3 times`, `time of day = 10:00`."""
    symbol = COMPARISON.match(stop.plain, stop.start)
    if symbol is None:
        return None
    if "EXACTLY" in stop.accepts or {"MORE", "LESS"} <= stop.accepts:
        fix = COMPARISONS.get(symbol[0].lower(), "=")
        if fix.split()[0] not in stop.keywords:
            return None
    elif symbol[0] in ("=", "==") and "is" in stop.keywords:
        fix = "is"
    elif symbol[0] in ("=", "==") and "starting" in stop.keywords:
        fix = "at"
    else:
        return None
    message, end = f"{symbol[0]!r} is written {fix} here", symbol.end()
    before = "" if stop.plain[: stop.start][-1:].isspace() else " "
    after = "" if stop.plain[end : end + 1].isspace() else " "
    return stop.error("comparison", message, end=end, fix=f"{before}{fix}{after}")


COMPARISONS = {
    ">=": "at least",
    "<=": "at most",
    ">": "more than",
    "<": "less than",
    "=": "exactly",
    "==": "exactly",
    "over": "more than",
    "under": "less than",
}
COMPARISON = re.compile(r"[<>=]=?|(?:over|under)(?![\w.:-])", re.I)

COUNT = re.compile(
    r"(?:(?:at\s+)?(?:least|most)|(?:more|less)\s+than|exactly)\s+[0-9]+\s+times?", re.I
)
SPAN = re.compile(r"\s(?P<span>today|this\s+\w+|past\s+[^&|()]+?)(?:\s+(?P<at>at))?\Z", re.I)


def count_after_span(stop: Stop) -> Diagnostic | None:
    """`has failed today at least 3 times`: the count stands before the span."""
    count = COUNT.match(stop.plain, stop.start)
    span = stop.search_before(SPAN, stop.start) if count else None
    if count is None or span is None:
        return None
    at = f"{span['at']} " if span["at"] else ""
    fix = f"{at}{count[0]} {span['span']}"
    message = f"how often stands before when: {fix}"
    return stop.error("count-last", message, span.start("span"), count.end(), fix)


# --- ranges ---------------------------------------------------------------------------------

FROM = re.compile(
    r"(?P<head>from|after|since)\s+(?P<start>[^&|()]+?)\s+(?:to|until|till|before|-)\s+(?P<end>[^&|()]+)",
    re.I,
)
AFTER = re.compile(r"\b(?:from|after|on|at)\s+(?P<start>[^&|()]+)\Z", re.I)


def from_to(stop: Stop) -> Diagnostic | None:
    """`daily from 10:00 to 12:00`, `daily after 10:00 before 12:00`."""
    if stop.word == "from" and "BETWEEN" in stop.accepts and "DATETIME" not in stop.accepts:
        found = FROM.match(stop.plain, stop.start, stop.start + NEARBY)
        if found is None:
            return None
        first, last = found["start"], found["end"].rstrip()
        start, end = stop.start, stop.start + len(found[0].rstrip())
    elif stop.word in UNTIL and stop.after_operand:
        found = stop.search_before(AFTER, stop.start)
        last = stop.rest()[len(stop.token) :].strip()
        if found is None:
            return None
        first = found["start"].rstrip()
        start, end = found.start(), stop.start + len(stop.rest())
    else:
        return None
    if not any(reads(unit, first) and reads(unit, last) for unit in Unit):
        return None
    fix = f"between {first} and {last}"
    if stop.search_before(ON_ALONE, stop.start):
        fix = f"time of week {fix}"
    return stop.error("from-to", f"a range with two ends: {fix}", start, end, fix, ("between",))


def clock_after_day(stop: Stop) -> Diagnostic | None:
    """`weekly on Mon at 10:00`: the time follows the day."""
    word = re.compile(r"\s*([^\s&|(),]+)").match(stop.plain, stop.end)
    if stop.word != "at" or not stop.after_operand or word is None or not reads(Unit.DAY, word[1]):
        return None
    if days := stop.search_before(ON_DAYS, stop.start):
        fix = f"daily at {word[1]} & {days[0]}"
        return stop.error("extra-at", f"on takes whole days: {fix}", days.start(), word.end(), fix)
    day = stop.search_before(ON_DAY, stop.start)
    if day is None or not any(reads(unit, day[1]) for unit in ON_UNITS):
        return None
    message = f"the time follows the day: {day[1]} {word[1]}"
    if stop.search_before(ON_ALONE, stop.start):  # `on` takes whole days
        fix = f"time of week on {day[1]} {word[1]}"
        return stop.error("extra-at", message, day.start(), word.end(), fix)
    return stop.error("extra-at", message, stop.read_to, stop.end, "")


ON_DAYS = re.compile(r"\bon\s+(?:weekdays|weekends)\Z", re.I)
ON_DAY = re.compile(r"\b(?:on|after|before|starting|and|,)\s+([^&|(),]+?)\Z", re.I)
ON_ALONE = re.compile(r"(?:\A|[&|(~]|\b(?:and|or|not)\b)\s*on\s+[^&|()]+\Z", re.I)


def day_before_month(stop: Stop) -> Diagnostic | None:
    """`yearly on 15 February`."""
    day = stop.search_before(DAY, stop.start)
    month = re.compile(r"(?:of\s+)?([a-z]+)", re.I).match(stop.plain, stop.start)
    if day is None or month is None or month[1].lower() not in MONTH_NUMBERS:
        return None
    fix = f"{month[1]} {day[0]}"
    if not reads(Unit.YEAR, fix):
        return None
    return stop.error("day-first", f"the month stands first: {fix}", day.start(), month.end(), fix)


DAY = re.compile(r"(?<![\w:.])[0-9]{1,2}(?:st|nd|rd|th|\.)?\Z", re.I)


def ordinal_word(stop: Stop) -> Diagnostic | None:
    """`monthly on first Monday`, `monthly on the 1st`."""
    if not stop.accepts_any("POINT", "WEEKDAY"):
        return None
    if stop.word == "the":
        blank = re.compile(r"\s*").match(stop.plain, stop.end)
        assert blank is not None
        return stop.error("extra-the", "points have no the", end=blank.end(), fix="")
    if stop.word not in ORDINALS:
        return None
    fix = ORDINALS[stop.word]
    return stop.error("number-word", f"{stop.token!r} is written {fix}", fix=fix)


SEVERAL_DAYS = {"weekdays": WEEKDAYS[:5], "weekends": WEEKDAYS[5:]}


def weekdays_in_cadence(stop: Stop) -> Diagnostic | None:
    """`daily on weekdays`, `weekly on weekdays`."""
    days = SEVERAL_DAYS.get(stop.word)
    if "POINT" not in stop.accepts or days is None or stop.previous != "on":
        return None
    unit = stop.unit
    if unit is Unit.WEEK:
        fix, start = ", ".join(days), stop.start
    else:
        fix, start = f"& on {stop.word}", stop.starts[-1]
    return stop.error(
        "bad-point", f"{stop.token!r} is no point of {a(unit)}: {fix}", start, fix=fix
    )


# --- intervals ------------------------------------------------------------------------------

NOUNS = {unit.value: cadence for unit, cadence in CADENCES.items()}
EVERY = re.compile(
    r"(?:(?P<other>other|second)|(?P<nth>[0-9]+)(?:st|nd|rd|th))\s+(?P<unit>\w+)", re.I
)
EVERY_DAY = re.compile(
    r"(?P<days>weekday|weekend|\w+day)s?(?P<at>(?:\s+at)?\s+(?P<clock>[^&|()]+))?", re.I
)


def every_phrase(stop: Stop) -> Diagnostic | None:
    """`every other day`, `every Monday at 10:00`, `every weekday`."""
    if stop.previous != "every":
        return None
    start, rest = stop.starts[-1], stop.rest()
    fix: str | None
    if (found := EVERY.match(rest)) and found["unit"].lower() in NOUNS:
        fix = f"{2 if found['other'] else int(found['nth'][:9])} {found['unit']}s"
        if not readable(read_duration, fix):
            return None
        end = stop.start + found.end()
        return stop.error("bad-interval", f"every takes a duration: {fix}", end=end, fix=fix)
    found = EVERY_DAY.fullmatch(rest)
    if found is None or (found["clock"] and not reads(Unit.DAY, found["clock"].strip())):
        return None
    fix = on_days(found["days"].lower(), (found["clock"] or "").strip())
    if fix is None:
        return None
    end = stop.start + len(rest)
    return stop.error("bad-interval", f"every takes a duration: {fix}", start, end, fix)


def on_days(day: str, clock: str) -> str | None:
    """The cadence of each such day, at a time."""
    if day in ("weekday", "weekend"):
        return f"daily at {clock} & on {day}s" if clock else f"daily & on {day}s"
    if day not in WEEKDAY_NUMBERS:
        return None
    return f"weekly on {WEEKDAYS[WEEKDAY_NUMBERS[day]]} {clock}".rstrip()


def once_per(stop: Stop) -> Diagnostic | None:
    """`once a day`, `once per hour`."""
    rest = stop.rest()
    words = rest.lower().split()
    if stop.previous != "once" or len(words) != 2 or words[0] not in ("a", "an", "per", "each"):
        return None
    if words[1] not in NOUNS:
        return None
    fix, end = NOUNS[words[1]], stop.start + len(rest)
    return stop.error("bad-date", f"once takes a date: {fix}", stop.starts[-1], end, fix)


def date_spelling(stop: Stop) -> Diagnostic | None:
    """`once on 2026-01-05`, `once at 2026-01-05T10:00Z`."""
    if "DATETIME" not in stop.accepts:
        return None
    if stop.word == "on" and stop.previous == "once":
        return stop.error("unknown-word", "'on' is written at here", fix="at", expected=("at",))
    text = stop.rest()
    fix = date_meant(text)
    if fix is None or fix == text:
        return None
    return stop.error("bad-date", f"{text!r} is written {fix}", end=stop.start + len(text), fix=fix)


# --- whole conditions -----------------------------------------------------------------------


def conjunction(stop: Stop) -> Diagnostic | None:
    """`daily unless …`, `daily except Sun`, `daily but not …`."""
    rest = stop.rest()[len(stop.token) :].strip()
    if not stop.after_operand or not rest:
        return None
    if stop.word == "but":
        return stop.error("unknown-word", f"{stop.token!r} is written &", fix="&", expected=("&",))
    if stop.word not in ("unless", "except"):
        return None
    fix = "& ~"
    if all(
        day.strip().lower() in (*WEEKDAY_NUMBERS, "weekends", "weekdays") for day in rest.split(",")
    ):
        fix = "& ~on "
    blank = re.compile(r"\s*").match(stop.plain, stop.end)
    assert blank is not None
    message = f"{stop.token!r} is written {fix.rstrip()}"
    return stop.error("unknown-word", message, end=blank.end(), fix=fix)


def contraction(stop: Stop) -> Diagnostic | None:
    """`hasn't failed`, `isn't running`; `never failed`; `task 'x' is failed`."""
    if stop.word in EVENTS and stop.previous == "never":
        fix = f"has not {stop.token}"
        return stop.error(
            "missing-has", f"the word has is missing: {fix}", stop.starts[-1], fix=fix
        )
    if stop.word in EVENTS and re.fullmatch(r"is(\s+not)?", stop.previous):
        fix = f"has{stop.previous[2:]} {stop.token}"
        message = f"what was logged follows has: {fix}"
        return stop.error("missing-has", message, stop.starts[-1], fix=fix)
    return None


def missing_is(stop: Stop) -> Diagnostic | None:
    """`task 'x' running`."""
    if stop.accepts not in ({"HAS", "IS"}, {"IS"}) or stop.word != "running":
        return None
    return stop.error("missing-is", "the word is is missing: is running", fix=f"is {stop.token}")


def missing_in(stop: Stop) -> Diagnostic | None:
    """`daily Europe/Dublin`, `daily UTC`."""
    if "IN" not in stop.accepts or not (stop.word or stop.token) or not is_zone(stop.token):
        return None
    fix = f"in {stop.token}"
    return stop.error("missing-in", f"a zone follows in: {fix}", fix=fix)


PARAM_IS_NOT = re.compile(r"\bparam\s+(?P<name>'[^']*'|\S+)\s+is\s+not\Z", re.I)
ENV_IS = re.compile(r"\benv(?:\s+is)?\Z", re.I)


def compared_name(stop: Stop) -> Diagnostic | None:
    """`param x is not y`, `env is prod`, `env = prod`."""
    value = re.compile(r"(?:={1,2}\s*)?(?P<value>'[^']*'|\"[^\"]*\"|[\w.:-]+)").match(
        stop.plain, stop.start
    )
    if value is None:
        return None
    if param := stop.search_before(PARAM_IS_NOT, stop.start):
        fix = f"~param {param['name']} is {value['value']}"
        return stop.error("operator", f"not stands first: {fix}", param.start(), value.end(), fix)
    env = stop.search_before(ENV_IS, stop.start)
    if env is None or (stop.token != "=" and env[0].lower() == "env"):
        return None
    fix = f"env {value['value']}"
    return stop.error("extra-is", f"the name follows env: {fix}", env.start(), value.end(), fix)


SINCE = {
    "failure": "fail",
    "failed": "fail",
    "succeeded": "success",
    "finished": "finish",
    "started": "run",
    "start": "run",
}


def since_last(stop: Stop) -> Diagnostic | None:
    """`every 10 min since success`, `every 10 min since last failure`."""
    words = stop.tables.spelling["SINCE"]
    fix = SINCE.get(stop.word, stop.word)
    if fix not in words or not (stop.accepts == {"LAST"} or "SINCE" in stop.accepts):
        return None
    if stop.accepts == {"LAST"}:
        fix = f"last {fix}"
    return stop.error("unknown-word", f"{stop.token!r} is written {fix} here", fix=fix)


def extra_is(stop: Stop) -> Diagnostic | None:
    """`time of day is after 10:00`."""
    word = re.compile(r"\s+(?:after|before|between|at|on)(?![\w.:-])", re.I).match(
        stop.plain, stop.end
    )
    if stop.word != "is" or "STARTING" not in stop.accepts or word is None:
        return None
    return stop.error("extra-is", "is is left out", stop.read_to, stop.end, "")


def missing_of(stop: Stop) -> Diagnostic | None:
    """`time after 10:00`, `time between 10:00 and 12:00`."""
    if stop.previous != "time" or stop.accepts != {"OF"}:
        return None
    if stop.word not in ("after", "before", "between", "at", "starting"):
        return None
    fix = f"time of day {stop.token}"
    return stop.error("missing-unit", f"of which cycle: {fix}", stop.starts[-1], fix=fix)


IDIOMS: tuple[Callable[[Stop], Diagnostic | None], ...] = (
    from_to,
    count_after_span,
    number_word,
    comparison,
    compared_name,
    clock_after_day,
    day_before_month,
    ordinal_word,
    weekdays_in_cadence,
    every_phrase,
    once_per,
    date_spelling,
    conjunction,
    contraction,
    missing_is,
    missing_in,
    missing_of,
    since_last,
    extra_is,
    synonym,
)
