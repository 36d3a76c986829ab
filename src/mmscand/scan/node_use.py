"""Where a process uses its top-tier memory: accessed pages on each fast node, with decay.

The Accessed bits of top-tier pages stay set, as nobody clears them, and clearing all would cost as
much as they are many and make them the first to be demoted. So a few rows are aged in each pass,
others each time, and looked at in the next: how much of these is accessed, times what there is.
"""

import numpy as np
from numpy.typing import NDArray

from mmscand.model import HUGE_PAGE_BYTES, BoolArray, PageBlock, Topology, UIntArray
from mmscand.sets import among

_SAMPLE_ROWS = 16
"""One row in this number is counted: finding nodes costs ten times what reading a page does."""
_LEAST_ROWS = 32
"""The least rows of a small block that are counted, else all memory of a node may be missed."""
_AGED_ROWS = 8
"""Rows (2 MiB) that are aged in a pass: 4096 pages at 50 ns are 0.2 ms."""
_LEAST_TURNS = 4
"""Of a small process a quarter is aged in each pass."""
_KEPT = 0.75
"""What a visit's counts are worth at the next one: half after 2.4 visits."""
_PRESENT, _WATCHED, _ACCESSED = range(3)


class NodeUse:
    """Of one process. The RFC chose again after each pass, and by scanned pages (V1, V2)."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._fast = sorted(topology.fast)
        self.chooses = len(self._fast) > 1
        """With one fast node there is nothing to choose, and nothing is counted."""
        self._seen = np.zeros((3, len(self._fast)))
        self._use = np.zeros((3, len(self._fast)))
        self._watched: UIntArray = np.empty(0, dtype=np.uint64)
        """Addresses of the rows that were aged in the last pass."""
        self._aged: list[UIntArray] = []
        """And of those that were in this one."""
        self._rows = self._turn = 0
        self._turns = _LEAST_TURNS

    def see(self, block: PageBlock) -> None:
        """Count a block of this visit."""
        if not self.chooses:
            return
        rows, width = block.slow.shape
        step = min(_SAMPLE_ROWS, max(1, rows // _LEAST_ROWS)) if width > 1 else 1
        some = slice(self._turn % step, None, step)
        self._count(_PRESENT, block, some, block.present, weight=step)
        watched = np.flatnonzero(among(block.addresses, self._watched))
        if len(watched):
            self._count(_WATCHED, block, watched, block.present)
            self._count(_ACCESSED, block, watched, block.accessed)

    def _count(
        self,
        what: int,
        block: PageBlock,
        rows: slice | NDArray[np.intp],
        which: BoolArray,
        weight: int = 1,
    ) -> None:
        mask = which[rows] & ~block.slow[rows]
        nodes = self._topology.nodes_of(block.frames[rows][mask])
        for at, node in enumerate(self._fast):
            slots = np.count_nonzero(nodes == node) * weight
            self._seen[what, at] += slots * block.pages_per_slot

    def to_age(self, block: PageBlock) -> BoolArray:
        """The slots whose bit is to be cleared, so that the next pass says whether they are used.

        This makes them the first to be demoted, until they are accessed again.
        """
        fast = block.present & ~block.slow
        has_fast = fast.any(axis=1)
        self._rows += int(np.count_nonzero(has_fast))
        number = block.addresses // np.uint64(HUGE_PAGE_BYTES) + np.uint64(self._turn)
        chosen = has_fast & (number % np.uint64(self._turns) == 0)
        self._aged.append(block.addresses[chosen])
        result: BoolArray = fast & block.accessed & chosen[:, None]
        return result

    def end_visit(self, *, complete: bool = True) -> None:
        """Let earlier visits fade, and after a whole pass go on to other rows."""
        self._use = self._use * _KEPT + self._seen
        self._seen[:] = 0
        if complete:
            self._watched = np.concatenate([np.empty(0, dtype=np.uint64), *self._aged])
            self._turns = max(_LEAST_TURNS, self._rows // _AGED_ROWS)
            self._turn, self._rows, self._aged = self._turn + 1, 0, []

    @property
    def preferred(self) -> tuple[int, ...]:
        """Fast nodes with pages of the process, those with most accessed ones first."""
        present, watched, accessed = self._use
        # A node of which nothing was watched yet is taken to be half in use.
        use = present * (accessed + 1) / (watched + 2)
        used = [(pages, node) for pages, node in zip(use, self._fast, strict=True) if pages > 0]
        return tuple(node for _, node in sorted(used, key=lambda pair: (-pair[0], pair[1])))
