"""The policy `nothing`: pages stay where they were allocated. What every other has to beat.

Alto (OSDI'25) and NOMAD (OSDI'24) found that most systems lose to it somewhere.
"""

import numpy as np

from mmscand.model import BoolArray, StateArray


class Nothing:
    """No page is hot."""

    def hot(self, state: StateArray) -> BoolArray:
        """Slots to promote, shape of `state` (heat.state)."""
        return np.zeros(state.shape, dtype=np.bool_)
