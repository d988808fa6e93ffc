"""What every reader of a value's text shares: the error it raises, and the limits of numbers."""

from __future__ import annotations

from collections.abc import Callable

DIGITS = 18
"""Numbers have at most so many digits (LANGUAGE.md §2)."""


class ReadError(ValueError):
    """A text that is not the value it should be.

    `start` and `end` are offsets into the text that was read, `fix` what to put in their place,
    `code` a stable name of the kind of error. `other` names what the text would have been right
    for (the value of a unit), where that is known.
    """

    def __init__(
        self,
        message: str,
        text: str,
        *,
        start: int = 0,
        end: int | None = None,
        fix: str | None = None,
        code: str = "bad-value",
        other: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.text = text
        self.start = start
        self.end = len(text) if end is None else end
        self.fix = fix
        self.code = code
        self.other = other

    def __reduce__(self) -> tuple[object, ...]:
        shown = (self.message, self.text, self.start, self.end, self.fix, self.code, self.other)
        return (_again, shown)


def readable(read: Callable[[str], object], text: str) -> bool:
    """Whether a value's reader takes the text."""
    try:
        read(text)
    except ReadError:
        return False
    return True


def _again(
    message: str,
    text: str,
    start: int,
    end: int,
    fix: str | None,
    code: str,
    other: str | None,
) -> ReadError:
    return ReadError(message, text, start=start, end=end, fix=fix, code=code, other=other)


def plural(number: int, word: str) -> str:
    """`1 hour`, `2 hours`."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def fraction(microseconds: int) -> str:
    """The decimals of a second, `.5` for 500,000 and nothing for 0."""
    return f".{microseconds:06d}".rstrip("0") if microseconds else ""


def ordinal(number: int) -> str:
    """`1st`, `2nd`, `11th`."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10)
    return f"{number}{ending or 'th'}"
