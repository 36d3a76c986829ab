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
_UNKNOWN: FloatArray = np.full(len(ACCESSED), np.nan)
_LEAST_DROP, _SIGMAS = 0.12, 6.0
"""A fall below what was expected that is a change: by so much of it, and no chance. The estimates
of single pages are less sure than the hit share of a machine, see policy.tuning."""
_LEAST_DROP_OPENING = 0.25
"""In the quick passes that a process begins with: by three to six observations 11 to 16 % too much
was expected of zipf's pages, and changes were noticed that there were not."""
_LEAST_PAGES = 64
"""That have to be looked at: fewer are one program's whim, and 15 % of them is chance."""
_OPENING_S = 0.1
"""First exposure where not all memory fits. A short one in which too little was accessed costs
nothing but itself; a long one in which too much was, as long again."""
_OPENING_SHARE, _OPENING_STEP = 0.5, 5.0
"""It is made longer until bits are set of half as many pages as fit, by at most so much a time."""
_OPENING_PAGES = 1024
"""4 MiB on the slow tier: less is no reason to hurry."""
_AFTER_CHANGE = 5
"""Quick passes, if as many are wanted: until pages have traded places."""
_OUT_OF_REACH = 1.5
"""Exposures that are so much longer than wanted do not get shorter by asking for less, nor longer
where they are shorter: bits of shared memory are cleared when all of a cgroup has been read."""
_STEADY = 0.7
"""Share of the past in how long exposures take."""
_CALM_PASSES, _SETTLE_PASSES = 32, 6
"""After a change that follows a calm, until pages have traded places: whoever came down made room
for another one, who must not be forgotten meanwhile because the exposure is changed. Where changes
follow each other it is the exposure that matters."""
_CHANGE_PASSES = 4
"""After a change, until what was seen since tells pages apart: nothing is expected of them yet."""


class Keep(Enum):
    """What of the history still says something."""

    ALL = "all"
    LAST = "the latest observation"
    NOTHING = "nothing"


class Demand:
    """Of one process. Exposures are in seconds."""

    def __init__(
        self, longest_exposure_s: float, exposure_s: float = 1.0, quick_passes: int = 8
    ) -> None:
        self.quick_passes = quick_passes
        """That follow each other as fast as exposures do, of a process that does not fit."""
        self.longest_exposure_s = longest_exposure_s
        self.exposure_s = self._first_s = min(exposure_s, longest_exposure_s)
        """That is wanted."""
        self._exposed_s: float | None = None
        """How long exposures are in truth: a pass takes a while, and the CPU budget interrupts."""
        self._opened = self._opening = False
        self._hurried = 0
        """Passes that are still to be quick ones."""
        self._fits = 1.0
        self.rates: FloatArray | None = None
        """(bins,) accesses a second to expect of a page; None while too little is known."""
        self.changes = 0
        """That were noticed."""
        self._mixture = RateMixture()
        self._tuning = ExposureTuning()
        self._passes = 0
        self._since_change = _CHANGE_PASSES
        self._was_calm = False
        """Before the latest change."""

    @property
    def exposed_s(self) -> float:
        """How long exposures are, as far as that is known."""
        return self.exposure_s if self._exposed_s is None else self._exposed_s

    def expected(self, exposed_s: float | None) -> FloatArray:
        """(bins,) how likely a page's bit is set after such an exposure; nan where that is unknown.

        Not more than after the usual one: who could not run in a long one has not changed.
        """
        if self.rates is None:
            return _UNKNOWN
        factor = 1.0 if exposed_s is None else min(1.0, exposed_s / self.exposed_s)
        return self._mixture.chances(_LIKELY, factor)

    @property
    def hurries(self) -> bool:
        """Whether passes are to follow each other as fast as exposures do."""
        return self._hurried > 0

    def learn(
        self,
        pages: PageNumbers,
        set_share: float | None,
        fits: float,
        exposed_s: float | None = None,
        slow_pages: int = _OPENING_PAGES,
    ) -> Keep:
        """After a pass: `pages` (bins,), the share of the slow tier's bits that were set, how much
        of all memory fits the fast tier, how long the exposure was, and pages on the slow tier,
        known or not. The history is to be kept so far.
        """
        self._fits, self._hurried = fits, max(0, self._hurried - 1)
        known = np.where(OBSERVATIONS > 0, pages, 0)
        if not known.any():
            return self.open(fits, slow_pages)
        self._expose_took(exposed_s)
        self._passes += 1
        if self._passes == 1 and fits < 1 and (factor := self._first_factor(set_share)) != 1:
            return self._expose(factor)
        self._tuning.age += 1
        self.rates = self._mixture.learn_counts(known, _LIKELY) / self.exposed_s
        if fits < 1 and not self._settles and self._tuning.due(self._passes):
            return self._expose(self._tuning.step(self._mixture.better_exposure(fits)))
        return Keep.ALL

    @property
    def _settles(self) -> bool:
        """Whether pages are about to find their places: another exposure would forget them.

        So in the quick passes that a process begins with: retuned in between, cyclic scans over
        twice the fast tier cost 1.42 of O-cost (else 1.12), and filling it takes seconds more.
        """
        if not self.changes:
            return self.hurries
        return self._was_calm and self._since_change <= _SETTLE_PASSES

    def open(self, fits: float, slow_pages: int) -> Keep:
        """Begin with a short exposure, and find by quick passes how long it has to be: once, where
        not all fits.
        """
        if self._opened or fits >= 1 or slow_pages < _OPENING_PAGES:
            return Keep.ALL
        self._opened = self._opening = True
        self._hurried = self.quick_passes
        self.exposure_s = min(_OPENING_S, self._first_s)
        return Keep.NOTHING

    def _first_factor(self, set_share: float | None) -> float:
        """By what to multiply an exposure of which one observation is known; 1 is well enough."""
        if set_share is None:
            return 1.0
        if set_share > SATURATED:
            return 0.2
        enough = set_share >= _OPENING_SHARE * self._fits or self.exposed_s >= self._first_s
        if enough or not self._opening:
            self._opening = False
            return 1.0
        factor = min(_OPENING_STEP, self._fits / max(set_share, 1e-9))
        return max(1.0, min(factor, self._first_s / self.exposed_s))

    def _expose_took(self, exposed_s: float | None) -> None:
        took = self.exposure_s if exposed_s is None else max(exposed_s, SHORTEST_EXPOSURE)
        if self._exposed_s is None:
            self._exposed_s = took
        self._exposed_s = _STEADY * self._exposed_s + (1 - _STEADY) * took

    def notice(self, hits: int, expected: float, pages: int) -> Keep:
        """After a pass: pages of the fast tier, those accessed, and those expected to be."""
        self._since_change += 1
        if self._since_change <= _CHANGE_PASSES or pages < _LEAST_PAGES or np.isnan(expected):
            return Keep.ALL
        share = expected / pages
        chance = np.sqrt(max(share * (1 - share), 1e-3) * pages)
        least = _LEAST_DROP_OPENING if self.hurries and not self.changes else _LEAST_DROP
        if expected - hits <= max(least * expected, _SIGMAS * chance):
            return Keep.ALL
        self.changes += 1
        self._was_calm, self._since_change = self._since_change > _CALM_PASSES, 0
        self._hurried = min(_AFTER_CHANGE, self.quick_passes) if self._fits < 1 else 0
        self._tuning.restart()
        return Keep.LAST

    def _expose(self, factor: float) -> Keep:
        """For another time, if it can be had."""
        off = self.exposed_s / self.exposure_s
        if (off > _OUT_OF_REACH and factor < 1) or (off < 1 / _OUT_OF_REACH and factor > 1):
            return Keep.ALL
        longer = float(np.clip(self.exposed_s * factor, SHORTEST_EXPOSURE, self.longest_exposure_s))
        if factor == 1 or longer == self.exposure_s:
            return Keep.ALL
        self.exposure_s, self._exposed_s, self._passes = longer, None, 0
        self.rates = None
        self._mixture.forget()
        return Keep.NOTHING
