"""The law of tests/conftest.py: without a server a test skips; where one is required, it fails."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

ASKS = "def test_it(redis_url, postgres_url): assert redis_url and postgres_url"
MISSING_CLIENT = "import pytest\npytest.importorskip('psycopg_of_no_such_release')"
OTHER = "import pytest\ndef test_it(): pytest.skip('not on this platform')"
EXPECTED_FAILURE = (
    "import pytest\n@pytest.mark.xfail(reason='the server is slow')\ndef test_it(): assert 0"
)


@pytest.fixture
def closed_port() -> int:
    """A port that nobody listens on: it was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@pytest.fixture
def open_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def inner(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project of its own, with our conftest, without addresses and without other plugins."""
    for name in ("ONCUE_REQUIRE_SERVICES", "ONCUE_POSTGRES_URL", "ONCUE_REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    text = (Path(__file__).parent / "conftest.py").read_text(encoding="utf-8")
    pytester.makeconftest(text.replace("parent.parent", "parent"))
    return pytester


def outcomes(inner: pytest.Pytester, source: str) -> dict[str, int]:
    inner.makepyfile(source)
    return inner.runpytest_inprocess("-p", "no:cacheprovider").parseoutcomes()


def test_without_an_address_a_test_skips(inner: pytest.Pytester) -> None:
    assert outcomes(inner, ASKS) == {"skipped": 1}


def test_where_nothing_answers_a_test_skips(
    inner: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, closed_port: int
) -> None:
    monkeypatch.setenv("ONCUE_REDIS_URL", f"redis://127.0.0.1:{closed_port}/0")
    assert outcomes(inner, ASKS) == {"skipped": 1}


def test_where_servers_answer_a_test_runs(
    inner: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, open_port: int
) -> None:
    monkeypatch.setenv("ONCUE_REDIS_URL", f"redis://127.0.0.1:{open_port}/0")
    notes = inner.path / ".cache" / "services"
    notes.mkdir(parents=True)
    (notes / "postgres.url").write_text(f"postgresql://127.0.0.1:{open_port}/test\n")
    assert outcomes(inner, ASKS) == {"passed": 1}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (ASKS, {"errors": 1}),
        (MISSING_CLIENT, {"errors": 1}),
        (OTHER, {"skipped": 1}),
        (EXPECTED_FAILURE, {"xfailed": 1}),
    ],
    ids=["no server", "no client library", "another reason", "expected failure"],
)
def test_where_servers_are_required(
    inner: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    expected: dict[str, int],
) -> None:
    monkeypatch.setenv("ONCUE_REQUIRE_SERVICES", "1")
    assert outcomes(inner, source) == expected
