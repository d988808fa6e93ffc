"""Laws of the language on generated conditions and texts: the printer inverts the parser, nodes
are values, and no text does anything but parse or be refused with a diagnostic."""

import copy
import dataclasses
import pickle
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oncue.conds import nodes, parts, points
from oncue.conds.diagnostic import Diagnostic
from oncue.conds.nodes import Condition, strip_spans
from oncue.grammar import ConditionSyntaxError
from oncue.grammar.format import format_condition
from oncue.grammar.parser import read
from oncue.grammar.phrases import Phrases
from oncue.grammar.tables import load
from oncue.testing.strategies import (
    atom_strategies,
    conditions,
    cron_expressions,
    durations,
    units,
)
from oncue.testing.strategies import points as points_of

LAW = settings(max_examples=max(1000, settings().max_examples))
# bare names of functions have a case
BUT_CALLS = [kind for kind in atom_strategies() if kind is not nodes.Call]
NAMES = {**vars(parts), **vars(points), **vars(nodes), "datetime": __import__("datetime")}


@LAW
@given(conditions())
def test_the_printer_inverts_the_parser(condition: Condition) -> None:
    text = str(condition)
    again = read(text)
    assert again == condition
    assert hash(again) == hash(condition)
    assert str(again) == text


@given(conditions())
def test_a_node_survives_copying_pickling_and_its_own_repr(condition: Condition) -> None:
    assert copy.copy(condition) is condition
    assert copy.deepcopy(condition) is condition
    assert pickle.loads(pickle.dumps(condition)) == condition
    assert eval(repr(condition), NAMES) == condition


@given(conditions(), conditions(), conditions())
def test_operators_build_what_the_parser_builds(
    one: Condition, two: Condition, three: Condition
) -> None:
    assert one & two & three == one & (two & three) == nodes.All((one, two, three))
    assert one | two | three == one | (two | three) == nodes.Any((one, two, three))
    assert ~~one == one
    for joined in (one & two | ~three, ~(one | two) & three):
        assert read(str(joined)) == joined


@given(conditions())
def test_spans_are_where_the_text_of_a_node_is(condition: Condition) -> None:
    text = str(condition)
    for node in nodes.postorder(read(text)):
        assert node.span is not None
        assert node.span.line == text.count("\n", 0, node.span.start) + 1
        piece = text[node.span.start : node.span.end]
        assert strip_spans(read(piece)) == node


@given(conditions(atoms=BUT_CALLS), st.data())
def test_case_and_blanks_do_not_matter(condition: Condition, data: st.DataObject) -> None:
    text = str(condition)
    assert read(respaced(text, data)) == condition


def respaced(text: str, data: st.DataObject) -> str:
    """`text` with other blanks, comments between its parts, and keywords in another case. What is
    in quotes, and the words of a cron expression, stay."""
    written = []
    for place, part in enumerate(quoted_parts(text)):
        if place % 2 == 0:
            blank = data.draw(st.sampled_from((" ", "\n", "\t  ", "  ")))
            part = part.replace(" ", blank)
            part = data.draw(st.sampled_from((part, part.upper())))
            part = part.replace("µS", "µs").replace("ΜS", "µs")
        written.append(part)
    return "".join(written)


def quoted_parts(text: str) -> list[str]:
    """Parts outside and inside quotes by turns."""
    parts, current, inside, position = [], "", False, 0
    while position < len(text):
        char = text[position]
        if inside and char == "\\":
            current += text[position : position + 2]
            position += 2
            continue
        if char == "'":
            parts.append(current + ("'" if inside else ""))
            current, inside = "" if inside else "'", not inside
        else:
            current += char
        position += 1
    return [*parts, current]


@given(conditions(leaves=20), st.integers(20, 100))
def test_formatting_keeps_the_condition_and_is_idempotent(condition: Condition, width: int) -> None:
    laid_out = format_condition(str(condition), width=width)
    assert read(laid_out) == condition
    assert format_condition(laid_out, width=width) == laid_out


@given(conditions(leaves=12), st.data())
def test_formatting_keeps_every_comment(condition: Condition, data: st.DataObject) -> None:
    comments: list[str] = []
    written = []
    for place, part in enumerate(quoted_parts(format_condition(str(condition), width=20))):
        if place % 2 == 0:
            for line in part.splitlines(keepends=True):
                if line.endswith("\n") and data.draw(st.booleans()):
                    comments.append(f"# c{len(comments)}")
                    line = f"{line[:-1]} {comments[-1]}\n"
                written.append(line)
        else:
            written.append(part)
    text = "".join(written)
    assert read(text) == condition
    laid_out = format_condition(text)
    assert read(laid_out) == condition
    assert sorted(found_comments(laid_out)) == sorted(comments)
    assert format_condition(laid_out) == laid_out


def found_comments(text: str) -> list[str]:
    parts = quoted_parts(text)[::2]
    return [word for part in parts for word in (f"# {w}" for w in part.split() if is_mark(w))]


def is_mark(word: str) -> bool:
    return word[:1] == "c" and word[1:].isdigit()


@given(durations())
def test_durations_read_what_they_write(duration: points.Duration) -> None:
    assert points.read_duration(str(duration)) == duration


@given(units().flatmap(lambda unit: st.tuples(st.just(unit), points_of(unit))))
def test_points_read_what_they_write(drawn: tuple[points.Unit, points.Point]) -> None:
    unit, point = drawn
    assert points.read_point(unit, point.text(unit)) == point


@given(cron_expressions())
def test_cron_expressions_match_what_their_canonical_text_matches(
    fields: points.CronFields,
) -> None:
    """Field by field: they are equal when their text is."""
    again = points.read_cron(fields.text)
    assert dataclasses.astuple(again) == dataclasses.astuple(fields)


# --- any text -------------------------------------------------------------------------------

TABLES = load()
WORDS = sorted({word for words in TABLES.spelling.values() for word in words})
SAID = (
    "from to until hasn't the first three twice > >= = unless except but if when each other "
    "weekday once a per ; - .. 15 Feb last never */5"
).split()
SOUP = st.lists(
    st.sampled_from(
        (*WORDS, "(", ")", "&", "|", "~", ",", "'x'", "x", "10:00", "10", "Mon", "5th", "10 min")
        + ("2026-01-31", "* * * * *", "#", "'", "&&", "!", "Europe/Dublin", "µs", "\n", "1st")
        + tuple(SAID)
    ),
    max_size=12,
).map(" ".join)


def refused_or_read(text: str, follow: bool = True) -> None:
    try:
        node = read(text)
    except ConditionSyntaxError as error:
        (problem,) = error.diagnostics
        assert problem.message and problem.code and problem.span is not None
        assert 0 <= problem.span.start <= problem.span.end <= len(text)
        assert problem.message in str(error)
        if follow:
            assert_fixes_end(problem)
    else:
        assert read(str(node)) == node


def assert_fixes_end(problem: Diagnostic) -> None:
    """Whoever follows the fixes comes to a text that reads, or to one without a fix: never back to
    a text that was mended before."""
    seen: list[str | None] = [problem.source]
    while problem.mended is not None:
        assert problem.mended not in seen and len(seen) < 20
        seen.append(problem.mended)
        try:
            read(problem.mended)
        except ConditionSyntaxError as error:
            (problem,) = error.diagnostics
        else:
            return


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    refused_or_read(text)


@given(SOUP)
def test_any_row_of_tokens_is_read_or_refused(text: str) -> None:
    refused_or_read(text)


@given(conditions(leaves=4), st.data())
def test_any_mutation_of_a_condition_is_read_or_refused(
    condition: Condition, data: st.DataObject
) -> None:
    text = str(condition)
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 8)))
        other = data.draw(st.sampled_from(("", " ", text[start:end] * 2, "&", "(", "'", "x", "0")))
        text = text[:start] + other + text[end:]
    refused_or_read(text)


PHRASES = Phrases(["on {a} then {b:duration}", "a {x}", "f()", re.compile(r"is at (?P<x>.+)")])
LONG = (
    ("a row of parentheses", "(" * 60_000),
    ("parentheses that close", "(" * 201 + "daily" + ")" * 201),
    ("many nots", "~" * 60_000 + "daily"),
    ("words of not", "not " * 15_000 + "daily"),
    ("many atoms", "daily&" * 10_000 + "daily"),
    ("a long name", "after task " + "a" * 60_000),
    ("a long number", "every " + "9" * 60_000 + " s"),
    ("a long duration", "every " + "1 s " * 15_000),
    ("a long list", "daily at " + "10:00," * 10_000 + "11:00"),
    ("quotes", "'" * 60_000),
    ("escapes", "after task '" + "\\'" * 30_000),
    ("blanks", " " * 60_000),
    ("comments", "# a\n" * 16_000 + "daily"),
    ("hashes", "#" * 60_000),
    ("cron fields", "cron " + "* " * 30_000),
    ("a cron list", "cron " + "1," * 30_000 + "1 * * * *"),
    ("points", "monthly on 1st" + " 1" * 30_000),
    ("an unknown word", "d" * 60_000),
    ("unknown zone", "daily in " + "E" * 60_000),
    ("many operands", "daily " * 10_000),
    ("line ends", "\n" * 60_000 + "daily &"),
    ("arguments", "f(" + "1," * 30_000 + "1)"),
    ("blanks in a duration", "every 1 s" + " " * 60_000 + "& daily"),
    ("blanks in a point", "daily at 10:00" + " " * 60_000 + "& daily"),
    ("blanks in a cron expression", "cron * * * * *" + " " * 60_000 + "& daily"),
    ("blanks in an argument", "f(1 s" + " " * 60_000 + "x)"),
    ("blanks in a wrong duration", "every " + "1" + " " * 60_000 + "!"),
    ("a long word before a wrong one", "after task " + "a" * 60_000 + " | foo"),
    ("words before a wrong one", "after task a " + "& daily " * 7_000 + "& foo"),
    ("blanks after between", "between" + " " * 60_000 + "x"),
    ("words after between", "between " + "a " * 30_000),
    ("escapes and a comment", "after task '" + "\\'" * 30_000 + " #"),
    ("escapes and parentheses", "(" * 300 + "'" + "\\'" * 30_000),
    ("quotes by turns and a comment", "'\"" * 30_000 + " #"),
    ("a long name of a zone", "daily in 'E" + "/a" * 30_000 + "'"),
    ("a long unit", "every 1 " + "s" * 60_000),
    ("a long ordinal", "monthly on 1" + "s" * 60_000),
    ("a long range", "weekly on " + "a-" * 30_000),
    ("many colons", "daily at 1" + ":1" * 30_000),
    ("many dots", "every 1" + ".1" * 30_000 + " s"),
    ("from and blanks", "daily from" + " " * 60_000 + "10:00 x"),
    ("from many words", "daily from " + "a " * 30_000 + "to b"),
    ("a value and blanks", "10" + " " * 60_000 + "x"),
    ("a weekday and blanks", "every monday" + " " * 60_000 + "x"),
    ("a date and blanks", "once at 2026-01-01" + " " * 60_000 + "x"),
    ("many points between", "daily between " + "10 " * 20_000),
    ("many points", "daily at " + "10 " * 20_000),
    ("many points after", "daily after " + "10 " * 20_000 + "until 11"),
    ("unless and blanks", "daily unless" + " " * 60_000 + "x"),
    ("a comparison of digits", "has failed > " + "1" * 60_000),
    ("on and on", "on Mon " + "on " * 20_000 + "5"),
)


@pytest.mark.parametrize("text", [text for _, text in LONG], ids=[name for name, _ in LONG])
def test_a_long_text_with_phrases_takes_time_in_proportion(text: str) -> None:
    started = time.perf_counter()
    try:
        read(text, PHRASES)
    except ConditionSyntaxError as error:
        assert len(str(error)) < 2000
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize("text", [text for _, text in LONG], ids=[name for name, _ in LONG])
def test_a_long_text_takes_time_in_proportion(text: str) -> None:
    started = time.perf_counter()
    refused_or_read(text, follow=False)
    assert time.perf_counter() - started < 5  # what is not linear takes minutes
