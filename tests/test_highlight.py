"""The lexer for Pygments: it keeps every text, knows every word by its place, and is found."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pygments.lexers import get_lexer_by_name
from pygments.token import Error, Whitespace

from oncue.conds import Condition
from oncue.grammar.highlight import ConditionLexer
from oncue.testing.strategies import conditions
from oncue.tests.test_parser import Line, lines, named

LEXER = ConditionLexer()
SENTENCES = [line for kind in ("ok", "warn", "error") for line in lines("language.txt", kind)]
SENTENCES += lines("language_forms.txt", "ok")


def shown(text: str) -> str:
    """The tokens but for blanks, as `text:Kind`."""
    return "  ".join(
        f"{token}:{str(kind).removeprefix('Token.')}"
        for _, kind, token in LEXER.get_tokens_unprocessed(text)
        if kind is not Whitespace
    )


@pytest.mark.parametrize("line", SENTENCES, ids=named)
def test_every_sentence_of_the_language_is_lexed_whole(line: Line) -> None:
    found = list(LEXER.get_tokens_unprocessed(line.text))
    assert "".join(token for _, _, token in found) == line.text
    assert [at for at, _, token in found if line.text[at : at + len(token)] != token] == []
    assert [token for _, kind, token in found if kind is Error] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "after task success & every 5 min since last success",
            "after:Keyword  task:Keyword  success:Name  &:Operator  every:Keyword  "
            "5 min:Literal.Number  since:Keyword  last:Keyword  success:Keyword",
        ),
        (
            "NOT (daily after 10 or is_holiday('FI')) in Europe/Dublin",
            "NOT:Operator.Word  (:Punctuation  daily:Keyword  after:Keyword  10:Literal.Number  "
            "or:Operator.Word  is_holiday:Name.Function  (:Punctuation  'FI':Literal.String  "
            "):Punctuation  ):Punctuation  in:Keyword  Europe/Dublin:Name",
        ),
        (
            "cron */5 9-17 * * 1-5 and never # lunch & tea",
            "cron:Keyword  */5 9-17 * * 1-5:Literal  and:Operator.Word  never:Keyword.Constant  "
            "# lunch & tea:Comment",
        ),
        ("weekly on Mon", "weekly:Keyword  on:Keyword  Mon:Literal"),
        (
            "daliy after 10:00 & hourly",
            "daliy:Name  after:Keyword  10:00:Literal.Number  &:Operator  hourly:Keyword",
        ),
        ("after task 'it", "after:Keyword  task:Keyword  'it:Literal.String"),
    ],
)
def test_a_word_is_what_it_is_in_its_place(text: str, expected: str) -> None:
    assert shown(text) == expected


@given(conditions())
def test_a_condition_is_lexed_to_its_end_by_the_tables(condition: Condition) -> None:
    text = str(condition)
    assert "".join(token for _, _, token in LEXER.get_tokens_unprocessed(text)) == text


@given(st.text(max_size=60) | st.text("daily after#'\"&|~() \n\\10:-", max_size=60))
def test_any_text_is_kept(text: str) -> None:
    assert "".join(token for _, _, token in LEXER.get_tokens_unprocessed(text)) == text


def test_pygments_finds_it() -> None:
    assert isinstance(get_lexer_by_name("oncue"), ConditionLexer)
