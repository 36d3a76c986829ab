"""Choosing a reader: each is tried, proves itself on this process' own memory, or says why not."""

import itertools
import mmap
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmscand.errors import MachineCannot, MmscandError, ProcessGone
from mmscand.linux.arch.entries import Decoder
from mmscand.linux.arch.numbers import DIRECT_MAP_STEP, ENCRYPTION_BITS
from mmscand.linux.arch.x86_64 import X86_64
from mmscand.linux.bpf_gather import BpfGather
from mmscand.linux.btf import StructOffsets, struct_offsets
from mmscand.linux.iomem import Ranges
from mmscand.linux.kcore import Kcore, direct_map_bases
from mmscand.linux.kernel_memory import KernelMemory
from mmscand.linux.page_tables import DirectMap, Walk
from mmscand.linux.pagemap import Pagemap
from mmscand.linux.procfs import Procfs
from mmscand.linux.tasks import Tasks
from mmscand.model import PAGE_BYTES, UIntArray, VmaTable

READERS: dict[str, Callable[[], KernelMemory]] = {"bpf": BpfGather, "kcore": Kcore}
"""Best first."""
OFFSETS_CACHE = Path("/run/mmscand/offsets.json")
_PROBE_PAGES = 16
"""Enough frames to compare: a wrong direct map agreeing on all of them is not chance."""
_PROBE_TABLES = 16
"""Tables that a walk over the probe's one mapping can need: 5 levels, twice at borders."""
_PROOFS = 3
"""A page that migrates between two looks (compaction, NUMA balancing) is no proof against a reader;
three in a row are."""


@dataclass(slots=True)
class Reader:
    """A way to read page tables that has passed its self-test."""

    memory: KernelMemory
    tasks: Tasks
    direct_map: DirectMap
    """Another one once memory came or went."""

    def close(self) -> None:
        """Give the memory reader back."""
        self.memory.close()


class ProbeMapping:
    """A few pages of our own that are mapped and touched, and what the kernel says of them."""

    def __init__(self, pages: int = _PROBE_PAGES) -> None:
        self._map = mmap.mmap(-1, pages * PAGE_BYTES)
        self.bytes = np.frombuffer(self._map, dtype=np.uint8)
        self.address = self.bytes.ctypes.data
        self.pages = pages
        self.touch()

    def touch(self) -> None:
        """Write to each page."""
        self.bytes[::PAGE_BYTES] += 1

    @property
    def vmas(self) -> VmaTable:
        """As a table with one mapping."""
        start = np.array([self.address], dtype=np.uint64)
        return VmaTable(
            start,
            start + np.uint64(self.pages * PAGE_BYTES),
            np.zeros(1, dtype=np.uint16),
        )

    def frames(self) -> UIntArray:
        """Physical addresses by pagemap; MachineCannot when the kernel hides them."""
        pagemap = Pagemap(os.getpid())
        try:
            frames = pagemap.frames(self.address, self.pages)
        finally:
            pagemap.close()
        if not frames.all():
            raise MachineCannot(
                "/proc/self/pagemap hides frame numbers", hint="run as root with CAP_SYS_ADMIN"
            )
        return frames

    def entries(self, memory: KernelMemory, direct_map: DirectMap, pgd: int) -> UIntArray:
        """Page-table entries of the pages, by walking; 0 where nothing was found."""
        found = np.zeros(self.pages, dtype=np.uint64)
        walk = Walk(memory, direct_map, pgd, self.vmas, table_limit=_PROBE_TABLES)
        for region in walk:
            for leaves in region.leaves:
                step = np.uint64(1 << leaves.shift)
                slots = np.arange(leaves.entries.shape[1], dtype=np.uint64) * step
                addresses = (leaves.addresses[:, None] + slots).ravel()
                pages = (addresses - np.uint64(self.address)) // np.uint64(PAGE_BYTES)
                mine = pages < self.pages
                found[pages[mine].astype(np.intp)] = leaves.entries.ravel()[mine]
        return found


def _guesses(pgd: int, ram: Ranges) -> list[int]:
    """Where the direct map may start: below the pgd, by multiples of DIRECT_MAP_STEP.

    The pgd is a direct-map address of some RAM, so there are as many candidates as GiB of RAM.
    Ascending: below the right one what is read by a wrong one lies in the direct map or in the hole
    before it, above it may be memory of a device (ioremap).
    """
    step = DIRECT_MAP_STEP
    inside, found = pgd % step, []
    for start, end in ram:
        first = start - start % step + inside
        found += [pgd - frame for frame in range(first, end, step) if frame >= start]
    return sorted(found)


def _encryption_bits(memory: KernelMemory, pgd: int, ram: Ranges) -> list[int]:
    """Those without which all tables below the pgd are in RAM; only 0, where they are with all."""
    entries = memory.read(np.array([pgd], dtype=np.uint64))[0, : X86_64.user_entries].copy()
    below, ours = entries[X86_64.tables(entries)], DirectMap(0, ram, 4)
    if ours.holds(below & X86_64.frame_mask(0)).all():
        return [0]
    bits = (1 << bit for bit in ENCRYPTION_BITS)
    return [bit for bit in bits if ours.holds(below & X86_64.frame_mask(bit)).all()]


def find_direct_map(memory: KernelMemory, pgd: int, ram: Ranges, probe: ProbeMapping) -> DirectMap:
    """The one layout under which our own page tables agree with pagemap; MachineCannot if none."""
    for _ in range(_PROOFS):
        for bases in filter(None, (direct_map_bases(), _guesses(pgd, ram))):
            found = _agreeing(memory, pgd, ram, probe, bases)
            if found is not None:
                return found
    raise MachineCannot(
        "the page tables of this process cannot be made out",
        hint="report it with the kernel's version; another reader may work",
    )


def _agreeing(
    memory: KernelMemory, pgd: int, ram: Ranges, probe: ProbeMapping, bases: list[int]
) -> DirectMap | None:
    frames = probe.frames()
    bits = _encryption_bits(memory, pgd, ram)
    for base, bit, levels in itertools.product(bases, bits, (5, 4)):
        candidate = DirectMap(base, ram, levels, bit)
        entries = probe.entries(memory, candidate, pgd)
        if np.array_equal(Decoder(bit).frames(entries), frames):
            return candidate
    return None


def _self_test(memory: KernelMemory, direct_map: DirectMap, pgd: int) -> None:
    """Tried again, as pages may migrate meanwhile, and others clear bits."""
    for left in reversed(range(_PROOFS)):
        try:
            _prove(memory, direct_map, pgd)
            return
        except MachineCannot:
            if not left:
                raise


def _prove(memory: KernelMemory, direct_map: DirectMap, pgd: int) -> None:
    """Fresh pages must read present and accessed, at the frames that pagemap says."""
    probe = ProbeMapping()
    decoder = Decoder(direct_map.encryption_bit)
    if not np.array_equal(decoder.frames(probe.entries(memory, direct_map, pgd)), probe.frames()):
        raise MachineCannot("walked frames differ from pagemap", hint="try another reader")
    probe.touch()
    leaves = decoder.leaves(probe.entries(memory, direct_map, pgd)[None, :])
    if not (leaves.present.all() and leaves.accessed.any()):
        raise MachineCannot("touched pages do not read as accessed", hint="try another reader")


def _own_pgd(tasks: Tasks, procfs: Procfs) -> int:
    try:
        return tasks.mm(procfs.stat(os.getpid()).process).pgd
    except ProcessGone:
        raise MachineCannot(
            "mmscand itself is not in the kernel's list of tasks",
            hint="run in the host's pid namespace, not in a container's",
        ) from None


def open_reader(name: str, ram: Ranges, procfs: Procfs) -> Reader:
    """Build one reader and prove it; MachineCannot says why it can't be used here."""
    memory = READERS[name]()
    try:
        offsets: StructOffsets = struct_offsets(OFFSETS_CACHE, procfs.boot_id())
        tasks = Tasks(memory, offsets)
        pgd = _own_pgd(tasks, procfs)
        direct_map = find_direct_map(memory, pgd, ram, ProbeMapping())
        _self_test(memory, direct_map, pgd)
    except BaseException:
        memory.close()
        raise
    return Reader(memory, tasks, direct_map)


def best_reader(ram: Ranges, procfs: Procfs) -> tuple[Reader | None, dict[str, str]]:
    """The first reader that works, or None, and why each one before it does not."""
    reasons: dict[str, str] = {}
    for name in READERS:
        try:
            return open_reader(name, ram, procfs), reasons
        except MmscandError as error:
            reasons[name] = str(error)
    return None, reasons
