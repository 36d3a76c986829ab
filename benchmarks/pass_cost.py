"""What a pass over much memory costs when little of it is in use, on the simulated machine.

The whole daemon, in time that jumps: one process with 4K pages on the slow node, of which a few
ranges at seeded places are accessed before each pass, and a fast node of an eighth of the memory.
Passes are measured once nothing is promoted any more: CPU time of the scanner's thread, what the
simulated machine takes for reading and aging apart from the rest, which is our own code. Beside it
everything is read once more in the same run, and nothing remembered of it: the ratio's base.

With `--seconds` the policy chooses its own times, from the first visit on: CPU time a second of
watching, for policies that visit a process more or less often.
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
from mmscand.observe.events import Event, PassEnd, PassStart
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
_ACCESSES_A_SECOND = 10.0
"""Of a page in use, by chance (Poisson)."""
_AT_THE_END_S = 60
_LIMIT_S = 3600.0


class TimedSpace(SimAddressSpace):
    """Shows what of the scanner's time is the simulated machine's."""

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
    clock: SimClock = field(default_factory=lambda: SimClock(threads=2))
    process: SimProcess = field(init=False)
    active: list[range] = field(init=False)
    """Page numbers from the start of the mapping."""
    cpu_ms: list[float] = field(default_factory=list)
    sim_ms: list[float] = field(default_factory=list)
    ends: list[PassEnd] = field(default_factory=list)
    at_s: list[float] = field(default_factory=list)
    """Simulated times of these ends."""
    _began: tuple[float, float] = (0.0, 0.0)
    wanted: int = 0
    """Passes that are to be measured."""
    seconds: float | None = None
    """Simulated ones that are to be measured, in place of passes."""
    _touched_s: float = -1.0
    _random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(1))
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
        """In the scanner's thread: what it does between two ends of passes is one pass, but for
        the accesses, which come before bits are read.
        """
        if isinstance(event, PassStart):
            began = time.thread_time()
            self._touch()
            self._began = self._began[0] + time.thread_time() - began, self._began[1]
        elif isinstance(event, PassEnd):
            cpu, sim = time.thread_time(), self.machine.meter.seconds
            if self.profile is not None:
                self.profile.disable()
            self._note(event, cpu - self._began[0], sim - self._began[1])
            if self.profile is not None and self.quiet >= _QUIET_PASSES:
                self.profile.enable()
            self._began = time.thread_time(), self.machine.meter.seconds

    def _touch(self) -> None:
        """What is active is accessed for as long as it is since the pass before."""
        seconds = self.clock.now() - self._touched_s
        self._touched_s = self.clock.now()
        chance = -np.expm1(-_ACCESSES_A_SECOND * seconds)
        for pages in self.active:
            some = self._random.random(len(pages), dtype=np.float32) < chance
            self.process.touch(_START, pages.start + np.flatnonzero(some))

    def _note(self, event: PassEnd, cpu_s: float, sim_s: float) -> None:
        self.ends.append(event)
        self.cpu_ms.append(cpu_s * 1e3)
        self.sim_ms.append(sim_s * 1e3)
        self.at_s.append(self.clock.now())
        if self.seconds is not None:
            enough = self.clock.now() >= self.seconds
        else:
            enough = self.quiet >= _QUIET_PASSES + self.wanted or len(self.ends) >= _MOST_PASSES
        if enough:
            self.done.set()

    def run(self, policy: PolicyName, *, passes: int = 0, seconds: float | None = None) -> None:
        """Until this number of passes was measured in the steady state, or these seconds."""
        self.wanted, self.seconds = passes, seconds
        daemon = Daemon(self.machine, settings=settings(policy), observer=self, clock=self.clock)
        daemon.start()
        ended = self.done.wait(_LIMIT_S)
        daemon.stop()
        if not ended or (seconds is None and len(self.ends) >= _MOST_PASSES):
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
    """A visit is a pass, and what is promoted is promoted as fast as it can be moved."""
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
    bench.run(policy, passes=passes)
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


def measure_seconds(
    bench: Bench, seconds: float, policy: PolicyName
) -> dict[str, float | int | str]:
    """CPU time of each second of watching."""
    bench.run(policy, seconds=seconds)
    cpu, at = np.array(bench.cpu_ms), np.array(bench.at_s)
    each = np.bincount(at.astype(np.intp), weights=cpu, minlength=int(seconds))[: int(seconds)]
    everything = statistics.median(bench.read_everything_ms() for _ in range(5))
    return {
        "mean_ms_a_second": round(float(each.mean()), 2),
        "median_at_the_end_ms_a_second": round(float(np.median(each[-_AT_THE_END_S:])), 2),
        "longest_visit_ms": round(float(cpu.max()), 2),
        "first_ten_seconds_ms": round(float(each[:10].sum()), 1),
        "visits_a_second_at_the_end": round(
            float((at > seconds - _AT_THE_END_S).sum()) / _AT_THE_END_S, 2
        ),
        "simulator_share": round(sum(bench.sim_ms) / float(cpu.sum()), 3),
        "read_everything_ms": round(everything, 2),
        "promoted_pages": int((~bench.process.vmas[0].slow).sum()),
        "active_pages": sum(map(len, bench.active)),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "command": f"script/bench pass_cost --gib {bench.gib} --policy {policy}"
        f" --seconds {seconds:g}",
    }


def main() -> int:
    """Print the figures, and write them as JSON when asked to."""
    parser = argparse.ArgumentParser(prog="script/bench pass_cost", description=__doc__)
    parser.add_argument("--gib", type=int, default=64, help="memory of the process, in GiB")
    parser.add_argument("--active", type=float, default=5.0, help="of it in use, in percent")
    parser.add_argument("--range", type=int, default=32, help="one active range, in MiB")
    parser.add_argument("--passes", type=int, default=20, help="measured in the steady state")
    parser.add_argument("--seconds", type=float, help="measure these, from the first visit on")
    parser.add_argument("--policy", choices=get_args(PolicyName), default="capacity")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    parser.add_argument(
        "--profile", type=int, metavar="N", help="print the N functions with most time; slower"
    )
    options = parser.parse_args()
    bench = Bench(options.gib, options.active, options.range)
    bench.profile = cProfile.Profile() if options.profile else None
    try:
        if options.seconds:
            figures = measure_seconds(bench, options.seconds, options.policy)
        else:
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
