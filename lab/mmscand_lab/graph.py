"""A graph in the memory of a workload, and how far a search of it has come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from mmscand_lab.region import WORDS_PER_PAGE
from mmscand_lab.truth import IntArray, WordArray

DEGREE = 16
"""Edges of a vertex on average, as in the graphs that GAP makes."""
_SKEW = 3
"""The first r of n vertices by rank have (r / n) ** (1 / 3) of the edges: by the number of their
edges vertices follow a power law with the exponent 2.5. Those of people and the web have 2 to 3."""
_BLOCK = 1 << 20
"""Edges that are drawn at once: 8 MiB of numbers."""

SearchState = npt.NDArray[Any]
"""One entry of `STATE`."""
_ARRAYS = ("parents", "queue", "offsets", "neighbours")
_PROGRESS = ("head", "tail", "edge", "end", "vertex", "mark")
STATE = np.dtype([(name, np.uint64) for name in (*_ARRAYS, *_PROGRESS)])
"""`struct search` of touch.c: where the arrays begin, in words; the ends of the queue; the edges
that are left of a vertex; the vertex; the number of the search."""


class Graph:
    """Directed, with a power law for both ends of edges; the same seed gives the same graph.

    Arrays of 64-bit words, one after another: parents, queue, offsets (with one more at the end)
    and neighbours. The upper half of a parent is the number of the search that found it.
    """

    def __init__(self, words: WordArray, seed: int) -> None:
        """Fills the region."""
        count = words.size // (DEGREE + 3) // WORDS_PER_PAGE * WORDS_PER_PAGE
        self.begins: Mapping[str, int] = {
            "parents": 0,
            "queue": count,
            "offsets": 2 * count,
            "neighbours": 3 * count + 1,
        }
        """The word at which each array begins."""
        self.offsets = words[2 * count : 3 * count + 1]
        self.state: SearchState = np.array([(*self.begins.values(), 0, 0, 0, 0, 0, 0)], STATE)
        self._parents, self._queue = words[:count], words[count : 2 * count]
        self.hub = self._make(words[3 * count + 1 :], np.random.default_rng([seed, 4]))
        """The vertex that most edges lead to."""

    def _make(self, neighbours: WordArray, rng: np.random.Generator) -> int:
        count, edges = self._parents.size, neighbours.size
        self._parents[:] = 0
        by_rank = rng.permutation(count)
        up_to = np.round((np.arange(1, count + 1) / count) ** (1 / _SKEW) * edges)
        sizes = np.empty(count, dtype=np.int64)
        sizes[by_rank] = np.diff(up_to.astype(np.int64), prepend=0)
        self.offsets[0] = 0
        self.offsets[1:] = np.cumsum(sizes)
        for first in range(0, edges, _BLOCK):
            part = neighbours[first : first + _BLOCK]
            part[:] = by_rank[(rng.random(part.size) ** _SKEW * count).astype(np.int64)]
        return int(by_rank[0])

    def begin(self, source: int) -> None:
        """Begin another search."""
        now = self.state[0]
        now["mark"] += np.uint64(1)
        self._parents[source] = now["mark"] << np.uint64(32) | np.uint64(source)
        self._queue[0] = source
        now["head"], now["tail"], now["edge"], now["end"] = 0, 1, 0, 0

    def is_through(self) -> bool:
        """Whether the search has found all; so before the first."""
        now = self.state[0]
        return bool(now["head"] == now["tail"] and now["edge"] == now["end"])

    def found(self) -> IntArray:
        """The vertices that the search has found, in that order; a copy."""
        return self._queue[: int(self.state[0]["tail"])].astype(np.int64)
