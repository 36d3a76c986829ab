"""Share of accesses that the fast tier serves."""

import numpy as np
import pytest

from mmscand.policy.placement import Placement, served


def placed(
    slow: int, fast: int, *, sizes: tuple[int, int] | None = None, variance: float = 0.0
) -> Placement:
    """Slow pages with one access a second each, fast ones with nine."""
    return Placement(
        sizes or (slow, fast),
        np.array([1.0, 9.0]),
        np.array([[slow, 0], [0, fast]]),
        np.array([variance, variance]),
        {"no_room": slow},
    )


def test_the_share_is_of_accesses_not_of_pages() -> None:
    part = served([placed(90, 10)])
    assert part is not None
    assert (part.share, part.low, part.high) == pytest.approx((0.5, 0.5, 0.5))
    both = served([placed(90, 10), placed(0, 100)])
    assert both is not None
    assert both.share == pytest.approx(990 / 1080)


def test_nothing_known_is_no_share() -> None:
    assert served([]) is None
    assert served([placed(0, 0)]) is None


def test_rates_known_from_little_make_the_bounds_wide() -> None:
    part = served([placed(90, 10, variance=4.0)])
    assert part is not None
    assert part.low < part.share < part.high
    few = served([placed(9, 1, variance=4.0)])
    assert few is not None
    assert few.high - few.low > part.high - part.low


def test_pages_that_were_not_observed_count_to_one_side() -> None:
    slow = served([placed(90, 10, sizes=(180, 10))])
    assert slow is not None
    assert (slow.low, slow.high) == pytest.approx((90 / 270, 0.5))
    fast = served([placed(90, 10, sizes=(90, 20))])
    assert fast is not None
    assert (fast.low, fast.high) == pytest.approx((0.5, 180 / 270))


def test_hot_pages_are_those_with_a_reason_to_go() -> None:
    some = Placement((10, 0), np.array([]), np.zeros((2, 0), np.intp), np.array([]), {
        "no_room": 3, "refused": 2, "cold": 4, "shared": 1,
    })  # fmt: skip
    assert some.hot_slow == 5


def test_rates_that_hardly_differ_are_one_kind() -> None:
    some = Placement(
        (60, 40),
        np.array([1.0, 100.0, 101.0, 0.001]),
        np.array([[30, 5, 5, 20], [10, 20, 10, 0]]),
        np.zeros(4),
        {},
    )
    (hot, slow, fast), *others = some.by_rate()
    assert (hot, slow, fast) == (pytest.approx(100.375), 10, 30)
    assert others == [(1.0, 30, 10), (pytest.approx(0.001), 20, 0)]
    assert some.unknown == 0
    assert (
        Placement((5, 0), np.array([]), np.zeros((2, 0), np.intp), np.array([]), {}).by_rate() == []
    )
