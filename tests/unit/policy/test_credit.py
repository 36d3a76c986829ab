"""Moves are held against what they brought in."""

from mmscand.policy.credit import PAYBACK_ACCESSES, Credit

CAPACITY = 100
FILL = CAPACITY * PAYBACK_ACCESSES
"""Accesses that pay for it."""


def spent_one_fill() -> Credit:
    credit = Credit()
    credit.spend(CAPACITY, CAPACITY)
    return credit


def test_one_fill_may_be_spent_before_anything_came_in() -> None:
    assert Credit().pages(CAPACITY) == CAPACITY
    assert spent_one_fill().pages(CAPACITY) == 0


def test_what_the_fast_tier_has_more_of_pays_for_the_next_moves() -> None:
    credit = spent_one_fill()
    for _ in range(10):
        credit.earn(FILL / 20, 0.0, CAPACITY)
    assert credit.pages(CAPACITY) == CAPACITY // 2


def test_where_it_has_less_half_a_percent_of_all_accesses_is_forgiven() -> None:
    credit = spent_one_fill()
    credit.earn(-FILL, 10 * FILL, CAPACITY)
    assert credit.pages(CAPACITY) == 0.05 * CAPACITY


def test_a_long_good_time_is_two_fills_and_no_more() -> None:
    credit = Credit()
    credit.earn(1000 * FILL, 0.0, CAPACITY)
    assert credit.pages(CAPACITY) == 2 * CAPACITY


def test_a_tier_without_room_costs_and_earns_nothing_that_breaks() -> None:
    credit = Credit()
    credit.earn(5.0, 5.0, 0)
    credit.spend(7, 0)
    assert credit.pages(0) == 0
