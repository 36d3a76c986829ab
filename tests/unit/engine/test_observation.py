"""What one observation makes of an estimate, and when it is taken for a change of the page."""

import numpy as np
import pytest

from mmscand.engine.observation import (
    CALM,
    Doubt,
    Place,
    Updates,
    from_access,
    from_silence,
    of_a_changed_page,
)
from mmscand.engine.rate_table import RateTable
from mmscand.heat.word import STATES, UNKNOWN, A, B, packed, rounded
from mmscand.model import FloatArray, StateArray

EDGE = 10.0
SURE = Doubt(0.5, 0.03, 0.25)


def table(*rates: float) -> RateTable:
    """As learned from pages of these rates, a thousand of each, known from 16 accesses."""
    learned, rng = RateTable(), np.random.default_rng(1)
    every = np.repeat(rates, 1000)
    states = rounded(packed(np.full(len(every), 16.0), rng.gamma(16, 1 / every)), throw=1)
    learned.learn(np.bincount(states, minlength=STATES))
    return learned


def accessed(
    table: RateTable, after: float, until: float, doubt: Doubt, edge: float, *, fast: bool
) -> Updates:
    """For pages of one tier."""
    other = of_a_changed_page(table, after, until, edge, fast=fast)
    return from_access(table, after, until, doubt).updates(other, doubt)


def still_clear(
    table: RateTable, seconds: float, doubt: Doubt, edge: float, *, fast: bool
) -> Updates:
    """For pages of one tier."""
    other = of_a_changed_page(table, seconds, None, edge, fast=fast)
    return from_silence(table, seconds, doubt).updates(other, doubt)


def state(accesses: float, rate: float) -> StateArray:
    return rounded(packed(np.array([accesses]), np.array([accesses / rate])), throw=9)


def after(updates: Updates, state: StateArray, number: int = 4000) -> tuple[float, float]:
    """Mean accesses and seconds of the estimate that comes out."""
    new = rounded(np.repeat(updates.estimates[state], number), throw=3)
    return float(A[new].mean()), float(B[new].mean())


def test_an_access_is_one_more_in_the_time_it_took() -> None:
    old = state(4.0, 2.0)
    found = accessed(table(1.0, 2.0), 0.25, 0.5, CALM, EDGE, fast=False)
    accesses, seconds = after(found, old)
    assert accesses == pytest.approx(5.0, rel=0.05)
    assert seconds == pytest.approx(float(B[old][0]) + np.sqrt(0.25 * 0.5), rel=0.1)


def test_silence_is_no_access_in_the_time_it_lasted() -> None:
    old = state(4.0, 2.0)
    accesses, seconds = after(still_clear(table(1.0, 2.0), 1.0, CALM, EDGE, fast=True), old)
    assert accesses == pytest.approx(4.0, rel=0.05)
    assert seconds == pytest.approx(float(B[old][0]) + 1.0, rel=0.1)


def test_the_first_observation_of_a_page_is_all_that_is_known() -> None:
    unknown = np.array([UNKNOWN])
    first = after(accessed(RateTable(), 0.1, 0.1, CALM, EDGE, fast=False), unknown)
    assert first == (1.0, pytest.approx(0.1, rel=0.1))
    none = after(still_clear(RateTable(), 3.0, CALM, EDGE, fast=False), unknown)
    assert none == (0.5, pytest.approx(3.0, rel=0.1))


def test_hot_pages_are_known_where_the_second_visit_comes_a_minute_after_the_first() -> None:
    """A tenth of the pages is accessed each time, the others never."""
    learned, pages = RateTable(), np.full(4000, UNKNOWN)
    hot, cold = pages[:400], pages[400:]
    for number, seconds in enumerate((80.0, 6.0)):
        updates = accessed(learned, 0.0, seconds, CALM, 0.0, fast=False)
        hot[:] = rounded(updates.estimates[hot], number)
        updates = still_clear(learned, seconds, CALM, 0.0, fast=False)
        cold[:] = rounded(updates.estimates[cold], number)
        learned.learn(np.bincount(pages, minlength=STATES))
    assert learned.expected[hot].mean() > 0.5
    assert learned.expected[cold].mean() < 0.01


@pytest.mark.parametrize(
    ("rate", "until", "fast"), [(0.01, 0.003, False), (100.0, None, True)], ids=["hot", "cold"]
)
def test_what_contradicts_all_that_is_known_is_a_change_of_the_page(
    rate: float, until: float | None, fast: bool
) -> None:
    known, old = table(0.01, 100.0), state(16.0, rate)
    if until is None:
        found = still_clear(known, 3.0, CALM, EDGE, fast=fast)
    else:
        found = accessed(known, 0.0, until, CALM, EDGE, fast=fast)
    assert found.changed[old[0]]
    assert A[rounded(found.estimates[old], throw=1)][0] <= 1.0


def test_what_is_a_little_unlikely_is_a_change_only_where_many_pages_have_changed() -> None:
    known, old = table(1.0, 100.0), state(16.0, 1.0)
    assert not accessed(known, 0.003, 0.01, CALM, EDGE, fast=False).changed[old[0]]
    assert accessed(known, 0.003, 0.01, SURE, EDGE, fast=False).changed[old[0]]


def test_an_unlikely_observation_makes_what_was_known_count_less() -> None:
    known, old = table(1.0, 2.0), state(32.0, 2.0)
    accesses, _ = after(still_clear(known, 4.0, CALM, EDGE, fast=False), old)
    assert 15 < accesses < 17


def test_the_oldest_observations_are_forgotten() -> None:
    known, now = table(2.0, 20.0), state(32.0, 2.0)
    found = accessed(known, 0.05, 0.05, Doubt(1e-9, 0.0, 1.0), EDGE, fast=False)
    now = np.repeat(now, 300)
    for throw in range(150):
        now = rounded(found.estimates[now], throw)
    assert np.median((A / B)[now]) == pytest.approx(20.0, rel=0.2)


def places(rate: float) -> FloatArray:
    """Where the observations of pages of this rate lie, by what is known of pages of rate 10."""
    known, old = table(10.0), state(32.0, 10.0)[0]
    rng, found = np.random.default_rng(2), []
    reads = [0.0, 0.003, 0.01, 0.03, 0.1, 0.3]
    for moment in rng.exponential(1 / rate, 3000):
        read = int(np.searchsorted(reads, moment))
        if read == len(reads):
            found.append(still_clear(known, reads[-1], CALM, EDGE, fast=True).place.middle[old])
        else:
            spans = reads[read - 1], reads[read]
            found.append(accessed(known, *spans, CALM, EDGE, fast=True).place.middle[old])
    return np.array(found)


def test_of_an_interval_the_part_below_a_border_counts() -> None:
    place = Place(np.array([0.0, 0.2, 0.4, 0.3]), np.array([0.1, 0.4, 0.8, 0.3]))
    assert place.below(0.3).tolist() == pytest.approx([1.0, 0.5, 0.0, 0.0])
    assert place.below(0.31)[3] == 1.0


def test_observations_of_pages_that_are_as_expected_lie_in_the_middle_on_the_average() -> None:
    assert places(10.0).mean() == pytest.approx(0.5, abs=0.03)
    assert places(2.0).mean() > 0.65
    assert places(50.0).mean() < 0.35


@pytest.mark.parametrize("until", [10.0, 60.0])
def test_hot_pages_stay_hot_where_they_are_read_rarely(until: float) -> None:
    learned, hot = table(0.001, 2.0), state(4.0, 2.0)
    accesses, seconds = after(accessed(learned, 0.0, until, CALM, EDGE, fast=True), hot)
    assert accesses / seconds == pytest.approx(2.0, rel=0.2)
    unknown = np.array([UNKNOWN])
    accesses, seconds = after(accessed(learned, 0.0, until, CALM, EDGE, fast=False), unknown)
    assert accesses / seconds > 0.5  # nothing else is accessed so often


@pytest.mark.parametrize("width", [0.02, 0.1, 1.0, 30.0])
def test_an_access_within_a_time_leaves_the_mean_rate_that_follows_from_it(width: float) -> None:
    old = state(4.0, 2.0)
    found = accessed(table(1.0, 2.0), 0.0, width, CALM, EDGE, fast=False)
    accesses, seconds = after(found, old)
    rates = np.linspace(1e-3, 60, 200_000)
    density = rates**3 * np.exp(-float(B[old][0]) * rates) * -np.expm1(-rates * width)
    expected = float((rates * density).sum() / density.sum())
    assert accesses / seconds == pytest.approx(expected, rel=0.05)


def test_a_set_bit_says_nothing_of_a_page_that_is_accessed_all_the_time() -> None:
    """Or each visit would make it colder."""
    old = state(16.0, 90.0)
    found = accessed(table(90.0), 0.0, 2.0, CALM, EDGE, fast=True)
    accesses, seconds = after(found, old)
    assert accesses == pytest.approx(16.0, rel=0.05)
    assert seconds == pytest.approx(float(B[old][0]), rel=0.05)


def test_the_second_access_is_proof_although_its_bit_says_little() -> None:
    once = after(accessed(RateTable(), 0.0, 0.1, CALM, EDGE, fast=False), np.array([UNKNOWN]))
    assert once[0] == 1.0
    twice = accessed(table(100.0), 0.0, 1.0, CALM, EDGE, fast=False)
    accesses, _ = after(twice, state(1.0, 100.0))
    assert accesses == pytest.approx(2.0, rel=0.05)
