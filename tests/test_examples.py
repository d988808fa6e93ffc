"""The programs of examples/ do what they say: as processes, or rehearsed on a virtual clock.

Those of examples/control are in test_control_examples.py, rest.py in test_embedding.py, and
morning.py, the demo, in test_readme.py and .ci/run. Programs that wait for a time of day are given
a zone in which it is now.
"""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from oncue.testing import simulate
from oncue.tests.stores.conftest import Postgres

EXAMPLES = Path(__file__).parent.parent / "examples"
LIMIT = 60  # seconds; each takes a few
START = datetime(2026, 3, 10, 0, 25)


def begun(folder: Path, name: str, *arguments: str, until: str, **options: str) -> Any:
    """A program, in a folder, that ends when the condition holds."""
    options = {f"ONCUE_{key.upper()}": value for key, value in options.items()}
    return subprocess.Popen(
        [sys.executable, EXAMPLES / f"{name}.py", *arguments],
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "ONCUE_SHUT_COND": until, **options},
    )


def ended(process: Any) -> str:
    """What it printed; it ended well and had nothing to complain of."""
    try:
        out, err = process.communicate(timeout=LIMIT)
    finally:
        process.kill()
    assert (process.returncode, err) == (0, ""), err
    assert isinstance(out, str)
    return out


def zone_where_it_is(hour: int) -> str:
    """A zone of whole hours from UTC in which that hour of the day has begun."""
    ahead = (hour - datetime.now(UTC).hour + 12) % 24 - 12
    return f"UTC{ahead:+d}" if ahead else "UTC"


def app_of(name: str) -> Any:
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))["app"]


def test_every_example_is_run_by_a_test() -> None:
    tests = "".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    for path in EXAMPLES.glob("*.py"):
        assert re.search(rf'"{path.stem}(\.py|")|{path.stem}:api', tests), path.name


# --- a pipeline ---------------------------------------------------------------------------------


def test_a_report_is_made_of_what_the_steps_return(tmp_path: Path) -> None:
    zone = zone_where_it_is(6)
    program = begun(tmp_path, "report_pipeline", until="task 'write' has finished", timezone=zone)
    assert ended(program) == "totals.csv: 3 customers\n"
    assert (tmp_path / "totals.csv").read_text() == "Ada,20.50\nBob,8.00\nCy,12.50\n"


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ({}, ["06 extract", "06 clean", "06 add_up", "06 write"]),
        ({"extract": ["fail"]}, ["06 extract", "06 extract", "06 clean", "06 add_up", "06 write"]),
        ({"add_up": "fail"}, ["06 extract", "06 clean", "06 add_up", "07 tell"]),
    ],
)
def test_a_report_that_is_not_there_in_time_is_told(
    outcomes: dict[str, Any], expected: list[str]
) -> None:
    found = simulate(app_of("report_pipeline"), START, timedelta(hours=23), outcomes=outcomes)
    assert [f"{run.started:%H} {run.task}" for run in found] == expected


# --- files --------------------------------------------------------------------------------------


def test_files_are_taken_in_as_they_arrive(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    for name, text in (("a.json", "[1, 2]"), ("b.json", "[1,"), ("c.txt", "[]")):
        (tmp_path / "inbox" / name).write_text(text)
    program = begun(tmp_path, "file_arrival", until="task 'take_in' has succeeded")
    first, second = ended(program).splitlines()
    assert first == "a.json: 2 orders"
    assert second.startswith("b.json is refused: ")
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")}
    assert found == {"done/a.json", "refused/b.json", "inbox/c.txt"}


# --- several instances --------------------------------------------------------------------------


@pytest.fixture
def address(postgres_url: str) -> Iterator[str]:
    make = Postgres(postgres_url)
    yield f"{make.url}{'&' if '?' in make.url else '?'}namespace={make.namespace}"
    make.remove()


def test_each_run_starts_once_whoever_is_first(tmp_path: Path, address: str) -> None:
    until = "task 'post' has succeeded at least 3 times"
    programs = [begun(tmp_path, "several_instances", address, until=until) for _ in range(2)]
    lines = [line for program in programs for line in ended(program).splitlines()]
    runs = Counter(line.split(" ", 1)[1] for line in lines)
    assert set(runs.values()) == {1}
    assert sum(run.startswith("bill") for run in runs) >= 3
    due = [datetime.strptime(run, "bill %H:%M:%S.%f") for run in runs if run.startswith("bill")]
    assert len({at.microsecond % 500_000 for at in due}) == 1  # one rhythm


# --- a crontab ----------------------------------------------------------------------------------


def test_a_crontab_runs_its_lines_and_logs_them(tmp_path: Path) -> None:
    (tmp_path / "tab").write_text('WHO="you"\n# a comment\n\n* * * * * echo "hello $WHO 100%"\n')
    program = begun(tmp_path, "crontab", "tab", until="task 'line 4' has finished")
    lines = [line.split(" ", 2)[2] for line in ended(program).splitlines()]
    assert lines[1:4] == ["line 4  run", "hello you 100%", "line 4  success"]


def test_without_a_file_it_says_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["crontab.py"])
    with pytest.raises(SystemExit, match=r"python examples/crontab\.py FILE"):
        runpy.run_path(str(EXAMPLES / "crontab.py"), run_name="__main__")


def test_a_crontab_means_what_cron_means() -> None:
    app_of_text = runpy.run_path(str(EXAMPLES / "crontab.py"))["app_of"]
    app = app_of_text("A=1\n30 4 1,15 * 5 backup --full\nB='2 3'\n@daily tidy\n")
    backup, tidy = app
    assert (str(backup.start_cond), backup.description) == ("cron 30 4 1,15 * 5", "backup --full")
    assert (str(tidy.start_cond), tidy.catch_up, tidy.overlap) == (
        *("cron 0 0 * * *", "skip", "allow"),
    )
    with pytest.raises(ValueError, match="line 2 is neither a job nor a variable: '@daily'"):
        app_of_text("# cron\n@daily\n")


# --- rehearsed ----------------------------------------------------------------------------------


def told(name: str, hours: int, **options: Any) -> list[str]:
    """Each run but those of the day's work, as `HH:MM task outcome`."""
    found = simulate(app_of(name), START, timedelta(hours=hours), **options)
    return [f"{run.started:%H:%M} {run.task} {run.outcome}" for run in found if run.task != "sync"]


def test_an_alert_comes_after_the_last_try_and_is_taken_back_once() -> None:
    found = told(
        "retries_and_alerts",
        2,
        outcomes={"fetch": ["success", *["fail"] * 10, "success", "fail", "success"]},
    )
    assert [line for line in found if "fetch" not in line] == [
        "00:30 alert success",
        "00:55 all_clear success",
    ]
    assert found.count("00:30 fetch fail") == 5


def test_the_alert_is_repeated_each_hour_for_as_long_as_it_lasts() -> None:
    found = told("retries_and_alerts", 3, outcomes={"fetch": lambda run: "fail"})
    assert [line[3:] for line in found if "fetch" not in line] == ["25 alert success"] * 3


@pytest.mark.parametrize(
    ("took", "outcomes", "expected"),
    [
        (
            "30 min",
            {},
            ["01:00 backup success", "01:00 vacuum success", "01:30 check success"],
        ),
        (
            "6 h",
            {},
            ["01:00 backup success", "01:00 vacuum terminate", "05:00 tell success"],
        ),
        ("1 h", {"backup": "fail"}, ["01:00 backup fail", "05:00 tell success"]),
    ],
)
def test_maintenance_is_over_by_five_or_somebody_is_told(
    took: str, outcomes: dict[str, str], expected: list[str]
) -> None:
    found = told(
        "maintenance_window", 24, durations={"vacuum": took, "sync": "2 min"}, outcomes=outcomes
    )
    assert found == expected


def test_the_day_s_work_rests_at_night() -> None:
    found = simulate(app_of("maintenance_window"), START, timedelta(hours=24))
    hours = {run.started.hour for run in found.of("sync")}
    assert hours == set(range(24)) - {1, 2, 3, 4}


def test_the_steps_of_a_night_run(tmp_path: Path) -> None:
    zone = zone_where_it_is(2)
    program = begun(
        tmp_path, "maintenance_window", until="task 'check' has finished", timezone=zone
    )
    assert ended(program).split() == ["backed", "up", "vacuumed", "checked"]


# --- dynamic tasks ------------------------------------------------------------------------------


def test_reminders_that_are_due_are_sent_and_the_others_stay(tmp_path: Path) -> None:
    program = subprocess.run(
        [sys.executable, EXAMPLES / "million_reminders.py", "20000"],
        cwd=tmp_path,
        text=True,
        capture_output=True,
        timeout=LIMIT,
    )
    assert (program.returncode, program.stderr) == (0, "")
    scheduled, sent, following = program.stdout.splitlines()
    assert scheduled.startswith("20,000 reminders scheduled in ")
    assert sent.startswith("1,000 sent in ")
    assert following.startswith("next: reminder ")
    assert len(following.split(", ")) == 3
