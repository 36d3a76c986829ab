"""Memory blocks, with folders in place of sysfs."""

from pathlib import Path

import pytest

from mmscand_lab.kernel import LabError
from mmscand_lab.memory_blocks import blocks_of, is_online, offline_blocks, set_offline, set_online


@pytest.fixture
def nodes(tmp_path: Path) -> Path:
    """Node 1 with three blocks, of which the last cannot go: it has no state that takes a word."""
    node = tmp_path / "node1"
    for name in ("memory8", "memory9", "memory10", "memory_failure", "cpulist"):
        (node / name).mkdir(parents=True)
    for name in ("memory8", "memory9"):
        (node / name / "state").write_text("online")
    (node / "memory10" / "state").mkdir()
    return tmp_path


def test_blocks_are_in_the_order_of_their_numbers_the_last_first(nodes: Path) -> None:
    assert [path.name for path in blocks_of(1, nodes)] == ["memory10", "memory9", "memory8"]


def test_a_block_in_use_is_passed_over(nodes: Path) -> None:
    blocks = set_offline(1, 1, nodes)
    assert [path.name for path in blocks] == ["memory9"]
    assert not is_online(blocks[0])
    set_online(blocks)
    assert is_online(blocks[0])


def test_too_few_blocks_are_an_error(nodes: Path) -> None:
    with pytest.raises(LabError, match="node 1 has 2 memory blocks that can go offline, 3 wanted"):
        set_offline(1, 3, nodes)


def test_blocks_that_are_offline_are_found(nodes: Path) -> None:
    (nodes / "node1/memory10/state").rmdir()
    (nodes / "node1/memory10/state").write_text("online")
    assert offline_blocks(nodes / "node1") == []
    taken = set_offline(1, 2, nodes)
    assert offline_blocks(nodes / "node1") == sorted(taken)
