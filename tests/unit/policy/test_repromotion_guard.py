"""Who were demoted has to be accessed in more passes before it is promoted again."""

import numpy as np

from mmscand.model import StateArray, UIntArray
from mmscand.policy.repromotion_guard import RepromotionGuard

PAGES: UIntArray = np.arange(0x1000, 0x5000, 0x1000, dtype=np.uint64)


def accessed(*passes: int) -> StateArray:
    """Registers of six observations, of which the latest this many were accesses."""
    return np.array([1 << 6 | (1 << number) - 1 for number in passes], dtype=np.uint16)


def test_a_page_that_never_was_demoted_needs_no_more_proof() -> None:
    assert not RepromotionGuard().forbids(PAGES, accessed(0, 1, 2, 3), 0.0).any()


def test_two_passes_in_a_row_after_it_was_demoted() -> None:
    proof = RepromotionGuard()
    proof.demoted(PAGES[:3], 0.0)
    assert proof.forbids(PAGES, accessed(1, 2, 3, 0), 1.0).tolist() == [True, False, False, False]


def test_a_gap_in_between_is_no_proof() -> None:
    proof = RepromotionGuard()
    proof.demoted(PAGES[:1], 0.0)
    assert proof.forbids(PAGES[:1], np.array([0b1111101], dtype=np.uint16), 1.0).tolist() == [True]


def test_after_ten_minutes_it_is_forgotten() -> None:
    proof = RepromotionGuard()
    proof.demoted(PAGES[:1], 0.0)
    assert not proof.forbids(PAGES[:1], accessed(1), 601.0).any()
