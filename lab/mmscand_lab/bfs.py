"""Breadth-first search of a graph, again and again: what the GAP benchmark suite times.

Few vertices have most of the edges, as in graphs of people and of pages of the web. All arrays of
the search are in the region: edges in the compressed form (CSR), parents, and the queue.

A search that starts at any vertex which other searches find, finds the same vertices: its edges
lead into the one large component in which each vertex leads to all others. So each search makes the
same accesses in another order, and one that is counted gives the rates of all.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from mmscand.model import FloatArray
from mmscand_lab.graph import DEGREE, Graph, SearchState
from mmscand_lab.region import WORDS_PER_PAGE
from mmscand_lab.truth import IntArray, WordArray

_EDGES = 2048
"""Edges between two looks at signals: as many accesses as the blocks of other patterns."""
_BLOCK = 1 << 20
"""Edges that are counted at once: 8 MiB of numbers."""


class Searches(Protocol):
    """How a search goes on."""

    def search(self, words: WordArray, state: SearchState, edges: int) -> int:
        """Follow at most this number of edges; returns the accesses to the region.

        An edge reads the neighbour and its parent; a vertex that is new has a parent and a place
        in the queue written. A vertex that is taken from the queue reads that, and two offsets.
        """
        ...


class NumpySearches:
    """Whole vertices at a time; where there is a compiler, `slowmem.library` does it instead."""

    def search(self, words: WordArray, state: SearchState, edges: int) -> int:
        """See `Searches`."""
        now = state[0]
        head, tail, mark = int(now["head"]), int(now["tail"]), now["mark"] << np.uint64(32)
        parents, queue = words[int(now["parents"]) :], words[int(now["queue"]) :]
        batch = queue[head : min(tail, head + max(1, edges // DEGREE))].astype(np.int64)
        sources, places = _edges_of(words[int(now["offsets"]) :], batch)
        targets = words[int(now["neighbours"]) + places].astype(np.int64)
        new = np.flatnonzero(parents[targets] >> np.uint64(32) != now["mark"])
        _, first = np.unique(targets[new], return_index=True)
        fresh = new[np.sort(first)]  # of several edges to a vertex the first, as one by one
        parents[targets[fresh]] = mark | sources[fresh].astype(np.uint64)
        queue[tail : tail + fresh.size] = targets[fresh]
        now["head"], now["tail"] = head + batch.size, tail + fresh.size
        return 3 * batch.size + 2 * targets.size + 2 * fresh.size


def _edges_of(offsets: WordArray, vertices: IntArray) -> tuple[IntArray, IntArray]:
    """The vertex and the place of each edge of these vertices, in their order."""
    begins = offsets[vertices].astype(np.int64)
    sizes = offsets[vertices + 1].astype(np.int64) - begins
    before = np.cumsum(sizes) - sizes
    return np.repeat(vertices, sizes), np.repeat(begins - before, sizes) + np.arange(sizes.sum())


class Bfs:
    """Searches from one source after another, drawn among the vertices that searches find."""

    def __init__(self, words: WordArray, seed: int, searches: Searches | None = None) -> None:
        """Makes the graph in the region, and searches it once."""
        self._words, self._rng = words, np.random.default_rng([seed, 1])
        self._searches = NumpySearches() if searches is None else searches
        self._graph = Graph(words, seed)
        self._graph.begin(self._graph.hub)
        while not self._graph.is_through():
            self._searches.search(words, self._graph.state, _BLOCK)
        # By number: hubs are found first, and a block of them would have too many edges.
        self.reached: IntArray = np.sort(self._graph.found())
        """The vertices that each search finds."""

    def touch_once(self) -> Iterator[int]:
        """Eight blocks; yields the accesses done after each."""
        for _ in range(8):
            if self._graph.is_through():
                self._graph.begin(int(self._rng.choice(self.reached)))
            yield self._searches.search(self._words, self._graph.state, _EDGES)

    def change(self) -> None:
        """Nothing changes."""

    def rates(self) -> FloatArray:
        """(pages,) share of all accesses, over a whole search. A word counts as one access, though
        eight neighbours in a row are one cache line.
        """
        counts = np.zeros(self._words.size // WORDS_PER_PAGE)
        for index in self._accessed():
            counts += np.bincount(index // WORDS_PER_PAGE, minlength=counts.size)
        rates: FloatArray = counts / counts.sum()
        return rates

    def _accessed(self) -> Iterator[IntArray]:
        """The words that a search accesses, each as often as it does."""
        at, reached = self._graph.begins, self.reached
        yield from (at["offsets"] + reached, at["offsets"] + reached + 1)
        yield at["parents"] + reached  # written once
        yield from [at["queue"] + np.arange(reached.size)] * 2  # written and read
        for first in range(0, reached.size, _BLOCK // DEGREE):
            _, places = _edges_of(self._graph.offsets, reached[first : first + _BLOCK // DEGREE])
            yield at["neighbours"] + places
            yield at["parents"] + self._words[at["neighbours"] + places].astype(np.int64)
