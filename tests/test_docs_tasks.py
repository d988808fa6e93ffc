"""Every block of docs/tasks.md runs as it stands."""

from pathlib import Path

import pytest

from oncue.app.options import options_of
from oncue.app.task import Task
from oncue.tests.test_docs_language import Block, blocks

PAGE = Path(__file__).parent.parent / "docs" / "tasks.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = [block for block in blocks(TEXT) if block.kind == "python"]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"line {block.line}")
def test_the_block_runs(block: Block) -> None:
    exec(compile("\n" * (block.line - 1) + block.body, str(PAGE), "exec"), {"__name__": "docs"})


def test_the_page_has_examples_and_every_option() -> None:
    assert len(BLOCKS) >= 6
    for name in options_of(Task):
        assert f"`{name}`" in TEXT, name
