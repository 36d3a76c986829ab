"""A change is noticed; chance, and a program that runs slower or faster, are not."""

import numpy as np
import pytest

from mmscand.engine.change_watch import Changed, ChangeWatch
from mmscand.engine.observation import Place
from mmscand.model import FloatArray

CAPACITY, SLOW = 1000, 8000


def late(number: int, speed: float = 1.0, seed: int = 1) -> FloatArray:
    """Places of observations of pages at a multiple of their expected rates."""
    rng = np.random.default_rng(seed)
    return 1 - np.exp(-rng.exponential(1 / speed, number))


def at(places: FloatArray) -> Place:
    """Of observations whose times are known."""
    return Place(places, places)


def seen(fast: FloatArray, slow: FloatArray, weights: FloatArray | None = None) -> Changed:
    watch = ChangeWatch()
    heavy = np.ones(len(fast)) if weights is None else weights
    watch.add(at(fast), np.ones(len(fast)), heavy, fast=True, still=False)
    watch.add(at(slow), np.ones(len(slow)), np.ones(len(slow)), fast=False, still=False)
    return watch.changed(CAPACITY, SLOW)


def test_nothing_is_noticed_where_nothing_changes() -> None:
    for seed in range(40):
        assert not seen(late(300, seed=seed), late(3000, seed=seed + 100)).any


def test_a_quarter_of_the_fast_tier_that_is_not_accessed_any_more_is_a_change() -> None:
    fast = late(300)
    fast[:75] = 1.0
    assert seen(fast, late(3000)).fast == pytest.approx(0.25, abs=0.12)


def test_a_few_heavy_pages_that_are_silent_are_a_change_among_many_light_ones() -> None:
    fast, weights = late(3000), np.ones(3000)
    weights[:100] = 30.0
    fast[:60] = 1.0
    assert seen(fast, late(3000), weights).fast > 0.2
    assert seen(fast, late(3000)).fast == 0  # without weights it is 2 %


def test_one_page_is_no_change_however_hot_it_was() -> None:
    fast, weights = late(300), np.ones(300)
    weights[0], fast[0] = 1000.0, 1.0
    assert not seen(fast, late(3000), weights).any


@pytest.mark.parametrize("each", [1, 512])
def test_pages_that_one_bit_stands_for_are_one_observation(each: int) -> None:
    """A tenth of 20 huge pages of the fast tier is late by chance, and of 80 slow ones early."""
    watch, fast, slow = ChangeWatch(), late(20), late(80)
    fast[:3], slow[:10] = 1.0, 0.001
    watch.add(at(fast), np.ones(20), np.ones(20), each=each, fast=True)
    watch.add(at(slow), np.ones(80), np.ones(80), each=each, fast=False)
    assert not watch.changed(CAPACITY, SLOW).any


def test_a_program_that_slows_down_has_not_changed_where_a_sample_counts() -> None:
    """Of pages that are still clear one in eight counts, of accessed ones all: half of the rate."""
    for seed in range(10):
        watch, rng = ChangeWatch(), np.random.default_rng(seed)
        for fast, number in ((True, 3000), (False, 30000)):
            first = rng.exponential(2.0, number)  # in expected times between accesses
            seen = 1 - np.exp(-first[first < 1])
            watch.add(at(seen), np.ones(len(seen)), np.ones(len(seen)), fast=fast)
            silent = (number - len(seen)) // 8
            late = Place(np.full(silent, 1 - np.exp(-1.0)), np.ones(silent))
            some = np.ones(silent)
            watch.add(late, some, some, each=8, fast=fast, still=True)
        assert not watch.changed(CAPACITY, SLOW).any


def test_pages_count_by_the_memory_that_their_observations_stand_for() -> None:
    """300 huge pages are silent among 3000 pages of 4 KiB that are not."""
    watch, silent, fine = ChangeWatch(), np.ones(300), late(3000)
    watch.add(at(silent), np.ones(300), np.ones(300), each=512, fast=True)
    watch.add(at(fine), np.ones(3000), np.ones(3000), fast=True)
    watch.add(at(late(3000)), np.ones(3000), np.ones(3000), fast=False)
    assert watch.changed(CAPACITY, SLOW).fast == pytest.approx(0.6)


def test_early_accesses_on_the_slow_tier_are_a_change() -> None:
    slow = late(3000)
    slow[:150] = 0.001
    assert seen(late(300), slow).slow == pytest.approx(0.05, abs=0.02)


def test_where_the_slow_tier_says_nothing_the_rest_of_the_fast_one_says_how_fast_it_is() -> None:
    for seed in range(10):
        assert not seen(late(300, 0.5, seed), np.empty(0)).any
    fast = late(300)
    fast[:75] = 1.0
    assert seen(fast, np.empty(0)).fast > 0


@pytest.mark.parametrize("speed", [0.25, 0.5, 2.0, 4.0])
def test_a_program_at_another_speed_has_not_changed(speed: float) -> None:
    for seed in range(10):
        assert not seen(late(300, speed, seed), late(3000, speed, seed + 100)).any


def test_a_weak_sign_in_each_of_many_rounds_is_a_change() -> None:
    watch, noticed = ChangeWatch(), []
    for seed in range(12):
        fast = late(60, seed=seed)
        fast[:6] = 1.0
        watch.add(at(fast), np.ones(60), np.ones(60), fast=True, still=False)
        noticed.append(watch.changed(CAPACITY, SLOW).fast > 0)
        watch.end_round(forget=False)
    assert not noticed[0]
    assert noticed[-1]


def test_a_round_that_is_forgotten_says_nothing_any_more() -> None:
    watch = ChangeWatch()
    watch.add(at(np.ones(300)), np.ones(300), np.ones(300), fast=True, still=False)
    assert watch.changed(CAPACITY, SLOW).any
    watch.end_round(forget=True)
    assert not watch.changed(CAPACITY, SLOW).any


def test_pages_that_are_still_clear_count_once_however_often_they_are_read() -> None:
    watch = ChangeWatch()
    for _ in range(5):
        watch.begin_visit()
        watch.add(
            Place(np.full(300, 0.2), np.ones(300)),
            np.ones(300),
            np.ones(300),
            fast=True,
            still=True,
        )
    once = ChangeWatch()
    once.add(
        Place(np.full(300, 0.2), np.ones(300)), np.ones(300), np.ones(300), fast=True, still=True
    )
    assert watch.changed(CAPACITY, SLOW) == once.changed(CAPACITY, SLOW)


def test_agreement_is_the_share_of_the_expected_difference_that_is_seen() -> None:
    watch = ChangeWatch()
    watch.add(at(late(300, 0.5)), np.ones(300), np.ones(300), fast=True, still=False)
    watch.add(at(late(3000)), np.ones(3000), np.ones(3000), fast=False, still=False)
    assert watch.agreement == pytest.approx(0.5, abs=0.12)


@pytest.mark.parametrize("reads", [(0.0, 0.5), (0.0, 0.06), (0.0, 0.01, 0.02, 0.2), (0.0, 3.0)])
def test_reads_that_are_far_apart_are_no_change(reads: tuple[float, ...]) -> None:
    """Times of accesses are known within two reads only; rates are 1."""
    rng, before = np.random.default_rng(1), 1 - np.exp(-np.array(reads))
    for number, fast in ((3000, False), (300, True)):
        watch = ChangeWatch()
        after = np.searchsorted(reads, rng.exponential(size=number))
        was = after < len(reads)
        some, rest = np.ones(int(was.sum())), np.ones(int((~was).sum()))
        found = Place(before[after[was] - 1], before[after[was]])
        watch.add(found, some, some, fast=fast, still=False)
        watch.add(Place(rest * before[-1], rest), rest, rest, fast=fast, still=True)
        assert not watch.changed(CAPACITY, SLOW).any
