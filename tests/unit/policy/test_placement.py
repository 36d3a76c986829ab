"""Who trades places with whom, whatever the policy thinks of them."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mmscand.policy.placement import exchange

WORTHS = st.lists(st.floats(0, 100), min_size=1, max_size=40)


@settings(deadline=None)
@given(WORTHS, st.data())
def test_an_exchange_fits_pays_and_moves_no_page_twice(
    worths: list[float], data: st.DataObject
) -> None:
    worth = np.array(worths)
    fast = np.array(data.draw(st.lists(st.booleans(), min_size=len(worth), max_size=len(worth))))
    capacity = data.draw(st.integers(int(fast.sum()), len(worth)))
    margin = data.draw(st.floats(0, 10))
    moves = exchange(fast, worth, capacity, margin)
    assert not fast[moves.up].any()
    assert fast[moves.down].all()
    assert len(np.unique(moves.up)) == len(moves.up)
    assert fast.sum() + len(moves.up) - len(moves.down) <= capacity
    traded = moves.up[len(moves.up) - len(moves.down) :]
    assert (worth[traded] - worth[moves.down] > margin).all()


@settings(deadline=None)
@given(WORTHS, st.integers(0, 40))
def test_without_a_margin_the_best_pages_end_up_on_the_fast_tier(
    worths: list[float], capacity: int
) -> None:
    worth = np.array(worths)
    capacity = min(capacity, len(worth))
    fast = np.zeros(len(worth), dtype=np.bool_)
    fast[:capacity] = True
    moves = exchange(fast, worth, capacity, 0.0)
    fast[moves.down], fast[moves.up] = False, True
    assert np.array_equal(np.sort(worth[fast]), np.sort(worth)[len(worth) - capacity :])


def test_room_is_filled_with_what_is_worth_something_and_with_nothing_else() -> None:
    worth = np.array([0.0, 3.0, 0.0, 1.0])
    moves = exchange(np.zeros(4, dtype=np.bool_), worth, 3, 0.5)
    assert moves.up.tolist() == [1, 3]
    assert moves.down.tolist() == []
