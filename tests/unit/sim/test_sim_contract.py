import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from contract.suite import Actor, ContractSuite
from mmscand.model import REGION_BYTES, Process
from mmscand.sim.machine import SimMachine
from mmscand.sim.nodes import sim_topology
from mmscand.sim.process import SimProcess


@dataclass
class SimActor:
    machine: SimMachine
    sim: SimProcess
    node: int

    @property
    def process(self) -> Process:
        return self.sim.process

    def map(self, pages: int, *, huge: bool = False) -> int:
        address = (1 + len(self.sim.vmas)) * REGION_BYTES
        self.machine.map(self.sim, address, pages, self.node, huge=huge)
        return address

    def touch(self, address: int, pages: list[int]) -> None:
        self.sim.touch(address, pages)

    def share(self, address: int) -> None:
        vma = self.sim.vma_of(address)
        assert vma is not None
        vma.shared[:] = True

    def join_cgroup(self) -> None:
        self.sim.cgroup = "/own"

    def exec(self) -> None:
        self.machine.exec(self.sim)

    def exit(self) -> None:
        self.machine.exit(self.sim)


@dataclass
class SimWorld:
    machine: SimMachine = field(
        default_factory=lambda: SimMachine(sim_topology((0,), (1,), {0: 8192, 1: 16384}))
    )
    slow: int = 1
    fast: int = 0
    exact: bool = True
    pids: Iterator[int] = field(default_factory=lambda: itertools.count(100))

    def actor(self) -> Actor:
        return SimActor(self.machine, self.machine.spawn(next(self.pids)), self.slow)


class TestSimulatedMachine(ContractSuite):
    @pytest.fixture
    def world(self) -> SimWorld:
        return SimWorld()
