"""A fast node with little room, as a fast node has: the rest of it is set aside.

As huge pages of the kernel's pool that nobody maps. Unlike memory of a program they cannot be
demoted, and unlike a smaller node they leave the same room whatever the kernel itself took.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmscand.linux.free_memory import FreeMemory
from mmscand_lab.kernel import LabError
from mmscand_lab.region import PAGES_PER_HUGE

_POOL = "/sys/devices/system/node/node{}/hugepages/hugepages-2048kB/nr_hugepages"
_LISTS = "/proc/sys/vm/percpu_pagelist_high_fraction"
_SHORT_LISTS = "100000"
"""Pages that are freed stay on lists of the CPUs at first, and are not counted as free: as many as
there is room here. So the lists are as short as they can be."""
_ROUNDS, _CALM_ROUNDS, _ROUND_S = 60, 3, 0.3
_SPARE_PAGES = 2 * PAGES_PER_HUGE


@contextmanager
def room_on(
    node: int, pages: int, memory: FreeMemory, pool: str = _POOL, lists: str = _LISTS
) -> Iterator[None]:
    """While it lasts the node can take this number of pages above its high watermark; within 4 MiB.

    `pool` is the path of the size of a node's pool, `lists` that of the sysctl that bounds the
    lists of free pages of a CPU. Raises LabError when that much is not free, or the pool does not
    get it.
    """
    path = Path(pool.format(node))
    before = Path(lists).read_text()
    try:
        Path(lists).write_text(_SHORT_LISTS)
        _settle(node, pages, memory, path)
        yield
    finally:
        _resize(path, 0)
        Path(lists).write_text(before)


def _settle(node: int, pages: int, memory: FreeMemory, pool: Path) -> None:
    """Size the pool until the rest is right: the kernel goes on making room for it a while."""
    count = calm = 0
    for _ in range(_ROUNDS):
        spare = memory.free_pages(node) - pages
        if 0 <= spare < _SPARE_PAGES:
            calm += 1
        else:
            calm, count = 0, _resize(pool, max(0, count + spare // PAGES_PER_HUGE))
        if calm == _CALM_ROUNDS:
            return
        time.sleep(_ROUND_S)
    free = memory.free_pages(node)
    raise LabError(
        f"node {node} has room for {free} pages and not for {pages}", hint="end what runs there"
    )


def _resize(pool: Path, count: int) -> int:
    """Ask for this number of pages; how many there are."""
    try:
        pool.write_text(str(count))
        return int(pool.read_text())
    except OSError as error:
        raise LabError(f"{pool}: {error.strerror}", hint="needs root and huge pages") from None
