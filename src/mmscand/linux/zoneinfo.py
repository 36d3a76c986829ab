"""/proc/zoneinfo (proc_zoneinfo(5)): where each zone of memory lies, and how full it is.

With 256 CPUs most of it is lists for each of them, 5 lines a CPU and zone: those are passed over by
a search, not line by line.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mmscand.model import PAGE_BYTES, PageCache

_HEAD = b"\nNode "
_ZONE = re.compile(rb"(\d{1,4}), zone +(\w+)\n")
_PER_CPU = b"\n  pagesets\n"
_TAIL_BYTES = 128
"""Behind the lists there are two lines: node_unreclaimable and start_pfn."""
_NUMBERS = {
    name: re.compile(rb"^ +%s +(\d{1,15})$" % name, re.MULTILINE)
    for name in (
        *(b"pages free", b"high", b"spanned", b"present", b"start_pfn:"),
        *(b"nr_inactive_file", b"nr_active_file", b"nr_dirty", b"nr_writeback"),
    )
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
    cache: PageCache
    """Of all of the node, in its first zone that has memory; none in the others."""
    present: int
    start: int
    end: int
    """Half-open physical range in bytes. It may have holes that belong to other nodes."""

    @property
    def room(self) -> int:
        """Pages that it can take and still stay above its high watermark."""
        return max(0, self.free - self.high - self.protection)


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
        cache=_page_cache(counters),
        present=_number(b"present", counters),
        start=first * PAGE_BYTES,
        end=(first + _number(b"spanned", counters)) * PAGE_BYTES,
    )


def _page_cache(counters: bytes) -> PageCache:
    """The kernel does not say which of the dirty pages are inactive: all of them, to be sure."""
    written = _number(b"nr_dirty", counters) + _number(b"nr_writeback", counters)
    inactive, active = _number(b"nr_inactive_file", counters), _number(b"nr_active_file", counters)
    return PageCache(max(0, inactive - written), inactive + active)


def _number(name: bytes, text: bytes) -> int:
    found = _NUMBERS[name].search(text)
    return int(found[1]) if found else 0


def _integers(text: bytes) -> Iterator[int]:
    return (int(number) for number in re.findall(rb"\d{1,15}", text))
