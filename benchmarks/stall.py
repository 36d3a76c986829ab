"""How long a program waits for its mmap lock while it is scanned, natively.

A process with much memory in 4K pages maps and unmaps a page again and again in a thread, which
takes the lock for writing, while other threads touch all its memory. For some seconds nobody looks
at it, then the daemon does without a budget and at its shortest period, so that it reads, ages and
asks for policies all the time, and then somebody reads /proc/PID/numa_maps, which is how policies
were read before. Beside the waits the CPU time of our longest call that takes the lock is printed:
on a machine with other work a wait may be for a CPU.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

from benchmarks import tell
from benchmarks.scan import one_range_slow
from mmscand.daemon import Daemon
from mmscand.linux import aging
from mmscand.linux.machine import LinuxMachine, open_machine
from mmscand.linux.topology import NodeReader, read_topology
from mmscand.model import UIntArray
from mmscand.settings import Settings
from mmscand_lab.ending import exit_status

PROGRAM = """
import ctypes, json, mmap, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
size = int(sys.argv[1]) << 20
area = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
area.madvise(mmap.MADV_NOHUGEPAGE)
first = ctypes.addressof(ctypes.c_char.from_buffer(area))
ctypes.memset(first, 1, size)
def touch():
    while True:
        for at in range(0, size, 1 << 26):
            ctypes.memset(first + at, 1, min(1 << 26, size - at))
threading.Thread(target=touch, daemon=True).start()
print("{}", flush=True)
for line in sys.stdin:
    waits, end = [], time.perf_counter() + float(line)
    while time.perf_counter() < end:
        began = time.perf_counter()
        libc.munmap(libc.mmap(None, 4096, 3, 0x22, -1, 0), 4096)
        waits.append(time.perf_counter() - began)
    waits.sort()
    picked = {"p50": len(waits) // 2, "p99_9": int(len(waits) * 0.999), "max": len(waits) - 1}
    print(json.dumps({name: 1000 * waits[at] for name, at in picked.items()}), flush=True)
"""


class Longest:
    """The longest process_madvise call of the daemon, in CPU time."""

    def __init__(self) -> None:
        self.ms = 0.0
        self._call = aging.process_madvise

    def __call__(self, pidfd: int, ranges: UIntArray, advice: int) -> int:
        """See linux.syscalls."""
        began = time.thread_time()
        try:
            return self._call(pidfd, ranges, advice)
        finally:
            self.ms = max(self.ms, 1000 * (time.thread_time() - began))


@contextmanager
def daemon(machine: LinuxMachine, pid: int) -> Iterator[None]:
    """The daemon for one process, as busy as it can be."""
    process = machine.procfs.stat(pid).process
    knobs = {"cpu_budget_percent": 100.0, "scan_delay_ms": 0, "scan_sleep_ms": 0}
    periods = dict.fromkeys((f"scan_period_{end}ms" for end in ("min_", "", "max_")), 100)
    settings = replace(Settings(), **knobs | periods)
    with Daemon(machine, lambda _: [process], settings=settings):
        yield


@contextmanager
def numa_maps(pid: int) -> Iterator[None]:
    """Another process reads the policies as the kernel offers them."""
    code = f"while True: open('/proc/{pid}/numa_maps', 'rb', buffering=0).read()"
    reader = subprocess.Popen([sys.executable, "-c", code])
    try:
        yield
    finally:
        reader.kill()
        reader.wait()


def measure(mib: int, seconds: float) -> dict[str, float | str]:
    """Waits of each way, in ms."""
    machine = open_machine(one_range_slow(read_topology(NodeReader())))
    figures: dict[str, float | str] = {}
    longest = Longest()
    aging.process_madvise = longest  # type: ignore[assignment]
    command = [sys.executable, "-c", PROGRAM, str(mib)]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as program:
        assert program.stdin is not None and program.stdout is not None
        program.stdout.readline()
        ways: dict[str, Callable[[], AbstractContextManager[None]]] = {
            "alone": nullcontext,
            "mmscand": lambda: daemon(machine, program.pid),
            "numa_maps": lambda: numa_maps(program.pid),
        }
        for way, at_work in ways.items():
            with at_work():
                print(f"{seconds:g} s: {way}", file=sys.stderr, flush=True)
                program.stdin.write(f"{seconds}\n")
                program.stdin.flush()
                waits = json.loads(program.stdout.readline())
            figures |= {f"{way}_{name}_ms": round(value, 3) for name, value in waits.items()}
        program.kill()
    machine.close()
    figures["longest_madvise_cpu_ms"] = round(longest.ms, 3)
    figures["kernel"] = os.uname().release
    figures["command"] = f"script/bench stall --mib {mib} --seconds {seconds:g}"
    return figures


def main() -> int:
    """The program; returns its exit status."""
    parser = argparse.ArgumentParser(prog="script/bench stall", description=__doc__)
    parser.add_argument("--mib", type=int, default=16_384, help="memory of the process, in MiB")
    parser.add_argument("--seconds", type=float, default=20.0, help="for each way")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    options = parser.parse_args()
    return exit_status(
        "bench stall", lambda: tell(measure(options.mib, options.seconds), options.json)
    )


if __name__ == "__main__":
    sys.exit(main())
