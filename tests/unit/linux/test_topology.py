"""Nodes and tiers from folders that look like /sys and /proc."""

import errno
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from mmscand.errors import MachineCannot, TooManyOpenFiles, UsageError
from mmscand.linux import topology
from mmscand.linux.topology import (
    NodeReader,
    kernel_top_tier,
    read_topology,
    require_two_tiers,
)
from mmscand.model import Node, Topology
from support.fake_nodes import BLOCK, MIB, ZONE, FakeSys


@pytest.fixture
def fake(tmp_path: Path) -> FakeSys:
    return FakeSys(tmp_path)


@pytest.fixture
def two_tiers(fake: FakeSys) -> FakeSys:
    """As virtme-ng with HMAT shows them: node 1 has no CPUs and is slow."""
    fake.machine("0-1", "0", "0-1", "10 20", "20 10")
    fake.blocks(0, 0, 1, 2, 3, 32, 33)
    fake.blocks(1, 35, 34)
    fake.tier(4, "0")
    fake.tier(28, "1")
    fake.hmat(0, 10, 10240)
    fake.hmat(1, 300, 2048)
    return fake


def test_two_tiers_with_hmat_are_as_the_kernel_sees_them(two_tiers: FakeSys) -> None:
    topology = read_topology(two_tiers.reader())
    assert topology.nodes == (
        Node(0, True, ((0, 4 * BLOCK), (32 * BLOCK, 34 * BLOCK)), {0: 10, 1: 20}, 4, 10, 10240),
        Node(1, False, ((34 * BLOCK, 36 * BLOCK),), {0: 20, 1: 10}, 28, 300, 2048),
    )
    assert (topology.fast, topology.slow) == ({0}, {1})
    assert topology.note == "tiers as the kernel sees them"
    require_two_tiers(topology)


def test_one_node_is_one_tier_and_says_that_it_has_cpus(fake: FakeSys) -> None:
    fake.machine("0", "0", "0", "10")
    fake.blocks(0, 0)
    topology = read_topology(fake.reader())
    assert (topology.fast, topology.slow) == ({0}, set())
    assert topology.note == "the kernel sees one tier, and every node has CPUs"
    with pytest.raises(MachineCannot, match="no slow tier: the kernel sees one tier") as caught:
        require_two_tiers(topology)
    assert "--slow-nodes" in caught.value.hint


def test_nodes_without_cpus_in_the_one_tier_are_pointed_out(fake: FakeSys) -> None:
    fake.machine("0-2", "0", "0-2", "10 20 20", "20 10 20", "20 20 10")
    for node in range(3):
        fake.blocks(node, node)
    fake.tier(4, "0-2")
    topology = read_topology(fake.reader())
    assert (topology.fast, topology.slow) == ({0, 1, 2}, set())
    assert topology.note.endswith(
        'has no CPUs: say --slow-nodes 1,2, or slow = "1,2" in [nodes] of /etc/mmscand.toml'
    )


def test_without_hmat_there_are_no_figures(two_tiers: FakeSys) -> None:
    (two_tiers.nodes / "node1/access0/initiators/read_latency").unlink()
    two_tiers.hmat(0, 10, 10240)
    two_tiers.write("sys/devices/system/node/node0/access0/initiators/read_bandwidth", "")
    first, second = two_tiers.reader().nodes()
    assert (first.read_latency_ns, first.read_bandwidth_mb_s) == (10, None)
    assert (second.read_latency_ns, second.read_bandwidth_mb_s) == (None, 2048)


def test_nodes_that_are_offline_or_without_memory_are_left_out(fake: FakeSys) -> None:
    fake.machine("0,4", "0,2", "0,2,4", "10 20 30", "20 10 40", "30 40 10")
    fake.blocks(0, 0)
    fake.blocks(4, 1)
    first, last = fake.reader().nodes()
    assert (first.id, first.distances) == (0, {0: 10, 2: 20, 4: 30})
    assert (last.id, last.distances) == (4, {0: 30, 2: 40, 4: 10})


def test_a_kernel_without_numa_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(MachineCannot) as caught:
        NodeReader(tmp_path, tmp_path).nodes()
    assert "CONFIG_NUMA" in caught.value.hint


def node(number: int, *, cpus: bool = False, tier: int | None = None) -> Node:
    return Node(number, cpus, ((number * BLOCK, (number + 1) * BLOCK),), {}, tier)


@pytest.mark.parametrize(
    ("nodes", "top"),
    [
        ([node(0, cpus=True, tier=4), node(1, tier=28)], {0}),
        ([node(0, tier=2), node(1, cpus=True, tier=4), node(2, tier=28)], {0, 1}),
        ([node(0, cpus=True, tier=4), node(1, cpus=True, tier=28), node(2, tier=30)], {0, 1}),
        ([node(0, cpus=True), node(1)], {0, 1}),
        ([node(0, tier=4), node(1, tier=28)], {0}),
        ([node(0, cpus=True, tier=4), node(1)], {0, 1}),
    ],
)
def test_the_top_tier_reaches_down_to_the_slowest_tier_with_a_cpu(
    nodes: list[Node], top: set[int]
) -> None:
    assert kernel_top_tier(nodes) == top


def chosen(fast: set[int] | None, slow: set[int] | None) -> tuple[set[int], set[int]]:
    """What the options make of a machine with four nodes."""
    reader = _FourNodes()
    topology = read_topology(
        reader,
        None if fast is None else frozenset(fast),
        None if slow is None else frozenset(slow),
    )
    assert topology.note == "tiers as they are named"
    return set(topology.fast), set(topology.slow)


class _FourNodes(NodeReader):
    def nodes(self) -> tuple[Node, ...]:
        return tuple(node(number, cpus=True) for number in range(4))


def test_naming_one_side_makes_the_rest_the_other() -> None:
    assert chosen({0}, None) == ({0}, {1, 2, 3})
    assert chosen(None, {1, 3}) == ({0, 2}, {1, 3})
    assert chosen({0}, {3}) == ({0}, {3})  # node 1 and 2 are left alone


@pytest.mark.parametrize(("fast", "slow"), [({9}, None), (None, {4}), ({0, 7}, {1})])
def test_an_unknown_node_is_refused(fast: set[int] | None, slow: set[int] | None) -> None:
    with pytest.raises(UsageError, match=r"no node \d with memory") as caught:
        chosen(fast, slow)
    assert "[0, 1, 2, 3]" in caught.value.hint


def test_a_node_on_both_sides_is_refused() -> None:
    with pytest.raises(UsageError, match="node 1 is named fast and slow"):
        chosen({0, 1}, {1, 2})


def test_all_nodes_on_one_side_leave_no_other_tier() -> None:
    nodes = _FourNodes().nodes()
    everything = frozenset(range(4))
    with pytest.raises(MachineCannot, match="no slow tier"):
        require_two_tiers(Topology(nodes, everything, frozenset()))
    with pytest.raises(MachineCannot, match="no fast tier"):
        require_two_tiers(Topology(nodes, frozenset(), everything))


@pytest.fixture
def zones(fake: FakeSys) -> FakeSys:
    fake.zones()
    return fake


def test_without_memory_blocks_the_ranges_come_from_the_zones(zones: FakeSys) -> None:
    zones.machine("0-1", "0", "0-1", "10 20", "20 10")
    first, second = zones.reader().nodes()
    assert first.frame_ranges == (
        (1 * 4096, (4096 + 1044480) * 4096),  # DMA and DMA32 touch
        (2_000_000 * 4096, 2_001_000 * 4096),
    )
    assert second.frame_ranges == ((3_000_000 * 4096, 3_000_100 * 4096),)


def zone_of(node: int, start: int, end: int, name: str = "Normal") -> str:
    """A zone between two numbers of MiB."""
    pages = MIB // 4096
    return ZONE.format(
        node=node, name=name, free=0, high=0, spanned=(end - start) * pages, start=start * pages
    )


def mib(topology: Topology) -> dict[int, list[tuple[int, int]]]:
    return {n.id: [(a // MIB, b // MIB) for a, b in n.frame_ranges] for n in topology.nodes}


def test_a_border_inside_a_memory_block_is_where_the_zones_say(fake: FakeSys) -> None:
    """numa=fake=3 on a stock kernel: the block is linked below both nodes."""
    fake.machine("0-1", "0", "0-1", "10 20", "20 10")
    fake.blocks(0, 0, 1, 2)
    fake.blocks(1, 2, 3, 4, 5)
    fake.write("proc/zoneinfo", zone_of(0, 0, 320, "DMA32") + zone_of(1, 320, 768, "DMA32"))
    topology = read_topology(fake.reader(), slow=frozenset({1}))
    assert mib(topology) == {0: [(0, 320)], 1: [(320, 768)]}
    frames = np.array([300, 319, 320, 383, 384], dtype=np.uint64) * np.uint64(MIB)
    assert topology.nodes_of(frames).tolist() == [0, 0, 1, 1, 1]
    assert [start // MIB for start, _ in topology.slow_spans()] == [320]


def test_memory_of_another_node_inside_a_zone_is_cut_out_of_it(fake: FakeSys) -> None:
    fake.machine("0-1", "0", "0-1", "10 20", "20 10")
    zoneinfo = zone_of(0, 0, 1024) + zone_of(1, 448, 576) + zone_of(1, 2048, 4096, "Device")
    fake.write("proc/zoneinfo", zoneinfo)
    expected = {0: [(0, 448), (576, 1024)], 1: [(448, 576)]}
    assert mib(read_topology(fake.reader())) == expected  # by zones alone
    fake.blocks(0, 0, 1, 2, 3, 4, 5, 6, 7)
    fake.blocks(1, 3, 4)
    assert mib(read_topology(fake.reader())) == expected


def test_nodes_that_take_turns_have_the_blocks_that_are_linked_below_them(fake: FakeSys) -> None:
    fake.machine("0,2", "0", "0,2", "10 20", "20 10")
    fake.blocks(0, 0, 2, 9)
    fake.blocks(2, 1, 3)
    fake.write("proc/zoneinfo", zone_of(0, 0, 384) + zone_of(2, 128, 512))
    # Block 9 is offline: no zone reaches it.
    assert mib(read_topology(fake.reader())) == {
        0: [(0, 128), (256, 384), (1152, 1280)],
        2: [(128, 256), (384, 512)],
    }


def test_a_node_that_comes_between_two_readings_is_read_again(
    fake: FakeSys, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.machine("0-1", "0", "0-1", "10 20", "20 10")
    fake.blocks(0, 0)
    fake.blocks(1, 1)
    fake.write("sys/devices/system/node/online", "0")
    reader, list_folder = fake.reader(), topology.list_folder

    def come(path: Path) -> list[str]:
        fake.write("sys/devices/system/node/online", "0-1")
        return list_folder(path)

    monkeypatch.setattr(topology, "list_folder", come)
    assert [node.id for node in reader.nodes()] == [0, 1]


@pytest.mark.parametrize("torn", ["online", "node1/distance", "has_cpu"])
def test_nodes_that_never_come_to_rest_are_reported_in_words(two_tiers: FakeSys, torn: str) -> None:
    (two_tiers.nodes / torn).unlink()
    with pytest.raises(MachineCannot, match="nodes come and go"):
        two_tiers.reader().nodes()


def test_out_of_descriptors_is_not_taken_for_a_machine_without_blocks(
    two_tiers: FakeSys, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> list[str]:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("os.listdir", refuse)
    with pytest.raises(TooManyOpenFiles):
        two_tiers.reader().nodes()


@pytest.mark.parametrize("file", ["has_memory", "online"])
def test_the_signature_differs_once_nodes_came_or_went(two_tiers: FakeSys, file: str) -> None:
    reader = two_tiers.reader()
    before = reader.signature()
    assert reader.signature() == before
    two_tiers.write(f"sys/devices/system/node/{file}", "0")
    assert reader.signature() != before


def test_the_signature_differs_once_a_node_has_its_tier(two_tiers: FakeSys) -> None:
    """Which comes a moment after its memory: until then it would count as fast."""
    reader = two_tiers.reader()
    shutil.rmtree(two_tiers.root / "sys/devices/virtual/memory_tiering/memory_tier28")
    before = reader.signature()
    two_tiers.tier(28, "1")
    assert reader.signature() != before


def test_the_signature_differs_once_a_node_has_more_memory(
    two_tiers: FakeSys, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = two_tiers.reader()
    before = reader.signature()
    pages = os.sysconf("SC_PHYS_PAGES")
    monkeypatch.setattr(os, "sysconf", lambda name: pages + 32768 if "PHYS" in name else 0)
    assert reader.signature() != before


def test_memory_that_is_faster_than_that_of_the_cpus_is_no_slow_tier(fake: FakeSys) -> None:
    """HBM: the firmware's figures say it (hwloc#576)."""
    fake.machine("0-2", "0-1", "0-2", "10 20 13", "20 10 13", "13 13 10")
    for number in range(3):
        fake.blocks(number, number)
        fake.hmat(number, 100, 100_000)
    fake.hmat(2, 110, 300_000)
    assert read_topology(fake.reader()).note.endswith(
        "by the firmware's figures node 2 is faster than the rest: say --slow-nodes 0,1, or "
        'slow = "0,1" in [nodes] of /etc/mmscand.toml'
    )
    fake.hmat(2, 250, 200_000)
    assert read_topology(fake.reader()).note.endswith(
        'has no CPUs: say --slow-nodes 2, or slow = "2" in [nodes] of /etc/mmscand.toml'
    )


def test_where_all_cpus_are_on_a_node_without_memory_the_fastest_tier_is_the_top(
    fake: FakeSys,
) -> None:
    fake.machine("1-2", "0", "0-2", "10 12 20", "12 10 20", "20 20 10")
    fake.blocks(1, 1)
    fake.blocks(2, 2)
    fake.tier(4, "1")
    fake.tier(22, "2")
    topology = read_topology(fake.reader())
    assert (topology.fast, topology.slow) == ({1}, {2})


def test_the_size_of_a_memory_block_is_hexadecimal(fake: FakeSys) -> None:
    fake.machine("0", "0", "0", "10")
    fake.blocks(0, 3, 9, 10, block_bytes=0x8000000)
    (only,) = fake.reader().nodes()
    size = 0x8000000
    assert only.frame_ranges == ((3 * size, 4 * size), (9 * size, 11 * size))
