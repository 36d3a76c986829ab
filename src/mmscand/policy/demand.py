"""What the pages of one process are worth on the fast tier, learned from its own passes.

As `capacity` does for a fixed set of pages (policy.capacity), but from pages that were counted by
what they look like (heat.bins): a mixture of rates, an exposure that is tuned, and changes that are
noticed when pages of the fast tier are used less than was expected of them.
"""

from enum import Enum

import numpy as np

from mmscand.heat.bins import ACCESSED, OBSERVATIONS
from mmscand.model import FloatArray, PageNumbers
from mmscand.policy.placement import SHORTEST_EXPOSURE
from mmscand.policy.rates import RateMixture, likelihood
from mmscand.policy.tuning import SATURATED, ExposureTuning

_LIKELY = likelihood(ACCESSED, OBSERVATIONS)
_LEAST_DROP, _SIGMAS = 0.15, 6.0
"""A fall below what was expected that is a change: by so much of it, and no chance. The estimates
of single pages are less sure than the hit share of a machine, see policy.tuning."""
_LEAST_PAGES = 64
"""That have to be looked at: fewer are one program's whim, and 15 % of them is chance."""
_CHANGE_PASSES = 4
"""After a change, until what was seen since tells pages apart: nothing is expected of them yet."""


class Keep(Enum):
    """What of the history still says something."""

    ALL = "all"
    LAST = "the latest observation"
    NOTHING = "nothing"


class Demand:
    """Of one process. Exposures are in seconds."""

    def __init__(self, longest_exposure_s: float, exposure_s: float = 1.0) -> None:
        self.longest_exposure_s = longest_exposure_s
        self.exposure_s = min(exposure_s, longest_exposure_s)
        self.rates: FloatArray | None = None
        """(bins,) accesses a second to expect of a page; None while too little is known."""
        self.changes = 0
        """That were noticed."""
        self._mixture = RateMixture()
        self._tuning = ExposureTuning()
        self._passes = 0
        self._since_change = _CHANGE_PASSES

    def expected(self) -> FloatArray:
        """(bins,) how likely a page's bit is set after an exposure; nan while nothing is known."""
        if self.rates is None:
            return np.full(len(ACCESSED), np.nan)
        chances: FloatArray = -np.expm1(-self.rates * self.exposure_s)
        return chances

    def learn(self, pages: PageNumbers, set_share: float, fits: float) -> Keep:
        """After a pass: `pages` (bins,), the share of observed bits that were set, and how much of
        all memory fits the fast tier. The history is to be kept so far.
        """
        self._passes += 1
        if self._passes == 1 and set_share > SATURATED and fits < 1:
            return self._expose(0.2)
        known = np.where(OBSERVATIONS > 0, pages, 0)
        if not known.any():
            return Keep.ALL
        self._tuning.age += 1
        self.rates = self._mixture.learn_counts(known, _LIKELY) / self.exposure_s
        if fits < 1 and self._tuning.due(self._passes):
            return self._expose(self._tuning.step(self._mixture.better_exposure(fits)))
        return Keep.ALL

    def notice(self, hits: int, expected: float, pages: int) -> Keep:
        """After a pass: of so many pages of the fast tier so many were accessed, and expected."""
        self._since_change += 1
        if self._since_change <= _CHANGE_PASSES or pages < _LEAST_PAGES or np.isnan(expected):
            return Keep.ALL
        share = expected / pages
        chance = np.sqrt(max(share * (1 - share), 1e-3) * pages)
        if expected - hits <= max(_LEAST_DROP * expected, _SIGMAS * chance):
            return Keep.ALL
        self.changes += 1
        self._since_change = 0
        self._tuning.restart()
        return Keep.LAST

    def _expose(self, factor: float) -> Keep:
        """For another time, if it can be had."""
        longer = float(
            np.clip(self.exposure_s * factor, SHORTEST_EXPOSURE, self.longest_exposure_s)
        )
        if longer == self.exposure_s:
            return Keep.ALL
        self.exposure_s, self.rates, self._passes = longer, None, 0
        self._mixture.forget()
        return Keep.NOTHING
