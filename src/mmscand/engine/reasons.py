"""What keeps pages on the slow tier, by what the stopwatch knows of them and the plan in force."""

import numpy as np

from mmscand.engine.rate_table import RateTable
from mmscand.heat.kind_counts import KindCounts
from mmscand.heat.word import KNOWN, PROVEN, STATES, STUCK
from mmscand.model import ByteArray, FloatArray, PageNumbers
from mmscand.policy.placement import Placement
from mmscand.policy.plan import Plan
from mmscand.reasons import HOT, REASONS

_CODES = {name: code for code, name in enumerate(REASONS)}


def reason_codes(table: RateTable, plan: Plan, price: float) -> ByteArray:
    """(STATES,) of a page of each state on the slow tier, which is not on the migration list: place
    in REASONS. `price` is what a trade has to gain, in accesses a second; a move alone half of it.
    """
    return _codes(rates_of(table), np.arange(STATES), plan, price)


def _codes(rates: FloatArray, states: PageNumbers, plan: Plan, price: float) -> ByteArray:
    """(n,) the same of pages of these states (n,), with these rates (n,)."""
    proven = PROVEN[states]
    codes = np.full(len(states), _CODES["no_room"], dtype=np.uint8)
    codes[(rates >= plan.promote_from) & proven] = _CODES["planned"]
    codes[(rates >= min(plan.promote_from, plan.belongs_from)) & ~proven] = _CODES["unsure"]
    codes[rates < price / 2] = _CODES["cold"]
    codes[~KNOWN[states]] = _CODES["unknown"]
    codes[states == STUCK] = _CODES["shared"]
    return codes


def placement(
    counts: KindCounts,
    left_out: PageNumbers,
    table: RateTable,
    plan: Plan,
    price: float,
    queued: int,
) -> Placement:
    """Of one process, from its 4 KiB pages of each kind of word, those that would not move by their
    state and tier (2 * STATES,), and the number that waits to be promoted.
    """
    states, pages = counts.states, counts.pages
    codes = _codes(rates_of(table)[states], states, plan, price)
    slow = _by_reason(codes, pages[0], np.minimum(left_out[states], pages[0]))
    _take_queued(slow, queued)
    sizes = pages.sum(axis=1).tolist()
    known = KNOWN[states] & table.known
    return Placement(
        (sizes[0], sizes[1]),
        rates_of(table)[states[known]],
        pages[:, known],
        table.variance[states[known]],
        {name: number for name, number in zip(REASONS, slow.tolist(), strict=True) if number},
    )


def rates_of(table: RateTable) -> FloatArray:
    """(STATES,) expected, 0 before anything was learned."""
    return table.expected if table.known else np.zeros(STATES)


def _by_reason(codes: ByteArray, pages: PageNumbers, refused: PageNumbers) -> PageNumbers:
    """(len(REASONS),) pages of the slow tier. Of those that would not move the cold ones are where
    they should be.
    """
    number = len(REASONS)
    slow = np.bincount(codes, weights=pages, minlength=number).astype(np.intp)
    if refused.any():
        kept = np.bincount(codes, weights=refused, minlength=number).astype(np.intp)
        kept[len(HOT) :] = 0
        slow -= kept
        slow[_CODES["refused"]] += kept.sum()
    return slow


def _take_queued(slow: PageNumbers, queued: int) -> None:
    """Pages on the list are among the hottest: those that would be planned else."""
    for reason in ("planned", "unsure", "no_room", "cold"):
        taken = min(queued, int(slow[_CODES[reason]]))
        slow[_CODES[reason]] -= taken
        slow[_CODES["queued"]] += taken
        queued -= taken
