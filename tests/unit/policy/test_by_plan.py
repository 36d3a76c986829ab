"""Pages that would not move before are tried again, a few in a pass, and huge ones too."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from mmscand.model import PAGES_PER_TABLE, REGION_BYTES, PageBlock, Process
from mmscand.policy.by_plan import ByPlan
from mmscand.policy.counted import Counted
from mmscand.policy.interface import Held
from mmscand.policy.ranking import Ranking

ONE = Process(1, 1)
HOT, COLD = 0, 1


@dataclass
class FullTier:
    """See policy.ranking.Room."""

    pages: int = 0
    coming: int = field(default=0, init=False)

    def queued(self, process: Process) -> tuple[int, int]:
        return 0, 0


def by_plan() -> ByPlan:
    """The fast tier is full of pages that are as hot, so no move is planned."""
    ranking = Ranking(FullTier(), lambda: 0.0)
    ranking.begin(ONE)
    rates, pages = np.array([9.0, 0.01]), np.array([[4096, 0], [4096, 0]])
    ranking.update(ONE, Counted(rates, pages, np.zeros(2, dtype=np.intp)))
    found, hot = ByPlan(ranking, ONE), np.array([True, False])
    found.begin(rates, ~hot & hot, ~hot & hot, hot, hot)
    return found


def block(rows: int, pages_per_slot: int) -> PageBlock:
    shape = (rows, PAGES_PER_TABLE // pages_per_slot)
    yes = np.ones(shape, dtype=np.bool_)
    addresses = REGION_BYTES + np.arange(rows, dtype=np.uint64) * np.uint64(2 << 20)
    return PageBlock(addresses, pages_per_slot, np.ones(shape, dtype=np.uint64), yes, yes, yes)


@pytest.mark.parametrize(("pages_per_slot", "tried"), [(1, 64), (PAGES_PER_TABLE, PAGES_PER_TABLE)])
def test_what_belongs_on_a_full_fast_tier_is_tried_again_a_little_in_each_pass(
    pages_per_slot: int, tried: int
) -> None:
    policy, pages = by_plan(), block(4, pages_per_slot)
    state = np.full(pages.present.shape, HOT, dtype=np.uint16)
    held = Held(np.ones_like(pages.present), np.ones_like(pages.present))
    nowhere = np.full_like(state, COLD)
    first, _, _ = policy.moves(pages, state, nowhere, held)
    assert pages.pages_in(first) == tried
    again, _, _ = policy.moves(pages, state, nowhere, held)
    assert not again.any()
