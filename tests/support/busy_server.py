"""A simulated server with a real one's costs: a large process, and many small ones beside it."""

import threading
from dataclasses import dataclass, field

import numpy as np

from mmscand.daemon import Daemon
from mmscand.model import REGION_BYTES, FloatArray, PageNumbers
from mmscand.observe.status import DaemonStatus
from mmscand.settings import Settings
from mmscand.sim.clock import SimClock
from mmscand.sim.machine import SimMachine
from mmscand.sim.nodes import sim_topology
from mmscand.sim.process import SimProcess, SimVma
from support.sim_daemon import TIMEOUT_S

_SMALL_PAGES = 512
_TOUCH_S = 0.1
"""All hot pages are accessed this often."""


@dataclass
class BusyServer:
    """All of it is on the slow tier at the start; a tenth or so of the large process is hot."""

    large_pages: int
    hot_pages: int
    small: int
    fast_pages: int
    clock: SimClock = field(default_factory=lambda: SimClock(threads=2))
    done: threading.Event = field(default_factory=threading.Event)
    promoted: list[tuple[float, int]] = field(default_factory=list)
    """Hot pages on the fast tier, over simulated time."""
    spent: list[tuple[float, float]] = field(default_factory=list)
    """CPU seconds of the scanner, over simulated time."""
    machine: SimMachine = field(init=False)
    large: SimProcess = field(init=False)
    memory: SimVma = field(init=False)
    hot: PageNumbers = field(init=False)
    others: list[SimProcess] = field(default_factory=list)
    status: DaemonStatus = field(init=False)

    def __post_init__(self) -> None:
        slow_pages = self.large_pages + self.small * _SMALL_PAGES
        topology = sim_topology((0,), (1,), {0: self.fast_pages, 1: slow_pages + 1024})
        self.machine = SimMachine(topology, clock=self.clock)
        self.large = self.machine.spawn(100, "large")
        self.memory = self.machine.map(self.large, REGION_BYTES, self.large_pages, 1)
        behind = (2 + self.large_pages // (REGION_BYTES // 4096)) * REGION_BYTES
        for number in range(self.small):
            self.others.append(self.machine.spawn(1000 + number, "small"))
            self.machine.map(self.others[-1], behind, _SMALL_PAGES, 1)
        chosen = np.random.default_rng(1).permutation(self.large_pages)[: self.hot_pages]
        self.hot = np.sort(chosen)

    def run(self, seconds: float, *, until: float = 2.0, settings: Settings | None = None) -> None:
        """For so long, or until this share of the hot pages is on the fast tier."""

        def touch() -> None:
            self.memory.touch(self.hot)
            for process in (self.large, *self.others):
                process.run()
            now, up = self.clock.now(), int((~self.memory.slow.reshape(-1)[self.hot]).sum())
            self.promoted.append((now, up))
            if len(self.promoted) % 20 == 0:
                used = daemon.status().cpu_seconds
                self.spent.append((now, used["scanning"] + used["aging"]))
            if now >= seconds or up >= until * self.hot_pages:
                self.done.set()
            else:
                self.clock.at(now + _TOUCH_S, touch)

        daemon = Daemon(self.machine, settings=settings or Settings(), clock=self.clock)
        self.clock.at(_TOUCH_S / 2, touch)
        with daemon:
            assert self.done.wait(TIMEOUT_S)
            self.status = daemon.status()

    def seconds_to(self, share: float) -> float:
        """When that share of the hot pages was on the fast tier first."""
        return next(at for at, up in self.promoted if up and up >= share * self.hot_pages)

    @property
    def cold_promoted(self) -> int:
        """Pages on the fast tier that never were hot."""
        slow = self.memory.slow.reshape(-1)
        return int((~slow).sum() - (~slow[self.hot]).sum())

    def most_spent_in(self, window_s: float, since: float) -> float:
        """CPU seconds of the scanner in the worst span of that length that begins later."""
        times, used = np.array(self.spent).T
        starts = np.flatnonzero((times >= since) & (times <= times[-1] - window_s))
        ends = np.searchsorted(times, times[starts] + window_s, side="right") - 1
        spans: FloatArray = used[ends] - used[starts]
        return float(spans.max())
