"""How full memory nodes are: what can go there now.

Counters of a node are in nodeN/vmstat (Documentation/ABI/stable/sysfs-devices-node), 60 lines
however many CPUs there are. /proc/zoneinfo has five lines for each CPU and zone more, and is asked
for each plan: only the watermarks come from there, and these change rarely.
"""

import contextlib
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path

from mmscand.errors import MachineCannot
from mmscand.linux.files import read_file
from mmscand.linux.zoneinfo import DEVICE, Zone, read_zones
from mmscand.model import PageCache

_SYSFS, _PROCFS = Path("/sys"), Path("/proc")
_COUNTERS = re.compile(
    rb"^nr_(free_pages|inactive_file|active_file|dirty|writeback) (\d{1,15})$", re.MULTILINE
)
_MOMENT_S = 0.002
"""Free pages and page cache are asked for in one go. To move a batch takes about as long."""
_RESERVES_S = 10.0
"""Watermarks are read again after this time, as min_free_kbytes or the size of a zone may have
changed; and for a node of which none are known."""


class FreeMemory:
    """Of all nodes. From any thread."""

    def __init__(
        self,
        sysfs: Path = _SYSFS,
        procfs: Path = _PROCFS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._nodes = sysfs / "devices/system/node"
        self._procfs = procfs
        self._now = now
        self._reserves: tuple[dict[int, int], float] = ({}, float("-inf"))
        """4 KiB pages of each node that are to stay free, and when they were read."""
        self._read: dict[int, tuple[Counter[bytes], float]] = {}
        """The counters of each node, and when they were read."""

    def free_pages(self, node: int) -> int:
        """Pages that the node can take and still stay above the high watermarks of its zones; none
        where these are not known.
        """
        reserve = self._reserve(node)
        return 0 if reserve is None else max(0, self._counters(node)[b"free_pages"] - reserve)

    def page_cache(self, node: int) -> PageCache:
        """See machine.Machine.page_cache. Which of the dirty pages are inactive is not known: all
        of them, to be sure.
        """
        of = self._counters(node)
        written = of[b"dirty"] + of[b"writeback"]
        inactive, active = of[b"inactive_file"], of[b"active_file"]
        return PageCache(max(0, inactive - written), inactive + active)

    def _counters(self, node: int) -> Counter[bytes]:
        """Nothing of a node that is there no more."""
        counters, read_at = self._read.get(node, (Counter[bytes](), float("-inf")))
        if (now := self._now()) > read_at + _MOMENT_S:
            counters = Counter()
            with contextlib.suppress(MachineCannot):
                found = read_file(self._nodes / f"node{node}/vmstat")
                counters.update({name: int(value) for name, value in _COUNTERS.findall(found)})
            self._read[node] = counters, now
        return counters

    def _reserve(self, node: int) -> int | None:
        reserves, read_at = self._reserves
        if node not in reserves or self._now() > read_at + _RESERVES_S:
            zones = [zone for zone in read_zones(self._procfs) if zone.present]
            reserves = _reserves(zone for zone in zones if zone.name != DEVICE)
            self._reserves = reserves, self._now()
        return reserves.get(node)


def _reserves(zones: Iterable[Zone]) -> dict[int, int]:
    """By node."""
    by_node = groupby(zones, key=lambda zone: zone.node)
    return {node: _reserve_of(list(mine)) for node, mine in by_node}


def _reserve_of(zones: list[Zone]) -> int:
    """Of the zones of one node, the highest last. Of a lower one no more than is free there: most
    of the DMA zone is always kept from other allocations.
    """
    *lower, highest = zones
    return highest.reserve + sum(min(zone.free, zone.reserve) for zone in lower)
