"""Where the options of an app come from."""

from pathlib import Path
from typing import Any

import pytest

from oncue import App
from oncue.app.config import Config
from oncue.app.options import options_of
from oncue.conds.durations import Duration
from oncue.exc import DefinitionError


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_option_has_a_meaning_and_the_defaults_are_those_of_rocketry() -> None:
    config = App().session.config
    assert all(option.__doc__ for option in options_of(Config).values())
    assert {
        name: getattr(config, name)
        for name in options_of(Config)
        if name not in ("func_run_id", "timezone")
    } == {
        "execution": None,
        "task_pre_exist": "raise",
        "timeout": config.timeout,
        "overlap": "skip",
        "misfire_grace": config.misfire_grace,
        "catch_up": None,
        "max_lateness": None,
        "lease_duration": config.lease_duration,
        "health_address": None,
        "health_max_age": config.health_max_age,
        "max_skew": config.max_skew,
        "concurrency_limit": None,
        "batch_size": 200,
        "keep": None,
        "strict_names": False,
        "cycle_sleep": config.cycle_sleep,
        "max_process_count": None,
        "tasks_as_daemon": True,
        "time_func": None,
        "param_materialize": "post",
        "shut_cond": config.shut_cond,
        "restarting": "replace",
        "instant_shutdown": False,
        "force_status_from_logs": False,
        "silence_cond_check": False,
        "silence_task_logging": False,
        "silence_task_prerun": False,
    }
    assert (str(config.timeout), str(config.cycle_sleep)) == ("30 minutes", "100 milliseconds")
    assert str(config.shut_cond) == "false"


def test_the_environment_says_what_the_program_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "TIMEOUT": "10 min",
        "MULTILAUNCH": "true",
        "MAX_PROCESS_COUNT": "3",
        "CYCLE_SLEEP": "none",
        "TIMEZONE": "Europe/Dublin",
        "SHUT_COND": "daily after 10:00",
        "EXECUTION": "main",
        "RUNS": "7",  # nothing of ours
    }.items():
        monkeypatch.setenv(f"ONCUE_{name}", value)
    config = App(execution="async").session.config
    assert str(config.timeout) == "10 minutes" and config.multilaunch is True
    assert (config.max_process_count, config.cycle_sleep) == (3, None)
    assert config.timezone.name == "Europe/Dublin"
    assert str(config.shut_cond) == "daily after 10:00"
    assert config.execution == "async"


def test_an_older_name_counts_in_the_environment_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONCUE_TASK_EXECUTION", "main")
    assert App().session.config.execution == "main"


def test_the_project_s_file_comes_last(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (elsewhere / "pyproject.toml").write_text(
        "[tool.oncue]\ntimeout = 60\nmultilaunch = true\nmisfire_grace = '5 min'\n"
    )
    monkeypatch.setenv("ONCUE_TIMEOUT", "2 min")
    config = App(misfire_grace=1).session.config
    assert (str(config.timeout), config.multilaunch) == ("2 minutes", True)
    assert str(config.misfire_grace) == "1 second"


@pytest.mark.parametrize(("text", "seconds"), [("60", 60), ("0.5", 0.5), ("1 min", 60)])
def test_numbers_in_the_environment_are_seconds(
    text: str, seconds: float, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONCUE_TIMEOUT", text)
    assert App().session.config.timeout == Duration.of(seconds)


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("ONCUE_TIMOUT", "3", "ONCUE_TIMOUT in the environment: .*did you mean 'timeout'"),
        ("ONCUE_MULTILAUNCH", "maybe", "multilaunch='maybe': it is True or False"),
        ("ONCUE_MAX_PROCESS_COUNT", "many", "it is a whole number"),
        ("ONCUE_PROFILE", "productio", "profile='productio': it is one of production"),
    ],
)
def test_a_wrong_environment_is_refused(
    variable: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(DefinitionError, match=message):
        App()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[tool.oncue]\ntimout = 3", r"\[tool.oncue\] in pyproject.toml: .*'timeout'"),
        ("[tool.oncue", "pyproject.toml: Expected"),
        ("[tool]\noncue = 5", r"\[tool.oncue\] in pyproject.toml: it is a table, not 5"),
        ("tool = 'x'", "it is a table, not 'x'"),
    ],
)
def test_a_wrong_file_is_refused(elsewhere: Path, text: str, message: str) -> None:
    (elsewhere / "pyproject.toml").write_text(text)
    with pytest.raises(DefinitionError, match=message):
        App()


SILENT = ("silence_cond_check", "silence_task_prerun", "silence_task_logging")


def silences(app: App) -> list[Any]:
    return [getattr(app.session.config, name) for name in SILENT]


def test_one_switch_silences_what_would_end_the_app(monkeypatch: pytest.MonkeyPatch) -> None:
    assert silences(App()) == [False] * 3
    assert silences(App(profile="production")) == [True] * 3
    assert silences(App(profile="production", silence_task_prerun=False)) == [True, False, True]
    app = App()
    app.session.config.use("production")
    assert silences(app) == [True] * 3
    monkeypatch.setenv("ONCUE_PROFILE", "production")
    assert silences(App()) == [True] * 3


@pytest.mark.parametrize("name", ["cls_lock", "debug", "task_priority", "task_logger_basename"])
def test_an_option_that_is_gone_says_what_is_instead(name: str) -> None:
    gone: dict[str, Any] = {name: None}
    with pytest.raises(DefinitionError, match=f"the option '{name}' is gone: "):
        App(**gone)


def test_another_clock_may_be_given_by_a_function() -> None:
    app = App(time_func=lambda: 1_773_136_800.5, timezone="UTC", shut_cond="true")
    task = app.task("daily after 11:00", func=print, name="a")
    assert str(task.next_due) == "2026-03-10 11:00:00+00:00"


def test_strict_names_keep_an_app_from_starting_that_waits_for_no_task() -> None:
    app = App(strict_names=True)
    app.task("after task 'extrat'", func=print, name="load")
    app.task("daily", func=print, name="extract")
    with pytest.raises(DefinitionError, match="task load: no task is called 'extrat': 'extract'"):
        app.run()
    app["load"].start_cond = "after task 'extract'"
    app.session.config.shut_cond = "always"
    app.run()
