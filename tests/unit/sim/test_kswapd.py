"""The simulated kernel's watermarks and demotion."""

import errno

import numpy as np
import pytest

from mmscand.model import PAGE_BYTES, REGION_BYTES, UIntArray
from mmscand.sim.machine import SimMachine
from mmscand.sim.memory import Watermarks, kernel_watermarks
from mmscand.sim.nodes import sim_topology

MARKS = Watermarks(min=64, low=128, high=256)
NODES = {0: 4096, 1: 8192}


def machine_of(*, demotion: bool = True, slow_pages: int = 8192) -> SimMachine:
    topology = sim_topology((0,), (1,), {0: 4096, 1: slow_pages})
    return SimMachine(topology, watermarks={0: MARKS, 1: MARKS}, demotion=demotion)


def addresses(start: int, pages: "range | list[int]") -> UIntArray:
    return np.array([start + page * PAGE_BYTES for page in pages], dtype=np.uint64)


def test_the_kernel_s_own_watermarks() -> None:
    marks = kernel_watermarks(64 << 18)
    assert [pages * 4 // 1024 for pages in (marks.min, marks.low, marks.high)] == [32, 97, 163]


def test_free_pages_are_those_above_the_high_watermark() -> None:
    machine = machine_of()
    process = machine.spawn(100)
    assert machine.free_pages(0) == 4096 - 256
    machine.map(process, REGION_BYTES, 3584, 0)
    assert machine.free_pages(0) == 256
    machine.exit(process)
    assert machine.free_pages(0) == 4096 - 256


def test_nothing_is_allocated_under_the_min_watermark() -> None:
    machine = machine_of(demotion=False)
    process = machine.spawn(100)
    machine.map(process, REGION_BYTES, 3584, 0)
    machine.map(process, 2 * REGION_BYTES, 1024, 1)
    space = machine.open(process.process)
    status = space.move(addresses(2 * REGION_BYTES, range(1024)), 0)
    assert np.count_nonzero(status == 0) == 512 - 64
    assert np.count_nonzero(status == -errno.ENOMEM) == 1024 - 448
    assert machine.free_pages(0) == 0
    with pytest.raises(ValueError, match="no room"):
        machine.map(process, 3 * REGION_BYTES, 512, 0)
    assert machine.demoted(0) == 0


def test_under_the_low_watermark_cold_pages_go_until_the_high_one() -> None:
    machine = machine_of()
    process = machine.spawn(100)
    vma = machine.map(process, REGION_BYTES, 3584, 0)
    slow = machine.map(process, 2 * REGION_BYTES, 1024, 1)
    vma.accessed[:] = False
    space = machine.open(process.process)
    space.move(addresses(2 * REGION_BYTES, range(384)), 0)  # to 128 free pages, at the watermark
    assert machine.demoted(0) == 0
    space.move(addresses(2 * REGION_BYTES, [400]), 0)
    assert machine.demoted(0) == 256 - 127
    assert np.flatnonzero(machine.nodes_of(vma) == 1).tolist() == list(range(129))
    assert (machine.nodes_of(slow) == 0).sum() == 385


def test_an_accessed_page_has_a_second_chance_and_the_next_in_turn_go() -> None:
    machine = machine_of()
    process = machine.spawn(100)
    vma = machine.map(process, REGION_BYTES, 3584, 0)
    machine.map(process, 2 * REGION_BYTES, 1024, 1)
    vma.accessed[:] = False
    process.touch(REGION_BYTES, range(100))
    space = machine.open(process.process)
    space.move(addresses(2 * REGION_BYTES, range(385)), 0)
    gone = np.flatnonzero(machine.nodes_of(vma) == 1)
    assert gone.tolist() == list(range(100, 229))
    assert not vma.accessed.any()  # cleared on the way
    space.move(addresses(2 * REGION_BYTES, range(400, 530)), 0)
    again = np.flatnonzero(machine.nodes_of(vma) == 1)
    assert again.tolist() == list(range(100, 229 + len(again) - len(gone)))  # the hand went on


def test_when_all_are_accessed_the_second_round_takes_them() -> None:
    machine = machine_of()
    process = machine.spawn(100)
    vma = machine.map(process, REGION_BYTES, 3584, 0)
    machine.map(process, 2 * REGION_BYTES, 512, 0)
    assert machine.free_pages(0) == 0
    assert machine.demoted(0) == 256
    assert (machine.nodes_of(vma) == 1).sum() == 256


def test_pinned_and_locked_pages_stay() -> None:
    machine = machine_of()
    process = machine.spawn(100)
    locked = machine.map(process, REGION_BYTES, 1024, 0)
    locked.unaged = True
    vma = machine.map(process, 2 * REGION_BYTES, 2560, 0)
    vma.pinned[:] = True
    vma.pinned.flat[2000:2100] = False
    machine.map(process, 3 * REGION_BYTES, 1024, 1)
    space = machine.open(process.process)
    space.move(addresses(3 * REGION_BYTES, range(400)), 0)
    assert not (machine.nodes_of(locked) == 1).any()
    assert np.flatnonzero(machine.nodes_of(vma) == 1).tolist() == list(range(2000, 2100))
    assert machine.free_pages(0) == 0  # it could not reach its watermark, and gave up


def test_huge_pages_are_demoted_whole() -> None:
    machine = machine_of()
    process = machine.spawn(100)
    vma = machine.map(process, REGION_BYTES, 2048, 0, huge=True)
    machine.map(process, 2 * REGION_BYTES, 1536, 0)
    machine.map(process, 3 * REGION_BYTES, 512, 0)
    assert machine.demoted(0) == 512
    assert machine.nodes_of(vma).ravel().tolist() == [1, 0, 0, 0]


def test_a_full_slow_node_takes_nothing_under_its_low_watermark() -> None:
    machine = machine_of(slow_pages=1024)
    process = machine.spawn(100)
    machine.map(process, REGION_BYTES, 512, 1)
    machine.map(process, 2 * REGION_BYTES, 3584, 0)
    machine.map(process, 3 * REGION_BYTES, 512, 0)
    assert machine.demoted(0) == 256
    with pytest.raises(ValueError, match="no room"):
        machine.map(process, 4 * REGION_BYTES, 512, 0)
    assert machine.demoted(0) == 512 - 128


def test_the_same_calls_give_the_same_state() -> None:
    def state() -> list[int]:
        machine = machine_of()
        process = machine.spawn(100)
        vma = machine.map(process, REGION_BYTES, 3584, 0)
        for seed in range(5):
            machine.clear_accessed(process, 0.5, seed)
            machine.map(machine.spawn(200 + seed), REGION_BYTES, 512, 0)
            machine.exit(machine.process(200 + seed))
        return [*vma.frame_numbers.ravel().tolist(), *vma.accessed.ravel().tolist()]

    assert state() == state()


def test_other_agents_clear_the_bits_of_some_rows() -> None:
    machine = machine_of()
    process = machine.spawn(100)
    vma = machine.map(process, REGION_BYTES, 3584, 0)
    machine.clear_accessed(process, 0.5, seed=3)
    rows = vma.accessed.any(axis=1)
    assert 0 < rows.sum() < 7
    assert (vma.accessed.all(axis=1) == rows).all()
    machine.clear_accessed(process)
    assert not vma.accessed.any()
