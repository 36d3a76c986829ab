"""A heat map as one HTML file, without network or library; its table is for who sees no canvas."""

import base64
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from mmscand.heatmap.model import Gathered, HeatMap
from mmscand.heatmap.pixels import FAST, NOTHING, RAMPS, RULED, SLOW, UNKNOWN
from mmscand.heatmap.scale import (
    Scale,
    about_words,
    bounds_words,
    shades_of,
    unit_words,
    value_words,
)
from mmscand.heatmap.svg import facts, picture_of, tier_words
from mmscand.shown import json_text

_UNKNOWN_SHADE, _MOST_SHADE = 255, 250
"""Shades as bytes: 0 is no access."""
_NOTHING_SLOW = 255
_PAGE = Path(__file__).parent / "page.html"
"""With $names of what is put in; a $ of the page itself is $$."""
_SCALES: tuple[Scale, ...] = ("rank", "linear")


def html_of(gathered: Gathered, scale: Scale) -> str:
    """A whole file."""
    heat_map = picture_of(gathered)
    return Template(_PAGE.read_text(encoding="utf-8")).substitute(
        title=escape(heat_map.title),
        about=escape(about_words(heat_map)),
        note=escape("; ".join(filter(None, (unit_words(heat_map.unit), heat_map.note)))),
        rows="\n".join(_table_rows(heat_map)),
        chosen_rank="selected" if scale == "rank" else "",
        chosen_linear="selected" if scale == "linear" else "",
        data=json_text(_data(heat_map)).replace("<", "\\u003c"),
    )


def _data(heat_map: HeatMap) -> dict[str, Any]:
    rows, columns = heat_map.heat.shape
    slow = np.nan_to_num(heat_map.slow * 100, nan=_NOTHING_SLOW).round()
    heat = np.nan_to_num(heat_map.heat, nan=-1.0).astype("<f4")
    scales = {name: shades_of(heat_map.heat, name) for name in _SCALES}
    return {
        "rows": rows,
        "columns": columns,
        "heat": _base64(heat),
        "slow": _base64(slow.astype(np.uint8)),
        "shades": {
            name: _base64(
                np.nan_to_num(found.shades * _MOST_SHADE, nan=_UNKNOWN_SHADE)
                .round()
                .astype(np.uint8)
            )
            for name, found in scales.items()
        },
        "legends": {
            name: [found.words, "no access", *bounds_words(found, heat_map.unit)]
            for name, found in scales.items()
        },
        "seconds": [round(each, 3) for each in [*heat_map.at_s.tolist(), heat_map.seconds]],
        "bands": [[band.label, band.first, band.rows, facts(band)] for band in heat_map.bands],
        "share": heat_map.unit == "share",
        "unit": unit_words(heat_map.unit),
        "fast_ramp": FAST,
        "slow_ramp": SLOW,
        "unknown": UNKNOWN,
        "nothing": NOTHING,
        "ruled": RULED if len(heat_map.tiers) > 1 else 1,
        "ramps": [[tier_words(t, both=len(heat_map.tiers) > 1), RAMPS[t]] for t in heat_map.tiers],
    }


def _base64(array: np.ndarray[Any, Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def _table_rows(heat_map: HeatMap) -> list[str]:
    """What a reader of the table gets: a mapping, its size, and its heat, mean and most."""
    lines = []
    for band in heat_map.bands:
        heat = heat_map.heat[band.first : band.first + band.rows]
        known = heat[~np.isnan(heat)]
        words = (value_words(float(each), heat_map.unit) for each in (known.mean(), known.max()))
        cells = (band.label, facts(band), *(words if len(known) else ("not known", "")))
        lines.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    return lines
