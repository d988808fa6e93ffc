"""The pytest plugin: fixtures for those who test their apps. pytest finds it by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ..app.simulation import Simulation


@pytest.fixture
def simulate() -> Callable[..., Simulation]:
    """`simulate(app, start, end, durations=…, outcomes=…)`: what the app would do."""
    from ..app import simulation

    return simulation.simulate
