"""The log as its readers see it."""

import logging
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import oncue.log
from oncue import App
from oncue.exc import DefinitionError, StoreError
from oncue.log import (
    LogRecord,
    MinimalRecord,
    MinimalRunRecord,
    RunRecord,
    TaskLogRecord,
    TaskRunRecord,
    between,
    greater_equal,
    in_,
    less,
)
from oncue.tests.test_tasks import fails, nothing, run


@pytest.fixture(params=["memory", "sqlite"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> App:
    """One that has run: `good` twice, `bad` once."""
    labels = iter("ABCDEF")
    app = App(
        None if request.param == "memory" else tmp_path / "log.db",
        timezone="UTC",
        func_run_id=lambda task, params: next(labels),
        shut_cond="task 'good' has succeeded at least 2 times & task 'bad' has failed",
    )
    good = app.task("false", func=nothing, name="good", execution="main")
    app.task("daily & after task 'good'", func=fails, name="bad", execution="main")
    good.run()
    good.run()
    run(app)
    return app


def rows(records: Any) -> list[tuple[str, str]]:
    return [(record.task_name, record.action) for record in records]


def test_records_are_found_by_what_they_are(app: App) -> None:
    repo = app.session.get_repo()
    good = [("good", "run"), ("good", "success")]
    bad = [("bad", "run"), ("bad", "fail")]
    assert sorted(rows(repo.all())) == sorted(good * 2 + bad)
    assert rows(repo.filter_by(task_name="bad")) == bad
    assert repo.filter_by(action="run").count() == 3
    assert repo.filter_by(task_name=in_("good", "bad"), action=["success", "fail"]).count() == 3
    assert rows(repo.filter_by(task_name=[app["bad"]])) == bad
    last = repo.filter_by(task_name="good").last()
    assert last is not None and (last.task_name, last.action) == good[1]
    assert repo.filter_by(task_name="none").last() is None
    assert rows(repo.filter_by(run_id="A").filter_by(action="success")) == [good[1]]
    assert rows(app.session.get_task_log(task_name="bad", action="fail")) == [bad[1]]
    assert rows(app["bad"].logger.filter_by(action="fail").all()) == [bad[1]]


def test_records_are_found_by_when_they_were(app: App) -> None:
    repo = app.session.get_repo()
    first = repo.all()[0].created
    at = datetime.fromtimestamp(first, UTC)
    assert repo.filter_by(created=greater_equal(at)).count() == 6
    assert repo.filter_by(created=less(at)).count() == 0
    assert repo.filter_by(created=between(at - timedelta(hours=1), at)).count() == 0
    assert repo.filter_by(created=between(first, first + 3600)).count() == 6
    assert repo.filter_by(created=greater_equal(first)).filter_by(created=less(first)).count() == 0


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({"action": "succes"}, "there is no action 'succes'; there are run, success"),
        ({"task": "a"}, "not asked by 'task'; it is by task_name, action, run_id and created"),
        ({"created": 3}, "created=3: say between"),
    ],
)
def test_what_cannot_be_asked_is_said(app: App, conditions: dict[str, Any], message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        app.session.get_repo().filter_by(**conditions)


@pytest.mark.parametrize(
    "model", [MinimalRecord, MinimalRunRecord, LogRecord, RunRecord, TaskLogRecord, TaskRunRecord]
)
def test_records_come_in_the_shape_that_was_chosen(app: App, model: type[MinimalRecord]) -> None:
    repo = app.session.get_repo()
    repo.model = model
    records = repo.filter_by(task_name="bad").all()
    assert all(type(record) is model for record in records)
    start, fail = records
    assert abs(fail.created - datetime.now(UTC).timestamp()) < 3600
    if isinstance(fail, RunRecord | MinimalRunRecord | TaskRunRecord):
        assert fail.run_id is not None and isinstance(start, type(fail))
        assert start.run_id == fail.run_id
    if isinstance(fail, LogRecord):
        assert (fail.name, fail.levelname, fail.message) == ("oncue.task", "ERROR", "bad  fail")
        assert fail.exc_text is not None and "ValueError: no" in fail.exc_text
    if isinstance(fail, TaskLogRecord):
        assert fail.start is not None and fail.end is not None
        assert fail.runtime == fail.end - fail.start
        assert isinstance(start, TaskLogRecord)
        assert (start.start, start.end, start.runtime) == (fail.start, None, None)


def test_what_is_no_shape_is_refused(app: App) -> None:
    repo: Any = app.session.get_repo()
    with pytest.raises(DefinitionError, match="it is one of those in oncue.log, MinimalRecord"):
        repo.model = dict
    assert repo.count() == 6


def test_times_are_in_the_zone_that_the_app_has_now(app: App) -> None:
    app.session.config.timezone = "Asia/Tokyo"
    last = app.session.get_repo().last()
    assert isinstance(last, TaskLogRecord) and last.end is not None
    assert last.end.utcoffset() == timedelta(hours=9)


def test_the_log_of_many_runs_is_read_whole(tmp_path: Path) -> None:
    app = App(tmp_path / "log.db")
    app.task("true", func=nothing, name="a")
    app.session.config.shut_cond = "task 'a' has succeeded"
    run(app)
    with closing(sqlite3.connect(tmp_path / "log.db")) as db:
        many = [("b", "success", 5, n) for n in range(1, 100_000)]
        db.executemany("INSERT INTO record (task, action, at, run) VALUES (?, ?, ?, ?)", many)
        db.commit()
    assert len(app.session.get_repo().filter_by(task_name="b").all()) == len(many)


def test_a_store_that_is_not_there_has_no_records(tmp_path: Path) -> None:
    app = App(tmp_path / "log.db")
    assert app.session.get_repo().all() == [] and app.session.get_repo().count() == 0
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "log.db").write_text("dear diary")
    with pytest.raises(StoreError, match="not an SQLite database"):
        app.session.get_repo().all()


def test_lines_of_the_log_carry_what_they_are_about(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "oncue.task")
    app = App(shut_cond="task 'bad' has failed")
    app.task("daily", func=fails, name="bad")
    run(app)
    start, fail = (vars(record) for record in caplog.records if record.name == "oncue.task")
    assert (start["task_name"], start["action"], start["levelname"]) == ("bad", "run", "INFO")
    assert (start["end"], start["runtime"]) == (None, None)
    assert (fail["action"], fail["levelname"]) == ("fail", "ERROR")
    assert fail["run_id"] == start["run_id"]
    assert fail["start"] == start["start"]
    assert fail["runtime"] == pytest.approx(fail["end"] - fail["start"], abs=1e-5)
    assert "ValueError: no" in fail["msg"]


def test_every_name_of_the_face_is_documented() -> None:
    for name in oncue.log.__all__:
        assert getattr(oncue.log, name).__doc__
