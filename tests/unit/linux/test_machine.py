"""The machine when memory comes or goes."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from mmscand.errors import UsageError
from mmscand.linux import machine
from mmscand.linux.arch.entries import Decoder
from mmscand.linux.machine import LinuxMachine
from mmscand.linux.page_tables import DirectMap
from mmscand.linux.process_list import ProcessList
from mmscand.linux.procfs import Procfs
from mmscand.linux.readers import Reader
from mmscand.linux.tasks import Tasks
from mmscand.linux.topology import NodeReader
from mmscand.model import Node, Topology
from synthetic.kernel import FOUR_LEVELS, OFFSETS, Kernel
from synthetic.memory import FakeMemory

GIB = 1 << 30
NEAR = Node(0, True, ((0, GIB),), {0: 10, 1: 20})
FAR = Node(1, False, ((2 * GIB, 3 * GIB),), {0: 20, 1: 10})
ONE_NODE = Topology((NEAR,), frozenset({0}), frozenset())
BOTH = Topology((NEAR, FAR), frozenset({0}), frozenset({1}))


class Signed(NodeReader):
    """Nodes whose signature a test sets."""

    value = b"before"

    def signature(self) -> tuple[object, ...]:
        return (self.value,)


@dataclass
class World:
    machine: LinuxMachine
    nodes: Signed
    found: Topology = ONE_NODE
    readings: int = 0

    def read(self) -> Topology:
        self.readings += 1
        return self.found


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(
        machine,
        "readable_ram",
        lambda topology: topology.frame_ranges(frozenset(n.id for n in topology.nodes)),
    )
    memory, nodes = FakeMemory(FOUR_LEVELS), Signed()
    Kernel(memory)
    made = LinuxMachine(
        ONE_NODE,
        Reader(memory, Tasks(memory, OFFSETS), DirectMap(FOUR_LEVELS, ((0, GIB),), 4)),
        Decoder(),
        ProcessList(Procfs()),
        nodes=nodes,
        signature=nodes.signature(),
    )
    world = World(made, nodes)
    made.read_tiers = world.read
    return world


def is_slow(world: World, frame: int) -> bool:
    entries = np.array([[frame | 0x67]], dtype=np.uint64)
    return bool(world.machine.decoder.leaves(entries).slow[0, 0])


def test_while_nothing_comes_or_goes_nothing_is_read(world: World) -> None:
    assert not world.machine.topology_changed()
    assert world.readings == 0


def test_memory_that_comes_online_is_read_decoded_and_walked(world: World) -> None:
    assert not is_slow(world, 2 * GIB)
    world.nodes.value, world.found = b"after", BOTH
    assert world.machine.topology_changed()
    assert world.machine.refresh_topology()
    assert world.machine.topology() == BOTH
    assert is_slow(world, 2 * GIB)
    assert world.machine.reader.direct_map.ram == ((0, GIB), (2 * GIB, 3 * GIB))
    assert world.machine.reader.memory.refreshed  # type: ignore[attr-defined]
    assert not world.machine.topology_changed()


def test_a_balloon_changes_nothing(world: World) -> None:
    world.nodes.value = b"after"
    assert world.machine.topology_changed()
    assert not world.machine.refresh_topology()
    assert not world.machine.topology_changed()


def test_a_topology_that_makes_no_sense_any_more_leaves_the_old_one(world: World) -> None:
    world.nodes.value = b"after"

    def gone() -> Topology:
        return replace(BOTH, fast=frozenset({7}))

    world.machine.read_tiers = gone
    with pytest.raises(UsageError, match="no node 7"):
        world.machine.refresh_topology()
    assert world.machine.topology() == ONE_NODE


def test_without_a_way_to_read_again_the_topology_stays(world: World) -> None:
    world.machine.read_tiers = None
    world.nodes.value = b"after"
    assert not world.machine.topology_changed()
    assert not world.machine.refresh_topology()
