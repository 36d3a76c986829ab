"""The policy `frequency` in the daemon: hot is what was accessed in most of the last passes.

The aging counter of textbooks (Tanenbaum: not frequently used) over the register of six passes, as
memory-optimizer counts over ten scans.
"""

from dataclasses import dataclass

from mmscand.heat.state import PASSES, REGISTER, accessed_passes
from mmscand.model import BoolArray, PageBlock, StateArray
from mmscand.policy.two_pass import TwoPass

_FULL = 1 << PASSES
MOST = 4
"""Of six: two thirds."""


@dataclass(frozen=True, slots=True)
class Frequent(TwoPass):
    """Promote what was observed six times, and accessed in at least four of them."""

    def hot(self, block: PageBlock, state: StateArray) -> BoolArray:
        """See TwoPass."""
        result: BoolArray = (state & REGISTER >= _FULL) & (accessed_passes(state) >= MOST)
        return result
