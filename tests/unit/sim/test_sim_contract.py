import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from contract.suite import Actor, ContractSuite, addresses_of
from mmscand.model import REGION_BYTES, Process
from mmscand.sim.machine import SimMachine
from mmscand.sim.memory import Watermarks
from mmscand.sim.nodes import sim_topology
from mmscand.sim.process import SimProcess


@dataclass
class SimActor:
    machine: SimMachine
    sim: SimProcess
    node: int
    fast: int

    @property
    def process(self) -> Process:
        return self.sim.process

    def map(self, pages: int, *, huge: bool = False, fast: bool = False) -> int:
        address = (1 + len(self.sim.vmas)) * REGION_BYTES
        self.machine.map(self.sim, address, pages, self.fast if fast else self.node, huge=huge)
        return address

    def touch(self, address: int, pages: list[int]) -> None:
        self.sim.touch(address, pages)

    def discard(self, address: int, pages: list[int]) -> None:
        self.machine.unmap(self.sim, addresses_of(address, pages))

    def pin(self, address: int, pages: list[int]) -> None:
        vma = self.sim.vma_of(address)
        assert vma is not None
        vma.pinned.flat[pages] = True

    def share(self, address: int) -> None:
        vma = self.sim.vma_of(address)
        assert vma is not None
        vma.shared[:] = True

    def join_cgroup(self) -> None:
        self.sim.cgroup = "/own"

    def clone(self) -> Process:
        return self.machine.spawn(900, sharing=self.sim).process

    def fork(self) -> Process:
        return self.machine.spawn(901).process

    def exec(self) -> None:
        self.machine.exec(self.sim)

    def exit(self) -> None:
        self.machine.exit(self.sim)


@dataclass
class SimWorld:
    machine: SimMachine = field(
        default_factory=lambda: SimMachine(
            sim_topology((0,), (1,), {0: 8192, 1: 16384}),
            watermarks=dict.fromkeys((0, 1), Watermarks(64, 128, 256)),
        )
    )
    slow: int = 1
    fast: int = 0
    exact: bool = True
    pids: Iterator[int] = field(default_factory=lambda: itertools.count(100))

    def actor(self) -> Actor:
        sim = self.machine.spawn(next(self.pids))
        return SimActor(self.machine, sim, self.slow, self.fast)

    def fill_cache(self) -> None:
        self.machine.fill_cache(self.fast, self.machine.free_pages(self.fast))

    @contextmanager
    def demotion(self) -> Iterator[None]:
        self.machine.demotion = True
        yield
        self.machine.demotion = False


class TestSimulatedMachine(ContractSuite):
    @pytest.fixture
    def world(self) -> SimWorld:
        return SimWorld()
