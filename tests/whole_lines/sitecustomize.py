"""For programs that tests run: tasks in threads print at the same time, and the lines that a test
looks for are to be whole. Python imports this by itself where it is on the path."""

import builtins
import threading
from typing import Any

_lock = threading.Lock()
_print = builtins.print


def whole(*values: Any, **options: Any) -> None:
    with _lock:
        _print(*values, **options)


builtins.print = whole
