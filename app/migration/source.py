"""A file's text, where the nodes of its syntax tree stand in it, and edits of the text.

Only what is edited changes: blanks, comments, quotes and line ends stay as they are. An edit says
what it takes the place of, so that a position that is not what it seems (inside an f-string, on
older Pythons) changes nothing.
"""

from __future__ import annotations

import ast
import re
from bisect import bisect_right
from typing import NamedTuple

LINE_END = re.compile(r"\r\n|\r|\n")


class Edit(NamedTuple):
    """The text from start to end becomes another."""

    start: int
    end: int
    text: str


class Source:
    """Text that parses; SyntaxError (or ValueError, for a null byte) where it does not."""

    def __init__(self, text: str, name: str) -> None:
        self.text = text
        self.tree = ast.parse(text, name)
        self._starts = [0, *(found.end() for found in LINE_END.finditer(text))]
        self._edits: list[Edit] = []
        self.missed: list[tuple[int, str]] = []  # lines, and what was expected there
        self.parents = {
            child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)
        }

    # --- places ---------------------------------------------------------------------------

    def offset(self, line: int, column: int) -> int:
        """Of a line from 1 and a column in bytes of UTF-8, as syntax trees have them."""
        start = self._starts[line - 1]
        rest = self.text[start : start + column]
        if rest.isascii():
            return start + column
        return start + len(rest.encode()[:column].decode(errors="replace"))

    def start(self, node: ast.expr | ast.stmt | ast.alias | ast.keyword) -> int:
        return self.offset(node.lineno, node.col_offset)

    def end(self, node: ast.expr | ast.stmt | ast.alias | ast.keyword) -> int:
        assert node.end_lineno is not None and node.end_col_offset is not None
        return self.offset(node.end_lineno, node.end_col_offset)

    def of(self, node: ast.expr | ast.stmt | ast.alias | ast.keyword) -> str:
        return self.text[self.start(node) : self.end(node)]

    def indent(self, node: ast.stmt) -> str:
        """The blanks before a statement that begins its line."""
        start = self._starts[node.lineno - 1]
        return self.text[start : self.start(node)]

    # --- edits ----------------------------------------------------------------------------

    def replace(self, start: int, end: int, text: str, expected: str | None = None) -> None:
        """Let this text take the place of what stands there, if that is, but for blanks, what is
        expected; if not, it is among the `missed`."""
        found = self.text[start:end]
        if expected is not None and "".join(found.split()) != expected:
            self.missed.append((bisect_right(self._starts, start), expected))
        elif found != text:
            self._edits.append(Edit(start, end, text))

    def replace_node(self, node: ast.expr, text: str, expected: str | None = None) -> None:
        self.replace(self.start(node), self.end(node), text, expected)

    def rename_attribute(self, node: ast.Attribute, text: str) -> None:
        end = self.end(node)
        self.replace(end - len(node.attr), end, text, node.attr)

    def remove_item(self, start: int, end: int) -> None:
        """Take out one item of a list in parentheses, with its comma, and its line if it is alone
        on it."""
        after = re.compile(r"[ \t]*(,?)[ \t]*").match(self.text, end)
        assert after is not None
        first = self.text.rfind("\n", 0, start) + 1
        blank_before = not self.text[first:start].strip()
        tail = re.compile(r"(?:#[^\r\n]*)?(\r\n|\r|\n)").match(self.text, after.end())
        if blank_before and tail is not None:
            self._edits.append(Edit(first, tail.end(), ""))
        elif after[1]:
            kept = len(self.text[:start].rstrip(" \t")) if tail is not None else start
            gap = "  " if tail is not None and tail[0].startswith("#") else ""
            self._edits.append(Edit(kept, after.end(), gap))
        else:
            before = re.search(r",?[ \t]*\Z", self.text[:start])
            self._edits.append(Edit(before.start() if before else start, end, ""))

    def edited(self) -> str:
        """The text with all edits. What lies in a stretch that is edited as a whole is left."""
        parts, at = [], 0
        for edit in sorted(self._edits, key=lambda e: (e.start, e.start != e.end, -e.end)):
            if edit.start < at:
                continue
            parts += [self.text[at : edit.start], edit.text]
            at = edit.end
        return "".join((*parts, self.text[at:]))
