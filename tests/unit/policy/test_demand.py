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
    assert demand.learn(seen(0, 0, 1), None, 1.0) is Keep.ALL
    assert demand.rates is None
    assert np.isnan(demand.expected(None)).all()


def test_rates_are_in_accesses_a_second_and_tell_hot_from_cold() -> None:
    demand = taught()
    assert demand.rates is not None
    hot, cold = demand.rates[bin_of(4, 4)], demand.rates[bin_of(0, 4)]
    assert hot > 2.0
    assert cold < 0.1
    chances = demand.expected(None)
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


def test_in_the_opening_a_small_fall_is_no_change() -> None:
    demand = Demand(10.0)
    demand.learn(seen(0, 0, 1), None, 0.1)
    for number in range(1, 4):
        demand.learn(seen(60, 940, number), 0.06, 0.1)
    assert demand.hurries
    assert demand.notice(800, 1000.0, 1200) is Keep.ALL
    assert demand.notice(700, 1000.0, 1200) is Keep.LAST


def test_less_is_expected_of_a_shorter_exposure_and_no_more_of_a_longer_one() -> None:
    demand = taught()
    usual, short = demand.expected(None), demand.expected(0.5)
    seldom, often = bin_of(0, 4), bin_of(4, 4)
    assert short[seldom] == pytest.approx(usual[seldom] / 2, rel=0.1)
    assert usual[often] / 2 < short[often] < usual[often]
    np.testing.assert_array_equal(demand.expected(20.0), usual)


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


def test_a_process_that_does_not_fit_begins_with_a_short_exposure_and_quick_passes() -> None:
    demand = Demand(10.0)
    assert not demand.hurries
    assert demand.learn(seen(0, 0, 1), None, 0.1) is Keep.NOTHING
    assert demand.exposure_s == 0.1
    # Bits of 1 % where 10 % fit: five times as long; of 4 %: as long as makes it 10 %.
    assert demand.learn(seen(10, 990, 1), 0.01, 0.1) is Keep.NOTHING
    assert demand.exposure_s == pytest.approx(0.5)
    assert demand.learn(seen(40, 960, 1), 0.04, 0.1) is Keep.NOTHING
    assert demand.exposure_s == 1.0
    # No longer than what it would have begun with otherwise.
    assert demand.learn(seen(10, 990, 1), 0.01, 0.1) is Keep.ALL
    assert demand.exposure_s == 1.0
    assert demand.hurries
    for _ in range(7):
        demand.learn(seen(10, 990, 6), 0.01, 0.1)
    assert not demand.hurries


def test_once_enough_is_accessed_the_opening_is_over() -> None:
    demand = Demand(10.0)
    demand.learn(seen(0, 0, 1), None, 0.1)
    assert demand.learn(seen(60, 940, 1), 0.06, 0.1) is Keep.ALL
    assert demand.learn(seen(60, 940, 2), 0.0, 0.1) is Keep.ALL
    assert demand.exposure_s == 0.1
    # From here on the hot pages are up, and the slow tier's bits say nothing of the exposure.
    demand.learn(seen(60, 940, 3), 0.0, 0.1)
    assert demand.learn(seen(60, 940, 1), 0.0, 0.1) is Keep.ALL


def test_quick_passes_can_be_forbidden() -> None:
    demand = Demand(10.0, quick_passes=0)
    assert demand.learn(seen(0, 0, 1), None, 0.1) is Keep.NOTHING
    assert demand.exposure_s == 0.1
    assert not demand.hurries


def test_little_memory_is_no_reason_to_hurry() -> None:
    demand = Demand(10.0)
    assert demand.learn(seen(0, 0, 1), None, 0.1, slow_pages=500) is Keep.ALL
    assert not demand.hurries


def test_after_a_change_passes_are_quick_where_not_all_fits() -> None:
    demand = taught()
    demand.learn(seen(100, 900, 5), 0.1, 0.2)
    assert not demand.hurries
    assert demand.notice(20, 97.0, 100) is Keep.LAST
    assert demand.hurries


def test_rates_are_by_the_exposure_that_was_and_not_by_the_one_that_was_wanted() -> None:
    wanted, longer = Demand(10.0), Demand(10.0)
    for number in range(1, 5):
        wanted.learn(seen(100, 900, number), 0.1, 1.0)
        longer.learn(seen(100, 900, number), 0.1, 1.0, 4.0)
    assert wanted.rates is not None
    assert longer.rates is not None
    assert longer.exposed_s == pytest.approx(4.0)
    assert longer.rates == pytest.approx(wanted.rates / 4)


def test_what_cannot_be_had_shorter_is_not_asked_for_again_and_again() -> None:
    demand = Demand(10.0)
    kept = [demand.learn(seen(100, 900, number), 0.1, 0.1, 5.0) for number in range(1, 7)]
    assert kept == [Keep.ALL] * 6


def test_what_cannot_be_had_longer_is_not_asked_for_again_and_again() -> None:
    demand = Demand(10.0)
    kept = [demand.learn(mixed(min(n, 6)), 0.1, 0.1, 0.2) for n in range(1, 40)]
    assert kept.count(Keep.NOTHING) == 0


def mixed(observations: int) -> PageNumbers:
    """(bins,) pages that are used so rarely that a longer exposure would tell them apart better."""
    pages = np.zeros(BINS, dtype=np.intp)
    pages[bin_of(1, observations)] += 150
    pages[bin_of(0, observations)] += 850
    return pages


def passes_until_another_exposure(calm: int) -> int:
    """After a change that follows so many passes without one."""
    demand = Demand(10.0)
    for _ in range(calm):
        demand.learn(seen(100, 900, 6), 0.1, 1.0)
        demand.notice(97, 97.0, 100)
    assert demand.notice(20, 97.0, 100) is Keep.LAST
    for number in range(1, 20):
        demand.notice(97, 97.0, 100)
        if demand.learn(seen(100, 900, min(number + 1, 6)), 0.1, 0.1) is Keep.NOTHING:
            return number
    raise AssertionError("never")


def test_what_is_known_is_kept_until_pages_have_traded_places_after_a_calm() -> None:
    assert passes_until_another_exposure(calm=40) >= 7
    assert passes_until_another_exposure(calm=10) <= 4


def test_an_exposure_of_no_time_is_taken_for_the_shortest() -> None:
    demand = Demand(10.0)
    demand.learn(seen(100, 900, 1), 0.1, 1.0, 0.0)
    assert demand.exposed_s == 0.01
    assert demand.rates is not None
    assert np.isfinite(demand.rates).all()
