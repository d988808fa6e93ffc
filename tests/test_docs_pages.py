"""Every Python block of these pages runs as it stands, and their tables are complete."""

from pathlib import Path

import pytest

from oncue.app.config import Config
from oncue.app.options import options_of
from oncue.app.task import Task
from oncue.tests.test_docs_language import Block, blocks

DOCS = Path(__file__).parent.parent / "docs"
NAMES = ("tasks", "apps", "pyncette")
PAGES = {name: (DOCS / f"{name}.md").read_text(encoding="utf-8") for name in NAMES}
BLOCKS = [(name, b) for name, text in PAGES.items() for b in blocks(text) if b.kind == "python"]


@pytest.mark.parametrize(("page", "block"), BLOCKS, ids=[f"{n}, {b.line}" for n, b in BLOCKS])
def test_the_block_runs(
    page: str, block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code = "\n" * (block.line - 1) + block.body
    main = "__main__" if "__main__" in block.body else "docs"
    exec(compile(code, str(DOCS / f"{page}.md"), "exec"), {"__name__": main})


@pytest.mark.parametrize(("page", "kind"), [("tasks", Task), ("apps", Config)])
def test_the_page_has_examples_and_every_option(page: str, kind: type) -> None:
    assert sum(name == page for name, _ in BLOCKS) >= 5
    for name in options_of(kind):
        assert f"`{name}`" in PAGES[page], name
