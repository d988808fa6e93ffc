"""What the benchmarks have in common. pytest leaves `peers/` alone: it runs in an environment of
its own, by its own script."""

import pytest

collect_ignore = ["peers"]


@pytest.fixture
def brief(request: pytest.FixtureRequest) -> bool:
    """Whether a benchmark is only to be seen to run."""
    config = request.config
    asked = float(config.getoption("benchmark_max_time"))
    return bool(config.getoption("benchmark_disable")) or asked < 0.1
