"""Whether an instance may take others for gone whose leases ran out."""

from __future__ import annotations

from ..clock import uptime
from .protocol import LEASE

GRACE = LEASE * 2 // 3
"""How long those have to come back who could not renew; twice the time between two renewals."""


class Renewals:
    """When an instance has renewed its lease, and so whether it may take others for gone by theirs.

    Who could not renew, since the file was locked, the disk full, the server away or the process
    stopped, has to suppose that the others could not either, and live. It gives them two renewals'
    time from when it can again; all that while it renews. So does who has just come, unless it may
    take them for gone `at_once`. It is late from half a lease on: others have renewed up to a third
    of one earlier than it has, so theirs do not run out before that. Told of on one thread, asked
    on another."""

    def __init__(self, *, at_once: bool = False) -> None:
        self._latest = uptime()
        self._regular_since = self._latest - (LEASE if at_once else 0)

    def renewed(self, at: int) -> None:
        if self._is_late(at):
            self._regular_since = at  # before the latest, by which it is seen to be late
        self._latest = at

    def _is_late(self, now: int) -> bool:
        return now - self._latest > LEASE // 2

    @property
    def are_regular(self) -> bool:
        now = uptime()
        return not self._is_late(now) and now - self._regular_since >= GRACE
