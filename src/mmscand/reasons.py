"""Why a page is where it is, in the words of the field. Nothing of ours is imported here."""

from collections.abc import Mapping

REASONS: dict[str, str] = {
    "queued": "on the migration list, or being moved",
    "planned": "hot enough to be promoted next",
    "unsure": "looks hot, but too few accesses were seen to be sure",
    "no_room": "accessed often enough to pay for a move, but hotter pages fill the fast tier",
    "refused": "hot, but would not move when it was tried (pinned, or in use); it is tried again",
    "shared": "mapped by other processes too, so that its Accessed bit says nothing",
    "cold": "accessed too rarely to pay for a move",
    "unknown": "not observed yet",
}
"""By name. The first five are reasons of hot pages."""
HOT = ("queued", "planned", "unsure", "no_room", "refused")
LEFT_OUT: dict[str, str] = {
    "hugetlb": "reserved huge pages (hugetlb)",
    "special": "memory of a device or of the kernel",
    "refused": "locked memory, or the kernel refuses to age it",
    "inaccessible": "not accessible to anybody (PROT_NONE)",
    "read_only_files": "files that are read only (knob read_only_files)",
    "shared_memory": "shared mappings (knob shared_memory)",
    "cpuset": "kept on slow nodes by the cpuset of the process (cpuset.mems of its cgroup)",
    "bound": "bound to slow nodes by a memory policy (mbind, set_mempolicy, numactl)",
}
"""By name: rules that leave a mapping out, in the order in which they are tried."""
FAILED = "failed_"
"""Before the name of an errno: a counter of pages that did not move, by the reason."""


def failures(counters: Mapping[str, float]) -> dict[str, float]:
    """Pages that did not move, by the name of the errno."""
    found = {name: pages for name, pages in counters.items() if name.startswith(FAILED)}
    return {name.removeprefix(FAILED): pages for name, pages in sorted(found.items())}
