"""One process' memory on the real machine."""

import contextlib
import errno
import os
import select
import time
from collections.abc import Callable, Iterator

import numpy as np

from mmscand.errors import ProcessDenied, ProcessGone
from mmscand.linux import unseen_use
from mmscand.linux.aging import NO_MAIN_THREAD, Ager
from mmscand.linux.arch.entries import Decoder
from mmscand.linux.arch.entry_format import PTE_SHIFT
from mmscand.linux.call_size import CallSize
from mmscand.linux.folios import aging_ranges
from mmscand.linux.huge_pages import HugePages
from mmscand.linux.moving import move, nodes
from mmscand.linux.numa_policy import MemoryPolicies, Wishes, by_numa_maps
from mmscand.linux.page_tables import Entries, Walk
from mmscand.linux.pagemap import PageFlags, Pagemap
from mmscand.linux.pidfd import open_pidfd, watching
from mmscand.linux.procfs import Procfs, parse_maps
from mmscand.linux.readers import Reader
from mmscand.linux.tasks import MmRef
from mmscand.linux.vma_policy import PolicyReader, supported
from mmscand.model import (
    PAGE_BYTES,
    REGION_BYTES,
    Aged,
    AllowedNodes,
    BoolArray,
    IntArray,
    PageBlock,
    Process,
    Topology,
    UIntArray,
    VmaTable,
    Window,
)

_REFUSALS_HOLD_LOOKS = 64
"""Looks at the mappings after which those that refused to be aged are tried again: memory may have
been unlocked. One system call for each, once a minute or so."""
_CPUCLOCK_SCHED = 2
"""include/linux/posix-timers_types.h: what the scheduler counts, in ns, also of threads that have
exited. A clock's number is the inverted pid, shifted by 3, and this."""
_REFUSED = (errno.EPERM, errno.EACCES, errno.ENOSYS)
"""What filters of seccomp answer: containers' profiles and systemd's SystemCallErrorNumber=."""
_SPARE_TABLES = 1024
"""Tables that a process may have gained since VmPTE was read: 2 GiB of new 4K mappings."""


class LinuxAddressSpace:
    """See machine.AddressSpace. Identity is a pidfd and the start time, never the pid alone."""

    def __init__(
        self,
        process: Process,
        reader: Reader,
        procfs: Procfs,
        decoder: Decoder,
        page_flags: PageFlags,
        topology: Callable[[], Topology],
        move_size: CallSize,
    ) -> None:
        self._process = process
        self._reader = reader
        self._procfs = procfs
        self._decoder = decoder
        self._page_flags = page_flags
        self._topology = topology
        self._move_size = move_size
        self._known_mm: MmRef | None = None
        self._open_pagemap: Pagemap | None = None
        self._looks = 0
        self._unseen_use: str | None = None
        """Not looked for yet: 13 us a descriptor, and the migrator opens one for each batch."""
        with contextlib.ExitStack() as undo:
            pidfd = open_pidfd(process)
            undo.callback(os.close, pidfd)
            # The pidfd is that of the process that has the pid now; the start time proves which.
            stat = procfs.stat(process.pid)
            if stat.process != process:
                raise ProcessGone(process.pid)
            if stat.without_leader:
                raise ProcessDenied(process.pid, "age", "", reason=NO_MAIN_THREAD)
            undo.callback(self._close_pagemap)
            self._ager = Ager(process.pid, pidfd)
            self._huge_pages = HugePages(process.pid, pidfd, self)
            self._policies = MemoryPolicies(self._wishes, self._cpuset)
            self._exit_poll = select.poll()
            self._exit_poll.register(pidfd, select.POLLIN)
            self._undo = undo.pop_all()

    def _look_for_unseen_use(self) -> str:
        pid = self._process.pid
        with contextlib.suppress(ProcessDenied):
            if found := unseen_use.by_descriptors(self._procfs.descriptors(pid)):
                return found
        return unseen_use.by_pins(self._procfs.status(pid))

    @property
    def process(self) -> Process:
        """The process that owns the memory."""
        return self._process

    def _require_alive(self) -> None:
        """A pidfd becomes readable when its process exits (pidfd_open(2))."""
        if self._exit_poll.poll(0):
            raise ProcessGone(self._process.pid)

    def generation(self) -> int:
        """How often it has called execve."""
        return self._mm().exec_id

    def _wishes(self, vmas: VmaTable) -> Wishes:
        tasks = self._reader.tasks
        if supported(tasks.offsets):
            return PolicyReader(self._reader.memory, tasks.offsets).wishes(self._mm(), vmas)
        return by_numa_maps(self._procfs, self._process.pid, vmas)

    def _cpuset(self) -> frozenset[int]:
        return self._procfs.cpuset_nodes(self._process.pid)

    def identity(self) -> int:
        """The kernel's address of its mm_struct."""
        return self._mm().mm

    def _mm(self) -> MmRef:
        known, tasks = self._known_mm, self._reader.tasks
        try:
            mm = tasks.mm(self._process, known.task if known else 0)
        except ProcessGone:
            self._require_alive()
            mm = tasks.mm(self._process)  # a thread called execve, and is the leader's task now
        if known is not None and (known.mm, known.exec_id) != (mm.mm, mm.exec_id):
            self._close_pagemap()
            self._ager.refused.clear()
            self._policies.forget()
        self._known_mm = mm
        return mm

    @property
    def _pagemap(self) -> Pagemap:
        """Opened when it is needed: few processes have candidates, and each costs a descriptor.

        An open one stays with the address space that it was opened for (fs/proc/task_mmu.c).
        """
        if self._open_pagemap is None:
            self._open_pagemap = Pagemap(self._process.pid)
        return self._open_pagemap

    def _close_pagemap(self) -> None:
        if self._open_pagemap is not None:
            self._open_pagemap.close()
            self._open_pagemap = None

    def resident_pages(self) -> int:
        """The second field of /proc/PID/statm."""
        return self._procfs.resident_pages(self._process.pid)

    def cpu_ns(self) -> int:
        """By clock_getcpuclockid(3): one system call without a file, and no privilege needed.

        Where a seccomp filter refuses it, the process is taken to have run all the time.
        """
        self._require_alive()
        with watching(self._process):
            try:
                return time.clock_gettime_ns(~self._process.pid << 3 | _CPUCLOCK_SCHED)
            except OSError as error:
                if error.errno in _REFUSED:
                    return time.monotonic_ns()
                raise

    def vmas(self) -> VmaTable:
        """The mappings; those that refused to be aged are marked."""
        pid = self._process.pid
        maps = self._procfs.maps(pid)
        self._require_alive()  # the file was opened by pid
        self._looks += 1
        self._unseen_use = self.unseen_use() or unseen_use.by_mappings(maps)
        if self._looks % _REFUSALS_HOLD_LOOKS == 0:
            self._ager.refused.clear()
            self._unseen_use = self._unseen_use or unseen_use.by_pins(self._procfs.status(pid))
        vmas, tiers = self._ager.marked(parse_maps(maps)), self._topology()
        if not (tiers.fast and tiers.slow):  # nothing is moved on a machine with one tier
            return vmas
        return self._policies.marked(vmas, tiers)

    def unseen_use(self) -> str:
        """See linux.unseen_use. Once there is some, it is taken to stay."""
        if self._unseen_use is None:
            self._unseen_use = self._look_for_unseen_use()
        return self._unseen_use

    def read(self, vmas: VmaTable, start: int = 0) -> Iterator[Window]:
        """One window for each region that has page tables."""
        walk = Walk(
            self._reader.memory,
            self._reader.direct_map,
            self._mm().pgd,
            vmas,
            start=start,
            table_limit=self._procfs.page_table_bytes(self._process.pid) // PAGE_BYTES
            + _SPARE_TABLES,
        )
        reported = 0
        for region in walk:
            blocks = tuple(self._block(leaves, vmas) for leaves in region.leaves)
            yield Window(
                start=max(start, region.address),
                end=region.address + REGION_BYTES,
                blocks=blocks,
                discarded=walk.garbage - reported,
            )
            reported = walk.garbage
        if walk.garbage > reported:  # behind the last region, or there was none
            yield Window(start, start, (), discarded=walk.garbage - reported)

    def _block(self, leaves: Entries, vmas: VmaTable) -> PageBlock:
        found = self._decoder.leaves(leaves.entries, leaves.shift)
        if _clear_outside(found.present, leaves, vmas):
            found.slow[:] &= found.present
            found.accessed[:] &= found.present
        return PageBlock(
            addresses=leaves.addresses,
            pages_per_slot=1 << (leaves.shift - PTE_SHIFT),
            frames_or_how=lambda: self._decoder.frames(leaves.entries, leaves.shift),
            present=found.present,
            accessed=found.accessed,
            slow=found.slow,
        )

    def shared(self, addresses: UIntArray) -> BoolArray:
        """By pagemap's `exclusively mapped` bit."""
        return self._pagemap.shared(addresses)

    def allowed_nodes(self, addresses: UIntArray, vmas: VmaTable) -> AllowedNodes:
        """By linux.numa_policy and the cpuset of the main thread."""
        allowed, rows = self._policies.allowed(vmas), vmas.index_of(addresses)
        nowhere = len(allowed.sets) - 1  # the last set is empty
        places = np.append(allowed.of, nowhere)[rows]  # row -1: no mapping holds it
        return AllowedNodes(allowed.sets, places)

    def age(self, block: PageBlock, mask: BoolArray, vmas: VmaTable) -> Aged:
        """By MADV_COLD; whole folios only."""
        if not mask.any():
            return Aged(0, np.empty(0, dtype=np.uint64))
        ranges, left_out = aging_ranges(block, mask, vmas, self)
        covered, refused = self._ager.age(ranges, vmas)
        missed = np.concatenate((left_out, refused))
        return Aged(covered // PAGE_BYTES, _inside(missed, block, mask))

    def split(self, addresses: UIntArray) -> BoolArray:
        """By MADV_COLD of the first 4K page of each."""
        return self._huge_pages.split(addresses)

    def collapse(self, addresses: UIntArray) -> BoolArray:
        """By MADV_COLLAPSE, which Linux has from 6.1 on: nothing is collapsed before."""
        return self._huge_pages.collapse(addresses)

    def frames(self, start: int, pages: int) -> UIntArray:
        """See folios.Beyond."""
        return self._pagemap.frames(start, pages)

    def tails(self, frame: int, pages: int) -> BoolArray:
        """See folios.Beyond."""
        return self._page_flags.tails(frame, pages)

    def nodes(self, addresses: UIntArray) -> IntArray:
        """By move_pages(2) without nodes to go to, which only asks."""
        self._require_alive()
        return nodes(self._process.pid, addresses)

    def move(self, addresses: UIntArray, node: int, *, shared: bool = False) -> IntArray:
        """By move_pages(2)."""
        before, size = self._require_alive, self._move_size
        return move(self._process.pid, addresses, node, size, shared=shared, before=before)

    def close(self) -> None:
        """Close the descriptors."""
        self._undo.close()


def _inside(ranges: UIntArray, block: PageBlock, mask: BoolArray) -> UIntArray:
    """Addresses of the slots in `mask` that lie in one of these ranges (n, 2)."""
    if not len(ranges):
        return np.empty(0, dtype=np.uint64)
    starts, sizes = ranges[np.argsort(ranges[:, 0])].T
    addresses = block.slot_addresses(mask)
    place = np.searchsorted(starts, addresses, side="right").astype(np.intp) - 1
    inside: BoolArray = (place >= 0) & (addresses - starts[place] < sizes[place])
    result: UIntArray = addresses[inside]
    return result


def _clear_outside(present: BoolArray, leaves: Entries, vmas: VmaTable) -> bool:
    """Where a row is not all in one mapping, only its slots in mappings count as present.

    Whether there are such rows.
    """
    slot_bytes = np.uint64(1 << leaves.shift)
    row_bytes = np.uint64(present.shape[1]) * slot_bytes
    if vmas.covers(int(leaves.addresses[0]), int(leaves.addresses[-1] + row_bytes)):
        return False
    first = vmas.index_of(leaves.addresses)
    partial = (first < 0) | (first != vmas.index_of(leaves.addresses + row_bytes - np.uint64(1)))
    rows = np.flatnonzero(partial)
    if len(rows):
        at, columns = np.nonzero(present[rows])
        addresses = leaves.addresses[rows[at]] + columns.astype(np.uint64) * slot_bytes
        outside = vmas.index_of(addresses) < 0
        present[rows[at[outside]], columns[outside]] = False
    return bool(len(rows))
