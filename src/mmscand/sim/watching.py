"""The policy `stopwatch` against a workload: the daemon's own chooser, with bits that stay set.

A bit is set by the first access after its clearing and stays set until it is cleared again. So each
page has a threshold: the expected accesses of its class, counted from the begin, at which its first
access comes (exponential beyond the clearing; a Poisson process has no memory).
"""

import numpy as np

from mmscand.engine.rounds import PERIOD_S
from mmscand.engine.stopwatch import StopwatchChooser
from mmscand.model import PAGES_PER_TABLE, BoolArray, PageBlock, PageNumbers, Process
from mmscand.policy.fixed_pages import FixedPages, InstantRoom
from mmscand.policy.placement import Moves
from mmscand.policy.proof import Proof
from mmscand.policy.ranking import Ranking
from mmscand.sim.placement import Run, Trace
from mmscand.sim.workload import Workload

_SET = -1.0
"""Threshold of a page whose bit is set."""


def simulate_watching(workload: Workload, capacity: int, windows: float, seed: int) -> Trace:
    """Run the policy for this number of base windows, a second each; see placement.simulate."""
    run = _Watching(workload, capacity, seed)
    while run.now < windows:
        run.visit(windows)
    return run.trace


class _Watching(Run):
    def __init__(self, workload: Workload, capacity: int, seed: int) -> None:
        super().__init__(workload, capacity, seed)
        self._pages = FixedPages(len(workload.classes))
        self._thresholds = np.full(len(workload.classes), _SET)
        self._none: PageNumbers = np.empty(0, dtype=np.intp)
        self._expected = np.zeros(len(workload.sizes))
        """(classes,) accesses of a page of each class so far, random ones."""
        self._renewed = 0
        """Number of the step whose pages were renewed last."""
        self._room, self._proof = InstantRoom(), Proof()
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
        self._chooser.begin_pass(self.now)
        self._room.pages = self._capacity - int(np.count_nonzero(self._fast))
        bits = self._pages.padded(self._bits())
        chosen = [self._choose(*region) for region in self._pages.blocks(bits, self._fast)]
        self._chooser.end_pass()
        moves = Moves(*(np.concatenate(each) for each in zip(*chosen, strict=True)))
        self._up, self._down = self._up + self._apply(moves), self._down + len(moves.down)
        if self.now - self._decided >= PERIOD_S - 1e-9 or self.now >= until:
            self._record(self.now - self._decided, self._up, self._down)
            self._decided, self._up, self._down = self.now, 0, 0

    def _choose(self, first: int, block: PageBlock) -> tuple[PageNumbers, PageNumbers]:
        """What goes up and down of a region's pages, after bits were cleared."""
        due = ~self._chooser.history.rests(block.addresses)
        if not due.any():
            return self._none, self._none
        block = block.where(due)
        numbers = first + np.arange(due.size * PAGES_PER_TABLE).reshape(due.size, -1)[due]
        choice = self._chooser.choose(block)
        self._clear(numbers[choice.to_age])
        up, down = numbers[choice.up], numbers[choice.down]
        up = up[~self._proof.lacks(up.astype(np.uint64), choice.state[choice.up], self.now)]
        self._proof.demoted(down.astype(np.uint64), self.now)
        self._chooser.queued(promoted=len(up), demoted=len(down))
        self._chooser.moved(block.slot_addresses(choice.up | choice.down), 1)
        return up, down

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

    def _forget(self, pages: PageNumbers) -> None:
        """They have other frames, and their bits are set: whoever maps a page accesses it."""
        self._pages.renew(pages)
        self._thresholds[pages] = _SET

    def _spend(self, end: float) -> None:
        """Let time pass."""
        load = self._workload
        while load.renewed_in is not None and self.now < end:
            number = int(self.now / load.step + 1e-9)
            if abs(self.now - number * load.step) < 1e-9 and number > self._renewed:
                self._renewed = number
                self._renew(number)
            self._pass(min(end, (number + 1) * load.step))
        if self.now < end:
            self._pass(end)

    def _pass(self, end: float) -> None:
        expected, swept = self._count(self.now, end)
        self._expected += expected
        if swept is not None:
            self._thresholds[swept > 0] = _SET
