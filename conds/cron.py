"""Cron expressions: five fields, or six with the seconds last, read into the sets they match.

The rules are those of Vixie cron where it and LANGUAGE.md §4 agree: day of month and day of week
both restricted means either matches. Sunday is 0 and 7, so it may begin a range of weekdays or end
one: `FRI-SUN` is `5-7`. `L` is the last day of a month, `#` the nth weekday. `W`, `?` and backward
ranges are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

from .diagnostic import nearest
from .places import LONG_MONTHS, LONG_WEEKDAYS
from .reading import DIGITS, ReadError

MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()
WEEKDAYS = "SUN MON TUE WED THU FRI SAT".split()
NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@hourly": "0 * * * *",
}
ALIASES = {"@annually": "@yearly", "@midnight": "@daily"}
LENGTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
EVERY = ("*", "*/1")


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the fields: its name, its range and the names its numbers have."""

    name: str
    low: int
    high: int
    names: dict[str, int]


FIELDS = (
    Kind("minute", 0, 59, {}),
    Kind("hour", 0, 23, {}),
    Kind("day of month", 1, 31, {}),
    Kind("month", 1, 12, {name: i for i, name in enumerate(MONTHS, 1)}),
    Kind("day of week", 0, 6, {name: i for i, name in enumerate(WEEKDAYS)}),
    Kind("second", 0, 59, {}),
)
MINUTE, HOUR, DAY, MONTH, WEEKDAY, SECOND = FIELDS
LONG_NAMES = {kind.name: frozenset[str]() for kind in FIELDS} | {
    MONTH.name: frozenset(name.upper() for name in LONG_MONTHS),
    WEEKDAY.name: frozenset(name.upper() for name in LONG_WEEKDAYS),
}


@dataclass(frozen=True, slots=True)
class CronFields:
    """What a cron expression matches; equal when the canonical text is.

    `real_time` is the rule of LANGUAGE.md §6: the hour or minute field is `*` or `*/1`, so the
    expression follows real time across a clock change; else a fixed time fires once."""

    text: str
    seconds: tuple[int, ...] | None = field(compare=False, repr=False)  # None: five fields
    minutes: tuple[int, ...] = field(compare=False, repr=False)
    hours: tuple[int, ...] = field(compare=False, repr=False)
    days: tuple[int, ...] = field(compare=False, repr=False)
    last_day: bool = field(compare=False, repr=False)
    months: tuple[int, ...] = field(compare=False, repr=False)
    weekdays: tuple[int, ...] = field(compare=False, repr=False)  # 0 is Monday
    nth_weekdays: tuple[tuple[int, int], ...] = field(compare=False, repr=False)  # (weekday, n)
    any_day: bool = field(compare=False, repr=False)  # day of month is not restricted
    any_weekday: bool = field(compare=False, repr=False)
    real_time: bool = field(compare=False, repr=False)

    @classmethod
    def parse(cls, text: str) -> CronFields:
        """Read five or six fields or a nickname. Raises ReadError."""
        return read_cron(text)

    def __repr__(self) -> str:
        return f"CronFields.parse({self.text!r})"

    def __str__(self) -> str:
        return self.text

    def __reduce__(self) -> tuple[object, ...]:
        return (read_cron, (self.text,))


@dataclass(slots=True)
class Matches:
    """What one field matches, while it is being read: the numbers (a set, in the field's own
    counting), the last day, the nth weekdays, and the canonical text of each item."""

    values: set[int]
    last: bool
    nth: list[tuple[int, int]]
    texts: list[str]


@lru_cache(maxsize=1024)
def read_cron(text: str) -> CronFields:
    """The cron expression that `text` spells. Raises ReadError with the offsets of what is
    wrong."""
    words = [(match[0], match.start()) for match in re.finditer(r"\S+", text)]
    if words and words[0][0].startswith("@"):
        return read_nickname(text, words)
    if len(words) not in (5, 6):
        named = f"@{text.strip().lower()}"
        raise ReadError(
            f"a cron expression has five or six fields (minute hour day month weekday, then "
            f"seconds), not {len(words)}",
            text,
            fix=named if named in NICKNAMES else None,
            code="cron-fields",
        )
    read = [read_field(kind, *word, text) for kind, word in zip(FIELDS, words, strict=False)]
    cron = assemble(read)
    check_possible(cron, text)
    return cron


def read_nickname(text: str, words: list[tuple[str, int]]) -> CronFields:
    name = words[0][0].lower()
    spelt = NICKNAMES.get(ALIASES.get(name, name))
    if spelt is None or len(words) > 1:
        near = nearest(name, NICKNAMES, 1) if spelt is None else (name,)
        raise ReadError(
            f"{text.strip()!r} is not a cron nickname: {', '.join(near or NICKNAMES)}",
            text,
            fix=near[0] if near else None,
            code="cron-nickname",
        )
    return read_cron(spelt)


def assemble(read: list[Matches]) -> CronFields:
    minute, hour, day, month, weekday = read[:5]
    texts = [",".join(item.texts) for item in read]
    return CronFields(
        text=" ".join(texts),
        seconds=tuple(sorted(read[5].values)) if len(read) == 6 else None,
        minutes=tuple(sorted(minute.values)),
        hours=tuple(sorted(hour.values)),
        days=tuple(sorted(day.values)),
        last_day=day.last,
        months=tuple(sorted(month.values)),
        weekdays=tuple(sorted((value - 1) % 7 for value in weekday.values)),
        nth_weekdays=tuple(sorted({((value - 1) % 7, n) for value, n in weekday.nth})),
        any_day=texts[2] in EVERY,
        any_weekday=texts[4] in EVERY,
        real_time=texts[0] in EVERY or texts[1] in EVERY,
    )


def check_possible(cron: CronFields, text: str) -> None:
    """Refuse dates that no year has, such as 30 February."""
    if not cron.any_weekday or cron.any_day or cron.last_day:
        return
    if not any(day <= LENGTHS[month - 1] for day in cron.days for month in cron.months):
        day, month = min(cron.days), MONTHS[cron.months[0] - 1].title()
        raise ReadError(
            f"there is never such a date: {month} has at most {LENGTHS[cron.months[0] - 1]} days, "
            f"not {day}",
            text,
            code="cron-never",
        )


ITEM = re.compile(
    r"(?:(?P<star>\*)|(?P<low>[0-9]+|[A-Za-z]{3})(?:-(?P<high>[0-9]+|[A-Za-z]{3}))?)"
    r"(?:/(?P<step>[0-9]+))?"
)


def read_field(kind: Kind, word: str, at: int, text: str) -> Matches:
    matches = Matches(set(), False, [], [])
    for item in word.split(","):
        read_item(kind, item, at, text, matches)
        at += len(item) + 1
    return matches


def read_item(kind: Kind, item: str, at: int, text: str, into: Matches) -> None:
    """Read one item of a list into `into`."""
    upper = item.upper()
    if kind is DAY and upper == "L":
        into.last = True
        into.texts.append("L")
    elif kind is WEEKDAY and "#" in item:
        read_nth(item, at, text, into)
    elif parts := ITEM.fullmatch(item):
        read_numbers(kind, parts, at, text, into)
    else:
        fix = "*" if item == "?" else upper[:3] if upper in LONG_NAMES[kind.name] else None
        message = item_message(kind, item)
        raise ReadError(message, text, start=at, end=at + len(item), fix=fix, code="cron")


def read_nth(item: str, at: int, text: str, into: Matches) -> None:
    """`MON#2`, the second Monday of the month."""
    name, _, nth = item.partition("#")
    day = number(WEEKDAY, name, at, text)
    if not (nth.isascii() and nth.isdigit() and 1 <= int(nth[:2]) <= 5 and len(nth) == 1):
        raise ReadError(
            f"{item!r} in the day of week is out of range: 1st to 5th weekday of the month, as in "
            f"MON#1",
            text,
            start=at,
            end=at + len(item),
            code="cron-range",
        )
    into.nth.append((day % 7, int(nth)))
    into.texts.append(f"{spelled(WEEKDAY, name)}#{nth}")


def read_numbers(kind: Kind, parts: re.Match[str], at: int, text: str, into: Matches) -> None:
    """`*`, `a`, `a-b`, each with `/n`: every nth from the first on; `a/n` runs to the end."""
    step = step_of(kind, parts, at, text)
    suffix = f"/{step}" if parts["step"] else ""
    if parts["star"]:
        into.values.update(range(kind.low, kind.high + 1, step))
        into.texts.append(f"*{suffix}")
        return
    low = number(kind, parts["low"], at + parts.start("low"), text)
    if parts["high"] is not None:
        low, high = ends(kind, low, parts, at, text)
        last = str(high) if parts["high"].isdigit() else parts["high"].upper()
        values = range(low, high + 1, step)
        suffix = f"-{last}{suffix}"
    else:
        low = low % 7 if kind is WEEKDAY else low
        values = range(low, kind.high + 1 if suffix else low + 1, step)
    into.values.update(value % 7 if kind is WEEKDAY else value for value in values)
    into.texts.append(f"{spelled(kind, parts['low'])}{suffix}")


def step_of(kind: Kind, parts: re.Match[str], at: int, text: str) -> int:
    """The n of `/n`; 1 if there is none."""
    digits = parts["step"] or "1"
    message = None
    if len(digits) > DIGITS:
        code = "too-long"
        message = f"a number of {len(digits)} digits is too long: at most {DIGITS}"
    elif int(digits) == 0:
        code = "cron-range"
        message = f"the step of {parts[0]!r} in the {kind.name} must be at least 1"
    if message is not None:
        start, end = at + parts.start("step"), at + parts.end("step")
        raise ReadError(message, text, start=start, end=end, code=code)
    return int(digits)


def ends(kind: Kind, low: int, parts: re.Match[str], at: int, text: str) -> tuple[int, int]:
    """The first and the last number of `a-b`. From Sunday on a week is 0 to 6; else it ends on
    Sunday, as 7."""
    high = number(kind, parts["high"], at + parts.start("high"), text)
    if kind is WEEKDAY:
        if low == 7:
            low, high = 0, high % 7
        elif low > 0 and high == 0 and not parts["high"].isdigit():
            high = 7
    if low > high:
        fix = None if parts["step"] else forwards(kind, low, high, parts)
        message = f"{parts['low']}-{parts['high']} in the {kind.name} runs backwards"
        start, end = at + parts.start("low"), at + parts.end("high")
        message += f": write {fix}" if fix else ""
        raise ReadError(message, text, start=start, end=end, fix=fix, code="cron-backwards")
    return low, high


def forwards(kind: Kind, low: int, high: int, parts: re.Match[str]) -> str:
    """A backward range as two that end and begin with the cycle: `5-6,0-1`, `NOV-DEC,JAN-FEB`."""
    named = {} if parts["low"].isdigit() else {value: name for name, value in kind.names.items()}
    last, first = (named.get(value, str(value)) for value in (kind.high, kind.low))
    before = parts["low"] if low == kind.high else f"{parts['low']}-{last}"
    behind = parts["high"] if high == kind.low else f"{first}-{parts['high']}"
    return f"{before},{behind}"


def spelled(kind: Kind, word: str) -> str:
    """The canonical text of a name or number: upper case, no leading zeros, 7 as 0."""
    if not word.isdigit():
        return word.upper()
    bare = word.lstrip("0") or "0"
    return "0" if kind is WEEKDAY and bare == "7" else bare


def number(kind: Kind, word: str, at: int, text: str) -> int:
    """The number of a word of a field; for days of the week 7 stays 7."""
    value = kind.names.get(word.upper())
    if value is None and word.isascii() and word.isdigit():
        value = int(word) if len(word) < 9 else 10**9
    high = 7 if kind is WEEKDAY else kind.high
    if value is None or not kind.low <= value <= high:
        raise ReadError(
            item_message(kind, word), text, start=at, end=at + len(word), code="cron-range"
        )
    return value


def item_message(kind: Kind, item: str) -> str:
    """What is wrong with an item of a field, and what the field holds."""
    high = 7 if kind is WEEKDAY else kind.high
    names = f" or {'JAN-DEC' if kind is MONTH else 'SUN-SAT'}" if kind.names else ""
    if kind is DAY and item.upper().endswith("W"):
        return f"{item!r}: W (the nearest working day) is not supported in the {kind.name}"
    if item == "?":
        return f"'?' is not supported in the {kind.name}: write *"
    if kind is WEEKDAY and item.upper().endswith("L"):
        return f"{item!r}: L is only for the day of month; say monthly on last Fri, or FRI#4"
    if item == "":
        return f"an item of the {kind.name} is empty"
    article = "an" if kind is HOUR else "a"
    return f"{item!r} is not {article} {kind.name}: {kind.low} to {high}{names}"
