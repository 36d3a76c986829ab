"""The policy `daemon`: what mmscand run decides by, for a fixed set of pages.

The daemon's own `capacity` (policy.by_capacity) with all that it cannot know: it sees Accessed bits
that stay set until they are aged, ages a sample of the fast tier, has two bytes for each page, and
ranks counts instead of pages. What `capacity` reaches in simulation it has to come near.
"""

from dataclasses import dataclass

import numpy as np

from mmscand.model import BoolArray, PageBlock, PageNumbers, Process
from mmscand.policy.by_capacity import CapacityChooser
from mmscand.policy.fixed_pages import FixedPages, InstantRoom
from mmscand.policy.placement import LEAST_PERIOD, LONGEST_EXPOSURE, Moves
from mmscand.policy.proof import Proof
from mmscand.policy.ranking import Ranking

_WINDOW_MS = 1000
"""A base window, see policy.placement."""


@dataclass(frozen=True, slots=True)
class _Knobs:
    policy = "capacity"
    hot_passes = 2
    quick_passes = 8
    scan_period_ms = _WINDOW_MS
    scan_period_max_ms = int(LONGEST_EXPOSURE * _WINDOW_MS)


class AsDaemon:
    """See policy.placement.PlacementPolicy."""

    name = "daemon"

    def __init__(self, pages: int, capacity: int) -> None:
        self._capacity = capacity
        self._room = InstantRoom()
        self._now_s = 0.0
        self._proof = Proof()
        ranking = Ranking(self._room, lambda: self._now_s)
        self._chooser = CapacityChooser(Process(1, 1), ranking, _Knobs())
        self._pages = FixedPages(pages)
        self._bits = self._pages.present.copy()
        self._open(capacity)
        self.exposure = self._chooser.exposure_s * 1000 / _WINDOW_MS

    def _open(self, capacity: int) -> None:
        """All bits are cleared before the first pass; how much fits is known from then on."""
        self._room.pages = capacity
        for _, block in self._pages.blocks(self._bits, np.zeros(0, dtype=np.bool_)):
            self._chooser.to_clear(block)
        self._bits[:] = False
        self._chooser.cleared()

    def decide(self, accessed: BoolArray, fast: BoolArray) -> Moves:
        """See PlacementPolicy.decide."""
        self._now_s += max(self.exposure, LEAST_PERIOD) * _WINDOW_MS / 1000
        self._bits[: len(accessed)] |= accessed
        self._room.pages = self._capacity - int(np.count_nonzero(fast))
        chosen = [self._choose(*region) for region in self._pages.blocks(self._bits, fast)]
        self._chooser.end_pass(self.exposure * _WINDOW_MS / 1000)
        if self._chooser.begins:
            self._bits[:] = False
            self._chooser.cleared()
        self.exposure = self._chooser.exposure_s * 1000 / _WINDOW_MS
        up, down = (np.concatenate(each) for each in zip(*chosen, strict=True))
        return Moves(up, down)

    def _choose(self, first: int, block: PageBlock) -> tuple[PageNumbers, PageNumbers]:
        """What goes up and down of a region's pages, which are aged as well."""
        choice = self._chooser.choose(block)
        block.accessed[choice.to_age] = False
        up, down = (first + np.flatnonzero(mask) for mask in (choice.up, choice.down))
        states = choice.state[choice.up]
        up = up[~self._proof.lacks(up.astype(np.uint64), states, self._now_s)]
        self._proof.demoted(down.astype(np.uint64), self._now_s)
        self._chooser.queued(promoted=len(up), demoted=len(down))
        return up, down

    def forget(self, pages: PageNumbers) -> None:
        """See PlacementPolicy.forget: they have other frames."""
        self._pages.renew(pages)
