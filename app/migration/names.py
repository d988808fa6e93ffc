"""What the names of a file stand for: what was imported from a peer, and which values are apps,
sessions, tasks and so on.

Nothing is run, so this is what can be told from the text: imports, assignments, annotations, the
arguments that are defaults (`session=Session()`), loops over tasks, functions that return an app,
and what other files of the project define.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from .tables import MODULES, OTHER_MODULES, PEERS, SAME

Kind = str  # app, group, session, tasks, task, config, text

MEMBERS = {
    ("app", "session"): "session",
    ("group", "session"): "session",
    ("task", "session"): "session",
    ("session", "config"): "config",
    ("session", "tasks"): "tasks",
}
MADE = {
    "Rocketry": "app",
    "RedEngine": "app",
    "application.Rocketry": "app",
    "application.RedEngine": "app",
    "Grouper": "group",
    "application.Grouper": "group",
    "Session": "session",
    "session.Session": "session",
    "args.Session": "session",
    "args.Task": "task",
    "args.Config": "config",
    "FuncTask": "task",
    "tasks.FuncTask": "task",
    "tasks.CommandTask": "task",
    "tasks.CodeTask": "task",
}
"""What a call of an imported name makes, or is as the default of a parameter."""
ANNOTATED = {name: kind for name, kind in MADE.items() if not name.startswith("args.")} | {
    "core.Task": "task",
    "core.task.Task": "task",
}
RETURNED = {
    ("session", "create_task"): "task",
    ("session", "get_task"): "task",
    ("session", "get_tasks"): "tasks",
}
TASK_HOOKS = frozenset(("hook_task_init", "hook_task_execute"))
SEQUENCES = frozenset(("list", "set", "tuple", "sorted", "reversed"))
KINDS_OF_TASK = frozenset(("func", "path", "command", "code"))

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
FILE = "file "
"""A kind that begins so is that of a module of the project; the rest is its place, as `Exports`
takes it."""
Exports = Callable[[str, int], dict[str, Kind]]
"""The names that another file of the project defines, by its module and its level."""


class Names:
    """What the names of one file stand for. `peer` is whose program it is, None if nobody's."""

    def __init__(self, tree: ast.Module, exports: Exports) -> None:
        self.tree = tree
        self.exports = exports
        self.peer: str | None = None
        self.imported: dict[str, str] = {}  # a local name: what it is below the peer's package
        self.bound: set[str] = set()  # the names that something else in the file is bound to
        self._kinds: dict[ast.AST, dict[str, Kind]] = {tree: {}}
        self._attributes: dict[str, Kind] = {}  # of self and other objects, by their dotted text
        self._scopes: dict[ast.AST, ast.AST] = {}
        self._globals: set[str] = set()  # names that some function declares to be the module's
        self._import_all()
        self._place(tree, tree)
        self._bind_all()

    @property
    def exported(self) -> dict[str, Kind]:
        return self._kinds[self.tree]

    # --- imports --------------------------------------------------------------------------

    def _import_all(self) -> None:
        for node in ast.walk(self.tree):
            match node:
                case ast.Import(names):
                    for alias in names:
                        self._import(alias)
                case ast.ImportFrom(module, names, level):
                    if level == 0 and self._of_peer(module or ""):
                        self._import_from(below(module or ""), names)
                    else:
                        self._import_others(self.exports(module or "", level), names)
                case ast.Name(name, ctx=ast.Store()) | ast.arg(name):
                    self.bound.add(name)
                case ast.FunctionDef(name) | ast.AsyncFunctionDef(name) | ast.ClassDef(name):
                    self.bound.add(name)

    def _of_peer(self, module: str) -> bool:
        top = module.partition(".")[0]
        if top in PEERS:
            self.peer = self.peer or PEERS[top]
        return top in PEERS

    def _import(self, alias: ast.alias) -> None:
        top = alias.name.partition(".")[0]
        if self._of_peer(alias.name):
            self.imported[alias.asname or top] = below(alias.name) if alias.asname else ""
            return
        self.bound.add(alias.asname or top)
        if self.exports(alias.name, 0):
            self._kinds[self.tree][alias.asname or alias.name] = FILE + alias.name

    def _import_from(self, module: str, names: list[ast.alias]) -> None:
        for alias in names:
            if alias.name == "*":
                for name in SAME.get(MODULES.get(module, "?"), ()):
                    self.imported[name] = f"{module}.{name}"
            else:
                self.imported[alias.asname or alias.name] = joined(module, alias.name)

    def _import_others(self, there: dict[str, Kind], names: list[ast.alias]) -> None:
        for alias in names:
            self.bound.add(alias.asname or alias.name)
            if alias.name in there:
                self._kinds[self.tree][alias.asname or alias.name] = there[alias.name]

    def origin(self, node: ast.AST) -> str | None:
        """What a name, or a name with attributes, is below the peer's package: `conds.daily`."""
        match node:
            case ast.Name(name):
                return self.imported.get(name)
            case ast.Attribute(value, name):
                base = self.origin(value)
                return None if base is None else joined(base, name)
        return None

    # --- kinds ----------------------------------------------------------------------------

    def _place(self, node: ast.AST, scope: ast.AST) -> None:
        """Note the scope of every node: that of the module or of a function."""
        stack = [(node, scope)]
        while stack:
            node, scope = stack.pop()
            self._scopes[node] = scope
            if isinstance(node, ast.Global):
                self._globals.update(node.names)
            inner = node if isinstance(node, FUNCTIONS) else scope
            if isinstance(node, FUNCTIONS):
                self._kinds[node] = {}
            stack += [(child, inner) for child in ast.iter_child_nodes(node)]

    def _bind_all(self) -> None:
        """Twice, since a function may use what is defined below it."""
        if self.peer is not None:
            self._guess_apps()
        for _ in range(2):
            for node in ast.walk(self.tree):
                self._bind(node)

    def _guess_apps(self) -> None:
        """In a peer's program, what defines tasks is an app, wherever it may come from."""
        for node in ast.walk(self.tree):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for decorator in node.decorator_list:
                match decorator:
                    case ast.Call(ast.Attribute(ast.Name(name), "task" | "cond" | "param")):
                        self._kinds[self.tree].setdefault(name, "app")

    def _bind(self, node: ast.AST) -> None:
        match node:
            case ast.Assign(targets, value):
                for target in targets:
                    self._assign(target, value)
            case ast.AnnAssign(target, annotation, value):
                kind = self.kind(value) if value is not None else None
                self._set(target, kind or ANNOTATED.get(self.origin(annotation) or ""))
            case ast.NamedExpr(target, value):
                self._set(target, self.kind(value))
            case ast.For(target, iterated) | ast.comprehension(target, iterated):
                if self.kind(iterated) in ("tasks", "session", "app"):
                    self._set(target, "task")
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._bind_parameters(node)
                self._bind_result(node)

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        match target, value:
            case ast.Tuple(targets), ast.Tuple(values) if len(targets) == len(values):
                for one, other in zip(targets, values, strict=True):
                    self._assign(one, other)
            case _:
                self._set(target, self.kind(value))

    def _set(self, target: ast.expr, kind: Kind | None) -> None:
        match target:
            case ast.Name(name) if kind is not None:
                scope = self._scopes[target]
                self._kinds[self.tree if name in self._globals else scope][name] = kind
            case ast.Attribute() if kind is not None:
                self._attributes[ast.unparse(target)] = kind

    def _bind_parameters(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        scope = self._kinds[node]
        for parameter, default in parameters(node.args):
            kind = None if default is None else self.kind(default)
            if kind is None and parameter.annotation is not None:
                kind = ANNOTATED.get(self.origin(parameter.annotation) or "")
            if kind is not None:
                scope[parameter.arg] = kind
            elif parameter.arg == "task" and any(map(is_task_hook, node.decorator_list)):
                scope["task"] = "task"

    def _bind_result(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """A function that returns an app is called for one."""
        for part in ast.walk(node):
            if isinstance(part, ast.Return) and self._scopes[part] is node and part.value:
                kind = self.kind(part.value)
                if kind in ("app", "session", "group"):
                    self._kinds[self._scopes[node]][f"{node.name}()"] = kind

    def kind(self, node: ast.AST) -> Kind | None:
        match node:
            case ast.Name(name):
                return self._look_up(node, name)
            case ast.Attribute(value, name):
                found = self._attributes.get(ast.unparse(node)) if self._attributes else None
                return found or self._member(self.kind(value) or "", name, ast.unparse(node))
            case ast.Subscript(value):
                return "task" if self.kind(value) in ("session", "app") else None
            case ast.Await(value):
                return self.kind(value)
            case ast.Call():
                return self._kind_of_call(node)
        return None

    def _member(self, kind: Kind, name: str, dotted: str) -> Kind | None:
        """Of an attribute: that of a value, or a name of a module of the project."""
        if kind.startswith(FILE):
            return self.exports(kind.removeprefix(FILE), 0).get(name)
        return MEMBERS.get((kind, name)) or self._kinds[self.tree].get(dotted)

    def _look_up(self, node: ast.AST, name: str) -> Kind | None:
        scope = self._scopes.get(node, self.tree)
        while name not in self._kinds[scope] and scope is not self.tree:
            scope = self._scopes[scope]
        return self._kinds[scope].get(name)

    def _kind_of_call(self, node: ast.Call) -> Kind | None:
        made = MADE.get(self.origin(node.func) or "")
        if made is not None:
            return made
        match node.func:
            case ast.Name(name) if name in SEQUENCES and node.args:
                return "tasks" if self.kind(node.args[0]) == "tasks" else None
            case ast.Name(name):
                return self._look_up(node.func, f"{name}()")
            case ast.Attribute(value, "task") if self.kind(value) in ("app", "group"):
                given = {keyword.arg for keyword in node.keywords}
                return "task" if given & KINDS_OF_TASK else None
            case ast.Attribute(value, name):
                return RETURNED.get((self.kind(value) or "", name))
        return None


def below(module: str) -> str:
    """A module's path below its package."""
    return module.partition(".")[2]


def joined(module: str, name: str) -> str:
    return f"{module}.{name}" if module else name


def divided(origin: str) -> tuple[str, str]:
    """The module and the name of what is below a peer's package; a module has no name."""
    if is_module(origin):
        return origin, ""
    module, _, name = origin.rpartition(".")
    return module, name


def is_module(origin: str) -> bool:
    """`rocketry.session` is the default session, for all that there is a module of that name."""
    return origin != "session" and (origin in MODULES or origin in OTHER_MODULES)


def parameters(arguments: ast.arguments) -> Iterator[tuple[ast.arg, ast.expr | None]]:
    """The parameters that may be given by name, with their defaults."""
    plain = [*arguments.posonlyargs, *arguments.args]
    missing: list[ast.expr | None] = [None] * (len(plain) - len(arguments.defaults))
    yield from zip(plain, [*missing, *arguments.defaults], strict=True)
    yield from zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)


def is_task_hook(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(called, ast.Attribute) and called.attr in TASK_HOOKS
