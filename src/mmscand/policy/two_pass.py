"""The policies `two-pass` and `first-touch`: hot is what was accessed in consecutive passes.

Two passes are the rule of the RFC's V3 (lore 20250814153307.1553061-1), one is that of V0 and V1
(20250319193028.29514-1-raghavendra.kt@amd.com). The RFC leaves demotion to the kernel.
"""

from dataclasses import dataclass

from mmscand.heat.state import accessed_in_a_row
from mmscand.model import BoolArray, StateArray


@dataclass(frozen=True, slots=True)
class TwoPass:
    """Promote after `hot_passes` passes in a row with an access; the first look does not count."""

    hot_passes: int = 2

    def hot(self, state: StateArray) -> BoolArray:
        """Slots to promote, shape of `state` (heat.state)."""
        return accessed_in_a_row(state, self.hot_passes)
