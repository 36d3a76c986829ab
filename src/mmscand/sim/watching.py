"""The policy `stopwatch` against a workload: the daemon's own chooser, with bits that stay set.

A bit is set by the first access after its clearing and stays set until it is cleared again. So each
page has a threshold: the expected accesses of its class, counted from the begin, at which its first
access comes (exponential beyond the clearing; a Poisson process has no memory).
"""

from dataclasses import dataclass

import numpy as np

from mmscand.engine.rounds import PERIOD_S
from mmscand.engine.stopwatch import StopwatchChooser
from mmscand.model import (
    HUGE_PAGE_BYTES,
    PAGE_BYTES,
    PAGES_PER_TABLE,
    REGION_BYTES,
    BoolArray,
    FloatArray,
    PageBlock,
    PageNumbers,
    Process,
    UIntArray,
)
from mmscand.policy.placement import Moves
from mmscand.policy.proof import Proof
from mmscand.policy.ranking import Ranking
from mmscand.sim.placement import Run, Trace
from mmscand.sim.workload import Workload

_PAGES_PER_REGION = REGION_BYTES // PAGE_BYTES
_SET = -1.0
"""Threshold of a page whose bit is set."""


@dataclass(slots=True)
class _Room:
    """See policy.ranking.Room: pages move at once."""

    pages: int = 0
    coming = 0

    def queued(self, process: Process) -> tuple[int, int]:
        return 0, 0


@dataclass(slots=True)
class _NoPolicy:
    """What sim.placement asks of a policy; pages that are freed are noted."""

    frames: UIntArray
    thresholds: FloatArray
    exposure = 1.0
    name = "stopwatch"

    def decide(self, accessed: BoolArray, fast: BoolArray) -> Moves:
        raise NotImplementedError

    def forget(self, pages: PageNumbers) -> None:
        """They have other frames, and their bits are set: whoever maps a page accesses it."""
        self.frames[pages] ^= np.uint64(PAGE_BYTES)
        self.thresholds[pages] = _SET


def simulate_watching(workload: Workload, capacity: int, windows: float, seed: int) -> Trace:
    """Run the policy for this number of base windows, a second each; see placement.simulate."""
    run = _Watching(workload, capacity, seed)
    while run.now < windows:
        run.visit(windows)
    return run.trace


class _Watching(Run):
    def __init__(self, workload: Workload, capacity: int, seed: int) -> None:
        pages = len(workload.classes)
        rows = -(-pages // PAGES_PER_TABLE)
        numbers = np.arange(rows * PAGES_PER_TABLE, dtype=np.uint64)
        self._frames: UIntArray = numbers * np.uint64(PAGE_BYTES)
        self._present: BoolArray = numbers < pages
        self._thresholds = np.full(pages, _SET)
        super().__init__(workload, _NoPolicy(self._frames, self._thresholds), capacity, seed)
        self._expected = np.zeros(len(workload.sizes))
        """(classes,) accesses of a page of each class so far, random ones."""
        self._renewed = 0
        """Number of the step whose pages were renewed last."""
        self._room, self._proof = _Room(), Proof()
        ranking = Ranking(self._room, lambda: self.now)
        self._chooser = StopwatchChooser(Process(1, 1), ranking, lambda: self.now)
        self._decided = 0.0
        self._up = self._down = 0
        """Pages moved since then."""
        self.cleared = 0
        """Accessed bits, so far."""

    def visit(self, until: float) -> None:
        """Wait as long as the chooser says, read all pages, clear and move."""
        self._spend(min(max(self.now, self._chooser.due_s), max(until, self.now)))
        self._room.pages = self._capacity - int(np.count_nonzero(self._fast))
        bits, slow = self._present.copy(), self._present.copy()
        bits[: len(self._thresholds)] = self._bits()
        slow[: len(self._fast)] &= ~self._fast
        regions = range(0, len(slow), _PAGES_PER_REGION)
        chosen = [self._choose(first, bits, slow) for first in regions]
        self._chooser.end_pass()
        moves = Moves(*(np.concatenate(each) for each in zip(*chosen, strict=True)))
        self._up, self._down = self._up + self._apply(moves), self._down + len(moves.down)
        if self.now - self._decided >= PERIOD_S - 1e-9 or self.now >= until:
            self._record(self.now - self._decided, self._up, self._down)
            self._decided, self._up, self._down = self.now, 0, 0

    def _choose(
        self, first: int, bits: BoolArray, slow: BoolArray
    ) -> tuple[PageNumbers, PageNumbers]:
        """What goes up and down of a region's pages, after bits were cleared."""
        block = self._block(first, bits, slow)
        choice = self._chooser.choose(block)
        self._clear(first + np.flatnonzero(choice.to_age))
        up, down = (first + np.flatnonzero(mask) for mask in (choice.up, choice.down))
        up = up[~self._proof.lacks(up.astype(np.uint64), choice.state[choice.up], self.now)]
        self._proof.demoted(down.astype(np.uint64), self.now)
        self._chooser.queued(promoted=len(up), demoted=len(down))
        return up, down

    def _block(self, first: int, bits: BoolArray, slow: BoolArray) -> PageBlock:
        pages = slice(first, first + _PAGES_PER_REGION)
        frames = self._frames[pages].reshape(-1, PAGES_PER_TABLE)
        masks = (each[pages] for each in (self._present, bits, slow))
        present, bits, slow = (mask.reshape(-1, PAGES_PER_TABLE) for mask in masks)
        start = np.uint64(REGION_BYTES + first * PAGE_BYTES)
        addresses = start + np.arange(len(slow), dtype=np.uint64) * np.uint64(HUGE_PAGE_BYTES)
        return PageBlock(addresses, 1, frames, present, bits, slow)

    def _bits(self) -> BoolArray:
        result: BoolArray = self._thresholds <= self._expected[self._workload.classes]
        return result

    def _clear(self, pages: PageNumbers) -> None:
        self.cleared += len(pages)
        if self._workload.only_swept:
            self._thresholds[pages] = np.inf
            return
        beyond = self._rng.exponential(size=len(pages))
        self._thresholds[pages] = self._expected[self._workload.classes[pages]] + beyond

    def _spend(self, end: float) -> tuple[FloatArray, FloatArray | None]:
        """Let time pass; what is returned is nothing that anybody needs here."""
        load = self._workload
        while load.renewed_in is not None and self.now < end:
            number = int(self.now / load.step + 1e-9)
            if abs(self.now - number * load.step) < 1e-9 and number > self._renewed:
                self._renewed = number
                self._renew(number)
            self._pass(min(end, (number + 1) * load.step))
        if self.now < end:
            self._pass(end)
        return self._expected, None

    def _pass(self, end: float) -> None:
        expected, swept = self._count(self.now, end)
        self._expected += expected
        if swept is not None:
            self._thresholds[swept > 0] = _SET
