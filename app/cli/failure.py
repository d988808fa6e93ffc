"""How a command fails: in one line, with what to do about it.

The line names the place in the user's own files where there is one, and what was raised. The
traceback is printed only with `--debug`, which every command has.
"""

from __future__ import annotations

import errno
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import walk_tb

import click

from ...conds.diagnostic import printable
from ...grammar.errors import ConditionSyntaxError
from ..errors import OncueError

ASKED = f"{__name__}.debug"
OURS = __package__.partition(".")[0]
LIBRARIES = {Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")}


def ask(ctx: click.Context, _: click.Parameter, said: bool) -> None:
    ctx.meta[ASKED] = said or ctx.meta.get(ASKED, False)


DEBUG = click.Option(
    ["--debug"],
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=ask,
    help="Print the traceback of what goes wrong.",
)


class Misused(click.ClickException):
    """A command line that cannot be."""

    exit_code = 2


@contextmanager
def in_one_line(ctx: click.Context | None = None) -> Iterator[None]:
    """Whatever is raised here ends as one line, or as its traceback where that was asked for."""
    try:
        yield
    except (click.exceptions.NoArgsIsHelpError, click.exceptions.Exit, click.Abort):
        raise
    except click.UsageError as error:
        raise Misused(misuse(error)) from error
    except Exception as error:
        if ctx is not None and ctx.meta.get(ASKED):
            raise (error.__cause__ or error) if isinstance(error, click.ClickException) else error
        if isinstance(error, click.ClickException) or is_broken_pipe(error):
            raise
        raise click.ClickException(told(error)) from error


def is_broken_pipe(error: Exception) -> bool:
    """Nobody reads on, as with `| head`: click ends in silence."""
    return isinstance(error, OSError) and error.errno == errno.EPIPE


def misuse(error: click.UsageError) -> str:
    said = " ".join(error.format_message().split())
    command = "oncue" if error.ctx is None else error.ctx.command_path
    return f"{said.rstrip('.')} (see {command} --help)"


def told(error: Exception) -> str:
    place = place_of(error)
    if isinstance(error, ConditionSyntaxError):  # its line and its caret are the cure
        return f"{place}{error}"
    said = str(error.msg if isinstance(error, SyntaxError) else error)
    plain = printable(" ".join(said.split()))
    if isinstance(error, OncueError):  # which says what would be right
        return f"{place}{plain}"
    what = ": ".join(filter(None, (type(error).__name__, plain)))
    return f"{place}{what}; --debug prints the traceback"


def place_of(error: Exception) -> str:
    """The last line of a user's own file on the way to the error, `jobs.py:12: `."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{shown(error.filename)}:{error.lineno}: "
    found = ""
    for frame, line in walk_tb(error.__traceback__):
        module = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        file = Path(frame.f_code.co_filename)
        ours = module == OURS or module in sys.stdlib_module_names
        if not ours and not any(file.is_relative_to(folder) for folder in LIBRARIES):
            found = f"{shown(str(file))}:{line}: "
    return found


def shown(file: str) -> str:
    """The path as short as it is from here."""
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file
