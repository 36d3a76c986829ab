"""Memory policies as the kernel's structures have them, against what numa_maps says."""

import mmap

import numpy as np
import pytest

from mmscand.linux.machine import LinuxMachine
from mmscand.linux.numa_policy import by_numa_maps
from mmscand.linux.procfs import parse_maps
from mmscand.linux.vma_policy import PolicyReader, supported
from mmscand.model import PAGE_BYTES, VmaFlag
from support.puppet import Puppet

MPOL_PREFERRED, MPOL_BIND, MPOL_INTERLEAVE, MPOL_LOCAL = 1, 2, 3, 4
SYS_MBIND, SYS_SET_MEMPOLICY = 237, 238
NODE_0 = 1


def system_call(puppet: Puppet, *numbers: int) -> None:
    answer = puppet.say("libc", name="syscall", arguments=list(numbers))
    assert answer["result"] == 0, answer


def wishes_by_both(machine: LinuxMachine, puppet: Puppet) -> int:
    """Compare each mapping; how many of them have a policy of their own or of their task."""
    process, tasks = machine.procfs.stat(puppet.pid).process, machine.reader.tasks
    assert supported(tasks.offsets)
    vmas = parse_maps(machine.procfs.maps(puppet.pid))
    found, of = PolicyReader(machine.reader.memory, tasks.offsets).wishes(tasks.mm(process), vmas)
    reported, reported_of = by_numa_maps(machine.procfs, puppet.pid, vmas)
    ordinary = np.flatnonzero(vmas.flags & VmaFlag.SPECIAL == 0)
    assert (of[ordinary] >= 0).all()
    ours = [found[place] for place in of[ordinary]]
    assert ours == [reported[place] for place in reported_of[ordinary]]
    return sum(wish is not None for wish in ours)


def test_policies_of_mappings_are_those_that_numa_maps_has(machine: LinuxMachine) -> None:
    with Puppet() as puppet:
        assert wishes_by_both(machine, puppet) == 0
        scratch = puppet.map(1)
        puppet.poke(scratch, NODE_0)
        for mode in (MPOL_PREFERRED, MPOL_BIND, MPOL_INTERLEAVE):
            address = puppet.map(512)
            system_call(puppet, SYS_MBIND, address, 4 * PAGE_BYTES, mode, scratch, 64, 0)
        local = puppet.map(512)
        system_call(puppet, SYS_MBIND, local, PAGE_BYTES, MPOL_LOCAL, 0, 0, 0)
        assert wishes_by_both(machine, puppet) == 3


def test_the_policy_of_the_task_is_that_of_mappings_without_one(machine: LinuxMachine) -> None:
    with Puppet() as puppet:
        scratch = puppet.map(1)
        puppet.poke(scratch, NODE_0)
        system_call(puppet, SYS_SET_MEMPOLICY, MPOL_BIND, scratch, 64)
        assert wishes_by_both(machine, puppet) > 10


@pytest.mark.parametrize("mappings", [1, 9, 120, 3000])
def test_trees_of_any_depth_are_read_whole(machine: LinuxMachine, mappings: int) -> None:
    with Puppet() as puppet:
        scratch = puppet.map(1)
        puppet.poke(scratch, NODE_0)
        address = puppet.map(2 * mappings)
        for page in range(0, 2 * mappings, 2):  # every other page: no two can be joined
            at = address + page * PAGE_BYTES
            system_call(puppet, SYS_MBIND, at, PAGE_BYTES, MPOL_BIND, scratch, 64, 0)
        assert wishes_by_both(machine, puppet) == mappings


def test_shared_memory_with_a_policy_of_its_own_is_left_where_it_is(machine: LinuxMachine) -> None:
    with Puppet() as puppet:
        scratch, plain = puppet.map(1), puppet.map(512, shared=True)
        bound = puppet.map(512, shared=True)
        puppet.poke(scratch, NODE_0)
        size = 512 * PAGE_BYTES
        system_call(puppet, SYS_MBIND, bound, size, MPOL_BIND, scratch, 64, 0)
        process, tasks = machine.procfs.stat(puppet.pid).process, machine.reader.tasks
        vmas = parse_maps(machine.procfs.maps(puppet.pid))
        reader = PolicyReader(machine.reader.memory, tasks.offsets)
        found, of = reader.wishes(tasks.mm(process), vmas)
        rows = vmas.index_of(np.array([plain, bound], dtype=np.uint64))
        assert [found[place] for place in of[rows]] == [None, frozenset()]


def test_memory_that_is_garbage_is_no_policy(machine: LinuxMachine) -> None:
    class Garbage:
        name = "garbage"

        def read(self, addresses: np.ndarray) -> np.ndarray:
            random = np.random.default_rng(int(addresses.sum()) % (1 << 32))
            words = random.integers(0, 1 << 63, (len(addresses), 512), dtype=np.uint64)
            words[:, ::3] |= np.uint64(0xFF11 << 48)
            return words

    with Puppet() as puppet:
        process, tasks = machine.procfs.stat(puppet.pid).process, machine.reader.tasks
        vmas = parse_maps(machine.procfs.maps(puppet.pid))
        reader = PolicyReader(Garbage(), tasks.offsets)  # type: ignore[arg-type]
        _, of = reader.wishes(tasks.mm(process), vmas)
        assert (of == -1).all()
    assert mmap.PAGESIZE == PAGE_BYTES
