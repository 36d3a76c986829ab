"""When a process is visited: bits are cleared, and read at growing distances from then on.

The time from one clearing to the next is a round. The first read is soon after the clearing, each
other one three times as late: which read finds a page accessed depends on its rate. A round lasts
until a page at the edge of the fast tier has most likely been accessed.
"""

from dataclasses import dataclass

SHORTEST_S = 0.0003
"""One `process_madvise` takes 0.15 ms (docs/archive/lab-book.md)."""
_GROWTH, _LATE_GROWTH, _LONGEST_STEP_S = 3.0, 1.6, 1.0
"""Of the distances up to a decision, and after it: a change is to be seen soon."""
_FIRST, _LENGTH, _SETTLING_LENGTH = 0.06, 1.6, 0.7
"""First read and length of a round, in mean times between accesses of a page: at the edge of the
fast tier, or in the middle of all accesses while a change settles."""
_LONGEST_S = 2.0
"""With 5 a shift is noticed after up to 6 s where the edge is far below what is hot."""
_SOON_S = 0.5
"""Visits that wait for the CPU budget are on a grid of half seconds, see scan.coalesced_timers."""
_FIRST_LENGTH_S = 1.0
"""Of the first round, unless enough pages are accessed before. What is not accessed in it may make
way for hot pages of other processes."""
_FEW = 4
"""Rounds in which a process counts as new."""
PERIOD_S = 0.25
"""Least time between two decisions. RFC V3 allows 400 ms."""
_CALM_PERIOD_S, _CALM_FIRST, _CALM_GROWTH = 1.0, 0.3, 12.0
"""In a calm: three visits a second in place of twenty, for half a percent of latency. With 1000,
two visits, huge pages cost 1.4 % more."""


@dataclass(slots=True)
class Rounds:
    """Of one process; times in s."""

    _began: float = 0.0
    _distance: float = 0.0
    """Of the next read, from the begin of the round."""
    _length: float = 0.0
    _decided: float = float("-inf")
    _calm: bool = False
    _rests: bool = False
    """No page is on watch: the next visit reads no bit that was just cleared."""
    _ended: bool = True
    """Whether the next visit ends the round, however early it is."""
    _number: int = 0
    """Of rounds so far."""
    at_once: bool = False
    """Whether it follows the latest one at once, to clear bits: as what is hot has changed."""

    def ends(self, now: float) -> bool:
        """Whether a visit at this time ends a round, so that it clears bits."""
        return self._ended or now - self._began >= self._length - 1e-9

    def decides(self, now: float) -> bool:
        """Whether plans are made after a visit at this time."""
        return self.ends(now) or now - self._decided >= self._period - 1e-9

    @property
    def _period(self) -> float:
        return _CALM_PERIOD_S if self._calm else PERIOD_S

    def visited(
        self,
        now: float,
        edge: float | None,
        settles_at: float | None,
        *,
        cleared_at: float | None = None,
        calm: bool = False,
        rests: bool = False,
    ) -> None:
        """A visit is over that began at this time. `edge`: accesses a second of a page at the edge
        of the fast tier, if it is known; `settles_at`: of one in the middle of all accesses, while
        a change settles; `cleared_at`: when the last bits were cleared; `calm`: nothing has changed
        for long; `rests`: no page is to be read before the next decision.
        """
        if self.decides(now):
            self._decided = now
        if not self.ends(now):
            self._distance = self._after(max(self._distance, now - self._began))
            return
        self._began = now if cleared_at is None else cleared_at
        self._ended = self.at_once = False
        self._number += 1
        self._calm = calm and edge is not None and settles_at is None
        self._rests = rests
        self._length = _length(edge, settles_at, calm=self._calm)
        quick = edge is None or settles_at is not None
        self._distance = SHORTEST_S if quick or not edge else first_read(edge, calm=self._calm)
        self._distance = self._period if rests else min(self._distance, self._period)

    def _after(self, distance: float) -> float:
        """The distance that follows; a decision and the end of the round are not passed over."""
        if distance < self._period:
            later = min(self._period, distance * (_CALM_GROWTH if self._calm else _GROWTH))
        else:
            later = min(distance * _LATE_GROWTH, distance + _LONGEST_STEP_S)
        return self._length if distance < self._length < later else later

    @property
    def length(self) -> float:
        """Of the round under way, unless it ends early."""
        return self._length

    @property
    def are_few(self) -> bool:
        """Whether pages can have been observed a few times only."""
        return self._number < _FEW

    @property
    def reads_soon(self) -> bool:
        """Whether the next read is soon after bits were cleared. Half a second later, when the CPU
        budget may allow it, all pages that are accessed now and then would look alike.
        """
        return not (self._ended or self._rests) and self._distance < _SOON_S

    def end_early(self, *, at_once: bool = False) -> None:
        """Pages that could decide something are not observed any more: clear their bits as soon as
        a round may end, or `at_once`.
        """
        self._ended, self.at_once = True, self.at_once or at_once

    @property
    def due(self) -> float:
        """When the next visit is to be."""
        due = self._began + self._distance
        if self._ended:
            due = self._decided if self.at_once else min(due, self._began + self._period)
        return due

    def slept(self, seconds: float) -> None:
        """In these seconds nothing could be accessed: rounds are longer by that."""
        self._began, self._decided = self._began + seconds, self._decided + seconds


def first_read(edge: float, *, calm: bool) -> float:
    """Seconds from the clearing of bits to the first read, where nothing changes."""
    return max(SHORTEST_S, (_CALM_FIRST if calm else _FIRST) / edge)


def usual_length(edge: float, *, calm: bool) -> float:
    """Seconds of a round where nothing changes; see Rounds.visited."""
    return min(max(_CALM_PERIOD_S if calm else PERIOD_S, _LENGTH / edge), _LONGEST_S)


def _length(edge: float | None, settles_at: float | None, *, calm: bool) -> float:
    if settles_at is not None:
        return max(PERIOD_S, _SETTLING_LENGTH / settles_at)
    return _FIRST_LENGTH_S if edge is None else usual_length(edge, calm=calm)
