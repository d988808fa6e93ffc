"""`oncue timeline`: strips in a terminal of any width, and as a picture."""

import os
import re
import shlex
import subprocess
import sys
from datetime import datetime, timedelta
from io import StringIO
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result
from rich.cells import cell_len
from rich.console import Console

from oncue import ConditionSyntaxError, windows
from oncue.app.cli import main
from oncue.app.cli.axis import axis_of, placed
from oncue.app.cli.chart import FINEST, Bar, Chart, Strip, chart
from oncue.app.cli.strip import ASCII, BLOCKS, kinds_of, text
from oncue.app.cli.svg import svg
from oncue.engine.civil import from_datetime, to_datetime, zone

ROOT = Path(__file__).parent.parent
COMMANDS = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
SECTION = COMMANDS[: COMMANDS.index("## `oncue explain`")]  # of commands about windows
UTC = zone("UTC")
BERLIN = zone("Europe/Berlin")
HOUR = 3_600_000_000
SVG = "{http://www.w3.org/2000/svg}"


def run(*arguments: str, **options: str) -> Result:
    return CliRunner(env=options).invoke(main, ["timeline", *arguments])


def drawn(*arguments: str, columns: int) -> str:
    done = run(*arguments, COLUMNS=str(columns))
    assert done.exit_code == 0, done.output
    return done.output


def day_of(*conditions: str, name: str = "UTC", day: str = "2026-03-10", days: int = 1) -> Chart:
    start = datetime.fromisoformat(day)
    return chart(conditions, start, start + timedelta(days=days), timezone=name)


def strip_of(condition: str, columns: int = 24, name: str = "UTC", day: str = "2026-03-10") -> str:
    """The strip of one day, without its label."""
    found = day_of(condition, name=name, day=day)
    (strip,) = found.strips
    return "".join(getattr(BLOCKS, kind) for kind in kinds_of(strip, found, columns))


# --- what is drawn -----------------------------------------------------------------------------


def test_strips_stand_under_one_axis() -> None:
    shown = drawn(
        "on weekdays", "daily before 12:00", "-z", "UTC", "--from", "2026-03-13", "--days", "4",
        columns=76,
    )  # fmt: skip
    assert (
        shown
        == """\
Fri 2026-03-13 00:00 +00:00 to Tue 2026-03-17 00:00 +00:00, UTC

                    Fri 13 Mar    Sat 14 Mar    Sun 15 Mar    Mon 16 Mar
                    00:00  12:00  00:00  12:00  00:00  12:00  00:00  12:00
                    ┬──────┬──────┬──────┬──────┬──────┬──────┬──────┬──────
on weekdays         ██████████████····························██████████████
daily before 12:00  ███████·······███████·······███████·······███████·······
"""
    )


def test_where_it_is_narrow_labels_stand_above() -> None:
    shown = drawn("on weekdays", "daily before 12:00", "-z", "UTC", "--from", "2026-03-13",
                  "--days", "4", columns=30)  # fmt: skip
    assert (
        shown
        == """\
Fri 2026-03-13 00:00 +00:00
to Tue 2026-03-17 00:00 +00:00
UTC

  March 2026
  Fri 13 Sat 14 Sun 15 Mon 16
  ┬──────┬──────┬──────┬──────

on weekdays
  ███████··············███████

daily before 12:00
  ███▌···███▌···███▌···███▌···
"""
    )


STRIPS = [
    ("time of day between 10:00 and 14:00", "··········████··········"),
    ("time of day between 22:00 and 02:00", "██····················██"),
    ("time of day after 10:30", "··········▐█████████████"),
    ("time of day before 10:30", "██████████▌·············"),
    ("hourly", "█▓█▓█▓█▓█▓█▓█▓█▓█▓█▓█▓█▓"),
    ("cron 20 */6 * * *", "│·····│·····│·····│·····"),
    ("minutely", "▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒"),
    ("always", "████████████████████████"),
    ("never", "························"),
    ("on Wed", "························"),
    ("every 6 hours", "┃█████┃█████┃█████┃█████"),
    ("every 6 hours between 09:00 and 17:00", "·········┃█████┃█·······"),
    ("daily after 12:00 & after task 'a'", "············████████████"),
    ("time of day between 10:00 and 14:05", "··········████··········"),
    ("time of day between 9:55 and 14:00", "··········████··········"),
    ("time of day between 9:50 and 10:30", "··········▌·············"),
    ("time of day between 9:45 and 10:15", "·········││·············"),
    ("time of day between 22:00 and 00:05", "▌·····················██"),
    ("time of day between 23:55 and 02:00", "██·····················▐"),
]


@pytest.mark.parametrize(("condition", "strip"), STRIPS)
def test_a_column_shows_what_lies_in_it(condition: str, strip: str) -> None:
    assert strip_of(condition) == strip


def test_a_day_of_23_hours_has_23_columns_of_an_hour() -> None:
    found = strip_of("time of day before 04:00", 23, name="Europe/Berlin", day="2026-03-29")
    assert found == "███····················"
    lines = text(day_of("daily", name="Europe/Berlin", day="2026-03-29"), 100).plain.split("\n")
    assert lines[3].split() == [f"{hour:02}" for hour in range(24) if hour != 2]


NOTES = [
    ("never", "never: no window from here on"),
    ("on Wed", "no window here; the next begins Wed 2026-03-11 00:00 +00:00"),
    ("daily & after task 'a'", "at most these windows; not about time: after task 'a'"),
    ("every 10 s", "more than 1,000 runs: only the windows are shown"),
]


@pytest.mark.parametrize(("condition", "note"), NOTES)
def test_what_a_strip_cannot_show_is_said_below(condition: str, note: str) -> None:
    assert text(day_of(condition), 120).plain.split("\n")[-1].strip() == note
    assert note in svg(day_of(condition)).replace("&apos;", "'")


def test_the_legend_names_what_was_used() -> None:
    assert "several short ones" in text(day_of("minutely"), 80).plain
    assert "a run" in text(day_of("every 6 hours"), 80).plain
    assert "short one" not in text(day_of("daily"), 80).plain


CONDITIONS = (
    "on weekdays",
    "daily between 10:00 and 14:00 & ~(monthly on 31st) & after task 'a quite long name'",
    "after task '日本語の名前' & daily",
    "after task 'a\\\\b' | daily",
    "secondly",
    "every 8 hours",
)


@pytest.mark.parametrize("width", [20, 21, 33, 47, 60, 80, 113, 200])
@pytest.mark.parametrize("hours", [1, 24, 7 * 24, 60 * 24, 400 * 24, 36_500 * 24])
def test_no_line_is_wider_than_the_terminal(width: int, hours: int) -> None:
    start = datetime(2026, 3, 27)
    found = chart(CONDITIONS, start, start + timedelta(hours=hours), timezone="Europe/Berlin")
    for line in text(found, width).plain.split("\n"):
        assert cell_len(line) <= max(width, 34), line  # a moment with its offset is not broken


def test_colours_add_nothing_and_ascii_will_do() -> None:
    found = text(day_of("daily before 12:00", "hourly", "minutely", "every 8 hours"), 80)
    screen = StringIO()
    console = Console(file=screen, force_terminal=True, color_system="standard", soft_wrap=True)
    console.print(found)
    assert "\x1b[32m" in screen.getvalue()
    assert re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue()) == found.plain + "\n"
    plain = text(day_of("daily before 12:00", "hourly", "minutely", "every 8 hours"), 80, ASCII)
    assert plain.plain.isascii()
    assert len(plain.plain) == len(found.plain)


def test_control_characters_cannot_repaint_the_terminal() -> None:
    found = Chart(0, HOUR, UTC, (Strip("a\x1b[2Jb\nc", (Bar(0, HOUR),)),))
    assert "\x1b" not in text(found, 80).plain
    assert "a?[2Jb?c" in text(found, 80).plain
    assert ElementTree.fromstring(svg(found)) is not None


# --- bars --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "condition", ["daily between 22:00 and 02:00", "hourly", "on weekdays", "cron 7 */3 * * *"]
)
def test_bars_are_the_windows(condition: str) -> None:
    start, end = datetime(2026, 3, 27), datetime(2026, 4, 3)
    (strip,) = chart([condition], start, end, timezone="Europe/Berlin").strips
    expected = [
        (window.start, window.end)
        for window in windows(condition, start, end, timezone="Europe/Berlin")
    ]
    shown = [(to_datetime(bar.start, BERLIN), to_datetime(bar.end, BERLIN)) for bar in strip.bars]
    assert shown == expected
    assert not any(bar.many for bar in strip.bars)


@pytest.mark.parametrize(
    "condition", ["secondly", "minutely before 30", "secondly & time of day before 12:00"]
)
def test_what_cannot_be_told_apart_is_neither_computed_nor_lost(condition: str) -> None:
    start, end = datetime(2026, 1, 1), datetime(2027, 1, 1)
    found = chart([condition], start, end, timezone="UTC")
    (strip,) = found.strips
    assert 0 < len(strip.bars) <= FINEST
    assert all(a.end <= b.start for a, b in pairwise(strip.bars))
    for window in windows(condition, datetime(2026, 7, 1, 11, 58), datetime(2026, 7, 1, 12, 2)):
        assert window.start is not None
        at = from_datetime(window.start, UTC)
        assert any(bar.start <= at < bar.end for bar in strip.bars)


def test_a_chart_is_made_of_datetimes_or_refused() -> None:
    found = chart(["daily"], datetime(2026, 1, 1), datetime(2026, 1, 2), timezone="Europe/Berlin")
    assert (found.start, found.end - found.start) == (1_767_222_000_000_000, 24 * HOUR)
    with pytest.raises(ValueError, match="its end is not after its start"):
        chart(["daily"], datetime(2026, 1, 2), datetime(2026, 1, 1))
    with pytest.raises(ConditionSyntaxError):
        chart(["daly"], datetime(2026, 1, 1), datetime(2026, 1, 2))
    with pytest.raises(ValueError, match="Europe/Dublin"):
        chart(["daily"], datetime(2026, 1, 1), datetime(2026, 1, 2), timezone="Europe/Dubln")


# --- the axis ----------------------------------------------------------------------------------


AXES = [
    ("2026-03-10 12:00:00", timedelta(seconds=20), "12:00:00 12:00:05", "Tue 10 Mar 2026"),
    ("2026-03-10 12:00", timedelta(hours=2), "12:00 12:15", "Tue 10 Mar 2026"),
    ("2026-03-10 12:10", timedelta(hours=20), "13:00 14:00", "Tue 10 Mar 2026|Wed 11 Mar 2026"),
    ("2026-03-10", timedelta(days=30), "Mon 16|Mon 23", "March 2026|April 2026"),
    ("2026-03-10", timedelta(days=400), "Apr|May", "2026|2027"),
    ("2026-03-10", timedelta(days=4_000), "2027|2028", ""),
]


@pytest.mark.parametrize(("start", "length", "ticks", "above"), AXES)
def test_ticks_are_round_times_of_the_wall_clock(
    start: str, length: timedelta, ticks: str, above: str
) -> None:
    first = datetime.fromisoformat(start)
    axis = axis_of(from_datetime(first, BERLIN), from_datetime(first + length, BERLIN), BERLIN, 80)
    names = [tick.names[0] for tick in axis.ticks]
    wanted = re.split(r"\||(?<=\d) (?=\d)", ticks)
    where = names.index(wanted[0])
    assert where <= 1
    assert names[where : where + 2] == wanted
    assert "|".join(tick.names[0] for tick in axis.headings) == above


@pytest.mark.parametrize("name", ["Europe/Berlin", "Pacific/Apia", "Australia/Lord_Howe"])
@pytest.mark.parametrize(
    "start", [datetime(2011, 12, 29), datetime(2026, 3, 29), datetime(2026, 10, 24)]
)
@pytest.mark.parametrize("hours", [2, 30, 200, 2_000, 20_000])
def test_ticks_come_in_order_and_say_what_the_clock_says(
    name: str, start: datetime, hours: int
) -> None:
    home = zone(name)
    first = from_datetime(start, home)
    axis = axis_of(first, first + hours * HOUR, home, 100)
    assert len(axis.ticks) >= 2
    assert all(a.at < b.at for a, b in pairwise(axis.ticks))
    for tick in axis.ticks:
        moment = to_datetime(tick.at, home)
        assert moment is not None and first <= tick.at < first + hours * HOUR
        clock = re.match(r"(\d\d):(\d\d)", tick.names[0])
        if clock:
            assert (moment.hour, moment.minute) == tuple(map(int, clock.groups()))
        else:
            assert (moment.hour, moment.minute) == (0, 0)


@pytest.mark.parametrize("room", [8, 20, 51, 90, 240])
@pytest.mark.parametrize("hours", [1, 7, 50, 400, 5_000, 90_000, 3_000_000])
def test_names_never_run_into_each_other(room: int, hours: int) -> None:
    first = from_datetime(datetime(2026, 3, 28, 5), BERLIN)
    end = first + hours * HOUR
    axis = axis_of(first, end, BERLIN, room)
    for ticks in (axis.ticks, axis.headings):
        places = [(tick.at - first) * room / (end - first) for tick in ticks]
        names = placed(ticks, places, room, 1)
        assert all(a + len(name) + 1 <= b for (a, name), (b, _) in pairwise(names))
        assert all(place + len(name) <= room for place, name in names)


# --- the picture -------------------------------------------------------------------------------


def test_the_picture_is_xml_that_needs_nothing_else() -> None:
    picture = svg(day_of("daily & after task '<&\"]]>'", "every 6 hours", "on Wed"))
    root = ElementTree.fromstring(picture)
    assert root.tag == f"{SVG}svg"
    assert not re.search(r"href|url\(|@import|<script|<image|data:", picture)
    assert re.findall(r"https?://[^\"]*", picture) == ["http://www.w3.org/2000/svg"]
    width, height = map(int, (root.attrib["width"], root.attrib["height"]))
    assert root.attrib["viewBox"] == f"0 0 {width} {height}"
    labels = [node.text for node in root.iter(f"{SVG}text")]
    assert "daily & after task '<&\"]]>'" in labels
    title = root.find(f"{SVG}title")
    assert title is not None and title.text is not None and "every 6 hours" in title.text


def test_the_picture_has_every_colour_twice() -> None:
    picture = svg(day_of("hourly", "minutely", "every 6 hours"))
    light, dark = picture.split("@media (prefers-color-scheme:dark)")
    classes = set(re.findall(r'class="oncue-([a-z]+)', picture))
    assert {"ground", "label", "small", "window", "other", "many", "run", "track"} <= classes
    for name in classes:
        assert f".oncue-{name}{{" in light
        assert f".oncue-{name}{{" in dark.partition("</style>")[0]


def test_bars_of_the_picture_are_where_the_windows_are() -> None:
    root = ElementTree.fromstring(svg(day_of("time of day between 06:00 and 18:00"), 832))
    (bar,) = [node for node in root.iter(f"{SVG}rect") if node.attrib["class"] == "oncue-window"]
    assert (float(bar.attrib["x"]), float(bar.attrib["width"])) == (16 + 200, 400)
    told = bar.find(f"{SVG}title")
    assert told is not None and told.text == "Tue 2026-03-10 06:00 +00:00 to 18:00"


@pytest.mark.parametrize("width", [200, 400, 800, 1600])
def test_nothing_lies_outside_the_picture(width: int) -> None:
    found = chart(CONDITIONS, datetime(2026, 1, 1), datetime(2026, 6, 1), timezone="UTC")
    root = ElementTree.fromstring(svg(found, width))
    height = float(root.attrib["height"])
    for node in root.iter(f"{SVG}rect"):
        x, y = float(node.attrib["x"]), float(node.attrib["y"])
        assert x >= 0 and x + float(node.attrib["width"]) <= width
        assert y >= 0 and y + float(node.attrib["height"]) <= height
    for text_node in root.iter(f"{SVG}text"):
        assert 0 <= float(text_node.attrib["y"]) <= height


def test_a_crowded_picture_stays_small() -> None:
    found = chart(["secondly", "hourly"], datetime(2026, 1, 1), datetime(2027, 1, 1))
    assert len(svg(found)) < 20_000


# --- the page of commands ----------------------------------------------------------------------

BLOCK = re.compile(r"```console\n\$ oncue timeline (.*?)\n(.*?)```", re.DOTALL)


def test_the_page_of_commands_has_a_strip_a_picture_and_python() -> None:
    assert [".svg" in command for command, _ in BLOCK.findall(SECTION)] == [False, True]
    (code,) = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(code, "commands.md", "exec"), names)
    assert names["picture"] == svg(
        day_of("on weekdays", "daily after 12:00", name="Europe/Berlin", day="2026-03-27", days=7)
    )


@pytest.mark.parametrize(("command", "shown"), BLOCK.findall(SECTION))
def test_the_page_of_commands_shows_what_happens(
    command: str, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(*shlex.split(command), COLUMNS="80")
    assert done.stdout + done.stderr == shown
    for picture in tmp_path.iterdir():
        kept = (ROOT / "docs" / picture.name).read_text(encoding="utf-8")
        assert picture.read_text(encoding="utf-8") == kept


# --- the command -------------------------------------------------------------------------------


def test_a_picture_is_written_to_a_file_or_printed(tmp_path: Path) -> None:
    where = tmp_path / "windows.svg"
    options = ("daily", "--from", "2026-03-10", "--zone", "UTC", "--svg")
    done = run(*options, str(where))
    assert (done.exit_code, done.output) == (0, f"wrote {where}\n")
    picture = where.read_text(encoding="utf-8")
    assert picture == svg(day_of("daily", days=7))
    assert run(*options, "-").output == picture


def test_the_end_is_a_datetime_or_a_date_which_is_included_or_some_days() -> None:
    options = ("daily", "-z", "Europe/Berlin", "--from", "2026-03-28")
    for end in (("--to", "2026-03-29"), ("--to", "2026-03-30 00:00"), ("--days", "2")):
        shown = drawn(*options, *end, columns=90)
        assert "to Mon 2026-03-30 00:00 +02:00, Europe/Berlin" in shown.splitlines()[0]
    assert "to Sat 2026-03-28 12:00 +01:00" in drawn(*options, "--days", "0.5", columns=90)
    assert "to Sat 2026-04-04 00:00 +02:00" in drawn(*options, columns=90)


def test_all_bad_conditions_are_shown_with_carets() -> None:
    done = run("daly", "on Mon", "evry 5 min")
    assert done.exit_code == 1
    assert done.stdout == ""
    assert [line for line in done.stderr.splitlines() if "^" in line] == ["  ^^^^", "  ^^^^"]


MISTAKES = [
    ((), "Missing argument 'CONDITION...'"),
    (("daily", "--from", "2026-03-10", "--to", "2026-03-09"), "--to has to be after --from"),
    (("daily", "--to", "2026-03-10", "--days", "3"), "give one of them"),
    (("daily", "--days", "0"), "0"),
    (("daily", "--zone", "Europe/Dubln"), "did you mean 'Europe/Dublin'?"),
    (("daily", "--to", "soon"), "'soon' is not a date: as in 2026-01-31"),
]


@pytest.mark.parametrize(("arguments", "says"), MISTAKES)
def test_a_wrong_option_says_what_would_be_right(arguments: tuple[str, ...], says: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert says in done.stderr.splitlines()[-1]


def test_a_file_that_cannot_be_written_is_one_line() -> None:
    done = run("daily", "--svg", "/no/such/folder/windows.svg")
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert "/no/such/folder/windows.svg" in line


@pytest.mark.parametrize(("encoding", "glyphs"), [("utf-8", BLOCKS), ("ascii", ASCII)])
def test_as_a_process_in_a_pipe_it_is_plain(encoding: str, glyphs: object) -> None:
    command = [sys.executable, "-c", "from oncue.app.cli import main; main()", "timeline"]
    arguments = ("hourly", "-z", "UTC", "--from", "2026-03-10", "--days", "1")
    environment = os.environ | {"PYTHONIOENCODING": encoding, "COLUMNS": "80"}
    done = subprocess.run(
        [*command, *arguments], capture_output=True, encoding=encoding, cwd=ROOT, env=environment
    )
    expected = text(day_of("hourly"), 80, BLOCKS if glyphs is BLOCKS else ASCII).plain
    assert (done.returncode, done.stdout, done.stderr) == (0, expected + "\n", "")


@pytest.mark.parametrize("name", ["UTC", "Asia/Tokyo", "America/New_York"])
def test_a_chart_ends_with_the_year_9999(name: str) -> None:
    shown = drawn("daily", "-z", name, "--from", "9999-12-30", columns=80)
    assert " to after the year 9999, " in shown.splitlines()[0]
    assert shown.count("Thu 30 Dec 9999") == shown.count("Fri 31 Dec 9999") == 1
    (ticks,) = [line for line in shown.splitlines() if line.lstrip().startswith("00 ")]
    assert ticks.split() == ["00", "03", "06", "09", "12", "15", "18", "21"] * 2
