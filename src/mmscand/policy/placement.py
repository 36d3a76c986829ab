"""Where the pages of one process are, how often each is accessed, and what keeps some slow."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from mmscand.model import FloatArray, PageNumbers
from mmscand.reasons import HOT

_STEP, _LEAST_RATE = 0.1, 1e-4
_SIGMAS = 2.0
"""Of an estimate, to either side: 95 % of a normal distribution."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Of one process. 4 KiB pages; rates in accesses a second."""

    sizes: tuple[int, int]
    """Pages on the slow tier and on the fast one, also those of which nothing is known yet."""
    rates: FloatArray
    """(n,) of kinds of pages whose rate is known."""
    pages: PageNumbers
    """(2, n) pages of each kind, on the slow tier and on the fast one."""
    variances: FloatArray
    """(n,) of each rate, squared accesses a second."""
    slow: Mapping[str, int]
    """Pages on the slow tier by what keeps them there: reasons.REASONS."""

    def by_rate(self) -> list[tuple[float, int, int]]:
        """Rate, and pages on the slow tier and on the fast one: kinds that differ by less than 10 %
        together, the hottest first.
        """
        level = np.rint(np.log(np.maximum(self.rates, _LEAST_RATE)) / _STEP).astype(np.intp)
        level -= level.min(initial=0)
        accesses = np.bincount(level, weights=self.rates * self.pages.sum(axis=0))
        slow, fast = (np.bincount(level, weights=pages) for pages in self.pages)
        some = np.flatnonzero(slow + fast)[::-1]
        rates = accesses[some] / (slow + fast)[some]
        columns = rates.tolist(), slow[some].astype(int).tolist(), fast[some].astype(int).tolist()
        return list(zip(*columns, strict=True))

    @property
    def unknown(self) -> int:
        """Pages that were not observed yet."""
        return max(0, sum(self.sizes) - int(self.pages.sum()))

    @property
    def hot_slow(self) -> int:
        """Hot pages on the slow tier, in 4 KiB pages."""
        return sum(self.slow.get(reason, 0) for reason in HOT)


@dataclass(frozen=True, slots=True)
class Served:
    """Share of accesses that the fast tier serves, and between what it is."""

    share: float
    low: float
    high: float


def served(placements: Iterable[Placement]) -> Served | None:
    """Of all of these together; None where nothing is known.

    Between the bounds are the share with two standard deviations of what each tier gets, and with
    unobserved pages taken to be as hot as the mean of their tier, or never accessed.
    """
    known, spread, unseen = np.zeros(2), np.zeros(2), np.zeros(2)
    for each in placements:
        accesses = each.pages @ each.rates
        counted = each.pages.sum(axis=1)
        mean = accesses / np.maximum(1, counted)
        known += accesses
        spread += each.pages @ each.variances
        unseen += np.maximum(0, np.array(each.sizes) - counted) * mean
    if not known.any():
        return None
    error = _SIGMAS * np.sqrt(spread)
    (slow, fast), (slow_error, fast_error) = known.tolist(), error.tolist()
    return Served(
        _share(fast, slow),
        _share(fast - fast_error, slow + slow_error + float(unseen[0])),
        _share(fast + fast_error + float(unseen[1]), slow - slow_error),
    )


def _share(fast: float, slow: float) -> float:
    fast, slow = max(0.0, fast), max(0.0, slow)
    return fast / (fast + slow) if fast + slow else 0.0
