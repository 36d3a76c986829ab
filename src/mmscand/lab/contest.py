"""Ways of tiering beside each other: the same machine, workload and seed, one after another.

``python -m mmscand.lab.contest --results DIR`` runs in a guest with two tiers. For each: the
workload's memory is on the slow node; it runs alone, then with the tierer until its hot pages are
up, then its hot set moves to other pages. Measured by the truth, so nobody's own word counts.
DIR gets `result.json`.

Exit status: 0 measured, 1 failed, 2 bad arguments, 3 this machine cannot.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil

from mmscand.errors import MmscandError
from mmscand.lab.programs import Program, ready_truth, running
from mmscand.lab.result import RESULT, WORKLOAD
from mmscand.lab.samples import TierProbe
from mmscand.lab.tierers import TIERERS, Stage, Tierer
from mmscand.lab.truth import BoolArray, Truth, load_ops, shifted
from mmscand.lab.usage import cpu_seconds, vmstat
from mmscand.linux.topology import NodeReader, read_topology, require_two_tiers
from mmscand.model import Topology

_WORKLOAD = ["--mib", "256", "--hot-share", "0.1", "--layout", "random"]
_ALONE_S, _LIMIT_S, _AFTER_S = 6.0, 60.0, 6.0
_SAMPLE_S = 0.5
_UP = 0.95


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one way of tiering did. Shares of pages; None: never within a minute."""

    tierer: str
    seconds_to_95: float | None
    seconds_to_95_after_shift: float | None
    hot_share: float
    """Of the hot pages in the top tier at the end: the share of accesses that hit it."""
    hit_share_over_time: float
    """The mean of that from the tierer's start to the end."""
    wrong_share: float
    """Of the pages that were never hot, in the top tier at the end."""
    pages_moved: int
    ops_alone: float
    ops_while_moving_ratio: float
    """Operations a second until 95 % are up, against those before the tierer started."""
    ops_after_ratio: float
    p99_block_ms_alone: float
    p99_block_ms_while_moving: float
    cpu_s: float
    """CPU time of the daemon, once it is at work, and of kernel threads that work for it."""
    system_s: float
    """CPU time that the workload spent in the kernel meanwhile: what runs in its own name."""


@dataclass(slots=True)
class _Judge:
    """Looks where the workload's pages are."""

    probe: TierProbe
    truth: Truth
    hits: list[float]

    def until_up(self, hot: BoolArray, program: Program) -> float | None:
        """Seconds until they are up, then a while longer; None when they do not come."""
        started, found = time.monotonic(), None
        end = started + _LIMIT_S
        while time.monotonic() < end:
            program.require_alive()
            [share] = self.probe.shares_of(hot)
            self.hits.append(share)
            if found is None and share >= _UP:
                found = time.monotonic() - started
                end = time.monotonic() + _AFTER_S
            time.sleep(_SAMPLE_S)
        return found


def contest(name: str, results: Path, topology: Topology, seed: int) -> Outcome:
    """Run one way of tiering. Raises MmscandError."""
    folder = results / f"{name}-{seed}"
    state = folder / WORKLOAD
    state.mkdir(parents=True, exist_ok=True)
    node = ["--node", str(max(topology.slow)), "--state", str(state), "--seed", str(seed)]
    argv = ["mmscand.lab.workload", *_WORKLOAD, *node]
    with running("workload", argv, folder, folder / "workload-stdout.txt") as workload:
        truth = ready_truth(workload, state)
        time.sleep(_ALONE_S)
        with closing(TierProbe(truth, topology)) as probe:
            stage = Stage(topology, truth.pid, folder)
            outcome = _measure(name, stage, workload, _Judge(probe, truth, []))
        workload.stop()
    return outcome


def _measure(name: str, stage: Stage, workload: Program, judge: _Judge) -> Outcome:
    tierer, truth = TIERERS[name], judge.truth
    later = shifted(truth.hot, truth.seed)
    process = psutil.Process(workload.process.pid)
    alone_until = time.monotonic()
    with tierer.at_work(stage) as daemon:
        begun = time.monotonic()
        moved, system = vmstat("pgmigrate_success"), process.cpu_times().system
        cpu = _cpu_seconds(tierer, daemon)
        first = judge.until_up(truth.hot, workload)
        at_rest = time.monotonic()
        workload.process.send_signal(signal.SIGUSR1)
        second = judge.until_up(later, workload)
        cpu = _cpu_seconds(tierer, daemon) - cpu
        hot, wrong = judge.probe.shares_of(later, ~truth.hot & ~later)
        system = process.cpu_times().system - system
    ops = load_ops(stage.results / WORKLOAD)
    alone = _between(ops, alone_until - _ALONE_S + 1, alone_until)
    moving = _between(ops, begun, begun + (first or _LIMIT_S))
    rest = _between(ops, at_rest - _AFTER_S, at_rest)
    return Outcome(
        name,
        first,
        second,
        hot,
        float(np.mean(judge.hits)),
        wrong,
        vmstat("pgmigrate_success") - moved,
        alone[0],
        moving[0] / alone[0],
        rest[0] / alone[0],
        alone[1],
        moving[1],
        cpu,
        system,
    )


def _between(ops: np.ndarray, start: float, end: float) -> tuple[float, float]:
    """Medians of operations a second, and of the 99th percentiles, of the seconds in between."""
    rows = ops[(ops[:, 0] > start) & (ops[:, 0] <= end + 1)]
    return (float(np.median(rows[:, 1])), float(np.median(rows[:, 2]))) if len(rows) else (1.0, 0.0)


def _cpu_seconds(tierer: Tierer, daemon: int | None) -> float:
    """CPU time of its daemon, and of the kernel threads that work for it, so far."""
    mine = [psutil.Process(daemon)] if daemon else []
    if tierer.threads:
        every = psutil.process_iter(["name"])
        mine += [p for p in every if p.info["name"].startswith(tierer.threads)]
    return cpu_seconds(mine)


def main(argv: Sequence[str] | None = None) -> int:
    """The program; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m mmscand.lab.contest", description=__doc__)
    parser.add_argument("--results", type=Path, required=True, help="folder for what is measured")
    parser.add_argument("--tierers", nargs="+", choices=list(TIERERS), default=list(TIERERS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1], help="a run each")
    options = parser.parse_args(argv)
    outcomes: list[Outcome] = []
    try:
        topology = read_topology(NodeReader())
        require_two_tiers(topology)
        for seed in options.seeds:
            for name in options.tierers:
                outcomes.append(contest(name, options.results, topology, seed))
                told = json.dumps([asdict(outcome) for outcome in outcomes], indent=2)
                (options.results / RESULT).write_text(told + "\n")
    except MmscandError as error:
        print(f"contest: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
