"""Diagnostics: exact spans and fixes in a file of cases, and how they are drawn."""

import json
import pickle
from pathlib import Path
from typing import NamedTuple

import pytest

from oncue.conds.diagnostic import Diagnostic, Severity, Span, nearest
from oncue.grammar import ConditionSyntaxError, parse

CASES = Path(__file__).parent / "cases" / "language_errors.txt"


class Case(NamedTuple):
    text: str
    carets: str
    message: str
    fixed: str | None


def cases() -> list[Case]:
    blocks = CASES.read_text("utf-8").split("\n\n")[1:]
    found = []
    for block in blocks:
        text, carets, message, *rest = block.strip("\n").split("\n")
        fixed = rest[0].removeprefix("fix:").strip() if rest else None
        found.append(Case(text, carets, message, fixed))
    assert found
    return found


def named(case: Case) -> str:
    return case.text.replace(" ", "_")


def problem(text: str) -> Diagnostic:
    with pytest.raises(ConditionSyntaxError) as caught:
        parse(text)
    (found,) = caught.value.diagnostics
    return found


@pytest.mark.parametrize("case", cases(), ids=named)
def test_the_error_is_at_this_span_and_says_this(case: Case) -> None:
    found = problem(case.text)
    assert found.span is not None
    start, end = found.span.start, found.span.end
    assert " " * start + "^" * max(1, end - start) == case.carets
    assert f"{found.code}: {found.message}" == case.message
    assert (found.mended or "").strip() == (case.fixed or "")
    assert found.severity is Severity.ERROR


LEFT_TO_MEND = {  # nobody knows what is to run, when, or how the two hang together
    "daily run",
    "cron '* * * *",
    "after task x after 10 minutes",
    "if daily then hourly",
}


@pytest.mark.parametrize("case", [case for case in cases() if case.fixed], ids=named)
def test_fixes_mend_a_text_in_few_steps(case: Case) -> None:
    text = case.fixed
    for _ in range(3):
        assert text is not None
        try:
            parse(text)
        except ConditionSyntaxError as error:
            text = error.diagnostics[0].mended  # another thing was wrong
            if case.text in LEFT_TO_MEND:
                return
        else:
            return
    raise AssertionError(f"{text!r} is not mended")


def test_lines_and_columns_of_a_long_text() -> None:
    found = problem("daily after 10:00\n  & has faild today\n  | weekly")
    assert found.span == Span(26, 31, 2, 9)
    assert str(found) == (
        "error: 'faild' is not known here: failed? [unknown-word]\n"
        "    & has faild today\n"
        "          ^^^^^"
    )


def test_comments_do_not_move_spans() -> None:
    assert problem("# what\ndaily & # why\n  foo").span == Span(23, 26, 3, 3)


def test_tabs_and_control_characters_are_drawn_in_place() -> None:
    drawn = str(problem("\tdaily &\x1b foo"))
    assert "\x1b" not in drawn
    assert drawn.splitlines()[1:3] == ["  \tdaily &? foo", "  \t       ^"]


def test_a_long_line_is_cut_around_the_span() -> None:
    drawn = str(problem("daily & " * 100 + "foo" + " & daily" * 100)).splitlines()
    assert len(drawn[1]) <= 102 and "foo" in drawn[1]
    assert drawn[1][drawn[2].index("^") :].startswith("foo")


def test_a_span_over_lines_is_drawn_on_its_first() -> None:
    assert str(problem("(daily\n& hourly")).splitlines()[1:3] == ["  (daily", "  ^^^^^^"]


def test_expected_tokens_are_listed_where_they_are_few() -> None:
    assert problem("has").expected == (
        "'crashed'",
        "'failed'",
        "'finished'",
        "'inacted'",
        "'not'",
        "'started'",
        "'succeeded'",
        "'terminated'",
    )
    assert problem("daily hourly").expected == ("&", "|")
    assert problem("daily ?").expected == ()


def test_the_exception_is_a_value_error_that_travels() -> None:
    with pytest.raises(ConditionSyntaxError) as caught:
        parse("daily &")
    assert isinstance(caught.value, ValueError)
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.diagnostics == caught.value.diagnostics
    assert str(again) == str(caught.value)


def test_a_diagnostic_as_plain_values() -> None:
    plain = problem("daliy").to_dict()
    assert (
        json.loads(json.dumps(plain))
        == plain
        == {
            "severity": "error",
            "code": "unknown-condition",
            "message": "unknown condition 'daliy': daily?",
            "span": {"start": 0, "end": 5, "line": 1, "column": 1},
            "expected": [],
            "fix": "daily",
        }
    )


def test_a_diagnostic_without_a_source_is_drawn_without_a_line() -> None:
    bare = Diagnostic(Severity.WARNING, "code", "what", fix="this")
    assert str(bare) == "warning: what [code]\n  try: this"
    assert bare.mended is None
    assert bare.to_dict()["span"] is None


def test_nearest_names() -> None:
    names = ("extract", "transform", "load", "extract-all")
    assert nearest("extrcat", names) == ("extract",)
    assert nearest("EXTRACT", names) == ("extract",)
    assert nearest("lod", names) == ("load",)
    assert nearest("zzz", names) == ()
    assert nearest("", names) == ()
    assert nearest("x" * 1000, names) == ()
    assert nearest("ab", ("cd",)) == ()
    assert nearest("tset", ("test", "tse", "tsets")) == ("test", "tse", "tsets")
