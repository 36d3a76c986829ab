"""What is learned of one process: rates of bins, an exposure that tells pages apart, changes."""

import numpy as np
import pytest

from mmscand.heat.bins import ACCESSED, BINS, OBSERVATIONS
from mmscand.model import PageNumbers
from mmscand.policy.demand import Demand, Keep


def seen(hot: int, cold: int, observations: int) -> PageNumbers:
    """(bins,) pages that were accessed each time, and pages that never were."""
    pages = np.zeros(BINS, dtype=np.intp)
    pages[bin_of(observations, observations)] += hot
    pages[bin_of(0, observations)] += cold
    return pages


def bin_of(accessed: int, observations: int) -> int:
    (place,) = np.flatnonzero((accessed == ACCESSED) & (observations == OBSERVATIONS))
    return int(place)


def taught(passes: int = 4) -> Demand:
    demand = Demand(10.0)
    for number in range(1, passes + 1):
        assert demand.learn(seen(100, 900, number), 0.1, 1.0) is Keep.ALL
    return demand


def test_nothing_is_known_until_something_was_observed() -> None:
    demand = Demand(10.0)
    assert demand.learn(seen(0, 0, 1), 0.0, 0.5) is Keep.ALL
    assert demand.rates is None
    assert np.isnan(demand.expected()).all()


def test_rates_are_in_accesses_a_second_and_tell_hot_from_cold() -> None:
    demand = taught()
    assert demand.rates is not None
    hot, cold = demand.rates[bin_of(4, 4)], demand.rates[bin_of(0, 4)]
    assert hot > 2.0
    assert cold < 0.1
    chances = demand.expected()
    assert chances[bin_of(4, 4)] > 0.85
    assert chances[bin_of(0, 4)] < 0.1


def test_an_exposure_in_which_everything_is_set_is_made_shorter_at_once() -> None:
    demand = Demand(10.0)
    assert demand.learn(seen(1000, 0, 1), 0.99, 0.5) is Keep.NOTHING
    assert demand.exposure_s == pytest.approx(0.2)
    assert demand.rates is None


def test_where_everything_fits_nothing_needs_to_be_told_apart() -> None:
    demand = Demand(10.0)
    for number in range(1, 7):
        assert demand.learn(seen(1000, 0, number), 1.0, 1.0) is Keep.ALL
    assert demand.exposure_s == 1.0


def test_no_exposure_is_longer_than_it_may_be() -> None:
    assert Demand(0.3, 1.0).exposure_s == 0.3


def test_a_fall_of_hits_is_a_change_and_noticed_once() -> None:
    demand = taught()
    assert demand.notice(95, 97.0, 100) is Keep.ALL
    assert demand.notice(20, 97.0, 100) is Keep.LAST
    assert demand.changes == 1
    # What was seen since the change is too little to expect anything by.
    assert [demand.notice(20, 97.0, 100) for _ in range(4)] == [Keep.ALL] * 4
    assert demand.notice(20, 97.0, 100) is Keep.LAST


@pytest.mark.parametrize(("hits", "expected", "pages"), [(0, 30.0, 40), (0, np.nan, 900)])
def test_few_pages_and_unknown_ones_are_no_change(hits: int, expected: float, pages: int) -> None:
    assert taught().notice(hits, expected, pages) is Keep.ALL


def test_chance_is_no_change() -> None:
    demand, rng = taught(), np.random.default_rng(1)
    for hits in rng.binomial(200, 0.4, 500).tolist():
        assert demand.notice(hits, 80.0, 200) is Keep.ALL


def test_an_exposure_that_could_as_well_be_shorter_is_made_so() -> None:
    demand = Demand(10.0)
    kept = [demand.learn(seen(100, 900, number), 0.1, 0.1) for number in (1, 2, 3)]
    assert kept == [Keep.ALL, Keep.ALL, Keep.NOTHING]
    assert 0.3 < demand.exposure_s < 1.0
