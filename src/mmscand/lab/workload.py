"""A program with slow memory, a hot set, and the truth about which of its pages are hot.

``python -m mmscand.lab.workload --mib 512 --hot-share 0.1 --layout random --node 1 --state DIR``
maps a region, fills it on one node, writes the truth into DIR and then touches its hot pages, each
once a pass, until SIGTERM or ``--seconds``. Cold pages are never touched after the fill.

Files in DIR: `truth.npz`, then `ready` (the pid), then `ops.csv`, one line a second; read them
by `mmscand.lab.truth`. Exit status: 0 done, 1 the machine could not do it, 2 bad arguments.
"""

from __future__ import annotations

import argparse
import ctypes
import mmap
import os
import re
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn, get_args

import numpy as np

from mmscand.lab.truth import BoolArray, IntArray, Layout, Truth, WordArray, hot_pages

PAGE = 4096
HUGE_PAGE = 2 << 20
PAGES_PER_HUGE = HUGE_PAGE // PAGE
_WORDS_PER_PAGE = PAGE // 8
_WORDS_PER_LINE = 64 // 8
_LINES_PER_PAGE = PAGE // 64
# 4096 touches are 1 ms under emulation (a signal waits for one chunk), and the two scratch arrays
# of a chunk are 64 KiB: they stay in the second-level cache, so the region's misses dominate.
_CHUNK = 4096
# 64 MiB are faulted in within 0.2 s even under emulation: a signal need not wait longer.
_FILL_WORDS = (64 << 20) // 8

# include/uapi/linux/mempolicy.h; arch/x86/entry/syscalls/syscall_64.tbl
_MPOL_DEFAULT = 0
_MPOL_BIND = 2
_SYS_SET_MEMPOLICY = 238

_libc = ctypes.CDLL(None, use_errno=True)
_set_mempolicy = _libc["syscall"]
_set_mempolicy.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_ulong]
_set_mempolicy.restype = ctypes.c_long


class WorkloadError(Exception):
    """The machine could not give the memory that was asked for; the message is one line."""


class Toucher:
    """Touches every hot page once a pass in a seeded random order, reading some, writing others.

    `words` is the region as 64-bit words. Each pass starts elsewhere in the order, uses another
    cache line of the pages, and so writes other pages than the pass before.
    """

    def __init__(self, words: WordArray, hot: BoolArray, write_share: float, seed: int) -> None:
        self._words = words
        self._rng = np.random.default_rng([seed, 1])  # another stream than the hot mask's
        order = self._rng.permutation(np.flatnonzero(hot)) * _WORDS_PER_PAGE
        # Twice over, so that a rotation is a slice and not a copy.
        self._order: IntArray = np.concatenate([order, order]).astype(np.int64)
        self._hot = order.size
        self._write_share = write_share
        self._index = np.empty(min(_CHUNK, order.size), dtype=np.int64)
        self._values = np.empty(self._index.size, dtype=np.uint64)

    def touch_once(self) -> Iterator[int]:
        """One pass over the hot pages; yields the touches done after every chunk."""
        start = int(self._rng.integers(self._hot))
        line = int(self._rng.integers(_LINES_PER_PAGE)) * _WORDS_PER_LINE
        for first in range(start, start + self._hot, _CHUNK):
            yield self._touch(self._order[first : min(first + _CHUNK, start + self._hot)], line)

    def _touch(self, pages: IntArray, line: int) -> int:
        index = self._index[: pages.size]
        np.add(pages, line, out=index)
        writes = round(pages.size * self._write_share)
        self._words[index[:writes]] = line
        reads = index[writes:]
        # mode="clip": with the default mode numpy would gather into a buffer of its own first.
        np.take(self._words, reads, out=self._values[: reads.size], mode="clip")
        return pages.size


def online_nodes(root: Path = Path("/sys/devices/system/node")) -> list[int]:
    """The nodes that have memory, in order; [0] on a kernel without NUMA."""
    try:
        text = (root / "has_memory").read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return [0]
    spans = [part.split("-") for part in text.split(",") if part]
    return [node for span in spans for node in range(int(span[0]), int(span[-1]) + 1)]


def parse_numa_maps(text: str, address: int) -> dict[int, int]:
    """Pages on each node of the VMA that starts at `address`, from the text of numa_maps."""
    for line in text.splitlines():
        if int(line.split(" ", 1)[0], 16) == address:
            return {int(node): int(count) for node, count in re.findall(r"\bN(\d+)=(\d+)", line)}
    return {}


def map_region(size: int, *, huge: bool) -> WordArray:
    """An untouched anonymous region of `size` bytes aligned to 2 MiB, as 64-bit words."""
    area = mmap.mmap(-1, size + HUGE_PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    everything = np.frombuffer(area, dtype=np.uint64)  # keeps the mapping alive
    skip = -everything.ctypes.data % HUGE_PAGE
    # The advice also makes the region a VMA of its own, apart from the slack around it.
    area.madvise(mmap.MADV_HUGEPAGE if huge else mmap.MADV_NOHUGEPAGE, skip, size)
    return everything[skip // 8 : (skip + size) // 8]


def fill(words: WordArray, node: int, nodes: Sequence[int]) -> None:
    """Touch every page once on `node`, then check where all of them are. Raises WorkloadError.

    The policy is the thread's and only while it touches, so that none stays on the VMA and the
    kernel and mmscand may move the pages.
    """
    if len(nodes) > 1:
        _bind(node)
    try:
        for first in range(0, words.size, _FILL_WORDS):
            # A write, not a read: reads would all map the one zero page.
            words[first : first + _FILL_WORDS : _WORDS_PER_PAGE] = 1
    finally:
        if len(nodes) > 1:
            _mempolicy(_MPOL_DEFAULT, None, 0)
    if len(nodes) > 1:
        _check_placement(words, node)


def _bind(node: int) -> None:
    mask = (ctypes.c_ulong * 16)()  # 1024 nodes, the most that x86-64 can be configured for
    mask[node // 64] = 1 << node % 64
    _mempolicy(_MPOL_BIND, ctypes.addressof(mask), 1024)


def _mempolicy(mode: int, mask: int | None, bits: int) -> None:
    if _set_mempolicy(_SYS_SET_MEMPOLICY, mode, mask, bits) != 0:
        raise WorkloadError(f"set_mempolicy: {os.strerror(ctypes.get_errno())}")


def _check_placement(words: WordArray, node: int) -> None:
    text = Path("/proc/self/numa_maps").read_text(encoding="ascii")
    pages = words.size // _WORDS_PER_PAGE
    placed = parse_numa_maps(text, words.ctypes.data)
    if placed != {node: pages}:
        raise WorkloadError(f"asked for {pages} pages on node {node}, got {placed}")


def _check_free(node: int, size: int) -> None:
    # MPOL_BIND has no fallback: without room the kernel kills a process, perhaps another one.
    path = Path(f"/sys/devices/system/node/node{node}/meminfo")
    if not path.exists():
        return
    match = re.search(r"MemFree:\s+(\d+) kB", path.read_text(encoding="ascii"))
    free_mib = int(match[1]) >> 10 if match else 0
    if free_mib <= size >> 20:
        raise WorkloadError(f"node {node} has {free_mib} MiB free, {size >> 20} MiB asked for")


def _check_huge(words: WordArray) -> None:
    text = Path("/proc/self/smaps").read_text(encoding="ascii")
    _, _, own = text.partition(f"{words.ctypes.data:x}-")
    match = re.search(r"AnonHugePages:\s+(\d+) kB", own)
    got, want = int(match[1]) >> 10 if match else 0, words.nbytes >> 20
    if got != want:
        raise WorkloadError(f"asked for {want} MiB of huge pages, got {got} MiB")


def run(toucher: Toucher, folder: Path, seconds: float) -> None:
    """Touch hot pages until `seconds` are over; a line into `ops.csv` every second."""
    begin = since = time.monotonic()
    count = 0
    with (folder / "ops.csv").open("w", encoding="ascii", buffering=1) as file:
        file.write("monotonic_s,ops_per_s\n")
        while True:
            for touched in toucher.touch_once():
                count += touched
                now = time.monotonic()
                if now - since >= 1.0:
                    file.write(f"{now:.6f},{count / (now - since):.1f}\n")
                    since, count = now, 0
                if now - begin >= seconds:
                    return


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"workload: {message}\n")


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = _Parser(prog="python -m mmscand.lab.workload", description="Touches hot pages.")
    add = parser.add_argument
    add("--mib", type=int, default=512, help="size of the region; even, as huge pages need")
    add("--hot-share", type=float, default=0.1, help="share of the region that is hot")
    add("--hot-mib", type=float, help="size of the hot set, instead of a share")
    add("--layout", choices=get_args(Layout), default="random", help="where hot pages are")
    add("--node", type=int, help="node for the fill; default the last one with memory")
    add("--huge", action=argparse.BooleanOptionalAction, default=False, help="2 MiB huge pages")
    add("--write-share", type=float, default=0.5, help="share of the touches that write")
    add("--seed", type=int, default=1, help="the same seed gives the same hot pages")
    add("--state", type=Path, required=True, help="folder for truth.npz, ready and ops.csv")
    add("--seconds", type=float, default=float("inf"), help="stop after this long")
    options = parser.parse_args(argv)
    nodes = online_nodes()
    options.node = nodes[-1] if options.node is None else options.node
    if options.hot_mib is None:
        options.hot_mib = options.mib * options.hot_share
    for message, good in _checks(options, nodes).items():
        if not good:
            parser.error(message)
    return options


def _checks(options: argparse.Namespace, nodes: Sequence[int]) -> Mapping[str, bool]:
    mib, hot_mib, share = options.mib, options.hot_mib, options.write_share
    return {
        f"--mib {mib}: must be even and at least 2": mib >= 2 and mib % 2 == 0,
        f"a hot set of {hot_mib:g} MiB: must be 1 page to {mib} MiB": 1 / 256 <= hot_mib <= mib,
        f"--write-share {share:g}: must be 0 to 1": 0 <= share <= 1,
        f"--seed {options.seed}: must not be negative": options.seed >= 0,
        f"--node {options.node}: nodes with memory are {nodes}": options.node in nodes,
    }


def _prepare(options: argparse.Namespace) -> Toucher:
    """Map, fill, check, write the truth and only then the ready file."""
    size, folder = options.mib << 20, options.state
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("ready", "truth.npz", "ops.csv"):
        (folder / name).unlink(missing_ok=True)
    unit = PAGES_PER_HUGE if options.huge else 1
    count = round(options.hot_mib * 256)
    hot = hot_pages(size // PAGE, count, options.layout, options.seed, unit)
    _check_free(options.node, size)
    words = map_region(size, huge=options.huge)
    fill(words, options.node, online_nodes())
    if options.huge:
        _check_huge(words)
    toucher = Toucher(words, hot, options.write_share, options.seed)
    fields = {"node": options.node, "huge": options.huge, "seed": options.seed}
    Truth(os.getpid(), words.ctypes.data, size // PAGE, **fields, hot=hot).save(folder)
    (folder / "ready.part").write_text(f"{os.getpid()}\n", encoding="ascii")
    (folder / "ready.part").replace(folder / "ready")
    return toucher


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    # Raised between two chunks, wherever the program is; files are closed on the way out.
    raise SystemExit(0)


def main(argv: Sequence[str] | None = None) -> int:
    """The program; returns its exit status, or exits 0 on SIGTERM and 2 on bad arguments."""
    options = _parse(argv)
    signal.signal(signal.SIGTERM, _stop)
    try:
        run(_prepare(options), options.state, options.seconds)
    except (WorkloadError, OSError) as error:
        print(f"workload: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
