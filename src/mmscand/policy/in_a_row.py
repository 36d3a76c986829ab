"""The policies `first-touch` and `two-pass`: promote what was accessed n passes in a row.

One pass is the RFC's V0 and V1 (lore 20250319193028.29514-1-raghavendra.kt@amd.com), two are its V3
(20250814153307.1553061-1). The RFC leaves demotion to the kernel, which takes what its clock finds
unused; here a clock hand does it when the fast tier is full.
"""

import numpy as np

from mmscand.model import BoolArray, ByteArray, PageNumbers
from mmscand.policy.placement import Moves


class InARow:
    """See policy.placement.PlacementPolicy."""

    exposure = 1.0

    def __init__(self, name: str, passes: int, pages: int, capacity: int) -> None:
        self.name = name
        self._passes = passes
        self._capacity = capacity
        self._row: ByteArray = np.zeros(pages, dtype=np.uint8)
        self._hand = 0

    def decide(self, accessed: BoolArray, fast: BoolArray) -> Moves:
        """See PlacementPolicy.decide."""
        self._row = np.where(accessed, np.minimum(self._row, 254) + 1, 0).astype(np.uint8)
        up = np.flatnonzero((self._row >= self._passes) & ~fast)[: self._capacity]
        room = self._capacity - int(np.count_nonzero(fast))
        down = self._victims(accessed, fast, max(0, len(up) - room))
        return Moves(up, down)

    def forget(self, pages: PageNumbers) -> None:
        """See PlacementPolicy.forget."""
        self._row[pages] = 0

    def _victims(self, accessed: BoolArray, fast: BoolArray, wanted: int) -> PageNumbers:
        """What the hand comes to first: unused pages, and the others in its second round."""
        around = np.roll(np.flatnonzero(fast), -self._hand)
        ordered = np.concatenate((around[~accessed[around]], around[accessed[around]]))
        self._hand = (self._hand + wanted) % max(1, len(around))
        return ordered[:wanted]
