"""`numa=fake=3`: one node cut in three, where it pleases the kernel and not at memory blocks."""

from pathlib import Path

import numpy as np

from mmscand.linux.moving import nodes
from mmscand.linux.pagemap import Pagemap
from mmscand.linux.topology import NodeReader, read_topology
from mmscand.model import PAGE_BYTES
from support.puppet import Puppet

_BLOCK = Path("/sys/devices/system/memory/block_size_bytes")
PAGES = 120 << 8
"""Of 4 KiB: 120 of the some 320 MiB of each node, so that pages lie near its borders too."""


def test_each_frame_is_of_the_node_that_the_kernel_says() -> None:
    topology = read_topology(NodeReader())
    assert len(topology.nodes) == 3
    block = int(_BLOCK.read_text(), 16)
    borders = [node.frame_ranges[-1][1] for node in topology.nodes[:-1]]
    assert any(border % block for border in borders)  # else this says nothing
    with Puppet() as puppet:
        for node in topology.nodes:
            address = puppet.map(PAGES, node=node.id)
            pagemap = Pagemap(puppet.pid)
            frames = pagemap.frames(address, PAGES)
            pagemap.close()
            every = np.uint64(address) + np.arange(PAGES, dtype=np.uint64) * np.uint64(PAGE_BYTES)
            reported = nodes(puppet.pid, every)
            assert (reported == node.id).mean() > 0.9
            assert np.array_equal(topology.nodes_of(frames), reported)
