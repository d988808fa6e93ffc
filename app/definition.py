"""What makes a task of what is given for it: options are read, filled in and refused."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from ..conds.diagnostic import nearest
from ..conds.durations import Duration
from ..engine.policy import ExecutionMode, FailureMode, Policy
from . import options, timetable
from .binding import asks_for_flag, refuse_in_process
from .compat import OPPOSITES, RENAMED, SWITCHES, TASK_GONE, newer
from .config import LEASE
from .errors import DefinitionError
from .work import Code, Command, DelayedFunction, refuse_generator

if TYPE_CHECKING:
    from .task import Task

AT_LEAST_ONCE = ExecutionMode.AT_LEAST_ONCE
OTHER_WORDS = (
    *SWITCHES, *RENAMED, *OPPOSITES, "command", "path", "code", "func", "func_name",
)  # fmt: skip
"""What besides the options may be meant by a misspelt word."""
OF_OTHERS = {
    **dict.fromkeys(("argform", "cwd", "env", "shell"), "command"),
    "output_variable": "code",
}
"""What is said of some of the things that tasks run."""


scheduler_log = logging.getLogger("oncue.scheduler")

ELSEWHERE = {
    "cron": "schedule",
    "lease": "lease_duration",
    "lease_time": "lease_duration",
    "max_late": "max_lateness",
    "retry": "retries",
    "tz": "timezone",
    "zone": "timezone",
}
"""What options of ours are called by others, too far from our words to be near."""


def read_options(
    kind: type, owner: options.Speaker, given: Mapping[str, Any], words: tuple[str, ...] = ()
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options of a task given by keyword, read; and what else was given, for its `args`.
    Raises DefinitionError for what looks like a misspelt option, or one of these words."""
    known = options.options_of(kind)
    found = newer(given)
    extra = {name: found.pop(name) for name in [*found] if name not in known}
    words = words or (*known, *OTHER_WORDS)
    for name in extra:
        if is_misspelt(name, words):
            hint = options.unknown(name, words)
            if name in ELSEWHERE:
                hint = f"there is no option {name!r}; did you mean {ELSEWHERE[name]!r}?"
            raise DefinitionError(f"{hint} (for context.args it is args={{{name!r}: …}})")
    timetable.refuse_several(found)
    values = options.read_all(kind, owner, found)
    for name in timetable.WAYS:
        if name in values and values[name] is None:
            del values[name]
    return values, extra


@lru_cache(maxsize=1024)
def is_misspelt(name: str, words: tuple[str, ...]) -> bool:
    """Whether a word may be meant to be one of these."""
    return name in ELSEWHERE or bool(nearest(name, words))


def with_extra(
    values: dict[str, Any], extra: Mapping[str, Any], task: Task[..., Any]
) -> dict[str, Any]:
    """The options of a task with those keywords that are no options among its `args`. Raises
    DefinitionError where its function has no context to find them in."""
    word = next(iter(extra))
    if not task.needs.wants_context:
        raise DefinitionError(f"there is no option {word!r}{instead_of(word)}")
    return {**values, "args": joined(values.get("args", {}), extra, task)}


def instead_of(word: str) -> str:
    """What may be meant by a keyword that is no option."""
    if word in TASK_GONE:
        return f" any more: {TASK_GONE[word]}"
    if word in OF_OTHERS:
        return f" but with {OF_OTHERS[word]}=…"
    return (
        ", and the function takes no context to find it in; give it a parameter `context`, or say "
        f"args={{{word!r}: …}}"
    )


def joined(
    args: Mapping[str, Any], extra: Mapping[str, Any], owner: options.Speaker
) -> dict[str, Any]:
    """The `args` of a task, and what was given beside them. Raises DefinitionError for what is
    said twice."""
    for name in extra:
        if name in args:
            raise DefinitionError(f"{name!r} is in args and given beside it; give one")
    return {**args, **options.json_object(extra, "args", owner)}


def said_of(work: Callable[..., object]) -> str | None:
    """What its function says of itself; what is no function of the user's says nothing."""
    while isinstance(work, partial):
        work = work.func
    return None if isinstance(work, Command | Code | DelayedFunction) else inspect.getdoc(work)


def execution_of(task: Task[..., Any]) -> str:
    """How a task runs that does not say."""
    config = None if task._session is None else task._session.config.execution
    return config or ("async" if task.awaited else "thread")


def failure_mode_of(task: Task[..., Any]) -> FailureMode:
    """What becomes of a failed run of a task that does not say."""
    retried = timetable.is_timed(task.values) and task.execution_mode is AT_LEAST_ONCE
    return FailureMode.NONE if retried else FailureMode.COMMIT


def lease_duration_of(task: Task[..., Any]) -> Duration:
    """How long a lease lasts of a task that does not say."""
    return LEASE if task._session is None else task._session.config.lease_duration


@lru_cache(maxsize=256)
def policy(failure: FailureMode, execution: ExecutionMode, lease: int) -> Policy:
    return Policy(failure, execution, lease)


def name_of(work: Callable[..., object], name: str | None) -> str:
    if not callable(work):
        raise DefinitionError(f"{work!r}: a task runs a function")
    given = getattr(work, "__name__", None) if name is None else name
    if name is not None and not isinstance(name, str):
        raise DefinitionError(f"name={name!r}: it is text")
    if not isinstance(given, str) or not given or given == "<lambda>":
        raise DefinitionError(f"the task of {work!r} needs a name: task(…, name='…')")
    hint = "; give the task another: task(…, name='…')" if name is None else ""
    if not given.isprintable():
        raise DefinitionError(f"the name {given!r} has characters that cannot be printed{hint}")
    if options.is_too_long(given):
        raise DefinitionError(options.too_long(given) + hint)
    return given


def refuse_contradictions(task: Task[..., Any]) -> None:
    """What no task can be, said before it is one."""
    refuse_generator(task.function, f"task {task.name!r}")
    if task.on_startup and task.on_shutdown:
        raise DefinitionError(f"task {task.name!r}: on_startup and on_shutdown exclude each other")
    if task.execution_mode is not AT_LEAST_ONCE and task.failure_mode is not FailureMode.COMMIT:
        raise DefinitionError(
            f"task {task.name!r}: what runs at most once is not run again when it fails; drop "
            f"failure_mode={task.failure_mode!s}, or execution_mode=at_most_once"
        )
    if task.needs.arguments or task.parameters:
        refuse_misplaced(task, task.execution)


def refuse_misplaced(task: Task[..., Any], execution: str) -> None:
    """What a task cannot ask for where it is executed like this."""
    given = {**task.needs.arguments, **task.parameters}
    if execution == "process":
        refuse_in_process(given, task.name)
    if execution in ("process", "main") and asks_for_flag(given):
        scheduler_log.warning(
            "task %r asks for a TerminationFlag, which is never set where execution is %r",
            task.name,
            execution,
        )
