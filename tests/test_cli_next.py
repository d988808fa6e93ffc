"""`oncue next`: what it prints, and that its reasons are those of the calendar and the zone."""

import json
import os
import re
import shlex
import subprocess
import sys
from calendar import monthrange
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner, Result
from rich.text import Text

from oncue import parse
from oncue.app.cli import main
from oncue.app.cli.next import lines
from oncue.app.cli.outlook import Outlook
from oncue.app.cli.reasons import Effect, Reason, reasons
from oncue.app.cli.wording import distance, window_text
from oncue.engine.civil import BEGINNING, FOREVER, from_datetime, to_datetime, zone

ROOT = Path(__file__).parent.parent
COMMANDS = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
DAY = 86_400_000_000


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["next", *arguments])


def printed(*arguments: str) -> str:
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    return done.output


def answer(*arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(printed(*arguments, "--json"))
    return found


# --- what is printed ---------------------------------------------------------------------------


PRINTED = [
    (
        ("monthly on 31st", "--from", "2026-03-10", "--count", "3", "--zone", "UTC"),
        """\
monthly on 31st
from Tue 2026-03-10 00:00 +00:00, UTC

windows
  Tue 2026-03-31 00:00 +00:00 to 24:00  in 21 days
  skipped: no 31st: April 2026 has 30 days
  Sun 2026-05-31 00:00 +00:00 to 24:00  in 82 days
  skipped: no 31st: June 2026 has 30 days
  Fri 2026-07-31 00:00 +00:00 to 24:00  in 143 days

runs
  Tue 2026-03-31 00:00 +00:00  in 21 days
  Sun 2026-05-31 00:00 +00:00  in 82 days
  Fri 2026-07-31 00:00 +00:00  in 143 days
""",
    ),
    (
        ("cron 30 2 * * *", "--from", "2026-03-28", "-n", "3", "-z", "Europe/Berlin"),
        """\
cron 30 2 * * *
from Sat 2026-03-28 00:00 +01:00, Europe/Berlin

runs
  Sat 2026-03-28 02:30 +01:00  in 2 hours 30 minutes
  Sun 2026-03-29 03:00 +02:00  in 1 day 2 hours
    02:30 does not exist on Sun 2026-03-29: clocks go from 02:00 to 03:00
  Mon 2026-03-30 02:30 +02:00  in 2 days 1 hour
""",
    ),
    (
        ("time of day before 02:30", "--from", "2026-10-25 01:00", "-n2", "-z", "Europe/Berlin"),
        """\
time of day before 02:30
from Sun 2026-10-25 01:00 +02:00, Europe/Berlin

windows
  Sun 2026-10-25 00:00 +02:00 to 02:30  open, 1 hour 30 minutes left
    02:30 comes twice on Sun 2026-10-25, and the first counts: clocks go back from 03:00 to 02:00
  Mon 2026-10-26 00:00 +01:00 to 02:30  in 1 day
""",
    ),
    (
        ("every 90 min", "--from", "2026-03-10 12:00", "--count", "2", "--timezone", "UTC"),
        """\
every 1 hour 30 minutes
from Tue 2026-03-10 12:00 +00:00, UTC

runs
  Tue 2026-03-10 12:00 +00:00  now
  Tue 2026-03-10 13:30 +00:00  in 1 hour 30 minutes
""",
    ),
    (
        ("daily after 10:00 & after task 'x'", "--from", "2026-03-10", "-n", "1", "-z", "UTC"),
        """\
daily after 10:00 & after task 'x'
from Tue 2026-03-10 00:00 +00:00, UTC

windows, as far as time decides
  Tue 2026-03-10 10:00 +00:00 to 24:00  in 10 hours

no run by time alone: it waits for task 'x' to succeed
""",
    ),
    (
        ("always", "--from", "2026-03-10", "-z", "UTC"),
        """\
true
from Tue 2026-03-10 00:00 +00:00, UTC

windows
  at any time  open
""",
    ),
]


@pytest.mark.parametrize(("arguments", "shown"), PRINTED, ids=[args[0] for args, _ in PRINTED])
def test_the_answer_is_printed_as_shown(arguments: tuple[str, ...], shown: str) -> None:
    assert printed(*arguments) == shown


REMARKS = [
    ("after any tasks 'a', 'b' failed", "it waits for any of tasks 'a', 'b' to fail"),
    ("after tasks 'a', 'b' finished", "it waits for tasks 'a', 'b' to finish"),
    ("retry 3 times", "it waits for a run that fails (retry 3 times)"),
    ("daily & env 'prod'", "it waits for env 'prod'"),
    ("daily & is_holiday('FI')", "it waits for is_holiday('FI') to say yes"),
    ("daily & has failed today", "it waits for has failed today"),
    ("daily & ~is_holiday('FI')", "taken as false: is_holiday('FI')"),
    ("daily & ~task 'b' is running", "taken as false: task 'b' is running"),
    ("daily & task 'b' has failed at most 2 times", "taken as true: task 'b' has failed at most 2"),
    ("time of day | daily", "then again and again as long as it is true"),
    ("time of day before 10:00 & time of day after 14:00", "never: it has no window at all"),
    ("daily before 10:00 & daily after 14:00", "never: it has no window at all"),
    (
        "daily & between 2020-01-01 and 2020-01-31",
        "never again: its last window ended Sat 2020-02-01 00:00 +00:00",
    ),
]


@pytest.mark.parametrize(("condition", "remark"), REMARKS)
def test_what_the_lists_leave_open_is_said(condition: str, remark: str) -> None:
    shown = printed(condition, "--from", "2026-03-10", "--zone", "UTC", "-n", "2")
    assert remark in shown.splitlines()[-1]


def test_time_alone_needs_no_remark() -> None:
    for condition in ("daily after 10:00", "daily & ~has succeeded today", "weekdays"):
        shown = printed(condition, "--from", "2026-03-10", "--zone", "UTC", "-n", "1")
        assert shown.splitlines()[-1].startswith("  Tue 2026-03-10")


def test_a_condition_that_no_run_makes_false_shows_its_first_run_only() -> None:
    found = answer("time of day after 10:00 | daily", "--from", "2026-03-10", "-z", "UTC")
    assert [run["at"] for run in found["runs"]] == ["2026-03-10T00:00:00+00:00"]


def test_windows_are_left_out_where_they_say_nothing() -> None:
    for condition in ("every 10 minutes", "cron 0 9 * * 1", "once at 2026-05-01", "after task 'a'"):
        assert answer(condition, "--from", "2026-03-10", "-z", "UTC")["windows"] is None
    for condition in ("daily", "every 10 minutes before 10:00", "time of cron 0 9 * * 1"):
        assert answer(condition, "--from", "2026-03-10", "-z", "UTC")["windows"]
    assert answer("time of day", "--from", "2026-03-10", "-z", "UTC")["runs"] is None


def test_many_in_a_row_are_not_told_one_by_one() -> None:
    shown = printed("monthly on 31st & time of year on Jan", "--from", "2026-02-01", "-n", "1")
    assert "skipped" not in shown
    shown = printed("yearly on Feb 29th", "--from", "1896-03-01", "-n", "1", "-z", "UTC")
    skipped = [line.strip() for line in shown.splitlines() if "skipped" in line]
    years = (1897, 1898, 1899)
    told = [f"skipped: no 29th: February {year} has 28 days" for year in years]
    assert skipped == [*told, "skipped: 4 more such"]


def test_nothing_is_skipped_after_the_last_window() -> None:
    condition = "time of month on 31st | between 2026-03-05 and 2026-07-15"
    found = answer(condition, "--from", "2026-03-10", "-n", "1", "-z", "UTC")
    assert (len(found["windows"]), found["skipped"]) == (1, [])
    found = answer(condition, "--from", "2026-03-10", "-n", "2", "-z", "UTC")
    assert [skipped["at"][:10] for skipped in found["skipped"]] == ["2026-05-01", "2026-07-01"]


def test_json_has_all_of_it() -> None:
    found = answer(
        "cron 0,30 2,3 * * * & ~env 'x'", "--from", "2026-03-29", "-n", "2", "-z", "Europe/Berlin"
    )
    why = "02:00, 02:30 do not exist on Sun 2026-03-29: clocks go from 02:00 to 03:00"
    assert found == {
        "condition": "cron 0,30 2,3 * * * & ~env 'x'",
        "zone": "Europe/Berlin",
        "from": "2026-03-29T00:00:00+01:00",
        "windows": None,
        "runs": [
            {"at": "2026-03-29T03:00:00+02:00", "notes": []},
            {"at": "2026-03-29T03:30:00+02:00", "notes": []},
        ],
        "skipped": [{"at": "2026-03-29T03:00:00+02:00", "reason": why}],
        "assumed": [{"condition": "env 'x'", "value": False}],
    }
    bounds = answer("after 2026-05-01", "--from", "2026-03-10", "-z", "UTC")["windows"]
    assert bounds == [{"start": "2026-05-01T00:00:00+00:00", "end": None, "notes": []}]


def test_from_may_have_an_offset_of_its_own() -> None:
    found = answer("daily", "--from", "2026-03-10T12:00:00+09:00", "-z", "UTC")
    assert found["from"] == "2026-03-10T03:00:00+00:00"


@pytest.mark.parametrize("width", [24, 40, 60, 80, 200])
def test_no_line_is_longer_than_the_terminal(width: int) -> None:
    conditions = ["cron 30 2 * * *", "daily after 02:30 & after task 'a'", "daily before 02:30"]
    berlin = zone("Europe/Berlin")
    start = from_datetime(datetime(2026, 1, 20), berlin)
    for condition in conditions:
        found = list(lines(Outlook.of(parse(condition), berlin, start, 80), width))
        assert max(map(len, found)) <= width
        whole = " ".join(Text(" ").join(found).plain.split())
        assert "clocks go from 02:00 to 03:00" in whole


def test_a_narrow_terminal_has_the_distance_below() -> None:
    utc = zone("UTC")
    outlook = Outlook.of(parse("hourly"), utc, from_datetime(datetime(2026, 1, 1), utc), 2)
    found = [line.plain for line in lines(outlook, 50)]
    assert found[4:7] == [
        "  Thu 2026-01-01 00:00 +00:00 to 01:00",
        "    open, 1 hour left",
        "  Thu 2026-01-01 01:00 +00:00 to 02:00  in 1 hour",
    ]


BLOCK = re.compile(r"```console\n\$ oncue next (.*?)\n(.*?)```", re.DOTALL)


def test_the_page_of_commands_has_examples() -> None:
    assert len(BLOCK.findall(COMMANDS)) == 5


@pytest.mark.parametrize(("command", "shown"), BLOCK.findall(COMMANDS))
def test_the_page_of_commands_shows_what_happens(command: str, shown: str) -> None:
    done = run(*shlex.split(command))
    assert done.stdout + done.stderr == shown


# --- mistakes ----------------------------------------------------------------------------------


def test_a_bad_condition_is_shown_with_a_caret() -> None:
    done = run("daily after 25:00")
    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr.splitlines()[1:3] == ["  daily after 25:00", "              ^^^^^"]


MISTAKES = [
    (("daily", "--zone", "Europe/Dubln"), "did you mean 'Europe/Dublin'?"),
    (("daily", "--zone", "berlin"), "did you mean 'Europe/Berlin'?"),
    (("daily", "--from", "tomorrow"), "'tomorrow' is not a date: as in 2026-01-31"),
    (("daily", "--from", "20260131"), "'20260131' is not a date: as in 2026-01-31"),
    (("daily", "--from", "2026-02-30"), "February has at most 29 days"),
    (("daily", "--count", "0"), "0 is not in the range"),
    (("jobs:app",), "oncue tasks jobs:app says when its tasks are due"),
]


@pytest.mark.parametrize(("arguments", "says"), MISTAKES)
def test_a_wrong_option_says_what_would_be_right(arguments: tuple[str, ...], says: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert says in done.stderr.splitlines()[-1]


def test_as_a_process_in_a_pipe_it_is_plain() -> None:
    command = [sys.executable, "-c", "from oncue.app.cli import main; main()", "next"]
    arguments, shown = PRINTED[2]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout, done.stderr) == (0, shown, "")
    done = subprocess.run([*command, "daly"], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")


def test_what_an_encoding_lacks_is_a_question_mark() -> None:
    command = [sys.executable, "-c", "from oncue.app.cli import main; main()"]
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    for name in ("next", "timeline"):
        done = subprocess.run(
            [*command, name, "daily & after task 'Öl'", "--from", "2026-03-10", "-z", "UTC"],
            capture_output=True,
            cwd=ROOT,
            env=environment,
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert b"daily & after task '?l'" in done.stdout


# --- reasons -----------------------------------------------------------------------------------


def reasons_of(condition: str, name: str, start: datetime, end: datetime) -> list[Reason]:
    home = zone(name)
    return reasons(parse(condition), home, from_datetime(start, home), from_datetime(end, home))


@pytest.mark.parametrize("day", [28, 29, 30, 31])
@pytest.mark.parametrize("form", ["monthly on {}", "cron 0 0 {} * *"])
def test_exactly_the_months_that_lack_the_day_are_skipped(day: int, form: str) -> None:
    suffix = {31: "st"}.get(day, "th") if "monthly" in form else ""
    found = reasons_of(
        form.format(f"{day}{suffix}"), "UTC", datetime(2023, 1, 1), datetime(2033, 1, 1)
    )
    lacking = [
        (year + month // 12, month % 12 + 1)
        for year in range(2023, 2033)
        for month in range(1, 13)
        if monthrange(year, month)[1] < day
    ]
    begins = [to_datetime(reason.at, zone("UTC")) for reason in found]
    assert [(begin.year, begin.month) for begin in begins if begin] == lacking
    assert all(reason.effect is Effect.SKIPPED for reason in found)


@pytest.mark.parametrize("condition", ["monthly on 5th Tue", "cron 0 0 * * TUE#5"])
def test_exactly_the_months_without_a_fifth_are_skipped(condition: str) -> None:
    found = reasons_of(condition, "UTC", datetime(2026, 1, 1), datetime(2029, 1, 1))
    lacking = [
        (year, month)
        for year in (2026, 2027, 2028)
        for month in range(1, 13)
        if sum(date(year, month, day).weekday() == 1 for day in all_days(year, month)) < 5
    ]
    before = [to_datetime(reason.at - DAY, zone("UTC")) for reason in found]
    assert [(moment.year, moment.month) for moment in before if moment] == lacking
    assert found[0].text == "January 2026 has no 5th Tue"


def all_days(year: int, month: int) -> range:
    return range(1, monthrange(year, month)[1] + 1)


CALENDAR = [
    ("monthly between 30th and 5th", "03-01", Effect.BEGINS, "no 30th: February 2026 has 28 days"),
    ("monthly starting 31st", "03-01", Effect.BEGINS, "no 31st: February 2026 has 28 days"),
    ("monthly after 31st", "03-01", Effect.SKIPPED, "no 31st: February 2026 has 28 days"),
    ("monthly between 25th and 31st", "03-01", Effect.ENDS, "no 31st: February 2026 has 28 days"),
    ("monthly before 30th", "03-01", Effect.ENDS, "no 30th: February 2026 has 28 days"),
    (
        "monthly between 28th and last Fri",
        "03-01",
        Effect.SKIPPED,
        "no window in February 2026: the last Fri is before the 28th",
    ),
    ("yearly between Feb 29th and Mar 10th", "03-01", Effect.BEGINS, "no 29th: February 2026 has"),
    ("yearly between Feb 20th and Feb 29th", "03-01", Effect.ENDS, "no 29th: February 2026 has 28"),
    ("monthly on 15th, 31st", "03-01", Effect.SKIPPED, "no 31st: February 2026 has 28 days"),
]


@pytest.mark.parametrize(("condition", "day", "effect", "text"), CALENDAR)
def test_a_short_month_is_given_as_the_reason(
    condition: str, day: str, effect: Effect, text: str
) -> None:
    (reason,) = reasons_of(condition, "UTC", datetime(2026, 2, 2), datetime(2026, 3, 20))
    moment = to_datetime(reason.at, zone("UTC"))
    assert moment is not None and moment.strftime("%m-%d %H:%M") == f"{day} 00:00"
    assert reason.effect is effect
    assert reason.text.startswith(text)


@pytest.mark.parametrize(
    "condition",
    [
        "monthly on 31st & time of year on Jan",
        "~(monthly on 31st)",
        "~(monthly on 31st) | on Mon",
        "monthly on last",
        "monthly on 28th",
        "cron 0 0 31 * 1",
        "cron 0 0 L * *",
        "cron 0 0 1,31 * *",
        "monthly between 5th and 10th",
    ],
)
def test_what_no_month_spoils_needs_no_reason(condition: str) -> None:
    assert reasons_of(condition, "UTC", datetime(2026, 1, 1), datetime(2027, 1, 1)) == []


ZONES = [
    "Europe/Dublin",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Beirut",
    "Africa/Casablanca",
    "Pacific/Apia",
    "America/Havana",
]


def existence(moment: datetime, name: str) -> int:
    """How often a local time happens, asked of zoneinfo alone."""
    home = ZoneInfo(name)
    instants = {moment.replace(tzinfo=home, fold=fold).timestamp() for fold in (0, 1)}
    return sum(
        datetime.fromtimestamp(instant, home).replace(tzinfo=None) == moment for instant in instants
    )


def each_day(start: date, end: date) -> Iterator[date]:
    return (start + timedelta(days=n) for n in range((end - start).days))


@pytest.mark.parametrize("clock", [(0, 0), (0, 30), (1, 30), (2, 15), (2, 30), (12, 0)])
@pytest.mark.parametrize("name", ZONES)
def test_a_fixed_time_has_a_reason_on_exactly_the_days_that_spoil_it(
    name: str, clock: tuple[int, int]
) -> None:
    hour, minute = clock
    start, end = date(2011, 1, 2), date(2013, 1, 1)
    first, last = datetime.combine(start, datetime.min.time()), datetime(2013, 1, 1)
    expected = []
    for day in each_day(start, end):
        times = existence(datetime(day.year, day.month, day.day, hour, minute), name)
        if times != 1:
            how = "does not exist" if times == 0 else "comes twice"
            expected.append(f"{hour:02}:{minute:02} {how} on {day:%a %Y-%m-%d}")
    found = reasons_of(f"cron {minute} {hour} * * *", name, first, last)
    assert [re.split(",|: ", reason.text)[0] for reason in found] == expected
    taken = (name, clock) == ("Pacific/Apia", (0, 0))  # the day after begins where this one would
    assert {reason.effect for reason in found} <= {Effect.SKIPPED if taken else Effect.BEGINS}


CHANGES = [
    (
        "daily before 02:30",
        [
            ("03-29 03:00", "ends", "02:30 does not exist"),
            ("10-25 02:30", "ends", "02:30 comes tw"),
        ],
    ),
    (
        "cron */20 * * * *",
        [
            ("03-29 03:00", "skipped", "02:00, 02:20, 02:40 do not exist"),
            ("10-25 02:00", "begins", "02:00 comes a second time"),
        ],
    ),
    (
        "cron */10 * * * *",
        [
            ("03-29 03:00", "skipped", "02:00, 02:10, 02:20 … do not exist"),
            ("10-25 02:00", "begins", "02:00 comes a second time"),
        ],
    ),
    (
        "time of hour between 15 and 45",
        [
            ("03-29 03:00", "skipped", "02:15 does not exist"),
            ("10-25 02:15", "begins", "02:00 comes a second time"),
        ],
    ),
    ("cron 30 2 * * * & on Mon", []),
    ("daily after 10:00", []),
    ("every 1 hour", []),
    ("daily after 02:30 in 'UTC+12'", []),
    (
        "daily after 02:30 & after task 'a'",
        [("03-29 03:00", "begins", "02:30 does"), ("10-25 02:30", "begins", "02:30 comes twice")],
    ),
    ("once at 2026-03-29 02:30", [("03-29 03:00", "begins", "02:30 does not exist")]),
    (
        "daily after 02:30 in 'America/New_York' | on Sun in 'Europe/Berlin'",
        [
            ("03-08 08:00", "begins", "02:30 does not exist on Sun 2026-03-08 in America/New_York"),
        ],
    ),
]


@pytest.mark.parametrize(("condition", "expected"), CHANGES)
def test_a_change_of_the_clocks_is_given_as_the_reason(
    condition: str, expected: list[tuple[str, str, str]]
) -> None:
    found = reasons_of(condition, "Europe/Berlin", datetime(2026, 1, 5), datetime(2026, 10, 30))
    berlin = zone("Europe/Berlin")
    assert len(found) == len(expected)
    for reason, (at, effect, text) in zip(found, expected, strict=True):
        moment = to_datetime(reason.at, berlin)
        assert moment is not None and moment.strftime("%m-%d %H:%M") == at
        assert (reason.effect.value, reason.text[: len(text)]) == (effect, text)


def test_a_day_that_a_zone_left_out_is_named() -> None:
    (reason,) = reasons_of(
        "weekly on Fri", "Pacific/Apia", datetime(2011, 12, 20), datetime(2012, 2, 1)
    )
    assert reason.text == (
        "00:00 does not exist on Fri 2011-12-30: clocks go from 00:00 to Sat 2011-12-31 00:00"
    )


# --- wording -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.5, "less than a second"),
        (1, "1 second"),
        (61, "1 minute 1 second"),
        (7_200, "2 hours"),
        (7_259, "2 hours"),
        (90_000, "1 day 1 hour"),
        (86_400 * 1_234, "1,234 days"),
    ],
)
def test_a_distance_is_told_in_its_two_largest_units(seconds: float, text: str) -> None:
    assert distance(round(seconds * 1_000_000)) == text


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [
        ("2026-03-28 10:00", "2026-03-28 14:00:30.5", "Sat 2026-03-28 10:00 +01:00 to 14:00:30.5"),
        ("2026-03-28", "2026-03-29", "Sat 2026-03-28 00:00 +01:00 to 24:00"),
        ("2026-03-29", "2026-03-30", "Sun 2026-03-29 00:00 +01:00 to 24:00 +02:00"),
        (
            "2026-03-27 22:00",
            "2026-03-28 02:00",
            "Fri 2026-03-27 22:00 +01:00 to Sat 2026-03-28 02:00",
        ),
        (None, "2026-03-28", "until Sat 2026-03-28 00:00 +01:00"),
        ("2026-03-28", None, "from Sat 2026-03-28 00:00 +01:00 on"),
        (None, None, "at any time"),
    ],
)
def test_a_window_is_told_as_short_as_it_can_be(
    start: str | None, end: str | None, text: str
) -> None:
    berlin = zone("Europe/Berlin")
    first = BEGINNING if start is None else from_datetime(datetime.fromisoformat(start), berlin)
    last = FOREVER if end is None else from_datetime(datetime.fromisoformat(end), berlin)
    assert window_text(first, last, berlin) == text


@pytest.mark.parametrize(
    ("first", "last", "text"),
    [
        ((9999, 12, 31), 1, "Fri 9999-12-31 00:00 +00:00 to after the year 9999"),
        ((9999, 12, 31), 400_000, "Fri 9999-12-31 00:00 +00:00 to after the year 9999"),
        ((9999, 12, 30), 1, "Thu 9999-12-30 00:00 +00:00 to 24:00"),
    ],
)
def test_an_end_after_all_dates_is_told(first: tuple[int, int, int], last: int, text: str) -> None:
    start = from_datetime(datetime(*first), zone("UTC"))
    assert window_text(start, start + last * DAY, zone("UTC")) == text


def test_a_window_outside_all_dates_is_told() -> None:
    utc = zone("UTC")
    after = from_datetime(datetime.max, utc) + 1
    before = from_datetime(datetime.min, utc) - 1
    assert window_text(after, after + DAY, utc) == "after the year 9999"
    assert window_text(before - DAY, before, utc) == "before the year 1"
    assert window_text(before, before + DAY, utc) == "until Mon 0001-01-01 23:59:59.999999 +00:00"


def test_the_lists_end_with_the_year_9999() -> None:
    found = answer("daily", "--from", "9999-12-30", "--zone", "UTC")
    assert [row["start"][:10] for row in found["windows"]] == ["9999-12-30", "9999-12-31"]
    assert [row["at"][:10] for row in found["runs"]] == ["9999-12-30", "9999-12-31"]
    for condition in ("yearly on Feb 29th", "time of year on Feb", "cron 0 0 29 2 *"):
        shown = printed(condition, "--from", "9999-06-01", "--zone", "UTC")
        assert shown.endswith("\n\nthe next window comes after the year 9999\n")
