"""How far a server's clock is ahead, from what its answers say."""

import pytest

from oncue.app.stores.skew import Skew


@pytest.mark.parametrize(
    ("clock", "now", "took", "skew", "certain"),
    [
        (100, 100, 0, (0, 0), 0),
        (107, 100, 2, (5, 7), 5),  # read somewhere from 100 to 102
        (97, 100, 2, (-5, -3), -3),
        (103, 100, 9, (-6, 3), 0),
    ],
)
def test_a_measure_tells_as_much_as_its_duration_lets_it(
    clock: int, now: int, took: int, skew: tuple[int, int], certain: int
) -> None:
    found = Skew.measured(clock, now, took)
    assert found == skew and found.certain == certain


@pytest.mark.parametrize(
    ("before", "then", "both"),
    [
        (None, (-1, 1), (-1, 1)),
        ((-1, 1), (-20, 0), (-1, 0)),
        ((-20, 0), (-5, -5), (-5, -5)),
        ((-1, 1), (9, 10), (9, 10)),  # a clock was set
    ],
)
def test_measures_together_tell_more(
    before: tuple[int, int] | None, then: tuple[int, int], both: tuple[int, int]
) -> None:
    assert Skew(*then).since(before and Skew(*before)) == both


def test_what_may_exceed_a_limit_on_either_side() -> None:
    assert Skew(-5, 0).may_exceed(4) and Skew(0, 5).may_exceed(4)
    assert not Skew(-4, 4).may_exceed(4)
