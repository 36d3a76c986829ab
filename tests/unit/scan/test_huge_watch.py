import numpy as np
import pytest

from mmscand.model import HUGE_PAGE_BYTES, PAGES_PER_TABLE, REGION_BYTES, BoolArray, PageBlock
from mmscand.scan.huge_watch import OBSERVATIONS, HugeWatch

ADDRESSES = np.array([REGION_BYTES + row * HUGE_PAGE_BYTES for row in range(4)], dtype=np.uint64)
WATCHED = ADDRESSES[1:3]
SHAPE = (len(ADDRESSES), PAGES_PER_TABLE)


def block(accessed: BoolArray) -> PageBlock:
    every = np.ones(SHAPE, dtype=np.bool_)
    return PageBlock(ADDRESSES, 1, np.zeros(SHAPE, dtype=np.uint64), every, accessed, every)


def observed(*chances: float, hot: tuple[int, ...] = (0, 0)) -> HugeWatch:
    """Two rows of which pages are accessed at random in each observation, the first ones always."""
    watch, random = HugeWatch(), np.random.default_rng(3)
    watch.add(WATCHED[::-1], 0.0)
    for number in range(OBSERVATIONS + 1):
        accessed = np.ones(SHAPE, dtype=np.bool_)  # before the first clearing nothing counts
        if number:
            accessed[1:3] = random.random((2, PAGES_PER_TABLE)) < np.array(chances)[:, None]
            accessed[1, : hot[0]] = accessed[2, : hot[1]] = True
        watch.see(block(accessed), watch.rows(block(accessed)))
        assert not watch.ready(WATCHED, 0.0).any()
        watch.cleared(WATCHED)
    return watch


def found(watch: HugeWatch) -> list[str]:
    sparse, even = watch.findings(WATCHED)
    return ["sparse" if s else "even" if e else "" for s, e in zip(sparse, even, strict=True)]


@pytest.mark.parametrize("chance", [1.0, 0.9, 0.5, 0.2, 0.1, 0.05])
def test_pages_that_are_used_alike_are_even_however_few_of_them_are_seen(chance: float) -> None:
    watch = observed(chance, chance)
    assert watch.ready(WATCHED, 0.0).all()
    assert found(watch) == ["even", "even"]


@pytest.mark.parametrize("hot", [1, 2, 8, 51, 220])
def test_the_same_few_pages_again_are_hot_parts(hot: int) -> None:
    assert found(observed(0.0, 0.02, hot=(hot, hot))) == ["sparse", "sparse"]


def test_more_than_half_of_it_is_all_of_it_and_nothing_is_neither() -> None:
    watch = observed(0.0, 0.0, hot=(300, 0))
    assert found(watch) == ["even", ""]
    assert watch.ready(WATCHED, 0.0).tolist() == [True, False]
    for _ in range(OBSERVATIONS):
        watch.cleared(WATCHED)
    assert watch.ready(WATCHED, 0.0).all()


def test_reads_within_an_observation_are_one() -> None:
    watch = HugeWatch()
    watch.add(WATCHED, 0.0)
    for _ in range(OBSERVATIONS + 1):
        for page in range(4):
            accessed = np.zeros(SHAPE, dtype=np.bool_)
            accessed[:, page] = True
            watch.see(block(accessed), watch.rows(block(accessed)))
        watch.cleared(WATCHED)
    assert found(watch) == ["sparse", "sparse"]


def test_one_that_is_not_cleared_is_judged_in_the_end_and_one_that_is_gone_is_forgotten() -> None:
    watch = HugeWatch()
    watch.add(WATCHED[:1], 0.0)
    watch.add(WATCHED[1:], 100.0)
    assert watch.ready(WATCHED, 121.0).tolist() == [True, False]
    watch.drop_lost(481.0)
    assert watch.addresses.tolist() == WATCHED[1:].tolist()
    watch.drop(WATCHED)
    assert not len(watch)
