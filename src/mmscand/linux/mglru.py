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
from mmscand.linux.files import as_text, machine_errors, out_of_resources, read_file
from mmscand.linux.namespaces import is_first

_FILE = Path("/sys/kernel/debug/lru_gen")
_ENABLED = Path("/sys/kernel/mm/lru_gen/enabled")
_CORE = 0x0001
"""Bit of `enabled`: MGLRU is what reclaim uses."""
_OWN = Path("/proc/self")
_IN_V1 = re.compile(rb"^\d+:(?:[^:\n]*,)?memory[,:]", re.MULTILINE)
"""A line of /proc/PID/cgroup: the hierarchy of the memory controller."""
_MEMCG = re.compile(rb"memcg +(\d{1,19}) (.*)", re.DOTALL)
"""The path is the rest of the line: a name may hold any byte but a line feed, and nothing is
escaped (lru_gen_seq_show, mm/vmscan.c; cgroup_mkdir)."""
_NODE = re.compile(rb" +node +(\d{1,5})$")
_GENERATION = re.compile(rb" +(\d{1,19}) +\d+ ")


@dataclass(frozen=True, slots=True)
class CgroupGenerations:
    """One memory cgroup in the kernel's file."""

    memcg: int
    youngest: dict[int, int]
    """Number of the youngest generation on each node."""


def parse_generations(data: bytes) -> dict[str, CgroupGenerations]:
    """The file by path of the cgroup; the root is '/'."""
    found: dict[str, CgroupGenerations] = {}
    youngest: dict[int, int] = {}
    node = -1
    for line in data.split(b"\n"):
        if match := _MEMCG.match(line):
            youngest = {}
            found[as_text(match[2]) or "/"] = CgroupGenerations(int(match[1]), youngest)
        elif match := _NODE.match(line):
            node = int(match[1])
        elif match := _GENERATION.match(line):
            youngest[node] = int(match[1])  # they ascend: the last one stays
    return found


def mglru_is_on(enabled: Path = _ENABLED, bits: int = ~0) -> bool:
    """Whether any of these bits of the kernel's switch are set; off where it is not built in."""
    try:
        return int(read_file(enabled), 16) & bits != 0
    except (MachineCannot, ValueError):
        return False


class GenerationAger:
    """Ages whole cgroups; every method raises MachineCannot where that does not work."""

    def __init__(self, file: Path = _FILE, enabled: Path = _ENABLED, own: Path = _OWN) -> None:
        self._file = file
        self._enabled = enabled
        self._own = own
        self._known: dict[str, CgroupGenerations] = {}

    def require(self) -> None:
        """MachineCannot says why this machine cannot do it."""
        if not mglru_is_on(self._enabled, _CORE):
            raise MachineCannot("MGLRU is off", hint=f"write y to {self._enabled}, or leave it")
        self._require_paths()
        hint = "kernel lockdown forbids it, or a read-only /sys"
        with machine_errors(f"{self._file} cannot be written", hint):
            try:
                self._file.open("r+b").close()
            except FileNotFoundError:
                hint = "mount debugfs: mount -t debugfs none /sys/kernel/debug"
                raise MachineCannot(f"no {self._file}", hint=hint) from None

    def _require_paths(self) -> None:
        """The kernel's file has to name cgroups as /proc/PID/cgroup does, or others are aged."""
        if _IN_V1.search(read_file(self._own / "cgroup")):
            raise MachineCannot("the memory controller is in cgroup v1", hint="use cgroup v2")
        if not is_first("cgroup", self._own):
            raise MachineCannot(
                "MGLRU names cgroups as the host does, and here they have other names",
                hint="run in the host's cgroup namespace",
            )

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
        self._known = parse_generations(read_file(self._file))

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
        except OSError as error:
            if passing := out_of_resources(error.errno):
                raise passing from None
            return False
        known.youngest[node] += 1
        return True
