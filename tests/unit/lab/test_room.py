"""What is set aside of a node, with a pool that is a plain file."""

from pathlib import Path

import pytest

from mmscand.linux.free_memory import FreeMemory
from mmscand_lab import room
from mmscand_lab.kernel import LabError
from mmscand_lab.room import room_on


class Node(FreeMemory):
    """A node whose pool is a file, and that has more room from the third look on."""

    def __init__(self, folder: Path, free: int = 10_000, later: int = 0) -> None:
        self.pool = str(folder / "pool-{}")
        self.free, self.later, self.looks = free, later, 0
        (folder / "pool-0").write_text("0")
        self.lists = str(folder / "lists")
        Path(self.lists).write_text("0\n")

    def free_pages(self, node: int) -> int:
        self.looks += 1
        taken = 512 * int(Path(self.pool.format(node)).read_text())
        return self.free + (self.later if self.looks > 2 else 0) - taken


@pytest.fixture(autouse=True)
def no_time_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room.time, "sleep", lambda seconds: None)


@pytest.mark.parametrize("later", [0, 3000, -3000])
def test_all_but_the_room_is_in_the_pool_meanwhile(tmp_path: Path, later: int) -> None:
    node = Node(tmp_path, later=later)
    with room_on(0, 4000, node, node.pool, node.lists):
        assert Path(node.lists).read_text() == "100000"
        assert 4000 <= node.free_pages(0) < 4000 + 1024
    assert (tmp_path / "pool-0").read_text() == "0"
    assert Path(node.lists).read_text() == "0\n"


def test_too_little_memory_is_reported_and_the_pool_is_empty_again(tmp_path: Path) -> None:
    node = Node(tmp_path)
    with (
        pytest.raises(LabError, match="room for 10000 pages"),
        room_on(0, 11_000, node, node.pool, node.lists),
    ):
        pass
    assert (tmp_path / "pool-0").read_text() == "0"


def test_a_kernel_without_the_pool_is_reported(tmp_path: Path) -> None:
    node = Node(tmp_path)
    with (
        pytest.raises(LabError, match="No such file"),
        room_on(0, 4000, node, str(tmp_path / "none" / "{}"), node.lists),
    ):
        pass
