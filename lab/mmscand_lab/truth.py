"""What a workload knows about itself: its region, and how hot its pages are.

Pure numpy and files; the program that writes them is `mmscand_lab.workload`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mmscand.model import FloatArray

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
WordArray = npt.NDArray[np.uint64]
Layout = Literal["random", "range", "scattered"]

#: MEMTIS and HeMem use this skew for GUPS; YCSB's zipf exponent.
GUPS_HOT_ACCESSES = 0.9
ZIPF_EXPONENT = 0.99


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What the program knows about itself. `hot` and `rates` have an entry for each 4 KiB page."""

    pid: int
    address: int
    pages: int
    node: int
    huge: bool
    seed: int
    hot: BoolArray
    rates: FloatArray | None = None
    """Share of all accesses that go to each page; None: to the hot ones alike, to no other."""

    def save(self, folder: Path) -> None:
        """Write `truth.npz` atomically: a reader sees all of it or none."""
        known: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        part = folder / "truth.npz.part"
        with part.open("wb") as file:
            np.savez(file, **{name: value for name, value in known.items() if value is not None})
        part.replace(folder / "truth.npz")

    @classmethod
    def load(cls, folder: Path) -> Truth:
        """Read `truth.npz`. Raises FileNotFoundError while the program is not ready."""
        with np.load(folder / "truth.npz", allow_pickle=False) as data:
            arrays = {name: data[name] for name in data.files}
            return cls(**{name: a if a.ndim else a.item() for name, a in arrays.items()})


def hot_rates(hot: BoolArray, share: float = 1.0) -> FloatArray:
    """This share of the accesses goes to the hot pages alike, the rest to the others."""
    count = int(hot.sum())
    return np.where(hot, share / count, (1 - share) / max(1, hot.size - count))


def zipf_rates(pages: int, exponent: float, seed: int) -> FloatArray:
    """The page of rank r gets a share of accesses like r ** -exponent; ranks lie at random."""
    rates = np.arange(1, pages + 1, dtype=np.float64) ** -exponent
    return np.random.default_rng(seed).permutation(rates / rates.sum())


def hottest(rates: FloatArray, count: int) -> BoolArray:
    """The `count` pages with the highest rates; of equal ones those at lower addresses."""
    mask = np.zeros(rates.size, dtype=np.bool_)
    mask[np.argsort(-rates, kind="stable")[:count]] = True
    return mask


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
    a random place; scattered: single pages anywhere, whatever the unit. Raises ValueError for
    counts that do not fit.
    """
    if pages_per_unit < 1 or pages < pages_per_unit or pages % pages_per_unit:
        raise ValueError(f"{pages} pages are not whole units of {pages_per_unit}")
    if not 1 <= hot_pages_count <= pages:
        raise ValueError(f"{hot_pages_count} hot pages do not fit {pages} pages")
    if layout == "scattered":
        pages_per_unit = 1
    units = pages // pages_per_unit
    hot_units = max(1, round(hot_pages_count / pages_per_unit))
    rng = np.random.default_rng(seed)
    mask = np.zeros(units, dtype=np.bool_)
    if layout != "range":
        mask[rng.choice(units, size=hot_units, replace=False)] = True
    else:
        first = int(rng.integers(units - hot_units + 1))
        mask[first : first + hot_units] = True
    return np.repeat(mask, pages_per_unit)
