"""`oncue check` and `oncue fmt`: texts, files, apps; exit codes; JSON; plain text in a pipe."""

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from oncue.app.cli import main

APP = """
from oncue import App
from oncue.conds import condition, daily

@condition()
def is_quiet():
    return True

app = App({shut}timezone="UTC")

@app.task("daily after 10:00")
def extract(): ...

@app.task("after task extrat & ~task 'extract' is running")
def load(): ...

@app.task(daily & is_quiet & daily.after("10:00"))
def quiet(): ...

@app.task()
def by_hand(): ...
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    return tmp_path


def oncue(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(main, arguments, input=text)


# --- check ----------------------------------------------------------------------------------


def test_a_clean_condition_says_nothing(folder: Path) -> None:
    found = oncue("check", "daily after 10:00")
    assert (found.exit_code, found.output) == (0, "")


def test_a_warning_is_no_failure(folder: Path) -> None:
    found = oncue("check", "daily & hourly")
    assert found.exit_code == 0
    assert found.output.splitlines() == [
        "warning: two cadences joined by and: a run must be due by both: hourly & time of day? "
        "[two-cadences]",
        "  daily & hourly",
        "  ^^^^^^^^^^^^^^",
    ]


def test_an_error_fails(folder: Path) -> None:
    found = oncue("check", "daily &")
    assert found.exit_code == 1
    assert "an operand is missing" in found.output and "\x1b" not in found.output


def test_a_file_of_conditions(folder: Path) -> None:
    (folder / "some.txt").write_text("# all of them\n\ndaily\n\n# this one\nhourly\n  & faild\n")
    found = oncue("check", "some.txt")
    assert found.exit_code == 1
    assert found.output.splitlines() == [
        "some.txt:5",
        "error: unknown condition 'faild': has failed? [unknown-condition]",
        "    & faild",
        "      ^^^^^",
    ]
    assert oncue("check", "-", text="daily\n\nhourly\n").exit_code == 0
    assert oncue("check", "-", text="daily\n\nhourly &\n").exit_code == 1


def test_json(folder: Path) -> None:
    found = oncue("check", "--json", "daliy")
    assert found.exit_code == 1
    (item,) = json.loads(found.output)
    assert (item["place"], item["text"]) == ("", "daliy")
    assert item["diagnostics"][0]["fix"] == "daily"
    assert json.loads(oncue("check", "--json", "daily").output)[0]["diagnostics"] == []


def test_every_condition_of_an_app(folder: Path) -> None:
    (folder / "jobs.py").write_text(APP.format(shut="shut_cond='task lod has failed', "))
    found = oncue("check", "jobs.py")
    assert found.exit_code == 1
    lines = found.output.splitlines()
    assert lines[0] == "task 'load'"
    assert lines[1].startswith("error: no task is called 'extrat': 'extract'?")
    assert "task 'quiet'" in lines and "shut_cond" in lines
    assert [line for line in lines if "two cadences" in line]
    assert not [line for line in lines if "by_hand" in line or "runs-again" in line]


def test_an_app_in_order_is_silent(folder: Path) -> None:
    text = APP.format(shut="").replace("extrat", "extract").replace("daily & is_quiet & ", "")
    (folder / "jobs_in_order.py").write_text(text)
    assert (
        oncue("check", "jobs_in_order:app").exit_code,
        oncue("check", "jobs_in_order:app").output,
    ) == (0, "")


BROKEN = """
from oncue import App
app = App()

@app.task("daily &")
def extract(): ...
"""


def test_a_condition_at_which_an_app_stops(folder: Path) -> None:
    (folder / "stops.py").write_text(BROKEN)
    found = oncue("check", "stops:app")
    assert found.exit_code == 1 and isinstance(found.exception, SystemExit)
    assert found.output.splitlines()[:3] == [
        "stops:app",
        "error: an operand is missing after & [missing-operand]",
        "  daily &",
    ]
    sys.modules.pop("stops", None)
    (item,) = json.loads(oncue("check", "--json", "stops:app").output)
    assert (item["place"], item["text"]) == ("stops:app", "daily &")
    assert item["diagnostics"][0]["code"] == "missing-operand"


def test_an_error_of_the_module_is_its_own(folder: Path) -> None:
    (folder / "breaks.py").write_text("raise ValueError('of mine')\n")
    found = oncue("check", "breaks:app")
    assert found.exit_code == 1
    assert "breaks.py:1: ValueError: of mine" in found.output
    assert "timezone" not in found.output


def test_targets_and_zones_that_are_none(folder: Path) -> None:
    for arguments in (("no_such_module:app",), ("none.py",), ("daily", "-z", "Nowhere/Land")):
        found = oncue("check", *arguments)
        assert found.exit_code == 2 and "Invalid value" in found.output


def test_any_text_is_checked(folder: Path) -> None:
    for text in ("", "x" * 5000, "a\0b", "'", "../..", "task 'a:b' has failed & daily"):
        assert oncue("check", "--", text).exit_code in (0, 1)


# --- fmt ------------------------------------------------------------------------------------

UGLY = "run Daily  AFTER 10 # why\n\n\n# only words\n\nhourly&after task x\n"
PRETTY = "daily after 10:00  # why\n\n# only words\n\nhourly & after task 'x'\n"


def test_standard_input_is_formatted(folder: Path) -> None:
    assert oncue("fmt", text=UGLY).output == PRETTY
    assert oncue("fmt", "-", text=PRETTY).output == PRETTY
    assert oncue("fmt", text="").output == ""


def test_files_are_rewritten_once(folder: Path) -> None:
    file = folder / "some.txt"
    file.write_text(UGLY)
    assert oncue("fmt", "some.txt").output == "changed some.txt\n"
    assert file.read_text() == PRETTY
    again = oncue("fmt", "some.txt")
    assert (again.exit_code, again.output) == (0, "")


def test_fmt_check_changes_nothing(folder: Path) -> None:
    file = folder / "some.txt"
    file.write_text(UGLY)
    found = oncue("fmt", "--check", "some.txt")
    assert (found.exit_code, found.output) == (1, "would change some.txt\n")
    assert file.read_text() == UGLY
    file.write_text(PRETTY)
    assert oncue("fmt", "--check", "some.txt").exit_code == 0


def test_a_file_with_an_error_is_left_alone(folder: Path) -> None:
    (folder / "good.txt").write_text(UGLY)
    (folder / "bad.txt").write_text("DAILY\n\nhourly &\n\nfoo\n")
    found = oncue("fmt", "bad.txt", "good.txt")
    assert found.exit_code == 1
    assert "bad.txt:3" in found.output and "bad.txt:5" in found.output
    assert (folder / "bad.txt").read_text().startswith("DAILY")
    assert (folder / "good.txt").read_text() == PRETTY


def test_the_width_of_lines(folder: Path) -> None:
    assert oncue("fmt", "--width", "10", text="daily & hourly").output == "daily\n& hourly\n"


def test_files_that_cannot_be_read(folder: Path) -> None:
    (folder / "latin.txt").write_bytes(b"env \xe9")
    for name in ("none.txt", "latin.txt", "."):
        assert oncue("fmt", name).exit_code == 2
    found = oncue("check", "conditons.txt")
    assert found.exit_code == 2 and "conditons.txt: there is no such file" in found.output
    found = oncue("check", "latin.txt")
    assert found.exit_code == 2 and "latin.txt: 'utf-8' codec can't decode" in found.output


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("env 'a\n\nb' & hourly\n", "env 'a\n\nb' & hourly\n"),
        ("env 'a\x0cb\x85c\u2028d'\n", "env 'a\x0cb\x85c\u2028d'\n"),
        ("daily # it's so\n\nhourly\n", "daily  # it's so\n\nhourly\n"),
        ("\ufeffDAILY\n", "\ufeffdaily\n"),
        ("DAILY # x\r\n\r\nHOURLY\r\n", "daily  # x\r\n\r\nhourly\r\n"),
        ("DAILY\r\n\r\nenv 'a\nb' # it's\r\n", "daily\r\n\r\nenv 'a\nb'  # it's\r\n"),
        ("DAILY\n\nenv 'a\r\nb'\n", "daily\n\nenv 'a\r\nb'\n"),
        ("daily # x\r& hourly\r", "daily  # x\n& hourly\n"),
        ("daily\r\rhourly\r", "daily\n\nhourly\n"),
    ],
)
def test_lines_are_ended_by_line_feeds_and_returns_alone(
    folder: Path, before: str, after: str
) -> None:
    file = folder / "some.txt"
    file.write_bytes(before.encode())
    assert oncue("fmt", "some.txt").exit_code == 0
    assert file.read_bytes().decode() == after
    assert oncue("fmt", "some.txt").output == ""


def test_an_open_quote_leaves_the_other_conditions_alone(folder: Path) -> None:
    (folder / "open.txt").write_text("env 'x\n\nfaild\n")
    found = oncue("check", "open.txt")
    assert "open.txt:1" in found.output and "open.txt:3" in found.output
