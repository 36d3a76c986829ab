"""What a page's state says of its rate, learned from all pages of a process (empirical Bayes).

The distribution of rates over all pages is a mixture on a fixed grid, by maximum likelihood (Kiefer
and Wolfowitz 1956). With it, pages that differ by chance have the same expected rate: where all are
accessed alike, the mixture is one point, and no page is worth more than another.
"""

from dataclasses import dataclass
from math import log

import numpy as np

from mmscand.heat.word import KNOWN, PROVEN, RATE, RATE_BITS, RATE_LEVELS, RATE_STEP, STATES, A, B
from mmscand.model import FloatArray, PageNumbers
from mmscand.policy.plan import EDGE_SHARE, edge_of

GRID: FloatArray = np.geomspace(1e-3, 1e5, 80)
"""(80,) accesses a second that the mixture can have; a step is a quarter."""
SPANS: FloatArray = np.geomspace(1e-5, 1e3, 81)
"""(81,) seconds for which the chance of no access is known."""
_FIRST_SPAN, _SPAN_STEP = log(SPANS[0]), log(SPANS[1] / SPANS[0])
_SILENCE: FloatArray = np.exp(-GRID[:, None] * SPANS)
_UNTIL: FloatArray = SPANS[0] * _SILENCE[:, :1] + np.cumsum(
    np.diff(SPANS, prepend=SPANS[0]) * (_SILENCE + np.roll(_SILENCE, 1, axis=1)) / 2, axis=1
)
"""(80, 81) mean of the time until the first access, or until the end of each span: the integral of
the chance that it is later, by trapezoids. The exact one moves 1.7 % of the fast tier in each pass
on huge pages at 1:8 with 0.1 accesses, for one seed of three; this one for none."""
_FIRST_STEPS, _STEPS = 30, 8
"""Of expectation maximization: from nothing, and when only a visit was added."""
_LEAST_ACCESSED = 1e-3
"""Chance of an access below which nothing is divided by it: the first one is then at the middle."""
_ROUNDING = RATE_STEP**2 / 6
"""Variance that one access adds to the logarithm of a rate: its level is rounded up or down by
chance (heat.word.rounded), p (1 - p) of a squared step, on average over p. After 32 accesses that
is 0.10, beside 0.03 by chance of the accesses. Without it pages that are accessed alike look
different: of a hot set that is 1.2 times the fast tier (GUPS) 1.1 to 2.3 % of the tier moves in the
third minute, with it 0.2 % at most; and the hottest parts of it seem to have 7 points more of all
accesses than they have, with it 0.5."""
_UNPROVEN = 2.0
"""A rate that is known from one access counts for at most this many times the edge of before: of
800 pages with 9 accesses a second three are accessed within 0.4 ms by chance, and would look as if
most accesses went to them."""
_LEAST_RATE = 1e-3
"""The lowest of the mixture: nothing is divided by less."""
_FLAT = 0.1
"""Share of a flat distribution that each learning begins with, so that no rate is ruled out."""


def _likelihood() -> FloatArray:
    """(STATES, grid) of each rate, given the state; 1 at each row's best."""
    states = np.arange(STATES)
    accesses = np.where(states >> RATE_BITS == 0, 0.0, A / (1 + A**2 * _ROUNDING))
    seconds = np.where(accesses > 0, accesses / RATE[states % RATE_LEVELS], B)
    log = accesses[:, None] * np.log(GRID) - seconds[:, None] * GRID
    likely: FloatArray = np.exp(log - log.max(axis=1, keepdims=True))
    return likely


_LIKELY = _likelihood()


class _Mixture:
    """How rates are distributed over all pages."""

    def __init__(self, weights: FloatArray) -> None:
        self.weights = weights
        """(grid,)"""
        self._likely = _LIKELY @ weights + 1e-300
        """(STATES,)"""

    def mean(self, values: FloatArray) -> FloatArray:
        """(STATES,) what to expect of a page of each state, of what a rate (grid,) brings."""
        result: FloatArray = (_LIKELY @ (self.weights * values)) / self._likely
        return result


_FLAT_MIXTURE = _Mixture(np.full(len(GRID), 1 / len(GRID)))
"""Before anything was learned. To make it takes half a millisecond, for each of 1500 processes."""


@dataclass(frozen=True, slots=True)
class Edge:
    """Of the fast tier; accesses a second."""

    rate: float
    """Of the last page that has to be on it."""
    outside: float
    """Of the first page that does not fit."""
    middle: float
    """Of a page in the middle of all accesses."""


NO_EDGE = Edge(1.0, 0.0, 1.0)
"""Before the first plan."""


class RateTable:
    """Of one process. Rates are in accesses a second.

    What is asked of a state is a mean over the mixture, made when it is asked for: 30 us. All that
    could be asked would be 0.7 MB for each process, 1 GB for 1500 of them.
    """

    def __init__(self) -> None:
        self._mixture = _FLAT_MIXTURE
        self.known = False
        """Whether anything was learned."""
        self.expected: FloatArray = np.full(STATES, np.nan)
        """(STATES,) the rate to expect of a page; nan before anything was learned."""
        self._silent: dict[int, FloatArray] = {}
        self._first: dict[float, FloatArray] = {}
        self._variance: FloatArray | None = None
        """What these said since the latest learning."""

    def learn(self, pages: PageNumbers) -> None:
        """Take in how many pages (STATES,) there are of each state."""
        found = np.flatnonzero((pages > 0) & KNOWN)
        if not len(found):
            return
        likely, number = _LIKELY[found], pages[found] / pages[found].sum()
        weights = (1 - _FLAT) * self._mixture.weights + _FLAT / len(GRID)
        for _ in range(_STEPS if self.known else _FIRST_STEPS):
            weights = number @ _shares(likely * weights)
        self._mixture, self.known = _Mixture(weights), True
        self._silent, self._first, self._variance = {}, {}, None
        self.expected = self._mixture.mean(GRID)

    def edge(self, pages: PageNumbers, fits: int, before: Edge | None) -> Edge | None:
        """Where `fits` 4 KiB pages of these (STATES,) fit the fast tier; as before where there are
        none.
        """
        if not pages.any():
            return before
        rates = np.where(KNOWN, self.expected, 0.0)
        if before is not None:
            rates = np.where(PROVEN, rates, np.minimum(rates, _UNPROVEN * before.rate))
        order = np.argsort(-rates, kind="stable")
        rates, number = rates[order], pages[order].astype(np.float64)
        first = int(np.searchsorted(np.cumsum(number), fits, side="right"))
        return Edge(
            max(_LEAST_RATE, edge_of(rates, number, fits, EDGE_SHARE)),
            float(rates[first]) if first < len(rates) else 0.0,
            max(_LEAST_RATE, edge_of(rates, number, fits, 0.5)),
        )

    @property
    def variance(self) -> FloatArray:
        """(STATES,) of the rate, squared accesses a second; from any thread."""
        variance, mixture = self._variance, self._mixture
        if variance is None:
            spread = mixture.mean(GRID**2) - mixture.mean(GRID) ** 2
            self._variance = variance = np.maximum(0.0, spread)
        return variance

    def silent(self, seconds: float) -> FloatArray:
        """(STATES,) the chance that a page is not accessed for these seconds."""
        if seconds <= 0 or not self.known:
            return np.ones(STATES)
        span = span_of(seconds)
        if span not in self._silent:
            self._silent[span] = self._mixture.mean(_SILENCE[:, span])
        return self._silent[span]

    def first_access(self, seconds: float) -> FloatArray:
        """(STATES,) when a page was accessed first, if it was within these seconds: where visits
        are 10 s apart, a page like those that are accessed each second is still taken for hot.
        """
        if seconds not in self._first:
            self._first[seconds] = self._first_access(seconds)
        return self._first[seconds]

    def _first_access(self, seconds: float) -> FloatArray:
        silent, span = self.silent(seconds), span_of(seconds)
        accessed, last = 1 - silent, SPANS[span]
        later = self._mixture.mean(_UNTIL[:, span])
        within = (later - last * silent) / np.maximum(accessed, _LEAST_ACCESSED)
        result: FloatArray = np.where(accessed < _LEAST_ACCESSED, seconds / 2, within)
        return np.clip(result, 0.0, seconds / 2)

    def silent_if(self, seconds: float, border: float, *, hotter: bool) -> float:
        """The same of any of the pages that are hotter than a rate, or of those that are not."""
        if seconds <= 0:
            return 1.0
        weights = self._mixture.weights * ((border < GRID) == hotter)
        return float(weights @ _SILENCE[:, span_of(seconds)] / max(float(weights.sum()), 1e-12))


def spans_of(seconds: FloatArray) -> PageNumbers:
    """(n,) the index of the nearest of SPANS."""
    place = np.rint((np.log(np.maximum(seconds, 1e-9)) - _FIRST_SPAN) / _SPAN_STEP)
    spans: PageNumbers = np.clip(place, 0, len(SPANS) - 1).astype(np.intp)
    return spans


def span_of(seconds: float) -> int:
    """The same of one, 30 times as fast."""
    place = round((log(max(seconds, 1e-9)) - _FIRST_SPAN) / _SPAN_STEP)
    return min(max(place, 0), len(SPANS) - 1)


def _shares(rows: FloatArray) -> FloatArray:
    shares: FloatArray = rows / (rows.sum(axis=1, keepdims=True) + 1e-300)
    return shares
