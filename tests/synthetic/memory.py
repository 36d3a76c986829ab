"""Physical memory as a dict, behind the KernelMemory interface."""

import struct

import numpy as np

from mmscand.linux.kernel_memory import MOST
from mmscand.model import UIntArray

PAGE = 4096
WORD = 8
MASK64 = (1 << 64) - 1


class ReadLimit(AssertionError):
    """A walk that should have ended long ago."""


class FakeMemory:
    """Pages of 512 words by physical address, seen at `base`; remembers every address read."""

    name = "fake"

    def __init__(self, base: int = 0, *, task: int = 0, read_limit: int = 1_000_000) -> None:
        self.base = base
        self.task = task
        self.read_limit = read_limit
        self.pages: dict[int, UIntArray] = {}
        self.reads: list[int] = []
        self.holes: set[int] = set()
        """Numbers of pages that cannot be read; a piece that reaches into one is all zero."""
        self.closed = self.refreshed = False

    def page(self, physical: int) -> UIntArray:
        """The page at a physical address, made on first use."""
        return self.pages.setdefault(physical // PAGE, np.zeros(512, dtype=np.uint64))

    def poke(self, address: int, value: int, size: int = WORD) -> None:
        """Write an integer at a kernel virtual address; it may straddle words."""
        for at, byte in enumerate(value.to_bytes(size, "little")):
            physical = (address + at - self.base) & MASK64
            self.page(physical).view(np.uint8)[physical % PAGE] = byte

    def read(self, addresses: UIntArray) -> UIntArray:
        assert addresses.dtype == np.uint64
        assert len(addresses) <= MOST
        self.reads.extend(addresses.tolist())
        if len(self.reads) > self.read_limit:
            raise ReadLimit(f"more than {self.read_limit} pages were read")
        words = [self._copy(address) for address in addresses.tolist()]
        return np.array(words, dtype=np.uint64).reshape(len(words), 512)

    def _copy(self, address: int) -> UIntArray:
        number, inside = divmod((address - self.base) & MASK64, PAGE)
        nothing = np.zeros(512, dtype=np.uint64)
        if number in self.holes or (inside and number + 1 in self.holes):
            return nothing
        here = self.pages.get(number, nothing)
        if not inside:
            return here
        both = here.tobytes() + self.pages.get(number + 1, nothing).tobytes()
        return np.frombuffer(both[inside : inside + PAGE], dtype=np.uint64)

    def any_task(self) -> int:
        return self.task

    def refresh(self) -> None:
        self.refreshed = True

    def close(self) -> None:
        self.closed = True


def words(*values: int) -> bytes:
    """Little-endian 64-bit words."""
    return struct.pack(f"<{len(values)}Q", *values)
