"""The RFC V3's rule: hot is what was accessed in two consecutive passes."""

from dataclasses import dataclass

from mmscand.heat.state import accessed_in_a_row, is_stuck
from mmscand.model import BoolArray, PageBlock, StateArray


@dataclass(frozen=True, slots=True)
class TwoPass:
    """Promote after `hot_passes` passes in a row with an access; the first look does not count."""

    hot_passes: int = 2

    def hot(self, block: PageBlock, state: StateArray) -> BoolArray:
        """Slots to promote, shape as the block's arrays."""
        result: BoolArray = accessed_in_a_row(state, self.hot_passes) & ~is_stuck(state)
        return result

    def to_age(self, block: PageBlock, state: StateArray) -> BoolArray:
        """Slots whose Accessed bit has to be cleared for the next pass to mean anything."""
        result: BoolArray = block.accessed & block.slow & ~is_stuck(state)
        return result
