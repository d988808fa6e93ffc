"""A Sphinx extension: windows drawn by oncue's own `timeline`, and examples in colour.

A block `{timeline}` has conditions, one a line, and after its name the options of the command; the
picture is made when the page is built. The other kinds of blocks are those that the tests run
(`tests/pages_language.py` says what their lines are); oncue's own lexer reads their conditions.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

from click.testing import CliRunner
from pygments.lexer import Lexer
from pygments.token import Comment, Number, Operator, Text

from oncue.app.cli import main
from oncue.grammar.highlight import ConditionLexer

LINE = re.compile(r"(?P<lead>at  \S+ \S+ |from .*?: |)(?P<text>.*?)(?P<arrow> => |$)(?P<rest>.*)")
CONDITIONS = ConditionLexer(stripnl=False, ensurenl=False)


def picture(options: str, conditions: list[str]) -> str:
    """The SVG of `oncue timeline` for some conditions. Raises ValueError with what it says where it
    draws none."""
    arguments = ["timeline", *conditions, *shlex.split(options), "--svg", "-"]
    done = CliRunner().invoke(main, arguments)
    if done.exit_code:
        raise ValueError(f"{shlex.join(arguments)}: {done.output}")
    return done.stdout


class Told(Lexer):
    """Lines `TEXT => what is said of it`, with a time in front or none; other lines are no
    conditions."""

    conditions_right = False

    def get_tokens_unprocessed(self, text: str) -> Iterator[tuple[int, Any, str]]:
        start = 0
        for line in text.splitlines(keepends=True):
            for kind, part in self.parts(line.removesuffix("\n")):
                for _, token, value in kind(part):
                    yield start, token, value
                    start += len(value)
            if line.endswith("\n"):
                yield start, Text, "\n"
                start += 1

    def parts(self, line: str) -> Iterator[tuple[Any, str]]:
        found = LINE.fullmatch(line)
        assert found is not None
        if not found["text"] or line.startswith(("log ", " ")):
            yield plain(Text), line
            return
        right = CONDITIONS.get_tokens_unprocessed if self.conditions_right else plain(Comment)
        yield plain(Number), found["lead"]
        yield CONDITIONS.get_tokens_unprocessed, found["text"]
        yield plain(Operator), found["arrow"]
        yield right, found["rest"]


class Rewritten(Told):
    """Lines `TEXT => another condition`."""

    conditions_right = True


def plain(token: Any) -> Any:
    return lambda text: [(0, token, text)] if text else []


def setup(app: Any) -> dict[str, bool]:
    from docutils import nodes
    from docutils.parsers.rst import Directive

    class Timeline(Directive):
        """Conditions, drawn; the text of the picture is part of the page."""

        has_content = True
        optional_arguments = 1
        final_argument_whitespace = True

        def run(self) -> list[nodes.Node]:
            options = self.arguments[0] if self.arguments else ""
            try:
                drawn = picture(options, [line for line in self.content if line.strip()])
            except ValueError as error:
                raise self.error(str(error)) from None
            return [nodes.raw("", drawn, format="html")]

    app.add_directive("timeline", Timeline)
    for kind in ("error", "hint", "windows", "runs", "verdict"):
        app.add_lexer(kind, Told)
    for kind in ("condition", "cure"):
        app.add_lexer(kind, Rewritten)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
