"""A busy server in one guest: all at once that the daemon has to cope with, judged by the truth.

``python -m mmscand_lab.busy --results DIR --native-s S --budget P --burst B`` starts the server of
`mmscand_lab.busy_world`, then the daemon as a user starts it, with its CPU budget multiplied by how
much slower a core is here. Halfway there is a storm of processes, memory comes online, the
configuration is read again, by `mmscand reload` and by SIGHUP, and later the daemon is restarted.
DIR gets `events.jsonl`, `events-again.jsonl` and `result.json`.

Exit status: 0 measured, 1 failed, 2 bad arguments, 3 this machine cannot.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmscand.linux.topology import NodeReader, read_topology, require_two_tiers
from mmscand_lab.busy_daemon import BusyDaemon, started
from mmscand_lab.busy_judge import Before, judged
from mmscand_lab.busy_result import BusyResult, Story
from mmscand_lab.busy_world import World, populated
from mmscand_lab.ending import exit_status
from mmscand_lab.kvm_modules import load_kvm
from mmscand_lab.memory_blocks import is_online, offline_blocks, set_offline, set_online
from mmscand_lab.result import EVENTS
from mmscand_lab.slowness import Budget, Pace

EVENTS_AGAIN = "events-again.jsonl"
_STORM, _BLOCKS = 300, 2
_VISITS_LATER = 20
"""To any process, until the daemon has had its chance to fall over memory that came online."""
_PACE_LOOKS = 20
"""Looks at the pages until it is measured again how slow a core is, which takes a second."""
_CONVERGED, _CONVERGED_SAMPLES = 0.99, 3
_PASSES, _PASSES_LATER = 60, 4
"""Passes over each large process: the most that the lab waits for its hot pages, and the number it
waits for after each disturbance."""


def _say(text: str) -> None:
    print(text, flush=True)


def _shown(world: World) -> str:
    shares = world.shares().items()
    return ", ".join(f"{name} {hot:.1%} of hot, {cold:.2%} of cold" for name, (hot, cold) in shares)


def _settle(world: World, daemon: BusyDaemon, pace: Pace, passes: int) -> None:
    """Until the hot pages are up for some looks, or after `passes` more passes."""
    events, streak, looks = daemon.events, 0, 0
    begin = events.passes.copy()

    def done() -> bool:
        nonlocal streak, looks
        world.require_alive()
        looks += 1
        if looks % _PACE_LOOKS == 0 and pace.has_changed():
            _say(f"a core is {pace.slowness:.1f} times slower now: {_words(pace.budget)}")
            daemon.change(pace.budget)
        up = all(hot >= _CONVERGED for hot, _ in world.shares().values())
        streak = streak + 1 if up else 0
        # A process for which it does not pay is left alone for minutes.
        scanned = [truth.pid for truth in world.large.values() if truth.pid not in events.stopped]
        more = min((events.passes[pid] - begin[pid] for pid in scanned), default=passes)
        return more >= passes or (streak >= _CONVERGED_SAMPLES and more >= _PASSES_LATER)

    daemon.wait_for(done, "passes over the large processes")
    _say(f"up: {_shown(world)}")


def _halfway(world: World, daemon: BusyDaemon, blocks: list[Path]) -> dict[str, Any]:
    """A storm, memory that comes online, the configuration read again; parts of a `Story`."""
    _say("a storm of processes")
    storm, kinds = world.crowd.storm(_STORM), daemon.events.kinds
    _say("memory comes online")
    changes = kinds["topology_changed"]
    set_online(blocks)
    daemon.wait_for(lambda: kinds["topology_changed"] > changes, "an event for the node")
    visits = kinds["pass_end"]
    daemon.wait_for(lambda: kinds["pass_end"] > visits + _VISITS_LATER, "visits after that")
    _say("the configuration is read again")
    return {
        "storm": storm,
        "blocks_online": sum(is_online(block) for block in blocks),
        "slow_nodes": sorted(read_topology(NodeReader()).slow),
        "slow_nodes_known": daemon.events.slow_nodes,
        "reloaded": daemon.reload_by_command(),
        "hangup_said": daemon.reload_by_signal(),
        "kvm_reason": daemon.why_left_alone(world.kvm.memory.pid),
    }


def _words(budget: Budget) -> str:
    return f"the CPU budget is {budget.percent:g} %, and {budget.burst_s:g} s at first"


def _begin(world: World, daemon: BusyDaemon, pace: Pace) -> None:
    """Its first passes. Idle memory comes when it is up: beside a full node its start crawls."""
    daemon.wait_for(lambda: daemon.events.kinds["start"] > 0, "the daemon")
    if "idle" not in world.crowd.named:
        world.fill_fast_node()
    daemon.wait_for(lambda: daemon.events.kinds["pass_end"] > 0, "its first pass")
    _say("the daemon watches")
    _settle(world, daemon, pace, _PASSES)


def measure(results: Path, native_s: float, shipped: Budget) -> BusyResult:
    """Run it all on this machine. Raises MmscandError, OSError."""
    topology = read_topology(NodeReader())
    require_two_tiers(topology)
    pace = Pace(shipped, native_s)
    slowness, budget = pace.slowness, pace.budget
    _say(f"a core is {slowness:.1f} times slower here: {_words(budget)}")
    load_kvm(results)
    # A node of its own that is offline from the start, and blocks of the slow one.
    blocks = [*offline_blocks(), *set_offline(max(topology.slow), _BLOCKS)]
    with populated(results, read_topology(NodeReader())) as world:
        before = Before.of(world)
        _say("the daemon starts")
        with started(results, EVENTS, budget) as daemon:
            _begin(world, daemon, pace)
            happened = _halfway(world, daemon, blocks)
            _settle(world, daemon, pace, _PASSES)
            first = daemon.end()
        _say("the daemon starts again")
        with started(results, EVENTS_AGAIN, pace.budget) as again:
            _begin(world, again, pace)
            second = again.end()
        story = Story(slowness=slowness, budget=budget, **happened)
        return judged(world, before, story, [daemon, again], [first, second])


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m mmscand_lab.busy", description="A busy server, on this machine."
    )
    parser.add_argument("--results", type=Path, required=True, help="folder for what is measured")
    for name, about in {
        "native-s": "what slowness.work_s() takes on the host",
        "percent": "shipped cpu_budget_percent",
        "burst-s": "shipped cpu_burst_s",
    }.items():
        parser.add_argument(f"--{name}", type=float, required=True, help=about)
    parser.add_argument("--accesses", type=int, required=True, help="shipped accesses_per_bit")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """The program; returns its exit status."""
    options = _parse(argv)
    shipped = Budget(options.percent, options.burst_s, options.accesses)
    return exit_status(
        "busy", lambda: measure(options.results, options.native_s, shipped).save(options.results)
    )


if __name__ == "__main__":
    sys.exit(main())
