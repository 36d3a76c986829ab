"""The word of two bytes: levels keep the mean, and what is no estimate stays none."""

import numpy as np
import pytest

from mmscand.heat.rows import TAG
from mmscand.heat.word import (
    FAST,
    KNOWN,
    OBSERVED,
    RATE,
    SEEN,
    STATE,
    STUCK,
    UNKNOWN,
    A,
    B,
    dice,
    less_observed,
    packed,
    rounded,
)


@pytest.mark.parametrize(("a", "b"), [(1.0, 0.3), (3.0, 1e-3), (12.0, 700.0), (32.0, 4.0)])
def test_levels_between_two_are_kept_by_chance_so_that_means_stay_right(a: float, b: float) -> None:
    number = 20_000
    states = rounded(np.repeat(packed(np.array([a]), np.array([b])), number), throw=3)
    assert KNOWN[states].all()
    assert np.log(A[states] / B[states]).mean() == pytest.approx(np.log(a / b), abs=0.01)
    # Linear between two levels, as the mean of what is drawn has to be.
    assert A[states].mean() == pytest.approx(a, rel=0.03)


def test_the_least_and_the_highest_rate_are_kept() -> None:
    states = rounded(packed(np.array([0.5, 1.0]), np.array([1e9, 1e-9])), throw=1)
    assert (A / B)[states] == pytest.approx(RATE[[1, -2]])


def test_no_estimate_is_taken_for_unknown_or_stuck() -> None:
    a, b = (each.reshape(-1) for each in np.meshgrid(OBSERVED, np.geomspace(1e-9, 1e9, 500)))
    for throw in range(0, 60, 7):
        states = rounded(packed(a, b), throw)
        assert KNOWN[states].all()
        assert states.all()
    assert not KNOWN[UNKNOWN]
    assert not KNOWN[STUCK]


def test_bits_of_a_word_do_not_overlap() -> None:
    assert int(STATE) | int(SEEN) | int(FAST) | int(TAG) == 0xFFFF
    assert int(STATE) + int(SEEN) + int(FAST) + int(TAG) == 0xFFFF


def test_trusting_less_keeps_the_rate_and_the_other_bits() -> None:
    states = rounded(packed(np.array([32.0, 0.5]), np.array([4.0, 9.0])), throw=1)
    words = np.append(states | FAST | SEEN | np.uint16(0x7000), [UNKNOWN | SEEN, STUCK | SEEN])
    less = less_observed(words, 1)
    assert A[less & STATE].tolist()[:2] == [1.0, 0.5]
    assert (A / B)[less & STATE][:2] == pytest.approx((A / B)[words & STATE][:2])
    assert ((less ^ words) & ~STATE == 0).all()
    assert less[2:].tolist() == words[2:].tolist()


def test_a_number_of_the_dice_is_below_a_chance_as_often_as_the_chance_says() -> None:
    chances = np.repeat([0.0, 0.25, 1.0], 40_000)
    picked = (dice(len(chances), throw=5) < chances).reshape(3, -1).mean(axis=1)
    assert picked[0] == 0
    assert picked[1] == pytest.approx(0.25, abs=0.01)
    assert picked[2] == 1
