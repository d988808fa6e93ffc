"""Hints that the tree alone gives: each has the conditions it is for, and some it is not for."""

from pathlib import Path

import pytest

from oncue.conds.build import all_of, daily
from oncue.conds.diagnostic import Diagnostic, Severity
from oncue.conds.lint import HINTS, arrange, lint
from oncue.conds.nodes import Defined
from oncue.grammar import parse
from oncue.grammar.phrases import Phrases

KNOWN = ("extract", "load", "success")


def hints(text: str, tasks: tuple[str, ...] | None = None) -> list[Diagnostic]:
    return lint(parse(text), tasks=tasks, source=text)


def found(code: str, text: str) -> list[Diagnostic]:
    return [hint for hint in hints(text, KNOWN) if hint.code == code]


CASES = [
    ("runs-again", "time of day after 10:00", "daily after 10:00"),
    ("runs-again", "on weekdays", None),
    ("runs-again", "true", None),
    ("runs-again", "daily | on Mon", None),
    ("runs-again", "task 'extract' has succeeded today", None),
    ("runs-again", "has failed", None),
    ("runs-again", "~is running", None),
    ("runs-again", "env prod & param x exists", None),
    ("runs-again", "~after task extract", None),
    ("runs-again", "~(has succeeded today & on Mon)", None),
    ("runs-again", "scheduler started 10 minutes ago", None),
    ("two-cadences", "daily & every 10 minutes", "every 10 minutes & time of day"),
    (
        "two-cadences",
        "daily after 10:00 & hourly & on Mon",
        "hourly & time of day after 10:00 & on Mon",
    ),
    ("two-cadences", "cron 0 9 * * * & weekly", "cron 0 9 * * * & time of week"),
    (
        "two-cadences",
        "daily & cron 0 9 * * * & every 1 s",
        "every 1 second & time of day & time of cron 0 9 * * *",
    ),
    ("two-cadences", "every 1 s & every 2 s", None),
    ("two-cadences", "daily & daily", "daily"),
    ("two-cadences", "every 1 s & every 1 s & on Mon", "every 1 second & on Mon"),
    ("two-cadences", "daily & (hourly | after task extract)", None),
    ("two-cadences", "daily & once at 2026-01-01", None),
    ("two-cadences", "daily & hourly in UTC", None),
    ("negated-cadence", "~daily", None),
    ("negated-cadence", "after task extract & ~daily after 10:00", "~time of day after 10:00"),
    ("negated-cadence", "hourly & ~(on Mon | weekly)", None),
    ("cadence-and-log", "daily & ~has succeeded today", None),
    ("cadence-and-log", "daily after 10:00 & on Mon & has not finished today", None),
    ("cadence-and-log", "weekly in UTC & ~has succeeded this week", None),
    ("whole-day-end", "weekly before Fri", None),
    ("whole-day-end", "time of month between 1st and 5th & daily", None),
    ("whole-day-end", "monthly before last Fri", None),
    ("whole-day-end", "yearly before Feb", None),
    ("whole-day-end", "yearly before Feb 5th", None),
    ("whole-day-end", "daily & has failed this week before Fri", None),
    ("whole-day-end", "hourly & before 2026-01-31", None),
    ("sixty-times", "cron 20 4 * * * *", "cron 20 4 * * *"),
    ("unknown-task", "after task extrat", "after task 'extract'"),
    ("unknown-task", "after tasks extract, laod failed", "after tasks 'extract', 'load' failed"),
    ("unknown-task", "daily & task lood has failed", "task 'load' has failed"),
    ("unknown-task", "daily & task exstract is running", "task 'extract' is running"),
    ("unknown-task", "after task something_else", None),
    ("keyword-name", "after task failed", "after task 'failed'"),
    ("keyword-name", "daily & task today has failed", "task 'today' has failed"),
]


@pytest.mark.parametrize(("code", "text", "fix"), CASES)
def test_a_hint_is_given(code: str, text: str, fix: str | None) -> None:
    (hint,) = found(code, text)
    assert hint.fix == fix
    assert hint.severity is not Severity.ERROR
    assert hint.span is not None and hint.source == text
    if hint.mended is not None:
        parse(hint.mended)
        if code != "keyword-name":
            assert not found(code, hint.mended)


QUIET = [
    ("runs-again", "daily"),
    ("runs-again", "every 1 s & on Mon"),
    ("runs-again", "after task extract"),
    ("runs-again", "retry 3 times"),
    ("runs-again", "false"),
    ("runs-again", "has started at most 3 times today"),
    ("runs-again", "on Mon & ~has succeeded today"),
    ("runs-again", "~(has succeeded today | env x)"),
    ("runs-again", "custom() & on Mon"),
    ("runs-again", "(on Mon & daily) in UTC | once at 2026-01-01"),
    ("two-cadences", "daily | hourly"),
    ("two-cadences", "daily & time of hour after 30"),
    ("two-cadences", "daily & ~hourly"),
    ("negated-cadence", "~time of day after 10:00 & daily"),
    ("cadence-and-log", "daily & ~has succeeded this week"),
    ("cadence-and-log", "daily & ~task extract has succeeded today"),
    ("cadence-and-log", "daily & has succeeded today"),
    ("cadence-and-log", "daily & ~has failed today"),
    ("cadence-and-log", "daily & ~has succeeded"),
    ("whole-day-end", "weekly before Fri 17:00"),
    ("whole-day-end", "weekly before Fri 00:00"),
    ("whole-day-end", "weekly on Fri"),
    ("whole-day-end", "daily before 10:00"),
    ("whole-day-end", "hourly & before 2026-01-31 00:00"),
    ("sixty-times", "cron 20 4 * * * 0"),
    ("sixty-times", "cron * * * * * */2"),
    ("sixty-times", "daily & time of cron 20 4 * * * *"),
    ("unknown-task", "after tasks extract, load"),
    ("unknown-task", "daily & has failed"),
    ("keyword-name", "after task success"),  # a task of that name is known
    ("keyword-name", "after task 'failed'"),
    ("keyword-name", 'after task "failed"'),
    ("keyword-name", "after task extract"),
]


@pytest.mark.parametrize(("code", "text"), QUIET)
def test_a_hint_is_not_given(code: str, text: str) -> None:
    assert found(code, text) == []


def test_every_hint_has_cases() -> None:
    codes = {look.__name__ for look in HINTS}
    assert len(codes) == len({code for code, _, _ in CASES}) == len({code for code, _ in QUIET})


def test_the_examples_of_the_specification() -> None:
    """The one that is missing needs windows: the engine's hints have it."""
    told = {
        "daily & every 10 minutes": "two cadences",
        "time of day after 10:00": "would run again and again",
        "~daily": "a cadence under not",
        "weekly before Fri": "includes Friday",
        "daily after 10:00 & after task success": "'success' is read as a task's name",
    }
    lines = (Path(__file__).parent / "cases" / "language.txt").read_text("utf-8").splitlines()
    given = dict(line[5:].split(" => ") for line in lines if line.startswith("warn "))
    assert told.items() <= given.items()
    for text, want in told.items():
        assert any(want in hint.message for hint in hints(text)), text


def test_hints_are_in_the_order_of_their_places() -> None:
    text = "weekly before Fri & daily & ~has succeeded today & after task nothing"
    codes = [hint.code for hint in hints(text, KNOWN)]
    assert codes == ["two-cadences", "whole-day-end", "cadence-and-log", "unknown-task"]


@pytest.mark.parametrize(
    ("text", "exact"),
    [
        ("weekly before Fri", "Fri 00:00"),
        ("monthly before 2nd last", "2nd last 00:00"),
        ("yearly before Feb", "Feb 1st 00:00"),
        ("yearly before Feb 15th", "Feb 15th 00:00"),
        ("yearly before Feb last Mon", "Feb last Mon 00:00"),
    ],
)
def test_an_end_that_leaves_its_day_out_is_written_out(text: str, exact: str) -> None:
    (hint,) = [hint for hint in hints(text) if hint.code == "whole-day-end"]
    assert hint.message.endswith(f"; {exact} does not")
    before, _, _ = text.rpartition("before ")
    assert parse(f"{before}before {exact}") != parse(text)


def test_a_clean_condition_has_no_hints() -> None:
    for text in ("daily after 10:00", "every 10 minutes & time of day", "daily | retry 3 times"):
        assert hints(text) == []


def test_without_tasks_no_name_is_unknown() -> None:
    assert hints("after task nothing") == []
    assert [hint.code for hint in hints("after task success")] == ["keyword-name"]


def test_a_node_without_text_is_hinted_at_too() -> None:
    (hint,) = lint(daily & ~daily.after("10:00"))
    assert hint.span is None and hint.source is None
    assert str(hint).startswith("warning: a cadence under not")


def test_a_definition_counts_but_is_not_hinted_at_in_its_use() -> None:
    phrases = Phrases([("odd hours", "daily & weekly before Fri")])
    text = "odd hours | after task load"
    assert lint(parse(text, phrases=phrases), tasks=KNOWN, source=text) == []
    assert [hint.code for hint in lint(Defined("x", daily) & daily)] == ["two-cadences"]


def test_what_is_never_true_does_not_run_again() -> None:
    never = Diagnostic(Severity.WARNING, "never-true", "never true")
    again = Diagnostic(Severity.WARNING, "runs-again", "again")
    assert [hint.code for hint in arrange([again, never], "text")] == ["never-true"]
    assert arrange([again], "text")[0].source == "text"


def test_a_condition_may_hold_one_node_many_times() -> None:
    for node in (daily & daily, all_of(*[daily] * 1000)):
        (hint,) = [hint for hint in lint(node) if hint.code == "two-cadences"]
        assert hint.fix == "daily"
    assert "runs-again" in {hint.code for hint in lint(all_of(*[parse("on Mon")] * 1000))}
