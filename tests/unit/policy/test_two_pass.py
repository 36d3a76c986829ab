"""Hot is what was accessed in two passes in a row, from the second look on."""

import numpy as np
import pytest

from mmscand.model import PageBlock
from mmscand.policy.by_rule import ByRule
from mmscand.settings import Settings

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


def hot_after(passes: str, name: str = "two-pass", hot_passes: int = 2) -> list[bool]:
    """For each pass ('x' accessed, '.' not) whether the page is hot then."""
    policy = ByRule(Settings(policy=name, hot_passes=hot_passes))
    return [bool(policy.decide(block(mark == "x")).promote[0, 0]) for mark in passes]


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
    assert hot_after(passes) == marks(hot)


@pytest.mark.parametrize(("wanted", "hot"), [(1, "-HHHHHHHH"), (3, "---HHHHHH"), (6, "------HHH")])
def test_the_number_of_passes_can_be_chosen(wanted: int, hot: str) -> None:
    assert hot_after("xxxxxxxxx", hot_passes=wanted) == marks(hot)


def test_what_is_not_slow_is_neither_hot_nor_aged() -> None:
    policy = ByRule(Settings("two-pass"))
    for _ in range(5):
        decision = policy.decide(block(True, slow=False))
        assert not decision.promote.any()
        assert not decision.to_age.any()


def test_only_slow_pages_that_were_accessed_are_aged_from_the_first_look_on() -> None:
    policy = ByRule(Settings("two-pass"))
    aged = [bool(policy.decide(block(mark == "x")).to_age[0, 0]) for mark in "x.x"]
    assert aged == [True, False, True]


@pytest.mark.parametrize("name", ["two-pass", "first-touch", "frequency"])
def test_a_shared_page_is_neither_hot_nor_aged_until_it_is_given_another_chance(
    name: str,
) -> None:
    policy = ByRule(Settings(policy=name))
    seen = block(True)
    for _ in range(3):
        policy.decide(seen)
    policy.history.mark_stuck(seen.addresses, 512)
    for _ in range(7):
        decision = policy.decide(seen)
        assert not decision.promote.any()
        assert not decision.to_age.any()
    policy.history.forget_stuck()
    assert not policy.decide(seen).promote.any()  # as a page that was never seen before
    assert any(policy.decide(seen).promote.any() for _ in range(6))


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
    assert hot_after(passes, "frequency") == marks(hot)


def test_by_the_policy_nothing_all_is_watched_and_nothing_is_hot() -> None:
    assert hot_after("xxxxxxxx", "nothing") == [False] * 8
