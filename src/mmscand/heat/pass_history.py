"""In which of the last six passes each slow-tier page was accessed, for the policies of the RFC.

Each pass clears all bits of the slow tier, and the next one reads them. A page whose frame is
another one is a new page at an old address (freed and mapped again), and starts without a past; one
in 16 such changes goes unnoticed.
"""

import numpy as np

from mmscand.heat.history import History, key_of, tags_of
from mmscand.heat.hotness import codes
from mmscand.heat.rows import TAG, Rows, numbers_of
from mmscand.heat.state import (
    FAST,
    KNOWN,
    REGISTER,
    STUCK,
    accessed_passes,
    is_stuck,
    observed,
    restarted,
)
from mmscand.model import BoolArray, PageBlock, StateArray, UIntArray

_STATES = np.arange(FAST << 1, dtype=np.uint16)
"""All bits that hold passes and tier."""


class PassHistory(History):
    """Words are registers of passes, see heat.state."""

    CODES = codes(accessed_passes(_STATES), _STATES & REGISTER != 0, _STATES & FAST != 0)
    HEAT = accessed_passes(_STATES).astype(np.float64)
    UNIT = "passes"

    def fold(self, block: PageBlock) -> StateArray:
        """Take in what a pass saw; the new state of each slot, shape as the block's arrays.

        State 0: not on the slow tier, or never seen before this pass (it is KNOWN from the next one
        on). Else bit 0 says whether it was accessed since the pass before.
        """
        rows = self._rows_of(block)
        old, tag = rows.at(*rows.place(numbers_of(block.addresses))), tags_of(block)
        state = observed(old, block.accessed)
        state *= block.slow & ((old ^ tag) & TAG == 0)
        words = (np.where(state, state, KNOWN) | tag) * block.slow
        self._put(key_of(block), rows.updated(Rows.of(block, block.slow, words, self._number)))
        return state

    def restart(self, addresses: UIntArray, pages_per_slot: int) -> None:
        """Make these slots prove themselves again, from the next pass on."""
        self._update(addresses, pages_per_slot, KNOWN)

    def mark_stuck(self, addresses: UIntArray, pages_per_slot: int) -> None:
        """See History."""
        self._update(addresses, pages_per_slot, STUCK)

    def _with_state(self, words: StateArray, state: np.uint16) -> StateArray:
        return restarted(words, state)

    def _is_stuck(self, words: StateArray) -> BoolArray:
        return is_stuck(words)
