"""The pages of some processes on a simulated machine with two tiers, and the daemon beside them.

Simulated workloads and recordings say which Accessed bits are set; all the rest is the daemon of
`mmscand run`. Where its policy demotes nothing, the kernel makes room for what is to be promoted,
as it does for NUMA balancing.
"""

from itertools import pairwise

import numpy as np

from mmscand.engine.registry import DEFAULT
from mmscand.model import PAGES_PER_TABLE, REGION_BYTES, BoolArray, PageNumbers
from mmscand.observe.events import ignore
from mmscand.observe.why import ProcessRates
from mmscand.scan.visit import Watcher
from mmscand.settings import Settings, changed
from mmscand.sim.machine import SimMachine
from mmscand.sim.memory import Watermarks
from mmscand.sim.nodes import sim_topology
from mmscand.sim.process import SimProcess
from mmscand.sim.stepped import SteppedClock, SteppedDaemon

FAST, SLOW = 0, 1


class World:
    """All pages are absent at first."""

    def __init__(
        self,
        policy: str,
        pages: int,
        capacity: int,
        *,
        processes: int = 1,
        watcher: Watcher | None = None,
    ) -> None:
        """`capacity` pages fit the fast tier. Each of the processes has its part of all pages."""
        node = _in_tables(capacity)
        self._unused = node - capacity
        marks = Watermarks(self._unused, self._unused, self._unused)
        topology = sim_topology((FAST,), (SLOW,), {FAST: node, SLOW: node + _in_tables(pages)})
        self.clock = SteppedClock()
        self.machine = SimMachine(topology, watermarks={FAST: marks}, clock=self.clock)
        whole = self.machine.spawn(1)
        self._memory = self.machine.map(whole, REGION_BYTES, _in_tables(pages), SLOW)
        self._pages = slice(pages)
        self.free(np.arange(_in_tables(pages)))
        self._processes = [whole] if processes == 1 else self._divided(whole, processes)
        self._demotes = policy == DEFAULT
        self._daemon = SteppedDaemon(
            self.machine, self.clock, _settings_of(policy), ignore, watcher
        )

    def _divided(self, whole: SimProcess, number: int) -> list[SimProcess]:
        borders = np.linspace(0, len(self._memory.accessed), number + 1).astype(np.intp).tolist()
        whole.vmas = []
        parts = [self.machine.spawn(2 + n) for n in range(number)]
        for process, (first, last) in zip(parts, pairwise(borders), strict=True):
            process.vmas = [self._memory.part(first, last)]
        return parts

    @property
    def accessed(self) -> BoolArray:
        """(pages,) Accessed bits, to be set."""
        return self._memory.accessed.reshape(-1)[self._pages]

    @property
    def fast(self) -> BoolArray:
        """(pages,) which are on the fast tier."""
        present = self._memory.frame_numbers.reshape(-1)[self._pages] != 0
        result: BoolArray = present & ~self._memory.slow.reshape(-1)[self._pages]
        return result

    def free(self, pages: PageNumbers) -> None:
        """The program gives these back."""
        self.machine.discard(self._memory, pages)

    def allocate(self, pages: PageNumbers, node: int) -> PageNumbers:
        """The program touches these, which are absent; those for which the node has room."""
        leave = self._unused if node == FAST else 0
        return self.machine.populate(self._memory, pages, node, leave)

    def rates(self) -> tuple[ProcessRates, ...]:
        """What the daemon knows of how often pages are accessed."""
        return self._daemon.rates()

    def step(self, now: float) -> float:
        """The daemon does what is due; clock time of what is due next."""
        self.clock.time = max(self.clock.time, now)
        for process in self._processes:
            process.run()
        due = self._daemon.scan()
        if not self._demotes and (wanted := self._daemon.waiting):
            self.machine.make_room(FAST, self._unused + wanted)
        return min(due, self._daemon.migrate())


def _settings_of(policy: str) -> Settings:
    """As shipped, but that all of the fast tier is for the workload, and that nothing is stopped
    because it does not pay: a workload of 256 MiB with an access a page and second never would.
    """
    wanted = {"policy": policy, "room_pages": 1, "headroom_percent": 0.0, "benefit_window_s": 0}
    return changed(Settings(), wanted).settings


def _in_tables(pages: int) -> int:
    return -(-pages // PAGES_PER_TABLE) * PAGES_PER_TABLE
