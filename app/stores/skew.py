"""How far a server's clock is from the app's, as far as questions and answers tell."""

from __future__ import annotations

from typing import NamedTuple


class Skew(NamedTuple):
    """For how many microseconds the server's clock is ahead of the app's: at least and at most."""

    least: int
    most: int

    @classmethod
    def measured(cls, clock: int, now: int, took: int) -> Skew:
        """The server read its clock when the app's was at `now` or up to so much later."""
        return cls(clock - now - took, clock - now)

    def since(self, before: Skew | None) -> Skew:
        """What this measure and those before tell together; it alone, if a clock was set since."""
        if before is None:
            return self
        least, most = max(self.least, before.least), min(self.most, before.most)
        return Skew(least, most) if least <= most else self

    @property
    def certain(self) -> int:
        """What of it is beyond doubt: negative if the server's clock is behind."""
        return max(0, self.least) + min(0, self.most)

    def may_exceed(self, limit: int) -> bool:
        """Whether the measures leave it open that it is farther off than that."""
        return max(abs(self.least), abs(self.most)) > limit
