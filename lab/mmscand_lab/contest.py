"""Tiering policies compared: the same machine, loads and seeds, one run after another.

``python -m mmscand_lab.contest --results DIR`` runs in a guest with two tiers. For each load,
policy and seed: the load's memory is on the slow node, and the fast one has little room; it runs
alone, then with the policy for 40 s, then it changes, if it does, for as long. Figures come from
what the load knows, never from a policy. DIR gets `contest.json`, and what is in it already is
not run again: delete it to begin again.

Exit status: 0 measured, 1 failed, 2 bad arguments, 3 this machine cannot.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import psutil

from mmscand.errors import MmscandError
from mmscand.linux.free_memory import FreeMemory
from mmscand.linux.topology import NodeReader, read_topology, require_two_tiers
from mmscand.model import Topology
from mmscand_lab.ending import exit_status
from mmscand_lab.host_load import others_cpu_s
from mmscand_lab.kernel import LabError
from mmscand_lab.loads import LOADS, ROOM_PAGES, Load, RunningLoad
from mmscand_lab.place import Place
from mmscand_lab.policies import POLICIES, Stage, policy_named
from mmscand_lab.programs import shipped_budget
from mmscand_lab.room import room_on
from mmscand_lab.standings import (
    FIGURES,
    LEVELS,
    THROUGHPUT,
    Curve,
    Run,
    load_runs,
    missing,
    run_folder,
    save_curve,
    save_runs,
)
from mmscand_lab.tier_speeds import TierSpeeds
from mmscand_lab.usage import cpu_seconds, system_seconds, vmstat

_ALONE_S, _PHASE_S, _REST_S = 6.0, 40.0, 10.0
"""On a core that is 18 times slower 40 s are two seconds of a real machine. After 20 s programs of
Python, which are emulated too, were still at their first decisions: no rest, but the start."""
_SAMPLE_S = 0.5
_SERVED_S = 2.0
"""How long accesses are counted at the end; with phases, all the time."""
_UP = 0.95
# What mmscand leaves free (`room_pages`), so that the daemon can use the room that it is given.
_HEADROOM_PAGES = 2048
_KERNEL_THREADS = ("kswapd", "kdamond", "kcompactd")


@dataclass(slots=True)
class _Judge:
    """Looks how much of a load is on the top tier."""

    load: RunningLoad
    at: list[float] = field(default_factory=list)
    levels: list[float] = field(default_factory=list)

    def watch(self, started: float, seconds: float) -> float | None:
        """For so long; the seconds until 95 % of the best are up, None when they never are."""
        found: float | None = None
        best = self.load.best or np.inf
        while (now := time.monotonic()) < started + seconds:
            self.load.require_alive()
            self.at.append(now)
            self.levels.append(self.load.level())
            if found is None and self.levels[-1] >= _UP * best:
                found = now - started
            time.sleep(max(0.0, min(now + _SAMPLE_S, started + seconds) - time.monotonic()))
        return found

    def shares(self, *, steady: bool) -> dict[str, float]:
        """The mean over time, and that at the end of what is steady: of its accesses or memory."""
        what = "memory" if self.load.best is None else "hit"
        at_end = {f"{what}_share": self.levels[-1]} if steady else {}
        return {**at_end, f"{what}_share_over_time": float(np.mean(self.levels))}


def contest(
    name: str, policy: str, seed: int, results: Path, topology: Topology, speeds: TierSpeeds
) -> Run:
    """Measure one policy on one load. Raises MmscandError."""
    folder = run_folder(results, name, policy, seed)
    # Of a run that was interrupted: its files would be taken for this one's.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    load = LOADS[name]
    with load.start(Place(topology, folder, seed, speeds)) as running:
        fast, spans, disturbed = min(topology.fast), Spans(), Disturbance(results)
        with speeds.all_fast(fast) as simulated:
            if simulated:
                spans["all_fast"] = _waited(_ALONE_S)
        spans["alone"] = _waited(_ALONE_S)
        with room_on(fast, ROOM_PAGES + _HEADROOM_PAGES, FreeMemory()):
            figures, phases = _with_policy(load, running, policy, folder, topology, speeds)
        ops, spans = running.ops(), spans | phases
        figures |= rates(ops, spans) | disturbed.figures()
        figures["core_slower_by"] = speeds.slowness
        save_curve(folder, THROUGHPUT, over_time(ops, spans))
    return Run(name, policy, seed, {key: figures[key] for key in FIGURES if key in figures})


class Disturbance:
    """What the host does beside the guest, from now on."""

    def __init__(self, results: Path) -> None:
        self._results = results
        self._since, self._others_s = time.monotonic(), others_cpu_s(results)

    def figures(self) -> dict[str, float | None]:
        """Cores that others have used; nothing where nobody knows."""
        now_s = others_cpu_s(self._results)
        if now_s is None or self._others_s is None:
            return {}
        cores = (now_s - self._others_s) / (time.monotonic() - self._since)
        return {"others_cores": max(0.0, cores)}


Spans = dict[str, tuple[float, float]]
"""From when to when, in seconds of CLOCK_MONOTONIC."""


def _waited(seconds: float) -> tuple[float, float]:
    """Wait, and give the span without its first second, in which something else may have ended."""
    time.sleep(seconds)
    now = time.monotonic()
    return now - seconds + 1, now


def _with_policy(
    load: Load,
    running: RunningLoad,
    policy: str,
    folder: Path,
    topology: Topology,
    speeds: TierSpeeds,
) -> tuple[dict[str, float | None], Spans]:
    judge, known = _Judge(running), running.best is not None
    # Where phases change, the end alone says nothing of the rest.
    steady = load.change != "phases"
    # Before it starts: in the kernel it is at work at once.
    threads, moved = _threads_s(), vmstat("pgmigrate_success")
    stage = Stage(topology, running.options, folder, speeds.slowness)
    with policy_named(policy).at_work(stage) as daemon:
        begun, in_task, used = time.monotonic(), _in_task_s(running.pid), _daemon_s(daemon)
        served = speeds.served()
        first = judge.watch(begun, _PHASE_S)
        rested = time.monotonic()
        figures: dict[str, float | None] = {"seconds_to_95": first} if known and steady else {}
        if load.change:
            running.change()
            again = judge.watch(time.monotonic(), _PHASE_S)
            figures |= {"seconds_to_95_after_shift": again} if load.change == "shift" else {}
        if steady:
            served = speeds.served()
            time.sleep(_SERVED_S if served else 0.0)
        if (share := speeds.fast_share(served, sorted(topology.fast))) is not None:
            figures["served_fast"] = share
        figures["pages_moved"] = float(vmstat("pgmigrate_success") - moved)
        figures["cpu_s"] = _threads_s() - threads + _daemon_s(daemon) - used
        figures["system_s"] = _in_task_s(running.pid) - in_task
        figures |= running.end()
    levels = [(at - begun, level) for at, level in zip(judge.at, judge.levels, strict=True)]
    save_curve(folder, LEVELS, levels)
    figures |= judge.shares(steady=steady)
    if not steady:
        return figures, {"moving": (begun, judge.at[-1])}
    moving = (begun, begun + (first or _PHASE_S))
    return figures, {"moving": moving, "rest": (rested - _REST_S, rested)}


def _threads_s() -> float:
    """CPU time of the kernel threads that move pages or make room, so far."""
    every = psutil.process_iter(["name"])
    return cpu_seconds(p for p in every if p.info["name"].startswith(_KERNEL_THREADS))


def _daemon_s(pid: int | None) -> float:
    return cpu_seconds([psutil.Process(pid)]) if pid else 0.0


def _in_task_s(pid: int) -> float:
    """CPU time that a process and its children have spent in the kernel, so far."""
    process = psutil.Process(pid)
    return system_seconds([process, *process.children(recursive=True)])


def rates(ops: npt.NDArray[np.float64], spans: Spans) -> dict[str, float | None]:
    """Speeds in a span alone, one while pages move and one at rest, from rows as `load_ops` has.

    A load whose hot pages change all the time has no span at rest.
    With a span `all_fast` throughput is a share of that, else a multiple of what it is alone.

    Each row is a second that ended at its moment; a span has those that ended in it, and one more.
    Means of operations, so that a pause counts; medians of the seconds' 99th percentiles.
    """
    rows = {name: _within(ops, span) for name, span in spans.items()}
    rate = {name: float(part[:, 1].mean()) if len(part) else 0.0 for name, part in rows.items()}
    p99 = {name: float(np.median(part[:, 2])) if len(part) else 0.0 for name, part in rows.items()}
    if "all_fast" in rate:
        of = max(rate["all_fast"], 1e-9)
        measured = [name for name in ("alone", "moving", "rest") if name in rate]
        shares = {f"throughput_{name}": rate[name] / of for name in measured}
    else:
        of = max(rate["alone"], 1e-9)
        measured = [name for name in ("moving", "rest") if name in rate]
        shares = {f"ops_{name}_ratio": rate[name] / of for name in measured}
    return {
        **shares,
        "ops_alone": rate["alone"],
        "p99_ms_alone": p99["alone"],
        "p99_ms_moving": p99["moving"],
    }


def _within(ops: npt.NDArray[np.float64], span: tuple[float, float]) -> npt.NDArray[np.float64]:
    """The seconds that ended in the span, and one more."""
    return ops[(ops[:, 0] > span[0]) & (ops[:, 0] <= span[1] + 1)]


def over_time(ops: npt.NDArray[np.float64], spans: Spans) -> Curve:
    """Throughput since the policy began, as a share of all-fast; empty without a span `all_fast`.

    Begins a second earlier, with the load still alone.
    """
    if "all_fast" not in spans or not len(fast := _within(ops, spans["all_fast"])):
        return []
    begun, of = spans["moving"][0], max(float(fast[:, 1].mean()), 1e-9)
    return [(at - begun, rate / of) for at, rate, _ in ops[ops[:, 0] > begun - 1].tolist()]


def _run_all(options: argparse.Namespace) -> None:
    """Run what is missing; LabError at the end when some of it failed."""
    for name in options.policies:
        policy_named(name)
    topology = read_topology(NodeReader())
    require_two_tiers(topology)
    speeds = TierSpeeds(options.slow_memory, options.native_s)
    speeds.calibrate(sorted(topology.fast | topology.slow))
    budget = " ".join(shipped_budget(speeds.slowness))
    print(f"a core is {speeds.slowness:.1f} times slower; mmscand-shipped: {budget}", flush=True)
    runs = load_runs(options.results)
    left = missing(runs, options.workloads, options.policies, options.seeds)
    failed: list[str] = []
    for number, run in enumerate(left, 1):
        where = f"{run.load}, {run.policy}, seed {run.seed}"
        print(f"{number} of {len(left)}: {where}", flush=True)
        try:
            done = contest(run.load, run.policy, run.seed, options.results, topology, speeds)
            runs.append(done)
            save_runs(options.results, runs)
        except (MmscandError, OSError, psutil.Error) as error:
            failed.append(f"{where}: {error}")
    if failed:
        raise LabError(
            f"{len(failed)} of {len(left)} runs failed; {failed[-1]}",
            hint="the same again tries them",
        )


def main(argv: Sequence[str] | None = None) -> int:
    """The program; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m mmscand_lab.contest", description=__doc__)
    add = parser.add_argument
    add("--results", type=Path, required=True, help="folder for what is measured")
    add("--workloads", nargs="+", choices=list(LOADS), default=list(LOADS))
    add("--policies", nargs="+", default=list(POLICIES))
    add("--slow-memory", type=Path, help="folder of the plug-in for slow memory")
    add("--native-s", type=float, default=0.0, help="slowness.work_s() of the host")
    add("--seeds", nargs="+", type=int, default=[1], help="a run each")
    options = parser.parse_args(argv)
    return exit_status("contest", lambda: _run_all(options))


if __name__ == "__main__":
    sys.exit(main())
