"""What things take on a simulated machine, as measured on real ones (docs/archive/lab-book.md)."""

from dataclasses import dataclass
from typing import Protocol

from mmscand.model import PAGE_BYTES, Topology
from mmscand.sim.workload import MOVE_NS
from mmscand.sim.workloads import HUGE_MOVE_NS

_READ_NS = 1.75
"""An entry of a page table, read and decoded."""
_DECIDE_NS = 16.0
"""What is then remembered and decided of it: our own code takes no simulated time itself."""
_VISIT_S = 0.9e-3
"""A visit to a process of any size: mappings, policies, and calls on nearly empty windows."""
_AGE_NS = 50.0
"""A 4K page by MADV_COLD, its part of the TLB flush included; scan/node_use.py goes by it too."""
_SPLIT_S, _COLLAPSE_S = 0.4e-3, 5e-3
"""A huge page made small, and one made of small pages, which copies it."""
_ASK_NS = 160.0
"""A page that move_pages only looks at."""


class Spends(Protocol):
    """A clock that is charged for work of the calling thread."""

    def spend(self, seconds: float) -> None:
        """So long it takes."""
        ...


class FreeOfCharge:
    """Nothing takes time."""

    def spend(self, seconds: float) -> None:
        """See Spends."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Charges a clock."""

    topology: Topology
    clock: Spends

    def visit(self) -> None:
        """The mappings of a process were asked for."""
        self.clock.spend(_VISIT_S)

    def read(self, slots: int) -> None:
        """Entries of page tables were read, and decided on."""
        self.clock.spend(slots * (_READ_NS + _DECIDE_NS) * 1e-9)

    def age(self, slots: int) -> None:
        """Accessed bits were cleared."""
        self.clock.spend(slots * _AGE_NS * 1e-9)

    def resize(self, *, split: int = 0, collapsed: int = 0) -> None:
        """These numbers of huge pages were split and made."""
        self.clock.spend(split * _SPLIT_S + collapsed * _COLLAPSE_S)

    def ask(self, slots: int) -> None:
        """Somebody asked where pages are."""
        self.clock.spend(slots * _ASK_NS * 1e-9)

    def move(self, slots: int, pages_per_slot: int) -> None:
        """Pages were moved by one thread: no faster than the slowest node can copy."""
        stated = [n.read_bandwidth_mb_s for n in self.topology.nodes]
        known = [bandwidth for bandwidth in stated if bandwidth]
        copied = slots * pages_per_slot * PAGE_BYTES / (min(known) * 1e6) if known else 0.0
        measured = slots * (MOVE_NS if pages_per_slot == 1 else HUGE_MOVE_NS) * 1e-9
        self.clock.spend(max(copied, measured))
