"""Runs in the guest and shows that slow memory is as slow as it should be, and nothing else is.

``python -m mmscand_lab.slowmem.proof --slow-memory DIR --native-s S`` prints a `Proof` as JSON.
Exit status: 0 measured, 1 failed, 2 bad arguments.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from mmscand_lab.ending import exit_status
from mmscand_lab.slowmem import control_of, library_of
from mmscand_lab.slowmem.calibrate import Chain, calibrate, words_on
from mmscand_lab.slowmem.control import SlowMemory
from mmscand_lab.slowmem.library import TouchLibrary
from mmscand_lab.slowness import factor, work_s

_FAST, _SLOW = 0, 1
_SATURATING = 100.0
"""A link that is this much slower than on a server is saturated by two emulated readers."""
_READERS, _ROUNDS = 2, 5


@dataclass(frozen=True, slots=True)
class Proof:
    """Nodes are the fast one and the slow one. Times are the guest's."""

    factor: float
    latency_ns: tuple[float, float]
    """Of a step of a pointer chase, divided by the factor."""
    waited_ns: tuple[float, float]
    """Per miss, as the plug-in counts it, divided by the factor: less than the latency by what a
    step takes by itself, but never less than half."""
    own_node: tuple[float, float]
    """Share of the misses in a node's memory that are counted as that node's."""
    two_readers_mb_s: float
    """Together, of the slow node, whose link is `_SATURATING` times slower."""
    link_mb_s: float
    """What that link carries."""
    other_code_speed: dict[str, float]
    """Of code that is not instrumented: with instrumented code elsewhere, of that without any."""


def _prove(folder: Path, native_s: float) -> Proof:
    memory, library = control_of(folder), library_of(folder)
    slower = factor(native_s, work_s())
    found = calibrate(memory, library, (_FAST, _SLOW), slower)
    waits = [_waited(memory, library, node) for node in (_FAST, _SLOW)]
    memory.slow_down(_SATURATING)
    together, carried = _swept_mb_s(library), memory.link_mb_s(_SLOW)
    return Proof(
        factor=slower,
        latency_ns=(found.latency_ns[_FAST], found.latency_ns[_SLOW]),
        waited_ns=(waits[_FAST][0] / slower, waits[_SLOW][0] / slower),
        own_node=(waits[_FAST][1], waits[_SLOW][1]),
        two_readers_mb_s=together,
        link_mb_s=carried,
        other_code_speed=_other_code(memory, library),
    )


def _waited(memory: SlowMemory, library: TouchLibrary, node: int) -> tuple[float, float]:
    """Nanoseconds that a miss has waited, and the share of misses that are this node's."""
    chain, before = Chain(node, library), memory.counts()
    chain.follow()
    found = memory.counts().since(before)
    misses = float(found.misses.sum())
    return 1e9 * found.waited_s / misses, float(found.misses[node]) / misses


def _swept_mb_s(library: TouchLibrary) -> float:
    words = words_on(_SLOW)
    readers = [threading.Thread(target=library.sweep, args=(words,)) for _ in range(_READERS)]
    begun = time.perf_counter()
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    return _READERS * words.nbytes / (time.perf_counter() - begun) / 1e6


def _other_code(memory: SlowMemory, library: TouchLibrary) -> dict[str, float]:
    """Speeds with the hook of the plug-in, as a share of those without: medians, by turns."""
    works: dict[str, Callable[[], object]] = {"loop": work_s, "python_start": _start_python}
    times: dict[tuple[str, bool], list[float]] = {}
    for _ in range(_ROUNDS):
        for hooked in (False, True):
            memory.instrument([library.code] if hooked else [])
            for name, work in works.items():
                begun = time.perf_counter()
                work()
                times.setdefault((name, hooked), []).append(time.perf_counter() - begun)
    median = {key: float(np.median(each)) for key, each in times.items()}
    return {name: median[name, False] / median[name, True] for name in works}


def _start_python() -> None:
    subprocess.run([sys.executable, "-c", "import json, argparse"], check=True)


def main(argv: Sequence[str] | None = None) -> int:
    """The program; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m mmscand_lab.slowmem.proof")
    parser.add_argument("--slow-memory", type=Path, required=True, help="the plug-in's folder")
    parser.add_argument("--native-s", type=float, required=True, help="work_s() of the host")
    options = parser.parse_args(argv)
    return exit_status(
        "proof", lambda: print(json.dumps(asdict(_prove(options.slow_memory, options.native_s))))
    )


if __name__ == "__main__":
    sys.exit(main())
