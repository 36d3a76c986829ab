"""Expected rates: pages that differ by chance have the same one, other pages do not."""

import copy
import tracemalloc

import numpy as np
import pytest

from mmscand.engine.rate_table import GRID, SPANS, RateTable, span_of
from mmscand.heat.word import KNOWN, STATES, UNKNOWN, A, B, packed, rounded
from mmscand.model import FloatArray, PageNumbers


def observed(rates: FloatArray, accesses: int, seed: int = 1) -> PageNumbers:
    """(STATES,) pages after this number of accesses of each, at rates (pages,)."""
    rng = np.random.default_rng(seed)
    seconds = rng.gamma(accesses, 1 / rates)
    states = rounded(packed(np.full(len(rates), float(accesses)), seconds), throw=seed)
    return np.bincount(states, minlength=STATES)


def spread(table: RateTable, pages: PageNumbers) -> FloatArray:
    """Lowest and highest expected rate of 99 % of the pages."""
    found = np.repeat(table.expected, pages)
    return np.quantile(found, [0.005, 0.995])


def test_pages_that_are_accessed_alike_have_the_same_expected_rate() -> None:
    table, pages = RateTable(), observed(np.full(8192, 5.0), accesses=8)
    for _ in range(20):
        table.learn(pages)
    low, high = spread(table, pages)
    assert 4 < low <= high < 6.5
    assert high / low < 1.4  # by the observations alone they differ fivefold


def test_pages_stay_alike_although_their_levels_are_rounded_by_chance() -> None:
    """Each access rounds a rate up or down; after 64 that is more than chance of the accesses."""
    rng, pages = np.random.default_rng(1), 8192
    a, rates = np.full(pages, 32.0), np.full(pages, 5.0)
    for throw in range(64):
        seconds = a / rates + rng.exponential(1 / 5.0, pages)
        states = rounded(packed(a, seconds * 32 / 33), throw)
        rates = A[states] / B[states]
    found, table = np.bincount(states, minlength=STATES), RateTable()
    for _ in range(20):
        table.learn(found)
    low, high = spread(table, found)
    assert 4.5 < low <= high < 5.5
    assert high / low < 1.15, (low, high)


def test_two_kinds_of_pages_are_distinguished() -> None:
    table = RateTable()
    pages = observed(np.repeat([1.0, 100.0], [4096, 512]), accesses=2)
    table.learn(pages)
    low, high = spread(table, pages)
    assert low == pytest.approx(1.0, rel=0.5)
    assert high == pytest.approx(100.0, rel=0.5)


def test_the_chance_of_silence_is_that_of_the_mixture() -> None:
    table = RateTable()
    table.learn(observed(np.full(8192, 10.0), accesses=16))
    state = rounded(packed(np.array([16.0]), np.array([1.6])), throw=1)
    span = float(SPANS[span_of(0.1)])
    assert table.silent(span)[state][0] == pytest.approx(np.exp(-10 * span), abs=0.03)
    assert (table.silent(0.0) == 1).all()


def test_pages_drawn_again_are_those_of_the_range_that_is_asked_for() -> None:
    table = RateTable()
    table.learn(observed(np.repeat([1.0, 100.0], [4096, 512]), accesses=16))
    hot = table.silent_if(0.1, 10.0, hotter=True)
    cold = table.silent_if(0.1, 10.0, hotter=False)
    assert hot < 0.01
    assert cold == pytest.approx(np.exp(-0.1), abs=0.05)


def test_nothing_is_learned_from_pages_of_which_nothing_is_known() -> None:
    table, pages = RateTable(), np.zeros(STATES, dtype=np.intp)
    pages[UNKNOWN] = 1000
    table.learn(pages)
    assert not table.known
    assert np.isnan(table.expected[KNOWN]).all()


def test_the_grid_reaches_from_an_access_in_minutes_to_what_a_read_can_show() -> None:
    assert GRID[0] <= 1 / 600
    assert GRID[-1] >= 8 / 0.0003


def test_a_first_access_is_when_pages_like_it_are_accessed_first() -> None:
    table = RateTable()
    hot, cold = np.full(2048, 2.0), np.full(8192, 0.005)
    table.learn(observed(np.concatenate((hot, cold)), accesses=16))
    known = int(observed(np.full(1, 2.0), accesses=16).argmax())
    # Of an exponential time with mean 0.5 s, cut at 1 s: 0.5 - 1 / (e^2 - 1) = 0.34 s.
    assert table.first_access(1.0)[known] == pytest.approx(0.34, rel=0.15)
    assert table.first_access(0.001)[known] == pytest.approx(0.0005, rel=0.1)
    assert table.first_access(30.0)[known] == pytest.approx(0.5, rel=0.3)
    # Of a page of which nothing is known: pages that are accessed within 10 s are hot ones.
    assert table.first_access(10.0)[UNKNOWN] < 1.5
    rare = int(observed(np.full(1, 0.005), accesses=16).argmax())
    assert table.first_access(10.0)[rare] == pytest.approx(5.0, rel=0.1)


def test_before_anything_is_learned_a_first_access_is_at_the_middle() -> None:
    assert (RateTable().first_access(10.0) == 5.0).all()


def test_a_table_is_small_whatever_was_asked_of_it() -> None:
    """There is one for each process: at 0.7 MB 1500 processes took 1 GB."""
    table = RateTable()
    for _ in range(3):
        table.learn(observed(np.full(1000, 10.0), accesses=8))
        for seconds in np.geomspace(1e-3, 10, 9):
            table.silent(float(seconds))
            table.first_access(float(seconds))
    tracemalloc.start()
    copied = copy.deepcopy(table)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert copied.known
    assert size < 200_000
