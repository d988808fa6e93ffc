"""What any test may ask for: a server to talk to.

A test of a store that needs a server takes `postgres_url` or `redis_url`. Without a server such a
test skips, and its reason says so; with ONCUE_REQUIRE_SERVICES=1 (as .ci/run sets it) a skip whose
reason speaks of a server, a missing client library included, is a failure instead.
The addresses come from ONCUE_POSTGRES_URL and ONCUE_REDIS_URL, else from where `make services`
(tests/services.sh) notes them. The server may be somebody's own: a test keeps to names of its own
making and removes them.
"""

import os
import re
import socket
from collections.abc import Generator
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import pytest
from hypothesis import settings

settings.register_profile("normal", deadline=None)  # a machine may be slow
settings.register_profile("nightly", deadline=None, max_examples=100_000)
settings.load_profile("normal")  # --hypothesis-profile=nightly goes before

ROOT = Path(__file__).resolve().parent.parent
ABOUT_A_SERVER = re.compile(r"server|postgres|psycopg|redis", re.IGNORECASE)

AnyReport = TypeVar("AnyReport", pytest.TestReport, pytest.CollectReport)


@pytest.fixture(scope="session")
def postgres_url() -> str:
    """The address of a PostgreSQL database that answers, as psycopg takes it."""
    return _server("postgres", 5432)


@pytest.fixture(scope="session")
def redis_url() -> str:
    """The address of a Redis database that answers, as redis-py takes it."""
    return _server("redis", 6379)


def _server(name: str, usual_port: int) -> str:
    url = os.environ.get(f"ONCUE_{name.upper()}_URL") or _noted(name)
    if not url:
        pytest.skip(f"no {name} server is known: run `make services`")
    parts = urlsplit(url)
    address = (parts.hostname or "127.0.0.1", parts.port or usual_port)
    try:
        socket.create_connection(address, timeout=3).close()
    except OSError as error:
        pytest.skip(f"no {name} server answers ({error}): run `make services`")
    return url


def _noted(name: str) -> str:
    note = ROOT / ".cache" / "services" / f"{name}.url"
    return note.read_text(encoding="utf-8").strip() if note.exists() else ""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _refuse_server_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _refuse_server_skip((yield))


def _refuse_server_skip(report: AnyReport) -> AnyReport:
    required = os.environ.get("ONCUE_REQUIRE_SERVICES") == "1"
    if required and report.skipped and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2]
        if ABOUT_A_SERVER.search(reason):
            report.outcome = "failed"
            report.longrepr = f"{reason}\n(ONCUE_REQUIRE_SERVICES=1 refuses this skip)"
    return report
