"""Use of memory that its owner's page tables do not show, as far as /proc says.

The guest of a KVM machine accesses memory through page tables of its own (EPT, NPT), and a device
through none: neither sets the Accessed bits that mmscand reads, so memory in use looks idle. After
clear_refs a guest that touched 15 pages again showed one page Referenced in smaps (6.12, 7.3).

KVM names its descriptors (virt/kvm/kvm_main.c), and every owner maps the state of its virtual CPUs.
VFIO and RDMA have device files. Pinned memory (RDMA, io_uring) is counted as VmPin of
proc_pid_status(5); it cannot move, so it matters only where it is most of a process.
"""

import re
from collections.abc import Iterable

from mmscand.linux.procfs import Procfs

KVM = "it owns a KVM machine, and what the guest accesses cannot be seen"
VFIO = "devices access its memory (VFIO), and that cannot be seen"
PINNED = "most of its memory is pinned for devices, and what they access cannot be seen"

_DESCRIPTORS = (
    (b"anon_inode:kvm-vm", KVM),
    (b"/dev/vfio/", VFIO),
    (b"anon_inode:[vfio", VFIO),
    (b"/dev/iommu", VFIO),
)
_MAPPINGS = ((b" anon_inode:kvm-vcpu", KVM), (b" anon_inode:[vfio", VFIO), (b" /dev/vfio/", VFIO))
_KIB = {
    name: re.compile(rb"^%s:\s+(\d{1,19}) kB" % name, re.MULTILINE) for name in (b"VmPin", b"VmRSS")
}
_MOST = 0.5
"""Share of the resident set."""


def of_process(procfs: Procfs, pid: int) -> str:
    """All that /proc says of it; the reason, '' when there is none. ProcessGone, ProcessDenied."""
    return (
        by_descriptors(procfs.descriptors(pid))
        or by_mappings(procfs.maps(pid))
        or by_pins(procfs.status(pid))
    )


def by_descriptors(targets: Iterable[bytes]) -> str:
    """By the targets of /proc/PID/fd; the reason, '' when there is none."""
    found = (why for target in targets for prefix, why in _DESCRIPTORS if target.startswith(prefix))
    return next(found, "")


def by_mappings(maps: bytes) -> str:
    """By /proc/PID/maps; the reason, '' when there is none."""
    return next((why for text, why in _MAPPINGS if text in maps), "")


def by_pins(status: bytes) -> str:
    """By /proc/PID/status; the reason, '' when there is none."""
    found = {name: pattern.search(status) for name, pattern in _KIB.items()}
    kib = {name: int(match[1]) if match else 0 for name, match in found.items()}
    pinned = kib[b"VmPin"]
    return PINNED if pinned and pinned >= _MOST * kib[b"VmRSS"] else ""
