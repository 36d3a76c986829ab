"""What a pass over much memory costs when little of it is in use, on the simulated machine.

The daemon as it is, in time that jumps: one process with 4K pages on the slow node, of which a few
ranges at seeded places are accessed before each pass, and a fast node of an eighth of the memory.
Passes are measured once nothing is promoted any more: CPU time of the scanner's thread, what the
simulated machine takes for reading and aging apart from the rest, which is our own code. Beside it
everything is read once more in the same run, and nothing remembered of it: the ratio's base.
"""

import argparse
import cProfile
import pstats
import resource
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import get_args

import numpy as np

from benchmarks import tell
from mmscand.clock import CpuMeter, SystemClock
from mmscand.daemon import Daemon
from mmscand.model import (
    PAGE_BYTES,
    REGION_BYTES,
    Aged,
    AllowedNodes,
    BoolArray,
    PageBlock,
    Process,
    UIntArray,
    VmaTable,
    Window,
)
from mmscand.observe.events import Event, PassEnd
from mmscand.settings import PolicyName, Settings
from mmscand.sim.address_space import SimAddressSpace
from mmscand.sim.clock import SimClock
from mmscand.sim.machine import SimMachine
from mmscand.sim.nodes import sim_topology
from mmscand.sim.process import SimProcess

_PAGES_PER_GIB = REGION_BYTES // PAGE_BYTES
_PAGES_PER_MIB = _PAGES_PER_GIB >> 10
_START = 1 << 40
_WHOLE_PASS_MB = 1 << 30
_QUIET_PASSES = 16
"""In a row with nothing queued: more than a history remembers, so what is cold is known to be."""
_MOST_PASSES = 1000
_LIMIT_S = 3600.0


class TimedSpace(SimAddressSpace):
    """Tells what of the scanner's time is the simulated machine's."""

    def __init__(self, plain: SimAddressSpace, meter: CpuMeter) -> None:
        self.__dict__.update(plain.__dict__)
        self._meter = meter

    def read(self, vmas: VmaTable, start: int = 0) -> Iterator[Window]:
        """Window by window."""
        windows = super().read(vmas, start)
        while True:
            with self._meter:
                window = next(windows, None)
            if window is None:
                return
            yield replace(window, blocks=tuple(self._timed(block) for block in window.blocks))

    def _timed(self, block: PageBlock) -> PageBlock:
        def frames() -> UIntArray:
            with self._meter:
                return block.frames

        return replace(block, frames_or_how=frames)

    def age(self, block: PageBlock, mask: BoolArray, vmas: VmaTable) -> Aged:
        """See SimAddressSpace."""
        with self._meter:
            return super().age(block, mask, vmas)

    def shared(self, addresses: UIntArray) -> BoolArray:
        """See SimAddressSpace."""
        with self._meter:
            return super().shared(addresses)

    def allowed_nodes(self, addresses: UIntArray, vmas: VmaTable) -> AllowedNodes:
        """See SimAddressSpace."""
        with self._meter:
            return super().allowed_nodes(addresses, vmas)


class TimedMachine(SimMachine):
    """Its address spaces are timed, all by one meter: only the scanner reads and ages."""

    meter = CpuMeter(SystemClock())

    def open(self, process: Process) -> TimedSpace:
        """See SimMachine."""
        return TimedSpace(super().open(process), self.meter)


@dataclass
class Bench:
    """The machine, and what is seen of each pass."""

    gib: int
    active_percent: float
    range_mib: int
    machine: TimedMachine = field(init=False)
    process: SimProcess = field(init=False)
    active: list[range] = field(init=False)
    """Page numbers from the start of the mapping."""
    cpu_ms: list[float] = field(default_factory=list)
    sim_ms: list[float] = field(default_factory=list)
    ends: list[PassEnd] = field(default_factory=list)
    _began: tuple[float, float] = (0.0, 0.0)
    wanted: int = 0
    """Passes that are to be measured."""
    done: threading.Event = field(default_factory=threading.Event)
    profile: cProfile.Profile | None = None

    def __post_init__(self) -> None:
        pages = self.gib * _PAGES_PER_GIB
        topology = sim_topology((0,), (1,), {0: pages // 8, 1: pages})
        self.machine = TimedMachine(topology)
        self.process = self.machine.spawn(100, "app")
        self.machine.map(self.process, _START, pages, 1)
        size = self.range_mib * _PAGES_PER_MIB
        places = np.random.default_rng(1).permutation(pages // size)
        chosen = np.sort(places[: round(len(places) * self.active_percent / 100)])
        self.active = [range(at * size, (at + 1) * size) for at in chosen.tolist()]

    @property
    def quiet(self) -> int:
        """Passes in a row, up to now, in which nothing was queued."""
        busy = [number for number, end in enumerate(self.ends) if end.queued or end.waiting]
        return len(self.ends) - 1 - max(busy, default=-1)

    def __call__(self, event: Event) -> None:
        """In the scanner's thread: what it does between two ends of passes is one pass."""
        if isinstance(event, PassEnd):
            cpu, sim = time.thread_time(), self.machine.meter.seconds
            if self.profile is not None:
                self.profile.disable()
            self._note(event, cpu - self._began[0], sim - self._began[1])
            for pages in self.active:
                self.process.touch(_START, pages)
            if self.profile is not None and self.quiet >= _QUIET_PASSES:
                self.profile.enable()
            self._began = time.thread_time(), self.machine.meter.seconds

    def _note(self, event: PassEnd, cpu_s: float, sim_s: float) -> None:
        self.ends.append(event)
        self.cpu_ms.append(cpu_s * 1e3)
        self.sim_ms.append(sim_s * 1e3)
        if self.quiet >= _QUIET_PASSES + self.wanted or len(self.ends) >= _MOST_PASSES:
            self.done.set()

    def run(self, passes: int, policy: PolicyName) -> None:
        """Until so many passes were measured in the steady state."""
        self.wanted = passes
        daemon = Daemon(
            self.machine, settings=settings(policy), observer=self, clock=SimClock(threads=2)
        )
        daemon.start()
        ended = self.done.wait(_LIMIT_S)
        daemon.stop()
        if not ended or len(self.ends) >= _MOST_PASSES:
            raise TimeoutError(f"after {len(self.ends)} passes pages were still being promoted")

    def read_everything_ms(self) -> float:
        """All windows, and what is slow and accessed counted."""
        space = SimMachine.open(self.machine, self.process.process)
        began = time.thread_time()
        for window in space.read(space.vmas()):
            for block in window.blocks:
                np.count_nonzero(block.slow & block.accessed)
        return (time.thread_time() - began) * 1e3


def settings(policy: PolicyName) -> Settings:
    """A visit is a pass, and what is promoted comes up as fast as it can be moved."""
    return Settings(
        policy=policy,
        scan_size_mb=_WHOLE_PASS_MB,
        scan_size_min_mb=_WHOLE_PASS_MB,
        scan_size_max_mb=_WHOLE_PASS_MB,
        cpu_budget_percent=100.0,
        migrate_rate_mb_s=0,
        migrate_batch_pages=262_144,
        migration_list_slots=1 << 20,
    )


def measure(bench: Bench, passes: int, policy: PolicyName) -> dict[str, float | int | str]:
    """All figures."""
    bench.run(passes, policy)
    pages = bench.gib * _PAGES_PER_GIB
    cpu, sim = bench.cpu_ms[-passes:], bench.sim_ms[-passes:]
    own = [both - simulated for both, simulated in zip(cpu, sim, strict=True)]
    median = statistics.median(cpu)
    everything = statistics.median(bench.read_everything_ms() for _ in range(5))
    examined = statistics.median(end.examined for end in bench.ends[-passes:])
    return {
        "cpu_ms": round(median, 2),
        "own_ms": round(statistics.median(own), 2),
        "simulator_ms": round(statistics.median(sim), 2),
        "mean_cpu_ms": round(statistics.fmean(cpu), 2),
        "longest_cpu_ms": round(max(cpu), 2),
        "ns_per_page": round(median * 1e6 / pages, 3),
        "read_everything_ms": round(everything, 2),
        "ratio_vs_read_everything": round(everything / median, 3),
        "examined_percent": round(100 * examined / pages, 2),
        "pages": pages,
        "active_pages": sum(map(len, bench.active)),
        "promoted_pages": int((~bench.process.vmas[0].slow).sum()),
        "passes_to_steady_state": len(bench.ends) - _QUIET_PASSES - passes,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "command": f"script/bench pass_cost --gib {bench.gib} --policy {policy}",
    }


def main() -> int:
    """Print the figures, and write them as JSON when asked to."""
    parser = argparse.ArgumentParser(prog="script/bench pass_cost", description=__doc__)
    parser.add_argument("--gib", type=int, default=64, help="memory of the process, in GiB")
    parser.add_argument("--active", type=float, default=5.0, help="of it in use, in percent")
    parser.add_argument("--range", type=int, default=32, help="one active range, in MiB")
    parser.add_argument("--passes", type=int, default=20, help="measured in the steady state")
    parser.add_argument("--policy", choices=get_args(PolicyName), default="capacity")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    parser.add_argument(
        "--profile", type=int, metavar="N", help="print the N functions with most time; slower"
    )
    options = parser.parse_args()
    bench = Bench(options.gib, options.active, options.range)
    bench.profile = cProfile.Profile() if options.profile else None
    try:
        figures = measure(bench, options.passes, options.policy)
    except TimeoutError as error:
        print(f"bench pass_cost: {error}", file=sys.stderr)
        return 1
    tell(figures, options.json)
    if bench.profile is not None:
        pstats.Stats(bench.profile).sort_stats("tottime").print_stats(options.profile)
    return 0


if __name__ == "__main__":
    sys.exit(main())
