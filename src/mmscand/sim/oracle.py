"""What could have been reached by somebody who knows the future.

O-static    the pages with most accesses over the whole run, put on the fast tier once
O-epoch     the hottest pages of each step, moves are free (`Workload.best`)
O-cost      the least total latency, moves included: a lower bound

O-cost is MigOpt's min-cost flow: each page is on one tier or the other in each epoch, a miss and a
move have their cost, and the fast tier is limited. Prices on fast slots take the place of
that last condition (Lagrangian relaxation): for any prices at or above zero, the sum of each page's
own cheapest path, less the prices of all slots, is no more than the true optimum. A few subgradient
steps make the bound tight.
"""

import numpy as np
from numpy.typing import NDArray

from mmscand.model import FloatArray
from mmscand.sim.placement import FAST_NS, SLOW_NS
from mmscand.sim.workload import Workload, held_by_hottest, total

_STEPS = 100
"""Of the subgradient. 400 raise the bound of churn by another 0.6 %, all others by 0.1 %."""


def static_share(workload: Workload, capacity: int, start: float, end: float) -> float:
    """Hit share of the best placement that never changes."""
    expected = workload.expected(start, end)
    held = held_by_hottest(expected, workload.sizes, capacity)
    return held / total(expected, workload.sizes)


def epoch_share(workload: Workload, capacity: int, start: float, end: float) -> float:
    """Hit share of the hottest pages of each step."""
    accesses = total(workload.expected(start, end), workload.sizes)
    return workload.best(start, end, capacity) / accesses


def least_latency_ns(workload: Workload, capacity: int, start: float, end: float) -> float:
    """Mean latency of an access that no placement can go below, moves included (O-cost).

    The first placement is free. An access of a single pass over cold pages counts as a hit.
    """
    steps = workload.steps(start, end)
    saved = np.array([workload.rates_in(number) * span for number, span in steps])
    saved *= SLOW_NS - FAST_NS
    free = np.zeros(saved.shape, dtype=np.bool_)
    if workload.renewed_in is not None:
        for at, (number, _) in enumerate(steps):
            free[at, workload.renewed_in(number)] = True
    accesses = float((saved @ workload.sizes).sum()) / (SLOW_NS - FAST_NS)
    cost = least_cost(saved, workload.sizes, capacity, workload.move_ns, free)
    return FAST_NS + cost / accesses


def least_cost(
    saved: FloatArray,
    sizes: NDArray[np.intp],
    capacity: int,
    move_cost: float,
    free: NDArray[np.bool_] | None = None,
    *,
    rounds: int = _STEPS,
) -> float:
    """A lower bound of the cost of all misses and moves.

    `saved` (epochs, classes) is what a page of each class costs in an epoch when it is not on the
    fast tier, `sizes` (classes,) how many pages each has, `free` (epochs, classes) where a page is
    allocated again, so that placing it anywhere costs nothing.
    """
    moves = np.full(saved.shape, move_cost)
    if free is not None:
        moves[free] = 0.0
    prices = np.array([_edge(row, sizes, capacity) for row in saved])
    scale = max(float(prices.mean()), move_cost)
    best = -np.inf
    for step in range(rounds if len(saved) > 1 else 1):
        bound, used = _relaxed(saved, sizes, prices, moves)
        best = max(best, bound - capacity * float(prices.sum()))
        slope = (used - capacity) / capacity
        length = float(np.sqrt((slope**2).mean())) or 1.0
        prices = np.maximum(0.0, prices + scale / (2 + step) * slope / length)
    return max(best, 0.0)


def _edge(row: FloatArray, sizes: NDArray[np.intp], capacity: int) -> float:
    """What the first page saves that does not fit: the right price if moves cost nothing."""
    order = np.argsort(-row, kind="stable")
    place = int(np.searchsorted(np.cumsum(sizes[order]), capacity, side="right"))
    return float(row[order[place]]) if place < len(row) else 0.0


def _relaxed(
    saved: FloatArray, sizes: NDArray[np.intp], prices: FloatArray, moves: FloatArray
) -> tuple[float, FloatArray]:
    """Cost of every page's cheapest path at these prices, and the slots that are used (epochs,)."""
    epochs = len(saved)
    slow, fast = saved[0].copy(), np.full(saved.shape[1], prices[0])
    from_fast = np.zeros((epochs, 2, saved.shape[1]), dtype=np.bool_)
    for at in range(1, epochs):
        to_slow, to_fast = fast + moves[at], slow + moves[at]
        from_fast[at, 0], from_fast[at, 1] = to_slow < slow, fast <= to_fast
        slow, fast = (
            np.minimum(slow, to_slow) + saved[at],
            np.minimum(fast, to_fast) + prices[at],
        )
    used = np.zeros(epochs)
    here = fast < slow
    for at in range(epochs - 1, -1, -1):
        used[at] = float(sizes[here].sum())
        here = np.where(here, from_fast[at, 1], from_fast[at, 0])
    return total(np.minimum(slow, fast), sizes), used
