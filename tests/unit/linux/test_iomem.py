"""Which physical memory is RAM."""

from pathlib import Path

import pytest

from mmscand.linux.iomem import parse_iomem, readable_ram
from mmscand.model import Node, Topology

IOMEM = b"""00000000-00000fff : Reserved
00001000-0009fbff : System RAM
000a0000-000bffff : PCI Bus 0000:00
00100000-bfffffff : System RAM
  01000000-01ffffff : Kernel code
c0000000-cfffffff : PCI ECAM
100000000-17fffffff : System RAM
480000000-4ffffffff : CXL Window 0
  480000000-4ffffffff : dax0.0
    480000000-4bfffffff : System RAM (kmem)
500000000-5ffffffff : System RAM Device
"""
RAM = (
    (0x1000, 0x9F000),
    (0x100000, 0xC0000000),
    (0x100000000, 0x180000000),
    (0x480000000, 0x4C0000000),
)


def topology(*ranges: tuple[int, int]) -> Topology:
    return Topology((Node(0, True, ranges, {0: 10}),), frozenset({0}), frozenset())


def test_ram_is_what_is_called_so_in_whole_pages_also_where_a_driver_brought_it() -> None:
    assert parse_iomem(IOMEM) == RAM


def test_what_may_be_read_is_ram_of_the_nodes(tmp_path: Path) -> None:
    (tmp_path / "iomem").write_bytes(IOMEM)
    nodes = topology((0, 0x140000000), (0x480000000, 0x490000000))
    assert readable_ram(nodes, tmp_path) == (
        *RAM[:2],
        (0x100000000, 0x140000000),
        (0x480000000, 0x490000000),
    )


@pytest.mark.parametrize("data", [None, b"", b"00000000-00000000 : System RAM\n"])
def test_where_the_kernel_does_not_say_it_is_all_memory_of_the_nodes(
    tmp_path: Path, data: bytes | None
) -> None:
    if data is not None:
        (tmp_path / "iomem").write_bytes(data)
    assert readable_ram(topology((0, 1 << 30)), tmp_path) == ((0, 1 << 30),)
