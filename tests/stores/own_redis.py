"""A Redis server that a test may stop."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from pathlib import Path

import pytest
from redis import Redis as Client
from redis.exceptions import RedisError

needs_redis_server = pytest.mark.skipif(
    shutil.which("redis-server") is None, reason="no redis-server is installed that may be stopped"
)


class Own:
    """On loopback, behind a password, with these settings and its files in a folder."""

    def __init__(self, folder: Path, *settings: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"redis://:secret@127.0.0.1:{port}/0"
        self._command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1"]
        self._command += ["--requirepass", "secret", "--dir", str(folder), "--save", "", *settings]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Own:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Returns once it answers."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        client = Client.from_url(self.url)
        for left in range(600, -1, -1):
            try:
                client.ping()
                break
            except RedisError:
                if not left:
                    raise
                threading.Event().wait(0.05)
        client.close()

    def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
