"""What `capacity` is compared with, by the rules of where each comes from."""

import numpy as np
import pytest

from mmscand.errors import UsageError
from mmscand.policy.frequency import Frequency
from mmscand.policy.in_a_row import InARow
from mmscand.policy.nothing import Nothing
from mmscand.policy.registry import DEFAULT, POLICIES, placement_policy

FAST = np.array([True, True, False, False, False])


def accessed(*pages: int) -> np.ndarray:
    return np.isin(np.arange(5), pages)


def test_first_touch_promotes_at_once_and_demotes_what_the_hand_finds_unused() -> None:
    policy = InARow("first-touch", 1, 5, 2)
    moves = policy.decide(accessed(0, 3), FAST)
    assert moves.up.tolist() == [3]
    assert moves.down.tolist() == [1]


def test_two_pass_wants_to_see_it_twice_in_a_row() -> None:
    policy = InARow("two-pass", 2, 5, 2)
    assert len(policy.decide(accessed(2, 3), FAST).up) == 0
    assert len(policy.decide(accessed(3), FAST).up) == 1
    assert policy.decide(accessed(2), FAST).up.tolist() == []
    policy.forget(np.array([2]))
    assert policy.decide(accessed(2), FAST).up.tolist() == []


def test_the_hand_goes_round_when_every_page_is_used() -> None:
    policy = InARow("first-touch", 1, 5, 2)
    assert policy.decide(accessed(0, 1, 2), FAST).down.tolist() == [0]
    assert policy.decide(accessed(0, 1, 2), FAST).down.tolist() == [1]


def test_a_row_of_more_than_255_passes_stays_long() -> None:
    policy = InARow("two-pass", 2, 5, 2)
    for _ in range(600):
        assert policy.decide(accessed(3), FAST).up.tolist() in ([], [3])
    assert policy._row[3] == 255


def test_the_aging_counter_trades_only_with_a_gap_and_forgets() -> None:
    policy = Frequency(5, 2)
    assert policy.decide(accessed(0, 2), FAST).up.tolist() == [2]
    policy = Frequency(5, 2)
    for row in (accessed(0, 1, 2), accessed(0, 1, 2), accessed(2)):
        moves = policy.decide(row, FAST)
    assert moves.up.tolist() == [2]
    assert moves.down.tolist() == [0]
    policy.forget(np.array([2]))
    assert policy.decide(accessed(), FAST).up.tolist() == []


def test_nothing_moves_nothing() -> None:
    assert Nothing().decide(accessed(3), FAST).up.tolist() == []


def test_policies_are_found_by_name() -> None:
    for name in POLICIES:
        assert placement_policy(name, 5, 2, 16.0).name == name
    assert DEFAULT == "capacity"
    with pytest.raises(UsageError, match="no policy 'lru'"):
        placement_policy("lru", 5, 2, 16.0)
