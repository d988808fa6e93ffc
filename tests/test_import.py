"""`import oncue` is cheap, and every name it promises is there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import oncue

ROOT = Path(__file__).resolve().parent.parent

# What only a name that needs it may load.
EFFECTS = {"asyncio", "click", "concurrent.futures", "psycopg", "redis", "rich", "sqlite3"}
HEAVY = EFFECTS | {"dateutil", "lark"}


def loaded_after(statement: str) -> set[str]:
    """The modules that a fresh interpreter has loaded because of the statement."""
    code = (
        f"import sys; before = set(sys.modules)\n{statement}\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, env=os.environ
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_importing_the_face_loads_nothing_heavy() -> None:
    loaded = loaded_after("import oncue")
    assert "oncue" in loaded
    assert loaded & HEAVY == set()


def test_the_probe_sees_what_is_loaded() -> None:
    assert {"lark", "sqlite3"} <= loaded_after("import lark, sqlite3")


def test_building_conditions_in_python_loads_nothing_heavy() -> None:
    assert loaded_after("import oncue.conds") & HEAVY == set()


def test_parsing_loads_no_loop_and_no_store() -> None:
    loaded = loaded_after("import oncue; oncue.parse('daily after 10:00')")
    assert "oncue.grammar.parser" in loaded
    assert loaded & EFFECTS == set()


@pytest.mark.parametrize("name", sorted(oncue.__all__))
def test_every_public_name_resolves(name: str) -> None:
    assert getattr(oncue, name) is not None
    assert name in dir(oncue)


def test_public_names_are_said_once() -> None:
    assert oncue.__all__ and len(oncue.__all__) == len(set(oncue.__all__))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        getattr(oncue, "no_such_name")
