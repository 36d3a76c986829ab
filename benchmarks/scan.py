"""What it costs to read the Accessed bits of 4K pages, natively, end to end.

Reading, decoding and filtering by tier as the daemon does it, beside the two documented ways to
get near the same thing: clear_refs + smaps (totals only, and it clears) and a pagemap read (no
Accessed bit at all). All three over the same memory of one process, in turn, in the same run, each
twice: first with the caches as the way before left them (cold_*), then at once again.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import tell
from mmscand.linux.address_space import LinuxAddressSpace
from mmscand.linux.machine import open_machine
from mmscand.linux.topology import NodeReader, read_topology
from mmscand.model import PAGE_BYTES, Topology, VmaTable
from mmscand.policy.eligible import eligible
from mmscand_lab.ending import exit_status

_OWNER = """
import mmap, sys
area = mmap.mmap(-1, int(sys.argv[1]), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
area.madvise(mmap.MADV_NOHUGEPAGE)
area.madvise(23)  # MADV_POPULATE_WRITE
print(flush=True)
sys.stdin.read()
"""
_REPEATS = 9
"""Of each way, in turn; medians are reported. The machine is noisy, the ratios are not."""


@contextmanager
def memory_owner(size: int) -> Iterator[int]:
    """A process with that many bytes of 4K pages; its pid."""
    process = subprocess.Popen(
        [sys.executable, "-c", _OWNER, str(size)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        process.stdout.readline()
        yield process.pid
    finally:
        process.kill()
        process.communicate()


def timed(work: Callable[[], object]) -> float:
    """Seconds."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def one_range_slow(topology: Topology) -> Topology:
    """Every node slow: each page passes the filter, so nothing is skipped."""
    return Topology(topology.nodes, frozenset(), frozenset(n.id for n in topology.nodes))


def read_pass(space: LinuxAddressSpace, vmas: VmaTable) -> int:
    """Read, decode, filter; the number of entries looked at."""
    return sum(block.slow.size for window in space.read(vmas) for block in window.blocks)


def smaps_pass(pid: int) -> None:
    """Clear all bits, and read the totals: what a tool without page tables does."""
    Path(f"/proc/{pid}/clear_refs").write_text("1")
    Path(f"/proc/{pid}/smaps").read_bytes()


def pagemap_pass(pid: int, vmas: VmaTable) -> None:
    """Every entry of every mapping, in pieces of 512 KiB."""
    fd = os.open(f"/proc/{pid}/pagemap", os.O_RDONLY)
    buffer = bytearray(512 << 10)
    for start, end in zip(vmas.starts.tolist(), vmas.ends.tolist(), strict=True):
        at, last = start // PAGE_BYTES * 8, end // PAGE_BYTES * 8
        while at < last:
            at += os.preadv(fd, [memoryview(buffer)[: min(len(buffer), last - at)]], at)
    os.close(fd)


def measure(mib: int) -> dict[str, float | int | str]:
    """All three ways over the same memory."""
    machine = open_machine(one_range_slow(read_topology(NodeReader())))
    with memory_owner(mib << 20) as pid:
        space = machine.open(machine.procfs.stat(pid).process)
        vmas = space.vmas()
        vmas, _ = eligible(vmas)
        entries = read_pass(space, vmas)
        ways: dict[str, Callable[[], object]] = {
            "mmscand": lambda: read_pass(space, vmas),
            "clear_refs_smaps": lambda: smaps_pass(pid),
            "pagemap": lambda: pagemap_pass(pid, vmas),
        }
        cold: dict[str, list[float]] = {name: [] for name in ways}
        warm: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(_REPEATS):
            for name, way in ways.items():
                cold[name].append(timed(way))  # the caches hold what the way before it touched
                warm[name].append(timed(way))
        space.close()
    machine.close()
    ns = {name: statistics.median(values) / entries * 1e9 for name, values in warm.items()}
    first = {name: statistics.median(values) / entries * 1e9 for name, values in cold.items()}
    return {
        "ns_per_pte": round(ns["mmscand"], 3),
        "ratio_vs_clear_refs_smaps": round(ns["clear_refs_smaps"] / ns["mmscand"], 1),
        "ratio_vs_pagemap": round(ns["pagemap"] / ns["mmscand"], 1),
        "cold_ns_per_pte": round(first["mmscand"], 3),
        "cold_ratio_vs_clear_refs_smaps": round(first["clear_refs_smaps"] / first["mmscand"], 1),
        "cold_ratio_vs_pagemap": round(first["pagemap"] / first["mmscand"], 1),
        "clear_refs_smaps_ns": round(ns["clear_refs_smaps"], 1),
        "pagemap_ns": round(ns["pagemap"], 1),
        "entries": entries,
        "reader": machine.reader.memory.name,
        "kernel": os.uname().release,
        "command": f"script/bench scan --mib {mib}",
    }


def main() -> int:
    """Print the figures, and write them as JSON when asked to."""
    parser = argparse.ArgumentParser(prog="script/bench scan", description=__doc__)
    parser.add_argument("--mib", type=int, default=8192, help="memory to read, in MiB")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    options = parser.parse_args()
    return exit_status("bench scan", lambda: tell(measure(options.mib), options.json))


if __name__ == "__main__":
    sys.exit(main())
