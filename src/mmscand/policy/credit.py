"""What moves have cost, and what they have brought in: who does not get it back stops.

That a move pays is an estimate, and where pages change all the time it is wrong each time. So what
is spent is held against what the fast tier was accessed more than as many pages drawn by chance.
"""

import numpy as np

from mmscand.model import BoolArray, FloatArray
from mmscand.policy.placement import Moves

_FIRST = 1.0
"""Fills of the fast tier that may be spent before anything came in. With 0.7 stairs at 1:8 with 1
access go bankrupt before the exposure is found, 1.5 costs phases at 0.1 accesses half a percent."""
_FORGIVEN = 0.005
"""Of all accesses: what may be spent for nothing, so that nobody stops for ever. 0.02 makes phases
at 1:16 with 0.1 accesses 1.4 % slower than doing nothing, this 0.6."""
_MOST = 2.0
"""A good time is no reason to lose as much in a bad one."""


class Credit:
    """Counted in fills: a trade for each page of the fast tier."""

    def __init__(self, capacity: int, payback: float) -> None:
        self._capacity = capacity
        self._cost = capacity * payback
        self._left = _FIRST

    def afforded(self, moves: Moves) -> Moves:
        """Those of them that may be made, the most urgent; they are paid for."""
        fills = len(moves.up) - len(moves.down)
        most = min(max(0, round(self._left * self._capacity)), len(moves.up))
        self._left -= most / self._capacity
        return Moves(moves.up[:most], moves.down[: max(0, most - fills)])

    def earn(
        self, accessed: BoolArray, fast: BoolArray, rates: FloatArray, exposures: float
    ) -> None:
        """Take in the bits of an exposure, which stand for so many of them.

        Expected rates say what the fast tier holds more of; bits, whether it is still so.
        """
        if not fast.any():
            return
        chance = -np.expm1(-rates)
        expected = float(chance[fast].mean() - chance.mean())
        seen = float(accessed[fast].mean() - accessed.mean())
        more = max(0.0, float(rates[fast].mean() - rates.mean()))
        still = float(np.clip(seen / expected, 0, 1)) if expected > 0 else 0.0
        gain = self._capacity * more * still + _FORGIVEN * float(rates.sum())
        self._left = min(_MOST, self._left + gain * exposures / self._cost)
