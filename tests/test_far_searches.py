"""Searches that go far: they find what looking piece by piece finds, with work that is bounded
whatever is combined: windows of seconds, many zones, far dates, what never comes."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, tzinfo
from itertools import combinations
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from oncue.engine.civil import ANCIENT, BEGINNING, DAY, FOREVER, REGULAR, Zone, local_time, zone
from oncue.engine.lint import lint
from oncue.engine.periods import Period
from oncue.engine.periods.changes import Upheaval, changes_of
from oncue.engine.periods.compiling import expression_of
from oncue.engine.periods.dial import ANY_EDGE, ANY_IN, ANY_OUT
from oncue.engine.periods.pieces import Pieces
from oncue.engine.periods.timeline import Timeline
from oncue.engine.tzif import Listing, listing, read_listing
from oncue.grammar.parser import parse

YEAR = 366 * DAY
UTC = zone("UTC")
SOME_ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Europe/Dublin",
    "Africa/Casablanca",
    "Asia/Kathmandu",
    "UTC+12",
    "Antarctica/Troll",
    "Asia/Tehran",
)


def fresh(text: str) -> Period:
    """A period nobody has asked anything yet."""
    return Period(expression_of(parse(text), UTC))


# --- conditions, generated from a seed ------------------------------------------------------


class Author:
    """Writes conditions, the same ones of the same seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.zones = self.random.sample(SOME_ZONES, 4)

    def condition(self, atoms: int) -> str:
        choose = self.random
        if atoms == 1:
            text = choose.choice([self.second, self.minute, self.hour, self.day, self.rare])()
        else:
            left = choose.randrange(1, atoms)
            operator = choose.choice("&&&|")
            text = f"({self.condition(left)} {operator} {self.condition(atoms - left)})"
        if choose.random() < 0.2:
            text = f"~({text})"
        return f"({text}) in '{choose.choice(self.zones)}'" if choose.random() < 0.4 else text

    def second(self) -> str:
        return f"time of second between {self.random.randrange(1000)} and {self.number(1000)}"

    def minute(self) -> str:
        return f"time of minute at {self.number(60)}.{self.number(10**6):06d}"

    def hour(self) -> str:
        return f"time of hour after {self.number(60)}:{self.number(60):02d}.{self.number(1000)}"

    def day(self) -> str:
        first, last = (f"{self.number(24):02d}:{self.number(60):02d}" for _ in "ab")
        return f"time of day between {first} and {last}"

    def rare(self) -> str:
        return self.random.choice(
            [
                "time of month on 31st",
                "time of month on 5th Fri 02:30",
                "time of year on Feb 29th",
                "time of week on Sun 02:15",
                "time of cron 7 2 * * SUN",
                "time of cron */7 */5 L */2 * */9",
                "between 2026-03-29 02:10 and 2031-01-01",
                "between 3000-01-01 and 3000-01-02",
                "before 1911-03-11",
            ]
        )

    def number(self, below: int) -> int:
        return self.random.randrange(below)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    atoms=st.integers(1, 5),
    start=st.integers(-70 * YEAR, 130 * YEAR),
    want=st.sampled_from([ANY_IN, ANY_OUT, ANY_EDGE]),
)
def test_what_is_found_far_is_what_is_found_piece_by_piece(
    seed: int, atoms: int, start: int, want: int
) -> None:
    text = Author(seed).condition(atoms)
    note(text)
    expression = expression_of(parse(text), UTC)
    found, walked = Timeline(expression), Timeline(expression)
    end, begin = start + 6 * YEAR, start - 6 * YEAR
    first, last = found.first(start, want), found.last(start - 1, want)
    near = walked.far().first_in_pieces(start, end, want)
    assert near == first if near is not None else first is None or first >= end
    near = walked.far().last_in_pieces(begin, start, want)
    assert near == last if near is not None else last is None or last < begin


# --- work -----------------------------------------------------------------------------------


@pytest.fixture
def pieces(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The instants at which a piece of the line is put together from now on."""
    found: list[int] = []
    find = Pieces._find

    def noting(self: Pieces, t: int) -> object:
        found.append(t)
        return find(self, t)

    monkeypatch.setattr(Pieces, "_find", noting)
    return found


CALLS: list[Callable[[Period], object]] = [
    lambda period: period.window_from(1_767_225_600_000_000),
    lambda period: period.window_before(1_767_225_600_000_000),
    lambda period: period.change_after(-(10**15)),
    lambda period: period.window_from(BEGINNING),
    lambda period: period.window_before(FOREVER - 1),
    lambda period: period.is_empty,
    lambda period: period.is_full,
    hash,
    lambda period: period == fresh("time of day after 10:00 & time of hour at 30"),
]


@pytest.mark.parametrize("seed", range(60))
def test_no_call_is_long(seed: int, pieces: list[int]) -> None:
    """Three centuries in five zones are some 10,000 pieces, and as many again before each far
    date."""
    text = Author(seed).condition(2 + seed % 7)
    for call in CALLS:
        pieces.clear()
        call(fresh(text))
        assert len(pieces) < 1_500, text
    pieces.clear()
    lint(parse(text), UTC)
    assert len(pieces) < 4_000, text


def dozens(joint: str) -> tuple[list[str], str]:
    names = sorted(name for name in available_timezones() if "/" in name)[::15]
    terms = [
        f"(time of day between {i % 24}:{7 * i % 60:02d} and {(i + 9) % 24}:{11 * i % 60:02d})"
        f" in '{name}'"
        for i, name in enumerate(names)
    ]
    return terms, joint.join(terms)


@pytest.mark.parametrize("joint", [" | ", " & "])
def test_dozens_of_zones_are_decided_by_few(joint: str, pieces: list[int]) -> None:
    terms, text = dozens(joint)
    assert len(terms) > 30
    for call in CALLS:
        pieces.clear()
        call(fresh(text))
        assert len(pieces) < 1_500
    assert (fresh(text).is_empty, fresh(text).is_full) == (joint == " & ", joint == " | ")


def test_far_dates_share_what_is_known(pieces: list[int]) -> None:
    """Between any two of them the same changes come again, as many as in a millennium."""
    spans = " | ".join(f"between {year}-01-01 and {year}-01-02" for year in range(2100, 3100, 25))
    found = fresh(f"({spans}) & time of year on Feb in Europe/Dublin & time of day in Asia/Tehran")
    assert found.window_from(0) is None and found.is_empty
    assert len(pieces) < 1_000


@pytest.mark.parametrize("joint", [" | ", " & "])
def test_equality_by_the_laws_of_sets_needs_no_search(joint: str, pieces: list[int]) -> None:
    terms, text = dozens(joint)
    other = {" | ": " & ", " & ": " | "}[joint]
    same = [
        joint.join(reversed(terms)),
        joint.join(f"({joint.join(pair)})" for pair in combinations(terms[:12], 2))
        + joint
        + joint.join(terms),
        f"~({other.join(f'~({term})' for term in terms)})",
        f"({text}){other}(({text}){joint}time of month on 1st)",
        f"{text}{joint}({terms[3]}{other}time of year on Feb)",
    ]
    period = fresh(text)
    assert all(period == fresh(again) for again in same)
    assert not pieces
    assert period != fresh(joint.join(terms[:3]))


# --- upheavals ------------------------------------------------------------------------------


def upheavals(*names: str) -> list[Upheaval]:
    changes = changes_of(tuple(map(zone, names)))
    found = list(changes.forward(BEGINNING, REGULAR))
    assert list(changes.backward(BEGINNING, REGULAR)) == found[::-1]
    return found


def test_every_change_is_in_one_upheaval() -> None:
    names = ("Europe/Berlin", "Europe/Dublin", "Asia/Kathmandu", "Australia/Lord_Howe")
    found = upheavals(*names)
    changes = [change.start for name in names for change in zone(name).changes(ANCIENT, REGULAR)]
    for start in changes:
        (about,) = (u for u in found if u.start <= start < u.end)
        assert about.end - about.start < 3 * DAY
    assert all(a.end < b.start and a.after == b.before for a, b in zip(found, found[1:]))
    assert all(u.before != u.after for u in found if u.end - u.start < DAY // 4)


def test_upheavals_that_reach_into_a_stretch_are_given() -> None:
    repeated, change = (u for u in upheavals("Pacific/Apia") if u.end - u.start == DAY + 1)
    assert repeated.start < 0 < change.start
    changes = changes_of((zone("Pacific/Apia"),))
    assert list(changes.forward(change.end - 1, change.end)) == [change]
    assert list(changes.backward(change.start, change.start + 1)) == [change]
    assert list(changes.forward(change.end, change.end + DAY)) == []
    assert list(changes.backward(change.start - DAY, change.start)) == []


# --- what the zones' files list -------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        *SOME_ZONES[:7],
        "America/Juneau",
        "Africa/Monrovia",
        "Asia/Gaza",
        "Atlantic/Azores",
        "Europe/Amsterdam",
        "Etc/GMT+5",
    ],
)
def test_the_listed_changes_are_all(name: str) -> None:
    probed = Zone(name, ZoneInfo(name))
    end = REGULAR + 45 * YEAR
    found = [(s.start, s.offset, s.shift) for s in zone(name).changes(ANCIENT, end)]
    assert found == [(s.start, s.offset, s.shift) for s in probed.changes(ANCIENT, end)]


def test_a_zone_is_asked_seldom() -> None:
    asked: list[datetime] = []
    real = ZoneInfo("America/New_York")

    class Asked(tzinfo):
        def utcoffset(self, moment: datetime | None) -> None:
            return None

        dst = tzname = utcoffset

        def fromutc(self, moment: datetime) -> datetime:
            asked.append(moment)
            return real.fromutc(moment.replace(tzinfo=real)).replace(tzinfo=self)

    here = Zone("asked", Asked(), listing("America/New_York"))
    changes = list(here.changes(ANCIENT, REGULAR + 42 * YEAR))
    assert len(changes) > 400 and len(asked) < 6_000


def test_a_file_is_read_for_its_instants() -> None:
    found = listing("America/New_York")
    assert found is not None and found.has_rule
    first = local_time(datetime(1883, 11, 18, 17)) // 1_000_000
    assert found.instants[0] in (first, -(2**59))
    kathmandu = listing("Asia/Kathmandu")
    assert kathmandu is not None and not kathmandu.has_rule


@pytest.mark.parametrize("data", [b"", b"TZif", b"TZif2" + bytes(10), b"no zone" * 20])
def test_what_is_no_file_of_a_zone_lists_nothing(data: bytes) -> None:
    assert read_listing(data) is None


def test_the_first_version_does_not_list_all() -> None:
    assert read_listing(b"TZif" + bytes(60)) is None
    assert read_listing(b"TZif2" + bytes(39) + b"TZif2" + bytes(39) + b"\nUTC0\n") == Listing(
        (), False
    )


def test_a_zone_without_a_file_has_no_listing() -> None:
    assert listing("Europe/Nowhere") is None
