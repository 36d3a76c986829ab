"""What a heat map of a recording costs: a process of 64 GiB over 300 passes, simulated.

The recording is made by the recorder's own code on the simulated machine: 4K pages, of which a
window of `--active` percent moves through the memory once, in which each page is accessed by
chance (`--share` of it in a pass), and beside that `--strays` of all pages. Measured is the
command's way from the file to a picture. Beside it, in the same run, what is simplest to write: all
bits of each pass unpacked to a byte a page, and summed. And what the daemon takes for an answer
about a process of that size.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks import tell
from mmscand.clock import CpuMeter, SystemClock
from mmscand.control.heat_snapshot import heat_object
from mmscand.control.wire import line_of
from mmscand.heat.picture import ProcessHeat, pieces_of
from mmscand.heat.watch_history import WatchHistory
from mmscand.heat.word import STATES
from mmscand.heatmap.recorded import gathered
from mmscand.heatmap.svg import svg_of
from mmscand.heatmap.terminal import Terminal, lines_of
from mmscand.model import (
    HUGE_PAGE_BYTES,
    PAGE_BYTES,
    PAGES_PER_TABLE,
    REGION_BYTES,
    MappingNames,
    PageBlock,
    Process,
)
from mmscand.record.file import Recording, new_recording
from mmscand.record.labels import labels_of
from mmscand.record.tables import unpack
from mmscand.record.watched import WatchedProcess
from mmscand.scan.heat_answers import MOST_PIECES
from mmscand.sim.machine import SimMachine
from mmscand.sim.nodes import sim_topology

_PAGES_PER_GIB = REGION_BYTES // PAGE_BYTES
_START = 1 << 40
_PERIOD_S = 1.0
_EIGHTHS = 8


def record(path: Path, gib: int, passes: int, active: float, share: float, strays: float) -> None:
    """Write the recording; a fast node of an eighth, where the memory begins."""
    pages = gib * _PAGES_PER_GIB
    machine = SimMachine(sim_topology((0,), (1,), {0: pages // _EIGHTHS + 1024, 1: pages}))
    process = machine.spawn(100, "app")
    fast = machine.map(process, _START, pages // _EIGHTHS, 0)
    slow = machine.map(process, fast.end + REGION_BYTES, pages - pages // _EIGHTHS, 1)
    fast.name, slow.name = b"[heap]", b"/srv/data"
    random = np.random.default_rng(1)
    watched = WatchedProcess(
        machine.open(process.process), CpuMeter(SystemClock()), labels_of(machine)
    )
    window = round(pages * active / 100)
    began_ns = time.monotonic_ns()
    with new_recording(path, machine.topology(), round(_PERIOD_S * 1000), 1 << 40) as writer:
        for number in range(1, passes + 1):
            first = (pages - window) * (number - 1) // passes
            hot = first + random.integers(window, size=round(window * share))
            some = random.integers(pages, size=round(pages * strays))
            for vma, offset in ((fast, 0), (slow, fast.accessed.size)):
                slots = np.concatenate((hot, some)) - offset
                vma.touch(slots[(slots >= 0) & (slots < vma.accessed.size)])
            writer.write(watched.look(number, began_ns + round(number * _PERIOD_S * 1e9)))


def naive(path: Path) -> int:
    """All pages unpacked, pass by pass; accesses in all, so that there is a result to compare."""
    accesses = 0
    rows: dict[int, int] = {}
    sizes = np.empty(0, dtype=np.uint32)
    for seen in Recording(path).passes():
        for address in seen.layout["address"].tolist():
            rows.setdefault(address, len(rows))
        sizes = np.pad(sizes, (0, len(rows) - len(sizes)), constant_values=1)
        pages = np.zeros((len(rows), PAGES_PER_TABLE), dtype=np.bool_)
        at = [rows[address] for address in seen.accessed["address"].tolist()]
        pages[at] = unpack(seen.accessed["accessed"], sizes[at])
        accesses += int(pages.sum(axis=1).sum())
    return accesses


def read_only(path: Path) -> None:
    """What no reader can be faster than: each member unpacked by zlib, and verified."""
    for _ in Recording(path).passes():
        pass


def known(gib: int) -> WatchHistory:
    """What the daemon knows of a process of that size, with rates of all kinds."""
    history, random = WatchHistory(), np.random.default_rng(1)
    rows = REGION_BYTES // HUGE_PAGE_BYTES
    there = np.ones((rows, PAGES_PER_TABLE), dtype=np.bool_)
    frames = np.zeros(there.shape, dtype=np.uint64)
    for region in range(gib):
        addresses = _START + region * REGION_BYTES + HUGE_PAGE_BYTES * np.arange(rows)
        block = PageBlock(addresses.astype(np.uint64), 1, frames, there, there, there)
        words = random.integers(1, STATES, size=there.shape).astype(np.uint16)
        history.put(block, words, 1.0, cleared=True)
    return history


def answer(history: WatchHistory, gib: int) -> bytes:
    """What the daemon does when it is asked, but for reading /proc/PID/maps."""
    start = np.array([_START], dtype=np.uint64)
    names = MappingNames(start, start + np.uint64(gib * REGION_BYTES), (b"[heap]",))
    pieces = pieces_of(history.row_heat(), history.UNIT, names, MOST_PIECES)
    return line_of(heat_object(ProcessHeat(Process(100, 1, "app"), pieces)))


def measure(path: Path, repeats: int, gib: int) -> dict[str, float | int | str]:
    """All figures."""
    ours = [
        _seconds(lambda: lines_of(gathered(Recording(path)), "rank", _TERMINAL))
        for _ in range(repeats)
    ]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    svg = _seconds(lambda: svg_of(gathered(Recording(path)), "rank"))
    reading = _seconds(lambda: read_only(path))
    simple = _seconds(lambda: naive(path))
    history = known(gib)
    answers = [_seconds(lambda: answer(history, gib)) for _ in range(repeats)]
    return {
        "recording_mib": round(path.stat().st_size / 2**20, 1),
        "terminal_s": round(min(ours), 2),
        "svg_s": round(svg, 2),
        "reading_alone_s": round(reading, 2),
        "page_by_page_s": round(simple, 2),
        "ratio_vs_page_by_page": round(simple / min(ours), 1),
        "peak_mib": peak,
        "daemon_answer_ms": round(min(answers) * 1e3, 1),
    }


_TERMINAL = Terminal(80, 24, "256", True)


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def main() -> int:
    """Print the figures, and write them as JSON when asked to."""
    parser = argparse.ArgumentParser(prog="script/bench heat", description=__doc__)
    parser.add_argument("--gib", type=int, default=64, help="memory of the process, in GiB")
    parser.add_argument("--passes", type=int, default=300, help="in the recording")
    parser.add_argument("--active", type=float, default=5.0, help="the window, in percent of it")
    parser.add_argument("--share", type=float, default=0.5, help="of the window, in each pass")
    parser.add_argument("--strays", type=float, default=1e-4, help="share of all pages, beside it")
    parser.add_argument("--repeats", type=int, default=3, help="the best of these counts")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="leave the recording in FILE")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.keep or Path(folder) / "app.mms"
        if not path.exists():
            record(path, options.gib, options.passes, options.active, options.share, options.strays)
        figures = measure(path, options.repeats, options.gib)
    figures["command"] = (
        f"script/bench heat --gib {options.gib} --passes {options.passes}"
        f" --active {options.active:g} --share {options.share:g} --strays {options.strays:g}"
    )
    tell(figures, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
