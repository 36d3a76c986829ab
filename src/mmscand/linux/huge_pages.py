"""Splitting huge pages, and making huge pages of small ones, in another process' memory.

process_madvise(MADV_COLD) on a part of a huge page splits it (mm/madvise.c), as on one 4K page of
it: 0.4 ms on Linux 6.18. The call says nothing of a split that failed, so the frame behind the
first one says: it is a tail page as long as the folio is whole.
process_madvise(MADV_COLLAPSE) (Linux 6.1) of 2 MiB copies them to a huge page: 5 ms.
"""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from mmscand.linux.call_size import LOCKED_S, CallSize
from mmscand.linux.files import raise_fatal
from mmscand.linux.folios import Beyond
from mmscand.linux.syscalls import MADV_COLD, MADV_COLLAPSE, process_madvise
from mmscand.model import HUGE_PAGE_BYTES, PAGE_BYTES, BoolArray, UIntArray

_FIRST_SPLITS, _MOST_SPLITS = 8, 256
"""Huge pages of the first call, 3 ms, and of any."""
_COLLAPSES = 1
"""A call: it takes as long as a call may."""


@dataclass(slots=True)
class HugePages:
    """Of one process."""

    pid: int
    pidfd: int
    pages: Beyond
    errors: Counter[int] = field(default_factory=Counter)
    """Calls that the kernel refused, by errno."""
    splits: CallSize = field(
        default_factory=lambda: CallSize(_FIRST_SPLITS, _MOST_SPLITS, longest_s=LOCKED_S)
    )
    _collapses: CallSize = field(default_factory=lambda: CallSize(_COLLAPSES, _COLLAPSES))

    def split(self, addresses: UIntArray) -> BoolArray:
        """Which of these huge pages (n,) are small now."""
        advised = self._advise(addresses, PAGE_BYTES, MADV_COLD, self.splits)
        small = [not self._is_whole(address) for address in addresses[advised].tolist()]
        advised[advised] = small
        return advised

    def collapse(self, addresses: UIntArray) -> BoolArray:
        """Which of these 2 MiB (n,) are one huge page now."""
        return self._advise(addresses, HUGE_PAGE_BYTES, MADV_COLLAPSE, self._collapses)

    def _is_whole(self, address: int) -> bool:
        """Whether the page that begins behind a 4K page is of the same folio, or is not there."""
        (frame,) = self.pages.frames(address + PAGE_BYTES, 1).tolist()
        return not frame or bool(self.pages.tails(frame, 1)[0])

    def _advise(
        self, addresses: UIntArray, bytes_each: int, advice: int, size: CallSize
    ) -> BoolArray:
        """Which of these (n,) the kernel took; one that it refuses keeps no other one back."""
        taken = np.zeros(len(addresses), dtype=np.bool_)
        first = 0
        while first < len(addresses):
            part = addresses[first : first + size.size]
            number = self._call(part, bytes_each, advice, size)
            taken[first : first + number] = True
            first += max(1, number)  # the first of them was refused
        return taken

    def _call(self, addresses: UIntArray, bytes_each: int, advice: int, size: CallSize) -> int:
        """How many of these, from the first on, the kernel took."""
        ranges = np.column_stack((addresses, np.full_like(addresses, bytes_each)))
        try:
            with size.timed(len(addresses)):
                return process_madvise(self.pidfd, ranges, advice) // bytes_each
        except OSError as error:
            code = error.errno or 0
            raise_fatal(code, self.pid, "age", "CAP_SYS_NICE")
            self.errors[code] += 1
            return 0
