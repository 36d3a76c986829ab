"""Where a process uses its top-tier memory: accessed pages on each fast node, with decay."""

import numpy as np

from mmscand.model import PageBlock, Topology

_SAMPLE_ROWS = 16
"""One row in so many is counted: finding nodes costs ten times what reading a page does."""
_KEPT = 0.75
"""What a visit's counts are worth at the next one: half after 2.4 visits."""


class NodeUse:
    """Of one process. The RFC chose anew after each pass, and by scanned pages (V1, V2)."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._fast = sorted(topology.fast)
        self._seen = np.zeros(len(self._fast))
        self._use = np.zeros(len(self._fast))

    def see(self, block: PageBlock) -> None:
        """Count a block of this visit."""
        if len(self._fast) < 2:
            return  # nothing to choose
        rows = slice(None, None, _SAMPLE_ROWS if block.slow.shape[1] > 1 else 1)
        mask = block.accessed[rows] & ~block.slow[rows]
        nodes = self._topology.nodes_of(block.frames[rows][mask])
        for at, node in enumerate(self._fast):
            self._seen[at] += np.count_nonzero(nodes == node) * block.pages_per_slot

    def end_visit(self) -> None:
        """Let earlier visits fade."""
        self._use = self._use * _KEPT + self._seen
        self._seen[:] = 0

    @property
    def preferred(self) -> tuple[int, ...]:
        """Fast nodes with accessed pages of the process, most first."""
        used = [(use, node) for use, node in zip(self._use, self._fast, strict=True) if use > 0]
        return tuple(node for _, node in sorted(used, key=lambda pair: (-pair[0], pair[1])))
