"""Moves are held against what they brought in."""

import numpy as np

from mmscand.model import BoolArray, FloatArray
from mmscand.policy.credit import Credit
from mmscand.policy.placement import Moves

PAGES, CAPACITY, PAYBACK = 1000, 100, 16.0
FAST: BoolArray = np.arange(PAGES) < CAPACITY
TRADES = Moves(np.arange(500, 600), np.arange(100))


def rates(of_fast: float, of_slow: float = 0.1) -> FloatArray:
    return np.where(FAST, of_fast, of_slow)


def test_one_fill_may_be_spent_before_anything_came_in() -> None:
    credit = Credit(CAPACITY, PAYBACK)
    assert len(credit.afforded(TRADES).up) == CAPACITY
    assert len(credit.afforded(TRADES).up) == 0


def test_the_most_urgent_are_made_and_room_is_filled_first() -> None:
    credit = Credit(CAPACITY, PAYBACK)
    credit.afforded(Moves(np.arange(90), np.arange(90)))
    moves = credit.afforded(Moves(np.arange(500, 530), np.arange(22)))
    assert moves.up.tolist() == list(range(500, 510))
    assert moves.down.tolist() == [0, 1]


def test_what_the_fast_tier_has_more_of_pays_for_the_next_moves() -> None:
    credit = Credit(CAPACITY, PAYBACK)
    credit.afforded(TRADES)
    for _ in range(10):
        credit.earn(FAST, FAST, rates(5.0), 1.0)
    assert len(credit.afforded(TRADES).up) == CAPACITY


def test_what_bits_do_not_confirm_pays_next_to_nothing() -> None:
    credit = Credit(CAPACITY, PAYBACK)
    credit.afforded(TRADES)
    for _ in range(10):
        credit.earn(~FAST, FAST, rates(5.0), 1.0)
    assert len(credit.afforded(TRADES).up) <= 2  # half a percent of 590 accesses, ten times


def test_a_long_good_time_is_two_fills_and_no_more() -> None:
    credit = Credit(CAPACITY, PAYBACK)
    for _ in range(1000):
        credit.earn(FAST, FAST, rates(5.0), 1.0)
    spent = [len(credit.afforded(TRADES).up) for _ in range(4)]
    assert spent == [CAPACITY, CAPACITY, 0, 0]


def test_an_empty_fast_tier_earns_nothing() -> None:
    credit = Credit(CAPACITY, PAYBACK)
    credit.afforded(TRADES)
    credit.earn(FAST, np.zeros(PAGES, dtype=np.bool_), rates(5.0), 1.0)
    assert len(credit.afforded(TRADES).up) == 0
