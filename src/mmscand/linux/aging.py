"""Clearing Accessed bits by process_madvise(MADV_COLD) (Linux 5.10).

The call clears the bits of a range and flushes the TLB for them, so that the next touch sets them
again. It holds the mmap lock for reading only.
"""

import errno
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from mmscand.linux.call_size import LOCKED_S, CallSize
from mmscand.linux.files import raise_fatal
from mmscand.linux.syscalls import MADV_COLD, process_madvise
from mmscand.model import UIntArray, VmaFlag, VmaTable
from mmscand.sets import among

NO_MAIN_THREAD = "its main thread has ended, and process_madvise(2) goes by that one"
"""pidfd_get_task takes a process by its main thread, also where the pidfd is that of a thread
(PIDFD_THREAD, Linux 6.9): ESRCH. Another thread's clear_refs clears bits, but leaves the TLB as it
is, so that the hottest pages look idle (docs/archive/lab-book.md)."""
_IOV_MAX = 1024
"""UIO_MAXIOV: ranges a call."""
_FIRST_BYTES, _MOST_BYTES = 8 << 20, 256 << 20
"""Bytes of the first call, and of any before its last range. 65 536 pages at 50 ns are 3 ms."""


def first_call(ranges: UIntArray, most_bytes: int) -> UIntArray:
    """The first ranges (n, 2), as one call may take: within its limit, but at least one range."""
    before = np.cumsum(ranges[:_IOV_MAX, 1]) - ranges[:_IOV_MAX, 1]
    fit = int(np.searchsorted(before + ranges[:_IOV_MAX, 1], np.uint64(most_bytes), side="right"))
    return ranges[: max(1, fit)]


@dataclass(slots=True)
class Ager:
    """Ages ranges of one process, and remembers which mappings refuse."""

    pid: int
    pidfd: int
    refused: set[tuple[int, int]] = field(default_factory=set)
    """Mappings (start, end) for which the kernel said EINVAL: locked, hugetlb or PFN maps."""
    errors: Counter[int] = field(default_factory=Counter)
    """Refused ranges by errno."""
    size: CallSize = field(
        default_factory=lambda: CallSize(_FIRST_BYTES, _MOST_BYTES, longest_s=LOCKED_S)
    )
    """In bytes."""
    _missed: list[UIntArray] = field(default_factory=list)

    def age(self, ranges: UIntArray, vmas: VmaTable) -> tuple[int, UIntArray]:
        """Clear the bits of all ranges: bytes that were covered, and (n, 2) what was not."""
        self._missed = [np.empty((0, 2), dtype=np.uint64)]
        covered = self._call(self._allowed(ranges, vmas), vmas)
        return covered, np.concatenate(self._missed)

    def marked(self, vmas: VmaTable) -> VmaTable:
        """The same, with those that have refused flagged as REFUSED."""
        if not self.refused:
            return vmas
        starts, ends = np.array(sorted(self.refused), dtype=np.uint64).T
        place = np.minimum(np.searchsorted(starts, vmas.starts), len(starts) - 1)
        refused = (starts[place] == vmas.starts) & (ends[place] == vmas.ends)
        flags = vmas.flags | np.where(refused, np.uint16(VmaFlag.REFUSED), np.uint16(0))
        return VmaTable(vmas.starts, vmas.ends, flags)

    def _allowed(self, ranges: UIntArray, vmas: VmaTable) -> UIntArray:
        """Without those in mappings that have refused; these are missed."""
        if not self.refused or not len(ranges):
            return ranges
        starts = np.array([start for start, _ in self.refused], dtype=np.uint64)
        rows = vmas.index_of(ranges[:, 0])
        refused = (rows >= 0) & among(vmas.starts[rows], starts)
        self._missed.append(ranges[refused])
        allowed: UIntArray = ranges[~refused]
        return allowed

    def _call(self, ranges: UIntArray, vmas: VmaTable) -> int:
        covered = 0
        while len(ranges):
            part = first_call(ranges, self.size.size)
            try:
                with self.size.timed(int(part[:, 1].sum())):
                    done = process_madvise(self.pidfd, part, MADV_COLD)
            except OSError as error:
                if error.errno == errno.ENOMEM:  # a part was unmapped, and the rest was aged
                    covered += int(ranges[0, 1])
                else:
                    self._refuse(error, ranges[0], vmas)
                    self._missed.append(ranges[:1])
                ranges = self._allowed(ranges[1:], vmas)
                continue
            if done <= 0:
                self._missed.append(ranges)
                break  # cannot be, but a loop that waits for it would never end
            covered += done
            ranges = _rest(ranges, done)
        return covered

    def _refuse(self, error: OSError, at: UIntArray, vmas: VmaTable) -> None:
        code = error.errno or 0
        raise_fatal(code, self.pid, "age", "CAP_SYS_NICE")
        self.errors[code] += 1
        row = int(vmas.index_of(at[:1])[0])
        if code == errno.EINVAL and row >= 0:
            self.refused.add((int(vmas.starts[row]), int(vmas.ends[row])))


def _rest(ranges: UIntArray, done: int) -> UIntArray:
    """What a short return left undone."""
    ends = np.cumsum(ranges[:, 1])
    rest = ranges[ends > np.uint64(done)].copy()
    if len(rest):
        left = np.uint64(int(ends[-len(rest)]) - done)
        rest[0] = (rest[0, 0] + rest[0, 1] - left, left)
    return rest
