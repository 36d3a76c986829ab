"""The whole daemon, in time that jumps: ten minutes in a moment."""

import threading

import numpy as np

from mmscand.daemon import Daemon
from mmscand.model import REGION_BYTES
from mmscand.observe.events import Event, PassEnd, PassStart
from mmscand.settings import Settings
from mmscand.sim.clock import SimClock
from mmscand.sim.machine import SimMachine
from mmscand.sim.memory import Watermarks
from mmscand.sim.nodes import sim_topology
from support.sim_daemon import HOT, TIMEOUT_S

SIMULATED_S = 600.0


def test_ten_minutes_with_demotion_and_another_agent() -> None:
    clock, done, passes = SimClock(threads=2), threading.Event(), list[float]()
    machine = SimMachine(
        sim_topology((0,), (1,), {0: 4096, 1: 8192}),
        watermarks={0: Watermarks(64, 128, 256)},
        demotion=True,
        clock=clock,
    )
    process = machine.spawn(100, "app")
    vma = machine.map(process, REGION_BYTES, 2048, 1)

    def touch(event: Event) -> None:
        if isinstance(event, PassStart | PassEnd):  # also while bits collect
            process.touch(REGION_BYTES, HOT)
        if isinstance(event, PassEnd):
            passes.append(clock.now())

    def burst() -> None:
        machine.map(machine.spawn(200, "burst"), REGION_BYTES, 3584, 0)
        machine.clear_accessed(process)

    clock.at(300.0, burst)
    clock.at(400.0, lambda: machine.exit(machine.process(200)))
    clock.at(SIMULATED_S, done.set)
    daemon = Daemon(machine, settings=Settings(), observer=touch, clock=clock)
    daemon.start()
    assert done.wait(TIMEOUT_S)
    cpu = daemon.status().cpu_seconds
    daemon.stop()
    assert np.flatnonzero(machine.nodes_of(vma) == 0).tolist() == HOT
    assert len(passes) > SIMULATED_S / 10  # the longest period
    assert passes[-1] > SIMULATED_S - 20
    assert 0 < sum(cpu.values()) < SIMULATED_S / 100  # its budget, in simulated time
