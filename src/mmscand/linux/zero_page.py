"""The zero pages: what the kernel maps where a program has only read. They are on no tier.

Entries that map the small one have a bit of their own (arch.x86_64.SPECIAL); of the huge one only
from Linux 6.17 on, so its frame is found here. Once this process has used it, it stays where it is
until we end (mm_get_huge_zero_folio, mm/huge_memory.c).
"""

import contextlib
import mmap
import os

import numpy as np

from mmscand.errors import MmscandError
from mmscand.linux.pagemap import PageFlags, Pagemap
from mmscand.model import HUGE_PAGE_BYTES, NO_FRAME


def huge_zero_frame(flags: PageFlags) -> int:
    """Its physical address; NO_FRAME where there is none (no THP, or use_zero_page is 0)."""
    area = mmap.mmap(-1, 2 * HUGE_PAGE_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with contextlib.suppress(OSError, MmscandError):  # a kernel without THP
        area.madvise(mmap.MADV_HUGEPAGE)
        data = np.frombuffer(area, dtype=np.uint8)
        start = -(-data.ctypes.data // HUGE_PAGE_BYTES) * HUGE_PAGE_BYTES
        data[start - data.ctypes.data].item()  # a read, which maps it
        frame = _frame(start)
        if frame and frame % HUGE_PAGE_BYTES == 0 and flags.is_zero_page(frame):
            return frame
    return NO_FRAME


def _frame(address: int) -> int:
    pagemap = Pagemap(os.getpid())
    try:
        return int(pagemap.frames(address, 1)[0])
    finally:
        pagemap.close()
