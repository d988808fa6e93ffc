"""`oncue tasks`: status, times and reasons, as a table, as blocks and as JSON."""

import asyncio
import json
import sys
from datetime import datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.cells import cell_len

from oncue.app.cli import main
from oncue.app.cli.taskrows import Cells, lines
from oncue.app.stores.protocol import Claim, Store
from oncue.app.stores.sqlite import SqliteStore
from oncue.engine.civil import from_datetime, zone
from oncue.engine.records import Action, Record
from oncue.tests.stores.steps import LATE, commit, finish, opened

UTC = zone("UTC")
JOBS = """
from oncue import App

app = App("log.db", timezone="UTC")

@app.task("daily after 08:00")
def extract(): ...

@app.task("daily after 10:00 & after task 'extract' failed")
def load(): ...

@app.task("cron */30 * * * *", retries=2)
def poll(): ...

@app.task("hourly", enabled=False)
def off(): ...

@app.task("every 1 hour")
def busy(): ...

@app.task("time of day before 07:00 & ~has failed today")
def early(): ...

@app.task("daily at 09:30", timezone="Europe/Berlin", name="due one")
def due(): ...

@app.task("false")
def manual():
    '''By hand alone.'''

@app.task("always", on_startup=True)
def first(): ...
"""


def at(text: str) -> int:
    return from_datetime(datetime.fromisoformat(f"2026-03-10 {text}"), UTC)


async def run(store: Store, task: str, when: str, ending: Action | None = None) -> None:
    record = Record(task, Action.RUN, at(when), 0, at(when), 0)
    (number,) = await store.commit([Claim(record, (), LATE, 3600_000_000)])
    assert isinstance(number, int)
    if ending is not None:
        await commit(store, finish(task, number, ending, at=at(when) + 1_000_000))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where an app has run until 09:00, and left a run of an hour's lease."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.setattr("oncue.app.clock.SystemClock.now", staticmethod(lambda: at("09:10:30")))
    (tmp_path / "jobs.py").write_text(JOBS)

    async def story() -> None:
        async with opened(SqliteStore("log.db")) as store:
            await run(store, "extract", "08:00", Action.SUCCESS)
            await run(store, "poll", "09:00", Action.FAIL)
            await run(store, "poll", "09:00:01", Action.SUCCESS)
            await run(store, "busy", "09:00")

    asyncio.run(story())
    return tmp_path


def invoke(*arguments: str) -> Result:
    sys.modules.pop("jobs", None)
    return CliRunner().invoke(main, ["tasks", *arguments])


def oncue(*arguments: str) -> str:
    done = invoke(*arguments)
    assert (done.exit_code, done.stderr) == (0, ""), done.output
    return done.stdout


TABLE = """\
task     status     last run                  next due                       why not now
extract  success    08:00:00, 1 hour ago      2026-03-11 08:00, in 22 hours  run in this window \
already, at 08:00 (success); again 2026-03-11 08:00
load     never ran                                                           opens 10:00; \
'extract' has not failed yet
poll     success    09:00:01, 10 minutes ago  09:30:00, in 19 minutes        opens 09:30
off      never ran                                                           the task is disabled \
in this process
busy     crash      09:00:00, 10 minutes ago  09:10:31, in 1 second          its run of 2026-03-10 \
09:00:00+00:00 has ended in crash: it starts again at 2026-03-10 09:10:31+00:00, if its condition \
still holds of then
early    never ran                            2026-03-11 00:00, in 14 hours  opens 2026-03-11 00:00
due one  never ran                            now                            due, but no \
instance of the app runs
manual   never ran                                                           its condition is \
never true
first    never ran                                                           it starts when the \
app starts, and only then
times in UTC
"""


def test_a_row_a_task(folder: Path) -> None:
    assert oncue("jobs.py") == TABLE


def test_a_row_of_those_asked_for(folder: Path) -> None:
    out = oncue("jobs.py", "--task", "load", "--task", "manual")
    assert [line.split()[0] for line in out.splitlines()] == ["task", "load", "manual", "times"]


def test_json_has_instants_and_reasons_apart(folder: Path) -> None:
    extract, load, manual = (
        json.loads(oncue("jobs.py", "--task", name, "--json"))[0]
        for name in ("extract", "load", "manual")
    )
    assert extract == {
        "task": "extract",
        "condition": "daily after 08:00",
        "description": None,
        "enabled": True,
        "status": "success",
        "last_run": "2026-03-10T08:00:00+00:00",
        "last_success": "2026-03-10T08:00:01+00:00",
        "last_fail": None,
        "next_due": "2026-03-11T08:00:00+00:00",
        "why": ["run in this window already, at 08:00 (success); again 2026-03-11 08:00"],
    }
    assert load["why"] == ["opens 10:00", "'extract' has not failed yet"]
    assert manual["description"] == "By hand alone."


def test_while_an_instance_runs_what_is_due_is_about_to_start(folder: Path) -> None:
    async def story() -> None:
        async with opened(SqliteStore("log.db")) as store:
            await run(store, "busy", "09:10")
            asked = ("jobs.py", "--task", "busy", "--task", "due one")
            _, busy, due, _ = (await asyncio.to_thread(oncue, *asked)).splitlines()
            told = [cell.strip() for cell in busy.split("  ") if cell]
            assert told == ["busy", "running", "09:10:00, 30 seconds ago", BUSY]
            assert due.split() == ["due", "one", "never", "ran", "now"]

    asyncio.run(story())


BUSY = "10:10:00, in 59 minutes"


def test_asking_makes_no_store(folder: Path) -> None:
    (folder / "new.py").write_text(JOBS.replace("log.db", "new.db"))
    assert "extract" in oncue("new.py")
    sys.modules.pop("new", None)
    assert not (folder / "new.db").exists()
    assert SqliteStore("log.db").instances() == []


def test_an_app_without_tasks_says_so(folder: Path) -> None:
    (folder / "empty.py").write_text("from oncue import App\napp = App()\n")
    done = invoke("empty.py")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "the app has no tasks\n")


ROWS = [
    Cells(
        "load", "fail", "09:00:00, 1 hour ago", "", "'extract' has not succeeded yet, opens 10:00"
    ),
    Cells("読み込み", "success", "", "now", ""),
]


def laid_out(width: int | None) -> list[str]:
    return [line.plain for line in lines(ROWS, width)]


def test_without_bounds_a_row_is_a_line() -> None:
    head, *rows = laid_out(None)
    assert len(rows) == len(ROWS)
    assert cell_len(head[: head.index("why")]) == cell_len(rows[0][: rows[0].index("'extract'")])


def test_where_it_is_narrower_reasons_go_on_below_each_other() -> None:
    assert laid_out(80) == [
        "task      status   last run              next due  why not now",
        "load      fail     09:00:00, 1 hour ago            'extract' has not succeeded",
        "                                                     yet, opens 10:00",
        "読み込み  success                        now",
    ]


def test_where_it_is_too_narrow_each_is_a_block() -> None:
    assert laid_out(40) == [
        "load  fail",
        "  last run     09:00:00, 1 hour ago",
        "  why not now  'extract' has not",
        "    succeeded yet, opens 10:00",
        "読み込み  success",
        "  next due     now",
    ]


@pytest.mark.parametrize("width", range(22, 130, 3))
def test_no_line_is_longer_than_the_terminal(width: int) -> None:
    assert max(map(cell_len, laid_out(width))) <= width
