"""What the kernel says of pages and frames (Documentation/admin-guide/mm/pagemap.rst)."""

import contextlib
import os
from itertools import pairwise
from pathlib import Path

import numpy as np

from mmscand.linux.files import process_errors
from mmscand.model import HUGE_PAGE_BYTES, PAGE_BYTES, REGION_BYTES, BoolArray, UIntArray

_WORD_BYTES = 8
_KPF_COMPOUND_TAIL, _KPF_ZERO_PAGE = np.uint64(1 << 16), np.uint64(1 << 24)
"""include/uapi/linux/kernel-page-flags.h"""
_FRAME = np.uint64((1 << 55) - 1)
_PRESENT = np.uint64(1 << 63)
_EXCLUSIVE = np.uint64(1 << 56)


def parse_words(data: bytes) -> UIntArray:
    """The whole ones."""
    return np.frombuffer(data[: len(data) // _WORD_BYTES * _WORD_BYTES], dtype=np.uint64)


def _words(fd: int, first: int, count: int) -> UIntArray:
    """Words of a file, as many as there are."""
    return parse_words(os.pread(fd, count * _WORD_BYTES, first * _WORD_BYTES))


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
        with contextlib.suppress(OSError):  # also where it could not be opened
            words = _words(self._fd, frame // PAGE_BYTES, pages)
            result[: len(words)] = (words & _KPF_COMPOUND_TAIL) != 0
        return result

    def is_zero_page(self, frame: int) -> bool:
        """Whether a frame is one of the zero pages; False, where that cannot be read."""
        with contextlib.suppress(OSError):
            return bool((_words(self._fd, frame // PAGE_BYTES, 1) & _KPF_ZERO_PAGE).any())
        return False

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)


class Pagemap:
    """/proc/PID/pagemap."""

    def __init__(self, pid: int, root: Path = Path("/proc")) -> None:
        self._pid = pid
        with process_errors(pid):
            self._fd = os.open(root / str(pid) / "pagemap", os.O_RDONLY | os.O_CLOEXEC)

    def _entries(self, start: int, pages: int) -> UIntArray:
        entries = np.zeros(pages, dtype=np.uint64)
        with process_errors(self._pid):
            read = _words(self._fd, start // PAGE_BYTES, pages)
        entries[: len(read)] = read
        return entries

    def frames(self, start: int, pages: int) -> UIntArray:
        """Physical address of each page from `start` on; 0 where none or not allowed to see."""
        entries = self._entries(start, pages)
        present = entries & _PRESENT != 0
        return np.where(present, (entries & _FRAME) * np.uint64(PAGE_BYTES), 0)

    def shared(self, addresses: UIntArray) -> BoolArray:
        """Which pages are mapped by others too. Ascending addresses; of neighbouring rows of 2 MiB
        one read for each 1 GiB.
        """
        result = np.zeros(len(addresses), dtype=np.bool_)
        rows, pages = addresses // HUGE_PAGE_BYTES, addresses // PAGE_BYTES
        apart = (np.diff(rows) > 1) | (np.diff(addresses // REGION_BYTES) > 0)
        borders = [0, *(np.flatnonzero(apart) + 1).tolist(), len(addresses)]
        for first, last in pairwise(borders if len(addresses) else []):
            begin, end = int(pages[first]), int(pages[last - 1]) + 1
            entries = self._entries(begin * PAGE_BYTES, end - begin)
            mine = entries[(pages[first:last] - pages[first]).astype(np.intp)]
            result[first:last] = (mine & _EXCLUSIVE == 0) & (mine & _PRESENT != 0)
        return result

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)
