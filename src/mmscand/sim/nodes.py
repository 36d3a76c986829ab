"""Nodes of a simulated machine: what they are like, and which of their frames are in use."""

from collections.abc import Mapping
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from mmscand.model import (
    PAGE_BYTES,
    PAGES_PER_TABLE,
    REGION_BYTES,
    IntArray,
    Node,
    Topology,
)

FrameNumbers = NDArray[np.uint32]
"""Physical addresses in pages: 16 TiB in 4 bytes. 0 is none."""

_MOST_FRAMES = 1 << 32


def sim_topology(
    fast: tuple[int, ...],
    slow: tuple[int, ...],
    pages: Mapping[int, int],
    *,
    read_latency_ns: Mapping[int, int] | None = None,
    read_bandwidth_mb_s: Mapping[int, int] | None = None,
) -> Topology:
    """Nodes of these sizes in pages, whole 2 MiB; distance 10 to itself, 20 in a tier, 40 across.

    Nodes begin at borders of 1 GiB, the first one at 1 GiB. ValueError: odd sizes, over 16 TiB.
    """
    everything = (*fast, *slow)
    region = REGION_BYTES // PAGE_BYTES
    ends = list(
        accumulate((-(-pages[node] // region) * region for node in everything), initial=region)
    )
    if ends[-1] > _MOST_FRAMES or any(pages[node] % PAGES_PER_TABLE for node in everything):
        raise ValueError("nodes are in whole 2 MiB, and 16 TiB together at most")
    nodes = tuple(
        Node(
            id=node,
            has_cpus=node in fast,
            frame_ranges=((first * PAGE_BYTES, (first + pages[node]) * PAGE_BYTES),),
            distances={
                other: 10 if other == node else 20 if (other in fast) == (node in fast) else 40
                for other in everything
            },
            tier=4 if node in fast else 28,
            read_latency_ns=(read_latency_ns or {}).get(node),
            read_bandwidth_mb_s=(read_bandwidth_mb_s or {}).get(node),
        )
        for node, first in zip(everything, ends, strict=False)
    )
    return Topology(nodes, frozenset(fast), frozenset(slow), "simulated")


class _NodeFrames:
    """The free frames of one node: a byte a page, and how many are free in each 2 MiB."""

    def __init__(self, node: Node) -> None:
        ((start, end),) = node.frame_ranges
        self.first = np.uint32(start // PAGE_BYTES)
        self.size = np.uint32((end - start) // PAGE_BYTES)
        self._free = np.ones((int(self.size) // PAGES_PER_TABLE, PAGES_PER_TABLE), dtype=np.bool_)
        self._left = np.full(len(self._free), PAGES_PER_TABLE, dtype=np.int16)
        self.pages = int(self.size)

    def take(self, slots: int, pages_per_slot: int) -> FrameNumbers:
        """At most this number. The lowest; pages from 2 MiB that are broken first."""
        if pages_per_slot > 1:
            return self._take_whole(slots)[:, 0]
        loose = self._take_loose(slots)
        missing = slots - len(loose)
        if not missing:
            return loose
        fresh = self._take_whole(-(-missing // PAGES_PER_TABLE)).reshape(-1)
        self.give(fresh[missing:], 1)
        return np.concatenate((loose, fresh[:missing])) if len(loose) else fresh[:missing]

    @property
    def whole(self) -> int:
        """How many 2 MiB are all free."""
        return int(np.count_nonzero(self._left == PAGES_PER_TABLE))

    def _take_whole(self, blocks: int) -> FrameNumbers:
        """(blocks, 512) all frames of whole 2 MiB."""
        whole = np.flatnonzero(self._left == PAGES_PER_TABLE)[:blocks]
        self._free[whole] = False
        self._left[whole] = 0
        self.pages -= len(whole) * PAGES_PER_TABLE
        firsts: FrameNumbers = (whole * PAGES_PER_TABLE).astype(np.uint32) + self.first
        inside = np.arange(PAGES_PER_TABLE, dtype=np.uint32)
        numbers: FrameNumbers = np.add.outer(firsts, inside)
        return numbers

    def _take_loose(self, slots: int) -> FrameNumbers:
        """From 2 MiB of which something is in use."""
        broken = np.flatnonzero((self._left > 0) & (self._left < PAGES_PER_TABLE))
        enough = np.searchsorted(np.cumsum(self._left[broken], dtype=np.intp), slots) + 1
        inside = np.flatnonzero(self._free[broken[:enough]])[:slots]
        blocks = broken[inside // PAGES_PER_TABLE]
        at = blocks * PAGES_PER_TABLE + inside % PAGES_PER_TABLE
        self._free.reshape(-1)[at] = False
        np.subtract.at(self._left, blocks, np.int16(1))
        self.pages -= len(at)
        return at.astype(np.uint32) + self.first

    def give(self, numbers: FrameNumbers, pages_per_slot: int) -> None:
        """Take frames back."""
        at = numbers - self.first
        blocks = at // np.uint32(PAGES_PER_TABLE)
        if pages_per_slot > 1:
            self._free[blocks] = True
        else:
            self._free.reshape(-1)[at] = True
        np.add.at(self._left, blocks, np.int16(pages_per_slot))
        self.pages += len(numbers) * pages_per_slot

    def holds(self, numbers: FrameNumbers) -> NDArray[np.bool_]:
        """Which of these are frames of this node."""
        held: NDArray[np.bool_] = numbers - self.first < self.size
        return held


class Frames:
    """The frames of all nodes. Not for several threads at once: the machine has a lock."""

    def __init__(self, topology: Topology) -> None:
        self._of = {node.id: _NodeFrames(node) for node in topology.nodes}
        self._cache: dict[int, FrameNumbers] = {}

    def pages(self, node: int) -> int:
        """How many are free, in 4 KiB pages."""
        return self._of[node].pages

    def whole(self, node: int) -> int:
        """How many 2 MiB of a node are all free."""
        return self._of[node].whole

    def allocate(
        self, node: int, slots: int, pages_per_slot: int, *, leave: int = 0
    ) -> FrameNumbers:
        """The first frame of each slot; fewer than asked for where only `leave` pages are left.

        Page cache is dropped for them.
        """
        self.drop_cache(node, slots * pages_per_slot + leave)
        room = max(0, self.pages(node) - leave) // pages_per_slot
        return self._of[node].take(min(slots, room), pages_per_slot)

    def fill_cache(self, node: int, pages: int) -> None:
        """Take these for files that are read."""
        more = self._of[node].take(pages, 1)
        self._cache[node] = np.concatenate((self._cache.get(node, more[:0]), more))

    def cached(self, node: int) -> int:
        """How many pages of a node hold files."""
        return len(self._cache.get(node, ()))

    def drop_cache(self, node: int, free: int) -> None:
        """Until this number of pages is free, or none of it is left."""
        missing = max(0, free - self.pages(node))
        if missing and node in self._cache:
            dropped, self._cache[node] = np.split(self._cache[node], [missing])
            self._of[node].give(dropped, 1)

    def release(self, numbers: FrameNumbers, pages_per_slot: int) -> None:
        """Take frames back, those that are 0 left out; a million at a time."""
        for start in range(0, len(numbers), _RELEASED_AT_ONCE):
            some = numbers[start : start + _RELEASED_AT_ONCE]
            for node in self._of.values():
                mine = node.holds(some)
                if mine.any():
                    node.give(some[mine], pages_per_slot)

    def nodes_of(self, numbers: FrameNumbers) -> IntArray:
        """Node of each frame, shape as `numbers`; -1 where there is none."""
        found = np.full(numbers.shape, -1, dtype=np.int32)
        for node, frames in self._of.items():
            found[frames.holds(numbers)] = node
        return found

    def on(self, node: int, numbers: FrameNumbers) -> NDArray[np.bool_]:
        """Which of these are the node's."""
        return self._of[node].holds(numbers)


_RELEASED_AT_ONCE = 1 << 20
"""Index arrays of numpy have 8 bytes an entry: of 1 TiB that would be 2 GiB."""
