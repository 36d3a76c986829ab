"""The policy `nothing`: pages stay where they were allocated. What every other has to beat.

Alto (OSDI'25) and NOMAD (OSDI'24) found that most systems lose to it somewhere.
"""

from mmscand.model import BoolArray, PageNumbers
from mmscand.policy.placement import NO_MOVES, Moves


class Nothing:
    """See policy.placement.PlacementPolicy."""

    name = "nothing"
    exposure = 1.0

    def decide(self, accessed: BoolArray, fast: BoolArray) -> Moves:
        """See PlacementPolicy.decide."""
        return NO_MOVES

    def forget(self, pages: PageNumbers) -> None:
        """See PlacementPolicy.forget."""
