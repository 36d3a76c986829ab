"""The nouns that walk down the street: frozen data, and every numpy dtype in one place.

A page is always 4 KiB here, also when it is part of a huge page. Addresses are virtual
addresses in bytes; frames are physical addresses in bytes.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntFlag
from functools import cached_property
from itertools import groupby
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from mmscand.errors import NoSuchNode, UsageError
from mmscand.shown import shown

UIntArray = NDArray[np.uint64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int32]
ByteArray = NDArray[np.uint8]
StateArray = NDArray[np.uint16]
FloatArray = NDArray[np.float64]
PageNumbers = NDArray[np.intp]

PAGE_BYTES = 4096
PAGES_PER_TABLE = 512
"""Entries of one x86-64 page-table page, so 4K pages behind one PMD entry."""
HUGE_PAGE_BYTES = PAGE_BYTES * PAGES_PER_TABLE
REGION_BYTES = HUGE_PAGE_BYTES * PAGES_PER_TABLE
"""1 GiB: what one PUD entry maps; scan windows and history are cut at its borders."""

NAME_CHARACTERS = 15
"""Most in the name of a process: the kernel's TASK_COMM_LEN less its NUL."""
NO_FRAME = 1 << 52
"""Above every physical address: x86-64 page tables have room for 52 bits."""


def joined_ranges(ranges: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Half-open ranges in ascending order, those that touch made one."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return tuple(joined)


@dataclass(frozen=True, slots=True)
class Node:
    """One NUMA node that has memory."""

    id: int
    has_cpus: bool
    frame_ranges: tuple[tuple[int, int], ...]
    """Half-open physical ranges in bytes, ascending."""
    distances: Mapping[int, int]
    """SLIT distance to every node, 10 = itself."""
    tier: int | None = None
    """The kernel's memory_tierN, smaller is faster; None where the kernel has no tiers."""
    read_latency_ns: int | None = None
    read_bandwidth_mb_s: int | None = None


@dataclass(frozen=True, slots=True)
class Topology:
    """The nodes of a machine and which of them promotion goes to and comes from."""

    nodes: tuple[Node, ...]
    fast: frozenset[int]
    slow: frozenset[int]
    note: str = ""
    """How the tiers were distinguished, or why they could not be."""

    def __post_init__(self) -> None:
        known = {node.id for node in self.nodes}
        if unknown := (self.fast | self.slow) - known:
            raise NoSuchNode(
                f"no node {min(unknown)} with memory", hint=f"this machine has {sorted(known)}"
            )
        if both := self.fast & self.slow:
            raise UsageError(f"node {min(both)} is named fast and slow", hint="name each node once")

    def node(self, node_id: int) -> Node:
        """The node of that number."""
        return next(node for node in self.nodes if node.id == node_id)

    def frame_ranges(self, node_ids: frozenset[int]) -> tuple[tuple[int, int], ...]:
        """Physical ranges of these nodes, neighbours joined."""
        return joined_ranges(r for n in self.nodes if n.id in node_ids for r in n.frame_ranges)

    def slow_spans(self) -> tuple[tuple[int, int], ...]:
        """Physical ranges with all slow frames and no frame of another node, ascending.

        They reach over what has no frames, also down to 0 and up to `NO_FRAME`: fewer and open
        ranges are faster to test.
        """
        ranges = sorted((*r, n.id in self.slow) for n in self.nodes for r in n.frame_ranges)
        runs = [list(run) for _, run in groupby(ranges, key=itemgetter(2))]
        borders = [0, *(before[-1][1] for before in runs[:-1])]
        ends = [*(after[0][0] for after in runs[1:]), NO_FRAME]
        spans = zip(borders, ends, runs, strict=True)
        return tuple((start, end) for start, end, run in spans if run[0][2])

    def nodes_of(self, frames: UIntArray) -> IntArray:
        """Node of each physical address, shape as `frames`; -1 where no node has it."""
        found = np.full(frames.shape, -1, dtype=np.int32)
        for node in self.nodes:
            for start, end in node.frame_ranges:
                found[frames - np.uint64(start) < np.uint64(end - start)] = node.id
        return found


@dataclass(frozen=True, slots=True)
class Process:
    """A process for as long as it lives: a reused pid has another start time."""

    pid: int
    start_time: int
    """Clock ticks after boot, field 22 of proc_pid_stat(5)."""
    name: str = field(compare=False, default="")

    def __str__(self) -> str:
        return f"{shown(self.name) or 'process'}[{self.pid}]"


@dataclass(frozen=True, slots=True)
class PageCache:
    """Pages of files on a node, in 4 KiB."""

    idle: int = 0
    """Inactive on the kernel's LRU lists, and clean: the kernel can drop them at once."""
    pages: int = 0
    """All of them, also dirty ones."""


@dataclass(frozen=True, slots=True)
class Look:
    """The processes of a machine, as one look found them."""

    running: tuple[Process, ...]
    """User-space processes that are alive, except this daemon; parents before their children."""
    changed: frozenset[Process]
    """Of these, whose name, user or cgroup may be others than at the look before; new ones too."""
    quiet: bool
    """Nothing came, went or changed since then."""
    denied: frozenset[int] = frozenset()
    """Pids of which a security module says nothing, so that they are not in `running`."""


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """What rules look at; it may change while the process lives."""

    process: Process
    ppid: int
    uid: int
    """Effective user id."""
    cgroup: str
    """Path in the cgroup v2 hierarchy, as /proc/PID/cgroup has it; '/' is the root."""
    long_name: str = ""
    """The program's whole name, where the kernel cut it after 15 characters."""


class VmaFlag(IntFlag):
    """What a mapping is, as far as `maps` says."""

    READ = 1
    WRITE = 2
    EXEC = 4
    SHARED = 8
    FILE = 16
    HUGETLB = 32
    SPECIAL = 64
    """Kernel-provided ([vdso], [vvar], [vsyscall]) or a device."""
    REFUSED = 128
    """The kernel refused to age it: locked memory, a PFN map, hugetlb by another name."""
    STAYS_SLOW = 256
    """Its memory policy or cpuset allows no node of the fast tier, or is not known yet."""
    STAYS_FAST = 512
    """Its memory policy or cpuset allows no node of the slow tier, or is not known yet."""
    CPUSET_SLOW = 1024
    """Its cpuset allows no node of the fast tier."""

    @classmethod
    def of_nodes(
        cls, allowed: frozenset[int], cpuset: frozenset[int], tiers: Topology
    ) -> "VmaFlag":
        """Of a mapping whose owner allows these nodes, by a policy within its cpuset."""
        return (
            (cls(0) if allowed & tiers.fast else cls.STAYS_SLOW)
            | (cls(0) if allowed & tiers.slow else cls.STAYS_FAST)
            | (cls(0) if cpuset & tiers.fast else cls.CPUSET_SLOW)
        )


@dataclass(frozen=True, slots=True)
class VmaTable:
    """The mappings of one process in ascending order, one array for each column."""

    starts: UIntArray
    ends: UIntArray
    flags: NDArray[np.uint16]

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def pages(self) -> int:
        """Pages of address space, mapped or not."""
        return int((self.ends - self.starts).sum()) // PAGE_BYTES

    def where(self, mask: BoolArray) -> "VmaTable":
        """Only the mappings that `mask` (bool, one a mapping) picks."""
        return VmaTable(self.starts[mask], self.ends[mask], self.flags[mask])

    def covers(self, start: int, end: int) -> bool:
        """Whether one mapping holds all of [start, end)."""
        row = int(self.ends.searchsorted(np.uint64(start), side="right"))
        return row < len(self) and int(self.starts[row]) <= start and end <= int(self.ends[row])

    def without(self, starts: UIntArray, length: int) -> "VmaTable":
        """Cut the ranges [start, start + length) out; they ascend and do not overlap."""
        firsts, after = _joined(starts, length)
        begins = np.append(np.uint64(0), after)
        ends = np.append(firsts, np.uint64(np.iinfo(np.uint64).max))
        return self._clipped(begins, ends)

    def within(self, starts: UIntArray, length: int) -> "VmaTable":
        """Only what lies in the ranges [start, start + length); they ascend and do not overlap."""
        return (
            self._clipped(*_joined(starts, length))
            if len(starts)
            else self.where(np.zeros(len(self), dtype=np.bool_))
        )

    def _clipped(self, begins: UIntArray, ends: UIntArray) -> "VmaTable":
        """Only what lies in these ranges (n,), which ascend and do not touch."""
        first = np.searchsorted(ends, self.starts, side="right")
        counts = np.maximum(0, np.searchsorted(begins, self.ends, side="left") - first)
        rows = np.repeat(np.arange(len(self)), counts)
        offsets = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        gaps = first[rows] + offsets
        return VmaTable(
            np.maximum(self.starts[rows], begins[gaps]),
            np.minimum(self.ends[rows], ends[gaps]),
            self.flags[rows],
        )

    def index_of(self, addresses: UIntArray) -> NDArray[np.int64]:
        """Row of the mapping that holds each address; -1 where none does."""
        rows = np.searchsorted(self.ends, addresses, side="right")
        inside = np.zeros(addresses.shape, dtype=np.bool_)
        candidates = rows < len(self)
        inside[candidates] = self.starts[rows[candidates]] <= addresses[candidates]
        return np.where(inside, rows, -1)

    def overlaps(self, starts: UIntArray, length: int) -> BoolArray:
        """Which of the ranges [start, start + length) share a byte with a mapping."""
        rows = np.searchsorted(self.ends, starts, side="right")
        hit = rows < len(self)
        hit[hit] = self.starts[rows[hit]] < starts[hit] + np.uint64(length)
        return hit


def _joined(starts: UIntArray, length: int) -> tuple[UIntArray, UIntArray]:
    """Begins and ends of ranges of this length, those that touch as one."""
    apart = np.flatnonzero(starts[1:] != starts[:-1] + np.uint64(length))
    return starts[np.append(0, apart + 1)], starts[np.append(apart, -1)] + np.uint64(length)


@dataclass(frozen=True, slots=True)
class MappingNames:
    """What the mappings of a process are called, as one look at them found it."""

    starts: UIntArray
    """(n,) ascending."""
    ends: UIntArray
    names: tuple[bytes, ...]
    """(n,) as /proc/PID/maps has them: a path, [heap], [anon:...]; b'' of memory without a name."""

    @classmethod
    def none(cls) -> "MappingNames":
        """Without mappings."""
        return cls(np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.uint64), ())

    def of(self, vmas: VmaTable) -> list[bytes]:
        """Of the mappings of another look; b'' of one that has come or changed since."""
        if not self.names:
            return [b""] * len(vmas)
        place = np.minimum(self.starts.searchsorted(vmas.starts), len(self.names) - 1)
        same = (self.starts[place] == vmas.starts) & (self.ends[place] == vmas.ends)
        found = zip(place.tolist(), same.tolist(), strict=True)
        return [self.names[at] if is_same else b"" for at, is_same in found]


@dataclass(frozen=True, slots=True)
class AllowedNodes:
    """The nodes that the owner's memory policy and cpuset allow each of some mappings or pages."""

    sets: tuple[frozenset[int], ...]
    """An empty set: the page is to be left alone, or it is not known yet."""
    of: NDArray[np.intp]
    """(n,) place in `sets`."""


@dataclass(frozen=True)
class PageBlock:
    """What a pass saw: rows of page slots that are consecutive inside a row.

    All arrays have shape (rows, width), `addresses` has (rows,). A slot is one leaf of the page
    tables: 4 KiB (width 512) or a huge page (width 1). Rows ascend and are at most 2 MiB long;
    memory without page tables has no row.
    """

    addresses: UIntArray
    pages_per_slot: int
    frames_or_how: UIntArray | Callable[[], UIntArray]
    """What `frames` is, or makes it: of most blocks nobody asks, and it costs a fifth of a read."""
    present: BoolArray
    accessed: BoolArray
    """Present and the Accessed bit is set."""
    slow: BoolArray
    """Present, on a slow-tier node, and in a mapping that was asked for."""

    @cached_property
    def frames(self) -> UIntArray:
        """(rows, width) physical addresses; of slots that are not present, anything."""
        known = self.frames_or_how
        return known() if callable(known) else known

    def where(self, rows: BoolArray) -> "PageBlock":
        """Some of its rows (rows,)."""
        masks = (self.present[rows], self.accessed[rows], self.slow[rows])
        return PageBlock(
            self.addresses[rows], self.pages_per_slot, lambda: self.frames[rows], *masks
        )

    def slot_addresses(self, mask: BoolArray) -> UIntArray:
        """Virtual addresses of the slots that `mask` (rows, width) picks, ascending."""
        rows, columns = np.nonzero(mask)
        step = np.uint64(self.pages_per_slot * PAGE_BYTES)
        return self.addresses[rows] + columns.astype(np.uint64) * step

    def pages_in(self, mask: BoolArray) -> int:
        """4 KiB pages in the slots that a mask picks, of whatever shape it is."""
        return int(np.count_nonzero(mask)) * self.pages_per_slot


@dataclass(frozen=True, slots=True)
class Aged:
    """What aging some slots of a block came to."""

    pages: int
    """4 KiB pages that were covered, those in between included."""
    missed: UIntArray
    """First addresses of slots that were to be aged and could not: their bits mean nothing."""


@dataclass(frozen=True, slots=True)
class Window:
    """One stretch of an address space as it was read: at most a region, or neighbouring ones with
    few rows together (scan.joined_windows)."""

    start: int
    end: int
    blocks: tuple[PageBlock, ...]
    """At most one block for each slot size."""
    discarded: int = 0
    """Page-table pages that were garbage: freed or reused while they were read."""

    @property
    def pages(self) -> int:
        """Page slots looked at, in 4 KiB pages: the cost of the read, and what pacing bounds."""
        return sum(block.present.size * block.pages_per_slot for block in self.blocks)


@dataclass(frozen=True, slots=True)
class Migration:
    """Pages that a policy wants on another tier."""

    process: Process
    addresses: UIntArray
    """First address of each slot, ascending."""
    pages_per_slot: int
    source: int
    """The node that they are on."""
    preferred: tuple[int, ...] = ()
    """Fast nodes by how much of its memory there the process uses, most first."""
    allowed: frozenset[int] | None = None
    """Nodes that the owner's memory policy and cpuset allow; None is all."""
    shared: bool = False
    """Pages that other processes map too are moved as well."""
    heat: int = 0
    """Passes of those that are remembered in which they were accessed: hotter goes first."""
    demotes: bool = False
    """They go to the slow tier. Goes before what is promoted, to make room for it."""

    @property
    def pages(self) -> int:
        """In 4 KiB pages."""
        return len(self.addresses) * self.pages_per_slot


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a migration, slot by slot."""

    migration: Migration
    target: int
    """The node that was asked for; -1 when none had room."""
    status: IntArray
    """For each slot the node that it is on now, or a negative errno (move_pages(2))."""
    tried: BoolArray
    """Which slots were still on their source right before the move; the others were left alone."""

    @property
    def arrived(self) -> BoolArray:
        """Which slots are on the target now."""
        arrived: BoolArray = (self.status >= 0) & (self.status == self.target)
        return arrived

    @property
    def moved(self) -> BoolArray:
        """Which slots are on the target now and were not before."""
        return self.arrived & self.tried
