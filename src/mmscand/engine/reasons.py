"""What keeps pages on the slow tier, by what the stopwatch knows of them and the plan in force."""

import numpy as np

from mmscand.engine.rate_table import RateTable
from mmscand.heat.word import KNOWN, PROVEN, STATES, STUCK
from mmscand.model import ByteArray, PageNumbers
from mmscand.policy.placement import Placement
from mmscand.policy.plan import Plan
from mmscand.reasons import HOT, REASONS

_CODES = {name: code for code, name in enumerate(REASONS)}


def reason_codes(table: RateTable, plan: Plan, price: float) -> ByteArray:
    """(STATES,) of a page of each state on the slow tier, which is not on the migration list: place
    in REASONS. `price` is what a trade has to gain, in accesses a second; a move alone half of it.
    """
    rates = np.nan_to_num(table.expected)
    codes = np.full(STATES, _CODES["no_room"], dtype=np.uint8)
    hot = rates >= plan.promote_from
    codes[hot & PROVEN] = _CODES["planned"]
    codes[(rates >= min(plan.promote_from, plan.belongs_from)) & ~PROVEN] = _CODES["unsure"]
    codes[rates < price / 2] = _CODES["cold"]
    codes[~KNOWN] = _CODES["unknown"]
    codes[STUCK] = _CODES["shared"]
    return codes


def placement(
    kinds: PageNumbers,
    left_out: PageNumbers,
    table: RateTable,
    plan: Plan,
    price: float,
    queued: int,
) -> Placement:
    """Of one process, from its 4 KiB pages of each kind of word (heat.word.KINDS,), those that
    would not move by their state and tier (2 * STATES,), and the number that waits to go up.
    """
    pages = kinds.reshape(2, 2, STATES).sum(axis=1)
    refused = np.minimum(left_out.reshape(2, STATES)[0], pages[0])
    codes = reason_codes(table, plan, price)
    slow = np.bincount(codes, weights=pages[0] - refused, minlength=len(REASONS)).astype(np.intp)
    # Of pages that are kept back the cold ones are where they should be.
    cold = codes >= len(HOT)
    slow += np.bincount(codes[cold], weights=refused[cold], minlength=len(slow)).astype(np.intp)
    slow[_CODES["refused"]] += int(refused[~cold].sum())
    _take_queued(slow, queued)
    some = pages.any(axis=0) & KNOWN & table.known
    rates, variances = np.nan_to_num(table.expected), np.nan_to_num(table.variance)
    sizes = pages.sum(axis=1).tolist()
    return Placement(
        (sizes[0], sizes[1]),
        rates[some],
        pages[:, some],
        variances[some],
        {name: int(slow[code]) for name, code in _CODES.items() if slow[code]},
    )


def _take_queued(slow: PageNumbers, queued: int) -> None:
    """Pages on the list are among the hottest: those that would be planned else."""
    for reason in ("planned", "unsure", "no_room", "cold"):
        taken = min(queued, int(slow[_CODES[reason]]))
        slow[_CODES[reason]] -= taken
        slow[_CODES["queued"]] += taken
        queued -= taken
