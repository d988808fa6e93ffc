"""Every fenced block of every page is what happens; a block of a kind that nobody knows fails."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from oncue.app.config import Config
from oncue.app.options import options_of
from oncue.app.task import Task
from oncue.tests.pages import BLOCKS, DOCS, PAGES, Block, blocks
from oncue.tests.pages_language import LANGUAGE
from oncue.tests.pages_programs import PROGRAMS, put_file

KINDS = {**LANGUAGE, **PROGRAMS}
BY_SPHINX = {"{toctree}", "{eval-rst}", "{note}"}
"""Directives that the build checks: a warning is an error."""

ELSEWHERE = {
    (
        "docs/commands.md",
        "python",
    ): "test_cli_{timeline,page}.py, test_simulation.py, test_missed.py",
    (
        "docs/commands.md",
        "console",
    ): "test_cli_{next,timeline,page}.py, test_simulation.py, test_missed.py",
    ("docs/migrating-from-rocketry.md", "rocketry"): "test_docs_migrating.py",
    ("docs/migrating-from-rocketry.md", "console"): "test_docs_migrating.py",
    ("README.md", "python"): "test_readme.py",
    ("README.md", "text"): "test_readme.py",
}
"""Blocks that another test runs."""

ALL = [block for found in BLOCKS.values() for block in found]
HERE = [block for block in ALL if (block.page, block.kind) not in ELSEWHERE]


def run(block: Block) -> None:
    if block.kind in BY_SPHINX:
        return
    assert block.kind in KINDS, f"{block.failure(block.kind)} is of no known kind"
    assert block.lines or block.kind == "{literalinclude}", block.failure("it is empty")
    for other in BLOCKS.get(block.page, ()):
        if other.line < block.line:
            put_file(other)
    KINDS[block.kind](block)


@pytest.mark.parametrize("block", HERE, ids=lambda block: f"{block.page}:{block.line}-{block.kind}")
def test_the_block_is_what_happens(
    block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run(block)


@pytest.mark.parametrize("page", PAGES)
def test_every_fence_is_read(page: str) -> None:
    fences = [line for line in PAGES[page].splitlines() if line.lstrip().startswith(("```", "~~~"))]
    assert len(fences) == 2 * len(BLOCKS[page])


def test_what_is_run_elsewhere_is_there() -> None:
    shown = {(block.page, block.kind) for block in ALL}
    assert set(ELSEWHERE) <= shown


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("```text poem\ndaily\n```\n", "of no known kind"),
        ("```\ndaily\n```\n", "of no known kind"),
        ("```text\ndaily\n```\n", "of no known kind"),
        ("```text condition\n```\n", "it is empty"),
        ("```text condition\nDAILY\n```\n", "'DAILY'"),
        ("```text condition\ndaily => hourly\n```\n", "daily => hourly"),
        ("```text error\ndaliy => hourly\n```\n", "unknown condition 'daliy'"),
        ("```text error\ndaliy\n```\n", "says not what to expect"),
        ("```text hint\ndaily => two cadences\n```\n", "daily => two cadences"),
        ("```text verdict\nat  2026-03-10 12:00 daily => false\n```\n", "value=True"),
        ("```text verdict\nat 12:00 daily => true\n```\n", "neither a record nor a case"),
        ("```text windows\nfrom 2026-03-10 UTC: daily\n  nothing\n```\n", "it is 2026-03-10"),
        ("```text runs\nfrom 2026-03-10 UTC: never\n  2026-03-10 00:00\n```\n", "it is nothing"),
        ("```python\nassert 1 == 2, 'no'\n```\n", "no"),
        ("```oncue\ntime of day after 10:00\n```\n", "time of day after 10:00"),
        ("```console\n$ oncue check daily\nall is well\n```\n", "oncue check daily"),
        ("```console\n$ python -c 'print(1)'\n2\n```\n", "python -c print(1)"),
        ("```sh\nmake nothing\n```\n", "make nothing"),
        ("```sh\noncue run --nonsense jobs:app\n```\n", "--nonsense"),
        ("```sh\ncurl example\n```\n", "curl example"),
        ("```sh\npip install 'oncue[oracle]'\n```\n", "oracle"),
        ("```toml\n[tool.oncue]\nnonsense = 1\n```\n", "nonsense"),
        ("```{timeline} --from 2026-03-10 --zone UTC\nnever\n```\n", "never"),
        ("```{literalinclude} nowhere.py\n```\n", "nowhere.py"),
    ],
)
def test_a_wrong_block_fails(text: str, why: str) -> None:
    (block,) = blocks(text)
    with pytest.raises(AssertionError, match=re.escape(why)):
        run(block)


@pytest.mark.parametrize("body", ["daily => daily after 10:00\n", "daliy => time of day\n"])
def test_a_wrong_cure_fails(body: str) -> None:
    block = next(block for block in BLOCKS["docs/errors.md"] if block.body.startswith("daliy"))
    with pytest.raises(AssertionError, match=re.escape(body.strip())):
        run(block._replace(body=body))


@pytest.mark.parametrize(("page", "kind"), [("docs/tasks.md", Task), ("docs/apps.md", Config)])
def test_the_page_has_examples_and_every_option(page: str, kind: type) -> None:
    assert sum(block.kind == "python" for block in BLOCKS[page]) >= 5
    for name in options_of(kind):
        assert f"`{name}`" in PAGES[page], name


def test_every_page_is_in_the_table_of_contents() -> None:
    listed = {"docs/index"}
    for block in ALL:
        if block.kind == "{toctree}":
            folder = block.page.rpartition("/")[0]
            listed |= {f"{folder}/{line.strip()}" for line in block.lines}
    assert listed == {page.removesuffix(".md") for page in PAGES if page.startswith("docs/")}


@pytest.mark.parametrize("path", [*DOCS.rglob("pictures/*.svg")], ids=lambda path: path.name)
def test_a_picture_says_in_words_what_it_shows(path: Path) -> None:
    svg = ElementTree.parse(path).getroot()
    name = "{http://www.w3.org/2000/svg}"
    assert svg.get("role") == "img" and svg.findtext(f"{name}title") and svg.findtext(f"{name}desc")
    assert "prefers-color-scheme:dark" in (svg.findtext(f"{name}style") or "")
    assert "http" not in path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
    used = [page for page, text in PAGES.items() if f"pictures/{path.name})" in text]
    assert used
