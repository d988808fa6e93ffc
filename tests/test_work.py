"""What a task runs: functions in files, commands, code; by whichever executor."""

import asyncio
import logging
import os
import pickle
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from oncue.app import work as work_module
from oncue.app.errors import DefinitionError
from oncue.app.executors import EXECUTIONS, Call, Ending, Running, pack
from oncue.app.executors import process as process_module
from oncue.app.work import Code, Command, CommandError, DelayedFunction
from oncue.engine.records import Action
from oncue.tasks import CommandTask, FuncTask

ALL = sorted(EXECUTIONS)
LIMIT = 60
POSIX = sys.platform != "win32"


def one(execution: str, work: Callable[..., object], **arguments: object) -> Ending:
    """How the work ended; it was pickled before, as all of it can be."""

    async def story() -> Ending:
        executor = EXECUTIONS[execution]()
        ended: asyncio.Queue[Ending] = asyncio.Queue()
        again = pickle.loads(pickle.dumps(work))
        assert again == work
        await executor.start(Call(again, ended.put_nowait, arguments))
        ending = await asyncio.wait_for(ended.get(), LIMIT)
        await executor.close()
        return ending

    return asyncio.run(story())


def python(code: str, **options: Any) -> Command:
    return Command.of([sys.executable, "-c", code], **options)


# --- code -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("execution", ALL)
def test_code_is_given_parameters_and_leaves_a_value(execution: str) -> None:
    code = Code("total = x + y\nreturn_value = total * 2")
    assert one(execution, code, x=1, y=2) == Ending(Action.SUCCESS, 6)


@pytest.mark.parametrize(
    ("code", "value"),
    [
        (Code("x = 1"), None),
        (Code("x = 1", output_variable="x"), 1),
        (Code("def f():\n    return g()\ndef g():\n    return 3\nreturn_value = f()"), 3),
        (Code("return_value = __name__"), "code-"),
    ],
)
def test_the_value_of_code(code: Code, value: object) -> None:
    found = code()
    assert found == value or str(found).startswith(str(value))


@pytest.mark.parametrize("execution", ALL)
def test_failing_code_shows_its_line(execution: str) -> None:
    error = one(execution, Code("x = 0\nreturn_value = 1 / x")).error
    assert error is not None
    assert error.splitlines()[1].startswith('  File "<code-')
    assert "return_value = 1 / x" in error
    assert error.endswith("ZeroDivisionError: division by zero")


def test_code_is_called_by_its_hash() -> None:
    assert Code("x = 1").__name__ == Code("x = 1").__name__ != Code("x = 2").__name__
    assert Code("x = 1").__name__.startswith("code-")
    assert len(Code("x = 1").__name__) == len("code-") + 8


@pytest.mark.parametrize(
    ("define", "message"),
    [
        (lambda: Code("x = = 1"), "code: invalid syntax"),
        (lambda: Code("x = '\0'"), "code: source code"),
        (lambda: Code("x = 1", output_variable="a b"), "'a b' is no variable's name"),
        (lambda: DelayedFunction("a.py", "a b"), "'a b' is not the name of a function"),
        (lambda: DelayedFunction("a.txt"), r"a.txt' is not that of a Python file, a .py"),
        (lambda: Command.of(""), "there is no program to run in an empty text"),
        (lambda: Command.of([]), "there is no program to run in an empty text"),
        (lambda: Command.of(" ", shell=True), "there is no program to run in an empty text"),
        (lambda: Command.of("say 'hello"), "no closing quotation"),
        (lambda: Command.of("ls", argform="+"), r"argform '\+' is none of 'long'"),
        (lambda: Code(5), "code=5: it is the text of a program"),  # type: ignore[arg-type]
        (lambda: Code("x = 1", "class"), "'class' is no variable's name"),
        (lambda: Code("x = 1", 5), "5 is no variable's name"),  # type: ignore[arg-type]
        (lambda: DelayedFunction("a.py", 5), "func_name 5 is not"),  # type: ignore[arg-type]
        (lambda: CommandTask("ls", argform=[]), r"argform \[\] is none of 'long'"),  # type: ignore[arg-type]
        (lambda: CommandTask("ls", shell="no"), "shell='no': it is True or False"),  # type: ignore[arg-type]
        (lambda: CommandTask("ls", cwd=5), "cwd=5: it is the path of a folder"),  # type: ignore[arg-type]
        (lambda: CommandTask("ls", env="A=1"), "env='A=1': it is a dictionary"),  # type: ignore[arg-type]
        (lambda: CommandTask("ls", env={"A": 1}), r"env\['A'\]=1: it is text, or None"),  # type: ignore[dict-item]
        (lambda: CommandTask("ls", env={"A=B": "1"}), "env: 'A=B' can be no variable's name"),
        (lambda: CommandTask(["ls", None]), "None is no word"),  # type: ignore[list-item]
        (lambda: CommandTask(["ls", "a\0b"], name="ls"), r"'a\\x00b' is no word"),
        (lambda: CommandTask("ls a\0b", name="ls"), "can be given a null character"),
        (lambda: CommandTask("ls \x1b"), r"'ls \\x1b' has .* printed; give .* name="),
        (lambda: CommandTask("ls " + "a" * 999), r"at most 1000; give the task another: .*name="),
        (lambda: FuncTask(path=5), "path=5: it is the path of a Python file"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_run_is_refused_at_definition(
    define: Callable[[], object], message: str
) -> None:
    with pytest.raises(DefinitionError, match=message):
        define()


# --- a function in a file -------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    path, modules = list(sys.path), set(sys.modules)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def write(file: Path, text: str) -> str:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return str(file)


@pytest.mark.parametrize("execution", ALL)
def test_a_delayed_function_runs(execution: str, folder: Path) -> None:
    file = write(folder / "job.py", "def main(x):\n    return x + 1\n")
    assert one(execution, DelayedFunction(file), x=1) == Ending(Action.SUCCESS, 2)


@pytest.mark.parametrize("execution", ALL)
def test_a_delayed_coroutine_runs(execution: str, folder: Path) -> None:
    file = write(folder / "job.py", "async def later():\n    return 'awaited'\n")
    assert one(execution, DelayedFunction(file, "later")).value == "awaited"


def test_the_file_is_read_each_time(folder: Path) -> None:
    before = set(sys.modules)
    file = folder / "job.py"
    work = DelayedFunction(write(file, "def main():\n    return 1\n"))
    assert work() == 1
    write(file, "def main():\n    return 2\n")  # as long, and within the same second
    assert work() == 2
    assert len([name for name in set(sys.modules) - before if "_oncue_job" in name]) == 1


def test_nothing_is_read_at_definition(folder: Path) -> None:
    work = DelayedFunction(str(folder / "later.py"))
    assert work.__name__ == "later:main"
    with pytest.raises(FileNotFoundError):
        work()
    write(folder / "later.py", "def main(): return 'here'")
    assert work() == "here"


def test_a_relative_path_is_of_where_it_was_defined(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder / "job.py", "def main(): return 'here'")
    monkeypatch.chdir(folder)
    work = DelayedFunction("job.py")
    monkeypatch.chdir("/")
    assert work() == "here"


def test_its_neighbours_can_be_imported(folder: Path) -> None:
    write(folder / "its_neighbour_1.py", "VALUE = 7")
    file = write(
        folder / "job.py", "def main():\n    import its_neighbour_1 as n\n    return n.VALUE"
    )
    assert DelayedFunction(file)() == 7


def test_in_a_package_relative_imports_work(folder: Path) -> None:
    write(folder / "its_package" / "__init__.py", "")
    write(folder / "its_package" / "sub" / "__init__.py", "")
    write(folder / "its_package" / "near.py", "VALUE = 8")
    text = "from ..near import VALUE\nfrom its_package import near\ndef main(): return VALUE"
    file = write(folder / "its_package" / "sub" / "job.py", text)
    assert DelayedFunction(file)() == 8
    assert str(folder) in sys.path
    assert str(folder / "its_package" / "sub") not in sys.path


def test_a_file_named_as_a_library_replaces_nothing(folder: Path) -> None:
    import json

    file = write(folder / "json.py", "def main(): return __name__")
    assert str(DelayedFunction(file)()).startswith("_oncue_json_")
    assert sys.modules["json"] is json


def test_dataclasses_of_the_file_work(folder: Path) -> None:
    text = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass(slots=True)\nclass A:\n    x: int\ndef main(): return A(1).x"
    )
    assert DelayedFunction(write(folder / "job.py", text))() == 1


def test_parameters_that_it_does_not_take_are_left_out(folder: Path) -> None:
    file = write(folder / "job.py", "def main(x): return x\ndef all(**more): return more")
    assert DelayedFunction(file)(x=1, y=2) == 1
    assert DelayedFunction(file, "all")(x=1, y=2) == {"x": 1, "y": 2}


@pytest.mark.parametrize("execution", ALL)
def test_a_file_that_fails_is_a_failed_run(execution: str, folder: Path) -> None:
    file = write(folder / "job.py", "x = 1\nraise ValueError('bad luck')\n")
    error = one(execution, DelayedFunction(file)).error
    assert error is not None
    assert f'File "{file}", line 2' in error
    assert error.endswith("ValueError: bad luck")
    assert "app/work.py" not in error


def test_a_function_that_is_not_there_is_said(folder: Path) -> None:
    error = one("thread", DelayedFunction(write(folder / "job.py", "main = 3"))).error
    assert "there is no function 'main' in" in (error or "")


def test_a_function_that_would_do_nothing_fails(folder: Path) -> None:
    file = write(folder / "job.py", "def main():\n    yield 1")
    error = one("thread", DelayedFunction(file)).error
    assert f"function 'main' in {file}: a function that yields" in (error or "")


# --- commands -------------------------------------------------------------------------------------


@pytest.mark.parametrize("execution", ALL)
def test_stdout_is_the_return_value(execution: str) -> None:
    command = python("print('one'); print('two')")
    assert one(execution, command) == Ending(Action.SUCCESS, "one\ntwo\n")


@pytest.mark.parametrize("execution", ALL)
def test_a_command_that_fails_shows_its_stderr(execution: str) -> None:
    ending = one(execution, python("import sys; print('out'); sys.exit('no luck')"))
    assert ending.action is Action.FAIL
    first, second = (ending.error or "").splitlines()
    assert first.startswith("the command ") and first.endswith(" exited with 1")
    assert second == "no luck"


SHOW = "import sys; print(sys.argv[1:])"


@pytest.mark.parametrize(
    ("options", "parameters", "shown"),
    [
        ({}, {}, "[]"),
        ({}, {"name": "a b", "n": 1}, "['--name', 'a b', '--n', '1']"),
        ({"argform": "long"}, {"n": 1}, "['--n', '1']"),
        ({"argform": "--"}, {"n": 1}, "['--n', '1']"),
        ({"argform": "short"}, {"n": 1}, "['-n', '1']"),
        ({"argform": "-"}, {"n": "it's; ls"}, "['-n', \"it's; ls\"]"),
    ],
)
@pytest.mark.parametrize("shell", [False, True])
def test_parameters_become_arguments(
    options: dict[str, Any], parameters: dict[str, object], shown: str, shell: bool
) -> None:
    command = python(SHOW, shell=shell, **options)
    assert one("async", command, **parameters).value == f"{shown}\n"


def test_text_is_split_as_a_shell_would() -> None:
    text = f"{shlex.quote(sys.executable)} -c {shlex.quote(SHOW)} 'a b' c"
    assert one("async", Command.of(text)).value == "['a b', 'c']\n"


@pytest.mark.skipif(not POSIX, reason="sh")
def test_a_command_of_several_lines_has_a_name_in_one() -> None:
    task = CommandTask("\n  echo a\n  echo b; exit 3\n", shell=True)
    assert task.name == "echo a echo b; exit 3"
    assert one("async", task.function).error == f"the command '{task.name}' exited with 3"


@pytest.mark.skipif(not POSIX, reason="sh")
def test_the_shell_does_what_shells_do() -> None:
    command = Command.of("echo $WORD && echo x | tr x y; exit 3", shell=True, env={"WORD": "hello"})
    error = one("async", command).error
    assert (error or "").endswith("exited with 3")
    assert one("async", Command.of("echo x | tr x y", shell=True)).value == "y\n"


def test_where_it_runs_and_with_what(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEPT", "kept")
    monkeypatch.setenv("GONE", "gone")
    code = "import os; e = os.environ; print(os.getcwd(), e.get('KEPT'), e.get('GONE'), e['NEW'])"
    command = python(code, cwd=tmp_path, env={"NEW": "new", "GONE": None})
    assert one("async", command).value == f"{os.path.realpath(tmp_path)} kept None new\n"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (Command.of("no-such-program-here"), "'no-such-program-here' cannot be started: "),
        (python("", cwd="/no/such/folder"), "cannot be started: "),
        (python("import os; os.kill(os.getpid(), 9)"), "ended by SIGKILL"),
    ],
)
def test_how_else_a_command_fails(command: Command, message: str) -> None:
    with pytest.raises(CommandError, match=message):
        asyncio.run(command())


def test_a_parameter_that_no_program_can_be_given_fails_in_plain_words() -> None:
    with pytest.raises(CommandError, match="cannot be started: embedded null"):
        asyncio.run(python("")(x="a\0b"))


@pytest.mark.skipif(not POSIX, reason="a named pipe")
def test_output_comes_to_the_log_while_it_runs(tmp_path: Path) -> None:
    """The command waits, after its first lines, for those who have read them."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    seen: list[tuple[str, str, str]] = []

    class Reader(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            extra = record.__dict__
            seen.append((extra["task_name"], extra["stream"], record.getMessage()))
            if len(seen) == 2:
                threading.Thread(target=pipe.write_text, args=("go on",)).start()

    code = (
        "import sys; print('one', flush=True); print('oops', file=sys.stderr, flush=True);"
        f"print(open({str(pipe)!r}).read(), end='')"
    )
    reader = Reader()
    work_module.output_log.addHandler(reader)
    work_module.output_log.setLevel(logging.INFO)
    try:
        assert one("async", python(code, name="backup")).value == "one\ngo on"
    finally:
        work_module.output_log.removeHandler(reader)
        work_module.output_log.setLevel(logging.NOTSET)
    assert sorted(seen[:2]) == [("backup", "stderr", "oops"), ("backup", "stdout", "one")]
    assert seen[2:] == [("backup", "stdout", "go on")]


def test_output_that_is_no_text_and_long_lines_come_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="oncue.output")
    code = "import sys; sys.stdout.buffer.write(b'\\xff' + '\\u20ac'.encode() * 100_000)"
    value = one("async", python(code)).value
    assert value == "\ufffd" + "\u20ac" * 100_000
    lines = [record.getMessage() for record in caplog.records]
    assert "".join(lines) == value
    assert len(lines) > 1


def test_of_stderr_the_end_is_kept() -> None:
    code = "import sys; sys.stderr.write('x' * 300_000 + 'the end'); sys.exit(1)"
    error = one("async", python(code)).error
    assert error is not None
    assert error.endswith("xthe end")
    assert len(error) < 70_000


# --- terminating a command ------------------------------------------------------------------------

FAMILY = """
import os, signal, subprocess, sys
{deaf}
child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])
with open({pids!r} + '.new', 'w') as file:
    print(os.getpid(), child.pid, file=file)
os.rename({pids!r} + '.new', {pids!r})
child.wait()
"""


def running(pid: str) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="reads /proc")
@pytest.mark.parametrize("execution", ["async", "process", "thread"])
@pytest.mark.parametrize("deaf", [False, True])
def test_terminating_a_command_ends_its_group(
    execution: str, deaf: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work_module, "COMMAND_GRACE", 0.05)
    monkeypatch.setattr(process_module, "TERM_GRACE", 0.05)
    pids = tmp_path / "pids"
    ignore = "signal.signal(signal.SIGTERM, signal.SIG_IGN)" if deaf else ""
    command = python(FAMILY.format(deaf=ignore, pids=str(pids)))

    async def until(seen: Callable[[], bool]) -> None:
        async with asyncio.timeout(LIMIT):
            while not seen():
                await asyncio.sleep(0.001)

    async def story() -> Ending:
        executor = EXECUTIONS[execution]()
        ended: asyncio.Queue[Ending] = asyncio.Queue()
        run: Running = await executor.start(Call(command, ended.put_nowait))
        await until(pids.exists)
        run.terminate()
        ending = await asyncio.wait_for(ended.get(), LIMIT)
        for pid in pids.read_text().split():
            await until(lambda pid=pid: not running(pid))  # type: ignore[misc]
        await executor.close()
        return ending

    assert asyncio.run(story()) == Ending(Action.TERMINATE)


def test_work_goes_to_a_process(tmp_path: Path) -> None:
    for work in (python("1"), Code("x = 1"), DelayedFunction(str(tmp_path / "a.py"))):
        assert pickle.loads(pack(work, {"x": 1}, "task")) == (work, {"x": 1})


LEAVER = """
import os, signal, subprocess, sys, time
{deaf}
left = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], process_group=0)
with open({pid!r} + '.new', 'w') as file:
    print(left.pid, file=file)
os.rename({pid!r} + '.new', {pid!r})
time.sleep(600)
"""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="reads /proc")
@pytest.mark.parametrize("deaf", [False, True])
def test_what_has_left_a_terminated_command_is_not_waited_for(
    deaf: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work_module, "COMMAND_GRACE", 0.05)
    pid = tmp_path / "pid"
    ignore = "signal.signal(signal.SIGTERM, signal.SIG_IGN)" if deaf else ""
    command = python(LEAVER.format(deaf=ignore, pid=str(pid)))

    async def story() -> None:
        before = os.listdir("/proc/self/fd")
        run = asyncio.create_task(command())
        async with asyncio.timeout(LIMIT):
            while not pid.exists():
                await asyncio.sleep(0.001)
            run.cancel()
            with pytest.raises(asyncio.CancelledError):
                await run
        await asyncio.sleep(0)  # in which pipes are closed
        assert os.listdir("/proc/self/fd") == before

    try:
        asyncio.run(story())
    finally:
        os.kill(int(pid.read_text()), signal.SIGKILL)
