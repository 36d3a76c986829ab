"""Processes of a simulated machine, and what they do to their memory."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from mmscand.model import (
    HUGE_PAGE_BYTES,
    PAGE_BYTES,
    BoolArray,
    Process,
    UIntArray,
    VmaFlag,
)


@dataclass(slots=True)
class SimVma:
    """A private mapping that starts and ends at 2 MiB borders; one array entry a slot."""

    start: int
    pages_per_slot: int
    frames: UIntArray
    """(rows, width); 0 where nothing is mapped."""
    accessed: BoolArray
    shared: BoolArray
    pinned: BoolArray
    flags: VmaFlag = VmaFlag.READ | VmaFlag.WRITE
    unaged: bool = False
    """Aging does not take it."""
    policy: frozenset[int] | None = None
    """Nodes that it is bound to; None is any."""

    @property
    def end(self) -> int:
        """First address after it."""
        return self.start + len(self.frames) * HUGE_PAGE_BYTES

    def slot(self, addresses: UIntArray) -> UIntArray:
        """Flat index of the slot that holds each address."""
        size = np.uint64(PAGE_BYTES * self.pages_per_slot)
        return (addresses - np.uint64(self.start)) // size


@dataclass(slots=True)
class SimProcess:
    """A process: its mappings, and whether it still lives."""

    process: Process
    vmas: list[SimVma] = field(default_factory=list)
    generation: int = 1
    ppid: int = 1
    uid: int = 1000
    cgroup: str = "/"
    cpuset: frozenset[int] | None = None
    """Nodes that it may use; None is all."""
    alive: bool = True
    cpu_ns: int = 1

    def vma_of(self, address: int) -> SimVma | None:
        """The mapping that holds an address."""
        return next((vma for vma in self.vmas if vma.start <= address < vma.end), None)

    def run(self) -> None:
        """Take some CPU time."""
        self.cpu_ns += 1000

    def touch(self, address: int, pages: Iterable[int]) -> None:
        """Access pages, counted from an address: what a program does."""
        self.run()
        for page in pages:
            at = np.array([address + page * PAGE_BYTES], dtype=np.uint64)
            vma = self.vma_of(int(at[0]))
            if vma is not None:
                vma.accessed.flat[int(vma.slot(at)[0])] = True
