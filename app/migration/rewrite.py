"""One file: its edits, and what is told of it.

Each construct that is otherwise in oncue has a method here: calls that make apps, groups and
tasks, attributes of what they made, conditions wherever they are given. What is not known to be a
peer's is left alone.
"""

from __future__ import annotations

import ast
import re

from ...grammar.phrases import Phrases
from ..compat import SWITCHES
from ..config import Config
from ..kinds import KINDS
from ..options import options_of, unknown
from ..task import Task
from . import tables
from .conditions import RED_ENGINE
from .given import Conditions, literal
from .imports import Imports
from .names import Names, divided
from .report import Level, Note
from .source import Source

TASK_MAKERS = frozenset(("FuncTask", "CommandTask", "CodeTask"))
OF_TASKS = frozenset((*options_of(Task), *SWITCHES)) | {
    *KINDS, "name", "func_name", "shell", "cwd", "env", "argform", "output_variable", "session",
}  # fmt: skip

DEFAULT = {
    "Rocketry": "no execution is said: plain functions ran on the scheduler's own thread, and it "
    "waited for them; now each runs in a thread. `App(execution='async')` is as it was",
    RED_ENGINE: "no execution is said: tasks ran in processes; now coroutine functions run on the "
    "loop and plain ones in threads. `App(execution='process')` is as it was",
}
ZONE = (
    "days are those of the zone, of 23 and 25 hours too, and durations are elapsed time; both went "
    "by the wall clock. `last_run` and its like are aware"
)
AWARE = "it is aware, in the task's zone; it was naive unless a timezone was configured"
DISABLED_RUN = "`run()` of a disabled task is refused; `force()` starts it once all the same"
NO_SESSION = "give it `session=app.session`: there is no default session"
NAME_OF_FILE = "its name is `file:function`; it had the folders in it too"
NO_DEFAULT = (
    "where the task has returned nothing, the run fails; it was given None: "
    "`Return(…, default=None)`"
)
OBSERVE = "write `oncue.evaluate(condition, …)`, or ask `task.explain()`"
FUNCTION_OF_TASK = "`@app.task` makes a task of a function: take its `name`"
RED_BIRD = f"redbird: {tables.STORE}"


class Rewriter:
    """Rewrites one file; `notes` is what is to be told of it."""

    def __init__(self, source: Source, names: Names, phrases: Phrases, peer: str) -> None:
        self.source = source
        self.names = names
        self.peer = peer
        self.notes: list[Note] = []
        self.conditions = Conditions(source, names, phrases, peer, self.tell)
        self._disables = re.search(r"\bdisabled?\b", source.text) is not None

    def rewrite(self) -> str:
        Imports(self.source, self.names, self.tell).rewrite()
        for node in ast.walk(self.source.tree):
            self._visit(node)
        for line, expected in self.source.missed:
            text = f"{expected}: it stands where it cannot be rewritten"
            self.notes.append(Note(line, Level.BY_HAND, text))
        return self.source.edited()

    def tell(self, node: ast.AST, level: Level, text: str) -> None:
        self.notes.append(Note(getattr(node, "lineno", 1), level, text))

    def by_hand(self, node: ast.AST, text: str) -> None:
        self.tell(node, Level.BY_HAND, text)

    def differs(self, node: ast.AST, text: str) -> None:
        self.tell(node, Level.DIFFERS, text)

    def _visit(self, node: ast.AST) -> None:
        match node:
            case ast.Call():
                self._call(node)
            case ast.Attribute():
                self._attribute(node)
                self.conditions.name(node)
            case ast.Name(ctx=ast.Load()):
                self.conditions.name(node)
            case ast.Compare():
                self.conditions.comparison(node)
            case ast.Constant(str()):
                self._logger_name(node)
            case ast.Import() | ast.ImportFrom():
                self._red_bird(node)
            case ast.ClassDef():
                self._class(node)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._decorators(node)

    # --- calls ----------------------------------------------------------------------------

    def _call(self, node: ast.Call) -> None:
        origin = self.names.origin(node.func)
        made = divided(origin)[1] if origin is not None else ""
        if made in ("Rocketry", "RedEngine"):
            self._app(node)
        elif made == "Grouper":
            self._group(node)
        elif made in TASK_MAKERS:
            self._task_maker(node, made)
        elif made == "parse_condition":
            self.conditions.given(next(iter(node.args), None))
        elif made == "Return" and self.peer == RED_ENGINE and len(node.args) == 1:
            if not node.keywords:
                self.differs(node, NO_DEFAULT)
        elif isinstance(node.func, ast.Attribute):
            self._method(node, node.func, self.names.kind(node.func.value))
        self.conditions.call(node)

    def _method(self, node: ast.Call, func: ast.Attribute, kind: str | None) -> None:
        """A call of a method of an app, a session, a task."""
        match kind, func.attr:
            case (("app" | "group"), "task"):
                self._task(node)
            case "session", "create_task":
                self._options(node)
            case (("app" | "group"), "cond"):
                for argument in node.args:
                    if isinstance(argument, ast.List | ast.Tuple):
                        self.by_hand(node, "one phrase for each `@app.cond(…)`")
            case "app", ("run" | "serve"):
                self._without(node, "debug")
            case "session", ("get_task" | "get_tasks" | "task_exists"):
                self._look_up(node, func)
            case "task", "run" if self._disables:
                self.differs(node, DISABLED_RUN)
            case _, "observe" if self._concerned:
                self.by_hand(node, OBSERVE)
            case _, "set_repo" if kind != "session" and self._concerned:
                self.by_hand(node, f"set_repo: {tables.STORE}")

    @property
    def _concerned(self) -> bool:
        return self.names.peer is not None or bool(self.names.exported)

    def _app(self, node: ast.Call) -> None:
        if node.args:
            self.by_hand(node, "an app has a session of its own; what comes first is its store")
        said = False
        for keyword in node.keywords:
            match keyword.arg:
                case None:
                    self.differs(keyword.value, "options given by ** are not looked at")
                case "session":
                    self.by_hand(keyword, "session: give the app itself what it was made with")
                case "logger_repo":
                    self._store(keyword)
                case "config":
                    said |= self._config(keyword.value)
                case name if name in tables.APP_GONE:
                    self.by_hand(keyword, f"{name}: {tables.APP_GONE[name]}")
                case name:
                    said |= name in ("execution", "task_execution")
                    self._config_option(name, keyword.value, keyword)
        if not said:
            self.differs(node, DEFAULT[self.peer])

    def _store(self, keyword: ast.keyword) -> None:
        """A log in memory is what there is without a store."""
        match keyword.value:
            case ast.Constant(None | "memory") | ast.Call(ast.Name("MemoryRepo")):
                self.source.remove_item(self.source.start(keyword), self.source.end(keyword))
            case _:
                self.by_hand(keyword, f"logger_repo: {tables.STORE}")

    def _config(self, node: ast.expr) -> bool:
        """A dictionary of options; whether it says the execution."""
        found = self.conditions.texts.get(node.id, node) if isinstance(node, ast.Name) else node
        match found:
            case ast.Dict(keys, values):
                given: list[tuple[object, ast.expr, ast.expr | ast.keyword]]
                given = [(literal(k), v, k) for k, v in zip(keys, values, strict=True) if k]
            case ast.Call(ast.Name("dict"), [], keywords):
                given = [(k.arg, k.value, k) for k in keywords]
            case _:
                self.differs(node, "the options are not looked at: they are made at run time")
                return False
        known = [(name, value, at) for name, value, at in given if isinstance(name, str)]
        for name, value, at in known:
            self._config_option(name, value, at)
        return any(name in ("execution", "task_execution") for name, _, _ in known)

    def _config_option(self, name: str, value: ast.expr, at: ast.expr | ast.keyword) -> None:
        """An option of the app, at its key or keyword."""
        start = self.source.start(at)
        if name in tables.CONFIG_RENAMED:
            new = tables.CONFIG_RENAMED[name]
            begin = self.source.text.find(name, start)
            self.source.replace(begin, begin + len(name), new, name)
        elif name in tables.CONFIG_WITHOUT_EFFECT:
            self.source.remove_item(start, self.source.end(value))
        elif name in tables.CONFIG_GONE:
            self.by_hand(at, f"{name}: {tables.CONFIG_GONE[name]}")
        elif name == "shut_cond":
            self.conditions.given(value)
        elif name == "timezone":
            self.differs(at, ZONE)
        elif name not in options_of(Config) and name not in SWITCHES:
            self.by_hand(at, f"{unknown(name, options_of(Config))}; it was ignored")

    def _group(self, node: ast.Call) -> None:
        given = dict(enumerate(node.args))
        named = {keyword.arg: keyword.value for keyword in node.keywords}
        self.conditions.given(named.get("start_cond", given.get(1)))

    # --- tasks ----------------------------------------------------------------------------

    def _task(self, node: ast.Call) -> None:
        """`app.task(start_cond, name, …)`."""
        if node.args:
            self.conditions.given(node.args[0])
        if len(node.args) > 1 and not isinstance(node.args[1], ast.Starred):
            at = self.source.start(node.args[1])
            self.source.replace(at, at, "name=")
        self._options(node)

    def _task_maker(self, node: ast.Call, made: str) -> None:
        given = {keyword.arg for keyword in node.keywords}
        if not given & {"session", None}:
            self.by_hand(node, f"{made}: {NO_SESSION}")
        self._options(node)

    def _options(self, node: ast.Call) -> None:
        given = {keyword.arg: keyword for keyword in node.keywords}
        if "path" in given and "name" not in given:
            self.differs(node, NAME_OF_FILE)
        for name, keyword in given.items():
            if name is None:
                self.differs(keyword.value, "options given by ** are not looked at")
            else:
                self._option(name, keyword)

    def _option(self, name: str, keyword: ast.keyword) -> None:
        start, value = self.source.start(keyword), keyword.value
        match name:
            case "start_cond" | "end_cond":
                self.conditions.given(value)
            case "disabled" | "disable":
                self.source.replace(start, start + len(name), "enabled", name)
                self._negate(value)
            case "timeout" if isinstance(value, ast.Constant) and value.value == 0:
                self.by_hand(keyword, "timeout=0: leave it out; it meant the app's")
            case _ if name in tables.TASK_RENAMED:
                self.source.replace(start, start + len(name), tables.TASK_RENAMED[name], name)
            case _ if name in tables.TASK_GONE:
                self.by_hand(keyword, f"{name}: {tables.TASK_GONE[name]}")
            case _ if name not in OF_TASKS:
                self.by_hand(keyword, f"{unknown(name, OF_TASKS)}; it was ignored")

    def _negate(self, value: ast.expr) -> None:
        """Make it the opposite."""
        start, end = self.source.start(value), self.source.end(value)
        match value:
            case ast.Constant(bool(known)):
                self.source.replace(start, end, str(not known))
            case ast.UnaryOp(ast.Not(), ast.Attribute(task, "disabled" | "disable")) if (
                self.names.kind(task) == "task"
            ):
                self.source.replace(start, start, "not ")  # of what is `enabled` then
            case ast.UnaryOp(ast.Not(), operand) if self._bare_not(value, operand):
                self.source.replace(start, self.source.start(operand), "")
            case ast.Name() | ast.Attribute() | ast.Call() | ast.Subscript() | ast.Compare():
                self.source.replace(start, start, "not ")
            case _:
                self.source.replace(start, start, "not (")
                self.source.replace(end, end, ")")

    def _bare_not(self, node: ast.UnaryOp, operand: ast.expr) -> bool:
        """Whether no parenthesis stands between `not` and what it is of."""
        between = self.source.text[self.source.start(node) : self.source.start(operand)]
        return between.strip() == "not"

    def _without(self, node: ast.Call, *names: str) -> None:
        """Take out arguments that had no effect."""
        for keyword in node.keywords:
            if keyword.arg in names:
                self.source.remove_item(self.source.start(keyword), self.source.end(keyword))

    def _look_up(self, node: ast.Call, func: ast.Attribute) -> None:
        """`session.get_task(x)` is `session[x]`, and so on."""
        base, end = self.source.end(func.value), self.source.end(node)
        match func.attr, node.args, node.keywords:
            case "get_tasks", [], []:
                self.source.replace(base, end, ".tasks")
            case "get_task", [task], []:
                self.source.replace(base, self.source.start(task), "[")
                self.source.replace(self.source.end(task), end, "]")
            case "task_exists", [task], []:
                text = f"({self.source.of(task)} in {self.source.of(func.value)})"
                self.source.replace_node(node, text)
            case _:
                self.by_hand(node, f"{func.attr}: session.tasks, session[name], name in session")

    # --- attributes -----------------------------------------------------------------------

    def _attribute(self, node: ast.Attribute) -> None:
        match self.names.kind(node.value), node.attr:
            case "task", name:
                self._of_task(node, name)
            case "session", name if name in tables.SESSION_RENAMED:
                self.source.rename_attribute(node, tables.SESSION_RENAMED[name])
            case "session", name if name in tables.SESSION_GONE:
                self.by_hand(node, f"{name}: {tables.SESSION_GONE[name]}")
            case "session", "returns":
                self.differs(node, "returns: its keys are the names of the tasks; they were tasks")
            case "app", name if name in tables.APP_GONE:
                self.by_hand(node, f"{name}: {tables.APP_GONE[name]}")
            case "config", name:
                self._of_config(node, name)
            case _, "__rocketry__":
                self.by_hand(node, FUNCTION_OF_TASK)

    def _of_config(self, node: ast.Attribute, name: str) -> None:
        assigned = self._assigned(node)
        if name in tables.CONFIG_RENAMED:
            self.source.rename_attribute(node, tables.CONFIG_RENAMED[name])
        elif name in tables.CONFIG_WITHOUT_EFFECT:
            self.by_hand(node, f"{name}: leave it out; it had no effect")
        elif name in tables.CONFIG_GONE:
            self.by_hand(node, f"{name}: {tables.CONFIG_GONE[name]}")
        elif name == "shut_cond":
            self.conditions.given(assigned)
        elif name == "timezone" and assigned is not None:
            self.differs(node, ZONE)

    def _of_task(self, node: ast.Attribute, name: str) -> None:
        match name:
            case "start_cond" | "end_cond":
                self.conditions.given(self._assigned(node))
            case "disabled" | "disable":
                self._disabled(node)
            case "force_run" | "force_termination":
                self._forced(node, name)
            case _ if name in tables.TASK_RENAMED:
                self.source.rename_attribute(node, tables.TASK_RENAMED[name])
            case _ if name in tables.TASK_ATTRIBUTES_GONE:
                self.by_hand(node, f"{name}: {tables.TASK_ATTRIBUTES_GONE[name]}")
            case _ if name in tables.LAST:
                self.differs(node, f"{name}: {AWARE}")

    def _assigned(self, node: ast.expr) -> ast.expr | None:
        """What is assigned to this target, if it is the only one of a statement."""
        match self.source.parents.get(node):
            case ast.Assign([target], value) if target is node:
                return value
        return None

    def _disabled(self, node: ast.Attribute) -> None:
        """`disabled` is the opposite of `enabled`."""
        value, parent = self._assigned(node), self.source.parents.get(node)
        if value is None and not isinstance(node.ctx, ast.Load):
            self.by_hand(node, f"{node.attr}: assign the opposite to `enabled`")
            return
        self.source.rename_attribute(node, "enabled")
        start, end = self.source.start(node), self.source.end(node)
        match parent:
            case _ if value is not None:
                self._negate(value)
            case ast.UnaryOp(ast.Not()) if self._bare_not(parent, node):
                self.source.replace(self.source.start(parent), start, "")
            case ast.If() | ast.While() | ast.IfExp() | ast.Assert() | ast.BoolOp():
                self.source.replace(start, start, "not ")
            case _:
                self.source.replace(start, start, "(not ")
                self.source.replace(end, end, ")")

    def _forced(self, node: ast.Attribute, name: str) -> None:
        """`task.force_run = True` asks for a run."""
        calls = {"force_run": ("withdraw", "force"), "force_termination": (None, "terminate")}
        match self._assigned(node):
            case ast.Constant(bool(known)) as value if call := calls[name][known]:
                self.source.replace(
                    self.source.end(node.value), self.source.end(value), f".{call}()"
                )
            case _:
                self.by_hand(node, f"{name}: {tables.TASK_GONE[name]}")

    # --- the rest -------------------------------------------------------------------------

    def _logger_name(self, node: ast.Constant) -> None:
        """`rocketry.task` anywhere, `rocketry` where a logger is asked for."""
        new = tables.LOGGERS.get(str(node.value))
        parent = self.source.parents.get(node)
        asked = isinstance(parent, ast.Call) and "getLogger" in ast.unparse(parent.func)
        if new is not None and (asked or "." in new):
            written = self.source.of(node)
            if written[1:-1] == node.value:
                self.source.replace_node(node, written[0] + new + written[-1])

    def _red_bird(self, node: ast.Import | ast.ImportFrom) -> None:
        if isinstance(node, ast.ImportFrom):
            modules = [node.module or ""]
        else:
            modules = [alias.name for alias in node.names]
        found = any(module.partition(".")[0] == "redbird" for module in modules)
        if not found or not self._concerned:
            return
        if self._only_memory(node):
            self.source.remove_item(self.source.start(node), self.source.end(node))
        else:
            self.by_hand(node, RED_BIRD)

    def _only_memory(self, node: ast.Import | ast.ImportFrom) -> bool:
        """Whether it imports nothing but MemoryRepo, of which every use is dropped."""
        uses = (
            self.source.parents.get(self.source.parents[name])
            for name in ast.walk(self.source.tree)
            if isinstance(name, ast.Name) and name.id == "MemoryRepo"
        )
        named = all(alias.name == "MemoryRepo" and not alias.asname for alias in node.names)
        whole = isinstance(self.source.parents[node], ast.Module)
        return named and whole and all(is_store(use) for use in uses)

    def _class(self, node: ast.ClassDef) -> None:
        """An argument of the user's own has to take all that it is told."""
        origins = (divided(self.names.origin(base) or "")[1] for base in node.bases)
        if "BaseArgument" not in origins:
            return
        for method in node.body:
            if isinstance(method, ast.FunctionDef) and method.name in ("get_value", "stage"):
                if method.args.kwarg is None:
                    taken = "task=None, session=None, **kwargs"
                    self.by_hand(method, f"{method.name}: it has to take `self, {taken}`")

    def _decorators(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """`@app.setup` is called now."""
        for decorator in node.decorator_list:
            match decorator:
                case ast.Attribute(value, "setup") if self.names.kind(value) == "app":
                    end = self.source.end(decorator)
                    self.source.replace(end, end, "()")


def is_store(node: ast.AST | None) -> bool:
    return isinstance(node, ast.keyword) and node.arg == "logger_repo"
