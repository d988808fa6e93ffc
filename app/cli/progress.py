"""How far a long work has come: a bar on standard error, and only where that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

PATIENCE = 0.5  # seconds that nobody needs a bar for

Done = Callable[[float], object]


@contextmanager
def progress(what: str, *, beside_output: bool = False) -> Iterator[Done]:
    """Gives a function that is told how much is done, from 0 to 1; until it is told anything the
    bar only moves. With `beside_output` lines go to standard output meanwhile, so there is no bar
    where that is a terminal too. It is gone when the work is done."""
    console = Console(stderr=True)
    seen = sys.stderr.isatty() and console.is_interactive  # what is forced is no terminal
    if not seen or (beside_output and sys.stdout.isatty()):
        yield lambda share: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    bar = Progress(*columns, TimeRemainingColumn(), console=console, transient=True)
    work = bar.add_task(what, total=None)
    later = Timer(PATIENCE, bar.start)
    later.daemon = True
    later.start()
    try:
        yield lambda share: bar.update(work, completed=share, total=1.0)
    finally:
        later.cancel()
        later.join()
        bar.stop()
