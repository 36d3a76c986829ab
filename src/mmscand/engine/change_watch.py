"""Whether what is hot has changed: observations beside what was expected of them.

Each observation of a page has a place among what was expected of it, from 0 to 1 (see Place);
these are uniform while nothing changes. Many late ones on the fast tier, weighted by what was
expected of the pages, are a change; so are many early ones on the slow tier. A program that runs
slower or faster shifts both tiers alike, which is no change.
"""

from dataclasses import dataclass, field

import numpy as np

from mmscand.engine.observation import Place
from mmscand.model import FloatArray

TAIL = 0.03
"""Share of the observations that are among the latest, or the earliest, while nothing changes."""
_SIGMAS_FAST, _SIGMAS = 5.0, 6.0
_LEAST_TAIL, _LEAST_SHIFT, _LEAST_RISE = 0.05, 0.06, 0.3
"""Least excess in the tail of the fast tier, shift of its mean, and relative excess in that of the
slow tier: estimates are not better than that."""
_LEAST_FAST, _LEAST_SLOW, _LEAST_WEIGHT = 16, 64, 10.0
"""Observations that there have to be, and the number of equal ones that their weights stand for."""
_OF_FAST_TIER = 0.02
"""Least number of early pages, as a share of what fits the fast tier."""
_PAST = 0.8
"""Weight of the rounds before, each time."""
_MOST_SHARE = 0.6

_TAIL, _WEIGHT, _SQUARES, _SHIFT, _HALF, _FAST_LATE, _FAST, _FAST_SQUARES = range(8)
_EARLY, _SLOW, _SLOW_SQUARES, _SLOW_LATE, _SEEN, _EXPECTED, _SUMS = range(8, 15)
_SLOWEST = 0.25
"""A program at less than this share of its speed looks like one whose hot pages have changed."""
_LEAST_CHANCE = 1e-4
"""Of an observation: no page counts for more than nine expected accesses."""
_LEAST_EXPECTED = 30.0
"""Accesses of the slow tier that are enough to know the speed of the program."""


@dataclass(frozen=True, slots=True)
class Changed:
    """Shares of the pages of each tier that are taken to have changed."""

    slow: float
    fast: float

    @property
    def any(self) -> bool:
        """Whether anything is."""
        return self.slow > 0 or self.fast > 0


@dataclass(slots=True)
class ChangeWatch:
    """Of one process, over rounds; `FloatArray`s are sums by the indices above."""

    _rounds: FloatArray = field(default_factory=lambda: np.zeros(_SUMS))
    _closed: FloatArray = field(default_factory=lambda: np.zeros(_SUMS))
    """Of this round: pages that were found accessed."""
    _open: FloatArray = field(default_factory=lambda: np.zeros(_SUMS))
    """Pages whose bit is clear so far, as of the latest visit."""
    _coming: FloatArray = field(default_factory=lambda: np.zeros(_SUMS))
    """Of the next round, as bits were cleared in this visit: pages that were found accessed."""

    def begin_visit(self) -> None:
        """Pages that are still clear are counted again in each visit."""
        self._open[:] = 0

    def add(
        self,
        place: Place,
        number: FloatArray,
        weights: FloatArray,
        *,
        each: int = 1,
        fast: bool,
        still: bool = False,
        coming: bool = False,
    ) -> None:
        """`number` (n,) of observations of each place among what was expected; `weights` (n,) are
        rates. `each`: 4 KiB pages that an observation stands for, as a huge page has one bit, and
        of many pages a sample counts. `still`: their bits are clear so far. `coming`: their bits
        were cleared in this visit. Those that are accessed at once would be judged without the
        others else, and look like a change.
        """
        if not number.any():
            return
        sums = self._open if still else self._coming if coming else self._closed
        late, pages = place.middle, number * each
        if fast:
            heavy = weights * pages
            sums[_TAIL] += (heavy * (1 - place.below(1 - TAIL))).sum()
            sums[_WEIGHT] += heavy.sum()
            sums[_SQUARES] += (weights * heavy).sum() * each
            sums[_SHIFT] += (heavy * (late - 0.5)).sum()
            sums[_HALF] += (heavy * place.below(0.5)).sum()
            sums[_FAST] += pages.sum()
            sums[_FAST_SQUARES] += pages.sum() * each
            sums[_FAST_LATE] += (pages * late).sum()
        else:
            sums[_EARLY] += (pages * place.below(TAIL)).sum()
            sums[_SLOW] += pages.sum()
            sums[_SLOW_SQUARES] += pages.sum() * each
            sums[_SLOW_LATE] += (pages * late).sum()
            # Hazard so far: as many accesses as that are to be expected (exponential times).
            hazard = -np.log(np.maximum(1 - (place.low if still else late), _LEAST_CHANCE))
            sums[_EXPECTED] += (pages * hazard).sum()
            sums[_SEEN] += 0.0 if still else pages.sum()

    def changed(self, capacity: int, slow_pages: int) -> Changed:
        """Judge what this round has seen so far, alone and with the rounds before."""
        now = self._closed + self._open
        slow = fast = 0.0
        for sums in (now, self._rounds + now):
            fast = max(fast, _fast_changed(sums))
            slow = max(slow, _slow_changed(sums, capacity / max(1, slow_pages)))
        return Changed(slow, fast)

    @property
    def agreement(self) -> float:
        """How much of the difference that was expected between the tiers was seen, 0 to 1."""
        sums = self._rounds + self._closed + self._open
        if _fast_number(sums) < _LEAST_FAST or _slow_number(sums) < _LEAST_SLOW:
            return 1.0
        fast = 0.5 + sums[_SHIFT] / max(sums[_WEIGHT], 1e-12)
        return min(1.0, _speed(fast) / max(1.0, _speed(sums[_SLOW_LATE] / sums[_SLOW])))

    def end_round(self, *, forget: bool) -> None:
        """All watches begin again; `forget` what was seen so far, as something changed."""
        self._rounds = (self._rounds + self._closed + self._open) * (0.0 if forget else _PAST)
        self._closed, self._coming = self._coming * (not forget), np.zeros(_SUMS)
        self._open = np.zeros(_SUMS)


def _fast_changed(sums: FloatArray) -> float:
    if _fast_number(sums) < _LEAST_FAST or sums[_SQUARES] <= 0:
        return 0.0
    equal = sums[_WEIGHT] ** 2 / sums[_SQUARES]
    if equal < _LEAST_WEIGHT:
        return 0.0
    speed = _slowed_to(sums)
    usual = TAIL**speed
    excess = float(sums[_TAIL] / sums[_WEIGHT]) - usual
    share = 0.0
    if excess > max(_SIGMAS_FAST * np.sqrt(usual * (1 - usual) / equal), _LEAST_TAIL):
        share = excess
    shift = float(sums[_SHIFT] / sums[_WEIGHT]) + 0.5 - 1 / (1 + speed)
    if shift > max(_SIGMAS / np.sqrt(12 * equal), _LEAST_SHIFT):
        share = max(share, 2 * shift)
    return min(share, _MOST_SHARE)


def _slowed_to(sums: FloatArray) -> float:
    """How fast the program is, up to 1: by the slow tier, or by those pages of the fast tier that
    have not changed.

    Of pages at the s-th part of their rates, a share of 1 - 0.5 ** s is in the first half of what
    was expected, and TAIL ** s in the tail.
    """
    half = min(0.5, float(sums[_HALF] / sums[_WEIGHT]))
    speed = float(np.log2(1 / (1 - half)))
    each = sums[_SLOW_SQUARES] / max(sums[_SLOW], 1.0)
    if sums[_EXPECTED] >= _LEAST_EXPECTED * max(each, 1.0):
        speed = max(speed, float(sums[_SEEN] / sums[_EXPECTED]))
    return float(np.clip(speed, _SLOWEST, 1.0))


def _slow_changed(sums: FloatArray, capacity_share: float) -> float:
    equal = _slow_number(sums)
    if equal < _LEAST_SLOW:
        return 0.0
    # A change shows in a few pages; of a program that runs faster all are early.
    speed = _speed(sums[_SLOW_LATE] / sums[_SLOW])
    if _fast_number(sums) >= _LEAST_SLOW:
        speed = max(speed, _speed(sums[_FAST_LATE] / sums[_FAST]))
    usual = TAIL * max(1.0, speed)
    excess = float(sums[_EARLY] / sums[_SLOW]) - usual
    least = max(
        _LEAST_RISE * usual, _SIGMAS * np.sqrt(usual / equal), _OF_FAST_TIER * capacity_share
    )
    return min(excess, _MOST_SHARE) if excess > least else 0.0


def _fast_number(sums: FloatArray) -> float:
    """Observations of the fast tier, as a number of such that stand for equally much memory."""
    return float(sums[_FAST] ** 2 / max(sums[_FAST_SQUARES], 1.0))


def _slow_number(sums: FloatArray) -> float:
    """The same of the slow tier."""
    return float(sums[_SLOW] ** 2 / max(sums[_SLOW_SQUARES], 1.0))


def _speed(mean: float) -> float:
    """Of pages whose observations lie at this mean among what was expected: of exponential times
    that are n times as short as expected the mean is 1 / (n + 1).
    """
    return max(0.0, 1 / max(float(mean), 0.01) - 1)
