"""Lookups access the pages that they say, as often as they say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmscand.model import FloatArray
from mmscand_lab.lookups import BTree, GridSearch, Tree, grid_rates
from mmscand_lab.region import WORDS_PER_PAGE
from mmscand_lab.truth import IntArray, WordArray, hot_pages

PAGES, SEED = 4096, 3


class Counting:
    """Counts accesses to each page."""

    def __init__(self) -> None:
        self.pages = np.zeros(PAGES)

    def touch(self, words: WordArray, index: IntArray, writes: int, value: int) -> None:
        assert words.size == PAGES * WORDS_PER_PAGE
        assert writes == 0
        self.pages += np.bincount(index // WORDS_PER_PAGE, minlength=PAGES)


def reported(kind: type[BTree | GridSearch]) -> FloatArray:
    return Tree(PAGES, SEED).rates() if kind is BTree else grid_rates(PAGES)


def counted(kind: type[BTree | GridSearch]) -> FloatArray:
    words, counting = np.zeros(PAGES * WORDS_PER_PAGE, dtype=np.uint64), Counting()
    toucher = kind(words, SEED, counting)
    assert toucher.rates().tolist() == reported(kind).tolist()
    for _ in range(200):
        assert all(done > 0 for done in toucher.touch_once())
    return counting.pages / counting.pages.sum()


@pytest.mark.parametrize("kind", [BTree, GridSearch])
def test_pages_are_accessed_as_often_as_is_said(kind: type[BTree | GridSearch]) -> None:
    found, said = counted(kind), reported(kind)
    assert said.sum() == pytest.approx(1)
    assert np.abs(found - said).sum() < 0.05  # of two distributions, at most 2 would differ
    often = said > 10 / PAGES
    assert found[often] == pytest.approx(said[often], rel=0.2)


def test_without_a_library_numpy_reads_them() -> None:
    words = np.zeros(PAGES * WORDS_PER_PAGE, dtype=np.uint64)
    assert next(BTree(words, SEED).touch_once()) > 0
    assert next(GridSearch(words, SEED).touch_once()) > 0


@given(st.integers(2, 100_000))
def test_a_tree_has_no_more_nodes_than_pages_and_leaves_few_unused(pages: int) -> None:
    tree = Tree(pages, SEED)
    rates = tree.rates()
    assert rates.size == pages
    assert rates.sum() == pytest.approx(1)
    assert (rates == 0).sum() <= 2 + pages // 50
    root, *_ = tree.paths(np.array([0]))[0]
    assert rates[root] == pytest.approx(rates.max())


def test_scattered_pages_are_single_ones_inside_huge_ones() -> None:
    hot = hot_pages(128 * 512, 524, "scattered", SEED, pages_per_unit=512)
    assert hot.sum() == 524
    assert 120 < len(set(np.flatnonzero(hot) // 512)) <= 128
