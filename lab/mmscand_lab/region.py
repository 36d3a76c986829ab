"""Memory of a workload: mapped, filled on one node, and checked to be there."""

from __future__ import annotations

import mmap
import re
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np

from mmscand.errors import MmscandError
from mmscand_lab.numa import bound_to, forget_policy, online_nodes
from mmscand_lab.truth import WordArray

PAGE = 4096
HUGE_PAGE = 2 << 20
PAGES_PER_HUGE = HUGE_PAGE // PAGE
WORDS_PER_PAGE = PAGE // 8
# 64 MiB are faulted in within 0.2 s even under emulation: a signal need not wait longer.
_FILL_WORDS = (64 << 20) // 8


class WorkloadError(MmscandError):
    """The machine could not give the memory that was asked for; the message is one line."""


def parse_numa_maps(text: str, address: int) -> dict[int, int]:
    """Pages on each node of the VMA that starts at `address`, from the text of numa_maps."""
    for line in text.splitlines():
        if int(line.split(" ", 1)[0], 16) == address:
            return {int(node): int(count) for node, count in re.findall(r"\bN(\d+)=(\d+)", line)}
    return {}


def filled_region(size: int, node: int, *, huge: bool = False) -> WordArray:
    """A region of `size` bytes with every page on `node`. Raises WorkloadError."""
    _check_free(node, size)
    words = _map_region(size, huge=huge)
    _fill(words, node, online_nodes())
    if huge:
        _check_huge(words)
    return words


def _map_region(size: int, *, huge: bool) -> WordArray:
    """An untouched anonymous region of `size` bytes aligned to 2 MiB, as 64-bit words."""
    area = mmap.mmap(-1, size + HUGE_PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    everything = np.frombuffer(area, dtype=np.uint64)  # keeps the mapping alive
    skip = -everything.ctypes.data % HUGE_PAGE
    # The advice also makes the region a VMA of its own, apart from the slack around it.
    area.madvise(mmap.MADV_HUGEPAGE if huge else mmap.MADV_NOHUGEPAGE, skip, size)
    return everything[skip // 8 : (skip + size) // 8]


def _fill(words: WordArray, node: int, nodes: Sequence[int]) -> None:
    """Touch every page once on `node`, then check where all of them are.

    The policy is the thread's and only while it touches, so that none stays on the VMA and the
    kernel and mmscand may move the pages.
    """
    many = len(nodes) > 1
    with bound_to(node) if many else nullcontext():
        for first in range(0, words.size, _FILL_WORDS):
            # A write, not a read: reads would all map the one zero page.
            words[first : first + _FILL_WORDS : WORDS_PER_PAGE] = 1
    if many:
        forget_policy()
        _check_placement(words, node)


def _check_placement(words: WordArray, node: int) -> None:
    text = Path("/proc/self/numa_maps").read_text(encoding="ascii")
    pages = words.size // WORDS_PER_PAGE
    placed = parse_numa_maps(text, words.ctypes.data)
    if placed != {node: pages}:
        raise WorkloadError(f"asked for {pages} pages on node {node}, got {placed}")


def free_mib(node: int) -> int | None:
    """Free memory of a node in MiB; None on a kernel without NUMA."""
    path = Path(f"/sys/devices/system/node/node{node}/meminfo")
    if not path.exists():
        return None
    match = re.search(r"MemFree:\s+(\d+) kB", path.read_text(encoding="ascii"))
    return int(match[1]) >> 10 if match else 0


def _check_free(node: int, size: int) -> None:
    # MPOL_BIND has no fallback: without room the kernel kills a process, perhaps another one.
    free = free_mib(node)
    if free is not None and free <= size >> 20:
        raise WorkloadError(f"node {node} has {free} MiB free, {size >> 20} MiB asked for")


def _check_huge(words: WordArray) -> None:
    text = Path("/proc/self/smaps").read_text(encoding="ascii")
    _, _, own = text.partition(f"{words.ctypes.data:x}-")
    match = re.search(r"AnonHugePages:\s+(\d+) kB", own)
    got, want = int(match[1]) >> 10 if match else 0, words.nbytes >> 20
    if got != want:
        raise WorkloadError(f"asked for {want} MiB of huge pages, got {got} MiB")
