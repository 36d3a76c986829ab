"""What looks inside the hot huge pages of a process have said, and how much may be done for it."""

_PATIENCE_S = 30.0
"""Hot huge pages wait so long for a judgement, then they are promoted whole: where visits are 10 s
apart it comes later."""
_AGAIN_S, _LONGEST_S = 60.0, 960.0
"""Evenly hot ones are looked at again after a minute, and at last every 16 minutes."""
_SPLIT_S, _COLLAPSE_S = 0.0004, 0.005
"""CPU time of one, measured on Linux 6.18."""
_CPU_SHARE = 0.02
"""Of a core: 50 splits or 4 collapses a second."""
_MOST_S = 0.1
"""At once: the longest visit that is wanted. 20 collapses, more than a sample."""


class HugeOpinion:
    """A state machine: nothing known, most are sparse, or most are evenly hot."""

    def __init__(self) -> None:
        self._score = 0.0
        """Above 0 they are sparse, below 0 evenly hot; 0 is nothing known."""
        self._interval_s = _AGAIN_S
        self._look_at = float("-inf")
        """Clock time of the next look, where they are not sparse."""
        self._patience_ends: float | None = None
        """Clock time until which hot huge pages wait; None before there was one."""
        self._left_s = _MOST_S
        """CPU time that may be spent ..."""
        self._as_of: float | None = None
        """... as of this clock time."""

    @property
    def is_known(self) -> bool:
        """Whether any was judged, or is taken for even."""
        return self._score != 0

    @property
    def are_sparse(self) -> bool:
        """Whether those that become hot are split before they are promoted."""
        return self._score > 0

    def keeps_back(self, now: float) -> bool:
        """Whether hot huge pages are not to be promoted whole now."""
        if self._patience_ends is None:
            self._patience_ends = now + _PATIENCE_S
        if not self._score and now >= self._patience_ends:
            self._take_for_even(now)
        return self._score >= 0

    def judged(self, now: float, *, sparse: int, even: int) -> None:
        """These numbers of huge pages were found to be so; the latest count most."""
        if sparse + even:
            score = self._score / 2 + (sparse - even) / (sparse + even)
            if score > 0:
                self._score, self._interval_s = score, _AGAIN_S
            else:
                self._take_for_even(now, score)

    def _take_for_even(self, now: float, score: float = 0.0) -> None:
        """Also in doubt: so it would be without a look."""
        self._score = min(score, -0.5)
        if now >= self._look_at:
            self._look_at = now + self._interval_s
            self._interval_s = min(2 * self._interval_s, _LONGEST_S)

    def may_split(self, now: float) -> int:
        """How many huge pages may be split now, to look or because they are sparse."""
        wanted = self.are_sparse or now >= self._look_at
        return int(self._left(now) / _SPLIT_S) if wanted else 0

    def may_collapse(self, now: float) -> int:
        """How many huge pages may be made again now."""
        return int(self._left(now) / _COLLAPSE_S)

    def has_split(self, number: int, now: float, *, any_done: bool) -> None:
        """It was tried on this number of huge pages."""
        self._left_s -= number * _SPLIT_S
        self._rest_after(now, any_done=any_done)

    def has_collapsed(self, number: int, now: float, *, any_done: bool) -> None:
        """It was tried on this number of huge pages."""
        self._left_s -= number * _COLLAPSE_S
        self._rest_after(now, any_done=any_done)

    def _rest_after(self, now: float, *, any_done: bool) -> None:
        """Where the kernel refuses all, and what cannot be undone, is not begun again soon."""
        if not any_done:
            self._score = min(self._score, -0.5)
            self._look_at = now + _LONGEST_S

    def _left(self, now: float) -> float:
        since = 0.0 if self._as_of is None else now - self._as_of
        self._left_s, self._as_of = min(_MOST_S, self._left_s + since * _CPU_SHARE), now
        return self._left_s
