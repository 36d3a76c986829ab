"""A heat map as PNG, by matplotlib, which knows how to set text."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from mmscand.heatmap.model import Gathered, HeatMap
from mmscand.heatmap.pixels import RAMPS, UNKNOWN, pixels_of
from mmscand.heatmap.scale import (
    LEVELS,
    Scale,
    Shades,
    about_words,
    bounds_words,
    seconds_words,
    shades_of,
    unit_words,
)
from mmscand.heatmap.svg import facts, hex_of, mixed, picture_of, shortened, tier_words

_CELL = 4
"""Pixels of a cell, up and across."""
_DPI = 100
_LEFT, _RIGHT, _TOP, _BOTTOM = 240, 150, 40, 130
"""Pixels around the cells."""


def write_png(gathered: Gathered, scale: Scale, path: Path) -> None:
    """Write the picture."""
    figure_of(gathered, scale).savefig(path, dpi=_DPI)


def figure_of(gathered: Gathered, scale: Scale) -> Figure:
    """The cells, with a label and a size at each band."""
    heat_map = picture_of(gathered)
    shades = shades_of(heat_map.heat, scale)
    rows, columns = heat_map.heat.shape
    width, height = columns * _cell_width(columns), rows * _CELL
    across, up = _LEFT + max(width, 500) + _RIGHT, _TOP + height + _BOTTOM
    figure = Figure(figsize=(across / _DPI, up / _DPI))
    # To the pixel: else cells are of different heights, and what is ruled looks striped.
    axes = figure.add_axes((_LEFT / across, _BOTTOM / up, width / across, height / up))
    extent = (0, columns, rows, 0)
    axes.imshow(
        pixels_of(heat_map, shades, _CELL, _cell_width(columns)),
        extent=extent,
        aspect="auto",
        interpolation="nearest",
    )
    axes.set_title(
        f"{heat_map.title}: {about_words(heat_map)}", fontsize=10, loc="left", parse_math=False
    )
    labelled = [band for band in heat_map.bands if band.rows >= 3]
    middles = [band.first + band.rows / 2 for band in labelled]
    axes.set_yticks(
        middles, [shortened(band.label) for band in labelled], fontsize=8, parse_math=False
    )
    sizes = axes.secondary_yaxis("right")
    sizes.set_yticks(middles, [facts(band) for band in labelled], fontsize=8)
    sizes.set_ylabel("size, of that on the fast tier", fontsize=8)
    axes.hlines(
        [band.first for band in heat_map.bands[1:]], 0, columns, colors="#666", linewidths=0.5
    )
    _time(axes, heat_map)
    _explain(figure, heat_map, shades)
    return figure


def _cell_width(columns: int) -> int:
    return max(2, min(24, 800 // columns))


def _time(axes: Axes, heat_map: HeatMap) -> None:
    columns = len(heat_map.at_s)
    places = [columns * part // 4 for part in range(4)] if columns > 3 else [0]
    words = [seconds_words(float(heat_map.at_s[at])) for at in places]
    axes.set_xticks([*places, columns], [*words, seconds_words(heat_map.seconds)], fontsize=8)


def _explain(figure: Figure, heat_map: HeatMap, shades: Shades) -> None:
    """Both ramps with the heat of their levels, and which scale it is."""
    words = ["no access", *bounds_words(shades, heat_map.unit)]
    patches = []
    both = len(heat_map.tiers) > 1
    for tier in heat_map.tiers:
        hatch = "---" if both and tier == "slow" else ""
        for level, text in enumerate(words):
            colour = hex_of(mixed(RAMPS[tier], level / LEVELS))
            label = f"{tier_words(tier, both=both)}: {text}"
            patches.append(Patch(facecolor=colour, hatch=hatch, edgecolor="#555", label=label))
    patches.append(Patch(facecolor=hex_of(UNKNOWN), label="not known"))
    note = f"; {heat_map.note}" if heat_map.note else ""
    figure.legend(
        handles=patches,
        loc="lower center",
        ncols=3,
        fontsize=7,
        title=f"{unit_words(heat_map.unit)}; scale {shades.words}{note}",
        title_fontsize=8,
    )
