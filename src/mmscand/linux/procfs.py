"""What /proc says of processes. Names in it may hold any byte.

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

from mmscand.errors import ProcessGone
from mmscand.linux.files import as_text, list_folder, process_errors, read_file
from mmscand.model import (
    NAME_CHARACTERS,
    MappingNames,
    Process,
    ProcessFacts,
    UIntArray,
    VmaFlag,
    VmaTable,
)
from mmscand.node_lists import parse_id_list

_PF_EXITING = 0x4
"""Set before the exit is reported, and before it is a zombie."""
_PF_KTHREAD = 0x0020_0000
"""include/linux/sched.h; field 9 of proc_pid_stat(5)."""
_STAT = re.compile(
    rb"\d+ \((.*)\) (\w) (\d{1,10}) (?:-?\d+ ){4}(\d{1,10}) (?:-?\d+ ){10}(\d{1,10}) -?\d+ "
    rb"(\d{1,19})\s",
    re.DOTALL,
)
"""The name may hold anything, also spaces and brackets: it ends at the last ')'."""
_MAPS_LINE = re.compile(
    rb"^([0-9a-f]{1,16})-([0-9a-f]{1,16}) (....) [0-9a-f]+ \S+ (\d+) *(.*)\n", re.MULTILINE
)
_MOST_DESCRIPTORS = 4096
"""5 ms. What is looked for is opened early, and so has a low number."""
_HUGETLB_PATHS = (b"/anon_hugepage", b"/dev/hugepages/")
"""What hugetlbfs mappings are called; one mounted elsewhere is reported by its refusals."""
_KERNEL_VMAS = (b"[vdso]", b"[vvar]", b"[vvar_vclock]", b"[vsyscall]", b"[uprobes]")
_ORDINARY_DEV_PATHS = (b"/dev/shm/", b"/dev/zero")
"""Ordinary memory in spite of its name: POSIX shared memory, shared anonymous mappings."""
_COMMAND_BYTES = 4096
"""Of a command line, which may have megabytes: the program is one of its first words."""


@dataclass(frozen=True, slots=True)
class ProcStat:
    """The fields of /proc/PID/stat that are used here."""

    process: Process
    state: str
    kernel_thread: bool
    exiting: bool
    ppid: int
    threads: int
    """Also a main thread that has ended, while others run."""

    @property
    def scannable(self) -> bool:
        """A user-space process with memory: no kernel thread, not dead, not a zombie."""
        ended = self.exiting or self.state in "ZXx"
        return not self.kernel_thread and (not ended or self.without_leader)

    @property
    def without_leader(self) -> bool:
        """Its main thread has ended, and others run: a zombie with memory."""
        return self.state == "Z" and self.threads > 1


def parse_stat(pid: int, data: bytes) -> ProcStat:
    """/proc/PID/stat; ProcessGone where it is not whole."""
    found = _STAT.match(data)
    if found is None:
        raise ProcessGone(pid)
    name, state, ppid, flags, threads, start_time = found.groups()
    return ProcStat(
        process=Process(pid, int(start_time), as_text(name)),
        state=state.decode(),
        kernel_thread=bool(int(flags) & _PF_KTHREAD),
        exiting=bool(int(flags) & _PF_EXITING),
        ppid=int(ppid),
        threads=int(threads),
    )


def parse_maps(data: bytes) -> VmaTable:
    """/proc/PID/maps as a table. A line that was cut short is left out."""
    rows = _MAPS_LINE.findall(data)
    starts, ends = _borders(rows)
    kinds = [_vma_flags(permissions, inode != b"0", path) for *_, permissions, inode, path in rows]
    return VmaTable(starts, ends, np.array(kinds, dtype=np.uint16))


def parse_names(data: bytes) -> MappingNames:
    """The names in /proc/PID/maps. A line that was cut short is left out."""
    rows = _MAPS_LINE.findall(data)
    return MappingNames(*_borders(rows), tuple(row[4] for row in rows))


def _borders(rows: list[tuple[bytes, ...]]) -> tuple[UIntArray, UIntArray]:
    starts, ends = ([int(row[at], 16) for row in rows] for at in (0, 1))
    return np.array(starts, dtype=np.uint64), np.array(ends, dtype=np.uint64)


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


def parse_uid(status: bytes) -> int:
    """The effective user in /proc/PID/status."""
    found = re.search(rb"^Uid:\s+\d+\s+(\d{1,10})\s", status, re.MULTILINE)
    return int(found[1]) if found else 0


def parse_cgroup(data: bytes) -> str:
    """The path in the cgroup v2 hierarchy, of /proc/PID/cgroup: the rest of its line, as it is.

    No name has a line feed, and nothing is escaped (cgroup_mkdir, proc_cgroup_show).
    """
    found = re.search(rb"^0::(/.*)$", data, re.MULTILINE)
    return as_text(found[1]) if found else "/"


def parse_cpuset(pid: int, status: bytes) -> frozenset[int]:
    """Mems_allowed_list of /proc/PID/status; ProcessGone where there is none."""
    found = re.search(rb"^Mems_allowed_list:\s+(\S*)$", status, re.MULTILINE)
    try:
        return parse_id_list(as_text(found[1]) if found else "none")
    except ValueError:
        raise ProcessGone(pid) from None


def parse_page_table_bytes(pid: int, status: bytes) -> int:
    """VmPTE of /proc/PID/status; ProcessGone where there is none: it is exiting."""
    found = re.search(rb"^VmPTE:\s+(\d{1,19}) kB", status, re.MULTILINE)
    if found is None:
        raise ProcessGone(pid)
    return int(found[1]) * 1024


def parse_resident_pages(pid: int, statm: bytes) -> int:
    """The second number of /proc/PID/statm; ProcessGone where there is none."""
    found = re.match(rb"\d+ (\d{1,19}) ", statm)
    if found is None:
        raise ProcessGone(pid)
    return int(found[1])


class Procfs:
    """/proc, or a folder that looks like it."""

    def __init__(self, root: Path = Path("/proc")) -> None:
        self.root = root

    def _read(self, pid: int, name: str, most: int = -1) -> bytes:
        # Without pathlib and a buffer: half of what a look at 500 processes would cost.
        with process_errors(pid), open(f"{self.root}/{pid}/{name}", "rb", buffering=0) as file:
            return file.read(most)

    def stat(self, pid: int) -> ProcStat:
        """State and identity of a process; ProcessGone when it has exited."""
        return parse_stat(pid, self._read(pid, "stat"))

    def pids(self) -> list[int]:
        """All pids, ascending."""
        return sorted(int(name) for name in list_folder(self.root) if name.isdigit())

    def facts(self, pid: int) -> ProcessFacts:
        """Parent, effective user and cgroup of a process."""
        stat = self.stat(pid)
        return ProcessFacts(
            process=stat.process,
            ppid=stat.ppid,
            uid=parse_uid(self._read(pid, "status")),
            cgroup=parse_cgroup(self._read(pid, "cgroup")),
            long_name=self._long_name(pid, os.fsencode(stat.process.name)),
        )

    def _long_name(self, pid: int, name: bytes) -> str:
        """The word of the command line that begins with it: a script's name is not the first."""
        if len(name) < NAME_CHARACTERS:
            return ""
        words = self._read(pid, "cmdline", _COMMAND_BYTES).split(b"\0")
        names = (word.rpartition(b"/")[2] for word in words)
        return os.fsdecode(next((each for each in names if each.startswith(name)), b""))

    def maps(self, pid: int) -> bytes:
        """The mappings of a process as text. None is a process that is about to exit."""
        return self._read(pid, "maps")

    def status(self, pid: int) -> bytes:
        """/proc/PID/status."""
        return self._read(pid, "status")

    def descriptors(self, pid: int) -> Iterator[bytes]:
        """What the first descriptors of a process are open for."""
        folder = f"{self.root}/{pid}/fd"
        with process_errors(pid):
            names = os.listdir(folder)[:_MOST_DESCRIPTORS]
        for name in names:
            with contextlib.suppress(OSError):  # closed meanwhile
                yield os.fsencode(Path(folder, name).readlink())

    def numa_maps(self, pid: int) -> bytes:
        """/proc/PID/numa_maps as it is: the memory policy of each mapping. It walks all pages."""
        return self._read(pid, "numa_maps")

    def cpuset_nodes(self, pid: int) -> frozenset[int]:
        """Mems_allowed: nodes that the cpuset of the main thread allows."""
        return parse_cpuset(pid, self._read(pid, "status"))

    def resident_pages(self, pid: int) -> int:
        """Resident set of a process in 4 KiB pages (statm of proc_pid(5))."""
        return parse_resident_pages(pid, self._read(pid, "statm"))

    def page_table_bytes(self, pid: int) -> int:
        """VmPTE: memory that the page tables of a process take, all levels."""
        return parse_page_table_bytes(pid, self._read(pid, "status"))

    def self_status(self) -> bytes:
        """/proc/self/status."""
        return read_file(self.root / "self/status")

    def boot_id(self) -> str:
        """Different for each boot."""
        return as_text(read_file(self.root / "sys/kernel/random/boot_id")).strip()
