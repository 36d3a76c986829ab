"""Which physical memory belongs to which node.

The kernel says it in two ways, and neither is enough. A zone says from where to where it reaches,
to the page, but other nodes may have memory in between. A memory block (128 MiB, 2 GiB on large
machines) is linked below each node that has some of it, so one with a border inside is linked below
two (`numa=fake`, open-mpi/hwloc#568).
"""

import itertools
from collections.abc import Iterable, Mapping

from mmscand.model import joined_ranges

Ranges = tuple[tuple[int, int], ...]
_Found = list[tuple[int, int]]


def owners(
    blocks: Mapping[int, Iterable[tuple[int, int]]], zones: Mapping[int, Ranges]
) -> dict[int, Ranges]:
    """Ranges of each node, which never overlap; without blocks (no memory hotplug) by zones."""
    linked = {node: joined_ranges(ranges) for node, ranges in blocks.items()}
    every = [r for ranges in (*linked.values(), *zones.values()) for r in ranges]
    found: dict[int, _Found] = {node: [] for node in (*linked, *zones)}
    for start, end in itertools.pairwise(sorted({border for r in every for border in r})):
        owner = _owner(start, linked, zones)
        if owner is not None:
            found[owner].append((start, end))
    return {node: joined_ranges(ranges) for node, ranges in found.items()}


def _owner(at: int, linked: Mapping[int, Ranges], zones: Mapping[int, Ranges]) -> int | None:
    """The node of a place; None where there is no memory."""
    reach = {node: size for node in zones if (size := _size_around(zones[node], at))}
    blocks = {node for node in linked if _size_around(linked[node], at)}
    if linked and not blocks:
        return None
    # A zone that lies inside another one is a hole in it, so the smaller one has the place. Blocks
    # that no zone reaches are offline.
    among = (blocks & reach.keys()) or blocks or reach.keys()
    return min(among, key=lambda node: (reach.get(node, 0), node), default=None)


def _size_around(ranges: Ranges, at: int) -> int:
    """Bytes of the range that holds a place; 0 if none does."""
    return next((end - start for start, end in ranges if start <= at < end), 0)
