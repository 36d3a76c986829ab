"""A policy against a workload: as the daemon has it, with Accessed bits that stay set.

A bit is set by the first access after its clearing and stays set until it is cleared again. So each
page has a threshold: the expected accesses of its class, counted from the begin, at which its first
access comes (exponential beyond the clearing; a Poisson process has no memory). Hits are counted by
expectation, so that only the policy's luck is luck.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mmscand.engine.rounds import PERIOD_S
from mmscand.model import BoolArray, FloatArray, PageNumbers
from mmscand.scan.visit import Watcher
from mmscand.sim.workload import Workload, total
from mmscand.sim.world import FAST, SLOW, World

FAST_NS, SLOW_NS = 114.0, 271.0
"""Of an access: local DRAM, and a real CXL device (Soar/Alto, OSDI'25)."""
SOON = 10.0
"""Windows: a page that is promoted again within these should not have been demoted."""
_LEAST_S = 1e-5
"""Time goes on, whatever is due."""
_SET = -1.0
"""Threshold of a page whose bit is set."""


@dataclass
class Trace:
    """What each pass did; lists of equal length."""

    times: list[float] = field(default_factory=list)
    """When it decided."""
    accesses: list[float] = field(default_factory=list)
    """Since the decision before."""
    hits: list[float] = field(default_factory=list)
    """Those of them that went to the fast tier."""
    best: list[float] = field(default_factory=list)
    """Those that would have, with the hottest pages there (O-epoch)."""
    up: list[int] = field(default_factory=list)
    down: list[int] = field(default_factory=list)
    again: list[int] = field(default_factory=list)
    """Of `up`: pages that had been demoted less than 10 windows before."""
    capture: list[float] = field(default_factory=list)
    """Hit share as placed after it, as a share of the best one."""
    swept_up: int = 0
    """Pages promoted that a single pass over cold memory had touched."""
    cleared: int = 0
    """Accessed bits that were cleared."""
    hot_clears: list[float] = field(default_factory=list)
    """Up to each decision: how often a page that is hot after the full shift was cleared since, in
    the mean."""


def simulate(
    workload: Workload,
    policy: str,
    capacity: int,
    windows: float,
    seed: int,
    *,
    processes: int = 1,
) -> Trace:
    """Run the policy for this number of base windows, a second each, from pages that lie at random.

    Visits are as far apart as the policy says; what they did is noted at least `PERIOD_S` apart.
    """
    run = Run(workload, policy, capacity, seed, processes=processes)
    while run.now < windows:
        run.visit(windows)
    return run.trace


class Clears:
    """How often bits of the pages that are hot after a full shift were cleared since."""

    def __init__(self, workload: Workload, capacity: int) -> None:
        self._from = np.inf if workload.shift_at is None else workload.shift_at
        self._is_hot: BoolArray = np.zeros(len(workload.classes), dtype=np.bool_)
        if workload.shift_at is not None:
            number = workload.steps(self._from, self._from + 1)[0][0]
            rates = workload.rates_in(number)[workload.classes]
            self._is_hot[np.argsort(-rates, kind="stable")[:capacity]] = True
        self._cleared = 0

    def count(self, pages: PageNumbers, now: float) -> None:
        """Bits of these pages were cleared."""
        if now >= self._from:
            self._cleared += int(np.count_nonzero(self._is_hot[pages]))

    @property
    def mean(self) -> float:
        """Of a page."""
        return self._cleared / max(1, int(np.count_nonzero(self._is_hot)))


class Run:
    """Pages, where they are, and what was accessed so far."""

    def __init__(
        self,
        workload: Workload,
        policy: str,
        capacity: int,
        seed: int,
        *,
        processes: int = 1,
        watcher: Watcher | None = None,
    ) -> None:
        self.now = 0.0
        self.trace = Trace()
        self._workload, self._capacity = workload, capacity
        self._rng = np.random.default_rng(seed)
        pages = len(workload.classes)
        self.world = World(policy, pages, capacity, processes=processes, watcher=watcher)
        order = self._rng.permutation(pages)
        self.world.allocate(order[:capacity], FAST)
        self.world.allocate(order[capacity:], SLOW)
        self.world.machine.program = self._catch_up
        self._bits = self.world.accessed.copy()
        """As of the latest look."""
        self._due = 0.0
        self._demoted: FloatArray = np.full(pages, -np.inf)
        self._clears = Clears(workload, capacity)
        self._placed: NDArray[np.intp] = self._placed_now()
        self._accesses = self._hits = self._best = 0.0
        self._thresholds = np.full(pages, _SET)
        self._expected = np.zeros(len(workload.sizes))
        """(classes,) accesses of a page of each class so far, random ones."""
        self._renewed = 0
        """Number of the step whose pages were renewed last."""
        self._noted = 0.0
        self._up = self._down = 0
        """Pages moved since then."""

    def visit(self, until: float) -> None:
        """Let time pass until something is due, and have the daemon do it."""
        self._spend(min(max(self._due, self.now + _LEAST_S), max(until, self.now)))
        fast = self.world.fast
        self._due = self.world.step(self.now)
        self._catch_up()
        self._note(fast, self.world.fast)
        if self.now - self._noted >= PERIOD_S - 1e-9 or self.now >= until:
            self._record(self._up, self._down)
            self._noted, self._up, self._down = self.now, 0, 0

    def _catch_up(self) -> None:
        """Set the bits that the program has set up to now, after those that were just cleared."""
        bits = self.world.accessed
        cleared = np.flatnonzero(self._bits & ~bits)
        self._spend(self.world.clock.now())
        if len(cleared):
            self._clear(cleared)
        bits |= self._thresholds <= self._expected[self._workload.classes]
        self._bits = bits.copy()

    def _clear(self, pages: PageNumbers) -> None:
        self.trace.cleared += len(pages)
        self._clears.count(pages, self.now)
        if self._workload.only_swept:
            self._thresholds[pages] = np.inf
            return
        beyond = self._rng.exponential(size=len(pages))
        self._thresholds[pages] = self._expected[self._workload.classes[pages]] + beyond

    def _spend(self, end: float) -> None:
        """Let time pass."""
        load = self._workload
        while load.renewed_in is not None and self.now < end:
            number = int(self.now / load.step + 1e-9)
            if abs(self.now - number * load.step) < 1e-9 and number > self._renewed:
                self._renewed = number
                self._renew(load.renewed_in(number))
            self._pass(min(end, (number + 1) * load.step))
        if self.now < end:
            self._pass(end)

    def _pass(self, end: float) -> None:
        expected, swept = self._count(self.now, end)
        self._expected += expected
        if swept is not None:
            self._thresholds[swept > 0] = _SET

    def _renew(self, classes: NDArray[np.intp]) -> None:
        """Free pages, allocate others: on the fast tier while it has room, as the kernel does.

        Their bits are set: a program that maps a page accesses it.
        """
        pages = np.flatnonzero(np.isin(self._workload.classes, classes))
        self.world.free(pages)
        pages = self._rng.permutation(pages)
        fast = self.world.allocate(pages, FAST)
        self.world.allocate(pages[len(fast) :], SLOW)
        self._demoted[pages] = -np.inf
        self._thresholds[pages], self._bits[pages] = _SET, True
        self._placed = self._placed_now()

    def _count(self, start: float, end: float) -> tuple[FloatArray, FloatArray | None]:
        load = self._workload
        expected = load.expected(start, end)
        swept = load.swept(start, end) if load.swept else None
        best = load.best(start, end, self._capacity)
        if load.only_swept:
            expected = np.zeros_like(expected)
        self._accesses += total(expected, load.sizes)
        self._hits += total(expected, self._placed)
        if swept is not None:
            self._accesses += float(swept.sum())
            self._hits += float(swept[self.world.fast].sum())
        self._best += best
        self.now = end
        return expected, swept

    def _note(self, before: BoolArray, after: BoolArray) -> None:
        """Count what has moved."""
        up, down = np.flatnonzero(after & ~before), np.flatnonzero(before & ~after)
        self._up, self._down = self._up + len(up), self._down + len(down)
        self.trace.again.append(int(np.count_nonzero(self.now - self._demoted[up] <= SOON)))
        self._demoted[down] = self.now
        sweep = self._workload.sweep
        if sweep is not None and sweep[0] <= self.now <= sweep[1] + SOON:
            self.trace.swept_up += int(np.count_nonzero(np.isin(up, sweep[2])))
        if len(up) or len(down):
            self._placed = self._placed_now()

    def _placed_now(self) -> NDArray[np.intp]:
        """(classes,) pages of each class on the fast tier."""
        load = self._workload
        return np.bincount(load.classes[self.world.fast], minlength=len(load.sizes))

    def _record(self, up: int, down: int) -> None:
        trace, load = self.trace, self._workload
        number = load.steps(self.now, self.now + 1e-6)[0][0]
        held = total(load.rates_in(number), self._placed)
        trace.capture.append(held / load.best(self.now, self.now + 1e-6, self._capacity) * 1e-6)
        for values, value in (
            (trace.times, self.now),
            (trace.accesses, self._accesses),
            (trace.hits, self._hits),
            (trace.best, self._best),
        ):
            values.append(value)
        trace.up.append(up)
        trace.down.append(down)
        trace.hot_clears.append(self._clears.mean)
        self._accesses = self._hits = self._best = 0.0
