"""/proc/iomem: which physical memory is RAM, and no device's."""

import re
from pathlib import Path

from mmscand.errors import MachineCannot
from mmscand.linux.files import read_file
from mmscand.model import PAGE_BYTES, Topology

Ranges = tuple[tuple[int, int], ...]
_RAM = re.compile(rb"^ *([0-9a-f]{1,14})-([0-9a-f]{1,14}) : System RAM(?: \(.*\))?$", re.MULTILINE)
"""Memory that a driver brought has its name behind it: (kmem), (virtio_mem)."""


def parse_iomem(data: bytes) -> Ranges:
    """Half-open ranges of whole pages; none where the kernel hides addresses."""
    found = ((int(first, 16), int(last, 16) + 1) for first, last in _RAM.findall(data))
    whole = ((-(-start // PAGE_BYTES) * PAGE_BYTES, end & -PAGE_BYTES) for start, end in found)
    return tuple(sorted((start, end) for start, end in whole if start < end))


def readable_ram(topology: Topology, proc: Path = Path("/proc")) -> Ranges:
    """What of the nodes' memory is RAM; all of it where the kernel does not say."""
    nodes = topology.frame_ranges(frozenset(node.id for node in topology.nodes))
    try:
        ram = parse_iomem(read_file(proc / "iomem"))
    except MachineCannot:
        return nodes
    both = ((max(a, c), min(b, d)) for a, b in nodes for c, d in ram)
    return tuple(sorted((start, end) for start, end in both if start < end)) or nodes
