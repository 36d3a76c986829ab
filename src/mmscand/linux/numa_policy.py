"""Where a process wants its memory: policies of mappings (mbind, set_mempolicy) and its cpuset.

/proc/PID/numa_maps has the policy of each mapping, and of those without one the main thread's. The
kernel walks every page for it: 35 ns a 4K page, 9 ms a GiB, measured on 6.18. /proc/PID/status,
which has the cpuset, costs 14 us. So both are asked only for processes with hot pages, numa_maps
no more often than its own cost allows, and a mapping that came since then waits.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmscand.linux.procfs import Procfs
from mmscand.linux.topology import parse_id_list
from mmscand.model import AllowedNodes, UIntArray, VmaTable

_STALE_S = 60.0
"""A policy that was set for a known mapping is seen after this long."""
_REST = 1000
"""Times what a read took until the next one: a thousandth of a core, a tenth of the CPU budget."""

# mpol_to_str, mm/mempolicy.c: MODE[=FLAGS][:NODES]. Two modes have a space in their name.
_LINE = re.compile(
    rb"^([0-9a-f]{1,16}) (prefer \(many\)|weighted interleave|[a-z]+)"
    rb"(?:=[a-z|]+)?(?::([\d,-]*))?(?: |$)",
    re.MULTILINE,
)
_FREE = (b"default", b"local")
_BOUND = (b"bind", b"prefer", b"prefer (many)")


def parse_numa_maps(data: bytes) -> tuple[UIntArray, list[frozenset[int] | None]]:
    """Start of each mapping, ascending, and the nodes that its policy names.

    None is no wish. Interleaving and modes of later kernels give no node: the pages are where they
    are to be.
    """
    rows = _LINE.findall(data)
    starts = np.array([int(start, 16) for start, _, _ in rows], dtype=np.uint64)
    return starts, [_nodes(mode, nodes) for _, mode, nodes in rows]


def _nodes(mode: bytes, nodes: bytes) -> frozenset[int] | None:
    if mode in _FREE:
        return None
    try:
        return parse_id_list(nodes.decode()) if mode in _BOUND else frozenset()
    except ValueError:  # more nodes than a kernel of today can have
        return frozenset()


@dataclass(frozen=True, slots=True)
class _Known:
    """The policies as they were read last."""

    starts: UIntArray
    wishes: tuple[frozenset[int] | None, ...]
    """What the mappings want, each wish once."""
    of: NDArray[np.intp]
    """(mappings,) place in `wishes`."""
    read_at: float
    again_at: float
    """Not to be read again before."""

    def find(self, starts: UIntArray) -> NDArray[np.intp]:
        """Place in `wishes` for mappings with these starts; -1 where it is not known."""
        if not len(self.starts):
            return np.full(len(starts), -1, dtype=np.intp)
        place = np.minimum(np.searchsorted(self.starts, starts), len(self.starts) - 1)
        return np.where(self.starts[place] == starts, self.of[place], -1)


class MemoryPolicies:
    """Of one process."""

    def __init__(
        self,
        procfs: Procfs,
        pid: int,
        now: Callable[[], float] = time.monotonic,
        cpu: Callable[[], float] = time.thread_time,
    ) -> None:
        self._procfs = procfs
        self._pid = pid
        self._now = now
        self._cpu = cpu
        self._known: _Known | None = None

    def forget(self) -> None:
        """The process has another address space."""
        self._known = None

    def allowed(self, addresses: UIntArray, vmas: VmaTable) -> AllowedNodes:
        """The nodes for each page, by the policy of its mapping; none where that is not known."""
        rows = vmas.index_of(addresses)
        starts = (
            np.where(rows >= 0, vmas.starts[rows], 0) if len(vmas) else np.zeros_like(addresses)
        )
        known = self._current()
        of = known.find(starts)
        if (of < 0).any() and self._now() >= known.again_at:
            known = self._read()
            of = known.find(starts)
        cpuset = self._procfs.cpuset_nodes(self._pid)
        sets = [cpuset if wish is None else wish & cpuset for wish in known.wishes]
        return AllowedNodes((*sets, frozenset()), np.where(of < 0, len(sets), of))

    def _current(self) -> _Known:
        known = self._known
        if known is None or self._now() >= max(known.read_at + _STALE_S, known.again_at):
            return self._read()
        return known

    def _read(self) -> _Known:
        began = self._cpu()
        starts, policies = parse_numa_maps(self._procfs.numa_maps(self._pid))
        place = {wish: number for number, wish in enumerate(dict.fromkeys(policies))}
        of = np.array([place[wish] for wish in policies], dtype=np.intp)
        now = self._now()
        again_at = now + _REST * (self._cpu() - began)
        self._known = _Known(starts, tuple(place), of, now, again_at)
        return self._known
