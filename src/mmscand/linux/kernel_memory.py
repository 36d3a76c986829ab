"""Reading kernel memory: one small interface, two ways behind it.

Nothing here takes a lock in the kernel, so what comes back can be stale or garbage. Callers treat
it as a hint and change things only through system calls that check for themselves.
"""

from typing import Protocol

import numpy as np

from mmscand.model import PAGE_BYTES, UIntArray

_WORD_BYTES = 8

BATCH = 512
"""Pages a read, so one read covers the page tables of one region. Measured on EPYC, ns an entry
read and decoded: 32 tables a read 1.8, 128 1.6, 512 1.55."""

MOST = BATCH + 2
"""And the two tables that lead to them, read last to see whether they still do."""


class KernelMemory(Protocol):
    """Copies 4 KiB pieces of kernel memory."""

    name: str

    def read(self, addresses: UIntArray) -> UIntArray:
        """4096 bytes at each kernel virtual address, as (n, 512) uint64, n <= MOST.

        In this order. What cannot be read is zero. The array is valid until the next read.
        """
        ...

    def any_task(self) -> int:
        """Address of some task_struct: a way into the list of all tasks."""
        ...

    def refresh(self) -> None:
        """Memory came or went: what was read at start is read again."""
        ...

    def close(self) -> None:
        """Give descriptors and mappings back."""
        ...


def read_all(memory: KernelMemory, addresses: UIntArray) -> UIntArray:
    """Like `read` for any number of addresses; the result is the caller's own."""
    if len(addresses) <= BATCH:
        return memory.read(addresses).copy()
    starts = range(0, len(addresses), BATCH)
    return np.concatenate([memory.read(addresses[at : at + BATCH]).copy() for at in starts])


def read_words(memory: KernelMemory, addresses: UIntArray) -> list[int]:
    """The 8 bytes at each kernel virtual address; 0 where it cannot be read.

    Of pages that begin at a page border: a piece that reaches over one fails as a whole where the
    next page is not RAM.
    """
    inside = addresses % np.uint64(PAGE_BYTES)
    pages = memory.read(addresses - inside).view(np.uint8)
    # A field of 4 bytes may be the last of its page: zeros stand for the bytes after it.
    data = [page.tobytes() + bytes(_WORD_BYTES) for page in pages]
    places = zip(data, inside.tolist(), strict=True)
    return [int.from_bytes(page[at : at + _WORD_BYTES], "little") for page, at in places]


def read_word(memory: KernelMemory, address: int) -> int:
    """The same, of one."""
    return read_words(memory, np.array([address], dtype=np.uint64))[0]
