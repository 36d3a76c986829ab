"""The real daemon, threads and control socket, on a simulated machine with programs that run.

    python -m support.simulated_daemon SOCKET [--processes N] [--shift SECONDS] [--block PAGES]
        [--first-pid PID]

until SIGTERM. What views show of it changes as on a real machine, without two tiers and root.
"""

import argparse
import re
import signal
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mmscand import __version__
from mmscand.cli.controlled import ControlledDaemon
from mmscand.config import Config
from mmscand.control.listener import ControlServer
from mmscand.daemon import Daemon
from mmscand.model import REGION_BYTES, FloatArray
from mmscand.scan.rules import Rule, Rules
from mmscand.settings import Settings
from mmscand.sim.machine import SimMachine
from mmscand.sim.nodes import sim_topology
from mmscand.sim.process import SimVma

FAST_PAGES, SLOW_PAGES, PAGES = 12288, 65536, 16384
_EXCLUDED = "backup"
_NAMES = ("redis-server", "postgres", "mysqld", "java", "memcached")


@dataclass
class Programs:
    """Each accesses its pages by a zipfian law, the hottest other ones from time to time."""

    machine: SimMachine
    vmas: list[SimVma]
    shift_s: float = 0.0
    """After this time other pages are hot; 0 is never."""
    block: int = 1
    """This many pages beside each other are about as hot."""
    began: float = field(default_factory=time.monotonic)
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(1))

    def __post_init__(self) -> None:
        self._ran = self.began
        self._rates: list[FloatArray] = [
            self._mixed(200.0 / np.arange(1, vma.accessed.size + 1)) for vma in self.vmas
        ]
        self._shifts = 0

    def _mixed(self, rates: FloatArray) -> FloatArray:
        return self.random.permutation(rates.reshape(-1, self.block)).reshape(-1)

    def run(self) -> None:
        """What they did since they ran last."""
        now = time.monotonic()
        passed, self._ran = now - self._ran, now
        if self.shift_s and int((now - self.began) / self.shift_s) > self._shifts:
            self._shifts += 1
            self._rates = [self._mixed(rates) for rates in self._rates]
        for vma, rates in zip(self.vmas, self._rates, strict=True):
            hit = self.random.random(len(rates)) < -np.expm1(-rates * passed)
            vma.accessed.reshape(-1)[hit] = True
        for pid in self.machine.look().running:
            self.machine.process(pid.pid).run()


def simulated(
    processes: int, shift_s: float, block: int = 1, first_pid: int = 100
) -> tuple[SimMachine, Programs]:
    """A machine on which these run."""
    machine = SimMachine(
        sim_topology((0,), (1,), {0: FAST_PAGES, 1: max(SLOW_PAGES, PAGES * processes)})
    )
    vmas = []
    for number in range(processes):
        process = machine.spawn(first_pid + number, _NAMES[number % len(_NAMES)])
        vma = machine.map(process, REGION_BYTES, PAGES, 1)
        vma.name = b"[heap]"
        vmas.append(vma)
    machine.spawn(first_pid + processes, _EXCLUDED)
    return machine, Programs(machine, vmas, shift_s, block)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("socket", type=Path)
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--shift", type=float, default=0.0)
    parser.add_argument("--block", type=int, default=1)
    parser.add_argument("--first-pid", type=int, default=100)
    options = parser.parse_args()
    machine, programs = simulated(
        options.processes, options.shift, options.block, options.first_pid
    )
    machine.program = programs.run
    settings = Settings(scan_delay_ms=0, cpu_budget_percent=100.0)
    config = Config(settings, Rules([Rule(0, name=re.compile(_EXCLUDED))]))
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with Daemon(machine, settings=settings, rules=config.rules) as daemon:
        controlled = ControlledDaemon(daemon, config, lambda: config)
        server = ControlServer(controlled, __version__, options.socket)
        server.start()
        print("ready", flush=True)
        stop.wait()
        server.stop()


if __name__ == "__main__":
    main()
