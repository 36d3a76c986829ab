"""A pointer chase: each address is in the word that was read before, so no two reads overlap."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from mmscand.model import FloatArray
from mmscand_lab.region import WORDS_PER_PAGE
from mmscand_lab.touch import LINES_PER_PAGE
from mmscand_lab.truth import BoolArray, IntArray, WordArray

_HOT_STEPS, _ALL_STEPS = 3690, 410
"""Of a block: 90 % in the hot pages, as GUPS has it, and about as many as the other patterns."""
_WORDS_PER_LINE = 8


class Chains(Protocol):
    """How a chain of words is followed."""

    def chase(self, words: WordArray, at: int, count: int) -> int:
        """Read a word that has the index of the next one, `count` times; the index at the end."""
        ...


class NumpyChains:
    """A step at a time; where there is a compiler, `slowmem.library` does it instead."""

    def chase(self, words: WordArray, at: int, count: int) -> int:
        """See `Chains`."""
        for _ in range(count):
            at = words.item(at)
        return at


class Chase:
    """Follows two chains in turn: through all cache lines of the hot pages, and through one line of
    each page of the region. Both are circles in a random order.

    The chains use different words, so that neither leads into the other.
    """

    def __init__(
        self, words: WordArray, hot: BoolArray, seed: int, chains: Chains | None = None
    ) -> None:
        self._words, self._hot = words, hot
        self._chains = NumpyChains() if chains is None else chains
        rng = np.random.default_rng([seed, 1])  # another stream than the hot mask's
        first = np.flatnonzero(hot)[:, None] * WORDS_PER_PAGE
        lines = first + np.arange(LINES_PER_PAGE) * _WORDS_PER_LINE
        self._at_hot = _linked(words, lines.ravel(), rng)
        # One line: a circle is then through in a second, and has each page once.
        line = rng.integers(LINES_PER_PAGE, size=hot.size) * _WORDS_PER_LINE
        self._at_any = _linked(words, np.arange(hot.size) * WORDS_PER_PAGE + line + 1, rng)

    def touch_once(self) -> Iterator[int]:
        """Eight blocks; yields the reads done after each."""
        for _ in range(8):
            self._at_hot = self._chains.chase(self._words, self._at_hot, _HOT_STEPS)
            self._at_any = self._chains.chase(self._words, self._at_any, _ALL_STEPS)
            yield _HOT_STEPS + _ALL_STEPS

    def change(self) -> None:
        """Nothing changes."""

    def rates(self) -> FloatArray:
        """(pages,) share of all reads: the chain through all pages has the hot ones too."""
        in_hot = self._hot * (_HOT_STEPS / int(self._hot.sum()))
        rates: FloatArray = (in_hot + _ALL_STEPS / self._hot.size) / (_HOT_STEPS + _ALL_STEPS)
        return rates


def _linked(words: WordArray, index: IntArray, rng: np.random.Generator) -> int:
    """Make these words a circle in a random order; one of them."""
    order = rng.permutation(index)
    words[order] = np.roll(order, -1)
    return int(order[0])
