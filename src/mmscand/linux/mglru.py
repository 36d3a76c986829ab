"""Clearing Accessed bits in bulk: MGLRU's aging, started through debugfs.

One write makes the kernel walk the page tables of every process of a memory cgroup and clear the
bits of the pages on one node, shared folios too, and put what was accessed into the youngest
generation (Documentation/mm/multigen_lru.rst, admin-guide/mm/multigen_lru.rst). Linux 6.1 with
CONFIG_LRU_GEN; debugfs has to be writable, which lockdown forbids. The TLB is not flushed, so a
set that the TLB holds reads idle while it is used.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mmscand.errors import MachineCannot

_FILE = Path("/sys/kernel/debug/lru_gen")
_ENABLED = Path("/sys/kernel/mm/lru_gen/enabled")
_CORE = 0x0001
"""Bit of `enabled`: MGLRU is what reclaim uses."""
_MEMCG = re.compile(r"^memcg\s+(\d+)\s+(\S*)")
_NODE = re.compile(r"^\s+node\s+(\d+)")
_GENERATION = re.compile(r"^\s+(\d+)\s+\d+\s")


@dataclass(frozen=True, slots=True)
class CgroupGenerations:
    """One memory cgroup in the kernel's file."""

    memcg: int
    youngest: dict[int, int]
    """Number of the youngest generation on each node."""


def parse_generations(text: str) -> dict[str, CgroupGenerations]:
    """The file by path of the cgroup; the root is '/'."""
    found: dict[str, CgroupGenerations] = {}
    youngest: dict[int, int] = {}
    node = -1
    for line in text.splitlines():
        if match := _MEMCG.match(line):
            youngest = {}
            found[match[2] or "/"] = CgroupGenerations(int(match[1]), youngest)
        elif match := _NODE.match(line):
            node = int(match[1])
        elif match := _GENERATION.match(line):
            youngest[node] = int(match[1])  # they ascend: the last one stays
    return found


def mglru_is_on(enabled: Path = _ENABLED, bits: int = ~0) -> bool:
    """Whether any of these bits of the kernel's switch are set; off where it is not built in."""
    return enabled.exists() and int(enabled.read_text(), 16) & bits != 0


class GenerationAger:
    """Ages whole cgroups; every method raises MachineCannot where that does not work."""

    def __init__(self, file: Path = _FILE, enabled: Path = _ENABLED) -> None:
        self._file = file
        self._enabled = enabled
        self._known: dict[str, CgroupGenerations] = {}

    def require(self) -> None:
        """MachineCannot says why this machine cannot do it."""
        if not mglru_is_on(self._enabled, _CORE):
            raise MachineCannot("MGLRU is off", hint=f"write y to {self._enabled}, or leave it")
        try:
            with self._file.open("r+"):
                pass
        except FileNotFoundError:
            hint = "mount debugfs: mount -t debugfs none /sys/kernel/debug"
            raise MachineCannot(f"no {self._file}", hint=hint) from None
        except OSError as error:
            hint = "kernel lockdown forbids it, or a read-only /sys"
            raise MachineCannot(
                f"{self._file} cannot be written ({error.strerror})", hint=hint
            ) from None

    def group(self, cgroup: str) -> str:
        """The memory cgroup that accounts for a process of this cgroup: itself or an ancestor.

        Never the root: one write would age everybody who has no memory cgroup of his own.
        """
        self.require()
        if self._nearest(cgroup) != cgroup:
            self._look()
        found = self._nearest(cgroup)
        if found == "/":
            hint = "start it as a service, or enable the memory controller for its cgroup"
            raise MachineCannot(f"cgroup {cgroup} has no memory accounting of its own", hint=hint)
        return found

    def _nearest(self, cgroup: str) -> str:
        while cgroup not in self._known and cgroup != "/":
            cgroup = cgroup.rpartition("/")[0] or "/"
        return cgroup

    def _look(self) -> None:
        self._known = parse_generations(self._file.read_text())

    def age(self, group: str, nodes: Iterable[int]) -> None:
        """Clear the bits of all pages of a memory cgroup on these nodes."""
        for node in nodes:
            if not self._try_to_age(group, node):
                self._look()  # somebody else aged
                if not self._try_to_age(group, node):
                    raise MachineCannot(
                        f"MGLRU cannot age {group} on node {node}", hint="it is tried again"
                    )

    def _try_to_age(self, group: str, node: int) -> bool:
        known = self._known.get(group)
        if known is None or node not in known.youngest:
            return False
        # + memcg node youngest can_swap force_scan. Without the last one the write fails with
        # ERANGE once all four generations exist, and skips page tables that look idle.
        command = f"+ {known.memcg} {node} {known.youngest[node]} 1 1\n"
        try:
            self._file.write_text(command)
        except OSError:
            return False
        known.youngest[node] += 1
        return True
