"""What Rocketry and Red Engine call otherwise, and what they have that oncue has not.

Modules are below `rocketry` or `redengine`; those of oncue below `oncue`. What is to be done by
hand is said in the words that the report uses.
"""

from __future__ import annotations

from ...conds.build import __all__ as CONDITIONS
from ..compat import TASK_GONE as TASK_GONE

PEERS = {"rocketry": "Rocketry", "redengine": "Red Engine"}
LOGGERS = {
    f"{peer}{rest}": f"oncue{rest}" for peer in PEERS for rest in ("", ".task", ".scheduler")
}

# --- imports ------------------------------------------------------------------------------------

MODULES = {
    "": "",
    "application": "",
    "session": "",
    "core": "",
    "core.task": "",
    "core.parameters": "",
    "core.parameters.arguments": "",
    "parse": "",
    "parse.condition": "",
    "args": "args",
    "args.builtin": "args",
    "args.secret": "args",
    "conds": "conds",
    "conditions.api": "conds",
    "exc": "exc",
    "log": "log",
    "log.log_record": "log",
    "tasks": "tasks",
    "tasks.func": "tasks",
    "tasks.command": "tasks",
    "tasks.code": "tasks",
}
"""Where the names of a module are now, but for those that NAMES puts elsewhere."""

OTHER_MODULES = frozenset(
    "conditions conditions.func conditions.meta conditions.parameter conditions.scheduler "
    "conditions.task conditions.task.task conditions.time core.condition core.condition.base "
    "core.condition.statement core.hook core.log core.schedule core.time core.time.base core.utils "
    "config log.handlers parameters pybox tasks.maintain tasks.maintain.os tasks.run_id time "
    "time.cron time.delta time.interval utils utils.dependencies".split()
)
"""Modules that have no counterpart as a whole."""

NAMES = {
    "Rocketry": ("", "App"),
    "RedEngine": ("", "App"),
    "Grouper": ("", "Grouper"),
    "Session": ("", "Session"),
    "Task": ("", "Task"),
    "parse_condition": ("", "parse"),
    "BaseArgument": ("args", "BaseArgument"),
    "FuncTask": ("tasks", "FuncTask"),
    "CommandTask": ("tasks", "CommandTask"),
    "CodeTask": ("tasks", "CodeTask"),
}
"""Of the modules that went to the root: the module and the name there are now."""

SAME = {
    "args": frozenset(
        "Arg BaseArgument CliArg Config EnvArg FuncArg Private Return SchedulerLogger Session "
        "SimpleArg Task TaskLogger TerminationFlag argument".split()
    ),
    "conds": frozenset(CONDITIONS),
    "exc": frozenset(
        "SchedulerExit SchedulerRestart TaskInactionException TaskTerminationException".split()
    ),
    "log": frozenset(
        "LogRecord MinimalRecord MinimalRunRecord RunRecord TaskLogRecord TaskRunRecord".split()
    ),
    "tasks": frozenset(("FuncTask", "CommandTask", "CodeTask")),
}
"""The names that are in a module of oncue as they were."""


def counterpart(module: str, name: str) -> tuple[str, str] | None:
    """Module and name of what has taken the place of a name; None where nothing has."""
    home = MODULES.get(module)
    if home == "":
        return NAMES.get(name)
    return (home, name) if home is not None and name in SAME[home] else None


FUNCTION_CONDITION = (
    "write a function, and `@app.cond(…)` or `@condition()` from oncue.conds above it; "
    "it may take arguments, `Task()` and `Session()` among them"
)
PERIOD = "as a condition write `time_of_{unit}` from oncue.conds, with between, after, before or at"
PAST = "say `past` or `every` in a condition"
HISTORY = "write `{name}` from oncue.conds: `{name}('x').today >= 2`"
STORE = (
    "the log is kept by a store, not by Red Bird: `App('jobs.db')` keeps it in an SQLite file, "
    "`session.get_repo()` reads it; an old log is not carried over"
)

BY_HAND = {
    "BaseCondition": FUNCTION_CONDITION,
    "Statement": FUNCTION_CONDITION,
    "Comparable": FUNCTION_CONDITION,
    "Historical": FUNCTION_CONDITION,
    "FuncCond": FUNCTION_CONDITION,
    "TaskCond": "make the check a task of its own, and say `task 'check' has succeeded past D` "
    "in the condition; or `@app.cond(…, every='30 s')`",
    "AlwaysTrue": "write `true` from oncue.conds",
    "AlwaysFalse": "write `false` from oncue.conds",
    "All": "join conditions by `&`, or by `all_of` from oncue.conds",
    "Any": "join conditions by `|`, or by `any_of` from oncue.conds",
    "Not": "write `~` before the condition",
    "IsPeriod": "use the condition itself: `time_of_day.between(…)` from oncue.conds",
    "TaskExecutable": "write `daily` and its like from oncue.conds; retries are an option of the "
    "task",
    "TaskRunnable": "write `every(…)` or `cron(…)` from oncue.conds",
    "TaskRunning": "write `running` from oncue.conds: `running('x') >= 2`",
    "TaskStarted": HISTORY.format(name="started"),
    "TaskSucceeded": HISTORY.format(name="succeeded"),
    "TaskFailed": HISTORY.format(name="failed"),
    "TaskFinished": HISTORY.format(name="finished"),
    "TaskTerminated": HISTORY.format(name="terminated"),
    "TaskInacted": HISTORY.format(name="inacted"),
    "DependSuccess": "write `after_success('x')` from oncue.conds",
    "DependFailure": "write `after_fail('x')` from oncue.conds",
    "DependFinish": "write `after_finish('x')` from oncue.conds",
    "Retry": "write `retry(n)` from oncue.conds",
    "SchedulerStarted": "write `scheduler_running(less_than=…)` from oncue.conds",
    "SchedulerCycles": "write `scheduler_cycles(more_than=…)` from oncue.conds",
    "ParamExists": "write `param_exists('x')` or `param_is('x', 'y')` from oncue.conds",
    "IsEnv": "write `env('x')` from oncue.conds",
    "TimeOfSecond": PERIOD.format(unit="second"),
    "TimeOfMinute": PERIOD.format(unit="minute"),
    "TimeOfHour": PERIOD.format(unit="hour"),
    "TimeOfDay": PERIOD.format(unit="day"),
    "TimeOfWeek": PERIOD.format(unit="week"),
    "TimeOfMonth": PERIOD.format(unit="month"),
    "TimeOfYear": PERIOD.format(unit="year"),
    "TimeDelta": PAST,
    "TimeSpanDelta": PAST,
    "StaticInterval": "write `dates_between(…)` from oncue.conds",
    "RelativeDay": "say `today` in a condition; there is no `yesterday`",
    "Cron": "write `crontime(…)` from oncue.conds",
    "TimePeriod": "a period of your own is a condition of your own: `@app.cond(…)`",
    "Scheduler": "it is not a part that users reach; what it did is on `app.session`",
    "Parameters": "a dictionary does; the session's is `app.session.parameters`",
    "add_condition_parser": "write `@app.cond('the text')` above the function",
    "session": "there is no session without an app: take `app.session`",
    "ShutDown": "write a task that calls `session.shut_down()`, or raise `SchedulerExit`",
    "Restart": "write a task that calls `session.restart()`, or raise `SchedulerRestart`",
    "TaskSetupError": "catch OncueError from oncue.exc",
    "TaskLoggingError": "catch StoreError from oncue.exc",
    "get_dependencies": "there is none; `task.explain()` says what a task waits for",
    "Config": "give the options to `App(…)`, by keyword or as `config={…}`",
    "always": "write `true` from oncue.conds",
    "never": "write `false` from oncue.conds",
    "Interval": "a pair of datetimes does; `oncue.windows(…)` gives those of a condition",
    "ParserError": "catch ConditionSyntaxError from oncue",
    "parse_time": "write `oncue.parse('time of …')`, and `oncue.windows(…)` of it",
    "*": "import what is used by its name",
    "increment": "give `func_run_id` a function of your own",
}
"""Names without a counterpart: what to do instead."""

# --- configuration and options ------------------------------------------------------------------

CONFIG_RENAMED = {"task_execution": "execution"}
CONFIG_WITHOUT_EFFECT = frozenset(("use_instance_naming", "task_priority", "debug"))
CONFIG_GONE = {
    "cls_lock": "leave it out: options may be assigned from any thread",
    "task_logger_basename": "leave it out: the logger is `oncue.task`",
    "scheduler_logger_basename": "leave it out: the logger is `oncue.scheduler`",
}

TASK_RENAMED = {"permanent_task": "permanent"}
TASK_ATTRIBUTES_GONE = {
    "func": "it is `function`; to have another, define another task",
    "period": "there is none; ask `task.next_due` or `oncue next`",
    "json": "there is none; an option is an attribute, `repr(task)` is for people",
    "is_alive_as_main": "write `is_alive()`",
    "start": "to run it apart from the app, write `session.run('its name')`",
    **{name: TASK_GONE[name] for name in ("daemon", "batches", "lock", "fmt_log_message")},
}
LAST = frozenset("last_run last_success last_fail last_terminate last_inaction last_crash".split())

APP_GONE = {  # attributes, and what an app is made with
    "parameters": "call `app.params(…)`",
    "delete_existing_loggers": "leave it out: an app has a log of its own",
    "set_logger": "take the logger by `logging.getLogger('oncue.task')`",
}
SESSION_RENAMED = {"shutdown": "shut_down", "start": "run"}
SESSION_GONE = {
    "set_repo": STORE,
    "get_task_log": "write `session.get_repo().filter_by(…).all()`",
    "get_task_loggers": "there is one logger, `oncue.task`",
    "delete_task_loggers": "there is one logger, `oncue.task`",
    "set_as_default": "leave it out: there is no default session",
    "clear": "make a new app",
    "get_time": "take `time.time()`",
    "get_current_time": "take `datetime.now()`",
    "scheduler": "it is not a part that users reach; what it did is on the session",
    "add_condition_parser": BY_HAND["add_condition_parser"],
    "cond_parsers": BY_HAND["add_condition_parser"],
}
