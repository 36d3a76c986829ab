"""From heat to shades: by rank, or by amount."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mmscand.heatmap.model import HeatMap, Unit
from mmscand.model import FloatArray

Scale = Literal["rank", "linear"]
LEVELS = 4
"""Of glyphs, above `no access`."""
_WORDS = {
    "rank": "rank: by order of amounts",
    "linear": "linear: the shade is in proportion",
}
_STEPS_PER_OCTAVE = 4
"""Of amounts that are distinguished by rank: 19 %."""
_UNITS: dict[Unit, str] = {
    "share": "pages accessed between two looks",
    "rate": "accesses a second and page",
    "passes": "passes of six with an access",
}


@dataclass(frozen=True, slots=True)
class Shades:
    """How hot each cell looks."""

    shades: FloatArray
    """(rows, columns) above 0 up to 1; 0: no access; NaN: nothing is known."""
    bounds: tuple[float, ...]
    """(LEVELS,) the most heat of each level; 0 where no cell has it."""
    words: str
    """Which scale it is."""

    @property
    def levels(self) -> NDArray[np.int8]:
        """(rows, columns) 0: no access, up to LEVELS; -1: nothing is known."""
        levels = np.ceil(np.nan_to_num(self.shades, nan=-1.0) * LEVELS)
        return levels.astype(np.int8).clip(-1, LEVELS)


def shades_of(heat: FloatArray, scale: Scale) -> Shades:
    """Of heat (rows, columns), NaN where nothing is known."""
    hot = heat > 0  # False for NaN
    values = heat[hot]
    shades = np.where(np.isnan(heat), np.nan, 0.0)
    shades[hot] = found = _ranks(values) if scale == "rank" else values / values.max(initial=0)
    levels = np.ceil(found * LEVELS)
    bounds = (values[levels == level].max(initial=0.0) for level in range(1, LEVELS + 1))
    return Shades(shades, tuple(float(bound) for bound in bounds), _WORDS[scale])


def _ranks(values: FloatArray) -> FloatArray:
    """(n,) place of each among the amounts that there are, above 0 up to 1.

    Amounts that differ by less than a step are one, and each amount counts once, however many cells
    have it: else chance accesses to much cold memory would get most of the shades.
    """
    amounts, place = np.unique(np.rint(np.log2(values) * _STEPS_PER_OCTAVE), return_inverse=True)
    ranks: FloatArray = (place + 1) / max(1, len(amounts))
    return ranks


def value_words(value: float, unit: Unit) -> str:
    """An amount of heat for people."""
    if unit == "share":
        return f"{100 * value:.2g} %" if value < 0.995 else "100 %"
    number = f"{value:.2g}" if value < 99.5 else f"{value:.0f}"
    return f"{number} /s" if unit == "rate" else number


def unit_words(unit: Unit) -> str:
    """What heat is."""
    return _UNITS[unit]


def bounds_words(shades: Shades, unit: Unit) -> Sequence[str]:
    """(LEVELS,) the most heat of each level."""
    return [f"≤ {value_words(bound, unit)}" if bound else "none" for bound in shades.bounds]


def size_words(pages: int) -> str:
    """4 KiB pages as an amount of memory."""
    mib = pages / 256
    if pages < 256:
        return f"{pages * 4} KiB"
    if mib >= 1024:
        return f"{mib / 1024:.3g} GiB" if mib < 999 * 1024 else f"{mib / 1024:.0f} GiB"
    return f"{mib:.3g} MiB" if mib < 999.5 else f"{mib:.0f} MiB"


def seconds_words(seconds: float) -> str:
    """A time since the begin."""
    if seconds < 120:
        return f"{seconds:.3g} s"
    if seconds < 7200:
        return f"{seconds / 60:.3g} min"
    return f"{seconds / 3600:.3g} h"


def about_words(heat_map: HeatMap) -> str:
    """How much memory it is, and when it was."""
    began = np.datetime64(round(heat_map.started_unix_s), "s")
    span = seconds_words(heat_map.seconds)
    looks = "1 look" if heat_map.looks == 1 else f"{heat_map.looks} looks in {span}"
    when = str(began).replace("T", " ")
    return f"{size_words(heat_map.pages)}, {looks} from {when} UTC"
