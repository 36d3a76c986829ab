"""How full memory nodes are: what can go there now.

Counters of a node are in nodeN/vmstat (Documentation/ABI/stable/sysfs-devices-node), 60 lines
however many CPUs there are. /proc/zoneinfo has five lines for each CPU and zone more, and is asked
for each plan: only the watermarks come from there, and these change rarely.
"""

import re
import time
from collections.abc import Callable
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
_RESERVES_S = 10.0
"""Watermarks are read again after this time: min_free_kbytes or the size of a zone may have
changed."""


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

    def free_pages(self, node: int) -> int:
        """Pages that the node can take and still stay above the high watermarks of its zones."""
        reserve = self._reserves_now().get(node, 0)
        return max(0, self._counters(node).get(b"free_pages", 0) - reserve)

    def page_cache(self, node: int) -> PageCache:
        """See machine.Machine.page_cache. Which of the dirty pages are inactive is not known: all
        of them, to be sure.
        """
        of = self._counters(node)
        written = of.get(b"dirty", 0) + of.get(b"writeback", 0)
        inactive, active = of.get(b"inactive_file", 0), of.get(b"active_file", 0)
        return PageCache(max(0, inactive - written), inactive + active)

    def _counters(self, node: int) -> dict[bytes, int]:
        """Nothing of a node that is there no more."""
        try:
            found = read_file(self._nodes / f"node{node}/vmstat")
        except MachineCannot:
            return {}
        return {name: int(value) for name, value in _COUNTERS.findall(found)}

    def _reserves_now(self) -> dict[int, int]:
        now = self._now()
        if now > self._reserves[1] + _RESERVES_S:
            self._reserves = self._read_reserves(), now
        return self._reserves[0]

    def _read_reserves(self) -> dict[int, int]:
        zones = [zone for zone in read_zones(self._procfs) if zone.present and zone.name != DEVICE]
        return {
            node: _reserve(list(mine)) for node, mine in groupby(zones, key=lambda zone: zone.node)
        }


def _reserve(zones: list[Zone]) -> int:
    """Of the zones of one node, the highest last. Of a lower one no more than is free there: most
    of the DMA zone is always kept from other allocations.
    """
    *lower, highest = zones
    return highest.reserve + sum(min(zone.free, zone.reserve) for zone in lower)
