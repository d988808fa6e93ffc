"""Whether an app lives: asked in the program, over HTTP, and from outside by its store."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner, Result

from oncue import App
from oncue.app import endpoint
from oncue.app.cli import main
from oncue.app.endpoint import Endpoint, answer
from oncue.app.errors import DefinitionError, OncueError, StoreError
from oncue.app.health import Due, Health, StoreHealth
from oncue.app.stores.memory import MemoryStore
from oncue.app.stores.protocol import Answer, Step
from oncue.app.stores.sqlite import SqliteStore
from oncue.conds.durations import Duration

LIMIT = 30


def until(true: Callable[[], object]) -> None:
    """Wait until it is, or fail."""
    end = time.monotonic() + LIMIT
    while not true():
        assert time.monotonic() < end, "it never was"
        time.sleep(0.01)


@pytest.fixture
def started() -> Iterator[Callable[[App], App]]:
    """Starts apps in threads, and ends them."""
    apps: list[App] = []

    def start(app: App) -> App:
        apps.append(app)
        app.start()
        return app

    yield start
    for app in apps:
        app.stop()


Start = Callable[[App], App]

# --- in the program -------------------------------------------------------------------------------


def test_an_app_that_does_not_run_is_not_alive() -> None:
    app = App()
    assert app.health() == Health(False, "the app does not run here")
    app.task("daily", func=lambda: None, name="a")
    assert app["a"].status is None  # by a look at the store, which is no life
    assert not app.health().alive


def test_an_app_that_runs_is_alive(started: Start) -> None:
    begun, end = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        end.wait(LIMIT)

    app = App(timezone="Europe/Dublin", shut_cond="task 'a' has succeeded")
    app.task("daily", func=work, name="a")
    started(app)
    assert begun.wait(LIMIT)
    found = app.health()
    assert (found.alive, found.why, found.running, found.stopping) == (True, None, 1, False)
    assert found.turned is not None and found.last_turn is not None
    assert 0 <= found.turned < 20
    assert abs(datetime.now(UTC) - found.last_turn) < timedelta(seconds=20)
    assert found.store.answers and found.store.error is None
    assert found.store.answered is not None
    assert found.last_turn.utcoffset() == datetime.now(found.last_turn.tzinfo).utcoffset()
    app.shut_down()
    assert app.health().stopping and app.health().alive
    end.set()
    until(lambda: app.health().why == "the app does not run here")
    assert app.session.health().running == 0


def test_a_loop_that_is_stuck_is_told_by_its_last_turn(started: Start) -> None:
    begun, end = threading.Event(), threading.Event()
    app = App(timezone="UTC")
    offset = [0.0]
    app.session.config.time_func = lambda: time.time() + offset[0]

    @app.task("daily")
    async def blocks() -> None:
        begun.set()
        end.wait(LIMIT)

    soon = datetime.now(UTC) + timedelta(hours=1)
    app.task(f"once at {soon:%Y-%m-%d %H:%M}", command="true", name="b")
    started(app)
    try:
        assert begun.wait(LIMIT)
        assert app.health().alive and app.health().oldest_due is None
        offset[0] = 2 * 3600
        until(lambda: not app.health("50 ms").alive)
        found = app.health(0.05)
        assert re.fullmatch(r"the loop has not turned for \d+ s: .*", found.why or "")
        assert found.turned is not None and found.turned >= 0.05 and found.running == 1
        assert found.oldest_due is not None
        assert found.oldest_due.task == "b" and 3500 < found.oldest_due.late < 3700
    finally:
        end.set()


class Failing(MemoryStore):
    """Answers nothing while it `fails`."""

    fails = False

    async def commit(self, steps: Sequence[Step], position: int | None = None) -> list[Answer]:
        if self.fails:
            raise StoreError("the disk is full")
        return await super().commit(steps)


def test_a_store_that_does_not_answer_is_told_and_what_waits_for_it(started: Start) -> None:
    store = Failing()
    app = App(store, profile="production")
    app.task("false", func=lambda: None, name="a")
    app.task("after task 'a'", func=lambda: None, name="b")
    started(app)
    assert app.health().store.answers
    store.fails = True
    app["a"].run()
    until(lambda: not app.health().alive)
    found = app.health()
    assert found.why == "the disk is full"
    assert found.store.error == "the disk is full" and found.store.answers is False
    assert found.store.answered is not None and found.turned is not None
    assert found.oldest_due is not None and found.oldest_due.task == "a"
    store.fails = False
    until(lambda: app.health().alive)
    until(lambda: app["b"].status == "success")
    assert app.health().store.error is None


def test_what_there_is_no_room_for_is_due(started: Start) -> None:
    begun, end = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        end.wait(LIMIT)

    app = App(concurrency_limit=1)
    app.task("daily", func=work, name="a")
    app.task("daily", func=lambda: None, name="b")
    started(app)
    try:
        assert begun.wait(LIMIT)
        until(lambda: app.health().oldest_due is not None)
        found = app.health().oldest_due
        assert found is not None and found.task == "b" and found.late >= 0
    finally:
        end.set()
    until(lambda: app["b"].status == "success" and app.health().oldest_due is None)


def test_health_as_plain_values() -> None:
    at = datetime(2026, 3, 10, 9, tzinfo=UTC)
    store = StoreHealth(False, None, "gone")
    found = Health(False, "gone", at, 0.5, store, Due("a", at, 1.5), 2, True)
    assert found.to_dict() == {
        "alive": False,
        "why": "gone",
        "last_turn": "2026-03-10T09:00:00+00:00",
        "turned": 0.5,
        "store": {"answers": False, "answered": None, "error": "gone"},
        "oldest_due": {"task": "a", "at": "2026-03-10T09:00:00+00:00", "late": 1.5},
        "running": 2,
        "stopping": True,
    }


# --- over HTTP ------------------------------------------------------------------------------------

ALIVE, DEAD = Health(True, None), Health(False, "stuck")


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("GET /health HTTP/1.1", "200 OK"),
        ("GET / HTTP/1.0", "200 OK"),
        ("GET /health?verbose=1 HTTP/1.1", "200 OK"),
        ("HEAD /health HTTP/1.1", "200 OK"),
        ("GET /healthz HTTP/1.1", "404 Not Found"),
        ("HEAD /x HTTP/1.1", "404 Not Found"),
        ("POST /health HTTP/1.1", "405 Method Not Allowed"),
        ("BREW / HTTP/1.1", "405 Method Not Allowed"),
        ("GET /health", "400 Bad Request"),
        ("GET  /health HTTP/1.1", "400 Bad Request"),
        ("GET /health HTTP/2", "400 Bad Request"),
        ("\x16\x03\x01", "400 Bad Request"),
        ("", "400 Bad Request"),
    ],
)
def test_what_is_answered(request_line: str, status: str) -> None:
    found = answer(f"{request_line}\r\nHost: x\r\n\r\n".encode("latin-1"), lambda: ALIVE)
    head, _, body = found.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == f"HTTP/1.1 {status}"
    assert ("Allow: GET, HEAD" in lines) == status.startswith("405")
    length = int(re.findall(r"Content-Length: (\d+)", head.decode())[0])
    if request_line.startswith("HEAD"):
        assert body == b"" and length > 0
    else:
        assert len(body) == length
        told = json.loads(body)
        assert told == (ALIVE.to_dict() if status == "200 OK" else {"error": status[4:]})


def test_what_is_not_alive_is_unavailable() -> None:
    found = answer(b"GET /health HTTP/1.1\r\n\r\n", lambda: DEAD)
    assert found.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert json.loads(found.partition(b"\r\n\r\n")[2])["why"] == "stuck"


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    monkeypatch.setattr(endpoint, "PATIENCE", 0.2)
    monkeypatch.setattr(endpoint, "MOST_CLIENTS", 2)
    found = Endpoint(("127.0.0.1", 0), lambda: ALIVE)
    yield found
    found.close()


def connect(found: Endpoint) -> socket.socket:
    return socket.create_connection((urlsplit(found.url).hostname, urlsplit(found.url).port), LIMIT)


def all_of(client: socket.socket) -> bytes:
    """What comes until the other side closes."""
    parts: list[bytes] = []
    try:
        while part := client.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def get(url: str, method: str = "GET", path: str = "/health") -> tuple[HTTPResponse, bytes]:
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=LIMIT)
    try:
        connection.request(method, path)
        found = connection.getresponse()
        return found, found.read()
    finally:
        connection.close()


def test_a_client_is_answered(listening: Endpoint) -> None:
    found, body = get(listening.url)
    assert (found.status, json.loads(body)) == (200, ALIVE.to_dict())
    assert found.getheader("Content-Type") == "application/json"
    assert get(listening.url, "HEAD")[1] == b""
    assert get(listening.url, path="/x")[0].status == 404
    assert get(listening.url, "DELETE")[0].status == 405


def test_a_client_that_says_too_much_or_too_little_is_told(listening: Endpoint) -> None:
    with connect(listening) as client:
        client.sendall(b"GET /health HTTP/1.1\r\nX: " + b"x" * 100_000)
        said = all_of(client)
        assert said in (b"", endpoint.response(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE))
    with connect(listening) as client:
        client.sendall(b"GET /health HTTP/1.1\r\n")
        assert all_of(client) == endpoint.response(HTTPStatus.REQUEST_TIMEOUT)
    with connect(listening) as client:
        client.sendall(b"GET /hea")
    assert get(listening.url)[0].status == 200


def test_more_clients_than_are_heard_are_turned_away(
    listening: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "PATIENCE", LIMIT)
    with connect(listening) as first, connect(listening) as second:
        until(lambda: len(listening._clients) == 2)
        with connect(listening) as third:
            assert all_of(third) == b""
        first.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert all_of(first).startswith(b"HTTP/1.1 200 ")
        until(lambda: len(listening._clients) == 1)
        assert get(listening.url)[0].status == 200
        second.sendall(b"HEAD / HTTP/1.1\r\n\r\n")
        assert all_of(second).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("said", [b"", b"GET /health HTTP/1.1\r\n"])
def test_it_closes_though_a_client_has_not_said_all_yet(
    said: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    found = Endpoint(("127.0.0.1", 0), lambda: ALIVE)
    with connect(found) as client:
        client.sendall(said)
        until(lambda: found._clients)
        found.close()
        assert all_of(client) == b""
    with pytest.raises(ConnectionRefusedError):
        connect(found)
    assert "asyncio" not in {line.name for line in caplog.records}


def test_who_asks_at_the_moment_it_closes_is_answered() -> None:
    found = Endpoint(("127.0.0.1", 0), lambda: ALIVE)
    assert get(found.url)[0].status == 200  # it listens by now
    gate = threading.Event()
    found._loop.call_soon_threadsafe(gate.wait, LIMIT)
    with connect(found) as client:
        client.settimeout(LIMIT / 10)
        client.sendall(b"GET /health HTTP/1.1\r\n\r\n")
        closing = threading.Thread(target=found.close)
        closing.start()
        time.sleep(0.05)  # until it waits for the loop
        gate.set()
        closing.join()
        assert all_of(client).startswith(b"HTTP/1.1 200 ")


def test_an_address_that_cannot_be_had_is_said_before_anything_starts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        app = App(health_address=port, shut_cond="true")
        begun: list[object] = []
        app.session.hook_startup()(begun.append)
        with pytest.raises(OncueError, match=f"health_address=127.0.0.1:{port}: "):
            app.run()
        assert begun == []


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (8080, ("127.0.0.1", 8080)),
        ("8080", ("127.0.0.1", 8080)),
        (":8080", ("127.0.0.1", 8080)),
        ("0.0.0.0:80", ("0.0.0.0", 80)),
        ("localhost:0", ("localhost", 0)),
        ("[::1]:8080", ("::1", 8080)),
    ],
)
def test_addresses(given: Any, read: tuple[str, int]) -> None:
    assert App(health_address=given).session.config.health_address == read


@pytest.mark.parametrize(
    "given", ["localhost", "127.0.0.1:", "::1", "http://x:80", "x:65536", -1, True, "a b:1"]
)
def test_what_is_no_address(given: Any) -> None:
    with pytest.raises(DefinitionError, match="it is a port, or an address and a port"):
        App(health_address=given)


@pytest.mark.parametrize("given", [2, "9.9 s", "5 seconds"])
def test_an_age_that_an_idle_loop_reaches_is_refused(given: Any) -> None:
    why = "an app with nothing to do turns every 5 seconds; give 10 seconds or more"
    with pytest.raises(DefinitionError, match=f"health_max_age={given!r}: {why}"):
        App(health_max_age=given)
    app = App(health_max_age=10)
    with pytest.raises(DefinitionError, match=why):
        app.session.config.health_max_age = given
    assert app.session.config.health_max_age == Duration.of(10)


def test_the_endpoint_lives_as_long_as_the_app(
    started: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "oncue.scheduler")
    app = started(App(health_address="127.0.0.1:0"))
    (url,) = re.findall(r"health at (\S+)", caplog.text)
    found, body = get(url)
    assert (found.status, json.loads(body)["alive"]) == (200, True)
    app.shut_down()
    until(lambda: not app.session.serving)
    app.stop()
    with pytest.raises(ConnectionRefusedError):
        get(url)


# --- as processes ---------------------------------------------------------------------------------

JOBS = """
import logging, os, sys, time
from datetime import datetime, timezone
from oncue import App
from oncue.app import options

options.LEAST_AGE = 1  # of health_max_age, so that nobody waits for long
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
began, now = time.time(), float(os.environ["NOW"])
app = App("log.db", timezone="UTC", time_func=lambda: now + time.time() - began)

@app.task("daily")
async def first():
    if "BLOCK" in os.environ:
        time.sleep(600)

@app.task("cron 0 * * * *")
def hourly(): ...
"""
NOON = datetime(2026, 3, 10, 12, 30, tzinfo=UTC).timestamp()


def run(folder: Path, now: float, *arguments: str, **given: str) -> subprocess.Popen[str]:
    (folder / "jobs.py").write_text(JOBS)
    command = [sys.executable, "-c", "from oncue.app.cli import main; main()", *arguments]
    return subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "NOW": str(now), **given},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def wait_for(process: subprocess.Popen[str], text: str) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if text in line:
            return line
    raise AssertionError(f"{text!r} never came: {process.communicate()}")


def asked(folder: Path, now: float, *options: str) -> tuple[int, str]:
    process = run(folder, now, "health", "jobs.py", *options)
    out, err = process.communicate(timeout=LIMIT)
    assert err == ""
    return process.returncode, out


def test_a_blocked_loop_is_unavailable_and_keeps_nobody_waiting(tmp_path: Path) -> None:
    given = {"ONCUE_HEALTH_ADDRESS": "127.0.0.1:0", "ONCUE_HEALTH_MAX_AGE": "0.5", "BLOCK": "1"}
    process = run(tmp_path, NOON, "run", "jobs.py", **given)
    try:
        url = wait_for(process, "health at").split()[-1]
        wait_for(process, "run")
        until(lambda: b"the loop has not turned for" in get(url)[1])
        response, body = get(url)
        found = json.loads(body)
        assert response.status == 503 and not found["alive"]
        assert found["running"] == 1 and found["store"]["answers"]
    finally:
        process.kill()
        process.communicate()


def test_health_from_outside(tmp_path: Path) -> None:
    code, out = asked(tmp_path, NOON)
    assert (code, out) == (1, "not healthy: no instance of the app is alive on its store\n")
    assert not (tmp_path / "log.db").exists()
    process = run(tmp_path, NOON, "run", "jobs.py")
    try:
        wait_for(process, "success")
        code, out = asked(tmp_path, NOON + 10)
        lines = out.splitlines()
        assert (code, lines[0], len(lines)) == (0, "healthy", 2)
        assert re.fullmatch(
            rf"instance \w{{8}}: alive, process {process.pid} on \S+, "
            r"since Tue 2026-03-10 12:30(:\d\d)? \+00:00",
            lines[1],
        )
        code, out = asked(tmp_path, NOON + 3600)  # as if it had been stuck for an hour
        assert code == 1
        assert out.startswith("not healthy: nothing has been decided for ")
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    code, out = asked(tmp_path, NOON + 24 * 3600, "--json")
    found = json.loads(out)
    assert code == 1 and not found["healthy"]
    assert found["why"] == "no instance of the app is alive on its store"
    assert [(each["pid"], each["alive"]) for each in found["instances"]] == [(process.pid, False)]
    due = {"task": "first", "at": "2026-03-11T00:00:00+00:00", "late": 45000.0}
    assert {**found["oldest_due"], "late": round(found["oldest_due"]["late"], -1)} == due


# --- the command, beside a store that is written by hand ------------------------------------------

ONE = """
from oncue import App

app = App({store}timezone="UTC", time_func=lambda: 1773145800.0)  # 12:30
app.task("daily", command="true", name="a")
app.task("daily", command="true", name="off", enabled=False)
"""


def oncue(*arguments: str, store: str = "'log.db', ") -> Result:
    Path("one.py").write_text(ONE.format(store=store))
    sys.modules.pop("one", None)
    return CliRunner().invoke(main, ["health", "one.py", *arguments])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    yield tmp_path
    sys.modules.pop("one", None)


@pytest.mark.parametrize(
    ("joined", "decided", "age", "code", "first"),
    [
        (3600, 20, "60", 0, "healthy"),
        (3600, 70, "60", 1, "not healthy: nothing has been decided for 1 minute 10 seconds"),
        (3600, 70, "2 minutes", 0, "healthy"),
        (30, 3600, "60", 0, "healthy"),
        (30, None, "60", 0, "healthy"),
        (90, None, "60", 1, "not healthy: nothing has been decided for 1 minute 30 seconds"),
    ],
)
def test_an_instance_is_well_that_has_lately_decided(
    folder: Path, joined: int, decided: int | None, age: str, code: int, first: str
) -> None:
    now = int(NOON * 1_000_000)

    async def story() -> Result:
        store = SqliteStore("log.db")
        await store.open(now - joined * 1_000_000)
        await store.register({"a": "x", "off": "x"}, now - 7200 * 1_000_000)
        if decided is not None:
            await store.decided({"a": now - decided * 1_000_000})
        try:
            return await asyncio.to_thread(oncue, "--max-age", age)
        finally:
            await store.close()

    found = asyncio.run(story())
    assert (found.exit_code, found.output.splitlines()[0].split(":")[:2]) == (
        code,
        first.split(":")[:2],
    )
    assert ("decided up to" in found.output) == (decided is not None)


def test_a_log_in_memory_cannot_be_asked_from_outside(folder: Path) -> None:
    found = oncue(store="")
    assert found.exit_code == 1
    assert "only the app itself can tell" in found.output


@pytest.mark.parametrize("age", ["10", "39 s", "soon", "-1"])
def test_an_age_below_what_is_written_is_refused(folder: Path, age: str) -> None:
    assert oncue("--max-age", age).exit_code == 2


def test_a_store_that_cannot_be_read_is_said(folder: Path) -> None:
    (folder / "log.db").write_text("no database " * 20)
    found = oncue()
    assert found.exit_code == 1 and "is not an SQLite database" in found.output
