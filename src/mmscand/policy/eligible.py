"""Which mappings are looked at at all (the RFC's VMA rules, kmmscand-rfc section 1.7)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from mmscand.model import PAGE_BYTES, BoolArray, ByteArray, PageBlock, VmaFlag, VmaTable
from mmscand.reasons import LEFT_OUT

RULES = tuple(LEFT_OUT)
"""What leaves a mapping out; the first one that applies is counted.

hugetlb: MADV_COLD does not take them. special: also the vdso. refused: PFN maps, and hugetlb by
another name, too. read_only_files: program text and libraries, mostly; as in the RFC's rule.
shared_memory: what others map as well comes in where MGLRU can age it (scan.cgroup_aging), and is
left out page by page elsewhere. cpuset, bound: nothing of it can be promoted, so nothing makes way
for it.
"""
_ACCESSIBLE = VmaFlag.READ | VmaFlag.WRITE | VmaFlag.EXEC


@dataclass(frozen=True, slots=True)
class Skipped:
    """What one look at the mappings of a process left out, by rule."""

    mappings: Mapping[str, int]
    pages: Mapping[str, int]
    """4 KiB pages of address space, whether there is memory behind them or not."""


NOTHING_SKIPPED = Skipped({}, {})


def rules_of(
    vmas: VmaTable, *, read_only_files: bool = False, shared_memory: bool = False
) -> ByteArray:
    """Place in RULES of the rule that leaves each mapping out; len(RULES) where none does."""
    flags = vmas.flags
    masks: tuple[BoolArray, ...] = (
        flags & VmaFlag.HUGETLB != 0,
        flags & VmaFlag.SPECIAL != 0,
        flags & VmaFlag.REFUSED != 0,
        flags & _ACCESSIBLE == 0,
        (flags & VmaFlag.FILE != 0) & (flags & VmaFlag.WRITE == 0) & (not read_only_files),
        (flags & VmaFlag.SHARED != 0) & (not shared_memory),
        flags & VmaFlag.CPUSET_SLOW != 0,
        flags & VmaFlag.STAYS_SLOW != 0,
    )
    result = np.full(len(vmas), len(RULES), dtype=np.uint8)
    for number, mask in reversed(list(enumerate(masks))):
        result[mask] = number
    return result


def countable(block: PageBlock, vmas: VmaTable) -> PageBlock:
    """The block without fast-tier pages that may not be demoted: they are no room for others."""
    stays = vmas.flags & VmaFlag.STAYS_FAST != 0
    if not stays.any():
        return block
    step = np.uint64(block.pages_per_slot * PAGE_BYTES)
    slots = block.addresses[:, None] + np.arange(block.present.shape[1], dtype=np.uint64) * step
    fixed = np.append(stays, False)[vmas.index_of(slots)] & ~block.slow
    return replace(block, present=block.present & ~fixed, accessed=block.accessed & ~fixed)


def eligible(
    vmas: VmaTable, *, read_only_files: bool = False, shared_memory: bool = False
) -> tuple[VmaTable, Skipped]:
    """The mappings that are looked at, and what was left out."""
    rules = rules_of(vmas, read_only_files=read_only_files, shared_memory=shared_memory)
    pages = ((vmas.ends - vmas.starts) >> np.uint64(12)).astype(np.int64)
    mappings = np.bincount(rules, minlength=len(RULES))[: len(RULES)]
    skipped = {rule: number for number, rule in enumerate(RULES) if mappings[number]}
    return vmas.where(rules == len(RULES)), Skipped(
        {rule: int(mappings[number]) for rule, number in skipped.items()},
        {rule: int(pages[rules == number].sum()) for rule, number in skipped.items()},
    )
