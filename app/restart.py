"""How an app begins again, once it has ended in order (`config.restarting`).

`replace`: this process runs the same program anew. `relaunch`: a new process does, and this one
ends. `fresh`: the same in a console of its own, where the system has such (elsewhere, in a session
of its own). `recall`: this process serves the app again, with everything as it is.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

WAYS = ("replace", "relaunch", "fresh", "recall")


def program() -> list[str]:
    """The command line that started this process."""
    return [sys.executable, *sys.orig_argv[1:]]


def restart(way: str) -> None:
    """Begin again in another process; returns where this one is only to end."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    if way == "replace" and os.name == "posix":
        os.execv(sys.executable, program())
    subprocess.Popen(program(), **apart(way))


def apart(way: str) -> dict[str, Any]:
    if way != "fresh":
        return {}
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_CONSOLE}
    return {"start_new_session": True}
