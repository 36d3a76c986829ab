"""States that look alike: every state has its bin, and says what its register and average say."""

import numpy as np

from mmscand.heat.bins import ACCESSED, BIN_OF, BINS, OBSERVATIONS, pages_by_bin
from mmscand.heat.state import AVERAGE_OBSERVATIONS, FAST, KNOWN, PASSES, STATES, STUCK


def told(state: int) -> tuple[float, float]:
    return float(ACCESSED[BIN_OF[state]]), float(OBSERVATIONS[BIN_OF[state]])


def test_a_register_is_told_by_its_accesses_and_its_length() -> None:
    assert told(0b10) == (0, 1)
    assert told(0b1101) == (2, 3)
    assert told(0b1101 | int(FAST)) == (2, 3)
    assert told(0b1111111) == (PASSES, PASSES)


def test_an_average_counts_behind_a_full_register_only() -> None:
    full, average = 0b1000001, 8 << 8
    assert told(full | average) == (1 + 7, PASSES + AVERAGE_OBSERVATIONS)
    assert told(0b101 | average) == (1, 2)


def test_of_what_was_not_observed_nothing_is_told() -> None:
    for state in (0, int(KNOWN), int(KNOWN | FAST), int(STUCK), int(STUCK | FAST)):
        assert told(state) == (0, 0)


def test_pages_are_counted_by_bin_and_tier() -> None:
    slots = np.zeros(STATES, dtype=np.intp)
    slots[[0b11, 0b11 | int(FAST), 0b10 | int(FAST), 0]] = [5, 7, 2, 100]
    slow, fast = pages_by_bin(slots)
    assert slow.shape == fast.shape == (BINS,)
    assert (slow[BIN_OF[0b11]], fast[BIN_OF[0b11]], fast[BIN_OF[0b10]]) == (5, 7, 2)
    assert slow.sum() + fast.sum() == 114
