"""Whose turn it is: every row, in order, and ever more rarely."""

import numpy as np

from mmscand.heat.turns import Turns
from mmscand.model import HUGE_PAGE_BYTES, UIntArray


def rows(number: int) -> UIntArray:
    return np.arange(number, dtype=np.uint64) * np.uint64(HUGE_PAGE_BYTES)


def sampled(turns: Turns, number: int, passes: int) -> np.ndarray:
    """(passes, rows)"""
    found = []
    for _ in range(passes):
        found.append(turns.now(rows(number)))
        turns.end_pass(number)
    return np.array(found)


def test_a_small_process_has_a_quarter_of_its_rows_sampled_in_each_pass() -> None:
    found = sampled(Turns(), 16, 200)
    assert (found.sum(axis=1) == 4).all()
    assert (found[:4].sum(axis=0) == 1).all()


def test_of_a_large_one_ever_less_is_sampled_while_nothing_changes() -> None:
    shares = sampled(Turns(), 4096, 200).mean(axis=1)
    assert shares[0] == 1 / 4
    assert shares[-1] == 1 / 64
    assert (np.diff(shares) <= 0).all()


def test_every_row_has_its_turn_in_64_passes() -> None:
    turns = Turns()
    sampled(turns, 4096, 100)
    assert (sampled(turns, 4096, 64).sum(axis=0) == 1).all()


def test_of_much_memory_neighbours_have_their_turn_together() -> None:
    turns = Turns()
    sampled(turns, 32768, 100)
    borders = np.count_nonzero(np.diff(turns.now(rows(32768)).astype(int)))
    assert borders <= 8


def test_what_was_sampled_before_is_known_in_the_next_pass_also_when_the_shares_change() -> None:
    turns = Turns()
    for _ in range(150):
        now = turns.now(rows(4096))
        turns.end_pass(4096)
        assert (turns.before(rows(4096)) == now).all()


def test_after_a_change_all_are_sampled_once_and_a_quarter_from_then_on() -> None:
    turns = Turns()
    sampled(turns, 4096, 100)
    turns.restart()
    found = sampled(turns, 4096, 3)
    assert found.mean(axis=1).tolist() == [1, 1 / 4, 1 / 4]


def test_after_a_change_a_pass_tells_of_all_only_if_they_were_cleared_for_it() -> None:
    for clears in (True, False):
        turns = Turns()
        sampled(turns, 4096, 10)
        before = turns.before(rows(4096))
        turns.restart()
        assert turns.to_clear(rows(4096)).all()
        if clears:
            turns.cleared()
        assert (turns.before(rows(4096)) == (before | clears)).all()
        turns.end_pass(4096)
        assert turns.before(rows(4096)).all()
        assert turns.to_clear(rows(4096)).all()


def test_the_next_turn_is_when_it_is_sampled_or_read_after_that() -> None:
    turns = Turns()
    sampled(turns, 64, 10)
    due, now = turns.next(rows(64)), turns.now(rows(64))
    assert (due[now] == turns.number + 1).all()
    for _ in range(8):
        turns.end_pass(64)
        assert turns.now(rows(64))[~now & (due == turns.number)].all()


def test_what_the_pass_that_is_over_has_told_is_known_also_when_the_shares_change() -> None:
    turns = Turns()
    for number in range(150):
        before = turns.before(rows(4096))
        turns.end_pass(4096)
        assert (turns.told(rows(4096)) == before).all()
        if number == 100:
            turns.restart()


def test_of_a_row_that_is_observed_in_its_turns_every_other_one_is_averaged() -> None:
    turns = Turns()
    found: list[np.ndarray] = []
    for _ in range(600):
        turns.cleared()
        if turns.spared_before:
            found.append(turns.before(rows(64)) & turns.averages)
        turns.end_pass(64)
    averaged = np.array(found).sum(axis=0)
    assert (abs(averaged - 600 / 8 / 2) < 6).all()
