"""Chains lead through the pages that they say, as often as they say."""

import numpy as np
import pytest

from mmscand_lab.chase import Chase
from mmscand_lab.region import WORDS_PER_PAGE
from mmscand_lab.truth import IntArray, WordArray, hot_pages

PAGES, HOT = 900, 90


class Watching:
    """Follows a chain and keeps all words that it has read."""

    def __init__(self) -> None:
        self.read: list[int] = []

    def chase(self, words: WordArray, at: int, count: int) -> int:
        for _ in range(count):
            self.read.append(at)
            at = int(words[at])
        return at


def chase(chains: Watching | None) -> tuple[Chase, WordArray]:
    words = np.zeros(PAGES * WORDS_PER_PAGE, dtype=np.uint64)
    return Chase(words, hot_pages(PAGES, HOT, "random", 1), 1, chains), words


def read(rounds: int) -> tuple[Chase, IntArray]:
    watching = Watching()
    toucher, _ = chase(watching)
    assert sum(sum(toucher.touch_once()) for _ in range(rounds)) == len(watching.read)
    return toucher, np.array(watching.read)


def test_pages_are_read_as_often_as_is_said() -> None:
    # 5760 words in the hot chain, 900 in the other: after 90 rounds of 8 blocks, whole circles.
    toucher, words = read(90)
    found = np.bincount(words // WORDS_PER_PAGE, minlength=PAGES) / words.size
    reported = toucher.rates()
    assert reported.sum() == pytest.approx(1)
    assert found == pytest.approx(reported, rel=0.002)
    hot = hot_pages(PAGES, HOT, "random", 1)
    assert reported[hot].sum() == pytest.approx(0.9 + 0.1 * HOT / PAGES)


def test_the_hot_chain_has_all_lines_and_each_line_once_a_circle() -> None:
    _, words = read(8)
    in_hot = words[words % 8 == 0]
    circle = in_hot[: HOT * 64]
    assert np.unique(circle).size == circle.size
    assert (np.bincount(circle // WORDS_PER_PAGE, minlength=PAGES) > 0).sum() == HOT
    assert (in_hot[HOT * 64 : 2 * HOT * 64] == circle).all()
    assert np.abs(np.diff(circle)).mean() > WORDS_PER_PAGE  # far from one after another


def test_without_a_library_the_chains_lead_to_the_same_words() -> None:
    (plain, _), (watched, _) = chase(None), chase(Watching())
    for toucher in (plain, watched):
        toucher.change()
        assert list(toucher.touch_once()) == [4100] * 8
    assert (plain._at_hot, plain._at_any) == (watched._at_hot, watched._at_any)
