"""The pages of the documentation, read: their fenced blocks.

`pages_language.py` and `pages_programs.py` say what each kind of block promises, and
`test_docs_pages.py` runs them all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
FENCE = re.compile(r"^( *)(`{3,}|~{3,})([^`\n]*)\n(.*?)^ *\2$", re.DOTALL | re.MULTILINE)


class Block(NamedTuple):
    page: str  # as a path below the root
    kind: str
    line: int  # of its first line, below the fence
    body: str  # without the options of a directive
    words: str = ""  # what the first line says
    caption: str = ""  # the name of the file that it shows

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.body.splitlines() if line.strip()]

    def failure(self, line: str) -> str:
        return f"{self.page}, the {self.kind} block at line {self.line}: {line!r}"


def pages() -> dict[str, str]:
    """The text of each page, by its path below the root."""
    paths = [*DOCS.rglob("*.md"), ROOT / "README.md"]
    return {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(paths)
        if "_build" not in path.parts
    }


OPTIONS = re.compile(r"(?: *:[\w-]+:.*\n)+\n*")


def blocks(text: str, page: str = "a page") -> Iterator[Block]:
    for found in FENCE.finditer(text):
        indent, _, words, body = found.groups()
        first = words.split()[0] if words.split() else ""
        kind = first if first.startswith("{") else (words.split() or [""])[-1]
        line = text.count("\n", 0, found.start(4)) + 1
        caption = ""
        if kind.startswith("{") and (options := OPTIONS.match(body)):
            caption = "".join(re.findall(r":caption: *(.+)", options[0]))
            line += options[0].count("\n")
            body = body[options.end() :]
        if kind == "{code-block}":
            kind = words.split()[-1]
        body = re.sub(rf"^{indent}", "", body, flags=re.MULTILINE)
        yield Block(page, kind, line, body, words, caption.strip())


PAGES = pages()
BLOCKS = {page: list(blocks(text, page)) for page, text in PAGES.items()}


def above(block: Block) -> str:
    """The page up to the block."""
    return "".join(PAGES[block.page].splitlines(keepends=True)[: block.line])
