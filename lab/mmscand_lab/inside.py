"""The experiment itself, on the machine that has the two tiers: in the guest, or a real one.

``python -m mmscand_lab.inside SCENARIO --results DIR`` runs the workload alone, then starts the
daemon as a user would, watches where the pages really are, and measures what the daemon costs.
DIR gets `samples.jsonl` line by line, `events.jsonl` (what the daemon prints), the workload's own
files below `workload/`, and `result.json` at the end, whole or not at all.

Exit status: 0 measured, 1 failed, 2 bad arguments, 3 this machine cannot.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import NoReturn

import psutil

from mmscand.linux.topology import (
    NodeReader,
    read_topology,
    require_two_tiers,
)
from mmscand.model import Topology
from mmscand.node_lists import parse_node_option
from mmscand_lab.ending import exit_status
from mmscand_lab.far_socket import answer_host
from mmscand_lab.programs import (
    LAB_KNOBS,
    Program,
    count_passes,
    daemon_command,
    ready_truth,
    running,
    shipped_budget,
)
from mmscand_lab.result import (
    EVENTS,
    RESULT,
    WORKLOAD,
    DaemonUse,
    Observed,
    Recording,
    Result,
    compute,
    save,
)
from mmscand_lab.samples import Phase, Sample, SampleLog, TierProbe
from mmscand_lab.scenario import Scenario, scenario_named
from mmscand_lab.tier_speeds import TierSpeeds
from mmscand_lab.usage import cpu_seconds, vmstat
from mmscand_lab.views import write_views

#: Half a second is a sixth of the time in which the daemon converges, and one sample of 512 MiB
#: costs 5 ms of a core (under emulation 30 ms).
SAMPLE_PERIOD_S = 0.5

_BRIEF_S = 2.0
"""Of each phase in which throughput is measured: enough for a line of `ops.csv`."""
_CONVERGED = 0.999
_CONVERGED_SAMPLES = 2


@dataclass(frozen=True, slots=True)
class _Watch:
    """Samples the truth through the phases of the experiment."""

    probe: TierProbe
    log: SampleLog
    fast: Sequence[int]
    """Nodes of the top tier."""

    def phase(
        self,
        name: Phase,
        seconds: float,
        programs: Sequence[Program],
        done: Callable[[Sample], bool] = lambda sample: False,
    ) -> None:
        """Sample until the time is over or `done` says so; LabError when a program ends."""
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            sample = self.log.add(name, *self.probe.shares())
            for program in programs:
                program.require_alive()
            if done(sample):
                return
            time.sleep(max(0.0, min(now + SAMPLE_PERIOD_S, end) - time.monotonic()))


class _Converged:
    """Whether the hot pages have been on the top tier for some samples in a row.

    Or the daemon has had its passes: a slow host makes them longer, and not fewer.
    """

    def __init__(self, events: Path, passes: int) -> None:
        self._streak = 0
        self._events, self._passes = events, passes

    def __call__(self, sample: Sample) -> bool:
        self._streak = self._streak + 1 if sample.hot >= _CONVERGED else 0
        return self._streak >= _CONVERGED_SAMPLES or count_passes(self._events) >= self._passes


def measure(
    scenario: Scenario,
    results: Path,
    topology: Topology,
    accelerator: str,
    slow_nodes: str | None,
    speeds: TierSpeeds,
    *,
    views: bool = False,
) -> None:
    """Run the scenario on this machine and write `result.json`. Raises MmscandError."""
    state = results / WORKLOAD
    # Of an earlier run in the same folder: they would be taken for this one's.
    for stale in (results / RESULT, state / "ready"):
        stale.unlink(missing_ok=True)
    argv = ["mmscand_lab.workload", *scenario.workload_arguments(), *speeds.workload_options]
    argv += ["--node", str(max(topology.slow)), "--state", str(state)]
    with closing(SampleLog(results)) as log:
        log.add("fill")
        speeds.calibrate(sorted(topology.fast | topology.slow))
        with running("workload", argv, results, results / "workload-stdout.txt") as workload:
            truth = ready_truth(workload, state)
            with closing(TierProbe(truth, topology)) as probe:
                watch = _Watch(probe, log, sorted(topology.fast))
                with speeds.all_fast(min(topology.fast)) as simulated:
                    watch.phase("fast", scenario.before_s if simulated else 0.0, [workload])
                watch.phase("before", scenario.before_s, [workload])
                observed = _with_daemon(
                    scenario, watch, workload, results, slow_nodes, speeds, views=views
                )
            workload.stop()
    measured = compute(scenario, Recording.load(results), truth, observed)
    kernel = os.uname().release
    result = Result(**measured, accelerator=accelerator, kernel=kernel, tier_speeds=speeds.facts())
    save(result, results / RESULT)


def _with_daemon(
    scenario: Scenario,
    watch: _Watch,
    workload: Program,
    results: Path,
    slow_nodes: str | None,
    speeds: TierSpeeds,
    *,
    views: bool,
) -> Observed:
    nodes = ["--slow-nodes", slow_nodes] if slow_nodes else []
    # Where a core's slowness is known, all is as shipped, and the budget is scaled by it.
    budget = LAB_KNOBS if speeds.facts() is None else shipped_budget(speeds.slowness)
    pid, knobs = workload.process.pid, (*budget, *scenario.knobs)
    argv = daemon_command("--pid", str(pid), *nodes, knobs=knobs, control=views)
    splits, kernel_promoted = vmstat("thp_split_page"), vmstat("pgpromote_success")
    started = time.monotonic()
    with running("daemon", argv, results, results / EVENTS) as daemon:
        programs, process = [workload, daemon], psutil.Process(daemon.process.pid)
        converged = _Converged(results / EVENTS, scenario.converge_passes)
        watch.phase("promote", float("inf"), programs, converged)
        settled, cpu_settled = time.monotonic(), cpu_seconds([process])
        served = speeds.served()
        watch.phase("after", scenario.after_s, programs)
        ended, cpu_ended = time.monotonic(), cpu_seconds([process])
        peak = _peak_mib(daemon.process.pid)
        if views:
            write_views(pid, results)
        daemon.stop()
    return Observed(
        daemon_started=started,
        settled=settled,
        ended=ended,
        daemon=DaemonUse(
            cpu_share=cpu_ended / (ended - started),
            cpu_share_steady=(cpu_ended - cpu_settled) / (ended - settled),
            peak_mib=peak,
        ),
        fast_share=speeds.fast_share(served, watch.fast),
        thp_splits=vmstat("thp_split_page") - splits,
        kernel_promoted=vmstat("pgpromote_success") - kernel_promoted,
    )


def _peak_mib(pid: int) -> float:
    # psutil knows no peak on Linux.
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    match = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(match[1]) / 1024 if match else 0.0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m mmscand_lab.inside", description="Measures a scenario on this machine."
    )
    parser.add_argument("scenario", help="its name, see `mmscand lab list`")
    parser.add_argument("--results", type=Path, required=True, help="folder for what is measured")
    parser.add_argument("--accelerator", default="none", help="what runs the guest, for the record")
    parser.add_argument("--slow-nodes", help="nodes to promote from, as for `mmscand run`")
    parser.add_argument("--slow-memory", type=Path, help="folder of the plug-in for slow memory")
    parser.add_argument("--native-s", type=float, default=0.0, help="slowness.work_s() of the host")
    parser.add_argument("--views", action="store_true", help="write a heat map and sizing curve")
    parser.add_argument("--brief", action="store_true", help="hardly measure throughput")
    return parser.parse_args(argv)


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(1)  # through every context, so that no child stays behind


def _run(options: argparse.Namespace) -> None:
    scenario, slow = scenario_named(options.scenario), options.slow_nodes
    if options.brief:
        scenario = replace(scenario, before_s=_BRIEF_S, after_s=_BRIEF_S)
    speeds = TierSpeeds(options.slow_memory, options.native_s)
    nodes = parse_node_option("--slow-nodes", slow) if slow else None
    topology = read_topology(NodeReader(), slow=nodes)
    require_two_tiers(topology)
    options.results.mkdir(parents=True, exist_ok=True)
    results, accelerator = options.results, options.accelerator
    if options.views:
        answer_host()
    measure(scenario, results, topology, accelerator, slow, speeds, views=options.views)


def main(argv: Sequence[str] | None = None) -> int:
    """The program; returns its exit status."""
    options = _parse(argv)
    signal.signal(signal.SIGTERM, _terminated)
    return exit_status("inside", lambda: _run(options))


if __name__ == "__main__":
    sys.exit(main())
