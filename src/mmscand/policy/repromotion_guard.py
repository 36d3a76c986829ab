"""A demoted page is promoted again only after two accesses."""

import numpy as np

from mmscand.heat.state import accessed_in_a_row
from mmscand.model import BoolArray, StateArray, UIntArray
from mmscand.policy.back_off import LONGEST_DELAY_S, BackOff

_PROOF = 2
"""Passes in a row that have to find it accessed; of other pages any two of six.

Simulated with the engine before the stopwatch. Time is no proof: with 4, 8, ... 600 s in its place,
a hot set that comes back every ten seconds (zigzag at 1:8) costs 1.81 of O-cost, with this 1.16,
with three in a row 1.24. Cyclic scans over twice the fast tier are better with four (1.30, else
1.42); but where moves do not pay, the credit stops them (policy.credit)."""


class RepromotionGuard:
    """Of the pages of one process, for ten minutes after their demotion."""

    def __init__(self) -> None:
        self._was_demoted = BackOff()

    def demoted(self, addresses: UIntArray, now: float) -> None:
        """These were demoted, ascending."""
        self._was_demoted.hold(addresses, np.full(len(addresses), LONGEST_DELAY_S), now)

    def left_s(self, address: int, now: float) -> float:
        """Seconds for which the slot at an address is guarded; 0 where it is not."""
        return self._was_demoted.held(address, now)[1]

    def forbids(self, addresses: UIntArray, state: StateArray, now: float) -> BoolArray:
        """Which of these (n,) were demoted, and were not accessed in enough passes since."""
        return self._was_demoted.holds(addresses, now) & ~accessed_in_a_row(state, _PROOF)
