"""A program with slow memory, a hot set, and the truth about which of its pages are hot.

``python -m mmscand_lab.workload --mib 512 --hot-share 0.1 --layout random --node 1 --state DIR``
maps a region, fills it on one node, writes the truth into DIR and then touches its pages until
SIGTERM or ``--seconds``, by a pattern:

* hot: each hot page once a pass, no cold page ever. On SIGUSR1 others become hot (`truth.shifted`).
* gups: drawn at random, 90 % of the accesses go to the hot pages.
* zipf: drawn at random, the page of rank r like 1 / r ** 0.99; hot are the hottest.
  On SIGUSR1 these two read the coldest 70 % of their pages through, once.
* stairs, zigzag: drawn at random, 90 % of the accesses go to one part of ten. Stairs go through all
  parts, zigzag between two; a phase lasts `--phase-rounds` rounds (`mmscand_lab.phases`). With the
  layout range a part is a tenth by address.
* chase: each address is read from memory, 90 % of them in the hot pages (`mmscand_lab.chase`).
* btree: lookups in a tree whose nodes are pages, the leaves by zipf.
* grid: a binary search in a sorted grid, then values anywhere, as XSBench does.
* bfs: breadth-first search of a graph, again and again (`mmscand_lab.bfs`).

With ``--home-node`` it also has memory elsewhere that it uses (pattern hot only), as a program that
was not always slow.

Files in DIR: `truth.npz`, then `ready` (the pid), then `ops.csv`, one line a second; read them
by `mmscand_lab.truth` and `mmscand_lab.ops`. Stairs and zigzag have `phases.npz` and `phase` too.

Exit status: 0 done, 1 the machine could not do it, 2 bad arguments.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import NoReturn, get_args

from mmscand_lab.ending import exit_status
from mmscand_lab.numa import online_nodes
from mmscand_lab.ops import OPS, OpsLog
from mmscand_lab.patterns import PATTERNS
from mmscand_lab.region import PAGE, filled_region
from mmscand_lab.slowmem import control_of, library_of
from mmscand_lab.touch import LINES_PER_PAGE, Toucher
from mmscand_lab.truth import Layout, Truth

Changes = list[int]
"""A signal for each time that the toucher is to change; looked at after each round."""


def run(
    toucher: Toucher, folder: Path, seconds: float, changes: Changes, pause_s: float = 0.0
) -> None:
    """Touch pages until `seconds` are over, with a pause after each round; a line into `ops.csv`
    every second.
    """
    end = time.monotonic() + seconds
    with closing(OpsLog(folder)) as log:
        while True:
            if changes:
                changes.pop()
                toucher.change()
            for touched in toucher.touch_once():
                if log.add(touched) >= end:
                    return
            if pause_s:
                time.sleep(pause_s)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"workload: {message}\n")


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = _Parser(prog="python -m mmscand_lab.workload", description="Touches hot pages.")
    add = parser.add_argument
    add("--pattern", choices=list(PATTERNS), default="hot", help="which pages, how often")
    add("--lines", type=int, default=64, help="cache lines a visit to a page, where they are drawn")
    add("--phase-rounds", type=int, default=256, help="of 32 768 accesses, for stairs and zigzag")
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
    add("--pause-ms", type=float, default=0.0, help="rest after each round, to leave CPUs alone")
    add("--state", type=Path, required=True, help="folder for truth.npz, ready and ops.csv")
    add("--slow-memory", type=Path, help="folder of the plug-in that slows accesses down")
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
        f"--lines {options.lines}: must be 1 to {LINES_PER_PAGE}": (
            1 <= options.lines <= LINES_PER_PAGE
        ),
        f"--phase-rounds {options.phase_rounds}: must be positive": options.phase_rounds > 0,
        f"--write-share {share:g}: must be 0 to 1": 0 <= share <= 1,
        f"--pause-ms {options.pause_ms:g}: must not be negative": options.pause_ms >= 0,
        f"--seed {options.seed}: must not be negative": options.seed >= 0,
        f"--node {options.node}: nodes with memory are {nodes}": options.node in nodes,
        f"--home-node {home}: nodes with memory are {nodes}": home is None or home in nodes,
    }


def _prepare(options: argparse.Namespace) -> Toucher:
    """Map, fill, check, write the truth and only then the ready file."""
    size, folder, slow = options.mib << 20, options.state, options.slow_memory
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("ready", "truth.npz", OPS):
        (folder / name).unlink(missing_ok=True)
    words = filled_region(size, options.node, huge=options.huge)
    library = None if slow is None else library_of(slow)
    work = PATTERNS[options.pattern](options, words, library)
    if library is not None:  # only now: what is made before is not measured
        control_of(slow).instrument([library.code])
    fields = {"node": options.node, "huge": options.huge, "seed": options.seed}
    truth = Truth(os.getpid(), words.ctypes.data, size // PAGE, **fields, hot=work.hot)
    replace(truth, rates=work.rates).save(folder)
    (folder / "ready.part").write_text(f"{os.getpid()}\n", encoding="ascii")
    (folder / "ready.part").replace(folder / "ready")
    return work.toucher


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    # Raised between two chunks, wherever the program is; files are closed on the way out.
    raise SystemExit(0)


def main(argv: Sequence[str] | None = None) -> int:
    """The program; returns its exit status, or exits 0 on SIGTERM and 2 on bad arguments."""
    options = _parse(argv)
    signal.signal(signal.SIGTERM, _stop)
    changes: Changes = []
    signal.signal(signal.SIGUSR1, lambda number, frame: changes.append(number))
    pause_s = options.pause_ms / 1000
    return exit_status(
        "workload",
        lambda: run(_prepare(options), options.state, options.seconds, changes, pause_s),
    )


if __name__ == "__main__":
    sys.exit(main())
