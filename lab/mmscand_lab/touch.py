"""How a workload touches its pages: each hot page in turn, or pages drawn by how hot they are.

Vectorised: a block of 4096 touches is one gather and one scatter.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from mmscand.model import FloatArray
from mmscand_lab.region import PAGE, WORDS_PER_PAGE
from mmscand_lab.truth import BoolArray, IntArray, WordArray, hottest, shifted

_WORDS_PER_LINE = 64 // 8
LINES_PER_PAGE = PAGE // 64
# 4096 touches are 1 ms under emulation (a signal waits for one chunk), and the two scratch arrays
# of a chunk are 64 KiB: they stay in the second-level cache, so the region's misses dominate.
_CHUNK = 4096
# Enough to be seen as used, little enough to leave the time to the hot pages.
_HOME_PAGES_TOUCHED = 16384
# Chunks that are drawn at once: numpy's overhead of a draw is then a tenth of theirs.
_CHUNKS_A_DRAW = 8
_STRIDE_LINES = 29
"""Odd, so that all lines of a page are touched; far from 1, so that none is prefetched."""
#: What a streaming pass reads, as in the simulated workload of that name.
STREAMED_SHARE = 0.7


class Toucher(Protocol):
    """Touches the pages of a workload, and can be changed to do so otherwise."""

    def touch_once(self) -> Iterator[int]:
        """One round; yields the touches done after every chunk."""
        ...

    def change(self) -> None:
        """Do from now on what the workload's pattern has as its change."""
        ...


class Accesses(Protocol):
    """How words of the region are accessed."""

    def touch(self, words: WordArray, index: IntArray, writes: int, value: int) -> None:
        """Write the first `writes` of the words that `index` names, and read the others."""
        ...


class NumpyAccesses:
    """By numpy; where there is a compiler, `slowmem.library` does it instead."""

    def __init__(self, most: int = _CHUNK) -> None:
        """`most` words are read at a time."""
        self._values = np.empty(most, dtype=np.uint64)

    def touch(self, words: WordArray, index: IntArray, writes: int, value: int) -> None:
        """See `Accesses`."""
        words[index[:writes]] = value
        reads = index[writes:]
        # mode="clip": with the default mode numpy would gather into a buffer of its own first.
        np.take(words, reads, out=self._values[: reads.size], mode="clip")


class _Words:
    """The region as 64-bit words, of whose touches a share writes."""

    def __init__(self, words: WordArray, write_share: float, accesses: Accesses | None) -> None:
        self._words = words
        self._write_share = write_share
        self._accesses = NumpyAccesses() if accesses is None else accesses

    def touch(self, index: IntArray, value: int) -> int:
        """Write the first of them and read the others; how many they are."""
        writes = round(index.size * self._write_share)
        self._accesses.touch(self._words, index, writes, value)
        return index.size


class InTurn:
    """Touches every hot page once a pass in a seeded random order, reading some, writing others.

    Each pass starts elsewhere in the order, uses another cache line of the pages, and so writes
    other pages than the pass before. The change: other pages become the hot ones.
    """

    def __init__(
        self,
        words: WordArray,
        hot: BoolArray,
        write_share: float,
        seed: int,
        home: WordArray | None = None,
        accesses: Accesses | None = None,
    ) -> None:
        self._words = _Words(words, write_share, accesses)
        self._seed = seed
        self._home = None if home is None else home[: _HOME_PAGES_TOUCHED * WORDS_PER_PAGE]
        self._rng = np.random.default_rng([seed, 1])  # another stream than the hot mask's
        self._use(hot)

    def change(self) -> None:
        """Go over to other hot pages."""
        self._use(shifted(self._mask, self._seed))

    def _use(self, hot: BoolArray) -> None:
        self._mask = hot
        order = self._rng.permutation(np.flatnonzero(hot)) * WORDS_PER_PAGE
        # Twice over, so that a rotation is a slice and not a copy.
        self._order: IntArray = np.concatenate([order, order]).astype(np.int64)
        self._hot = order.size
        self._index = np.empty(min(_CHUNK, order.size), dtype=np.int64)

    def touch_once(self) -> Iterator[int]:
        """One pass over the hot pages; yields the touches done after every chunk."""
        start = int(self._rng.integers(self._hot))
        line = int(self._rng.integers(LINES_PER_PAGE)) * _WORDS_PER_LINE
        for first in range(start, start + self._hot, _CHUNK):
            pages = self._order[first : min(first + _CHUNK, start + self._hot)]
            index = np.add(pages, line, out=self._index[: pages.size])
            yield self._words.touch(index, line)
        if self._home is not None:
            self._home[::WORDS_PER_PAGE] += 1


class Drawn:
    """Touches pages drawn at random by their rates, each time `lines` cache lines of a page.

    `rates` has each page's share of the accesses. The change: the coldest pages are read through
    once by address, a chunk after each of the others, as a backup or a scan of a table would.
    """

    def __init__(
        self,
        words: WordArray,
        rates: FloatArray,
        lines: int,
        write_share: float,
        seed: int,
        accesses: Accesses | None = None,
    ) -> None:
        self._words = _Words(words, write_share, accesses)
        self._reader = _Words(words, 0.0, accesses)
        self._lines = np.arange(lines, dtype=np.int64)
        self._visits = _CHUNK // lines
        self._rng = np.random.default_rng([seed, 1])  # another stream than the rates'
        self._cold = streamed(rates)
        self._stream: IntArray = np.empty(0, dtype=np.int64)
        self.draw_by(rates)

    def draw_by(self, rates: FloatArray) -> None:
        """From now on draw pages by these rates."""
        self._bounds = np.cumsum(rates)
        self._bounds /= self._bounds[-1]

    def change(self) -> None:
        """Begin a streaming pass."""
        self._stream = self._cold

    def touch_once(self) -> Iterator[int]:
        """A few chunks; yields the touches done after each of them."""
        drawn = self._rng.random(_CHUNKS_A_DRAW * self._visits)
        pages = np.searchsorted(self._bounds, drawn, side="right")
        for chunk in pages.reshape(_CHUNKS_A_DRAW, self._visits):
            yield self._words.touch(self._index(chunk), 1)
            if self._stream.size:
                yield self._reader.touch(self._index(self._stream[: self._visits]), 1)
                self._stream = self._stream[self._visits :]

    def _index(self, pages: IntArray) -> IntArray:
        first = int(self._rng.integers(LINES_PER_PAGE))
        words = (first + self._lines * _STRIDE_LINES) % LINES_PER_PAGE * _WORDS_PER_LINE
        return (pages[:, None] * WORDS_PER_PAGE + words).ravel()


def streamed(rates: FloatArray) -> IntArray:
    """The pages of a streaming pass, by address: the coldest of all."""
    return np.flatnonzero(~hottest(rates, rates.size - round(rates.size * STREAMED_SHARE)))
