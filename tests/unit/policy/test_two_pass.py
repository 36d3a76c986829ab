"""Hot is what was accessed in two passes in a row, from the second look on."""

import numpy as np
import pytest

from mmscand.heat.history import History
from mmscand.model import PageBlock
from mmscand.policy.frequent import Frequent
from mmscand.policy.two_pass import TwoPass

REGION = 5 << 30


def block(accessed: bool, *, slow: bool = True) -> PageBlock:
    """One huge page."""
    shape = (1, 1)
    return PageBlock(
        np.array([REGION], dtype=np.uint64),
        512,
        np.full(shape, 7 << 21, dtype=np.uint64),
        np.ones(shape, dtype=np.bool_),
        np.full(shape, accessed),
        np.full(shape, slow),
    )


def hot_after(policy: TwoPass, passes: str) -> list[bool]:
    """For each pass ('x' accessed, '.' not) whether the page is hot then."""
    history = History()
    result = []
    for mark in passes:
        seen = block(mark == "x")
        result.append(bool(policy.hot(seen, history.fold(seen))[0, 0]))
    return result


def marks(text: str) -> list[bool]:
    return [mark == "H" for mark in text]


@pytest.mark.parametrize(
    ("passes", "hot"),
    [
        ("xxx", "--H"),  # the first look says nothing
        (".xx", "--H"),
        ("xx.xx", "----H"),
        ("x.x.x.x.", "--------"),
        ("xxxx.xxx", "--HH--HH"),
        ("........", "--------"),
        ("xxxxxxxxxx", "--HHHHHHHH"),
    ],
)
def test_two_passes_in_a_row_make_a_page_hot(passes: str, hot: str) -> None:
    assert hot_after(TwoPass(), passes) == marks(hot)


@pytest.mark.parametrize(("wanted", "hot"), [(1, "-HHHHHHHH"), (3, "---HHHHHH"), (6, "------HHH")])
def test_the_number_of_passes_can_be_chosen(wanted: int, hot: str) -> None:
    assert hot_after(TwoPass(wanted), "xxxxxxxxx") == marks(hot)


def test_what_is_not_slow_is_neither_hot_nor_aged() -> None:
    history, policy = History(), TwoPass()
    for _ in range(5):
        seen = block(True, slow=False)
        state = history.fold(seen)
        assert not policy.hot(seen, state).any()
        assert not policy.to_age(seen, state).any()


def test_only_slow_pages_that_were_accessed_are_aged_from_the_first_look_on() -> None:
    history, policy = History(), TwoPass()
    aged = []
    for mark in "x.x":
        seen = block(mark == "x")
        aged.append(bool(policy.to_age(seen, history.fold(seen))[0, 0]))
    assert aged == [True, False, True]


def test_a_shared_page_is_neither_hot_nor_aged_until_it_is_given_another_chance() -> None:
    history, policy = History(), TwoPass()
    seen = block(True)
    for _ in range(3):
        history.fold(seen)
    history.mark_stuck(seen.addresses, 512)
    for _ in range(4):
        state = history.fold(seen)
        assert not policy.hot(seen, state).any()
        assert not policy.to_age(seen, state).any()
    history.forget_stuck()
    hot = [bool(policy.hot(seen, history.fold(seen)).any()) for _ in range(3)]
    assert hot == [False, False, True]  # as a page that was never seen before


@pytest.mark.parametrize(
    ("passes", "hot"),
    [
        ("xxxxxxx", "------H"),  # six observations, after a first look
        ("xxxxx..", "------H"),
        ("xx.x.x.x", "--------"),
        ("xxx.x.xx", "------HH"),
        ("x.x.x.x.x", "---------"),
    ],
)
def test_frequent_is_four_passes_of_six(passes: str, hot: str) -> None:
    assert hot_after(Frequent(), passes) == marks(hot)
