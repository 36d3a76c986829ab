"""What goes up and what comes down: one ranking over all pages that are known, by their rate.

The fast tier is finite. Room above the headroom is filled with the hottest pages that pay for their
move. After that pages trade places, the hottest slow one with the coldest fast one, as long as the
gain pays for both moves: the cold one comes down, and the next plan has room for the hot one. Pages
are counted, not listed: what is decided is a rate to promote from, and one to demote up to.
"""

from dataclasses import dataclass

import numpy as np

from mmscand.model import FloatArray

GAP = 0.6
"""Least gain of a trade, as a share of the rate at the edge of the fast tier. Simulated, 0.3 moves
twice as much for nothing, 1.0 loses 0.2 pp on zipf 0.7."""
EDGE_SHARE = 0.85
"""Where the fast tier is larger than the hot set, its edge is where so many accesses are held."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Rates in accesses a second, pages in 4 KiB."""

    promote_from: float
    """Slow-tier pages of at least this rate go up, at most as many as there is room for. Counts
    come from a part of the rows: there may be a few more of them."""
    promote_pages: int
    demote_to: float
    """Fast-tier pages of at most this rate come down, at most so many."""
    demote_pages: int


NOTHING = Plan(float("inf"), 0, float("-inf"), 0)


def plan(
    rates: FloatArray,
    slow: FloatArray,
    fast: FloatArray,
    room: int,
    price: float,
    *,
    coming: int = 0,
    pending: tuple[int, int] = (0, 0),
) -> Plan:
    """For pages of these rates (n,) on the slow tier and on the fast one.

    `room` is how many more fit the fast tier once the `pending` pages have gone up and down; below
    0 it is fuller than it should be. Those are taken to be the hottest and the coldest. `coming` is
    room that may be counted already, or not yet: nothing goes there, and nothing makes way for it.
    `price` is what a trade has to gain in accesses a second; filling room takes one move, half of
    that.
    """
    order = np.argsort(-rates, kind="stable")
    rates, slow, fast = rates[order], slow[order], fast[order]
    up, down = np.cumsum(slow) - pending[0], np.cumsum(fast[::-1]) - pending[1]
    capacity = float(fast.sum()) + room + coming + pending[0] - pending[1]
    margin = max(GAP * _edge(rates, slow + fast, capacity), price)
    pays = float(slow[rates > price / 2].sum()) - pending[0]
    filled = int(max(0, min(room, pays)))
    excess = int(max(0, min(-room - coming, down[-1]))) if len(down) else 0
    demoted = excess + _trades(rates, up - filled - coming, down - excess, margin)
    return Plan(
        _rate_at(rates, up, filled) if filled else float("inf"),
        room if filled else 0,
        _rate_at(rates[::-1], down, demoted) if demoted else float("-inf"),
        demoted,
    )


def _edge(rates: FloatArray, pages: FloatArray, capacity: float) -> float:
    """Rate of the last page that has to be on the fast tier; rates descend."""
    if not len(rates) or capacity <= 0:
        return 0.0
    fits = np.diff(np.minimum(np.cumsum(pages), capacity), prepend=0.0)
    held = np.cumsum(fits * rates)
    place = int(np.searchsorted(held, min(EDGE_SHARE * float(rates @ pages), held[-1])))
    return float(rates[min(place, len(rates) - 1)])


def _trades(rates: FloatArray, up: FloatArray, down: FloatArray, margin: float) -> int:
    """How many pairs gain more than the margin: the n-th hottest slow, the n-th coldest fast one.

    `up` and `down` count pages to either end of each rate, those left out that move anyway.
    """
    if not len(rates):
        return 0
    ends = np.unique(np.concatenate((up, down)))
    ends = ends[(ends > 0) & (ends <= min(up[-1], down[-1]))]
    hot = rates[np.minimum(np.searchsorted(up, ends), len(rates) - 1)]
    cold = rates[::-1][np.minimum(np.searchsorted(down, ends), len(rates) - 1)]
    gains = np.logical_and.accumulate(hot - cold > margin)
    return int(ends[gains][-1]) if gains.any() else 0


def _rate_at(rates: FloatArray, pages: FloatArray, number: int) -> float:
    """Rate of the page of that number, counted by `pages` (n,), cumulative."""
    return float(rates[min(int(np.searchsorted(pages, number)), len(rates) - 1)])
