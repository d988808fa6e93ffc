"""What a task runs, where it is not simply a function: a function in a file, a command, code.

Each is a small frozen value, called with the task's parameters as any function is; it is checked
when it is made and pickles by its fields, so every executor takes it.
"""

from __future__ import annotations

import asyncio
import codecs
import hashlib
import importlib
import importlib.util
import inspect
import linecache
import logging
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from keyword import iskeyword
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from .errors import DefinitionError, PlainFailure

COMMAND_GRACE = 5.0  # seconds between SIGTERM and SIGKILL for a command's process group
ERROR_KEPT = 64 * 1024  # characters of a command's stderr, from its end, that its failure shows
CHUNK = 64 * 1024  # bytes read at once
LINE = 64 * 1024  # characters; a longer line is cut in the log

own_groups = os.name != "nt"
"""Whether a command gets a process group of its own. In a worker process, which leads a group and
is ended with all of it, it does not."""

output_log = logging.getLogger("oncue.output")

YIELDS = (
    "a function that yields makes a generator when it is called, and does nothing; let it return, "
    "or iterate inside it"
)


def refuse_generator(function: Callable[..., object], what: str) -> None:
    """Raise DefinitionError for what does nothing when it is called."""
    code = code_of(function)
    if inspect.isgeneratorfunction(code) or inspect.isasyncgenfunction(code):
        raise DefinitionError(f"{what}: {YIELDS}")


def is_awaited(function: Callable[..., object]) -> bool:
    """Whether what it returns is to be awaited, as far as that is known before it is called."""
    code = code_of(function)
    marked = code is not function and inspect.iscoroutinefunction(function)
    return marked or inspect.iscoroutinefunction(code)


def code_of(function: Any) -> Any:
    """What runs when it is called: of an object that is no function, its class's `__call__`."""
    while isinstance(function, partial):
        function = function.func
    is_plain = inspect.isroutine(function) or isinstance(function, type)
    return function if is_plain else type(function).__call__


def called(function: object) -> object:
    """What a message calls it."""
    return getattr(function, "__name__", function)


class CommandError(PlainFailure):
    """A command that did not end well; the text says how, with what it wrote to stderr."""


# --- a function in a file -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DelayedFunction:
    """A function that is looked up when it runs: its file is read each time, so an edited file
    needs no restart. A relative `path` is of the folder in which the task is defined.

    The folder of the file (of its outermost package, where it lies in one) is appended to
    `sys.path`, and stays there. Parameters that the function does not take are left out.
    """

    path: str
    func_name: str = "main"

    def __post_init__(self) -> None:
        if not isinstance(self.func_name, str) or not self.func_name.isidentifier():
            raise DefinitionError(f"func_name {self.func_name!r} is not the name of a function")
        if Path(self.path).suffix != ".py":
            raise DefinitionError(f"path {self.path!r} is not that of a Python file, a .py")
        object.__setattr__(self, "path", os.path.abspath(self.path))

    @property
    def __name__(self) -> str:
        return f"{Path(self.path).stem}:{self.func_name}"

    def load(self) -> Callable[..., object]:
        """The function, from the file as it is now. Raises what the file's code raises."""
        module = module_at(Path(self.path))
        function = getattr(module, self.func_name, None)
        if not callable(function):
            raise AttributeError(f"there is no function {self.func_name!r} in {self.path}")
        refuse_generator(function, f"function {self.func_name!r} in {self.path}")
        found: Callable[..., object] = function
        return found

    def __call__(self, **parameters: object) -> object:
        function = self.load()
        return function(**accepted(function, parameters))


def module_at(file: Path) -> ModuleType:
    """The file, read and run as a module of its package. Its name is one that no import uses, so
    a `json.py` of the user's is not taken for the library's; it stays in `sys.modules` until the
    next time, as pickles and dataclasses need it there."""
    root, parents = file.parent, list[str]()
    while (root / "__init__.py").exists():
        parents.insert(0, root.name)
        root = root.parent
    if str(root) not in sys.path:
        sys.path.append(str(root))
    mark = hashlib.sha256(os.fsencode(file)).hexdigest()[:8]
    name = ".".join([*parents, f"_oncue_{file.stem}_{mark}"])
    if parents:
        importlib.import_module(".".join(parents))
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    code = compile(file.read_bytes(), str(file), "exec")  # a cached one may be a second too old
    sys.modules[name] = module
    exec(code, module.__dict__)
    return module


def accepted(function: Callable[..., object], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the parameters that the function takes by name."""
    takes = inspect.signature(function).parameters
    if any(p.kind is p.VAR_KEYWORD for p in takes.values()):
        return dict(parameters)
    by_name = {name for name, p in takes.items() if p.kind is not p.POSITIONAL_ONLY}
    return {name: value for name, value in parameters.items() if name in by_name}


# --- code ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Code:
    """Source text, run with the parameters as its globals; what it leaves in `output_variable`
    is the return value. It can do all that this process can: never take it from outside."""

    code: str
    output_variable: str = "return_value"

    def __post_init__(self) -> None:
        if not isinstance(self.code, str):
            raise DefinitionError(f"code={self.code!r}: it is the text of a program")
        variable = self.output_variable
        if not isinstance(variable, str) or not variable.isidentifier() or iskeyword(variable):
            raise DefinitionError(f"output_variable {variable!r} is no variable's name")
        try:
            compile(self.code, "<code>", "exec")
        except (SyntaxError, ValueError) as error:
            raise DefinitionError(f"code: {error}") from error

    @property
    def __name__(self) -> str:
        return f"code-{hashlib.sha256(self.code.encode()).hexdigest()[:8]}"

    def __call__(self, **parameters: object) -> object:
        file = f"<{self.__name__}>"
        lines = self.code.splitlines(keepends=True)
        linecache.cache[file] = (len(self.code), None, lines, file)  # tracebacks show its lines
        variables = {"__name__": self.__name__, **parameters}
        exec(compile(self.code, file, "exec"), variables)
        return variables.get(self.output_variable)


# --- a command ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Command:
    """A program, or a line for the shell, in a process group of its own.

    Text without `shell` is split as a shell would. `env` is added to our environment (None takes
    a variable out). Parameters become arguments: `--name value`, or `-name value` for `short`.
    What it writes to stdout is the return value; each line of stdout and stderr goes to the
    logger `oncue.output` at once. An exit code but 0 raises CommandError with the end of stderr.
    Whatever ends the run ends the group: SIGTERM, and SIGKILL after `COMMAND_GRACE` seconds.
    """

    command: str | tuple[str, ...]
    shell: bool = False
    cwd: str | None = None
    env: tuple[tuple[str, str | None], ...] = ()
    argform: Literal["long", "short"] = "long"
    name: str = ""

    @classmethod
    def of(
        cls,
        command: str | list[str] | tuple[str, ...],
        *,
        shell: bool = False,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str | None] | None = None,
        argform: str = "long",
        name: str = "",
    ) -> Command:
        """The command as users write it; `--` and `-` mean long and short too. `name` is the
        task's, for the log. Raises DefinitionError for what can be no command."""
        forms: dict[str, Literal["long", "short"]] = {
            "long": "long", "--": "long", "short": "short", "-": "short",
        }  # fmt: skip
        if not isinstance(argform, str) or argform not in forms:
            raise DefinitionError(f"argform {argform!r} is none of 'long' (--x) and 'short' (-x)")
        if not isinstance(shell, bool):
            raise DefinitionError(f"shell={shell!r}: it is True or False")
        if cwd is not None and not isinstance(cwd, str | os.PathLike):
            raise DefinitionError(f"cwd={cwd!r}: it is the path of a folder")
        folder = None if cwd is None else os.fspath(cwd)
        variables = () if env is None else variables_of(env)
        made = cls(words_of(command), shell, folder, variables, forms[argform], name)
        made.words({})
        return made

    @property
    def __name__(self) -> str:
        """The command, in one line."""
        text = self._text
        return text if text.isprintable() else " ".join(text.split())

    @property
    def _text(self) -> str:
        return self.command if isinstance(self.command, str) else shlex.join(self.command)

    def words(self, parameters: Mapping[str, object]) -> list[str]:
        """The program and its arguments; one line for the shell."""
        dash = "--" if self.argform == "long" else "-"
        extra = [word for key, value in parameters.items() for word in (dash + key, str(value))]
        if self.shell:
            words = [" ".join([self._text, *map(shlex.quote, extra)])]
        else:
            words = [*self._split(), *extra]
        if not words or not words[0].strip():
            raise DefinitionError("command: there is no program to run in an empty text")
        return words

    def _split(self) -> list[str]:
        if not isinstance(self.command, str):
            return list(self.command)
        try:
            return shlex.split(self.command, posix=os.name != "nt")
        except ValueError as error:
            raise DefinitionError(f"command {self.command!r}: {str(error).lower()}") from error

    async def __call__(self, **parameters: object) -> str:
        process = await self._begin(parameters)
        try:
            assert process.stdout is not None and process.stderr is not None
            name = self.name or self.__name__
            out, err = Output(name, "stdout"), Output(name, "stderr")
            await asyncio.gather(out.follow(process.stdout), err.follow(process.stderr))
            code = await process.wait()
        except BaseException:
            await end_group(process)
            raise
        if code:
            raise CommandError(said(self.__name__, code, err.text))
        return out.text

    async def _begin(self, parameters: Mapping[str, object]) -> asyncio.subprocess.Process:
        words = self.words(parameters)
        changed = {**os.environ, **dict(self.env)}
        options: dict[str, Any] = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "cwd": self.cwd,
            "env": {key: value for key, value in changed.items() if value is not None},
            "start_new_session": own_groups,
        }
        try:
            if self.shell:
                return await asyncio.create_subprocess_shell(words[0], **options)
            return await asyncio.create_subprocess_exec(*words, **options)
        except (OSError, ValueError) as error:  # the second of a null character
            raise CommandError(
                f"the command {self.__name__!r} cannot be started: {error}"
            ) from None


def words_of(command: object) -> str | tuple[str, ...]:
    """A command's text, or its words."""
    if isinstance(command, str):
        if "\0" in command:
            raise DefinitionError(f"command={command!r}: no program can be given a null character")
        return command
    if not isinstance(command, list | tuple):
        raise DefinitionError(f"command={command!r}: it is text or a list of words")
    for word in command:
        if not isinstance(word, str | int | float | os.PathLike) or "\0" in str(word):
            raise DefinitionError(f"command={command!r}: {word!r} is no word, nor a path or number")
    return tuple(map(str, command))


def variables_of(env: object) -> tuple[tuple[str, str | None], ...]:
    """What a command's environment has besides ours; None where it has less."""
    if not isinstance(env, Mapping):
        raise DefinitionError(f"env={env!r}: it is a dictionary of variables, {{'NAME': 'text'}}")
    for name, value in env.items():
        if not isinstance(name, str) or not name or "=" in name or "\0" in name:
            raise DefinitionError(f"env: {name!r} can be no variable's name")
        if value is not None and (not isinstance(value, str) or "\0" in value):
            raise DefinitionError(f"env[{name!r}]={value!r}: it is text, or None to take it out")
    return tuple(env.items())


class Output:
    """One stream of a command: its text, whatever bytes it is made of, and its lines to the log
    as they come. Of stderr only the end is kept."""

    def __init__(self, task: str, stream: str) -> None:
        self._extra = {"task_name": task, "stream": stream}
        self._kept = ERROR_KEPT if stream == "stderr" else None
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._line = ""
        self._parts: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self._parts)

    async def follow(self, reader: asyncio.StreamReader) -> None:
        while chunk := await reader.read(CHUNK):
            self._take(self._decoder.decode(chunk))
        self._take(self._decoder.decode(b"", True))
        if self._line:
            output_log.info("%s", self._line, extra=self._extra)

    def _take(self, text: str) -> None:
        self._parts.append(text)
        if self._kept is not None and len(self._parts) > 1:
            self._parts = ["".join(self._parts)[-self._kept :]]
        *lines, self._line = (self._line + text).split("\n")
        if len(self._line) > LINE:
            lines.append(self._line)
            self._line = ""
        for line in lines:
            output_log.info("%s", line.removesuffix("\r"), extra=self._extra)


def said(command: str, code: int, stderr: str) -> str:
    """How the command ended, in words."""
    how = f"ended by {signal_name(-code)}" if code < 0 else f"exited with {code}"
    return f"the command {command!r} {how}\n{stderr}".rstrip()


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


async def end_group(process: asyncio.subprocess.Process) -> None:
    """SIGTERM to all of the command's group, SIGKILL to what then still runs. A second
    cancellation kills at once. What has left the group is not waited for, though it may have the
    pipes."""
    try:
        tell_group(process, signal.SIGTERM)
        await asyncio.wait_for(process.wait(), COMMAND_GRACE)
    except TimeoutError:
        pass
    finally:
        tell_group(process, None)
        process._transport.close()  # type: ignore[attr-defined]  # of pipes there is no other way
    await process.wait()


def tell_group(process: asyncio.subprocess.Process, number: signal.Signals | None) -> None:
    """Send a signal to the group, None to kill it; one that is gone already is no error."""
    try:
        if sys.platform != "win32" and own_groups:
            os.killpg(process.pid, number or signal.SIGKILL)
        elif number is None:
            process.kill()
        else:
            process.send_signal(number)
    except (ProcessLookupError, PermissionError):
        return
