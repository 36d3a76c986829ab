"""Memory policies from a numa_maps of our own, and how often it is read."""

from pathlib import Path

import numpy as np
import pytest

from mmscand.errors import ProcessGone
from mmscand.linux.numa_policy import MemoryPolicies, by_numa_maps, parse_numa_maps
from mmscand.linux.procfs import Procfs
from mmscand.model import Node, Topology, UIntArray, VmaFlag
from synthetic.tables import vma_table

# As 6.18 prints them: modes with spaces in their names, flags, nodes, and what follows.
NUMA_MAPS = """\
10000 default file=/usr/bin/app mapped=1 N0=1 kernelpagesize_kB=4
20000 bind:1 anon=5 dirty=5 N1=5 kernelpagesize_kB=4
30000 bind=static:0,2-3 anon=1
40000 prefer:1
50000 prefer (many):0-1 heap anon=2
60000 interleave:0-1 stack
70000 weighted interleave:0-1
80000 local anon=3
90000 bind=static|balancing:1
a0000 somethingnew:0
"""
WISHES = [None, {1}, {0, 2, 3}, {1}, {0, 1}, set(), set(), None, {1}, set()]


def test_each_policy_names_its_nodes_and_what_interleaves_names_none() -> None:
    starts, wishes = parse_numa_maps(NUMA_MAPS.encode())
    assert starts.tolist() == [number << 16 for number in range(1, 11)]
    assert wishes == WISHES


class World:
    """A folder like /proc, a clock, and what a read of numa_maps costs."""

    def __init__(self, root: Path) -> None:
        self.root = root / "7"
        self.root.mkdir()
        self.reads, self.resident = 0, 1000
        self.cost_s, self.now, self.cpu = 0.001, 1000.0, 0.0
        self.write(NUMA_MAPS, "0-3")
        procfs = Counting(root)
        procfs.world = self
        self.policies = MemoryPolicies(
            lambda vmas: by_numa_maps(procfs, 7, vmas),
            lambda: procfs.cpuset_nodes(7),
            lambda: self.now,
            lambda: self.cpu,
        )

    def write(self, numa_maps: str, cpuset: str) -> None:
        (self.root / "numa_maps").write_text(numa_maps)
        (self.root / "statm").write_text(f"{self.resident} {self.resident} 1 1 0 1 0\n")
        (self.root / "status").write_text(f"Name:\tx\nMems_allowed_list:\t{cpuset}\nx:\t1\n")

    def allowed(self, *addresses: int) -> list[set[int]]:
        last = max(addresses) >> 16
        numbers = range(1, 12 if last == 11 else 11)
        vmas = vma_table([(number << 16, (number << 16) + 0x8000) for number in numbers])
        found, rows = self.policies.allowed(vmas), vmas.index_of(array(addresses))
        return [set(found.sets[found.of[row]]) if row >= 0 else set() for row in rows.tolist()]


class Counting(Procfs):
    world: World

    def numa_maps(self, pid: int) -> bytes:
        self.world.reads += 1
        self.world.cpu += self.world.cost_s
        return super().numa_maps(pid)


def array(addresses: tuple[int, ...]) -> UIntArray:
    return np.array(addresses, dtype=np.uint64)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_page_has_the_nodes_of_its_mapping_within_the_cpuset(world: World) -> None:
    every = {0, 1, 2, 3}
    assert world.allowed(0x10000, 0x27FFF, 0x30000, 0x60000, 0x80000) == [
        every,
        {1},
        {0, 2, 3},
        set(),
        every,
    ]
    world.write(NUMA_MAPS, "1-2")  # the cpuset is asked each time
    assert world.allowed(0x10000, 0x27FFF, 0x30000) == [{1, 2}, {1}, {2}]
    assert world.reads == 1


def test_what_is_in_no_mapping_has_no_node(world: World) -> None:
    assert world.allowed(0x18000, 1 << 40) == [set(), set()]


def test_a_new_mapping_is_read_at_once_but_not_beyond_a_hundredth_of_a_core(world: World) -> None:
    assert world.allowed(0xB0000) == [set()]
    world.write(NUMA_MAPS + "b0000 bind:2 anon=1\n", "0-3")
    assert world.allowed(0xB0000) == [set()]
    world.now += 0.099
    assert world.allowed(0xB0000) == [set()]
    world.now += 0.002
    assert world.allowed(0xB0000) == [{2}]
    assert world.reads == 2


def test_a_changed_policy_is_seen_after_a_minute(world: World) -> None:
    assert world.allowed(0x10000) == [{0, 1, 2, 3}]
    world.write(NUMA_MAPS.replace("10000 default", "10000 bind:1"), "0-3")
    world.now += 59
    assert world.allowed(0x10000) == [{0, 1, 2, 3}]
    world.now += 2
    assert world.allowed(0x10000) == [{1}]


def test_a_large_process_is_never_walked_under_its_lock(world: World) -> None:
    world.resident = 1 << 24  # 64 GiB: 0.6 s
    world.write(NUMA_MAPS, "0-3")
    assert world.allowed(0x20000, 0xB0000) == [{0, 1, 2, 3}] * 2
    assert world.reads == 0


def test_where_many_mappings_are_new_all_the_time_reading_has_its_bound(world: World) -> None:
    world.cost_s = 0.6
    for _ in range(60):
        world.now += 10
        world.allowed(0xB0000)
    assert world.reads == pytest.approx(10, abs=1)


def test_mappings_are_marked_with_the_tiers_that_their_owner_does_not_allow(world: World) -> None:
    vmas = vma_table([(number << 16, (number << 16) + 0x8000) for number in range(1, 7)])
    tiers = Topology(tuple(node(at) for at in range(4)), frozenset({0, 2, 3}), frozenset({1}))
    flags = world.policies.marked(vmas, tiers).flags.tolist()
    slow, fast = VmaFlag.STAYS_SLOW, VmaFlag.STAYS_FAST
    readable = 3
    wanted = (VmaFlag(0), slow, fast, slow, VmaFlag(0), slow | fast)
    assert flags == [int(flag) | readable for flag in wanted]
    world.write(NUMA_MAPS, "1")
    world.now += 60
    every = world.policies.marked(vmas, tiers).flags & VmaFlag.CPUSET_SLOW
    assert every.all()


def node(number: int) -> Node:
    return Node(number, True, (), {})


def test_after_execve_nothing_is_known(world: World) -> None:
    world.allowed(0x10000)
    world.write("10000 bind:3\n", "0-3")
    world.policies.forget()
    assert world.allowed(0x10000) == [{3}]


def test_a_process_that_has_exited_is_gone(world: World) -> None:
    for name in ("numa_maps", "status", "statm"):
        (world.root / name).unlink()
        with pytest.raises(ProcessGone):
            world.allowed(0x10000)


def test_without_any_mapping_no_page_has_a_node(world: World) -> None:
    world.write("", "0-3")  # it is about to exit
    assert world.allowed(0x10000) == [set()]
    assert len(world.policies.allowed(vma_table([])).of) == 0
