"""What helps to test apps, schedules and anything that is about time.

Loaded by name, as the package itself is: pytest loads the plugin in here whether a test uses it
or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..app.simulation import Run as Run
    from ..app.simulation import Simulation as Simulation
    from ..app.simulation import simulate as simulate

__all__ = ["Run", "Simulation", "simulate"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'oncue.testing' has no attribute {name!r}")
    from ..app import simulation

    return getattr(simulation, name)
