"""What is printed: the rules of canonical text, and the long layout with its comments."""

from datetime import datetime

import pytest

from oncue.conds import nodes
from oncue.conds.build import daily, failed, hourly, monthly, running, weekly
from oncue.conds.layout import lay_out
from oncue.conds.nodes import Call, Condition, Defined, Func, Phrase, Zoned, strip_spans
from oncue.conds.parts import Bound, Count
from oncue.conds.points import Clock, Duration
from oncue.conds.printer import MAX_TEXT, float_text
from oncue.grammar import ConditionSyntaxError, parse
from oncue.grammar.format import format_condition
from oncue.grammar.phrases import Phrases

TEXTS = [
    (daily & (hourly | weekly), "daily & (hourly | weekly)"),
    ((daily & hourly) | weekly, "daily & hourly | weekly"),
    (~(daily & hourly), "~(daily & hourly)"),
    (~daily & hourly, "~daily & hourly"),
    (Zoned(daily & hourly, "UTC"), "(daily & hourly) in 'UTC'"),
    (Zoned(~daily, "UTC"), "(~daily) in 'UTC'"),
    (~Zoned(daily, "UTC"), "~daily in 'UTC'"),
    (Zoned(Zoned(daily, "UTC"), "UTC"), "(daily in 'UTC') in 'UTC'"),
    (Zoned(Defined("my days", daily & hourly), "UTC"), "my days in 'UTC'"),
    (Zoned(Phrase("is (.*)", (), "is it"), "UTC"), "(is it) in 'UTC'"),
    (failed >= 1, "has failed at least 1 time"),
    (failed < 2, "has failed at most 1 time"),
    (failed.exactly(0), "has failed exactly 0 times"),
    (running("x") > 1, "task 'x' is running at least 2 times"),
    (nodes.SchedulerCycles(Count(Bound.AT_LEAST, 2)), "scheduler has more than 1 cycle"),
    (nodes.SchedulerCycles(Count(Bound.AT_MOST, 0)), "scheduler has less than 1 cycle"),
    (nodes.Env("it's"), r"env 'it\'s'"),
    (nodes.Env("back\\slash"), r"env 'back\\slash'"),
    (Call("f"), "f()"),
    (Call("daily"), "'daily'()"),
    (Call("my func", ("a", 1)), "'my func'('a', 1)"),
    (Call("f", (1.0, -0.5, 1e-7)), "f(1.0, -0.5, 0.0000001)"),
    (Call("f", (Duration(1500), datetime(2026, 1, 1))), "f(1 millisecond 500 µs, 2026-01-01)"),
    (Phrase("{n:int} of {d:duration}", (("n", 1), ("d", Duration(10**6)))), "1 of 1 second"),
    (Phrase("at {t:time} in {p}", (("t", Clock(0)), ("p", "x y"))), "at 00:00 in 'x y'"),
    (Func(max, (1, "a"), (("key", None),)), "max(1, 'a', key=None)"),
    (monthly.on("last", "1st"), "monthly on 1st, last"),
]


@pytest.mark.parametrize(("condition", "want"), TEXTS)
def test_canonical_text(condition: Condition, want: str) -> None:
    assert str(condition) == want


def test_floats_have_no_exponent() -> None:
    for value in (1.0, 0.1, 1e16, 1e-5, -2.5e-3, 123456789.125):
        assert float(float_text(value)) == value
        assert "e" not in float_text(value)


def test_a_foreign_condition_has_no_text() -> None:
    class Foreign(Condition):
        __slots__ = ()

    with pytest.raises(TypeError, match="Foreign has no text"):
        str(Foreign())


# --- layout ---------------------------------------------------------------------------------

LAYOUTS = [
    ("daily&hourly", "daily & hourly"),
    ("# why\ndaily # x\n\n", "# why\ndaily  # x"),
    (
        "daily & # one\nhourly & weekly # two\n# three\n# four",
        "daily  # one\n& hourly\n& weekly  # two\n# three\n# four",
    ),
    (
        "daily & (hourly # one\n | weekly)",
        "daily\n& (\n    hourly  # one\n    | weekly\n)",
    ),
    (
        "daily & hourly # one\n| weekly & # two\n monthly",
        "daily & hourly  # one\n| weekly  # two\n    & monthly",
    ),
    ("daily & # one\n (hourly | weekly)", "daily  # one\n& (hourly | weekly)"),
    ("(daily | # one\n hourly) in UTC", "(\n    daily  # one\n    | hourly\n) in 'UTC'"),
    ("~(daily & # one\n hourly)", "~(\n    daily  # one\n    & hourly\n)"),
    (
        "(~(daily & # one\n hourly)) in UTC",
        "(\n    ~(\n        daily  # one\n        & hourly\n    )\n) in 'UTC'",
    ),
    ("every # one\n 10 # two\n min # three", "every 10 minutes  # one # two # three"),
    ("after task '# no' # yes", "after task '# no'  # yes"),
    ("has not failed # one\n today in UTC & daily", "~has failed today in 'UTC'  # one\n& daily"),
    ("daily\n# before\n& hourly", "daily\n# before\n& hourly"),
]


@pytest.mark.parametrize(("text", "want"), LAYOUTS)
def test_comments_stay_with_their_atoms(text: str, want: str) -> None:
    assert format_condition(text) == want
    assert format_condition(want) == want


def test_long_conditions_break_at_the_loosest_operators() -> None:
    text = (
        "daily between 10:00 and 12:00 & after tasks 'extract', 'transform' & ~has failed today "
        "| weekly on Mon & (after task 'a-rather-long-name' | after task 'another-long-name' | "
        "env 'production') & ~is running"
    )
    want = """\
daily between 10:00 and 12:00 & after tasks 'extract', 'transform' & ~has failed today
| weekly on Mon
    & (
        after task 'a-rather-long-name'
        | after task 'another-long-name'
        | env 'production'
    )
    & ~is running"""
    assert format_condition(text) == want
    assert format_condition(want) == want
    assert format_condition(text, width=1000) == text
    assert all(len(line) <= 60 for line in format_condition(text, width=60).splitlines())


def test_an_atom_is_never_broken() -> None:
    long = "after tasks " + ", ".join(f"'task-number-{number}'" for number in range(20))
    assert format_condition(f"daily & {long}") == f"daily\n& {long}"


def test_the_deepest_condition_can_be_laid_out() -> None:
    tree: Condition = daily
    for _ in range(100):
        tree = Zoned(~((tree & hourly) | weekly), "UTC")
    lines = lay_out(tree, {})
    assert len(lines) > 300 and max(map(len, lines)) > 800


def test_phrases_are_formatted_as_registered() -> None:
    phrases = Phrases(["disk is below {n:int} percent", ("busy hours", "daily & # no\n hourly")])
    text = "DISK is below  05 percent # one\n & busy  hours"
    want = "disk is below 5 percent  # one\n& busy hours"
    assert format_condition(text, phrases=phrases) == want
    assert format_condition(want, phrases=phrases) == want


def test_what_cannot_be_parsed_cannot_be_formatted() -> None:
    for text in ("", "# only a comment", "daily &"):
        with pytest.raises(ConditionSyntaxError):
            format_condition(text)


@pytest.mark.parametrize("comment", ["", "  # why\n"])
def test_what_is_formatted_is_no_longer_than_a_text_may_be(comment: str) -> None:
    deep = "hourly" + comment
    for level in range(190):
        deep = f"(on Mon & on Tue & on Wed & on Thu | {deep}) & env 'x{level}'"
    parse(deep)
    shown = format_condition(deep, width=20)
    assert len(shown.encode()) <= MAX_TEXT
    assert strip_spans(parse(shown)) == strip_spans(parse(deep))
    assert format_condition(shown, width=20) == shown
