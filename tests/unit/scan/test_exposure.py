"""An exposure of its own: clear a stretch, wait, read the same stretch."""

from collections import Counter

from mmscand.model import REGION_BYTES, PageBlock, VmaTable
from mmscand.scan.exposure import Exposure
from mmscand.sim.address_space import SimAddressSpace
from mmscand.sim.machine import SimMachine
from mmscand.sim.nodes import sim_topology


def space_of(regions: int) -> SimAddressSpace:
    machine = SimMachine(sim_topology((0,), (1,), {0: 512, 1: 8192}))
    sim = machine.spawn(100)
    for region in range(1, regions + 1):
        machine.map(sim, region * REGION_BYTES, 512, 1)
    return machine.open(sim.process)


class Cleared:
    """What was asked to be cleared, by region."""

    def __init__(self) -> None:
        self.regions: list[int] = []

    def __call__(self, block: PageBlock, vmas: VmaTable, counts: Counter[str]) -> None:
        self.regions.append(int(block.addresses[0]) // REGION_BYTES)
        counts["aged"] += block.present.size


def clear(
    exposure: Exposure, space: SimAddressSpace, cleared: Cleared, *, now: float, go_on: bool = True
) -> bool:
    return exposure.clear(
        space, space.vmas(), REGION_BYTES, 1024, cleared, now=now, go_on=lambda: go_on
    )


def test_as_much_is_cleared_as_a_visit_looks_at() -> None:
    exposure, cleared = Exposure(), Cleared()
    assert clear(exposure, space_of(3), cleared, now=5.0)
    assert cleared.regions == [1, 2]
    assert (exposure.began, exposure.collects, exposure.begins) == (5.0, True, False)
    assert exposure.take() == Counter(aged=1024)
    assert not exposure.collects


def test_what_was_interrupted_goes_on_where_it_stopped() -> None:
    exposure, cleared, space = Exposure(), Cleared(), space_of(3)
    assert not clear(exposure, space, cleared, now=5.0, go_on=False)
    assert (exposure.begins, exposure.collects) == (True, False)
    assert clear(exposure, space, cleared, now=6.0)
    assert cleared.regions == [1, 2]
    assert exposure.began == 5.0


def test_what_was_cleared_for_nothing_is_forgotten() -> None:
    exposure, cleared, space = Exposure(), Cleared(), space_of(3)
    clear(exposure, space, cleared, now=5.0, go_on=False)
    exposure.cancel()
    assert not exposure.begins
    assert clear(exposure, space, cleared, now=9.0)
    assert cleared.regions == [1, 1, 2]
    assert exposure.began == 9.0


def test_from_pass_to_pass_an_exposure_is_as_long_as_from_reading_to_reading() -> None:
    exposure = Exposure()
    exposure.read(5.0, 100)
    assert exposure.end_pass() is None  # of bits that were never cleared
    exposure.read(7.0, 100)
    exposure.read(9.0, 300)  # interrupted
    assert exposure.end_pass() == 8.5 - 5.0
    assert exposure.end_pass() is None  # nothing was read


def test_an_exposure_of_its_own_is_from_clearing_to_reading() -> None:
    exposure, space = Exposure(), space_of(2)
    exposure.read(1.0, 1024)
    exposure.end_pass()
    clear(exposure, space, Cleared(), now=5.0, go_on=False)
    clear(exposure, space, Cleared(), now=6.0)
    exposure.take()
    exposure.read(8.0, 1024)
    assert exposure.end_pass() == 2.5


def test_while_nothing_ran_no_exposure_lasts() -> None:
    exposure = Exposure()
    exposure.read(5.0, 100)
    exposure.end_pass()
    exposure.nothing_ran(20.0)
    exposure.read(21.0, 100)
    assert exposure.end_pass() == 1.0
