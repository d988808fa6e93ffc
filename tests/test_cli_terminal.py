"""The commands in a real terminal: wide and narrow, with and without colour, and in a pipe."""

import asyncio
import fcntl
import os
import pty
import re
import select
import signal
import sqlite3
import struct
import subprocess
import sys
import termios
import traceback
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from time import monotonic

import pytest
from click.testing import CliRunner
from rich.cells import cell_len

from oncue.app.cli import main
from oncue.app.stores.sqlite import SqliteStore
from oncue.tests.stores.steps import LATE, claim, commit, opened
from oncue.tests.test_cli_log import JOBS, write

LIMIT = 60
ONCUE = [sys.executable, "-c", "from oncue.app.cli import main; main()"]
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
MOVES = re.compile(r"\x1b\[(?![0-9;]*m)[0-9;?]*[A-Za-z]|\r(?!\n)")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where an app has run."""
    (tmp_path / "jobs.py").write_text(JOBS)

    async def story() -> None:
        async with opened(SqliteStore(str(tmp_path / "log.db"))) as store:
            await store.register({"extract": "daily", "load": "after"}, 0)
            await write(store)

    asyncio.run(story())
    return tmp_path


class Terminal:
    """A process whose standard streams are a terminal of that many columns."""

    def __init__(self, folder: Path, width: int, *words: str, **given: str) -> None:
        self._own, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
        self.process = subprocess.Popen(
            [*ONCUE, *words],
            cwd=folder,
            env=in_terminal(given),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=take_terminal,
        )
        os.close(theirs)
        self.shown = ""

    def until(self, text: str | None) -> str:
        """All that has been shown once that text is, or the process has ended."""
        end = monotonic() + LIMIT
        while text is None or text not in self.shown:
            ready, _, _ = select.select([self._own], [], [], max(0, end - monotonic()))
            assert ready, f"{text!r} never came: {self.shown!r}"
            try:
                data = os.read(self._own, 65536)
            except OSError:  # as Linux says that the other side is closed
                data = b""
            if not data:
                assert text is None, self.shown
                break
            self.shown += data.decode()
        return self.shown

    def type(self, keys: bytes) -> None:
        os.write(self._own, keys)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._own)


def take_terminal() -> None:
    """Make standard input the terminal that Ctrl-C comes from."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@contextmanager
def terminal(folder: Path, width: int, *words: str, **given: str) -> Iterator[Terminal]:
    made = Terminal(folder, width, *words, **given)
    try:
        yield made
    finally:
        made.close()


def shown(folder: Path, width: int, *words: str, **given: str) -> str:
    """What a command leaves on the terminal, by when it has ended well; in a fork of this process,
    which has imported all that is needed."""
    process, screen = pty.fork()
    if process == 0:
        os._exit(ended(folder, width, words, given))
    text = b""
    while select.select([screen], [], [], LIMIT)[0]:
        try:
            data = os.read(screen, 65536)
        except OSError:  # as Linux says that the other side is closed
            break
        text += data
    os.close(screen)
    _, status = os.waitpid(process, 0)
    assert os.waitstatus_to_exitcode(status) == 0, text
    return text.decode()


def ended(folder: Path, width: int, words: tuple[str, ...], given: dict[str, str]) -> int:
    """The status of a command, in a process whose streams are a terminal."""
    try:
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)
        os.chdir(folder)
        environment = in_terminal(given)
        os.environ.clear()
        os.environ.update(environment)
        main(list(words), prog_name="oncue")
    except SystemExit as end:
        sys.stdout.flush()
        sys.stderr.flush()
        return int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    return 99


def in_terminal(given: dict[str, str]) -> dict[str, str]:
    cleared = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE")
    environment = {name: value for name, value in os.environ.items() if name not in cleared}
    return {**environment, "TERM": "xterm-256color", **given}


def piped(folder: Path, *words: str, **given: str) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", sys.path[:])
        sys.modules.pop("jobs", None)
        done = CliRunner().invoke(main, words, env=given)
        sys.modules.pop("jobs", None)
    assert (done.exit_code, done.stderr) == (0, "")
    return done.stdout


def plain(text: str) -> list[str]:
    return MOVES.sub("", COLOUR.sub("", text)).splitlines()


COMMANDS = [
    ("log", "jobs.py", "--tracebacks"),
    ("tasks", "jobs.py"),
    ("missed", "jobs.py"),
    ("next", "daily after 10:00 & after task 'extract'"),
    ("timeline", "daily after 10:00", "--from", "2026-03-10", "--days", "2"),
    ("simulate", "jobs.py", "--from", "2026-03-10", "--days", "2", "--chart"),
    ("explain", "jobs.py", "--task", "load"),
    ("--help",),
    ("log", "--help"),
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_in_a_pipe_there_is_no_colour_and_nothing_moves(
    folder: Path, words: tuple[str, ...]
) -> None:
    assert not {"\x1b", "\r"} & set(piped(folder, *words))


@pytest.mark.parametrize("words", COMMANDS[:3], ids=" ".join)
def test_without_colour_a_terminal_shows_none(folder: Path, words: tuple[str, ...]) -> None:
    assert COLOUR.search(shown(folder, 100, *words, TERM="dumb")) is None
    bare = shown(folder, 100, *words, NO_COLOR="1")
    assert not re.search(r"\x1b\[(?:[0-9;]*;)?(?:3|4|9|10)[0-9]", bare), bare


@pytest.mark.parametrize("width", [52, 64, 100, 160])
@pytest.mark.parametrize(
    "words", [words for words in COMMANDS if words[0] != "explain"], ids=" ".join
)
def test_no_line_is_longer_than_the_terminal(
    folder: Path, words: tuple[str, ...], width: int
) -> None:
    """But those that are as they are: tracebacks and examples, which are indented."""
    lines = plain(shown(folder, width, *words))
    assert lines
    too_long = [line for line in lines if cell_len(line) > width]
    assert [line for line in too_long if not line.startswith("    ")] == []


@pytest.mark.parametrize("width", [24, 44])
@pytest.mark.parametrize("words", [("log", "jobs.py"), ("tasks", "jobs.py")], ids=" ".join)
def test_a_line_is_no_longer_than_an_instant_on_any_terminal(
    folder: Path, words: tuple[str, ...], width: int
) -> None:
    instant = cell_len("2026-03-10 09:00:00.123456 +01:00;")
    assert max(map(cell_len, plain(shown(folder, width, *words)))) <= max(width, instant)


@pytest.mark.parametrize("width", [24, 44])
def test_a_narrow_terminal_loses_nothing(folder: Path, width: int) -> None:
    wide, narrow = (plain(shown(folder, columns, "log", "jobs.py")) for columns in (160, width))
    assert " ".join(" ".join(narrow).split()) == " ".join(" ".join(wide).split())
    assert len(narrow) > len(wide)


def test_outcomes_have_colours_in_a_terminal(folder: Path) -> None:
    text = shown(folder, 160, "log", "jobs.py")
    assert "\x1b[32msuccess" in text and "\x1b[31mfail" in text
    assert plain(text) == [line.rstrip() for line in piped(folder, "log", "jobs.py").splitlines()]


def test_what_is_wrong_is_said_in_a_line_in_a_terminal_too(folder: Path) -> None:
    with terminal(folder, 200, "tasks", "nowhere.py") as screen:
        (line,) = plain(screen.until(None))
        assert line.startswith("Error: ") and "there is no file 'nowhere.py'" in line
        assert screen.process.wait(LIMIT) == 2


def test_ctrl_c_ends_what_follows_and_says_nothing(folder: Path) -> None:
    writer = SqliteStore(str(folder / "log.db"))

    async def story() -> None:
        async with opened(writer):
            with terminal(folder, 100, "log", "jobs.py", "--follow") as screen:
                await asyncio.to_thread(screen.until, "#9")
                await commit(writer, claim("load", LATE))
                before = await asyncio.to_thread(screen.until, "label id of load\x1b[0m\r\n")
                screen.type(b"\x03")
                after = await asyncio.to_thread(screen.until, None)
                assert after.removeprefix(before) == "^C\r\n"
                assert screen.process.wait(LIMIT) == 0

    asyncio.run(story())


# --- long work ------------------------------------------------------------------------------------


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """All work is long enough for a bar."""
    monkeypatch.setattr("oncue.app.cli.progress.PATIENCE", 0)


LONG = [
    (("simulate", "jobs.py", "--days", "300"), "simulating"),
    (("log", "jobs.py", "--output", "log.jsonl"), "reading the log"),
    (("tasks", "jobs.py"), "asking each task"),
    (("missed", "jobs.py"), "looking for what is due"),
]


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize(("words", "title"), LONG, ids=[title for _, title in LONG])
def test_long_work_has_a_bar_in_a_terminal_and_none_in_a_pipe(
    folder: Path, words: tuple[str, ...], title: str
) -> None:
    text = shown(folder, 100, *words)
    assert title in text
    assert "\x1b[2K" in text  # and it is gone afterwards
    assert title not in piped(folder, *words)
    assert title not in piped(folder, *words, FORCE_COLOR="1", TTY_COMPATIBLE="1")


@pytest.mark.usefixtures("slow")
def test_where_lines_are_printed_to_the_same_terminal_there_is_no_bar(folder: Path) -> None:
    assert "reading the log" not in shown(folder, 100, "log", "jobs.py", "--all")


def test_short_work_has_no_bar(folder: Path) -> None:
    assert "\x1b[2K" not in shown(folder, 100, "log", "jobs.py", "--output", "log.jsonl")


def test_who_reads_no_further_is_no_error(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "log.db")) as db, db:
        db.executemany(
            "INSERT INTO record (seq, task, action, at) VALUES (?, 'load', 'run', 0)",
            ((n,) for n in range(100, 10_000)),
        )
    process = subprocess.Popen(
        [*ONCUE, "log", "jobs.py", "--all"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stderr is not None
    assert "#1" in process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(LIMIT) in (0, 1, -signal.SIGPIPE)
