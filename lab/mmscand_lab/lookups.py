"""Lookups in an index: what databases and simulations do with memory.

Both know how often each page is accessed, so the truth about them is exact.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mmscand.model import FloatArray
from mmscand_lab.region import WORDS_PER_PAGE
from mmscand_lab.touch import Accesses, NumpyAccesses
from mmscand_lab.truth import IntArray, WordArray, zipf_rates

_BATCH = 512
"""Lookups between two looks at signals: 2000 to 6000 accesses, as many as other patterns have."""
_FANOUT = 64
"""Children of a node of the tree, a page each: keys of 64 bytes, as in a secondary index."""
_NODE_LINES = 3
"""Cache lines that are read of a node: a binary search among 64 keys touches six, of which those in
the middle stay in the cache of a core."""
_GATHERED = 8
"""Cross sections that XSBench gathers after its search; it has 5 to 300 nuclides by material."""
_WORDS_PER_LINE = 8


class _Lookups:
    """Reads words in the order of an index, a batch at a time. Has no change."""

    def __init__(self, words: WordArray, seed: int, accesses: Accesses | None) -> None:
        self._words, self._rng = words, np.random.default_rng([seed, 1])
        self._accesses = NumpyAccesses(most=1 << 16) if accesses is None else accesses

    def touch_once(self) -> Iterator[int]:
        """Eight batches; yields the accesses done after each."""
        for _ in range(8):
            index = np.ascontiguousarray(self._index(), dtype=np.int64)
            self._accesses.touch(self._words, index, 0, 0)
            yield index.size

    def change(self) -> None:
        """Nothing changes."""

    def _index(self) -> IntArray:
        raise NotImplementedError


class BTree(_Lookups):
    """From the root of a tree to a leaf, the leaves by zipf; each node is a page anywhere."""

    def __init__(self, words: WordArray, seed: int, accesses: Accesses | None = None) -> None:
        super().__init__(words, seed, accesses)
        self._tree = Tree(words.size // WORDS_PER_PAGE, seed)
        self._bounds = np.cumsum(self._tree.leaf_rates)

    def rates(self) -> FloatArray:
        """See `Tree.rates`."""
        return self._tree.rates()

    def _index(self) -> IntArray:
        drawn = self._rng.random(_BATCH) * self._bounds[-1]
        leaves = np.searchsorted(self._bounds, drawn, side="right")
        pages = self._tree.paths(np.minimum(leaves, self._bounds.size - 1))
        lines = self._rng.integers(64, size=(*pages.shape, _NODE_LINES))
        index: IntArray = pages[..., None] * WORDS_PER_PAGE + lines * _WORDS_PER_LINE
        return index.ravel()


class Tree:
    """A full tree in as many pages as there are."""

    def __init__(self, pages: int, seed: int, exponent: float = 0.99) -> None:
        """ValueError for fewer than two pages."""
        self._sizes = _levels(pages)
        self._place = np.random.default_rng([seed, 3]).permutation(pages)
        """Page of each node; nodes by level, the root first."""
        self._firsts = np.cumsum([0, *self._sizes])
        self.leaf_rates: FloatArray = zipf_rates(self._sizes[-1], exponent, seed)

    def paths(self, leaves: IntArray) -> IntArray:
        """(n, levels) pages from the root to each of these leaves (n,)."""
        depth = len(self._sizes)
        nodes = [leaves // _FANOUT ** (depth - 1 - level) for level in range(depth)]
        numbers = np.stack(nodes, axis=1) + self._firsts[:-1]
        pages: IntArray = self._place[numbers]
        return pages

    def rates(self) -> FloatArray:
        """(pages,) share of all accesses."""
        rates = np.zeros(self._place.size)
        level = self.leaf_rates
        for number in range(len(self._sizes) - 1, -1, -1):
            first, size = self._firsts[number], self._sizes[number]
            rates[self._place[first : first + size]] = level / len(self._sizes)
            level = np.add.reduceat(level, np.arange(0, level.size, _FANOUT))
        return rates


def _levels(pages: int) -> list[int]:
    """Nodes of each level, the root first; as many leaves as fit with their inner nodes."""
    if pages < 2:
        raise ValueError(f"{pages} pages are no tree")
    leaves = pages - 1
    while sum(sizes := _sizes(leaves)) > pages:
        leaves -= sum(sizes) - pages
    return sizes


def _sizes(leaves: int) -> list[int]:
    sizes = [leaves]
    while sizes[0] > 1:
        sizes.insert(0, -(-sizes[0] // _FANOUT))
    return sizes


class GridSearch(_Lookups):
    """A binary search in a sorted grid, half of the memory, then values anywhere in the rest: what
    XSBench does for a neutron.
    """

    def __init__(self, words: WordArray, seed: int, accesses: Accesses | None = None) -> None:
        super().__init__(words, seed, accesses)
        self._grid = words.size // 2
        self._steps = np.arange(_search_steps(self._grid))

    def rates(self) -> FloatArray:
        """See `grid_rates`."""
        return grid_rates(self._words.size // WORDS_PER_PAGE)

    def _index(self) -> IntArray:
        target = self._rng.random(_BATCH)[:, None]
        middle = (np.floor(target * 2.0**self._steps) + 0.5) * 2.0**-self._steps
        search = np.minimum(middle * self._grid, self._grid - 1).astype(np.int64)
        gathered = self._rng.integers(self._grid, self._words.size, size=(_BATCH, _GATHERED))
        return np.concatenate([search, gathered], axis=1).ravel()


def _search_steps(words: int) -> int:
    return max(1, int(np.log2(words)))


def grid_rates(pages: int) -> FloatArray:
    """(pages,) share of all accesses of `GridSearch`; `pages` is even."""
    half, rates = pages // 2, np.zeros(pages)
    steps = _search_steps(half * WORDS_PER_PAGE)
    for step in range(steps):
        if 2**step >= half:  # several middles in each page
            rates[:half] += (steps - step) / half
            break
        middles = (np.arange(2**step) + 0.5) / 2**step * half
        rates[:half] += np.bincount(middles.astype(np.int64), minlength=half) / 2**step
    rates[half:] = _GATHERED / (pages - half)
    rates /= rates.sum()
    return rates
