"""Durations: lengths of elapsed time that read and write their own text.

A duration's text is a sum of pieces, `1 hour 30 minutes`, or a clock, `00:10:00`, or both. All
arithmetic is in whole numbers, so nothing is rounded: what is finer than a microsecond is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from .diagnostic import nearest
from .reading import DIGITS, ReadError, plural

MILLISECOND = 1_000
SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY
LONGEST = 999_999_999 * DAY

SPELLINGS = {
    1: ("us", "\u00b5s", "\u03bcs"),  # the micro sign, and the Greek letter that looks like it
    MILLISECOND: ("ms", "millisecond", "milliseconds"),
    SECOND: ("s", "sec", "secs", "second", "seconds"),
    MINUTE: ("m", "min", "mins", "minute", "minutes"),
    HOUR: ("h", "hr", "hrs", "hour", "hours"),
    DAY: ("d", "day", "days"),
    WEEK: ("w", "week", "weeks"),
}
UNITS = {word: size for size, words in SPELLINGS.items() for word in words}
CALENDAR = {
    **dict.fromkeys(("mo", "mon", "month", "months"), ("month", "monthly")),
    **dict.fromkeys(("y", "yr", "yrs", "year", "years"), ("year", "yearly")),
}
NAMES = (
    (DAY, "day"),
    (HOUR, "hour"),
    (MINUTE, "minute"),
    (SECOND, "second"),
    (MILLISECOND, "millisecond"),
)

PIECE = re.compile(
    r"\s*(?:"
    r"([0-9]+):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?(?![\w.:])"
    r"|([0-9]+)(?:\.([0-9]+))?\s*([^\W\d_]+)"
    r")\s*(?:,(?=\s*[0-9]))?"
)


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """A length of elapsed time, in whole microseconds; longer than nothing."""

    microseconds: int

    def __post_init__(self) -> None:
        if not 0 < self.microseconds <= LONGEST:
            raise ValueError(range_message(self.microseconds))

    @classmethod
    def parse(cls, text: str) -> Duration:
        """Read `10 minutes`, `1 h 30 min`, `00:10:00`. Raises ReadError."""
        return read_duration(text)

    @classmethod
    def of(cls, value: Duration | timedelta | str | float) -> Duration:
        """From seconds, text, a timedelta or a duration. Raises ValueError or TypeError."""
        match value:
            case Duration():
                return value
            case str():
                return read_duration(value)
            case timedelta():
                return cls(value // timedelta(microseconds=1))
            case bool():
                raise TypeError(f"{value!r} is not a duration: give seconds, text or a timedelta")
            case int() | float():
                return cls(seconds_to_microseconds(value))
            case _:
                raise TypeError(f"{value!r} is not a duration: give seconds, text or a timedelta")

    @property
    def seconds(self) -> float:
        return self.microseconds / SECOND

    @property
    def timedelta(self) -> timedelta:
        return timedelta(microseconds=self.microseconds)

    def __repr__(self) -> str:
        return f"Duration({self.microseconds})"

    def __str__(self) -> str:
        if self.microseconds % WEEK == 0:
            return plural(self.microseconds // WEEK, "week")
        rest, words = self.microseconds, []
        for size, name in NAMES:
            number, rest = divmod(rest, size)
            if number:
                words.append(plural(number, name))
        if rest:
            words.append(f"{rest} \u00b5s")
        return " ".join(words)


def seconds_to_microseconds(seconds: float) -> int:
    """Whole microseconds, to the nearest; a number without end is refused."""
    if seconds != seconds or abs(seconds) > LONGEST / SECOND:
        raise ValueError(f"{seconds!r} seconds are out of range: at most 999,999,999 days")
    return round(seconds * SECOND)


def range_message(microseconds: int) -> str:
    if microseconds <= 0:
        return "a duration must be longer than nothing"
    return "a duration is at most 999,999,999 days"


@lru_cache(maxsize=1024)
def read_duration(text: str) -> Duration:
    """The duration that `text` spells. Raises ReadError with the offsets of what is wrong."""
    total = position = 0
    while position < len(text):
        piece = PIECE.match(text, position)
        if piece is None:
            raise explain(text, position)
        total += piece_length(piece, text)
        position = piece.end()
    if not 0 < total <= LONGEST:
        missing = not text.strip()
        message = "a duration is missing: as in 10 minutes" if missing else range_message(total)
        raise ReadError(message, text, code="duration-range")
    return Duration(total)


def piece_length(piece: re.Match[str], text: str) -> int:
    """Microseconds of one `number unit` or `HH:MM:SS` piece."""
    word = piece[7]
    if word is None:
        return clock_length(piece, text)
    unit = UNITS.get(word) or (UNITS.get(word.lower()) if word.isascii() else None)
    if unit is None:
        raise unknown_unit(piece, text)
    check_digits(text, piece.start(5), piece.end(6) if piece[6] else piece.end(5))
    if piece[6] is None:
        return int(piece[5]) * unit
    return int(piece[5]) * unit + decimals(piece[6], unit, text, piece.start(5), piece.end(6))


def clock_length(piece: re.Match[str], text: str) -> int:
    check_digits(text, piece.start(1), piece.end(1))
    hours, minutes, seconds = int(piece[1]), int(piece[2]), int(piece[3])
    if minutes > 59 or seconds > 59:
        raise ReadError(
            f"{piece[0].strip(', ')} is out of range: minutes and seconds are 0 to 59",
            text,
            start=piece.start(1),
            end=piece.end(3),
            code="duration-range",
        )
    part = decimals(piece[4], SECOND, text, piece.start(3), piece.end(4)) if piece[4] else 0
    return hours * HOUR + minutes * MINUTE + seconds * SECOND + part


def decimals(digits: str, unit: int, text: str, start: int, end: int) -> int:
    """Microseconds of `.digits` of a unit, exactly."""
    check_digits(text, start, end)
    whole, rest = divmod(int(digits) * unit, int(10 ** len(digits)))
    if rest:
        raise ReadError(
            f"{text[start:end]} is finer than a microsecond",
            text,
            start=start,
            end=end,
            code="duration-range",
        )
    return whole


def check_digits(text: str, start: int, end: int) -> None:
    digits = end - start - text.count(".", start, end)
    if digits > DIGITS:
        raise ReadError(
            f"a number of {digits} digits is too long: at most {DIGITS}",
            text,
            start=start,
            end=end,
            code="too-long",
        )


def unknown_unit(piece: re.Match[str], text: str) -> ReadError:
    """A word that is no unit: months and years have names of their own, others are misspelt."""
    word = piece[7]
    calendar = CALENDAR.get(word.lower())
    if calendar:
        unit, cadence = calendar
        return ReadError(
            f"a {unit} is not a duration, its length varies: say {cadence}",
            text,
            start=piece.start(5),
            end=piece.end(7),
            code="calendar-unit",
            other=unit,
        )
    guess = near_unit(word.lower(), piece[5] == "1" and piece[6] is None)
    message = f"{word!r} is not a unit of time"
    return ReadError(
        f"{message}: {guess}?" if guess else f"{message}: us, ms, s, min, h, days or weeks",
        text,
        start=piece.start(7),
        end=piece.end(7),
        fix=guess,
        code="unknown-unit",
    )


def near_unit(word: str, single: bool) -> str | None:
    """The unit that `word` looks like, in the number that goes with it."""
    if word.startswith("microsec"):
        return "us"
    long = (name for name in UNITS if len(name) > 3)
    near = nearest(word, (name for _, name in NAMES), 1) or nearest(word, long, 1)
    if not near:
        return None
    stem = near[0].removesuffix("s")
    return stem if single or stem not in dict.fromkeys(name for _, name in NAMES) else f"{stem}s"


SIGNED = re.compile(r"\s*-\s*[0-9]")
BARE = re.compile(r"\s*([0-9][0-9.]*)(?=[\s,]|\Z)")
WORDY = re.compile(r"\s*([^\W\d_]+)")


def explain(text: str, position: int) -> ReadError:
    """Why no piece of a duration begins at `position`."""
    rest = text[position:]
    start = position + len(rest) - len(rest.lstrip(" \t\r\n,"))
    if SIGNED.match(text, position):
        return ReadError(range_message(-1), text, start=start, code="duration-range")
    if bare := BARE.match(text, position):
        number = bare[1].rstrip(".")
        return ReadError(
            f"a unit is missing after {number}: as in {number} minutes",
            text,
            start=start,
            end=bare.end(1),
            fix=f"{number} minutes",
            code="unit-missing",
        )
    word = WORDY.match(text, position)
    if word and word[1].lower() in UNITS:
        return ReadError(
            f"a number is missing before {word[1]!r}: as in 1 {word[1]}",
            text,
            start=start,
            end=word.end(1),
            fix=f"1 {word[1]}",
            code="number-missing",
        )
    return ReadError(
        f"{rest.strip() or text!r} is not a duration: as in 10 minutes",
        text,
        start=min(start, len(text)),
        code="bad-duration",
    )
