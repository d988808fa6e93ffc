"""The programs of examples/control, run as they stand, each in a process of its own.

Most say in their docstring what they print. The console is given commands, and the one over HTTP
is asked by this process.
"""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

FOLDER = Path(__file__).parent.parent / "examples" / "control"
MARK = "It prints:\n"
LIMIT = 60  # seconds; each takes one
WHOLE_LINES = str(Path(__file__).parent / "whole_lines")


def docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""


PRINTING = sorted(path.stem for path in FOLDER.glob("*.py") if MARK in docstring(path))


def test_every_verb_has_a_program() -> None:
    verbs = "restart shut_down remove create update force disable self_and_other task_queue"
    assert set(PRINTING) == set(verbs.split())
    others = {path.stem for path in FOLDER.glob("*.py")} - set(PRINTING)
    assert others == {"console", "over_http"}


@pytest.mark.parametrize("name", PRINTING)
def test_it_prints_what_it_says(name: str, tmp_path: Path) -> None:
    path = FOLDER / f"{name}.py"
    done = subprocess.run(
        [sys.executable, path],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        env={**os.environ, "PYTHONPATH": WHOLE_LINES},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout == dedent(docstring(path).split(MARK)[1]).strip() + "\n"


def test_a_console_in_a_thread() -> None:
    commands = """list
        run greet name=Ada
        why greet
        disable greet
        list
        run greet
        enable greet
        run nobody
        run greet unnamed
        dance
        quit"""
    done = subprocess.run(
        [sys.executable, FOLDER / "console.py"],
        input=commands,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=LIMIT,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONPATH": WHOLE_LINES},
    )
    assert (done.returncode, done.stderr) == (0, "")
    answers = [line for line in done.stdout.splitlines() if line.strip()]
    assert answers.count("hello Ada") == 1
    answers.remove("hello Ada")  # it comes when it comes
    first, last = answers.index("greet is asked to run") + 1, answers.index("greet is disabled")
    assert answers[first] == "✗ every 1 hour & env 'production'"
    assert last - first in (3, 4)  # it may be running yet
    rest = answers[:first] + answers[last:]
    assert rest[0] == "greet: never ran"
    assert rest[1:3] == ["greet is asked to run", "greet is disabled"]
    assert rest[3].endswith(", disabled")
    assert rest[4].startswith("error: task 'greet' is disabled")
    assert rest[5:7] == ["greet is enabled", "error: there is no task 'nobody'"]
    assert rest[7].startswith("error: ")
    assert rest[8:] == ["list, run, disable, enable, why or quit"]


def test_the_end_of_its_input_ends_the_console() -> None:
    done = subprocess.run([sys.executable, FOLDER / "console.py"], input=b"", timeout=LIMIT)
    assert done.returncode == 0


class Client:
    """Another program: it knows the address, and nothing else of the app."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        self.output = process.stdout
        self.process = process
        self.address = self.output.readline().strip()

    def __call__(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.address + path, data, method=method)
        try:
            with urlopen(request, timeout=LIMIT) as response:
                return response.status, json.load(response)
        except HTTPError as error:
            return error.code, json.load(error)


@pytest.fixture
def client() -> Iterator[Client]:
    command = [sys.executable, str(FOLDER / "over_http.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Client(process)
        finally:
            process.kill()


def test_another_program_over_http(client: Client) -> None:
    assert client.address.startswith("http://127.0.0.1:")
    status, (greet,) = client("GET", "/tasks")
    assert (status, greet["name"], greet["status"], greet["enabled"]) == (200, "greet", None, True)
    assert greet["condition"] == "every 1 hour & env 'production'"

    assert client("POST", "/tasks/greet/run", {"name": "Ada"}) == (200, {"done": True})
    assert client.output.readline() == "hello Ada\n"

    _, why = client("GET", "/tasks/greet/explain")
    assert why["value"] is False and "env 'production'" in json.dumps(why)

    assert client("POST", "/tasks/greet/disable") == (200, {"done": True})
    assert client("GET", "/tasks")[1][0]["enabled"] is False
    status, refused = client("POST", "/tasks/greet/run", {})
    assert status == 409 and "is disabled" in refused["error"]
    assert client("POST", "/tasks/greet/enable") == (200, {"done": True})

    assert client("GET", "/tasks/nobody/explain")[0] == 404
    assert client("GET", "/")[0] == 404
    assert client("POST", "/tasks/greet/run", ["x"])[0] == 409

    assert client("POST", "/shut_down") == (200, {"done": True})
    assert client.process.wait(LIMIT) == 0
