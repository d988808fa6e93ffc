"""The common slips around operands: quotes, parentheses, operators, and what is no operand.

Each function knows one kind of stop and explains it, or passes. They are tried in order, the most
telling first: everyday English (`idioms`), these, those inside atoms (`omissions`, `misreadings`),
and the last of these, which takes two operands side by side. A slip looks at the token that could
not be used, at what the state accepts, and at what was read; it changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ..conds.diagnostic import Diagnostic, nearest
from ..conds.durations import read_duration
from ..conds.points import MONTH_NUMBERS, WEEKDAY_NUMBERS, WEEKDAYS, Unit, read_cron, reads
from ..conds.reading import readable
from ..conds.words import STARTERS, is_keyword
from .errors import NEARBY, Stop

Slip = Callable[[Stop], Diagnostic | None]

BINARY = ("&", "|", "and", "or")
UNARY = ("~", "not")
CLOSERS = ("", ")")


# --- quotes, parentheses, operators ---------------------------------------------------------


def open_quote(stop: Stop) -> Diagnostic | None:
    """A quote without its partner; it probably belongs behind the next word."""
    if stop.token not in ("'", '"'):
        return None
    if short := SHORT_NOT.search(stop.plain, max(0, stop.start - 8), stop.end + 2):
        fix = f"{short[1]} not"
        message = f"{short[0]} is written {fix}"
        return stop.error("open-quote", message, short.start(), short.end(), fix)
    inner = stop.rest(stop.end) if "CRON" in stop.accepts else WORD.findall(stop.plain, stop.end)[0]
    mended = f"{stop.token}{inner}{stop.token}" if inner else None
    end = stop.end + len(inner)
    return stop.error("open-quote", "the quote is never closed", end=end, fix=mended)


WORD = re.compile(r"[^\s&|(),]*")
SHORT_NOT = re.compile(r"\b(has|is)n't\b", re.I)


def empty_text(stop: Stop) -> Diagnostic | None:
    if stop.plain.strip():
        return None
    message = "empty condition: as in daily or every 10 minutes"
    return stop.error("empty", message, 0, len(stop.text))


def foreign_operator(stop: Stop) -> Diagnostic | None:
    """`!`, `&&` and `||`, which other languages have."""
    if stop.token == "!" and (stop.wants_operand or stop.after_operand):
        fix = "~" if stop.wants_operand else "& ~"
        mended = stop.mended(stop.start, stop.end, fix)
        return stop.error("operator", f"'!' is written ~: {mended}", fix=fix)
    if not stop.wants_operand or stop.previous not in ("&", "|"):
        return None
    if stop.token[:1] != stop.previous:
        return None
    start, symbol = stop.starts[-1], stop.previous
    mended = stop.mended(start, stop.start + 1, symbol)
    if stop.start == stop.read_to:
        message = f"{symbol * 2!r} is written {symbol}: {mended}"
    else:
        message = f"an operand is missing between {symbol} and {symbol}: {mended}"
    return stop.error("operator", message, start, stop.start + 1, symbol)


def missing_operand(stop: Stop) -> Diagnostic | None:
    """An operator at the end or the start, two in a row, an empty group."""
    token, previous = stop.token.lower(), stop.previous
    if not stop.wants_operand or token not in (*CLOSERS, *BINARY, "in"):
        return None
    if token == "in":
        message = "an operand is missing before in: a zone follows a condition"
        return stop.error("missing-operand", message)
    if previous == "(" and token == ")":
        message = "an operand is missing in the parentheses"
        return stop.error("missing-operand", message, stop.starts[-1], stop.end)
    if previous in (*BINARY, *UNARY):
        message = f"an operand is missing after {previous}"
        fix = None if previous in UNARY else ""
        end = stop.read_to
        if token in BINARY and previous in BINARY:
            fix, end = stop.token, stop.end
        return stop.error("missing-operand", message, stop.starts[-1], end, fix)
    if token in CLOSERS:
        return stop.error("missing-operand", f"an operand is missing after {previous}")
    fix = "" if stop.plain[stop.end :].strip() else None
    return stop.error("missing-operand", f"an operand is missing before {stop.token}", fix=fix)


def open_parenthesis(stop: Stop) -> Diagnostic | None:
    if stop.token or "RPAR" not in stop.accepts or stop.wants_operand:
        return None
    opened = [start for start, value in zip(stop.starts, stop.values, strict=True) if value == "("]
    start, end = opened[-1], stop.read_to
    fix = stop.text[start:end] + ")"
    return stop.error("open-parenthesis", "the parenthesis is never closed", start, end, fix)


def lone_parenthesis(stop: Stop) -> Diagnostic | None:
    if stop.token != ")" or "(" in stop.values:
        return None
    return stop.error("lone-parenthesis", "there is nothing to close", fix="")


# --- the start of an operand ------------------------------------------------------------------


def no_operand(stop: Stop) -> Diagnostic | None:
    """A word, a number or a text in quotes that is no condition by itself."""
    if stop.accepts == {"LPAR"}:  # a name was read, but no call follows
        return lone_name(stop, stop.starts[-1], stop.read_to)
    if not stop.wants_operand:
        return None
    found = continued_list(stop, stop.start) or bare_value(stop, stop.start)
    return found or lone_keyword(stop)


def lone_keyword(stop: Stop) -> Diagnostic:
    """What begins no condition; a function may have a keyword's name, in quotes."""
    message = f"a condition does not start with {stop.token!r}"
    if is_keyword(stop.word):
        end = stop.start + len(stop.word)
        if (found := more_tasks(stop, stop.start, end)) is not None:
            return found
        if stop.plain[end:].lstrip().startswith("("):
            fix = f"'{stop.token}'"
            message += f"; the function of that name is called with quotes: {fix}(\u2026)"
            return stop.error("unknown-condition", message, fix=fix)
    return stop.error("unknown-condition", message)


def lone_name(stop: Stop, start: int, end: int) -> Diagnostic:
    from .phrases import core_reads

    word = stop.plain[start:end]
    like = stop.phrases.like(word) if stop.phrases is not None else ()
    if stop.word in ("has", "is") and end < stop.start and not like:
        fix = f"task {word}"
        return stop.error("missing-task", f"the word task is missing: {fix}", start, end, fix)
    if (meant_word := OTHER_WORDS.get(word.lower())) is not None and (stop.token or meant_word):
        message = f"{word!r} is written {meant_word}" if meant_word else f"{word!r} is left out"
        last = end if meant_word else stop.start
        return stop.error("unknown-condition", message, start, last, meant_word)
    if word[0] in "'\"" and core_reads(word[1:-1]):
        fix = word[1:-1]
        return stop.error("lone-name", f"a condition has no quotes: {fix}", start, end, fix)
    if word[0] in "'\"":
        fix = f"after task {word}"
        message = f"a name alone is no condition: {fix}?"
        return stop.error("lone-name", message, start, end, fix)
    return (
        continued_list(stop, start)
        or bare_value(stop, start)
        or more_tasks(stop, start, end)
        or unknown_condition(stop, word, start, end)
    )


OTHER_WORDS = {
    "each": "every",
    "crontab": "cron",
    "annually": "yearly",
    "biweekly": "every 2 weeks",
    "fortnightly": "every 2 weeks",
    "if": "",
    "when": "",
}

JOINED = re.compile(
    r"(?:(?P<list>\b(?:on|at)|,)|\bevery)\s+(?P<last>[^&|(),]+?)\s*(?:&|\band)\Z", re.I
)


def continued_list(stop: Stop, start: int) -> Diagnostic | None:
    """`weekly on Mon and Fri`, `every 10 minutes and 30 seconds`: an *and* inside an atom."""
    joined = stop.search_before(JOINED, start)
    rest = stop.rest(start)
    if joined is None or not rest:
        return None
    fix = None
    last = joined["last"]
    if not joined["list"] and readable(read_duration, last) and readable(read_duration, rest):
        fix, message = f" {rest}", "the parts of a duration are joined by blanks"
    elif joined["list"] and any(reads(unit, last) and reads(unit, rest) for unit in LISTED):
        fix, message = f", {rest}", "the points of a list are joined by commas"
    if fix is None:
        return None
    first, end = joined.end("last"), start + len(rest)
    mended = stop.mended(first, end, fix)
    return stop.error("joined-by-and", f"{message}: {mended}", first, end, fix)


LISTED = (Unit.WEEK, Unit.DAY, Unit.MONTH, Unit.YEAR)


def bare_value(stop: Stop, start: int) -> Diagnostic | None:
    """A duration, a time, a date, a weekday, what a log holds: with the condition it was meant
    for."""
    rest = stop.rest(start)
    fix = meant(rest)
    if fix is not None:
        message = f"{rest} alone is no condition: {fix}"
        return stop.error("bare-value", message, start, start + len(rest), fix)
    word = rest.split()[0].lower() if rest else ""
    if word in PARTS:
        message = f"a condition does not start with {word!r}: {PARTS[word]}"
        return stop.error("unknown-condition", message, start, start + len(word))
    return None


PARTS = {
    "at": "as in daily at 10:00",
    "starting": "as in daily starting 10:00",
    "today": "as in has succeeded today",
    "this": "as in has succeeded this week",
    "past": "as in has failed past 2 hours",
    "running": "as in task 'x' is running",
    "any": "as in after any tasks 'a', 'b'",
    "all": "as in after all tasks 'a', 'b'",
    "tasks": "as in after tasks 'a', 'b'",
    "since": "as in every 10 minutes since last success",
}
EVENTS = ("started", "succeeded", "failed", "finished", "terminated", "inacted", "crashed")


def meant(rest: str) -> str | None:
    """The condition that a bare value was meant for."""
    if len(rest) > NEARBY:
        return None
    head, _, tail = rest.partition(" ")
    if readable(read_cron, rest):
        return f"cron {rest}"
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9:.]+)?", rest):
        return f"once at {rest}"
    if calendar := re.fullmatch(r"1\s*(month|year)", rest, re.I):
        return f"{calendar[1].lower()}ly"
    if head[:1].isdigit() and readable(read_duration, rest):
        return f"every {rest}"
    if re.match(r"[0-9]{1,2}(:[0-9]{2}|\s*[ap]m\b)", rest) and reads(Unit.DAY, rest):
        return f"daily at {rest}"
    if head.lower() == "at" and reads(Unit.DAY, tail.strip()):
        return f"daily {rest}"
    if days := weekdays_meant(rest.lower()):
        return days
    if rest.lower() in MONTH_NUMBERS:
        return f"time of year on {rest}"
    if head.lower() in EVENTS:
        return f"has {rest}"
    return None


def weekdays_meant(text: str) -> str | None:
    """The window of `mon`, `mon, wed`, `mon-fri`, `mon to fri`."""
    ends = [WEEKDAYS[WEEKDAY_NUMBERS[e]] for e in re.split(DASH, text) if e in WEEKDAY_NUMBERS]
    if len(ends) == 2:
        return f"time of week between {ends[0]} and {ends[1]}"
    days = [day.strip() for day in text.split(",")]
    if all(day in WEEKDAY_NUMBERS for day in days):
        return f"on {', '.join(WEEKDAYS[WEEKDAY_NUMBERS[day]] for day in days)}"
    return None


DASH = re.compile(r"\s*-\s*|\s+(?:to|until|till)\s+")


TASK_BEFORE = re.compile(
    r"after\s+tasks?\s+(?P<names>(?:'[^']*'|[^\s&|()]+)(?:\s*,\s*(?:'[^']*'|[^\s&|()]+))*)"
    r"\s*(?:&|\band\b)\Z",
    re.I,
)


def more_tasks(stop: Stop, start: int, end: int) -> Diagnostic | None:
    """`after task a & b`."""
    found = stop.search_before(TASK_BEFORE, start)
    if found is None or nearest(stop.plain[start:end], STARTERS, 1):
        return None
    fix = f"after tasks {found['names']}, {stop.plain[start:end]}"
    message = f"several tasks are listed: {fix}"
    return stop.error("joined-by-and", message, found.start(), end, fix)


def unknown_condition(stop: Stop, word: str, start: int, end: int) -> Diagnostic:
    message = f"unknown condition {word!r}"
    near = nearest(word, sorted(STARTERS), 1)
    if near:
        return stop.error("unknown-condition", f"{message}: {near[0]}?", start, end, near[0])
    if event := nearest(word, EVENTS, 1):
        fix = f"has {event[0]}"
        return stop.error("unknown-condition", f"{message}: {fix}?", start, end, fix)
    like = stop.phrases.like(word) if stop.phrases is not None else ()
    if like:
        return stop.error("unknown-condition", f"{message}: {like[0]}?", start, end)
    return stop.error("unknown-condition", message, start, end)


# --- two operands side by side, and what nothing else knows -------------------------------------


def near_keyword(stop: Stop) -> Diagnostic | None:
    """A word that looks like one of the keywords that would have been right."""
    if not stop.word or (is_keyword(stop.word) and stop.after_operand) or stop.word in NOT_OR:
        return None
    near = nearest(stop.word, stop.keywords, 1)
    if not near:
        return None
    return stop.error("unknown-word", f"{stop.token!r} is not known here: {near[0]}?", fix=near[0])


NOT_OR = ("xor", "nor")  # they look like `or`, and mean something else


def begins_operand(stop: Stop) -> bool:
    """Whether the token could be the first of an operand."""
    if stop.word in STARTERS or stop.token in ("(", "~"):
        return not (stop.token == "~" and not stop.plain[stop.end :].strip())
    if stop.phrases is not None and stop.phrases.match(stop.plain, stop.start) is not None:
        return True
    return stop.plain[stop.end :].lstrip().startswith("(") and bool(stop.word)


def missing_operator(stop: Stop) -> Diagnostic | None:
    """Two operands side by side; but a misspelt continuation is told as such."""
    if not stop.after_operand or stop.token in CLOSERS:
        return None
    if (near := near_keyword(stop)) is not None:
        return near
    if stop.token in (",", ";"):
        return false_joint(stop)
    if stop.token == "(" and is_keyword(stop.previous) and stop.start == stop.read_to:
        fix = f"'{stop.previous_text}'"
        message = f"the function of that name is called with quotes: {fix}(\u2026)"
        return stop.error("missing-operator", message, stop.starts[-1], stop.read_to, fix)
    if not begins_operand(stop):
        return None
    fix = f" & {stop.token}"
    mended = stop.mended(stop.read_to, stop.end, fix)
    message = f"& or | is missing before {stop.token}: {mended}"
    return stop.error("missing-operator", message, stop.read_to, stop.end, fix, ("&", "|"))


def false_joint(stop: Stop) -> Diagnostic:
    """`daily, hourly`; `daily;`."""
    name = "comma" if stop.token == "," else "semicolon"
    if not stop.plain[stop.end :].strip():
        return stop.error("unexpected", f"a condition ends without a {name}", fix="")
    if (last := stop.search_before(LISTED_BEFORE, stop.read_to)) and stop.token == ";":
        if any(
            reads(unit, last[1]) and reads(unit, stop.rest(stop.end).strip()) for unit in LISTED
        ):
            return stop.error("missing-comma", "the points of a list are joined by commas", fix=",")
    following = re.compile(r"\s*(\w+)").match(stop.plain, stop.end)
    if following and following[1].lower() in set(stop.keywords).difference(BINARY):
        return stop.error("unexpected", f"no {name} stands before {following[1]}", fix="")
    mended = stop.mended(stop.start, stop.end, " &")
    message = f"& or | is missing in the place of the {name}: {mended}"
    return stop.error("missing-operator", message, fix=" &", expected=("&", "|"))


LISTED_BEFORE = re.compile(r"(?:\b(?:on|at)|,)\s+([^&|(),]+?)\Z", re.I)


def unexpected(stop: Stop) -> Diagnostic:
    """What none of the slips knows: what would have been right."""
    if (near := near_keyword(stop)) is not None:
        return near
    expected = tuple(sorted(expectations(stop)))
    found = f"{stop.token!r} is unexpected" if stop.token else "the condition ends too early"
    if not expected or len(expected) > MOST_SHOWN:
        return stop.error("unexpected", found)
    shown = " or ".join(filter(None, (", ".join(expected[:-1]), expected[-1])))
    return stop.error("unexpected", f"{found}: {shown} should follow", expected=expected)


MOST_SHOWN = 8
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
        words = stop.tables.spelling.get(name)
        found.update(map(repr, words) if words else (NAMED[name],))
    return found


SLIPS: tuple[Slip, ...] = (
    open_quote,
    empty_text,
    foreign_operator,
    missing_operand,
    open_parenthesis,
    lone_parenthesis,
    no_operand,
    missing_operator,
)
