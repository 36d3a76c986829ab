"""Which pages are promoted and demoted: one ranking over all pages that are known, by their rate.

The fast tier is finite. Room above the headroom is filled with the hottest pages that pay for their
move. After that pages trade places, the hottest slow one with the coldest fast one, as long as the
gain pays for both moves: for each demoted cold one a hot one may be promoted. Pages are counted,
not listed: what is decided is a rate to promote from, and one to demote up to.
"""

from dataclasses import dataclass, replace

import numpy as np

from mmscand.model import FloatArray
from mmscand.sets import distinct

GAP = 0.6
"""Least gain of a trade, as a share of the rate at the edge of the fast tier; here, of the page's
that is to be promoted where that is less. Simulated, 0.3 moves twice as much for nothing, 1.0 loses
0.2 pp on zipf 0.7."""
EDGE_SHARE = 0.85
"""Where the fast tier is larger than the hot set, its edge holds this share of the accesses."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Rates in accesses a second, pages in 4 KiB."""

    promote_from: float
    """Slow-tier pages of at least this rate are promoted, at most as many as there is room for, or
    wait. Counts come from a part of the rows: there may be a few more of them."""
    promote_pages: int
    demote_to: float
    """Fast-tier pages of at most this rate are demoted, at most `demote_pages`, or wait to."""
    demote_pages: int
    trades: int = 0
    """The number of those, the last ones, that make room for as many more that are promoted."""
    belongs_from: float = float("inf")
    """Pages of at least this rate belong on the fast tier, whether any go there now or not."""

    def at(self, price: float) -> "Plan":
        """For pages of a process whose trades have to gain this much, see `plan`."""
        least = price if self.trades else price / 2
        return replace(
            self,
            promote_from=max(self.promote_from, least),
            belongs_from=max(self.belongs_from, price / 2),
        )

    def traded(self, demoted: int) -> int:
        """Pages that may be promoted when this number is demoted now."""
        return self.trades - min(self.trades, max(0, self.demote_pages - demoted))

    def less(self, promoted: int, demoted: int, traded: int) -> "Plan":
        """What is left of it; `traded` of the demoted ones were to make room for others."""
        return replace(
            self,
            promote_pages=max(0, self.promote_pages + traded - promoted),
            demote_pages=max(0, self.demote_pages - demoted),
            trades=self.trades - traded,
        )


@dataclass(frozen=True, slots=True)
class MovePlan:
    """Of one process, as of its latest pass. 4 KiB pages; rates in accesses a second."""

    promote: int = 0
    demote: int = 0
    promote_from: float | None = None
    """Rate of the coldest page to promote; None where there is none."""
    demote_to: float | None = None
    """Rate of the hottest page to demote; None where there is none."""
    gained: float = 0.0
    """Accesses a second that would go to the fast tier and go to the slow one now."""


NOTHING = Plan(float("inf"), 0, float("-inf"), 0)


def plan(
    rates: FloatArray,
    pages: FloatArray,
    room: int,
    prices: FloatArray,
    *,
    coming: int = 0,
    pending: tuple[int, int] = (0, 0),
    unproven: FloatArray | None = None,
) -> Plan:
    """For pages (2, n) of these rates (n,), on the slow tier and on the fast one; of `unproven`
    (n,) of the slow ones too little is known to trade them.

    `room` is how many more fit the fast tier once the `pending` pages have been moved; below
    0 it is fuller than it should be. Those are taken to be the hottest and the coldest. `coming` is
    room that may be counted already, or not yet: nothing goes there, and nothing makes way for it.
    `prices` (n,) are what a trade for one of these pages has to gain in accesses a second; filling
    room takes one move, half of that.
    """
    order = np.argsort(-rates, kind="stable")
    rates, pages, prices = rates[order], pages[:, order], prices[order]
    proven = pages[0] if unproven is None else pages[0] - unproven[order]
    # No trade can gain more than the rate of the page that is promoted.
    proven = proven * (rates > prices)
    fills = pages[0] * (rates > prices / 2)
    up, down = np.cumsum(proven) - pending[0], np.cumsum(pages[1][::-1]) - pending[1]
    capacity, every = capacity_of(pages, room, coming, pending), pages.sum(axis=0)
    edge = edge_of(rates, every, capacity)
    filled = int(max(0, min(room, float(fills.sum()) - pending[0])))
    excess = int(np.clip(-room - coming, 0, max(0, down[-1]))) if len(down) else 0
    trades = _trades(rates, up - filled - coming, down - excess, edge, prices)
    up_from = _rate_at(rates, fills, pending[0] + filled, np.inf)
    if trades:
        up_from = min(up_from, _rate_at(rates, proven, pending[0] + filled + trades, np.inf))
    demoted = excess + trades
    down_to = _rate_at(rates[::-1], pages[1][::-1], pending[1] + demoted, -np.inf)
    belongs_from = _rate_at(rates, every, max(0, int(capacity)), np.inf)
    return Plan(up_from, room if filled else 0, down_to, demoted, trades, belongs_from)


def capacity_of(pages: FloatArray, room: int, coming: int, pending: tuple[int, int]) -> float:
    """Pages that fit the fast tier; see plan."""
    return float(pages[1].sum()) + room + coming + pending[0] - pending[1]


def edge_of(
    rates: FloatArray, pages: FloatArray, capacity: float, share: float = EDGE_SHARE
) -> float:
    """Rate of the last page that has to be on the fast tier, for it to hold this share of all
    accesses; rates descend.
    """
    if not len(rates) or capacity <= 0:
        return 0.0
    fits = np.diff(np.minimum(np.cumsum(pages), capacity), prepend=0.0)
    held = np.cumsum(fits * rates)
    place = int(np.searchsorted(held, min(share * float(rates @ pages), held[-1])))
    return float(rates[min(place, len(rates) - 1)])


def _trades(
    rates: FloatArray, up: FloatArray, down: FloatArray, edge: float, prices: FloatArray
) -> int:
    """How many pairs gain enough: the n-th hottest slow page, the n-th coldest fast one.

    `up` and `down` count pages to either end of each rate, those left out that move anyway.
    """
    if not len(rates):
        return 0
    ends = distinct(np.concatenate((up, down)))
    ends = ends[(ends > 0) & (ends <= min(up[-1], down[-1]))]
    hottest = np.minimum(np.searchsorted(up, ends), len(rates) - 1)
    hot = rates[hottest]
    cold = rates[::-1][np.minimum(np.searchsorted(down, ends), len(rates) - 1)]
    least = np.maximum(GAP * np.minimum(hot, edge), prices[hottest])
    gains = np.logical_and.accumulate(hot - cold > least)
    return int(ends[gains][-1]) if gains.any() else 0


def _rate_at(rates: FloatArray, pages: FloatArray, number: int, none: float) -> float:
    """Rate of the page of that number among pages (n,) of each rate; `none` where it is 0."""
    if number <= 0 or not len(rates):
        return none
    return float(rates[min(int(np.searchsorted(np.cumsum(pages), number)), len(rates) - 1)])
