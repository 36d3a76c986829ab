import numpy as np

from mmscand.model import HUGE_PAGE_BYTES, PAGES_PER_TABLE, REGION_BYTES, UIntArray
from mmscand.sim.machine import SimMachine
from mmscand.sim.nodes import sim_topology

PAGES = 4 * PAGES_PER_TABLE


def at(*rows: int) -> UIntArray:
    return np.array([REGION_BYTES + row * HUGE_PAGE_BYTES for row in rows], dtype=np.uint64)


def test_a_mapping_of_both_sizes_is_one_mapping_to_the_caller() -> None:
    machine = SimMachine(sim_topology((0,), (1,), {0: PAGES, 1: 3 * PAGES}))
    process = machine.spawn(100)
    machine.map(process, REGION_BYTES, PAGES, 1, huge=True)
    machine.map(process, 2 * REGION_BYTES, PAGES, 1)
    space = machine.open(process.process)
    before, free = space.vmas(), machine.free_pages(1)
    assert space.split(at(1, 3)).all()
    after = space.vmas()
    assert (after.starts.tolist(), after.ends.tolist()) == (
        before.starts.tolist(),
        before.ends.tolist(),
    )
    assert (space.resident_pages(), machine.free_pages(1)) == (2 * PAGES, free)
    assert space.collapse(at(1, 3)).all()
    machine.exit(process)
    assert machine.free_pages(1) == 3 * PAGES


def test_a_mapping_read_before_moves_nothing_that_was_split() -> None:
    machine = SimMachine(sim_topology((0,), (1,), {0: PAGES, 1: PAGES}))
    process = machine.spawn(100)
    old = machine.map(process, REGION_BYTES, PAGES, 1, huge=True)
    space = machine.open(process.process)
    assert space.split(at(1)).all()
    status = machine.migrate(old, np.array([0, 1]), 0)
    assert (status[0], status[1] < 0) == (0, True)
    assert space.nodes(at(0, 1)).tolist() == [0, 1]


def test_nothing_is_collapsed_where_no_whole_2_mib_are_free() -> None:
    machine = SimMachine(sim_topology((0,), (1,), {0: PAGES, 1: PAGES}))
    process = machine.spawn(100)
    machine.map(process, REGION_BYTES, PAGES, 1, huge=True)
    space = machine.open(process.process)
    assert space.split(at(0, 1)).all()
    assert not space.collapse(at(0)).any()
    space.move(at(2), 0)
    assert space.collapse(at(0, 1)).tolist() == [True, False]
    assert space.collapse(at(1)).tolist() == [True]  # the first one's frames are free again
