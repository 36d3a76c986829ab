"""Where a process wants its memory: policies of mappings (mbind, set_mempolicy) and its cpuset.

Policies are read from the kernel's structures (linux.vma_policy), and from /proc/PID/numa_maps on
kernels where these are others. /proc/PID/status, which has the cpuset, costs 14 us. Both are known
of a mapping before any of its pages is looked at: what cannot move is never counted. A mapping
whose policy is not known yet waits.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmscand.linux.procfs import Procfs
from mmscand.linux.vma_policy import Wish
from mmscand.model import AllowedNodes, Topology, UIntArray, VmaFlag, VmaTable
from mmscand.node_lists import parse_id_list

Wishes = tuple[list[Wish], NDArray[np.intp]]
"""Each wish once, and the place of each mapping's; -1 where it is not known."""

_STALE_S = 60.0
"""A policy that was set for a known mapping is seen after this long."""
_REST = 100
"""Times what a read took until the next one: a hundredth of a core, where mappings come all the
time. A read takes 0.2 ms with 200 mappings, and 50 ms with 50 000."""
_MOST_WALKED_PAGES = 131_072
"""Of a process whose numa_maps is read: at 35 ns a 4K page (6.18, EPYC) its mmap lock is held for
4.6 ms. Larger ones are taken to have no policies."""

# mpol_to_str, mm/mempolicy.c: MODE[=FLAGS][:NODES]. Two modes have a space in their name.
_LINE = re.compile(
    rb"^([0-9a-f]{1,16}) (prefer \(many\)|weighted interleave|[a-z]+)"
    rb"(?:=[a-z|]+)?(?::([\d,-]*))?(?: |$)",
    re.MULTILINE,
)
_FREE = (b"default", b"local")
_BOUND = (b"bind", b"prefer", b"prefer (many)")


def parse_numa_maps(data: bytes) -> tuple[UIntArray, list[Wish]]:
    """Start of each mapping, ascending, and the nodes that its policy names.

    None is no wish. Interleaving and modes of later kernels give no node: the pages are where they
    are to be.
    """
    rows = _LINE.findall(data)
    starts = np.array([int(start, 16) for start, _, _ in rows], dtype=np.uint64)
    return starts, [_nodes(mode, nodes) for _, mode, nodes in rows]


def _nodes(mode: bytes, nodes: bytes) -> Wish:
    if mode in _FREE:
        return None
    try:
        return parse_id_list(nodes.decode()) if mode in _BOUND else frozenset()
    except ValueError:  # more nodes than a kernel of today can have
        return frozenset()


def by_numa_maps(procfs: Procfs, pid: int, vmas: VmaTable) -> Wishes:
    """What the mappings want, by /proc/PID/numa_maps."""
    if procfs.resident_pages(pid) > _MOST_WALKED_PAGES:
        return [None], np.zeros(len(vmas), dtype=np.intp)
    starts, policies = parse_numa_maps(procfs.numa_maps(pid))
    if not len(starts):
        return [], np.full(len(vmas), -1, dtype=np.intp)
    place = {wish: number for number, wish in enumerate(dict.fromkeys(policies))}
    of = np.array([place[wish] for wish in policies], dtype=np.intp)
    row = np.minimum(np.searchsorted(starts, vmas.starts), len(starts) - 1)
    return list(place), np.where(starts[row] == vmas.starts, of[row], -1)


@dataclass(frozen=True, slots=True)
class _Known:
    """The policies as they were read last."""

    starts: UIntArray
    wishes: tuple[Wish, ...]
    of: NDArray[np.intp]
    """(mappings,) place in `wishes`; -1 where it could not be read."""
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
        read: Callable[[VmaTable], Wishes],
        cpuset: Callable[[], frozenset[int]],
        now: Callable[[], float] = time.monotonic,
        cpu: Callable[[], float] = time.thread_time,
    ) -> None:
        self._wishes = read
        self._cpuset = cpuset
        self._now = now
        self._cpu = cpu
        self._known: _Known | None = None

    def forget(self) -> None:
        """The process has another address space."""
        self._known = None

    def allowed(self, vmas: VmaTable) -> AllowedNodes:
        """The nodes for each mapping; none where its policy is not known."""
        return self._within(self._cpuset(), vmas)

    def marked(self, vmas: VmaTable, tiers: Topology) -> VmaTable:
        """The mappings with the tiers that their owner does not allow."""
        cpuset = self._cpuset()
        allowed = self._within(cpuset, vmas)
        flags = [VmaFlag.of_nodes(nodes, cpuset, tiers) for nodes in allowed.sets]
        of_sets = np.array(flags, dtype=np.uint16)
        return VmaTable(vmas.starts, vmas.ends, vmas.flags | of_sets[allowed.of])

    def _within(self, cpuset: frozenset[int], vmas: VmaTable) -> AllowedNodes:
        known = self._current(vmas)
        of = known.find(vmas.starts)
        unknown = (of < 0) & (vmas.flags & VmaFlag.SPECIAL == 0)  # [vsyscall] is in no tree
        if unknown.any() and self._now() >= known.again_at:
            known = self._read(vmas)
            of = known.find(vmas.starts)
        sets = [cpuset if wish is None else wish & cpuset for wish in known.wishes]
        return AllowedNodes((*sets, frozenset()), np.where(of < 0, len(sets), of))

    def _current(self, vmas: VmaTable) -> _Known:
        known = self._known
        if known is None or self._now() >= max(known.read_at + _STALE_S, known.again_at):
            return self._read(vmas)
        return known

    def _read(self, vmas: VmaTable) -> _Known:
        began = self._cpu()
        wishes, of = self._wishes(vmas)
        now = self._now()
        again_at = now + _REST * (self._cpu() - began)
        self._known = _Known(vmas.starts, tuple(wishes), of, now, again_at)
        return self._known
