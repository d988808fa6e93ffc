"""What is told to the human: notes, each with its line; equal ones are told once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    """BY_HAND: it does not work until somebody changes it. DIFFERS: it works, and means or does
    something else than it did."""

    BY_HAND = "by hand"
    DIFFERS = "differs"

    def __repr__(self) -> str:
        return f"Level.{self.name}"


class Note(NamedTuple):
    """What a human has to know of one line."""

    line: int
    level: Level
    text: str


def told(files: Iterable[tuple[str, Iterable[Note]]]) -> Iterator[str]:
    """The notes of files as text: what is to be done by hand by its places, `FILE:LINE: what`;
    then what differs, once each, and under it the places."""
    by_hand: list[str] = []
    different: dict[str, list[str]] = {}
    for name, notes in files:
        for (level, text), numbers in grouped(notes).items():
            place = f"{name}:{', '.join(map(str, numbers))}"
            if level is Level.BY_HAND:
                by_hand.append(indented(f"{place}: {text}"))
            else:
                different.setdefault(text, []).append(f"    {place}")
    if by_hand:
        yield from ("to be done by hand:", *by_hand)
    if different:
        yield "what differs:"
        for text, places in different.items():
            yield from (indented(text), *places)


def grouped(notes: Iterable[Note]) -> dict[tuple[Level, str], list[int]]:
    """The lines of equal notes, in order of the first line."""
    lines: dict[tuple[Level, str], list[int]] = {}
    for note in sorted(notes, key=lambda note: note.line):
        numbers = lines.setdefault((note.level, note.text), [])
        if note.line not in numbers:
            numbers.append(note.line)
    return lines


def indented(text: str) -> str:
    first, *rest = text.split("\n")
    return "\n".join((f"  {first}", *(f"    {line}" for line in rest)))
