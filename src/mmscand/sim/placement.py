"""A placement policy against a workload: bits are drawn, pages move, accesses hit or miss.

A pass is: clear the bits, let them collect for the policy's exposure, read, decide, move. Passes
begin at least `LEAST_PERIOD` apart, however short the exposure: a daemon cannot read all of memory
a hundred times a second. Accesses are Poisson, so a bit is set with probability 1 - exp(-expected);
hits are counted by expectation, so that only the policy's luck is luck.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mmscand.model import BoolArray, FloatArray
from mmscand.policy.placement import (
    LEAST_PERIOD,
    LONGEST_EXPOSURE,
    SHORTEST_EXPOSURE,
    Moves,
    PlacementPolicy,
)
from mmscand.sim.workload import Workload, total

FAST_NS, SLOW_NS = 114.0, 271.0
"""Of an access: local DRAM, and a real CXL device (Soar/Alto, OSDI'25)."""
SOON = 10.0
"""Windows: who comes back up within these should not have gone down."""


@dataclass
class Trace:
    """What each pass did; lists of equal length."""

    times: list[float] = field(default_factory=list)
    """When it decided."""
    exposures: list[float] = field(default_factory=list)
    accesses: list[float] = field(default_factory=list)
    """Since the decision before."""
    hits: list[float] = field(default_factory=list)
    """Those of them that went to the fast tier."""
    best: list[float] = field(default_factory=list)
    """Those that would have, with the hottest pages there (O-epoch)."""
    up: list[int] = field(default_factory=list)
    down: list[int] = field(default_factory=list)
    again: list[int] = field(default_factory=list)
    """Of `up`: pages that had come down less than 10 windows before."""
    capture: list[float] = field(default_factory=list)
    """Hit share as placed after it, as a share of the best one."""
    swept_up: int = 0
    """Pages promoted that a single pass over cold memory had touched."""


def payback_accesses(move_ns: float) -> float:
    """Accesses that two moves cost: one up, one down."""
    return 2 * move_ns / (SLOW_NS - FAST_NS)


def simulate(
    workload: Workload, policy: PlacementPolicy, capacity: int, windows: float, seed: int
) -> Trace:
    """Run the policy for this number of base windows, from pages that lie at random."""
    run = _Passes(workload, policy, capacity, seed)
    while run.now < windows:
        run.go_through_a_pass(windows)
    return run.trace


class Run(ABC):
    """Pages, where they are, and what was accessed so far."""

    def __init__(self, workload: Workload, capacity: int, seed: int) -> None:
        self.now = 0.0
        self.trace = Trace()
        self._workload, self._capacity = workload, capacity
        self._rng = np.random.default_rng(seed)
        pages = len(workload.classes)
        self._fast: BoolArray = np.zeros(pages, dtype=np.bool_)
        self._fast[self._rng.permutation(pages)[:capacity]] = True
        self._demoted: FloatArray = np.full(pages, -np.inf)
        self._placed: NDArray[np.intp] = self._placed_now()
        self._accesses = self._hits = self._best = 0.0

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
            self._hits += float(swept[self._fast].sum())
        self._best += best
        self.now = end
        return expected, swept

    def _renew(self, step: int) -> NDArray[np.intp]:
        """Free pages, allocate others: on the fast tier while it has room, as the kernel does."""
        assert self._workload.renewed_in is not None
        pages = np.flatnonzero(np.isin(self._workload.classes, self._workload.renewed_in(step)))
        self._fast[pages] = False
        room = self._capacity - int(np.count_nonzero(self._fast))
        self._fast[self._rng.permutation(pages)[:room]] = True
        self._demoted[pages] = -np.inf
        self._forget(pages)
        self._placed = self._placed_now()
        return pages

    @abstractmethod
    def _forget(self, pages: NDArray[np.intp]) -> None:
        """These pages were freed; others have their numbers now."""

    def _apply(self, moves: Moves) -> int:
        """Make room first; what does not fit stays. Returns how many pages go up."""
        self._fast[moves.down] = False
        room = self._capacity - int(np.count_nonzero(self._fast))
        up = moves.up[: max(0, room)]
        self._fast[up] = True
        self.trace.again.append(int(np.count_nonzero(self.now - self._demoted[up] <= SOON)))
        self._demoted[moves.down] = self.now
        sweep = self._workload.sweep
        if sweep is not None and sweep[0] <= self.now <= sweep[1] + SOON:
            self.trace.swept_up += int(np.count_nonzero(np.isin(up, sweep[2])))
        if len(up) or len(moves.down):
            self._placed = self._placed_now()
        return len(up)

    def _placed_now(self) -> NDArray[np.intp]:
        """(classes,) pages of each class on the fast tier."""
        load = self._workload
        return np.bincount(load.classes[self._fast], minlength=len(load.sizes))

    def _record(self, exposure: float, up: int, down: int) -> None:
        trace, load = self.trace, self._workload
        number = load.steps(self.now, self.now + 1e-6)[0][0]
        held = total(load.rates_in(number), self._placed)
        trace.capture.append(held / load.best(self.now, self.now + 1e-6, self._capacity) * 1e-6)
        for values, value in (
            (trace.times, self.now),
            (trace.exposures, exposure),
            (trace.accesses, self._accesses),
            (trace.hits, self._hits),
            (trace.best, self._best),
        ):
            values.append(value)
        trace.up.append(up)
        trace.down.append(down)
        self._accesses = self._hits = self._best = 0.0


class _Passes(Run):
    """By a placement policy, a pass at a time."""

    def __init__(
        self, workload: Workload, policy: PlacementPolicy, capacity: int, seed: int
    ) -> None:
        super().__init__(workload, capacity, seed)
        self._policy = policy

    def go_through_a_pass(self, until: float) -> None:
        """Expose, decide, move. The rest of the least period passes without bits."""
        start = self.now
        exposure = float(np.clip(self._policy.exposure, SHORTEST_EXPOSURE, LONGEST_EXPOSURE))
        accessed = self._expose(start + exposure)
        moves = self._policy.decide(accessed, self._fast)
        self._record(exposure, self._apply(moves), len(moves.down))
        if self.now < start + LEAST_PERIOD:
            self._spend(min(start + LEAST_PERIOD, max(until, self.now)))

    def _expose(self, end: float) -> BoolArray:
        """(pages,) Accessed bits from now to `end`."""
        expected, swept = self._spend(end)
        chance = -np.expm1(-expected).astype(np.float32)
        if len(chance) != len(self._fast) or self._workload.renewed_in is None:
            chance = chance[self._workload.classes]
        bits: BoolArray = self._rng.random(len(self._fast), dtype=np.float32) < chance
        return bits if swept is None else bits | (swept > 0)

    def _spend(self, end: float) -> tuple[FloatArray, FloatArray | None]:
        """Let time pass; expected accesses by class, or by page where pages are renewed."""
        load = self._workload
        if load.renewed_in is None:
            return self._count(self.now, end)
        by_page = np.zeros(len(self._fast))
        while self.now < end:
            number = int(self.now / load.step + 1e-9)
            if abs(self.now - number * load.step) < 1e-9 and number:
                by_page[self._renew(number)] = 0.0
            expected, _ = self._count(self.now, min(end, (number + 1) * load.step))
            by_page += expected[load.classes]
        return by_page, None

    def _forget(self, pages: NDArray[np.intp]) -> None:
        self._policy.forget(pages)
