"""How often pages are used, from Accessed bits alone: an empirical-Bayes estimate.

A bit says that a page was touched at least once in an exposure, the time between its clearing and
its reading: probability 1 - exp(-rate). A page's score is the mean of its bits with decay. From the
scores of all pages together the distribution of rates is learned (a mixture on a fixed grid, by
maximum likelihood; Kiefer and Wolfowitz 1956), and with it the expected rate behind each score.

So noise is told from difference without any threshold: on a machine where every page is used alike,
the mixture is one point and all pages have the same expected rate, however their scores scatter.
"""

from math import comb

import numpy as np
from numpy.typing import NDArray

from mmscand.model import FloatArray

_BINS = 128
"""Scores are told apart to 0.8 %, finer than 64 observations can."""
RATES: FloatArray = np.geomspace(0.003, 12.0, 48)
"""Accesses an exposure that the mixture can have. Below, no bit is seen in 300 exposures; above,
no exposure without one: 1 - exp(-12) is 1 to six places. A step is a fifth."""


def bit_chance(accesses: FloatArray) -> FloatArray:
    """How likely a bit is set for this number of expected accesses, whatever the shape."""
    chance: FloatArray = -np.expm1(-accesses)
    return chance


_SEEN = bit_chance(RATES)
_FIRST_STEPS, _STEPS = 30, 8
"""Of expectation maximization: from nothing, and when only a pass was added."""
_LOOK_AHEAD = 2
"""Exposures after which a choice of exposure has to pay: what a change has to be found in."""
_AS_GOOD = 0.004
"""Share of all accesses: less is no reason to change the exposure."""
_COST_OF_TIME = 0.05
"""Share of the gain that an exposure e times as long has to add: it sees every change later. 0.02
leaves stairs at 1:2 where they are, 0.01 GUPS with an exposure that is ten times too long."""
FACTORS: FloatArray = np.geomspace(1 / 8, 8, 25)
"""By which an exposure can be multiplied in one step."""
_SAME = 12


class RateMixture:
    """The distribution of rates over all pages, in accesses an exposure."""

    def __init__(self) -> None:
        self._weights: FloatArray | None = None

    @property
    def known(self) -> bool:
        """Whether anything was learned."""
        return self._weights is not None

    def forget(self) -> None:
        """The exposure has changed: what was learned was in other units."""
        self._weights = None

    def learn(self, scores: FloatArray, observations: int) -> FloatArray:
        """Take in the scores (pages,) of these observations; the expected rate of each page."""
        place = np.minimum((scores * _BINS).astype(np.intp), _BINS - 1)
        pages = np.bincount(place, minlength=_BINS).astype(np.float64)
        centers = (np.arange(_BINS) + 0.5) / _BINS
        means = np.bincount(place, weights=scores, minlength=_BINS) / np.maximum(pages, 1)
        hits = np.where(pages > 0, means, centers) * observations
        every = np.full(_BINS, float(observations))
        return self.learn_counts(pages, likelihood(hits, every))[place]

    def learn_counts(self, pages: FloatArray, likely: FloatArray) -> FloatArray:
        """Take in pages (bins,) that are alike; the expected rate of each bin.

        `likely` is their `likelihood`.
        """
        flat = np.full(len(RATES), 1 / len(RATES))
        weights = flat if self._weights is None else 0.9 * self._weights + 0.1 * flat
        for _ in range(_FIRST_STEPS if self._weights is None else _STEPS):
            weights = pages @ _shares(likely * weights) / pages.sum()
        self._weights = weights
        expected: FloatArray = _shares(likely * weights) @ RATES
        return expected

    def chances(self, likely: FloatArray, factor: float = 1.0) -> FloatArray:
        """(bins,) how likely a bit of each is set in an exposure of `factor` times the usual time.

        Not that of its expected rate: 1 - exp(-rate) is concave, so that is more (Jensen). Of pages
        that were accessed in three exposures of three 0.78 are in the fourth, by zipf 0.99; by
        their expected rate it would be 0.93 to 0.97.
        """
        chances: FloatArray = _shares(likely * self._require()) @ bit_chance(factor * RATES)
        return chances

    def after_change(
        self, seen: NDArray[np.uint8], exposures: int, before: FloatArray, changed: float
    ) -> tuple[FloatArray, FloatArray]:
        """Expected rates (pages,) when a share `changed` of the pages has got other ones meanwhile.

        Also the belief (pages,) that each is one of them. `seen` (pages,) counts the bits of the
        few exposures since, `before` are the expected rates until then. Each page is weighed: does
        what was seen fit what it was, or a page drawn anew?
        """
        weights = self._require()
        expected, beliefs = np.empty(len(seen)), np.empty(len(seen))
        for count in range(exposures + 1):
            mine = seen == count
            chance = _SEEN**count * (1 - _SEEN) ** (exposures - count) * weights
            anew, rate = (
                float(chance.sum()),
                float(chance @ RATES) / max(float(chance.sum()), 1e-300),
            )
            old = bit_chance(before[mine])
            same = old**count * (1 - old) ** (exposures - count)
            belief = changed * anew / (changed * anew + (1 - changed) * same + 1e-300)
            expected[mine] = belief * rate + (1 - belief) * before[mine]
            beliefs[mine] = belief
        return expected, beliefs

    def better_exposure(self, share: float, lost: FloatArray | float = 0.0) -> float:
        """By what to multiply the exposure, so that the hottest `share` of pages is found best.

        The measure is the share of all accesses that the pages hold that look hottest after a few
        exposures. 1.0 where no other exposure is clearly better. `lost` (FACTORS,) is the share of
        the time in which pages that have changed are not found yet.
        """
        weights = self._require()
        held = np.array([_held(factor, weights, share) for factor in FACTORS])
        # A page drawn by chance holds its share: what is more is gained, and late if found late.
        worth = (held - share) * (1 - _COST_OF_TIME * np.log(FACTORS)) * (1 - lost)
        best = int(np.argmax(worth))
        gained = float(worth[best] - worth[_SAME])
        return float(FACTORS[best]) if gained > _AS_GOOD else 1.0

    def _require(self) -> FloatArray:
        if self._weights is None:
            raise ValueError("nothing was learned yet")
        return self._weights


def likelihood(hits: FloatArray, observations: FloatArray) -> FloatArray:
    """(bins, rates) of set bits (bins,) in observations (bins,): binomial, 1 at each row's best."""
    log = hits[:, None] * np.log(_SEEN) - (observations - hits)[:, None] * RATES
    likely: FloatArray = np.exp(log - log.max(axis=1, keepdims=True))
    return likely


def _shares(rows: FloatArray) -> FloatArray:
    shares: FloatArray = rows / (rows.sum(axis=1, keepdims=True) + 1e-300)
    return shares


def _held(factor: float, weights: FloatArray, share: float) -> float:
    """Accesses held by the pages that look hottest, as a share, at `factor` times the exposure."""
    seen = bit_chance(factor * RATES)
    counts = range(_LOOK_AHEAD + 1)
    chance = np.array(
        [comb(_LOOK_AHEAD, n) * seen**n * (1 - seen) ** (_LOOK_AHEAD - n) for n in counts]
    )
    pages, rates = chance @ weights, chance @ (weights * RATES)
    held, left = 0.0, share
    for count in np.argsort(-rates / np.maximum(pages, 1e-12)):
        taken = min(left, float(pages[count]))
        held += float(rates[count]) * taken / max(float(pages[count]), 1e-12)
        left -= taken
    return held / float(weights @ RATES)
