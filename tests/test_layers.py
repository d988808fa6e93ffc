"""The import law of the house, and the two rules about time, checked on the source of every file.

The law (DESIGN: the house): `conds` imports nothing of ours; `grammar` and `engine` import only
`conds`; `app` imports these three; `testing` may import all; nobody but the root modules and
`testing` imports `app`. Inside the package imports are relative. The wall clock and the monotonic
clock are read in one file, and one file sleeps; the floors below `app` start nothing and store
nothing. The checker reads syntax trees, so it sees imports inside functions and under
TYPE_CHECKING too; the tables of bad samples below show that each rule can fail.
"""

import ast
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parent.parent

FACE = "the root"  # __init__, exc, …: the face that users import
MAY_IMPORT = {
    "conds": {"conds"},
    "grammar": {"grammar", "conds"},
    "engine": {"engine", "conds"},
    "app": {"app", "grammar", "engine", "conds"},
    "testing": {"testing", "app", "grammar", "engine", "conds", FACE},
    FACE: {FACE, "app", "grammar", "engine", "conds"},
}
FLOORS = MAY_IMPORT.keys() - {FACE}
PURE = {"conds", "grammar", "engine"}
ROOT_MODULES = {"args", "exc", "log", "tasks"}

EFFECTS = {"asyncio", "concurrent", "multiprocessing", "signal", "socket", "sqlite3", "subprocess"}
ONLY_IN = {"lark": "grammar"}  # whose floor a library is

CLOCK_FILE = "app/clock.py"
CLOCKS = {
    "time.time", "time.time_ns", "time.monotonic", "time.monotonic_ns",
    "time.perf_counter", "time.perf_counter_ns",
    "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today",
    "datetime.date.today",
}  # fmt: skip
SLEEPING_FILE = "app/runtime.py"
SLEEPS = {"time.sleep", "asyncio.sleep"}


def package_files() -> list[str]:
    """Every source file of the package, as a path below the root."""
    folders = (path for floor in FLOORS for path in (ROOT / floor).rglob("*.py"))
    return sorted(path.relative_to(ROOT).as_posix() for path in (*ROOT.glob("*.py"), *folders))


def breaches(source: str, file: str) -> list[str]:
    """What in the source of that file breaks the law, as `line: what`, in order."""
    tree = ast.parse(source, file)
    found = [*import_breaches(tree, file), *effect_breaches(tree, file)]
    return [f"{line}: {what}" for line, what in sorted(found)]


def floor_of(parts: tuple[str, ...]) -> str:
    """The floor of a module's path below the root; what is no folder of ours is the face."""
    return parts[0] if parts and parts[0] in FLOORS else FACE


def import_breaches(tree: ast.Module, file: str) -> Iterator[tuple[int, str]]:
    home = floor_of(PurePosixPath(file).parts)
    for line, module, target in imports(tree, file):
        if target is None:
            yield line, f"{module} climbs out of the package"
        elif target and target[0] == "oncue":
            yield line, f"{module} is absolute; inside the package imports are relative"
        elif target and target[0] == "":
            floor = floor_of(target[1:])
            if floor not in MAY_IMPORT[home]:
                yield line, f"{home} imports {floor} ({module})"
        elif target[0] in FLOORS | ROOT_MODULES:
            yield line, f"{module} is a module of ours under a top-level name"
        elif target[0] in EFFECTS and home in PURE:
            yield line, f"{home} imports {module}: effects belong to app"
        elif ONLY_IN.get(target[0], home) != home:
            yield line, f"{home} imports {module}, which is for {ONLY_IN[target[0]]} alone"


def imports(tree: ast.Module, file: str) -> Iterator[tuple[int, str, tuple[str, ...] | None]]:
    """(line, as written, target): a target of ours begins with "", None lies above the root."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                for name in names:
                    yield node.lineno, name.name, tuple(name.name.split("."))
            case ast.ImportFrom(level=0, module=str(module)):
                yield node.lineno, module, tuple(module.split("."))
            case ast.ImportFrom(level=level, module=module, names=names):
                for name in names:
                    written = "." * level + ".".join(filter(None, (module, name.name)))
                    yield node.lineno, written, resolve(written, file)
            case ast.Call(args=[ast.Constant(value=str(module)), *_]) if loads(node.func):
                target = resolve(module, file) if module[:1] == "." else tuple(module.split("."))
                yield node.lineno, module, target


def loads(func: ast.expr) -> bool:
    """Whether the function called is one that imports the module it is given by name."""
    return isinstance(func, ast.Name | ast.Attribute) and (
        func.id if isinstance(func, ast.Name) else func.attr
    ) in {"import_module", "__import__"}


def resolve(written: str, file: str) -> tuple[str, ...] | None:
    """The path below the root that a relative import means, with "" for the root in front."""
    name = written.lstrip(".")
    package = ("", *PurePosixPath(file).parts[:-1])
    climb = len(written) - len(name) - 1
    if climb >= len(package):
        return None
    return (*package[: len(package) - climb], *name.split("."))


def effect_breaches(tree: ast.Module, file: str) -> Iterator[tuple[int, str]]:
    known = bindings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name):
            name = full_name(node, known)
            if name in CLOCKS and file != CLOCK_FILE:
                yield node.lineno, f"{name} outside {CLOCK_FILE}"
            elif name in SLEEPS and file != SLEEPING_FILE:
                yield node.lineno, f"{name} outside {SLEEPING_FILE}"


def bindings(tree: ast.Module) -> dict[str, str]:
    """What each imported name stands for: `from datetime import datetime as dt` gives dt."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                for name in names:
                    full = name.name if name.asname else name.name.partition(".")[0]
                    found[name.asname or full] = full
            case ast.ImportFrom(level=0, module=str(module), names=names):
                found |= {name.asname or name.name: f"{module}.{name.name}" for name in names}
    return found


def full_name(node: ast.expr, known: dict[str, str]) -> str | None:
    """The dotted name that an expression spells, through the file's imports."""
    match node:
        case ast.Name(id=name):
            return known.get(name)
        case ast.Attribute(value=value, attr=attr):
            owner = full_name(value, known)
            return owner and f"{owner}.{attr}"
    return None


# --- the package ----------------------------------------------------------------------------------


@pytest.mark.parametrize("file", package_files())
def test_the_law_holds(file: str) -> None:
    assert breaches((ROOT / file).read_text(encoding="utf-8"), file) == []


def test_every_floor_is_checked() -> None:
    seen = {floor_of(PurePosixPath(file).parts) for file in package_files()}
    assert seen == MAY_IMPORT.keys()


def test_the_two_exempt_files_exist() -> None:
    assert {CLOCK_FILE, SLEEPING_FILE} <= set(package_files())


# --- the checker ----------------------------------------------------------------------------------

GOOD = [
    ("conds/nodes.py", "from .points import Point"),
    ("conds/nodes.py", "from . import points"),
    ("conds/nodes.py", "import datetime\nx = datetime.timedelta(1)"),
    ("grammar/parser.py", "import lark\nfrom ..conds.nodes import Node"),
    ("engine/periods/cron.py", "from ...conds import points\nfrom ..civil import Zone"),
    ("engine/plan.py", "from datetime import datetime\nx = datetime.fromtimestamp(0)"),
    ("app/stores/sqlite.py", "import sqlite3\nfrom ...engine.records import Record"),
    ("app/clock.py", "import time\nx = time.time()"),
    ("app/runtime.py", "import asyncio\nasync def f(): await asyncio.sleep(1)"),
    ("app/task.py", "from importlib import import_module\ndef f(name): import_module(name)"),
    ("app/task.py", "def f(clock): return clock.time.monotonic()"),
    ("testing/plugin.py", "from .. import App\nfrom ..app.clock import Clock"),
    ("__init__.py", "from .app.app import App"),
    ("exc.py", "from .app.errors import LeaseLost"),
]

BAD = [
    ("conds/nodes.py", "from ..engine import plan", "conds imports engine (..engine.plan)"),
    ("conds/nodes.py", "from .. import grammar", "conds imports grammar (..grammar)"),
    ("conds/nodes.py", "from .. import exc", "conds imports the root (..exc)"),
    ("conds/nodes.py", "def f():\n  from ..app import App", "conds imports app (..app.App)"),
    ("grammar/parser.py", "from ..engine.plan import x", "grammar imports engine"),
    ("engine/plan.py", "from ..grammar import parse", "engine imports grammar"),
    ("engine/periods/cron.py", "from ...app import x", "engine imports app (...app.x)"),
    ("engine/periods/cron.py", "from ....oncue import x", "climbs out of the package"),
    ("engine/plan.py", "import asyncio", "engine imports asyncio: effects belong to app"),
    ("engine/plan.py", "from concurrent.futures import Future", "effects belong to app"),
    ("engine/plan.py", "from lark import Tree", "engine imports lark, which is for grammar alone"),
    ("app/app.py", "from ..testing import clock", "app imports testing"),
    ("app/app.py", "from .. import App", "app imports the root (..App)"),
    ("app/app.py", "import oncue", "oncue is absolute"),
    ("app/app.py", "from oncue.conds import daily", "oncue.conds is absolute"),
    ("app/app.py", "import_module('oncue.conds')", "oncue.conds is absolute"),
    ("app/app.py", "importlib.import_module('..testing', __package__)", "app imports testing"),
    ("app/app.py", "import grammar.parser", "grammar.parser is a module of ours"),
    ("app/app.py", "from exc import x", "exc is a module of ours"),
    ("__init__.py", "from .testing import clock", "the root imports testing"),
    ("app/app.py", "import time\nx = time.time()", "2: time.time outside app/clock.py"),
    ("app/app.py", "import time as t\nx = t.monotonic_ns()", "time.monotonic_ns outside"),
    ("app/app.py", "from time import monotonic as m\nf(clock=m)", "2: time.monotonic outside"),
    ("engine/plan.py", "import datetime as d\nx = d.datetime.now()", "datetime.datetime.now out"),
    ("engine/plan.py", "from datetime import datetime as d\nd.utcnow()", "datetime.utcnow outside"),
    ("engine/plan.py", "from datetime import date\ndate.today()", "datetime.date.today outside"),
    ("app/runtime.py", "import time\ntime.perf_counter()", "time.perf_counter outside"),
    ("app/clock.py", "import time\ntime.sleep(1)", "time.sleep outside app/runtime.py"),
    ("app/task.py", "from asyncio import sleep\nasync def f(): await sleep(1)", "asyncio.sleep"),
]


@pytest.mark.parametrize(("file", "source"), GOOD)
def test_the_checker_lets_good_source_pass(file: str, source: str) -> None:
    assert breaches(source, file) == []


@pytest.mark.parametrize(("file", "source", "says"), BAD)
def test_the_checker_refuses_bad_source(file: str, source: str, says: str) -> None:
    found = breaches(source, file)
    assert len(found) == 1
    assert says in found[0]
