"""Wall clocks and the UTC line: readings, changes, names, and the edges of datetime."""

from __future__ import annotations

import importlib.resources
import struct
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import pytest
from dateutil import tz as dateutil_tz

from oncue.engine import civil
from oncue.engine.civil import (
    BEGINNING,
    DAY,
    ERA,
    FOREVER,
    HOUR,
    MINUTE,
    RULED,
    SECOND,
    Fold,
    Gap,
    Unambiguous,
    UnknownZoneError,
    Zone,
    from_datetime,
    local_time,
    to_datetime,
    zone,
)

BERLIN = zone("Europe/Berlin")
NAMES = sorted(available_timezones() - {"Factory", "localtime"})
YEAR_1970, YEAR_2040 = 0, from_datetime(datetime(2040, 1, 1), zone("UTC"))


def local(*fields: int) -> int:
    return local_time(datetime(*fields))  # type: ignore[arg-type]


def instant(*fields: int) -> int:
    return from_datetime(datetime(*fields), zone("UTC"))  # type: ignore[arg-type]


READINGS = [
    ("Europe/Berlin", (2026, 3, 29, 1, 59), Unambiguous(instant(2026, 3, 29, 0, 59))),
    ("Europe/Berlin", (2026, 3, 29, 2, 0), Gap(instant(2026, 3, 29, 1), HOUR)),
    ("Europe/Berlin", (2026, 3, 29, 2, 59), Gap(instant(2026, 3, 29, 1), HOUR)),
    ("Europe/Berlin", (2026, 3, 29, 3, 0), Unambiguous(instant(2026, 3, 29, 1))),
    ("Europe/Berlin", (2026, 10, 25, 1, 59), Unambiguous(instant(2026, 10, 24, 23, 59))),
    ("Europe/Berlin", (2026, 10, 25, 2, 0), Fold(instant(2026, 10, 25), instant(2026, 10, 25, 1))),
    ("Europe/Berlin", (2026, 10, 25, 3, 0), Unambiguous(instant(2026, 10, 25, 2))),
    ("Europe/Berlin", (9026, 10, 25, 3, 0), Unambiguous(instant(9026, 10, 25, 1))),
    ("Europe/Dublin", (2026, 3, 29, 1, 30), Gap(instant(2026, 3, 29, 1), HOUR)),
    ("Australia/Lord_Howe", (2026, 10, 4, 2, 15), Gap(instant(2026, 10, 3, 15, 30), 30 * MINUTE)),
    (
        "Australia/Lord_Howe",
        (2026, 4, 5, 1, 45),
        Fold(instant(2026, 4, 4, 14, 45), instant(2026, 4, 4, 15, 15)),
    ),
    ("Pacific/Apia", (2011, 12, 30, 12, 0), Gap(instant(2011, 12, 30, 10), DAY)),
    ("Asia/Kathmandu", (2026, 1, 1, 0, 0), Unambiguous(instant(2025, 12, 31, 18, 15))),
    ("UTC+12", (2026, 1, 1, 12, 0), Unambiguous(instant(2026, 1, 1))),
    ("America/New_York", (1883, 11, 18, 11, 59), Unambiguous(instant(1883, 11, 18, 16, 55, 2))),
]


@pytest.mark.parametrize(("name", "fields", "expected"), READINGS)
def test_what_a_local_time_means(name: str, fields: tuple[int, ...], expected: civil.Local) -> None:
    assert zone(name).resolve(local(*fields)) == expected


def test_boundary_is_the_first_reading_or_the_end_of_the_gap() -> None:
    assert BERLIN.boundary(local(2026, 3, 29, 2, 30)) == instant(2026, 3, 29, 1)
    assert BERLIN.boundary(local(2026, 10, 25, 2, 30)) == instant(2026, 10, 25, 0, 30)


@pytest.mark.parametrize("name", NAMES)
def test_every_change_of_every_zone_is_found(name: str) -> None:
    """Against the transitions in the zone's own file, and zoneinfo's reading around each."""
    found = {change.start // SECOND: change for change in zone(name).changes(0, YEAR_2040)}
    assert found.keys() >= {at for at in file_changes(name) if 0 <= at < YEAR_2040 // SECOND}
    for at, change in found.items():
        after = datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(name)).utcoffset()
        before = datetime.fromtimestamp(at - 1, UTC).astimezone(ZoneInfo(name)).utcoffset()
        assert after is not None and before is not None
        assert after - before == timedelta(microseconds=change.shift) != timedelta()
        readings_around(name, change)


def readings_around(name: str, change: civil.Segment) -> None:
    """Local times about a change mean what zoneinfo says of them."""
    here, tz = zone(name), ZoneInfo(name)
    middle = change.start + change.offset - change.shift // 2
    for at in (middle, middle - 2 * abs(change.shift), middle + 2 * abs(change.shift)):
        naive = datetime(1970, 1, 1) + timedelta(microseconds=at)
        readings = [from_datetime(naive.replace(tzinfo=tz, fold=fold), here) for fold in (0, 1)]
        match here.resolve(at):
            case Unambiguous(one):
                assert readings == [one, one]
            case Fold(first, second):
                assert readings == [first, second]
            case Gap(start, length):
                assert readings[1] < start <= readings[0] == readings[1] + length


def file_changes(name: str) -> list[int]:
    """Where the offset changes, from the second part of a TZif file (RFC 8536)."""
    data = tzif(name)
    sizes = struct.unpack(">6l", data[20:44])
    start = 44 + sizes[3] * 5 + sizes[4] * 6 + sizes[5] + sizes[2] * 8 + sizes[1] + sizes[0]
    _, _, _, times, types, _ = struct.unpack(">6l", data[start + 20 : start + 44])
    start += 44
    instants = struct.unpack(f">{times}q", data[start : start + 8 * times])
    indexes = data[start + 8 * times : start + 9 * times]
    start += 9 * times
    offsets = [struct.unpack_from(">l", data, start + 6 * i)[0] for i in range(types)]
    after = [offsets[index] for index in indexes]
    pairs = zip(instants, pairwise([offsets[0], *after]), strict=True)
    return [at for at, (old, new) in pairs if old != new]


def tzif(name: str) -> bytes:
    from zoneinfo import TZPATH

    for folder in TZPATH:
        path = Path(folder, name)
        if path.is_file():
            return path.read_bytes()
    return importlib.resources.files("tzdata.zoneinfo").joinpath(name).read_bytes()


def test_no_zone_changes_there_and_back_between_two_probes() -> None:
    """What the table's way of finding changes rests on."""
    nearest = min(
        (later - earlier, name) for name in NAMES for earlier, later in pairwise(file_changes(name))
    )
    assert nearest[0] * SECOND > civil.PROBE


def test_changes_repeat_after_an_era() -> None:
    start = instant(2110, 1, 1)
    once = [(c.start + ERA, c.offset, c.shift) for c in BERLIN.changes(start, start + 800 * DAY)]
    again = BERLIN.changes(start + ERA, start + ERA + 800 * DAY)
    assert once == [(c.start, c.offset, c.shift) for c in again] != []


def test_segments_cover_the_line_without_a_hole() -> None:
    segments = list(BERLIN.segments(instant(1790, 1, 1), instant(2600, 1, 1)))
    assert segments[0].start == BEGINNING
    for earlier, later in pairwise(segments):
        assert earlier.end == later.start
        assert later.shift == later.offset - earlier.offset
        assert later.start <= later.calm_start and later.calm_end <= later.end


def test_a_fixed_zone_is_one_segment() -> None:
    assert zone("UTC").offset(FOREVER) == zone("UTC").offset(BEGINNING - 1) == 0
    assert list(zone("UTC").segments(BEGINNING, FOREVER - 1)) == [zone("UTC").segment(0)]
    assert zone("Asia/Tokyo").segment(instant(2026, 1, 1)).offset == 9 * HOUR


def test_zones_are_one_object_per_name() -> None:
    assert zone("Europe/Berlin") is BERLIN
    assert repr(BERLIN) == "zone('Europe/Berlin')"


@pytest.mark.parametrize(
    "name", ["Europe/Dubln", "Foo/Bar", "America", "UTC+25", "/etc/passwd", "../x", ""]
)
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(UnknownZoneError) as caught:
        zone(name)
    assert repr(name) in str(caught.value)


def test_an_unknown_zone_offers_near_names() -> None:
    with pytest.raises(ValueError, match=r"'Europe/Dubln'.*'Europe/Dublin'"):
        zone("Europe/Dubln")


def test_a_zone_spelt_out_changes_by_its_rule() -> None:
    east = zone("EST5EDT,M3.2.0,M11.1.0")
    york = zone("America/New_York")
    start, end = instant(2010, 1, 1), instant(2030, 1, 1)
    assert list(east.changes(start, end)) == list(york.changes(start, end))
    assert len(list(east.changes(start, end))) == 40


class Asked(tzinfo):
    """A rule behind a `tzinfo` of another kind, which is searched for its changes day by day."""

    def __init__(self, rule: tzinfo) -> None:
        self.rule = rule

    def utcoffset(self, when: datetime | None) -> timedelta | None:
        return None if when is None else self.rule.utcoffset(when.replace(tzinfo=self.rule))

    def dst(self, when: datetime | None) -> None:
        return None

    def tzname(self, when: datetime | None) -> None:
        return None

    def fromutc(self, utc: datetime) -> datetime:
        return self.rule.fromutc(utc.replace(tzinfo=self.rule)).replace(tzinfo=self)


@pytest.mark.parametrize(
    "name",
    [
        "EST5EDT4",
        "NZST-12NZDT,M9.5.0,M4.1.0/3",  # summer time over the end of the year
        "AAA3BBB,J60,J300",  # by the number of the day, 29 February aside
        "AAA3BBB,59,300",  # by the number of the day
        "AAA-11BBB,M12.5.0/23,M1.1.4/1",  # transitions beside the end of the year
        "AAA3BBB5,M3.2.0,M11.1.0",  # summer time is behind
    ],
)
def test_a_rule_is_read_as_a_search_through_all_its_days_reads_it(name: str) -> None:
    rule = dateutil_tz.tzstr(name)
    known, searched = Zone(name, rule), Zone("searched", Asked(rule))
    for start, end in (
        (instant(1996, 1, 1), instant(2004, 12, 31)),
        (instant(2097, 6, 1), instant(2104, 3, 1)),
    ):
        assert list(known.segments(start, end)) == list(searched.segments(start, end))


def test_a_rule_is_asked_no_more_for_many_years_than_for_each_kind_of_year() -> None:
    asked = 0

    class Counted(dateutil_tz.tzstr):
        def fromutc(self, utc: datetime) -> datetime:
            nonlocal asked
            asked += 1
            return super().fromutc(utc)

    counted = Zone("counted", Counted("EST5EDT4"), RULED)
    changes = list(counted.changes(instant(2000, 1, 1), instant(2400, 1, 1)))
    assert len(changes) == 800
    assert asked <= 14 * 400  # a year begins on one of seven weekdays, and is long or short


@pytest.mark.parametrize(
    ("variable", "name", "hours"),
    [
        ("Asia/Tokyo", "Asia/Tokyo", 9),
        (":Asia/Tokyo", "Asia/Tokyo", 9),
        ("XYZ-3", "XYZ-3", 3),  # in this variable a minus is east
        ("UTC+12", "UTC+12", -12),
    ],
)
def test_the_systems_zone_by_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, name: str, hours: int
) -> None:
    monkeypatch.setenv("TZ", variable)
    found = zone()
    assert (found.name, found.offset(0)) == (name, hours * HOUR)


def test_the_systems_zone_by_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    copy = tmp_path / "clock"
    copy.write_bytes(tzif("Asia/Tokyo"))
    monkeypatch.setenv("TZ", f":{copy}")
    assert (zone().name, zone().offset(0)) == ("local", 9 * HOUR)
    monkeypatch.setenv("TZ", str(tmp_path / "missing"))
    assert zone().name == "local"


# --- datetimes ------------------------------------------------------------------------------


def test_datetimes_there_and_back() -> None:
    for fields in ((1, 1, 2), (1900, 1, 1), (2026, 3, 29, 12, 30, 15, 999_999), (9999, 12, 30)):
        at = instant(*fields)
        found = to_datetime(at, BERLIN)
        assert found is not None and from_datetime(found, BERLIN) == at


def test_a_repeated_hour_is_told_apart_by_fold() -> None:
    first, second = instant(2026, 10, 25, 0, 30), instant(2026, 10, 25, 1, 30)
    for at, fold in ((first, 0), (second, 1)):
        found = to_datetime(at, BERLIN)
        assert found is not None and found.fold == fold
        assert from_datetime(found, zone("UTC")) == at
        assert from_datetime(found.replace(tzinfo=None), BERLIN) == at


def test_a_naive_datetime_in_a_gap_is_its_end() -> None:
    assert from_datetime(datetime(2026, 3, 29, 2, 30), BERLIN) == instant(2026, 3, 29, 1)


def test_an_aware_datetime_keeps_its_own_zone() -> None:
    aware = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=5)))
    assert from_datetime(aware, BERLIN) == instant(2026, 1, 1, 7)


@pytest.mark.parametrize("at", [BEGINNING, FOREVER, instant(9999, 12, 31) + 2 * DAY])
def test_instants_beyond_datetimes_are_none(at: int) -> None:
    assert to_datetime(at, BERLIN) is None


def test_the_last_hour_of_year_9999_has_no_datetime_in_the_east() -> None:
    assert to_datetime(instant(9999, 12, 31, 23, 30), zone("UTC")) is not None
    assert to_datetime(instant(9999, 12, 31, 23, 30), BERLIN) is None
