"""The policy `capacity`: rank pages by estimated rate, cut at the size of the fast tier.

After MEMTIS (SOSP'23: the threshold is what makes the hot set fit), memory-optimizer (the exposure
is tuned until bits tell pages apart), ARMS and HybridTier (a slow estimate, and a fast one when
things change). The estimates are empirical Bayes (policy.rates), which takes the place of fixed
thresholds: pages that differ by chance only have the same expected rate, so they never trade
places. History is two bytes a page.
"""

import numpy as np
from numpy.typing import NDArray

from mmscand.model import BoolArray, FloatArray
from mmscand.policy.credit import Credit
from mmscand.policy.placement import (
    LEAST_PERIOD,
    LONGEST_EXPOSURE,
    NO_MOVES,
    PAYBACK_ACCESSES,
    SHORTEST_EXPOSURE,
    Moves,
    exchange,
)
from mmscand.policy.plan import EDGE_SHARE, GAP
from mmscand.policy.rates import FACTORS, RateMixture, bit_chance
from mmscand.policy.seen import share_of
from mmscand.policy.tuning import (
    LEAST_OBSERVATIONS,
    SATURATED,
    ExposureTuning,
    HitWatch,
    Lasting,
)

_MOST_OBSERVATIONS = 64
"""Decay: a score is the mean of the last 64 exposures or so. 16 leave zipf 0.99 1 pp from the
optimum, 64 leave 0.3."""
_AFTER_RETUNING, _AFTER_CHANGE = 4, 8
"""Observations that a score is still worth when the exposure, or some pages, have changed. 16 after
a change make recovery of zipf one exposure longer."""
_CHANGE_EXPOSURES = 4
"""Exposures in which pages that have changed are told from those that have not; fits in 3 bits."""
_FOUND_AFTER = 2
"""Exposures until pages that changed are found. 1 leaves stairs at 1:2 with 10 accesses unseen (58
points of regret, now 3), 4 makes zipf at 1:8 with 0.1 need 11 exposures after a shift in place of
4."""
_LEAST_WORTH = 1.0
"""Times what moves cost that the accesses of a span have to be, for changes to be worth following.
1.6 leaves stairs at 1:2 with 10 accesses where they are."""
_CONVERTED = 4
"""Observations that can be turned into another exposure's terms; fewer are dropped. 3 leaves churn
at 1:2 with 0.1 accesses at 15 points, 4 at 7, 9 makes recovery of zipf a seventh longer."""
_ALL_SEEN = 0.1
"""Of an exposure without an access, where every one had one: 0.5 makes churn at 1:2 with 10
accesses look alike once the exposure is shorter (30 points, else 6); 0 makes zipf's a third."""
_EMPTY = 0.002
"""Share of bits that are set when an exposure tells nothing either, as SATURATED."""
_LASTS_EXPOSURES = 512.0
"""How long a placement is taken to hold until a change was seen. 256 keep the exposure of zipf 0.99
at 1:8 with 0.1 accesses too short (1.027 of O-cost, else 1.004), 1024 leave churn at 14 points."""
_UNITS = 8191
"""A score in the upper 13 bits of its word; the lower three count bits since a change."""


class Capacity:
    """See policy.placement.PlacementPolicy."""

    name = "capacity"

    def __init__(
        self, pages: int, capacity: int, payback_accesses: float = PAYBACK_ACCESSES
    ) -> None:
        """The cost of a trade, as a number of accesses; see policy.placement."""
        self._capacity = capacity
        self._payback = payback_accesses
        self._share = capacity / pages
        self._history: NDArray[np.uint16] = np.zeros(pages, dtype=np.uint16)
        self._observations = 0
        self._mixture = RateMixture()
        self._hits = HitWatch()
        self._exposures = ExposureTuning()
        self._rates: FloatArray | None = None
        self._change: _Change | None = None
        self._lasting = Lasting()
        self._now = 0.0
        """In base windows, from the first pass on."""
        self._credit = Credit(payback_accesses)
        self.exposure = 1.0

    def decide(self, accessed: BoolArray, fast: BoolArray) -> Moves:
        """See PlacementPolicy.decide."""
        share = float(accessed.mean())
        if self._observations == 0 and self._shows_nothing(share):
            return NO_MOVES
        self._exposures.age += 1
        self._now += self._period
        if self._rates is not None:
            self._earn(accessed, fast, self._rates)
        hit = float(accessed[fast].mean()) if fast.any() else share
        self._notice(hit, share, int(np.count_nonzero(fast)))
        change = self._change
        rates = self._steady(accessed) if change is None else self._changing(accessed, change)
        if rates is None:
            return NO_MOVES
        self._rates = rates
        edge = self._edge(rates)
        if self._change is None and self._retuned(rates):
            return NO_MOVES
        moves = exchange(fast, rates, self._capacity, max(GAP * edge, self._price()))
        return self._afforded(moves)

    def _earn(self, accessed: BoolArray, fast: BoolArray, rates: FloatArray) -> None:
        """The bits of an exposure stand for the whole period.

        Expected rates say what the fast tier holds more of; bits, whether it is still so.
        """
        exposures, more = self._period / self.exposure, 0.0
        if fast.any():
            chance = bit_chance(rates)
            seen = float(accessed[fast].mean() - accessed.mean())
            share = share_of(seen, float(chance[fast].mean() - chance.mean()))
            more = self._capacity * float(rates[fast].mean() - rates.mean()) * share
        self._credit.earn(more * exposures, float(rates.sum()) * exposures, self._capacity)

    def _afforded(self, moves: Moves) -> Moves:
        """Those of them that may be made, the most urgent; they are paid for."""
        fills = len(moves.up) - len(moves.down)
        most = min(self._credit.pages(self._capacity), len(moves.up))
        self._credit.spend(most, self._capacity)
        return Moves(moves.up[:most], moves.down[: max(0, most - fills)])

    def forget(self, pages: NDArray[np.intp]) -> None:
        """These pages are new ones: freed, and mapped again."""
        self._history[pages] = 0

    def _shows_nothing(self, share: float) -> bool:
        """Whether nearly all bits are set, or nearly none: another exposure is tried first."""
        if _EMPTY <= share <= SATURATED:
            return False
        return self._multiply_exposure(0.2 if share > SATURATED else 5.0) != 1.0

    def _notice(self, hit: float, share: float, fast_pages: int) -> None:
        """A fall of the hit share: pages have changed, and what is seen from now on counts."""
        before = self._rates
        fell = self._hits.fell(hit, fast_pages) if before is not None else 0.0
        if (
            before is not None
            and fell > 0
            and (self._change is None or self._change.exposures >= 2)
        ):
            if self._change is not None:
                self._settle(self._change)
            # A page that changed is as likely seen as any other: that much is explained.
            changed = float(np.clip(fell / max(hit + fell - share, 0.02), 0.03, 0.97))
            self._change = _Change(changed, before)
            self._history &= np.uint16(_UNITS << 3)
            self._lasting.changed(self._now, ago=self._period)
            self._exposures.restart()
            self._hits.restart()
        self._hits.add(hit)

    def _steady(self, accessed: BoolArray) -> FloatArray | None:
        self._observations += 1
        weight = max(1 / _MOST_OBSERVATIONS, 1 / self._observations)
        scores = self._scores()
        scores += weight * (accessed - scores)
        self._keep(scores)
        if self._observations < LEAST_OBSERVATIONS:
            return None
        # A mean with exponential decay is worth as many as one over 2 n - 1 (Hunter 1986).
        worth = min(self._observations, 2 * _MOST_OBSERVATIONS - 1)
        return self._mixture.learn(scores, worth)

    def _changing(self, accessed: BoolArray, change: "_Change") -> FloatArray:
        self._history += accessed
        change.exposures += 1
        seen = (self._history & np.uint16(7)).astype(np.uint8)
        rates, change.beliefs = self._mixture.after_change(
            seen, change.exposures, change.before, change.share
        )
        if change.exposures >= _CHANGE_EXPOSURES:
            self._settle(change)
        return rates

    def _settle(self, change: "_Change") -> None:
        """The change is over: what was seen since takes the place of the history that is void.

        Bits are kept, not beliefs: a mixture that learns from its own estimates gets ever narrower.
        """
        seen = (self._history & np.uint16(7)) / change.exposures
        self._keep(self._scores() + change.beliefs * (seen - self._scores()))
        kept = (1 - change.share) * min(self._observations, _AFTER_CHANGE)
        self._observations = max(change.exposures, round(change.exposures * change.share + kept))
        self._change = None

    def _retuned(self, rates: FloatArray) -> bool:
        """Whether the exposure was changed; what is known is turned into the new one's terms."""
        if not self._exposures.due(self._observations):
            return False
        better = self._mixture.better_exposure(self._share, self._lost(rates))
        factor = self._multiply_exposure(self._exposures.step(better))
        if factor == 1.0:
            return False
        if 0.5 < factor < 2 and self._observations >= _CONVERTED:
            scores = np.minimum(self._scores(), 1 - _ALL_SEEN / (self._observations + 1))
            self._keep(1 - (1 - scores) ** factor)
            self._observations = min(self._observations, _AFTER_RETUNING)
        else:
            self._history[:] = 0
            self._observations = 0
        self._mixture.forget()
        self._rates = None
        self._hits.restart()
        return True

    def _price(self) -> float:
        """What a trade costs in accesses an exposure, if the placement holds as long as they do."""
        return self._payback * self.exposure / self._lasts()

    def _lasts(self) -> float:
        """Windows that a placement is taken to hold."""
        return self._lasting.lasts(self._now, _LASTS_EXPOSURES * self._period)

    @property
    def _period(self) -> float:
        """Windows from pass to pass."""
        return max(self.exposure, LEAST_PERIOD)

    def _lost(self, rates: FloatArray) -> FloatArray | float:
        """Share of its time that a placement is lost in before it is found, for each of FACTORS.

        Where nothing that moves could pay before the next change, none is followed: 0.
        """
        windows = self._lasts()
        accesses = (1 - self._share) * float(rates.sum()) / self.exposure * windows
        if accesses < _LEAST_WORTH * self._payback * self._capacity:
            return 0.0
        periods = np.maximum(self.exposure * FACTORS, LEAST_PERIOD)
        lost: FloatArray = np.minimum(_FOUND_AFTER * periods / windows, 1.0)
        return lost

    def _multiply_exposure(self, factor: float) -> float:
        """By what it was multiplied in truth: a daemon can only do so much."""
        longer = float(np.clip(self.exposure * factor, SHORTEST_EXPOSURE, LONGEST_EXPOSURE))
        factor, self.exposure = longer / self.exposure, longer
        return factor

    def _edge(self, rates: FloatArray) -> float:
        """Rate of the last page that has to be on the fast tier."""
        top = np.sort(rates)[::-1][: self._capacity]
        held = np.cumsum(top)
        place = int(np.searchsorted(held, EDGE_SHARE * float(rates.sum())))
        return float(top[min(place, len(top) - 1)])

    def _scores(self) -> FloatArray:
        scores: FloatArray = (self._history >> np.uint16(3)) / _UNITS
        return scores

    def _keep(self, scores: FloatArray) -> None:
        self._history = np.rint(scores * _UNITS).astype(np.uint16) << np.uint16(3)


class _Change:
    """What is known of a change that was noticed."""

    def __init__(self, share: float, before: FloatArray) -> None:
        self.share = share
        """Of the pages, that changed."""
        self.exposures = 0
        self.before = before
        """Expected rates until then."""
        self.beliefs: FloatArray = np.zeros(1)
        """(pages,) that each one has changed."""
