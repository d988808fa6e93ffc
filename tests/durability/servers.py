"""Servers of the tests' own, in a temporary folder, which may be stopped, killed and started again.

They listen on loopback alone, behind a random password.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

STARTING = 60.0  # seconds
ENDING = 30.0
POSTGRES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


class Server(ABC):
    """`crash` ends it as a loss of power to its processes would, `stop` in order. `listening` is
    the word by which a client asks to be told of news."""

    kind: str
    listening: bytes

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.password = secrets.token_hex(8)
        self._popen: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def address(self, port: int | None = None) -> str:
        """Of its store, by a port that leads there."""

    @abstractmethod
    def answers(self) -> bool: ...

    @abstractmethod
    def _command(self) -> Sequence[str]: ...

    _stop_signal: int
    _crash_signal: int
    _options: Mapping[str, Any] = {}

    def start(self) -> None:
        """Begin to start it."""
        with (self.folder / "log").open("ab") as log:
            self._popen = subprocess.Popen(
                self._command(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **self._options,
            )

    def wait(self) -> None:
        """Return once it answers."""
        end = time.monotonic() + STARTING
        while not self.answers():
            if time.monotonic() > end or (self._popen and self._popen.poll() is not None):
                told = (self.folder / "log").read_text(errors="replace")[-2000:]
                raise AssertionError(f"the server in {self.folder} does not start:\n{told}")
            time.sleep(0.05)

    def stop(self) -> None:
        self._end(self._stop_signal)

    def crash(self) -> None:
        self._end(self._crash_signal)

    def _end(self, number: int) -> None:
        popen, self._popen = self._popen, None
        if popen is None:
            return
        popen.send_signal(number)
        try:
            popen.wait(ENDING)
        except subprocess.TimeoutExpired:
            popen.send_signal(self._crash_signal)
            popen.wait()

    def remove(self) -> None:
        self.crash()
        shutil.rmtree(self.folder, ignore_errors=True)


@cache
def postgres_tool(name: str) -> str:
    """Skips the test where there is none."""
    found = [Path(path) for path in [shutil.which(name)] if path]
    for pattern in POSTGRES:
        found += sorted(Path("/").glob(f"{pattern[1:]}/{name}"), reverse=True)
    if not found:
        pytest.skip(f"no {name} is installed to start a PostgreSQL server with")
    return str(found[0])


def unprivileged() -> dict[str, str]:
    """What makes a process of somebody whom PostgreSQL lets run it."""
    return {"user": "postgres", "group": "postgres"} if os.getuid() == 0 else {}


class PostgresServer(Server):
    """One of its own data; with `of`, a streaming replica of that."""

    kind = "postgres"
    listening = b"LISTEN"
    _stop_signal = signal.SIGINT  # "fast": who is connected is thrown out
    _crash_signal = signal.SIGQUIT  # "immediate": the log has to be replayed

    def __init__(self, *, of: PostgresServer | None = None) -> None:
        tool = postgres_tool("initdb" if of is None else "pg_basebackup")
        self._options = unprivileged()
        folder = tempfile.mkdtemp(prefix="oncue-postgres-")
        if self._options:
            shutil.chown(folder, **self._options)
        super().__init__(Path(folder))
        if of is None:
            file = self.folder / "password"
            file.write_text(self.password)
            file.chmod(0o644)
            self._run(
                tool, "-U", "oncue", "--pwfile", str(file), "-A", "scram-sha-256", "-E", "UTF8",
                "--locale=C", "-D", self.data,
            )  # fmt: skip
        else:
            self.password = of.password
            self._run(tool, "-R", "-c", "fast", "-D", self.data, "-d", of.address())

    @property
    def data(self) -> str:
        return str(self.folder / "data")

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, **self._options
        )
        assert done.returncode == 0, done.stderr

    def _command(self) -> Sequence[str]:
        said = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": ""}
        settings = [word for name, value in said.items() for word in ("-c", f"{name}={value}")]
        return [postgres_tool("postgres"), "-D", self.data, *settings]

    def address(self, port: int | None = None) -> str:
        return self.address_of(port or self.port)

    def address_of(self, *ports: int) -> str:
        """Of the one of several that takes writes."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        return f"postgresql://oncue:{self.password}@{hosts}/postgres"

    def run(self, *statements: str) -> list[tuple[Any, ...]]:
        """What the last one gives."""
        found: list[tuple[Any, ...]] = []
        with psycopg.connect(self.address(), autocommit=True, connect_timeout=5) as link:
            for statement in statements:
                cursor = link.execute(statement.encode())
                found = cursor.fetchall() if cursor.description else []
        return found

    def answers(self) -> bool:
        try:
            return bool(self.run("SELECT 1"))
        except psycopg.OperationalError:
            return False

    def promote(self) -> None:
        """Make a replica one that takes writes."""
        ((done,),) = self.run("SELECT pg_promote()")
        assert done, "the replica was not promoted"


class RedisServer(Server):
    """It writes every change to its file before it answers, unless `settings` say otherwise; with
    `of`, a replica of that one."""

    kind = "redis"
    listening = b"SUBSCRIBE"
    _stop_signal = signal.SIGTERM
    _crash_signal = signal.SIGKILL

    def __init__(self, *settings: str, of: RedisServer | None = None) -> None:
        if shutil.which("redis-server") is None:
            pytest.skip("no redis-server is installed to start a Redis server with")
        super().__init__(Path(tempfile.mkdtemp(prefix="oncue-redis-")))
        if of is not None:
            self.password = of.password
            settings = f"replicaof 127.0.0.1 {of.port}", f"masterauth {of.password}", *settings
        said = ["bind 127.0.0.1", f"port {self.port}", f"requirepass {self.password}"]
        said += [f"dir {self.folder}", "appendonly yes", "appendfsync always", 'save ""']
        (self.folder / "conf").write_text("\n".join([*said, *settings, ""]))

    def _command(self) -> Sequence[str]:
        return ["redis-server", "conf"]

    def address(self, port: int | None = None) -> str:
        return f"redis://default:{self.password}@127.0.0.1:{port or self.port}/0"

    def answers(self) -> bool:
        client = redis.Redis.from_url(self.address(), socket_timeout=5)
        try:
            return bool(client.ping())
        except redis.exceptions.RedisError:
            return False
        finally:
            client.close()
