"""What is drawn: sums over pieces of memory and looks at them, and the cells made of them."""

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mmscand.model import BoolArray, FloatArray

Unit = Literal["share", "rate", "passes"]
"""Of heat: accessed pages of those looked at, accesses a second and page, or in how many of the
last six passes of the daemon a page was accessed."""

Tier = Literal["fast", "slow"]


class Sum(IntEnum):
    """What is summed; the first axis of `Gathered.sums`."""

    HEAT = 0
    """Over all pages of a piece."""
    KNOWN = 1
    """4 KiB pages of which something is known."""
    SLOW = 2
    """4 KiB pages on the slow tier."""
    PRESENT = 3
    """4 KiB pages."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """Of one recording, or of one watched process, piece by piece."""

    title: str
    sums: NDArray[np.float32]
    """(4, looks, pieces), see Sum; of looks that were put together, the mean.

    A piece is some rows of 2 MiB with memory in them, in the order of the picture: by band, then by
    address.
    """
    bands: tuple[tuple[str, int], ...]
    """Label and number of pieces of each."""
    at_s: FloatArray
    """(looks,) when each was, in s since the first."""
    started_unix_s: float
    """When the first look was."""
    unit: Unit
    note: str = ""
    """What else has to be said."""

    def without_names(self, by: str) -> "Gathered":
        """With labels that say nothing of what runs, for sharing; `by` is what they are of."""
        bands = tuple((f"{by} {at}", pieces) for at, (_, pieces) in enumerate(self.bands, 1))
        return replace(self, title="process", bands=bands)


@dataclass(frozen=True, slots=True)
class Band:
    """Rows of the picture with one label."""

    label: str
    first: int
    """Row of the picture."""
    rows: int
    pages: int
    """4 KiB pages, at the last look that found some."""
    fast_percent: float | None
    """Of these; None where there are none."""


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Cells of (rows, columns): rows are memory, columns are time."""

    title: str
    bands: tuple[Band, ...]
    heat: FloatArray
    """(rows, columns) mean of the pages of a cell, in `unit`; NaN where nothing is known."""
    slow: FloatArray
    """(rows, columns) share of the pages on the slow tier; NaN where there is no page."""
    at_s: FloatArray
    """(columns,) the first look of each, in s since the first of all."""
    seconds: float
    """From the first look to the last."""
    looks: int
    started_unix_s: float
    unit: Unit
    pages: int
    """4 KiB pages, at the look that found most."""
    note: str = ""

    @property
    def tiers(self) -> tuple[Tier, ...]:
        """Those that its cells are on: that of most of their pages."""
        is_slow = self.slow[~np.isnan(self.slow)] >= 0.5
        of_tier: tuple[tuple[Tier, BoolArray], ...] = (("fast", ~is_slow), ("slow", is_slow))
        return tuple(tier for tier, mask in of_tier if mask.any())
