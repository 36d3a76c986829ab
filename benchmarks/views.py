"""How long the daemon takes to answer what views ask, on the simulated machine.

One large process with 4K pages and many small ones are watched by the real daemon, in real time.
Each request goes over the socket, as from `mmscand status` and the like. Beside it the same answer
by a walk over all that is known of each page: the ratio's base.
"""

import argparse
import resource
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks import tell
from mmscand import __version__
from mmscand.cli.controlled import ControlledDaemon
from mmscand.config import Config
from mmscand.control.client import ControlClient
from mmscand.control.listener import ControlServer
from mmscand.daemon import Daemon
from mmscand.heat.word import KIND
from mmscand.model import PAGE_BYTES, REGION_BYTES
from mmscand.observe.events import Event, PassEnd
from mmscand.scan.rules import Rules
from mmscand.settings import Settings
from mmscand.sim.machine import SimMachine
from mmscand.sim.nodes import sim_topology

_LARGE, _SMALL_PAGES = 100, 512
_REPEATS = 10
_LIMIT_S, _TICK_S = 300.0, 0.1


class Watched:
    """Waits until each process was passed over."""

    def __init__(self, processes: int) -> None:
        self._left = processes
        self._passed: set[int] = set()
        self.done = threading.Event()

    def __call__(self, event: Event) -> None:
        """See Observer."""
        if isinstance(event, PassEnd) and event.complete:
            self._passed.add(event.process.pid)
            if len(self._passed) >= self._left:
                self.done.set()


def machine_of(gib: int, small: int) -> SimMachine:
    """A large process and small ones; of all a tenth of the pages is in use."""
    pages = gib * REGION_BYTES // PAGE_BYTES
    slow = pages + small * _SMALL_PAGES
    machine = SimMachine(sim_topology((0,), (1,), {0: slow // 8 // 512 * 512, 1: slow}))
    processes = [machine.spawn(_LARGE, "large")]
    vmas = [machine.map(processes[0], 1 << 40, pages, 1)]
    for number in range(small):
        processes.append(machine.spawn(_LARGE + 1 + number, f"small-{number}"))
        vmas.append(machine.map(processes[-1], REGION_BYTES, _SMALL_PAGES, 1))
    rng = np.random.default_rng(1)

    def run() -> None:
        for at in (0, int(rng.integers(len(vmas)))):
            slots = vmas[at].accessed.reshape(-1)
            slots[rng.integers(0, max(1, slots.size // 10), 4096)] = True
            processes[at].run()

    machine.program = run
    return machine


def milliseconds(ask: Callable[[], object]) -> tuple[float, float]:
    """Median and longest of some answers."""
    found = []
    for _ in range(_REPEATS):
        began = time.perf_counter()
        ask()
        found.append(1000 * (time.perf_counter() - began))
    return statistics.median(found), max(found)


def measured(gib: int, small: int) -> dict[str, float]:
    """Times by request."""
    machine, watched = machine_of(gib, small), Watched(small + 1)
    settings = Settings(scan_delay_ms=0, cpu_budget_percent=100.0)
    config, results = Config(settings, Rules()), dict[str, float]()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "views.sock"
        with Daemon(machine, settings=settings, observer=watched) as daemon:
            server = ControlServer(
                ControlledDaemon(daemon, config, lambda: config), __version__, path
            )
            server.start()
            print("watches until each process was passed over", file=sys.stderr)
            end = time.monotonic() + _LIMIT_S
            while not watched.done.wait(_TICK_S):
                machine.process(_LARGE).run()  # one that does not run is not looked at
                if time.monotonic() > end:
                    raise SystemExit("the processes were not all watched in five minutes")
            client = ControlClient(path)
            asks: dict[str, Callable[[], object]] = {
                "status": client.status,
                "ps": client.processes,
                "why_process": lambda: client.why(_LARGE),
                "why_page": lambda: client.why(_LARGE, 1 << 40),
                "rates": client.rates,
                "heat": lambda: client.heat(_LARGE),
                "events": client.events,
                "walk": lambda: walk(daemon),
            }
            for name, ask in asks.items():
                median, longest = milliseconds(ask)
                results[f"{name}_ms"], results[f"{name}_longest_ms"] = median, longest
            server.stop()
    results["status_ratio_to_walk"] = results["walk_ms"] / results["status_ms"]
    results["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return results


def walk(daemon: Daemon) -> int:
    """All words of the large process, counted."""
    running = daemon._running
    scanner = running.scanner.scanner_of(_LARGE) if running else None
    if scanner is None:
        return 0
    counts = np.zeros(int(KIND) + 1, dtype=np.intp)
    for rows in scanner.history.slots(0, 1 << 63):
        counts += np.bincount((rows.words & KIND).reshape(-1), minlength=len(counts))
    return int(counts.sum())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gib", type=int, default=64, help="of the large process")
    parser.add_argument("--processes", type=int, default=1500, help="small ones")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results = {
        name: round(value, 2) for name, value in measured(options.gib, options.processes).items()
    }
    command = f"script/bench views --gib {options.gib} --processes {options.processes}"
    tell({**results, "command": command}, options.json)


if __name__ == "__main__":
    main()
