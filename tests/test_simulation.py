"""Whole apps on a virtual clock."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from oncue import App, upcoming
from oncue.app.cli import main
from oncue.app.cli.simulate import show
from oncue.args import Task
from oncue.conds import retry
from oncue.exc import DefinitionError, OncueError
from oncue.testing import Run, Simulation, simulate
from oncue.tests.property.test_scheduler import CONDITIONS

MONDAY = datetime(2026, 3, 9)
DAY = timedelta(days=1)


def app_of(tasks: dict[str, str], **config: Any) -> App:
    app = App(timezone="UTC", **config)
    app.cond()(full)
    for name, condition in tasks.items():
        app.task(condition, func=nothing, name=name)
    return app


def nothing() -> None: ...


def full() -> bool:
    raise OSError("gone")


def lines(found: Simulation) -> list[str]:
    """`started task attempt outcome`, the date left out on the first day."""
    return [
        f"{run.started:%m-%d %H:%M:%S} {run.task}".removeprefix("03-09 ").replace(":00 ", " ")
        + (f" {run.attempt}" if run.attempt else "")
        + f" {run.outcome or 'running'}"
        for run in found
    ]


PIPELINE = {
    "extract": "daily after 02:00",
    "load": "after task 'extract'",
    "report": "weekly on Mon & after task 'load'",
}


def test_a_pipeline_with_retries_runs_as_the_engine_runs_it() -> None:
    app = app_of(PIPELINE)
    app["load"].retries = retry(2, after="1 min")
    found = simulate(
        app,
        MONDAY,
        2 * DAY,
        durations={"extract": "20 min", "load": timedelta(minutes=5)},
        outcomes={"load": ["fail", "success"]},
    )
    assert lines(found) == [
        "02:00 extract success",
        "02:20 load fail",
        "02:26 load 1 success",
        "02:31 report success",
        "03-10 02:00 extract success",
        "03-10 02:20 load success",
    ]
    assert [run.number for run in found.of("load")] == [1, 2, 3]
    assert [str(record.action) for record in found.records][:4] == ["run", "success", "run", "fail"]
    assert [record.seq for record in found.records] == list(range(1, 13))


def test_a_timeout_and_an_end_cond_end_what_takes_longer() -> None:
    app = app_of({"a": "daily", "b": "daily"})
    app["a"].timeout = "10 min"
    app["b"].end_cond = "time of day after 00:30"
    found = simulate(app, MONDAY, DAY, durations="2 hours")
    assert [(run.task, run.ended, run.outcome, run.error) for run in found] == [
        ("a", at("00:10"), "terminate", "ended: its timeout is over"),
        ("b", at("00:30"), "terminate", "ended: its end_cond holds"),
    ]


def at(clock: str) -> datetime:
    return datetime.fromisoformat(f"2026-03-09 {clock}+00:00")


def test_a_main_task_keeps_everything_waiting() -> None:
    app = app_of({"a": "daily", "b": "hourly"})
    app["a"].execution = "main"
    found = simulate(app, MONDAY, timedelta(hours=4), durations={"a": "150 min"})
    assert lines(found) == [
        "00:00 a success",
        "00:00 b success",  # due together; the main run begins last
        "02:30 b success",  # what lay between is gone
        "03:00 b success",
    ]


def test_many_runs_go_on_beside_each_other() -> None:
    app = app_of({"a": "hourly"}, multilaunch=True, timeout="never")
    found = simulate(app, MONDAY, timedelta(hours=4), durations="90 min")
    assert lines(found) == [
        "00:00 a success",
        "01:00 a success",
        "02:00 a success",
        "03:00 a running",
    ]
    (bar,) = found.chart().strips[0].bars
    assert bar.many


def test_what_is_of_the_start_and_the_end_runs_then() -> None:
    app = app_of({"work": "every 1 hour"})
    app.session.config.shut_cond = "task 'work' has succeeded exactly 3 times"
    app.task(func=nothing, name="first", on_startup=True)
    app.task(func=nothing, name="last", on_shutdown=True)
    app.task("daily & false", func=nothing, name="never", on_startup=True)
    found = simulate(app, MONDAY, DAY)
    assert [run.task for run in found] == ["first", "work", "work", "work", "last"]
    assert found.runs[-1].started == at("02:00:01")


def test_what_happened_before_counts() -> None:
    log = [
        {"task": "extract", "action": "run", "at": "2026-03-09 02:00"},
        {"task": "extract", "action": "success", "at": "2026-03-09 02:20"},
    ]
    found = simulate(app_of(PIPELINE), MONDAY + timedelta(hours=12), DAY, log=log)
    assert lines(found)[:2] == ["12:00 load success", "12:00:01 report success"]


def test_what_was_under_way_before_goes_on() -> None:
    log = [{"task": "a", "action": "run", "at": "2026-03-08 23:50"}]
    app = app_of({"a": "daily", "b": "daily & ~task 'a' is running"})
    found = simulate(app, MONDAY, DAY, log=log, durations="15 min")
    assert lines(found) == [
        "03-08 23:50 a success",
        "00:05 a success",
        "00:20 b success",
    ]
    app["a"].timeout = "12 min"
    ended = simulate(app, MONDAY, DAY, log=log, durations="15 min").runs[0]
    assert (ended.ended, ended.outcome) == (at("00:02"), "terminate")
    assert found.chart().strips[0].bars[0].start == found.chart().start


def test_what_is_disabled_does_not_run_at_the_end() -> None:
    app = app_of({"work": "daily"}, shut_cond="task 'work' has succeeded")
    app.task(func=nothing, name="last", on_shutdown=True, enabled=False)
    assert lines(simulate(app, MONDAY, DAY)) == ["00:00 work success"]


def test_what_is_permanent_lasts_as_long_as_the_app() -> None:
    app = app_of({"work": "hourly"}, shut_cond="task 'work' has succeeded exactly 3 times")
    app.task("true", func=nothing, name="watch", permanent=True)
    (run,) = simulate(app, MONDAY, DAY).of("watch")
    assert (run.ended, run.outcome) == (at("02:00:01"), "terminate")
    assert run.error == "ended: the app ends"


def test_a_start_that_was_asked_for_is_one_of_its_runs() -> None:
    app = app_of({"a": "false"})
    app["a"].run()
    assert lines(simulate(app, MONDAY, DAY)) == lines(simulate(app, MONDAY, DAY))
    assert lines(simulate(app, MONDAY, DAY)) == ["00:00 a success"]


def test_a_custom_condition_is_given_what_it_asks_for() -> None:
    app = App(timezone="UTC", cycle_sleep=60)
    asked: list[str] = []

    @app.cond("is mine")
    def is_mine(task: Any = Task()) -> bool:  # noqa: B008
        asked.append(task.name)
        return bool(task.name == "a")

    for name in "ab":
        app.task("daily & is mine", func=nothing, name=name)
    assert lines(simulate(app, MONDAY, timedelta(hours=1))) == ["00:00 a success"]
    assert asked.count("b") == 60  # in the rhythm of the app


def test_a_condition_that_raises_ends_it_as_it_would_the_app() -> None:
    app = app_of({"a": "daily & full()", "b": "daily"})
    app.session.config.shut_cond = "full() & task 'b' has succeeded"
    with pytest.raises(OncueError, match=r"00:00:00 a condition of task 'a' failed: OSError"):
        simulate(app, MONDAY, DAY)
    app["a"].enabled = False
    with pytest.raises(OncueError, match=r"00:00:01 the shut_cond failed: OSError"):
        simulate(app, MONDAY, DAY)
    app["a"].enabled = True
    app.session.config.silence_cond_check = True
    assert lines(simulate(app, MONDAY, timedelta(minutes=1))) == ["00:00 b success"]


@pytest.mark.parametrize("condition", ["true", "daily | retry", "daily | after task 'other'"])
def test_where_no_time_passes_it_is_said(condition: str) -> None:
    app = app_of({"a": condition, "other": "after task 'a'"}, cycle_sleep=None)
    with pytest.raises(DefinitionError, match="starts 1000 times in a row and no time passes"):
        simulate(app, MONDAY, DAY, durations=0, outcomes={"a": fails_if("retry" in condition)})
    assert simulate(app, MONDAY, timedelta(minutes=1), durations=1)


def fails_if(failing: bool) -> str:
    return "fail" if failing else "success"


def test_lengths_and_outcomes_may_be_functions_of_the_run() -> None:
    def lasting(run: Run) -> int:
        return 60 * run.number

    def outcome(run: Run) -> str:
        return "fail" if run.number % 2 else "success"

    found = simulate(
        app_of({"a": "hourly"}),
        MONDAY,
        timedelta(hours=3),
        durations=lasting,
        outcomes={"a": outcome},
    )
    assert [run.ended and run.ended - run.started for run in found] == [
        timedelta(minutes=n) for n in (1, 2, 3)
    ]
    assert lines(found) == ["00:00 a fail", "01:00 a success", "02:00 a fail"]


def test_a_crash_is_paced_and_runs_again() -> None:
    found = simulate(app_of({"a": "daily"}), MONDAY, DAY, outcomes={"a": ["crash", "crash"]})
    assert lines(found) == ["00:00 a crash", "00:00:02 a crash", "00:00:05 a success"]


def test_days_of_23_and_25_hours_are_as_long_as_they_are() -> None:
    app = App(timezone="Europe/Berlin")
    app.task("daily after 02:30", func=nothing, name="a")
    app.task("every 1 hour", func=nothing, name="b")
    for day, hours in (("2026-03-29", 23), ("2026-10-25", 25)):
        start = datetime.fromisoformat(day)
        found = simulate(app, start, start + DAY)
        assert (len(found.of("a")), len(found.of("b"))) == (1, hours)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"durations": {"extrct": 1}},
            "there is no task 'extrct'; there are extract, load",
        ),
        (
            {"outcomes": {"load": "succes"}},
            "'load' cannot end in 'succes'; there are success",
        ),
        ({"outcomes": {"load": ["fail", "run"]}}, "cannot end in 'run'"),
        ({"outcomes": {"load": {"fail"}}}, "'load' cannot end in {'fail'}; there are success"),
        ({"outcomes": {"load": None}}, "'load' cannot end in None; there are success"),
        ({"outcomes": "fail"}, "outcomes are by the task's name, as in {name: 'fail'}"),
        ({"durations": "soon"}, "soon"),
        ({"end": MONDAY}, "the simulation is empty"),
        ({"end": timedelta(days=3_000_000)}, "beyond the years that datetimes have"),
    ],
)
def test_what_cannot_be_is_said(options: dict[str, Any], message: str) -> None:
    with pytest.raises((DefinitionError, ValueError), match=message):
        simulate(app_of(PIPELINE), MONDAY, options.pop("end", DAY), **options)


# --- the same engine ----------------------------------------------------------------------------


@settings(max_examples=60)
@given(st.sampled_from(CONDITIONS), st.integers(0, 90))
def test_of_one_task_it_is_what_upcoming_says(condition: str, minutes: int) -> None:
    lasting = timedelta(minutes=minutes)
    app = app_of({"self": condition}, timeout="never")
    found = simulate(app, MONDAY, 3 * DAY, durations=lasting)
    expected = upcoming(condition, MONDAY, end=MONDAY + 3 * DAY, duration=lasting, timezone="UTC")
    assert [run.started for run in found] == list(expected)


@settings(max_examples=25)
@given(
    st.lists(st.sampled_from(CONDITIONS), min_size=3, max_size=3),
    st.lists(st.sampled_from(["success", "fail", "terminate", "inaction", "crash"]), max_size=20),
    st.integers(0, 5000),
)
def test_the_same_input_gives_the_same_records(
    conditions: list[str], outcomes: list[str], seconds: int
) -> None:
    app = app_of(dict(zip("abc", conditions, strict=True)))

    def once() -> Simulation:
        return simulate(
            app, MONDAY, DAY, durations=seconds, outcomes={"a": outcomes, "b": outcomes}
        )

    first = once()
    assert first == once()
    for task in "abc":  # no run beside another of its task, no ending without a run
        runs = first.of(task)
        assert all(
            b.started >= (a.ended or a.started) for a, b in zip(runs, runs[1:], strict=False)
        )


def test_a_year_of_fifty_tasks_looks_at_what_happens_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kinds = ["daily after 02:00", "after task 'root'", "weekly on Mon", "monthly on last"]
    app = app_of({"root": "daily"} | {f"t{n}": kinds[n % 4] for n in range(49)})
    seen: list[Any] = []
    monkeypatch.setattr(
        "oncue.app.simulation.forecast.Simulation", remembering(seen, "oncue.engine.forecast")
    )
    found = simulate(app, datetime(2026, 1, 1), datetime(2027, 1, 1))
    assert len(found) == 365 + 13 * 365 + 12 * 365 + 12 * 52 + 12 * 12
    assert seen[0].agenda.asking.checked < 3 * len(found)


def remembering(seen: list[Any], module: str) -> Callable[..., Any]:
    made = sys.modules[module].Simulation

    def make(*args: Any, **options: Any) -> Any:
        seen.append(made(*args, **options))
        return seen[-1]

    return make


# --- what is shown ------------------------------------------------------------------------------


def test_it_is_a_table_a_chart_and_json() -> None:
    found = simulate(app_of(PIPELINE), MONDAY, DAY, durations={"extract": "20 min"})
    assert str(found) == (
        "started              task     attempt  took        outcome\n"
        "2026-03-09 02:00:00  extract           20 minutes  success\n"
        "2026-03-09 02:20:00  load              1 second    success\n"
        "2026-03-09 02:20:01  report            1 second    success"
    )
    root = ElementTree.fromstring(found.svg())
    titles = [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}title")]
    assert titles[0] == "runs of extract; load; report"
    assert any("02:00" in title and "02:20" in title for title in titles)
    assert found.to_dicts()[0] == {
        "task": "extract",
        "number": 1,
        "attempt": 0,
        "scheduled_at": "2026-03-09T02:00:00+00:00",
        "started": "2026-03-09T02:00:00+00:00",
        "ended": "2026-03-09T02:20:00+00:00",
        "outcome": "success",
        "error": None,
    }


def test_a_picture_of_many_runs_is_no_larger_than_can_be_told_apart() -> None:
    found = simulate(app_of({"a": "every 10 minutes"}), MONDAY, 365 * DAY)
    assert len(found) > 50_000
    assert len(found.chart().strips[0].bars) <= 1001
    picture = found.svg()
    assert len(picture) < 500_000
    assert "several short runs" in picture and "windows" not in picture


def test_a_fixture_gives_it_to_others(tmp_path: Path) -> None:
    (tmp_path / "test_theirs.py").write_text(
        "from datetime import datetime, timedelta\n"
        "from oncue import App\n"
        "def test_it(simulate):\n"
        "    app = App(timezone='UTC')\n"
        "    app.task('daily', func=print, name='a')\n"
        "    assert len(simulate(app, datetime(2026, 3, 9), timedelta(days=3))) == 3\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


JOBS = """
from oncue import App
app = App(timezone="UTC")
@app.task("daily after 02:00")
def extract(): ...
@app.task("after task 'extract'", retries=1)
def load(): raise SystemExit("nobody runs this")
"""


@pytest.fixture
def jobs(tmp_path: Path) -> str:
    (tmp_path / "sim_jobs.py").write_text(JOBS)
    return str(tmp_path / "sim_jobs.py")


def command(*arguments: str, code: int = 0) -> str:
    sys.modules.pop("sim_jobs", None)  # each command is a process of its own, as a rule
    result = CliRunner().invoke(main, ["simulate", *arguments])
    assert result.exit_code == code, result.output
    return result.output


def test_the_command_prints_every_run(jobs: str) -> None:
    out = command(
        jobs, "--from", "2026-03-09", "--days", "1", "--outcome", "load=fail,success",
        "--duration", "10 min", "--duration", "load=20min",
    )  # fmt: skip
    assert [line.split() for line in out.splitlines()[1:]] == [
        ["2026-03-09", "02:00:00", "extract", "10", "minutes", "success"],
        ["2026-03-09", "02:10:00", "load", "20", "minutes", "fail"],
        ["2026-03-09", "02:30:00", "load", "1", "20", "minutes", "success"],
    ]


def test_the_command_writes_json_a_strip_and_a_picture(jobs: str, tmp_path: Path) -> None:
    where = (jobs, "--from", "2026-03-09", "--to", "2026-03-09")
    assert [run["task"] for run in json.loads(command(*where, "--json"))] == ["extract", "load"]
    assert "extract" in command(*where, "--chart")
    assert command(*where, "--svg", str(tmp_path / "x.svg")).startswith("wrote ")
    ElementTree.parse(tmp_path / "x.svg")


def test_the_command_says_what_is_wrong(jobs: str, tmp_path: Path) -> None:
    assert "is not TASK=VALUE" in command(jobs, "--duration", "=1h", code=2)
    assert "there is no task 'x'" in command(jobs, "--outcome", "x=fail", code=1)
    assert "both say where to end" in command(jobs, "--to", "2026-01-01", "--days", "1", code=2)
    for days in ("nan", "0", "-1", "inf", "week"):
        assert f"{days!r} is no number of days: a number" in command(jobs, "--days", days, code=2)
    (tmp_path / "log").write_text("{")
    assert "line 1 of the log is not JSON" in command(jobs, "--log", str(tmp_path / "log"), code=1)


def test_of_too_much_that_was_missed_the_time_between_is_told() -> None:
    app = App(timezone="UTC")
    app.task("once at 2026-03-10 08:00:01", func=lambda: None, name="long", execution="main")
    app.task("cron * * * * * */2", func=lambda: None, name="often")
    start = datetime(2026, 3, 10, 7, 59, 59)
    found = simulate(app, start, timedelta(hours=1), durations={"long": "50 min", "often": 0})
    ((task, since, until),) = found.missed_between
    assert task == "often" and since < until and len(found.missed) > 1000
    assert not [at for _, at in found.missed if since <= at < until]
    told = StringIO()
    show(found, Console(file=told, width=200))
    assert (
        "missed: often from 2026-03-10 08:16:42 to 2026-03-10 08:32:22, more than"
        in told.getvalue()
    )


PAGE = (Path(__file__).parent.parent / "docs" / "commands.md").read_text(encoding="utf-8")


def test_the_page_shows_what_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    section = PAGE[PAGE.index("## `oncue explain`") : PAGE.index("## `oncue missed`")]
    (code,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    (tmp_path / "jobs.py").write_text(code)
    shown = re.findall(r"```console\n\$ oncue (.*?)\n(.*?)```", section, re.DOTALL)
    assert len(shown) == 2
    for words, expected in shown:
        sys.modules.pop("jobs", None)
        result = CliRunner().invoke(main, shlex.split(words))
        assert result.output == expected, words
    sys.modules.pop("jobs", None)
