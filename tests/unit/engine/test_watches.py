"""Which pages are watched in the next round, and which rows rest until a later one."""

import numpy as np
import pytest

from mmscand.engine.rate_table import RateTable
from mmscand.engine.watches import Begun, Watches
from mmscand.heat.word import FAST, SEEN, STATE, STATES, STUCK, UNKNOWN, packed, rounded
from mmscand.model import REGION_BYTES, PageBlock, StateArray

PAGES, ROWS = 512, 64
HOT, COLD, BORDER = 40.0, 0.01, 2.0
LENGTH_S = 1.0


def known(rate: float, accesses: float = 16.0) -> StateArray:
    """(PAGES,) states of pages of a rate."""
    return rounded(packed(np.full(PAGES, accesses), np.full(PAGES, accesses / rate)), throw=1)


def watches(
    border: float | None, fast: int, slow: int = 0, now: float = 100.0, *, calm: bool
) -> Watches:
    table = RateTable()
    states = np.concatenate((known(HOT), known(COLD)))
    table.learn(np.bincount(states, minlength=STATES))
    made = Watches(table)
    made.begin_pass(now, border, LENGTH_S, np.array([slow, fast]), calm=calm)
    return made


def begun(
    row: StateArray,
    *,
    border: float | None = BORDER,
    watched_s: float = 1.0,
    level: int = 0,
    accessed: bool = True,
    region: int = 1,
    fast: int = 1 << 20,
    slow: int = 0,
    calm: bool = False,
    slot_pages: int = 1,
) -> Begun:
    """A round of ROWS equal rows."""
    words = np.tile(row, (ROWS, 1))
    there = words != 0
    addresses = np.uint64(region * REGION_BYTES) + np.arange(ROWS, dtype=np.uint64) * np.uint64(
        2 << 20
    )
    frames = np.zeros(words.shape, dtype=np.uint64)
    set_bits = there if accessed else np.zeros_like(there)
    block = PageBlock(addresses, slot_pages, frames, there, set_bits, there & (words & FAST == 0))
    return watches(border, fast, slow, calm=calm).begin(
        block, words, np.full(ROWS, watched_s), np.full(ROWS, level, dtype=np.intp)
    )


def test_without_a_border_all_pages_are_watched_and_no_row_rests() -> None:
    found = begun(known(HOT) | SEEN | FAST, border=None)
    assert found.to_clear.all()
    assert (found.words & SEEN == 0).all()
    assert (found.rest.until == 0).all()


def test_pages_of_which_little_is_known_are_watched_in_each_round() -> None:
    assert begun(known(HOT, accesses=2.0) | SEEN | FAST).to_clear.all()
    assert begun(np.full(PAGES, UNKNOWN | SEEN, dtype=np.uint16)).to_clear.all()


@pytest.mark.parametrize(
    ("fast", "slot_pages", "watched_s"), [(16_384, 1, 4.0), (1 << 20, 1, 16.0), (1 << 24, 512, 4.0)]
)
def test_of_certain_pages_far_above_the_border_a_16th_to_a_64th_is_watched_each_second(
    fast: int, slot_pages: int, watched_s: float
) -> None:
    row, how = known(HOT) | SEEN | FAST, {"fast": fast, "slot_pages": slot_pages}
    found = [begun(row, watched_s=watched_s, region=n, **how) for n in range(1, 9)]
    rows = np.concatenate([each.to_clear for each in found])
    assert rows.any(axis=1).mean() == pytest.approx(0.25, abs=0.08)
    assert (rows.any(axis=1) == rows.all(axis=1)).all()  # so that whole rows rest


def test_in_a_calm_two_accesses_are_enough_far_above_the_border() -> None:
    few = known(HOT, accesses=2.0) | SEEN | FAST
    assert not begun(few, watched_s=1.0, calm=True).to_clear.all(axis=1).all()
    near = known(BORDER * 1.5, accesses=2.0) | SEEN | FAST
    assert begun(near, watched_s=1.0, calm=True).to_clear.all()


@pytest.mark.parametrize(("fast", "slot_pages"), [(512, 1), (512 * 512, 512)])
def test_of_few_fast_pages_more_are_watched(fast: int, slot_pages: int) -> None:
    row = known(HOT) | SEEN | FAST
    found = begun(row, watched_s=2.0, fast=fast, slot_pages=slot_pages)
    assert found.to_clear.any(axis=1).mean() == pytest.approx(0.5, abs=0.15)


def test_near_the_border_certain_pages_are_watched_four_times_as_often() -> None:
    found = begun(known(HOT) | SEEN | FAST, border=HOT / 2, watched_s=2.0)
    assert found.to_clear.any(axis=1).mean() == pytest.approx(0.5, abs=0.15)


def test_a_row_of_cold_pages_rests_for_four_times_as_long_each_time_up_to_a_minute() -> None:
    rests = []
    for level in range(6):
        rest = begun(known(COLD), level=level, accessed=False).rest
        assert (rest.level == level + 1).all()
        rests.append(float(rest.until[0]) - 100.0)
    assert rests[0] <= 6.0
    assert 8.0 <= rests[1] <= 24.0  # in step with others: half to one and a half times 16 s
    assert 32.0 <= rests[-1] <= 96.0


@pytest.mark.parametrize(
    ("gib", "slot_pages", "rest_s"),
    [(16, 1, 64), (40, 1, 64), (64, 1, 128), (1024, 1, 256), (16, 512, 8), (1024, 512, 32)],
)
def test_cold_memory_from_64_gib_on_rests_for_longer_and_huge_pages_rest_for_an_eighth(
    gib: int, slot_pages: int, rest_s: int
) -> None:
    row = known(COLD)
    how = {"level": 9, "accessed": False, "slow": gib << 18, "fast": 512, "slot_pages": slot_pages}
    found = [begun(row, region=region, **how).rest.until for region in range(1, 65)]
    assert 0.5 * rest_s <= min(map(np.min, found)) - 100.0 < rest_s
    assert rest_s < max(map(np.max, found)) - 100.0 <= 1.5 * rest_s


def test_a_row_that_was_watched_for_a_moment_only_is_not_quiet() -> None:
    for border in (BORDER, None):
        found = begun(known(COLD), border=border, watched_s=0.01, accessed=False)
        assert (found.rest.level == 0).all()
        assert (found.rest.until == 0).all()


def test_rows_of_a_region_rest_in_step_and_regions_out_of_step() -> None:
    rests = [
        begun(known(COLD), level=9, accessed=False, region=region).rest.until
        for region in range(1, 33)
    ]
    assert all((rest == rest[0]).all() for rest in rests)
    assert len({float(rest[0]) for rest in rests}) == len(rests)


def test_a_row_with_an_accessed_page_of_the_slow_tier_does_not_rest() -> None:
    row = known(COLD)
    row[7] |= SEEN
    found = begun(row, level=5)
    assert (found.rest.level == 0).all()
    assert (found.rest.until == 0).all()


def test_a_bit_that_stays_set_forever_keeps_no_row_awake() -> None:
    row = known(COLD)
    row[7] = STUCK | SEEN
    assert (begun(row, accessed=False).rest.until > 100.0).all()


def test_certain_pages_of_the_fast_tier_rest_until_they_are_sampled() -> None:
    found = begun(known(HOT) | SEEN | FAST, watched_s=0.5, fast=16_384)
    resting = found.rest.level > 0
    assert resting.mean() > 0.9
    assert (found.rest.until[resting] <= 100.0 + 1.5 * 16.0).all()


def test_the_coldest_page_of_the_fast_tier_is_known_of_a_row_that_rests() -> None:
    row = known(HOT) | SEEN | FAST
    row[3] = known(COLD)[3] | FAST
    coldest = begun(row, watched_s=0.5).rest.coldest
    assert np.median(coldest) < BORDER
    assert np.isinf(begun(known(COLD), accessed=False).rest.coldest).all()
    assert (row & STATE != 0).all()


def test_a_page_whose_bit_is_clear_is_watched_without_being_cleared() -> None:
    found = begun(known(HOT) | SEEN | FAST, watched_s=0.001, accessed=False)
    assert (found.words & SEEN == 0).all()
    assert not found.to_clear.any()
    assert (found.rest.level == 0).all()
