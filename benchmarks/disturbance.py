"""What being scanned costs a program, natively: its operations a second, and their p99.

A load of `mmscand lab compare` runs on this machine, for some seconds alone and for as many with
somebody who looks at its memory, in turn: the daemon with its default budget of 1 % of a core, the
daemon without a budget, and clear_refs + smaps once a second, which is how tools get near to the
same without page tables. Every figure is a ratio to the seconds alone right before, and the median
of the rounds. All nodes count as slow, so that nothing is promoted, and what is used goes on being
looked at. What moves cost is not in it.
"""

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks import tell
from benchmarks.scan import one_range_slow, smaps_pass
from mmscand.daemon import Daemon
from mmscand.linux.machine import LinuxMachine, open_machine
from mmscand.linux.topology import NodeReader, read_topology
from mmscand.model import FloatArray
from mmscand.settings import Settings
from mmscand_lab.ending import exit_status
from mmscand_lab.loads import LOADS, RunningLoad
from mmscand_lab.place import Place

_SETTLE_S = 2.0
"""After each change, before seconds count: a row of `ops` is a second."""
_SMAPS_PERIOD_S = 1.0

Way = Callable[[], AbstractContextManager[object]]


def daemon(machine: LinuxMachine, pid: int, budget_percent: float) -> Daemon:
    """The daemon, for one process."""
    process = machine.procfs.stat(pid).process
    settings = replace(Settings(), cpu_budget_percent=budget_percent)
    return Daemon(machine, lambda _: [process], settings=settings)


@contextmanager
def smaps(pid: int) -> Iterator[None]:
    """clear_refs and smaps, again and again."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(_SMAPS_PERIOD_S):
            smaps_pass(pid)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def speed(load: RunningLoad, way: Way, seconds: float) -> FloatArray:
    """(2,) operations a second and their p99 in ms, while somebody is at work."""
    with way():
        time.sleep(_SETTLE_S)
        began = time.monotonic()
        time.sleep(seconds)  # what counts is what the load gets done meanwhile
        ended = time.monotonic()
    load.require_alive()
    ops = load.ops()
    rows = ops[(ops[:, 0] > began + 1) & (ops[:, 0] <= ended)]
    result: FloatArray = np.array([rows[:, 1].mean(), np.median(rows[:, 2])])
    return result


def measure(name: str, rounds: int, seconds: float) -> dict[str, float | int | str]:
    """Each way in each round, and nobody before each of them."""
    topology = one_range_slow(read_topology(NodeReader()))
    machine = open_machine(topology)
    ratios: dict[str, list[FloatArray]] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        LOADS[name].start(Place(topology, Path(folder), seed=1)) as load,
    ):
        ways: dict[str, Way] = {
            "mmscand": lambda: daemon(machine, load.pid, 1.0),
            "no_budget": lambda: daemon(machine, load.pid, 100.0),
            "clear_refs_smaps": lambda: smaps(load.pid),
        }
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
            for way, at_work in ways.items():
                alone = speed(load, nullcontext, seconds)
                ratios.setdefault(way, []).append(speed(load, at_work, seconds) / alone)
    machine.close()
    figures: dict[str, float | int | str] = {}
    for way, found in ratios.items():
        for what, values in zip(("ops", "p99"), np.transpose(found).tolist(), strict=True):
            figures[f"{what}_ratio_{way}"] = round(statistics.median(values), 3)
            figures[f"{what}_ratio_{way}_range"] = f"{min(values):.3f} .. {max(values):.3f}"
    command = f"script/bench disturbance --load {name} --rounds {rounds} --seconds {seconds:g}"
    return {**figures, "kernel": os.uname().release, "command": command}


def main() -> int:
    """Print the figures, and write them as JSON when asked to."""
    parser = argparse.ArgumentParser(prog="script/bench disturbance", description=__doc__)
    add = parser.add_argument
    add("--load", choices=["gups", "zipf"], default="gups", help="what is scanned")
    add("--rounds", type=int, default=5, help="times that each way is measured")
    add("--seconds", type=float, default=6.0, help="of each measurement")
    add("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    options = parser.parse_args()
    if options.rounds < 1 or options.seconds < 3:
        parser.error("--rounds must be 1 or more, --seconds 3 or more")
    return exit_status(
        "bench disturbance",
        lambda: tell(measure(options.load, options.rounds, options.seconds), options.json),
    )


if __name__ == "__main__":
    sys.exit(main())
