"""The policy `frequency`: a counter of eight bits that ages, and trades with a gap.

The aging counter of textbooks (Tanenbaum: not frequently used), with memory-optimizer's rule that
hot and cold pages trade places only when their counts are far enough apart.
"""

import numpy as np

from mmscand.model import BoolArray, ByteArray, PageNumbers
from mmscand.policy.placement import Moves, exchange

_GAP = 64.0
"""A quarter of the counter's range. memory-optimizer asks for a difference of 2 in 10 scans."""


class Frequency:
    """See policy.placement.PlacementPolicy."""

    name = "frequency"
    exposure = 1.0

    def __init__(self, pages: int, capacity: int) -> None:
        self._capacity = capacity
        self._counts: ByteArray = np.zeros(pages, dtype=np.uint8)

    def decide(self, accessed: BoolArray, fast: BoolArray) -> Moves:
        """See PlacementPolicy.decide."""
        self._counts >>= 1
        self._counts |= accessed.astype(np.uint8) << 7
        return exchange(fast, self._counts.astype(np.float64), self._capacity, _GAP)

    def forget(self, pages: PageNumbers) -> None:
        """See PlacementPolicy.forget."""
        self._counts[pages] = 0
