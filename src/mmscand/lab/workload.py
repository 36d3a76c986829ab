"""A program with slow memory, a hot set, and the truth about which of its pages are hot.

``python -m mmscand.lab.workload --mib 512 --hot-share 0.1 --layout random --node 1 --state DIR``
maps a region, fills it on one node, writes the truth into DIR and then touches its hot pages, each
once a pass, until SIGTERM or ``--seconds``. Cold pages are never touched after the fill; on SIGUSR1
other pages become the hot ones (`truth.shifted`). With
``--home-node`` it also has memory elsewhere that it uses, as a program that was not always slow.

Files in DIR: `truth.npz`, then `ready` (the pid), then `ops.csv`, one line a second; read them
by `mmscand.lab.truth`. Exit status: 0 done, 1 the machine could not do it, 2 bad arguments.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn, get_args

import numpy as np

from mmscand.lab.region import (
    PAGE,
    PAGES_PER_HUGE,
    WORDS_PER_PAGE,
    WorkloadError,
    filled_region,
    free_mib,
    online_nodes,
)
from mmscand.lab.truth import (
    BoolArray,
    IntArray,
    Layout,
    Truth,
    WordArray,
    hot_pages,
    shifted,
)

Shifts = list[int]
"""A signal for each time that other pages are to become hot; looked at after each pass."""

_WORDS_PER_LINE = 64 // 8
_LINES_PER_PAGE = PAGE // 64
# 4096 touches are 1 ms under emulation (a signal waits for one chunk), and the two scratch arrays
# of a chunk are 64 KiB: they stay in the second-level cache, so the region's misses dominate.
_CHUNK = 4096
# Enough to be seen as used, little enough to leave the time to the hot pages.
_HOME_PAGES_TOUCHED = 16384


class Toucher:
    """Touches every hot page once a pass in a seeded random order, reading some, writing others.

    `words` is the region as 64-bit words. Each pass starts elsewhere in the order, uses another
    cache line of the pages, and so writes other pages than the pass before.
    """

    def __init__(
        self,
        words: WordArray,
        hot: BoolArray,
        write_share: float,
        seed: int,
        home: WordArray | None = None,
    ) -> None:
        self._words = words
        self._seed = seed
        self._home = None if home is None else home[: _HOME_PAGES_TOUCHED * WORDS_PER_PAGE]
        self._rng = np.random.default_rng([seed, 1])  # another stream than the hot mask's
        self._write_share = write_share
        self._use(hot)

    def shift(self) -> None:
        """Go over to other hot pages."""
        self._use(shifted(self._mask, self._seed))

    def _use(self, hot: BoolArray) -> None:
        self._mask = hot
        order = self._rng.permutation(np.flatnonzero(hot)) * WORDS_PER_PAGE
        # Twice over, so that a rotation is a slice and not a copy.
        self._order: IntArray = np.concatenate([order, order]).astype(np.int64)
        self._hot = order.size
        self._index = np.empty(min(_CHUNK, order.size), dtype=np.int64)
        self._values = np.empty(self._index.size, dtype=np.uint64)

    def touch_once(self) -> Iterator[int]:
        """One pass over the hot pages; yields the touches done after every chunk."""
        start = int(self._rng.integers(self._hot))
        line = int(self._rng.integers(_LINES_PER_PAGE)) * _WORDS_PER_LINE
        for first in range(start, start + self._hot, _CHUNK):
            yield self._touch(self._order[first : min(first + _CHUNK, start + self._hot)], line)
        if self._home is not None:
            self._home[::WORDS_PER_PAGE] += 1

    def _touch(self, pages: IntArray, line: int) -> int:
        index = self._index[: pages.size]
        np.add(pages, line, out=index)
        writes = round(pages.size * self._write_share)
        self._words[index[:writes]] = line
        reads = index[writes:]
        # mode="clip": with the default mode numpy would gather into a buffer of its own first.
        np.take(self._words, reads, out=self._values[: reads.size], mode="clip")
        return pages.size


def run(toucher: Toucher, folder: Path, seconds: float, shifts: Shifts) -> None:
    """Touch hot pages until `seconds` are over; a line into `ops.csv` every second."""
    begin = since = last = time.monotonic()
    count, blocks = 0, list[float]()
    with (folder / "ops.csv").open("w", encoding="ascii", buffering=1) as file:
        file.write("monotonic_s,ops_per_s,p99_block_ms\n")
        while True:
            if shifts:
                shifts.pop()
                toucher.shift()
            for touched in toucher.touch_once():
                now = time.monotonic()
                count += touched
                blocks.append(now - last)
                last = now
                if now - since >= 1.0:
                    p99_ms = 1000 * float(np.percentile(blocks, 99))
                    file.write(f"{now:.6f},{count / (now - since):.1f},{p99_ms:.3f}\n")
                    since, count, blocks = now, 0, []
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
    add("--home-node", type=int, help="node of further memory that is used all the time")
    add("--home-mib", type=int, default=64, help="size of that memory")
    add("--home-leaves-mib", type=int, help="fill that node until this much is free, instead")
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
    home = options.home_node
    return {
        f"--mib {mib}: must be even and at least 2": mib >= 2 and mib % 2 == 0,
        f"a hot set of {hot_mib:g} MiB: must be 1 page to {mib} MiB": 1 / 256 <= hot_mib <= mib,
        f"--write-share {share:g}: must be 0 to 1": 0 <= share <= 1,
        f"--seed {options.seed}: must not be negative": options.seed >= 0,
        f"--node {options.node}: nodes with memory are {nodes}": options.node in nodes,
        f"--home-node {home}: nodes with memory are {nodes}": home is None or home in nodes,
    }


def _home(options: argparse.Namespace) -> WordArray | None:
    """The further memory, None without."""
    node, mib = options.home_node, options.home_mib
    if node is None:
        return None
    if options.home_leaves_mib is not None:
        mib = (free_mib(node) or 0) - options.home_leaves_mib
    return filled_region(max(2, mib // 2 * 2) << 20, node)


def _prepare(options: argparse.Namespace) -> Toucher:
    """Map, fill, check, write the truth and only then the ready file."""
    size, folder = options.mib << 20, options.state
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("ready", "truth.npz", "ops.csv"):
        (folder / name).unlink(missing_ok=True)
    unit = PAGES_PER_HUGE if options.huge else 1
    count = round(options.hot_mib * 256)
    hot = hot_pages(size // PAGE, count, options.layout, options.seed, unit)
    words = filled_region(size, options.node, huge=options.huge)
    toucher = Toucher(words, hot, options.write_share, options.seed, _home(options))
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
    shifts: Shifts = []
    signal.signal(signal.SIGUSR1, lambda number, frame: shifts.append(number))
    try:
        run(_prepare(options), options.state, options.seconds, shifts)
    except (WorkloadError, OSError) as error:
        print(f"workload: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
