"""The grammar: the lines of the specification, the forms it has, limits, spans, and the driver
beside Lark's own parser."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import lark
import pytest

from oncue.conds import nodes
from oncue.conds.nodes import Condition, strip_spans
from oncue.conds.words import KEYWORDS, STARTERS
from oncue.grammar import ConditionSyntaxError, parse, tables
from oncue.grammar.parser import machine, read, read_kept

CASES = Path(__file__).parent / "cases"


class Line(NamedTuple):
    kind: str
    text: str
    want: str


def lines(name: str, kind: str) -> list[Line]:
    """The lines of a case file that are of a kind; without an arrow, the text wants itself."""
    found = []
    for line in (CASES / name).read_text("utf-8").splitlines():
        if line.startswith(f"{kind} "):
            text, arrow, want = line.removeprefix(f"{kind} ").partition(" => ")
            text = "" if text == "(the empty text)" else text
            found.append(Line(kind, text, want if arrow else text))
    assert found
    return found


def named(line: Line) -> str:
    return line.text.replace(" ", "_")


OK = lines("language.txt", "ok") + lines("language_forms.txt", "ok")


@pytest.mark.parametrize("line", OK, ids=named)
def test_the_text_has_this_canonical_form(line: Line) -> None:
    condition = read(line.text)
    assert str(condition) == line.want
    assert read(line.want) == condition
    assert str(read(line.want)) == line.want


@pytest.mark.parametrize("line", lines("language.txt", "error"), ids=named)
def test_the_first_diagnostic_says_this(line: Line) -> None:
    with pytest.raises(ConditionSyntaxError) as caught:
        read(line.text)
    first = caught.value.diagnostics[0]
    assert line.want in first.message or line.want in (first.fix or "")
    assert line.want in str(first)


# --- what is parsed -------------------------------------------------------------------------

A, B, C = (nodes.Cadence(unit) for unit in (nodes.Unit.DAY, nodes.Unit.HOUR, nodes.Unit.WEEK))

TREES = (
    ("daily & hourly | weekly", nodes.Any((nodes.All((A, B)), C))),
    ("daily | hourly & weekly", nodes.Any((A, nodes.All((B, C))))),
    ("~daily & hourly", nodes.All((nodes.Not(A), B))),
    ("~(daily & hourly)", nodes.Not(nodes.All((A, B)))),
    ("daily & (hourly & weekly)", nodes.All((A, B, C))),
    ("~~~daily", nodes.Not(A)),
    ("~daily in UTC", nodes.Not(nodes.Zoned(A, "UTC"))),
    ("(~daily) in UTC", nodes.Zoned(nodes.Not(A), "UTC")),
    ("daily & hourly in UTC", nodes.All((A, nodes.Zoned(B, "UTC")))),
    ("(daily & hourly) in UTC", nodes.Zoned(nodes.All((A, B)), "UTC")),
    ("has not failed", nodes.Not(nodes.Has(nodes.Event.FAILED))),
)


@pytest.mark.parametrize(("text", "tree"), TREES)
def test_operators_bind_as_the_language_says(text: str, tree: Condition) -> None:
    assert read(text) == tree


def test_between_does_not_compete_with_and() -> None:
    dates, daily = read("between 2026-01-01 and 2026-01-02 and daily").operands
    assert isinstance(dates, nodes.Dates) and daily == A


def test_keywords_are_names_where_a_name_is_expected() -> None:
    for word in sorted(KEYWORDS):
        assert read(f"after task {word}") == nodes.AfterTasks((word,))
        assert read(f"env {word.upper()}") == nodes.Env(word.upper())
        assert read(f"param {word} is {word}") == nodes.ParamIs(word, word)


def test_a_keyword_ends_where_a_bare_word_would_end() -> None:
    for text in ("daily_report", "daily-report", "daily.x", "daily:", "not-ready", "hourly2"):
        with pytest.raises(ConditionSyntaxError, match="unknown condition"):
            read(text)
        assert read(f"{text}()") == nodes.Call(text)


def test_only_ascii_letters_have_two_cases() -> None:
    assert read("DAILY After 10PM") == read("daily after 22:00")
    for text in ("wee\u212aly", "\u017fecondly", "DA\u0130LY", "wee\u212aend\u017f"):
        with pytest.raises(ConditionSyntaxError):
            read(text)
    for text in (
        "every 1 wee\u212a",
        "on \u017fun",
        "weekly on \u017fun",
        "daily at \u0661\u0660:00",
    ):
        with pytest.raises(ConditionSyntaxError):
            read(text)


def test_any_white_space_and_comments_separate() -> None:
    want = read("daily after 10:00 & after task 'a # b'")
    assert read("daily\tafter\n10:00\u00a0&\r\nafter task 'a # b'") == want
    assert read("# first\ndaily after # the point\n 10:00 &after task 'a # b' # it's said") == want
    with pytest.raises(ConditionSyntaxError):
        read("daily# no comment")


def test_escapes() -> None:
    assert read(r"after task 'it\'s \\ \"x\"'") == nodes.AfterTasks(('it\'s \\ "x"',))
    assert read("after task 'a\nb'") == nodes.AfterTasks(("a\nb",))
    with pytest.raises(ConditionSyntaxError, match="not an escape"):
        read(r"after task 'a\n'")


def test_parse_takes_nothing_but_text() -> None:
    for value in (None, 1, b"daily", A):
        with pytest.raises(TypeError):
            parse(value)  # type: ignore[arg-type]


# --- limits ---------------------------------------------------------------------------------


def test_limits_hold_and_one_more_is_refused() -> None:
    cases = (
        (lambda n: "&".join(["daily"] * n), 1000),
        (lambda n: "(" * n + "daily" + ")" * n, 200),
        (lambda n: "~(daily & " * n + "daily" + ")" * n, 200),
        (lambda n: "daily" + " " * (n - 5), 64 * 1024),
        (lambda n: f"retry {'9' * n} times", 18),
        (lambda n: f"every {n} days", 999_999_999),
        (lambda n: "after task '" + "é" * n + "'", (64 * 1024 - 13) // 2),
    )
    for text, limit in cases:
        read(text(limit))
        with pytest.raises(ConditionSyntaxError):
            read(text(limit + 1))


def test_nots_fold_before_they_are_counted() -> None:
    assert read("~" * 60_000 + "daily") == A
    assert read("~" * 59_999 + "daily") == ~A


def test_a_text_that_could_not_be_read_again_once_printed_is_refused() -> None:
    names = ",".join(f"x{number:x}" for number in range(0x2A00))
    with pytest.raises(ConditionSyntaxError, match="too long"):
        read(f"after tasks {names}")


# --- spans and memory -----------------------------------------------------------------------


def test_spans_of_every_node() -> None:
    text = "daily after 10:00\n  & ~(after task 'x' | on Mon in UTC)"
    found = {
        type(node).__name__: (text[node.span.start : node.span.end], node.span.line)
        for node in nodes.postorder(read(text))
        if node.span is not None
    }
    assert found == {
        "Cadence": ("daily after 10:00", 1),
        "AfterTasks": ("after task 'x'", 2),
        "OnWeekdays": ("on Mon", 2),
        "Zoned": ("on Mon in UTC", 2),
        "Any": ("after task 'x' | on Mon in UTC", 2),
        "Not": ("~(after task 'x' | on Mon in UTC)", 2),
        "All": (text, 1),
    }
    weekday = next(n for n in nodes.postorder(read(text)) if isinstance(n, nodes.OnWeekdays))
    assert weekday.span is not None
    assert (weekday.span.line, weekday.span.column) == (2, 24)


def test_spans_do_not_count_in_equality() -> None:
    one, two = read("daily&hourly"), read("  daily  &  hourly")
    assert one == two and hash(one) == hash(two)
    assert one.span != two.span
    assert strip_spans(one).span is None


def test_a_text_read_before_is_looked_up() -> None:
    text = "daily after 10:00 & after task 'looked up'"
    first = parse(text)
    hits = read_kept.cache_info().hits
    assert parse(text) is first
    assert read_kept.cache_info().hits == hits + 1


def test_errors_are_not_remembered_as_conditions() -> None:
    for _ in range(2):
        with pytest.raises(ConditionSyntaxError):
            parse("daily &")


# --- the tables -----------------------------------------------------------------------------


def stock_parser() -> lark.Lark:
    """Lark's own parser of the same grammar, its keywords bounded as the driver bounds them."""

    def bounded(terminal: lark.lexer.TerminalDef) -> None:
        words = tables.spellings(terminal)
        if words is not None and words[0].isalpha():
            choice = "|".join(sorted(words, key=len, reverse=True))
            terminal.pattern = lark.lexer.PatternRE(rf"(?ai:{choice})(?![\w.:-])")
            terminal.priority = 1

    return lark.Lark(
        tables.read_bytes(tables.GRAMMAR).decode(),
        parser="lalr",
        lexer="contextual",
        maybe_placeholders=False,
        edit_terminals=bounded,
    )


def test_lark_reads_the_same_language_from_the_same_grammar() -> None:
    stock = stock_parser()
    for line in OK:
        stock.parse(line.text)
    for text in ("daily hourly", "daily &", "after 'x'", "has failed 3 times", "(daily", "foo"):
        with pytest.raises(lark.exceptions.UnexpectedInput):
            stock.parse(text)


def test_the_grammar_has_no_conflict(caplog: pytest.LogCaptureFixture) -> None:
    """A reduce/reduce conflict is an error; a shift/reduce one Lark only notes when it debugs."""
    text = tables.read_bytes(tables.GRAMMAR).decode()
    with caplog.at_level("DEBUG", logger="lark"):
        lark.Lark(text, parser="lalr", debug=True, maybe_placeholders=False)
    assert not [record for record in caplog.records if "onflict" in record.getMessage()]


def test_the_lists_of_keywords_are_those_of_the_grammar() -> None:
    spelled = {word for words in machine().tables.spelling.values() for word in words}
    assert {word for word in spelled if word.isalpha()} == KEYWORDS
    start = machine().tables.states[machine().tables.start]
    words = {word: action for word, action in start.words.items() if word.isalpha()}
    assert {word for word, action in words.items() if action != tables.ERROR} == STARTERS
    assert words.keys() == KEYWORDS  # the others are wrong there, and no names


def test_tables_are_kept_and_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "cache_folder", lambda: str(tmp_path / "deep" / "er"))
    made = tables.load()
    (kept,) = (tmp_path / "deep" / "er").iterdir()

    def refuse(grammar: str) -> tables.Tables:
        raise AssertionError("compiled again")

    assert tables.load(refuse) == made
    kept.write_bytes(kept.read_bytes()[:-1] + b"?")
    with pytest.raises(AssertionError, match="compiled again"):
        tables.load(refuse)
    assert tables.load() == made
    assert tables.load(refuse) == made


def test_a_cache_that_cannot_be_written_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setattr(tables, "cache_folder", lambda: str(tmp_path / "file" / "oncue"))
    assert tables.load().states == machine().tables.states


@pytest.mark.parametrize(
    ("platform", "variable", "value", "want"),
    [
        ("linux", "XDG_CACHE_HOME", "/x", os.path.join("/x", "oncue")),
        ("linux", "XDG_CACHE_HOME", "", os.path.expanduser("~/.cache/oncue")),
        ("darwin", "HOME", "/home/a", "/home/a/Library/Caches/oncue"),
        ("win32", "LOCALAPPDATA", "/local", os.path.join("/local", "oncue")),
    ],
)
def test_the_cache_is_where_the_system_keeps_such_things(
    platform: str, variable: str, value: str, want: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv(variable, value)
    assert tables.cache_folder() == want


def test_a_process_with_a_cache_does_not_import_lark(tmp_path: Path) -> None:
    code = (
        "import sys; from oncue.grammar import parse; parse('daily');"
        "print('lark' in sys.modules, 'asyncio' in sys.modules)"
    )
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "LOCALAPPDATA": str(tmp_path)}
    outputs = [
        subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for _ in range(2)
    ]
    assert outputs == [["True", "False"], ["False", "False"]]
