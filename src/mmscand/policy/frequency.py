"""The policy `frequency`: hot is what was accessed in most of the last passes.

The aging counter of textbooks (Tanenbaum: not frequently used) over the register of six passes, as
memory-optimizer counts over ten scans.
"""

from mmscand.heat.state import PASSES, REGISTER, accessed_passes
from mmscand.model import BoolArray, StateArray

_FULL = 1 << PASSES
MOST = 4
"""Of six: two thirds."""


class Frequency:
    """Promote what was observed six times, and accessed in at least four of them."""

    def hot(self, state: StateArray) -> BoolArray:
        """Slots to promote, shape of `state` (heat.state)."""
        result: BoolArray = (state & REGISTER >= _FULL) & (accessed_passes(state) >= MOST)
        return result
