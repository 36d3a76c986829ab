"""What moves have cost, and what they have brought in: without enough credit nothing moves.

That a move pays is an estimate, and where pages change all the time it is wrong each time. So what
is spent is held against what the fast tier was accessed more than as many pages drawn by chance.
"""

PAYBACK_ACCESSES = 16.0
"""What a trade has to bring in: two moves of 1.24 us each against 157 ns an access."""
_FIRST = 1.0
"""Fills of the fast tier that may be spent before anything came in. With 0.7 stairs at 1:8 with 1
access go bankrupt at first, 1.5 costs phases at 0.1 accesses half a percent."""
_FORGIVEN = 0.005
"""Of all accesses: what may be spent for nothing, so that nobody stops forever. 0.02 makes phases
at 1:16 with 0.1 accesses 1.4 % slower than doing nothing, this 0.6."""
_MOST = 2.0
"""A good time is no reason to lose as much in a bad one."""


class Credit:
    """Counted in fills: a trade for each page of the fast tier, whose size is given each time."""

    def __init__(self) -> None:
        self._left = _FIRST

    def pages(self, capacity: int) -> int:
        """The number of pages that may be promoted."""
        return max(0, round(self._left * capacity))

    def spend(self, pages: int, capacity: int) -> None:
        """Pages were promoted; of a negative number the credit is given back.

        Nothing is spent while the capacity of the fast tier is unknown (0).
        """
        self._left = min(_MOST, self._left - pages / capacity) if capacity else self._left

    def earn(self, more: float, accesses: float, capacity: int) -> None:
        """`accesses` in all; `more` of them went to the fast tier than would have gone to the same
        number of pages drawn by chance.
        """
        came_in = max(0.0, more) + _FORGIVEN * accesses
        self._left = min(_MOST, self._left + came_in / (max(1, capacity) * PAYBACK_ACCESSES))
