"""One case of the comparison: a policy on a workload, and the figures that came out."""

from dataclasses import asdict, dataclass
from typing import TypedDict

import numpy as np

from mmscand.model import BoolArray, FloatArray
from mmscand.sim.oracle import least_latency_ns, static_share
from mmscand.sim.placement import FAST_NS, SLOW_NS, Trace, simulate
from mmscand.sim.workload import Workload
from mmscand.sim.workloads import Frame, workload_named

_WINDOWS = 120.0
"""Length of a run where a page is used at least once a window; longer in proportion otherwise."""
_RECOVERED = 0.95


@dataclass(frozen=True, slots=True)
class Case:
    """What is simulated; fields and names are those of the command line."""

    workload: str
    policy: str
    ratio: int
    """Slow pages for each fast one."""
    intensity: float
    seed: int
    pages: int = 65536
    windows: float | None = None
    processes: int = 1
    """Each has its part of the pages, hot and cold ones."""

    @property
    def name(self) -> str:
        """Unique, and fit for a file."""
        length = "" if self.windows is None else f"-w{self.windows:g}"
        where = f"{self.workload}-{self.policy}-1to{self.ratio}-m{self.intensity:g}"
        processes = "" if self.processes == 1 else f"-p{self.processes}"
        return f"{where}-s{self.seed}-n{self.pages}{processes}{length}"

    @property
    def capacity(self) -> int:
        """Pages that fit the fast tier."""
        return self.pages // (self.ratio + 1)

    @property
    def length(self) -> float:
        """Base windows that are run."""
        busy = self.intensity * (512 if self.workload == "huge" else 1)
        return self.windows or _WINDOWS * max(1.0, 1 / busy)


class Figures(TypedDict):
    """What came out. Shares are of 1, `pp` are points of 100."""

    hit_share: float
    """From the first quarter on, as all figures that do not say otherwise."""
    epoch_share: float
    """The same of the hottest pages of each step (O-epoch)."""
    static_share: float
    """The same of the best pages if they may never change (O-static)."""
    regret_pp: float
    steady_regret_pp: float
    """Over the last quarter."""
    moves_percent: float
    """Promotions a pass, of the fast tier, over the last quarter."""
    promotions: int
    """In the whole run."""
    again_percent: float
    """Of all promotions: of pages demoted less than 10 windows before."""
    recovery_periods: int | None
    """After a full shift, until 95 % of the new optimum; the number of passes where never."""
    recovery_clears: float | None
    """Until then: how often a page that is hot after the shift was cleared, in the mean."""
    clears_a_second: float
    """Accessed bits that were cleared, of a page and base window, in the mean of the whole run."""
    swept_percent: float | None
    """Of the fast tier: pages promoted that a pass over cold pages had touched."""
    latency_ns: float
    """Mean of an access, with the moves in it."""
    least_ns: float
    """O-cost's bound of it."""
    whole_latency_ns: float
    """Over the whole run, the start included."""
    passes: int


class Record(TypedDict):
    """A case and its figures, as written to files."""

    case: dict[str, object]
    figures: Figures


def run_case(case: Case) -> Record:
    """Simulate it. The same case gives the same figures on processors of one kind: the last bit of
    numpy's exp and log is another one with AVX-512.
    """
    frame = Frame(case.pages, case.capacity, case.length, case.intensity, case.seed)
    workload = workload_named(case.workload, frame)
    how = case.policy, case.capacity, case.length, case.seed
    trace = simulate(workload, *how, processes=case.processes)
    return Record(case=asdict(case), figures=figures_of(trace, workload, case))


def figures_of(trace: Trace, workload: Workload, case: Case) -> Figures:
    """Every figure of a trace."""
    times, up = np.array(trace.times), np.array(trace.up)
    accesses, hits, best = (np.array(x) for x in (trace.accesses, trace.hits, trace.best))
    later, last = times > case.length / 4, times > case.length * 3 / 4
    latency = _Latency(trace, workload.move_ns)
    start, end = float(times[~later].max(initial=0.0)), float(times[-1])
    return Figures(
        hit_share=float(hits[later].sum() / accesses[later].sum()),
        epoch_share=float(best[later].sum() / accesses[later].sum()),
        static_share=static_share(workload, case.capacity, start, end),
        regret_pp=_regret_pp(accesses, hits, best, later),
        steady_regret_pp=_regret_pp(accesses, hits, best, last),
        moves_percent=float(100 * up[last].mean() / case.capacity),
        promotions=int(up.sum()),
        again_percent=100 * sum(trace.again) / max(1, int(up.sum())),
        recovery_periods=_recovery(trace, workload.shift_at),
        recovery_clears=_clears_until(trace, workload.shift_at),
        clears_a_second=trace.cleared / case.pages / end,
        swept_percent=100 * trace.swept_up / case.capacity if workload.sweep else None,
        latency_ns=latency.mean_ns(later),
        least_ns=least_latency_ns(workload, case.capacity, start, end),
        whole_latency_ns=latency.mean_ns(times > 0),
        passes=len(times),
    )


def _regret_pp(accesses: FloatArray, hits: FloatArray, best: FloatArray, when: BoolArray) -> float:
    return float(100 * (best[when].sum() - hits[when].sum()) / accesses[when].sum())


def _recovery(trace: Trace, shift_at: float | None) -> int | None:
    if shift_at is None:
        return None
    after = [
        share for time, share in zip(trace.times, trace.capture, strict=True) if time > shift_at
    ]
    reached = (number for number, share in enumerate(after, 1) if share >= _RECOVERED)
    return next(reached, len(after))


def _clears_until(trace: Trace, shift_at: float | None) -> float | None:
    recovered = _recovery(trace, shift_at)
    if shift_at is None or recovered is None:
        return None
    clears = zip(trace.times, trace.hot_clears, strict=True)
    return [count for time, count in clears if time > shift_at][recovered - 1]


class _Latency:
    def __init__(self, trace: Trace, move_ns: float) -> None:
        hits, self._accesses = np.array(trace.hits), np.array(trace.accesses)
        moves = np.array(trace.up) + np.array(trace.down)
        misses = self._accesses - hits
        self._spent = hits * FAST_NS + misses * SLOW_NS + moves * move_ns

    def mean_ns(self, when: BoolArray) -> float:
        return float(self._spent[when].sum() / self._accesses[when].sum())
