"""The longer proof that a page needs to go up again once it came down."""

import numpy as np

from mmscand.heat.state import accessed_in_a_row
from mmscand.model import BoolArray, StateArray, UIntArray
from mmscand.policy.back_off import LONGEST_DELAY_S, BackOff

_PROOFS = (3, 4)
"""Passes in a row that have to find it accessed, after it came down once, and more often.

Time is no proof: with 4, 8, ... 600 s in its place, a hot set that comes back every ten seconds
(zigzag at 1:8) costs 1.81 of O-cost, with this 1.22. Without any, cyclic scans cost 1.72 in place
of 1.37; with five in a row they cost 1.28, and zigzag 1.30."""


class Proof:
    """Of the pages of one process, for ten minutes after they came down."""

    def __init__(self) -> None:
        self._came_down = BackOff()

    def demoted(self, addresses: UIntArray, now: float) -> None:
        """These came down, ascending."""
        self._came_down.hold(addresses, np.full(len(addresses), LONGEST_DELAY_S), now)

    def lacks(self, addresses: UIntArray, state: StateArray, now: float) -> BoolArray:
        """Which of these (n,) came down, and were not accessed in enough passes since."""
        times = np.minimum(self._came_down.times(addresses, now), len(_PROOFS))
        result = times > 0
        for number, passes in enumerate(_PROOFS, 1):
            mine = times == number
            result[mine] = ~accessed_in_a_row(state[mine], passes)
        return result
