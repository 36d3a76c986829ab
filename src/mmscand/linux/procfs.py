"""What /proc and /sys say, as text: one place where a vanished process becomes ProcessGone.

The root is a constructor argument, so every reader also runs on a folder made by a test.
"""

import contextlib
import functools
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmscand.errors import ProcessDenied, ProcessGone
from mmscand.linux.topology import parse_id_list
from mmscand.model import (
    HUGE_PAGE_BYTES,
    PAGE_BYTES,
    PAGES_PER_TABLE,
    BoolArray,
    Process,
    ProcessFacts,
    UIntArray,
    VmaFlag,
    VmaTable,
)

_PF_EXITING = 0x4
"""Set before the exit is told, and before it is a zombie."""
_PF_KTHREAD = 0x0020_0000
"""include/linux/sched.h; field 9 of proc_pid_stat(5)."""
_MAPS_LINE = re.compile(
    rb"^([0-9a-f]+)-([0-9a-f]+) (....) [0-9a-f]+ \S+ (\d+) *(.*)\n", re.MULTILINE
)
_HUGETLB_PATHS = (b"/anon_hugepage", b"/dev/hugepages/")
"""What hugetlbfs mappings are called; one mounted elsewhere is told by its refusals."""
_KERNEL_VMAS = (b"[vdso]", b"[vvar]", b"[vvar_vclock]", b"[vsyscall]", b"[uprobes]")
_ORDINARY_DEV_PATHS = (b"/dev/shm/", b"/dev/zero")
"""Ordinary memory in spite of its name: POSIX shared memory, shared anonymous mappings."""
_WORD_BYTES = 8
_KPF_COMPOUND_TAIL = np.uint64(1 << 16)
"""include/uapi/linux/kernel-page-flags.h"""
_PAGEMAP_FRAME = np.uint64((1 << 55) - 1)
_PAGEMAP_PRESENT = np.uint64(1 << 63)
_PAGEMAP_EXCLUSIVE = np.uint64(1 << 56)


@dataclass(frozen=True, slots=True)
class ProcStat:
    """The fields of /proc/PID/stat that are used here."""

    process: Process
    state: str
    kernel_thread: bool
    exiting: bool
    ppid: int

    @property
    def scannable(self) -> bool:
        """A user-space process with memory: no kernel thread, not dead, not a zombie."""
        return not (self.kernel_thread or self.exiting or self.state in "ZXx")


def _parse_stat(pid: int, data: bytes) -> ProcStat:
    # The name may hold anything, also spaces and brackets: it ends at the last ')'.
    head, _, tail = data.rpartition(b")")
    fields = tail.split()
    flags = int(fields[6])
    name = head[head.index(b"(") + 1 :].decode(errors="replace")
    return ProcStat(
        process=Process(pid, int(fields[19]), name),
        state=fields[0].decode(),
        kernel_thread=bool(flags & _PF_KTHREAD),
        exiting=bool(flags & _PF_EXITING),
        ppid=int(fields[1]),
    )


def parse_maps(data: bytes) -> VmaTable:
    """/proc/PID/maps as a table. A line that was cut short is left out."""
    rows = _MAPS_LINE.findall(data)
    starts = np.array([int(row[0], 16) for row in rows], dtype=np.uint64)
    ends = np.array([int(row[1], 16) for row in rows], dtype=np.uint64)
    kinds = [_vma_flags(permissions, inode != b"0", path) for *_, permissions, inode, path in rows]
    return VmaTable(starts, ends, np.array(kinds, dtype=np.uint16))


@functools.lru_cache(maxsize=8192)
def _vma_flags(permissions: bytes, file: bool, path: bytes) -> int:
    flags = VmaFlag(0)
    for letter, flag in zip(b"rwx", (VmaFlag.READ, VmaFlag.WRITE, VmaFlag.EXEC), strict=True):
        if letter in permissions:
            flags |= flag
    if permissions[3:] == b"s":
        flags |= VmaFlag.SHARED
    if file:
        flags |= VmaFlag.FILE
    if path.startswith(_HUGETLB_PATHS):
        flags |= VmaFlag.HUGETLB
    elif path in _KERNEL_VMAS or (
        path.startswith(b"/dev/") and not path.startswith(_ORDINARY_DEV_PATHS)
    ):
        flags |= VmaFlag.SPECIAL
    return int(flags)


@contextlib.contextmanager
def process_errors(pid: int) -> Iterator[None]:
    """Translate the ways in which the kernel says that a process is gone, or not ours to read."""
    try:
        yield
    except (FileNotFoundError, ProcessLookupError):
        raise ProcessGone(pid) from None
    except PermissionError:
        raise ProcessDenied(pid, "read", "CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH") from None


class Procfs:
    """/proc, or a folder that looks like it."""

    def __init__(self, root: Path = Path("/proc")) -> None:
        self.root = root

    def _read(self, pid: int, name: str) -> bytes:
        # Without pathlib and a buffer: half of what a look at 500 processes would cost.
        with process_errors(pid), open(f"{self.root}/{pid}/{name}", "rb", buffering=0) as file:
            return file.read()

    def stat(self, pid: int) -> ProcStat:
        """State and identity of a process; ProcessGone when it has exited."""
        data = self._read(pid, "stat")
        if not data:
            raise ProcessGone(pid)
        return _parse_stat(pid, data)

    def pids(self) -> list[int]:
        """All pids, ascending."""
        return sorted(int(name) for name in os.listdir(self.root) if name.isdigit())

    def facts(self, pid: int) -> ProcessFacts:
        """Parent, effective user and cgroup of a process."""
        stat = self.stat(pid)
        uid = re.search(rb"^Uid:\s+\d+\s+(\d+)", self._read(pid, "status"), re.MULTILINE)
        cgroup = re.search(rb"^0::(.*)$", self._read(pid, "cgroup"), re.MULTILINE)
        return ProcessFacts(
            process=stat.process,
            ppid=stat.ppid,
            uid=int(uid[1]) if uid else 0,
            cgroup=os.fsdecode(cgroup[1]) if cgroup else "/",
        )

    def maps(self, pid: int) -> VmaTable:
        """The mappings of a process. An empty table is a process that is about to exit."""
        return parse_maps(self._read(pid, "maps"))

    def numa_maps(self, pid: int) -> bytes:
        """/proc/PID/numa_maps as it is: the memory policy of each mapping. It walks all pages."""
        return self._read(pid, "numa_maps")

    def cpuset_nodes(self, pid: int) -> frozenset[int]:
        """Mems_allowed: nodes that the cpuset of the main thread allows."""
        found = re.search(rb"^Mems_allowed_list:\s+(\S*)$", self._read(pid, "status"), re.MULTILINE)
        if found is None:
            raise ProcessGone(pid)
        return parse_id_list(found[1].decode())

    def page_table_bytes(self, pid: int) -> int:
        """VmPTE: memory that the page tables of a process take, all levels."""
        match = re.search(rb"^VmPTE:\s+(\d+) kB", self._read(pid, "status"), re.MULTILINE)
        if match is None:
            raise ProcessGone(pid)  # an exiting process has no Vm lines any more
        return int(match[1]) * 1024

    def self_status(self) -> str:
        """/proc/self/status."""
        return (self.root / "self/status").read_text()

    def boot_id(self) -> str:
        """Different for each boot."""
        return (self.root / "sys/kernel/random/boot_id").read_text().strip()


class PageFlags:
    """/proc/kpageflags: what the kernel knows of each frame, one word a frame."""

    def __init__(self, root: Path = Path("/proc")) -> None:
        try:
            self._fd = os.open(root / "kpageflags", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._fd = -1

    def tails(self, frame: int, pages: int) -> BoolArray:
        """Which frames are tail pages of a folio; all, where that cannot be read."""
        result = np.ones(pages, dtype=np.bool_)
        if self._fd >= 0:
            data = os.pread(self._fd, pages * _WORD_BYTES, frame // PAGE_BYTES * _WORD_BYTES)
            words = np.frombuffer(data, dtype=np.uint64)
            result[: len(words)] = (words & _KPF_COMPOUND_TAIL) != 0
        return result

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)


class Pagemap:
    """/proc/PID/pagemap (Documentation/admin-guide/mm/pagemap.rst)."""

    def __init__(self, pid: int, root: Path = Path("/proc")) -> None:
        self._pid = pid
        with process_errors(pid):
            self._fd = os.open(root / str(pid) / "pagemap", os.O_RDONLY | os.O_CLOEXEC)

    def _entries(self, start: int, pages: int) -> UIntArray:
        entries = np.zeros(pages, dtype=np.uint64)
        with process_errors(self._pid):
            data = os.pread(
                self._fd,
                pages * _WORD_BYTES,
                start // PAGE_BYTES * _WORD_BYTES,
            )
        read = np.frombuffer(data, dtype=np.uint64)
        entries[: len(read)] = read
        return entries

    def frames(self, start: int, pages: int) -> UIntArray:
        """Physical address of each page from `start` on; 0 where none or not allowed to see."""
        entries = self._entries(start, pages)
        present = entries & _PAGEMAP_PRESENT != 0
        return np.where(present, (entries & _PAGEMAP_FRAME) * np.uint64(PAGE_BYTES), 0)

    def shared(self, addresses: UIntArray) -> BoolArray:
        """Which pages are mapped by others too. Ascending addresses; one read for each 2 MiB."""
        result = np.zeros(len(addresses), dtype=np.bool_)
        if not len(addresses):
            return result
        rows, firsts = np.unique(addresses // HUGE_PAGE_BYTES, return_index=True)
        for row, first, last in zip(
            rows.tolist(), firsts, [*firsts[1:], len(addresses)], strict=True
        ):
            entries = self._entries(row * HUGE_PAGE_BYTES, PAGES_PER_TABLE)
            slots = addresses[first:last] % HUGE_PAGE_BYTES // PAGE_BYTES
            mine = entries[slots.astype(np.intp)]
            result[first:last] = (mine & _PAGEMAP_EXCLUSIVE == 0) & (mine & _PAGEMAP_PRESENT != 0)
        return result

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)
