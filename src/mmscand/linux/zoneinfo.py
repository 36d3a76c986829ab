"""/proc/zoneinfo (proc_zoneinfo(5)): where each zone of memory lies, and how full it is.

With 256 CPUs most of it is lists for each of them, 5 lines a CPU and zone: those are passed over by
a search, not line by line.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mmscand.errors import MachineCannot
from mmscand.linux.files import read_file
from mmscand.model import PAGE_BYTES

DEVICE = "Device"
"""A zone that nobody can allocate from: persistent memory used as files, and the like."""
_HEAD = b"\nNode "
_ZONE = re.compile(rb"(\d{1,4}), zone +(\w+)\n")
_PER_CPU = b"\n  pagesets\n"
_TAIL_BYTES = 128
"""Behind the lists there are two lines: node_unreclaimable and start_pfn."""
_NUMBERS = {
    name: re.compile(rb"^ +%s +(\d{1,15})$" % name, re.MULTILINE)
    for name in (*(b"pages free", b"high", b"spanned", b"present", b"start_pfn:"),)
}
"""`high:` with a colon is another thing, a limit of the per-CPU lists."""
_PROTECTION = re.compile(rb"^ +protection: \(([\d, ]+)\)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Zone:
    """One zone of one node; numbers of pages, but for the range."""

    node: int
    name: str
    free: int
    high: int
    """The high watermark."""
    protection: int
    """Kept from allocations that a higher zone could have served."""
    present: int
    start: int
    end: int
    """Half-open physical range in bytes. It may have holes that belong to other nodes."""

    @property
    def reserve(self) -> int:
        """Pages that are to stay free, of what a movable page may take."""
        return self.high + self.protection


def read_zones(procfs: Path) -> list[Zone]:
    """All zones of all nodes; none where the kernel does not say."""
    try:
        return parse_zoneinfo(read_file(procfs / "zoneinfo"))
    except MachineCannot:
        return []


def parse_zoneinfo(data: bytes) -> list[Zone]:
    """All zones of all nodes, also empty ones."""
    parts = (b"\n" + data).split(_HEAD)
    return [_zone(head, part) for part in parts if (head := _ZONE.match(part))]


def _zone(head: re.Match[bytes], body: bytes) -> Zone:
    counters = body.partition(_PER_CPU)[0]
    first = _number(b"start_pfn:", body[-_TAIL_BYTES:])
    protection = _PROTECTION.search(counters)
    return Zone(
        node=int(head[1]),
        name=head[2].decode(),
        free=_number(b"pages free", counters),
        high=_number(b"high", counters),
        protection=max(_integers(protection[1]), default=0) if protection else 0,
        present=_number(b"present", counters),
        start=first * PAGE_BYTES,
        end=(first + _number(b"spanned", counters)) * PAGE_BYTES,
    )


def _number(name: bytes, text: bytes) -> int:
    found = _NUMBERS[name].search(text)
    return int(found[1]) if found else 0


def _integers(text: bytes) -> Iterator[int]:
    return (int(number) for number in re.findall(rb"\d{1,15}", text))
