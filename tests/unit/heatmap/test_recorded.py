"""Sums of a recording are those of all its pages, one by one, whatever is put together."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mmscand.errors import UsageError
from mmscand.heatmap.model import Gathered, Sum
from mmscand.heatmap.recorded import gathered
from mmscand.model import PAGES_PER_TABLE, REGION_BYTES
from mmscand.record.file import Recording
from support.sim_daemon import HOT, Tiers, tiers
from unit.record.test_labels import VERSION_1
from unit.record.test_recorder import tape, touch


def named(world: Tiers) -> Tiers:
    world.vma.name = b"[heap]"
    return world


def recorded(world: Tiers, path: Path, script: list[Callable[[], None]]) -> Recording:
    return tape(world.machine, path, script).recording


def of_band(found: Gathered, label: str) -> np.ndarray:
    """(4, looks) sums over a band."""
    first = 0
    for name, pieces in found.bands:
        if name == label:
            return found.sums[:, :, first : first + pieces].sum(axis=2)
        first += pieces
    raise KeyError(label)


def test_accesses_of_each_look_are_counted_in_their_rows(tmp_path: Path) -> None:
    world = named(tiers())
    found = gathered(recorded(world, tmp_path / "r", [touch(world, HOT), lambda: None]))
    assert found.bands == (("[heap]", 4),)
    assert found.sums[Sum.HEAT].tolist() == [[0, 0, 0, 0], [3, 1, 0, 1], [0, 0, 0, 0]]
    assert (found.sums[Sum.PRESENT] == PAGES_PER_TABLE).all()
    assert (found.sums[Sum.SLOW] == PAGES_PER_TABLE).all()
    # Of the first look nothing is known.
    assert found.sums[Sum.KNOWN].tolist() == [[0] * 4, [512] * 4, [512] * 4]
    assert (found.title, found.unit) == ("app[100]", "share")


def test_pages_that_move_change_their_tier(tmp_path: Path) -> None:
    world = named(tiers())

    def promote() -> None:
        world.machine.migrate(world.vma, 5, 0)

    found = gathered(recorded(world, tmp_path / "r", [promote, lambda: None]))
    assert found.sums[Sum.SLOW, :, 0].tolist() == [512, 511, 511]
    assert found.sums[Sum.PRESENT, :, 0].tolist() == [512] * 3


def test_huge_pages_count_for_all_their_pages(tmp_path: Path) -> None:
    world = named(tiers(huge=True))
    found = gathered(recorded(world, tmp_path / "r", [touch(world, [1])]))
    assert found.sums[Sum.HEAT].tolist() == [[0] * 4, [0, 512, 0, 0]]
    assert (found.sums[Sum.PRESENT] == 512).all()


def test_memory_that_comes_and_goes_is_there_as_long_as_it_was(tmp_path: Path) -> None:
    world = named(tiers())

    def map_more() -> None:
        world.machine.map(world.process, 8 << 30, 1024, 1).name = b"/srv/data"

    def unmap() -> None:
        world.process.vmas.pop(0)

    found = gathered(recorded(world, tmp_path / "r", [map_more, lambda: None, unmap]))
    assert of_band(found, "[heap]")[Sum.PRESENT].tolist() == [2048, 2048, 2048, 0]
    assert of_band(found, "/srv/data")[Sum.PRESENT].tolist() == [0, 1024, 1024, 1024]
    assert of_band(found, "/srv/data")[Sum.KNOWN].tolist() == [0, 0, 1024, 1024]


def test_pages_whose_bits_say_nothing_have_no_heat(tmp_path: Path) -> None:
    world = named(tiers())
    world.vma.shared[:1] = True
    found = gathered(recorded(world, tmp_path / "r", [touch(world, [3, 1600])] * 2))
    assert found.sums[Sum.KNOWN, -1].tolist() == [0, 512, 512, 512]
    assert found.sums[Sum.HEAT, -1].tolist() == [0, 0, 0, 1]


def test_execve_ends_the_memory_before(tmp_path: Path) -> None:
    world = named(tiers())

    def execve() -> None:
        world.machine.exec(world.process)
        world.machine.map(world.process, REGION_BYTES, 512, 1).name = b"/srv/other"

    found = gathered(recorded(world, tmp_path / "r", [lambda: None, execve]))
    assert found.title == "app[100]"
    assert of_band(found, "[heap]")[Sum.PRESENT].tolist() == [2048, 2048, 0]
    assert of_band(found, "/srv/other")[Sum.PRESENT].tolist() == [0, 0, 512]


def test_neighbours_without_a_name_are_one_and_others_are_called_by_address(tmp_path: Path) -> None:
    world = tiers()
    world.machine.map(world.process, world.vma.end, 512, 1)
    world.machine.map(world.process, 8 << 30, 512, 1)
    found = gathered(recorded(world, tmp_path / "r", []))
    assert found.bands == (("anon 40000000", 5), ("anon 200000000", 1))


def two(path: Path) -> Recording:
    world = named(tiers())
    world.process.cgroup = "/a"
    for pid, cgroup in ((200, "/b"), (201, "/b")):
        other = world.machine.spawn(pid, "other")
        other.cgroup = cgroup
        world.machine.map(other, 1 << 30, 512, 1).name = b"[heap]"
        world.machine.map(other, 2 << 30, 2048, 0)
    return recorded(world, path, [touch(world, HOT)])


@pytest.mark.parametrize(
    ("by", "bands"),
    [
        ("mapping", [("without a name", 8), ("[heap]", 6)]),
        ("process", [("other[200]", 5), ("other[201]", 5), ("app[100]", 4)]),
        ("cgroup", [("/b", 10), ("/a", 4)]),
    ],
)
def test_several_processes_are_put_together(tmp_path: Path, by: str, bands: list) -> None:
    found = gathered(two(tmp_path / "r"), by=by)  # type: ignore[arg-type]
    assert sorted(found.bands) == sorted(bands)
    pages = [of_band(found, label)[Sum.PRESENT, 0] for label, _ in found.bands]
    assert pages == sorted(pages, reverse=True)
    assert found.title == "3 processes"
    assert found.sums[Sum.HEAT].sum() == len(HOT)


def test_one_process_can_be_chosen_and_one_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    recording = two(tmp_path / "r")
    assert gathered(recording, pid=200).title == "other[200]"
    with pytest.raises(UsageError, match="process 7 is not in the recording: there are 100, 200"):
        gathered(recording, pid=7)


def test_a_process_that_exits_has_no_memory_from_then_on(tmp_path: Path) -> None:
    world = named(tiers())
    other = world.machine.spawn(200, "other")
    world.machine.map(other, 1 << 30, 512, 1)
    recording = recorded(world, tmp_path / "r", [lambda: world.machine.exit(other), lambda: None])
    found = gathered(recording, by="process")
    assert of_band(found, "other[200]")[Sum.PRESENT].tolist() == [512, 0, 0]


@pytest.mark.parametrize("most_pieces", [1, 2, 3, 16])
@pytest.mark.parametrize("most_looks", [2, 3, 5, 100])
def test_bounds_of_memory_change_no_sum(tmp_path: Path, most_pieces: int, most_looks: int) -> None:
    random = np.random.default_rng(3)
    world = named(tiers())
    script = [touch(world, random.integers(2048, size=40).tolist()) for _ in range(9)]

    def map_more() -> None:
        script_touch()
        world.machine.map(world.process, 8 << 30, 1024, 0)

    script_touch, script[4] = script[4], map_more
    recording = recorded(world, tmp_path / "r", script)
    exact = gathered(recording)
    found = gathered(recording, most_pieces=most_pieces, most_looks=most_looks)
    assert found.sums.shape[1] <= most_looks
    assert found.sums.shape[2] <= max(most_pieces, 1)
    halved = next(by for by in range(9) if 9 >> by < most_looks)
    passes = np.bincount(np.arange(10) >> halved)[:, None]
    for each in Sum:
        assert (found.sums[each] * passes).sum() == exact.sums[each].sum()
    assert found.sums[Sum.PRESENT, -1].sum() == 3072


def test_a_recording_of_version_1_is_drawn_by_addresses() -> None:
    found = gathered(Recording(VERSION_1))
    assert found.bands == (("anon 40000000", 4),)
    assert found.sums[Sum.HEAT].sum() == len(HOT) + 1


def test_that_a_recording_is_cut_is_reported(tmp_path: Path) -> None:
    world = named(tiers())
    recording = recorded(world, tmp_path / "r", [lambda: None] * 3)
    path = tmp_path / "r"
    path.write_bytes(path.read_bytes()[:-9])
    assert gathered(recording).note.startswith("the recording ends inside a pass")


def test_a_recording_without_pages_is_an_error(tmp_path: Path) -> None:
    world = tiers()
    world.process.vmas.clear()
    with pytest.raises(UsageError, match="no page of any process"):
        gathered(recorded(world, tmp_path / "r", []))
