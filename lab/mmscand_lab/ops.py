"""How fast a workload is, as it measures it itself: a line a second in `ops.csv`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TextIO

import numpy as np
import numpy.typing as npt

OPS = "ops.csv"


class OpsLog:
    """Counts operations by blocks, and writes what each second had of them."""

    def __init__(self, folder: Path) -> None:
        self._file: TextIO = (folder / OPS).open("w", encoding="ascii", buffering=1)
        self._file.write("monotonic_s,ops_per_s,p99_block_ms\n")
        self._since = self._last = time.monotonic()
        self._count, self._blocks = 0, list[float]()

    def add(self, count: int) -> float:
        """A block of `count` operations is done; it began when the last one ended. The time now."""
        now = time.monotonic()
        self._count += count
        self._blocks.append(now - self._last)
        self._last = now
        if now - self._since >= 1.0:
            p99_ms = 1000 * float(np.percentile(self._blocks, 99))
            rate = self._count / (now - self._since)
            self._file.write(f"{now:.6f},{rate:.1f},{p99_ms:.3f}\n")
            self._since, self._count, self._blocks = now, 0, []
        return now

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def load_ops(folder: Path) -> npt.NDArray[np.float64]:
    """Rows of `ops.csv`, may be none: CLOCK_MONOTONIC seconds, operations a second, and the 99th
    percentile of the milliseconds that a block of operations took.
    """
    lines = (folder / OPS).read_text(encoding="ascii").splitlines()
    rows = [[float(field) for field in line.split(",")] for line in lines[1:]]
    return np.array(rows, dtype=np.float64).reshape(-1, 3)
