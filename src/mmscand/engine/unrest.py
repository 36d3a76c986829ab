"""The time after a change of what is hot: estimates are doubted, and everything is observed."""

from dataclasses import dataclass

from mmscand.engine.change_watch import Changed
from mmscand.engine.observation import CALM, Doubt

_ROUNDS, _ACCESSES = 3, 3.0
"""Rounds, and accesses of a page of the usual rate, until estimates are good again."""
_LONGEST_S = 15.0
_DOUBTED_ACCESSES, _DOUBTED_S = 20.0, 5.0
"""How long an unlikely observation makes an estimate count less than else: pages that changed, and
did not show it at once, are found so."""
_UNLIKELY, _KEPT = 0.03, 0.25
_AGAIN_ACCESSES, _AGAIN_S, _STRONG = 6.0, 1.5, 0.3
"""So soon after a change another one is believed only if this share of the fast tier shows it."""
_DECAY = 0.4
"""Pages that have changed are found by their first observations."""
_MOST = 0.9
_CALM_S = 10.0
"""From these seconds without a change on, ever fewer pages are taken to have changed. Without that
a hot page that was silent for a second by chance is taken for a cold one: of an equally hot set
0.3 % of the fast tier traded places in a minute, with it none."""
_CALM_ROUNDS = 20
"""Without a change, 5 s at least: visits are few from then on."""


@dataclass(slots=True)
class Unrest:
    """Of one process; times in s."""

    changes: int = 0
    """That were noticed."""
    _at: float = float("-inf")
    _began: float = float("inf")
    """The first round without a change."""
    _rate: float = 1.0
    """Accesses a second of a page in the middle of the accesses, before the change."""
    _rounds_left: int = 0
    _quiet_rounds: int = 0
    """Since the latest change."""
    _slow: float = 0.0
    _fast: float = 0.0
    _left: bool = False
    """Whether pages of the fast tier showed it."""

    @property
    def settles(self) -> bool:
        """Whether the change is so fresh that all pages are to be observed."""
        return self._rounds_left > 0

    @property
    def is_calm(self) -> bool:
        """Whether nothing has changed for long."""
        return self._quiet_rounds >= _CALM_ROUNDS

    @property
    def presses(self) -> bool:
        """Whether hot pages have left the fast tier just now: time matters more than proof. A pass
        over cold memory shows on the slow tier alone.
        """
        return self.settles and self._left

    @property
    def usual_rate(self) -> float | None:
        """While a change settles, accesses a second of a page in the middle of all accesses."""
        return self._rate if self.settles else None

    @property
    def share(self) -> float:
        """Of the pages that matter, that are taken to have changed."""
        return max(self._slow, self._fast)

    def begin(self, now: float, seen: Changed, rate: float, pages: tuple[int, int]) -> bool:
        """A change was noticed; `pages` on the slow tier and on the fast one. Whether it is
        believed to be a new one, and not the rest of the one before.
        """
        again = not self._is_soon(now)
        slow, fast = seen.slow, seen.fast
        ratio = pages[1] / max(1, pages[0])
        self._slow = min(_MOST, max(CALM.changed, slow or fast * ratio))
        self._fast = min(_MOST, max(CALM.changed, fast or slow / max(ratio, 1e-9)))
        self.changes += 1
        self._quiet_rounds = 0
        self._left = seen.fast > 0
        self._at, self._rate, self._rounds_left = now, max(rate, 1e-3), _ROUNDS
        return again

    def believes(self, now: float, seen: Changed) -> bool:
        """Whether what was seen is a change."""
        strong = seen.fast >= _STRONG or not self._is_soon(now)
        return seen.any and not self.settles and strong

    def _is_soon(self, now: float) -> bool:
        """Whether what is seen now may be the rest of the latest change."""
        return now - self._at < max(_AGAIN_S, _AGAIN_ACCESSES / self._rate)

    def end_round(self, now: float) -> None:
        """A round is over in which nothing was noticed."""
        self._began = min(self._began, now)
        self._quiet_rounds += 1
        self._rounds_left = max(0, self._rounds_left - 1)
        if not self._rounds_left and now - self._at < min(_ACCESSES / self._rate, _LONGEST_S):
            self._rounds_left = 1
        self._slow, self._fast = self._slow * _DECAY, self._fast * _DECAY

    def _calm_share(self, now: float) -> float:
        """Of the pages, that are taken to have changed where no change was noticed lately."""
        return CALM.changed * _CALM_S / max(_CALM_S, now - max(self._began, self._at))

    def doubt(self, now: float, *, fast: bool) -> Doubt:
        """How observations of pages of a tier are to be taken."""
        share = max(self._calm_share(now), self._fast if fast else self._slow)
        if now - self._at < max(_DOUBTED_S, _DOUBTED_ACCESSES / self._rate):
            return Doubt(share, _UNLIKELY, _KEPT)
        return Doubt(share, CALM.unlikely, CALM.kept)
