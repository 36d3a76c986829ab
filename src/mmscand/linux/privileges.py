"""The capabilities that the daemon cannot do without (capabilities(7))."""

import os
import re

from mmscand.errors import MachineCannot
from mmscand.linux.procfs import Procfs

# include/uapi/linux/capability.h
NEEDED = {
    2: ("CAP_DAC_READ_SEARCH", "open the pagemap of other users' processes"),
    19: ("CAP_SYS_PTRACE", "read the mappings of other users' processes and move their pages"),
    21: ("CAP_SYS_ADMIN", "read kernel memory, and frame numbers in pagemap"),
    23: ("CAP_SYS_NICE", "age the memory of other processes"),
}
"""Bit, name, and what for. CAP_SYS_ADMIN stands for CAP_BPF and CAP_PERFMON too."""


def missing_capabilities(procfs: Procfs) -> list[tuple[str, str]]:
    """Names of those that this process does not have, and what they are for."""
    return parse_missing(procfs.self_status())


def parse_missing(status: bytes) -> list[tuple[str, str]]:
    """The same, of /proc/PID/status."""
    effective = re.search(rb"^CapEff:\s+([0-9a-f]{1,16})$", status, re.MULTILINE)
    bits = int(effective[1], 16) if effective else 0
    return [capability for bit, capability in NEEDED.items() if not bits >> bit & 1]


def hint() -> str:
    """What to do about one that is missing; root may lack it, in a container or a service."""
    if os.geteuid() == 0:
        return "root has not got it here: give it (--cap-add, CapabilityBoundingSet)"
    return "run as root"


def require_capabilities(procfs: Procfs) -> None:
    """MachineCannot names the first that is missing."""
    for name, purpose in missing_capabilities(procfs):
        raise MachineCannot(f"{name} is missing, it is needed to {purpose}", hint=hint())
