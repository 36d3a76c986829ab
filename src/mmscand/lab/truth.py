"""What a workload knows about itself: its region, its hot pages, its operations a second.

Pure numpy and files; the program that writes them is `mmscand.lab.workload`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
WordArray = npt.NDArray[np.uint64]
Layout = Literal["random", "range"]


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What the program knows about itself. `hot` has one entry for each 4 KiB page."""

    pid: int
    address: int
    pages: int
    node: int
    huge: bool
    seed: int
    hot: BoolArray

    def save(self, folder: Path) -> None:
        """Write `truth.npz` atomically: a reader sees all of it or none."""
        part = folder / "truth.npz.part"
        with part.open("wb") as file:
            np.savez(
                file,
                pid=self.pid,
                address=self.address,
                pages=self.pages,
                node=self.node,
                huge=self.huge,
                seed=self.seed,
                hot=self.hot,
            )
        part.replace(folder / "truth.npz")

    @classmethod
    def load(cls, folder: Path) -> Truth:
        """Read `truth.npz`. Raises FileNotFoundError while the program is not ready."""
        with np.load(folder / "truth.npz", allow_pickle=False) as data:
            fields = {name: data[name].item() for name in data.files if name != "hot"}
            return cls(**fields, hot=data["hot"])


def load_ops(folder: Path) -> npt.NDArray[np.float64]:
    """Rows of `ops.csv`, may be none: CLOCK_MONOTONIC seconds, page touches a second, and the 99th
    percentile of the milliseconds that a block of 4096 touches took.
    """
    lines = (folder / "ops.csv").read_text(encoding="ascii").splitlines()
    rows = [[float(field) for field in line.split(",")] for line in lines[1:]]
    return np.array(rows, dtype=np.float64).reshape(-1, 3)


def shifted(hot: BoolArray, seed: int) -> BoolArray:
    """Another hot set of the same size with no page of the first: after the hot set has moved."""
    cold = np.flatnonzero(~hot)
    rng = np.random.default_rng([seed, 2])  # another stream than the hot mask's
    mask = np.zeros_like(hot)
    mask[rng.choice(cold, size=min(int(hot.sum()), cold.size), replace=False)] = True
    return mask


def hot_pages(
    pages: int, hot_pages_count: int, layout: Layout, seed: int, pages_per_unit: int = 1
) -> BoolArray:
    """Which of `pages` 4 KiB pages are hot: the same mask for the same arguments.

    Whole units of `pages_per_unit` pages are hot (512 for huge pages), as many as come nearest to
    `hot_pages_count`, at least one. Layout random: units anywhere; range: one contiguous range at
    a random place. Raises ValueError for counts that do not fit.
    """
    if pages_per_unit < 1 or pages < pages_per_unit or pages % pages_per_unit:
        raise ValueError(f"{pages} pages are not whole units of {pages_per_unit}")
    if not 1 <= hot_pages_count <= pages:
        raise ValueError(f"{hot_pages_count} hot pages do not fit {pages} pages")
    units = pages // pages_per_unit
    hot_units = max(1, round(hot_pages_count / pages_per_unit))
    rng = np.random.default_rng(seed)
    mask = np.zeros(units, dtype=np.bool_)
    if layout == "random":
        mask[rng.choice(units, size=hot_units, replace=False)] = True
    else:
        first = int(rng.integers(units - hot_units + 1))
        mask[first : first + hot_units] = True
    return np.repeat(mask, pages_per_unit)
