"""What rises and falls: room first, then trades that pay, by rates that pages are counted at."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmscand.policy.plan import GAP, Plan, plan

NONE = Plan(float("inf"), 0, float("-inf"), 0)


def planned(
    rates: list[float],
    slow: list[int],
    fast: list[int],
    room: int,
    *,
    coming: int = 0,
    pending: tuple[int, int] = (0, 0),
    unproven: list[int] | None = None,
) -> Plan:
    pages = np.array([slow, fast], dtype=np.float64)
    few = None if unproven is None else np.array(unproven, dtype=np.float64)
    reported = np.array(rates, dtype=np.float64), pages, room, np.full(len(rates), 0.1)
    found = plan(*reported, coming=coming, pending=pending, unproven=few)
    return replace(found, belongs_from=float("inf"))  # see below


def test_room_is_filled_with_the_hottest_that_pay() -> None:
    assert planned([0.01, 5, 1], [900, 20, 30], [0, 0, 0], 40) == Plan(1, 40, float("-inf"), 0)
    rest = planned([0.01, 5, 1], [900, 20, 30], [0, 0, 0], 400)
    assert (rest.promote_from, rest.promote_pages) == (1, 400)
    assert planned([0.01], [900], [0], 400) == NONE


def test_without_room_a_hotter_one_is_promoted_for_each_of_the_coldest_that_is_demoted() -> None:
    found = planned([5, 3, 0.01], [100, 0, 0], [0, 40, 200], 0)
    assert found == Plan(5, 0, 0.01, 100, trades=100)
    assert found.traded(30) == 30
    left = found.less(promoted=10, demoted=30, traded=30)
    assert left == Plan(5, 20, 0.01, 70, trades=70)


@pytest.mark.parametrize(
    ("pages", "room", "least"),
    [
        ([[0, 0, 300], [10, 90, 0]], 0, 3.0),  # as the coldest of what fits
        ([[50, 0, 300], [0, 90, 10]], 0, 3.0),
        ([[0, 0, 300], [10, 90, 0]], 500, 0.05),  # with room, what pays for its move
    ],
)
def test_what_belongs_on_the_fast_tier_is_known_where_nothing_moves(
    pages: list[list[int]], room: int, least: float
) -> None:
    every = np.array(pages, dtype=np.float64)
    found = plan(np.array([5, 3, 0.01]), every, room, np.full(3, 0.1)).at(0.1)
    assert found.belongs_from == least


def test_what_is_too_much_is_demoted_first_and_makes_no_room() -> None:
    found = planned([5, 0.01], [100, 0], [0, 200], -30)
    assert found == Plan(5, 0, 0.01, 130, trades=100)
    assert (found.traded(30), found.traded(50), found.traded(500)) == (0, 20, 100)


def test_pages_of_which_too_little_is_known_stay_and_count_for_what_fits() -> None:
    found = planned([5, 0.01], [100, 0], [0, 200], 0, unproven=[70, 0])
    assert (found.demote_pages, found.trades) == (30, 30)
    assert planned([5, 0.01], [100, 0], [0, 200], 0, unproven=[100, 0]) == NONE


def test_room_is_planned_for_pages_that_will_be_proven_when_their_turn_comes() -> None:
    found = planned([5, 0.01], [100, 0], [0, 200], 30, unproven=[100, 0])
    assert found == Plan(5, 30, float("-inf"), 0)


def test_a_trade_has_to_gain_more_than_the_edge_s_share() -> None:
    edge = 5.0  # of the hottest hundred, which are all that fit
    close, far = edge * (1 - GAP * 0.99), edge * (1 - GAP * 1.01)
    assert planned([edge, close], [100, 0], [0, 100], 0) == NONE
    assert planned([edge, far], [100, 0], [0, 100], 0).demote_pages == 100


def test_pages_of_one_rate_never_trade_places() -> None:
    assert planned([7.0], [1000], [500], 0) == NONE


def test_an_excess_is_demoted_even_where_nothing_is_hotter() -> None:
    assert planned([5, 1], [0, 0], [100, 100], -30) == Plan(float("inf"), 0, 1, 30)
    assert planned([5], [0], [20], -30).demote_pages == 20


def test_what_is_on_its_way_is_counted_once() -> None:
    before = planned([5, 0.01], [100, 0], [0, 200], 0)
    assert before.demote_pages == 100
    # They are queued, so there will be room for as many, and the same pages fill it.
    after = planned([5, 0.01], [100, 0], [0, 200], 100, pending=(0, 100))
    assert (after.promote_pages, after.demote_pages) == (100, 0)
    last = planned([5, 0.01], [100, 0], [0, 200], 0, pending=(100, 100))
    assert last == Plan(5, 0, 0.01, 0)  # no more of them, and those that wait are to stay


def test_what_is_being_demoted_is_neither_room_yet_nor_asked_for_again() -> None:
    found = planned([5, 0.01], [100, 0], [0, 200], 0, coming=70, pending=(0, 70))
    assert (found.promote_pages, found.demote_pages) == (0, 30)


def test_nothing_known_is_no_plan() -> None:
    assert planned([], [], [], 1000) == NONE
    assert planned([], [], [], -10) == NONE


COUNTS = st.lists(
    st.tuples(st.floats(0.001, 50), st.integers(0, 500), st.integers(0, 500)), min_size=1
)


@given(COUNTS, st.integers(-600, 600))
def test_a_plan_moves_what_there_is_and_each_trade_gains(
    counts: list[tuple[float, int, int]], room: int
) -> None:
    rates, slow, fast = (np.array(each, dtype=np.float64) for each in zip(*counts, strict=True))
    found = plan(rates, np.array([slow, fast]), room, np.full(len(rates), 0.1))
    assert 0 <= found.promote_pages <= max(0, room)
    pays = slow[rates > 0.05].sum()
    assert slow[rates >= found.promote_from].sum() >= min(found.promote_pages, pays)
    assert fast[rates <= found.demote_to].sum() >= found.demote_pages
    assert fast[rates < found.demote_to].sum() <= found.demote_pages
    assert found.trades <= found.demote_pages
    if found.demote_pages > max(0, -room):
        hotter = slow[rates > found.demote_to + 0.1].sum()
        assert hotter >= found.demote_pages - max(0, -room)


@pytest.mark.parametrize("room", [0, 50])
def test_the_plan_is_that_of_pages_one_by_one(room: int) -> None:
    rng = np.random.default_rng(5)
    rates = np.sort(rng.gamma(0.5, 2.0, 40))
    slow, fast = rng.integers(0, 30, (2, 40)).astype(np.float64)
    found = plan(rates, np.array([slow, fast]), room, np.full(len(rates), 0.1))
    up = np.sort(np.repeat(rates, slow.astype(int)))[::-1][room:]
    down = np.sort(np.repeat(rates, fast.astype(int)))
    pairs = min(len(up), len(down))
    every = np.sort(np.concatenate((np.repeat(rates, slow.astype(int)), down)))[::-1]
    held = np.cumsum(every[: len(down) + room])
    edge = every[min(int(np.searchsorted(held, 0.85 * every.sum())), len(held) - 1)]
    gains = up[:pairs] - down[:pairs] > max(GAP * edge, 0.1)
    expected = int(np.count_nonzero(np.logical_and.accumulate(gains)))
    assert found.promote_pages == room
    # Counted by rates, not pages: one that is left half way page by page is left whole.
    assert abs(found.demote_pages - expected) <= 30
