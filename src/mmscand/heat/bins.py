"""States by what they say of a page's rate: accessed in some of its observations.

Pages of one bin look alike to a policy. There are few bins, so what is decided about all pages is
decided by counting them.
"""

import numpy as np

from mmscand.heat.state import (
    AVERAGE_OBSERVATIONS,
    AVERAGE_SHIFT,
    FAST,
    MOST_AVERAGE,
    PASSES,
    REGISTER,
    STATES,
    accessed_passes,
)
from mmscand.model import BoolArray, ByteArray, FloatArray, PageNumbers


def _of_states() -> FloatArray:
    """(STATES, 2) accessed, and observations, of every state."""
    states = np.arange(STATES, dtype=np.uint16)
    register, average = states & REGISTER, states >> AVERAGE_SHIFT & MOST_AVERAGE
    observations = np.floor(np.log2(np.maximum(register, 1)))
    accessed = accessed_passes(states).astype(np.float64)
    has_average = (observations == PASSES) & (average > 0)
    accessed += np.where(has_average, average.astype(np.float64) - 1, 0)
    observations += np.where(has_average, AVERAGE_OBSERVATIONS, 0)
    return np.column_stack((accessed, observations))


_TOLD, _PLACE = np.unique(_of_states(), axis=0, return_inverse=True)
BIN_OF: ByteArray = _PLACE.reshape(-1).astype(np.uint8)
"""(STATES,) the bin of each state."""
ACCESSED: FloatArray = _TOLD[:, 0]
"""(bins,) accessed observations."""
OBSERVATIONS: FloatArray = _TOLD[:, 1]
"""(bins,) observations; 0 of pages of which nothing is known."""
BINS = len(_TOLD)


_IS_FAST: BoolArray = np.arange(STATES, dtype=np.uint16) & FAST != 0


def pages_by_bin(slots: PageNumbers) -> PageNumbers:
    """(2, bins) slots on the slow tier and on the fast one, from (STATES,) slots of each state."""
    tiers = [np.where(fast == _IS_FAST, slots, 0) for fast in (False, True)]
    found = [np.bincount(BIN_OF, weights=tier, minlength=BINS) for tier in tiers]
    result: PageNumbers = np.array(found).astype(np.intp)
    return result
