"""A heat map as SVG: text and lines without a library, the cells as one image inside."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from mmscand.heatmap.drawing import drawn
from mmscand.heatmap.model import Band, Gathered, HeatMap, Tier
from mmscand.heatmap.pixels import RAMPS, UNKNOWN, pixels_of, png_of
from mmscand.heatmap.scale import (
    LEVELS,
    Scale,
    Shades,
    about_words,
    bounds_words,
    seconds_words,
    shades_of,
    size_words,
    unit_words,
)

ROWS, BANDS, COLUMNS = 160, 24, 300
"""Of a picture: as much as a screen shows at once."""
LEAST_ROWS = 4
"""Of a band: a line of text is that high."""
_CELL = 4
"""Pixels of a cell, up and across."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 230, 130, 46, 106
_LETTER_PX = 6.6
"""Width of a letter, about."""
_MOST_LETTERS = int((_LEFT - 14) / _LETTER_PX)
_TEXT = "#222"


def picture_of(gathered: Gathered) -> HeatMap:
    """Cells for a picture of pixels."""
    return drawn(gathered, ROWS, COLUMNS, bands=BANDS, least_rows=LEAST_ROWS)


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where the cells are, in pixels."""

    width: int
    height: int
    cell: int
    """Width of a cell; it is higher than wide where there are many looks."""

    @classmethod
    def of(cls, heat_map: HeatMap) -> "_Frame":
        rows, columns = heat_map.heat.shape
        cell = max(2, min(24, 800 // columns))
        return cls(columns * cell, rows * _CELL, cell)


def svg_of(gathered: Gathered, scale: Scale) -> str:
    """A whole file."""
    heat_map = picture_of(gathered)
    shades, frame = shades_of(heat_map.heat, scale), _Frame.of(heat_map)
    width, height = _LEFT + max(frame.width, 420) + _RIGHT, _TOP + frame.height + _BOTTOM
    image = png_of(pixels_of(heat_map, shades, _CELL, frame.cell))
    title = f"{heat_map.title}: {about_words(heat_map)}"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12" '
            f'fill="{_TEXT}" role="img">',
            f"<title>{escape(title)}</title>",
            f'<rect width="{width}" height="{height}" fill="#fff"/>',
            _text(12, 20, title, size=14),
            _text(_LEFT + frame.width + 10, _TOP - 8, "size, on fast tier"),
            f'<image x="{_LEFT}" y="{_TOP}" width="{frame.width}" height="{frame.height}" '
            'style="image-rendering:pixelated" '
            f'href="data:image/png;base64,{base64.b64encode(image).decode()}"/>',
            *_bands(heat_map, frame),
            *_axis(heat_map, frame),
            *_legend(heat_map, shades, _TOP + frame.height + 40),
            "</svg>",
        ]
    )


def _bands(heat_map: HeatMap, frame: _Frame) -> Iterator[str]:
    for band in heat_map.bands:
        top = _TOP + band.first * _CELL
        yield f'<path d="M{_LEFT} {top}h{frame.width}" stroke="#666" stroke-width="0.5"/>'
        if band.rows * _CELL < 10:
            continue
        middle = top + band.rows * _CELL / 2 + 4
        yield _text(_LEFT - 6, middle, shortened(band.label), anchor="end", title=band.label)
        yield _text(_LEFT + frame.width + 10, middle, facts(band))
    bottom = _TOP + frame.height
    yield f'<path d="M{_LEFT} {bottom}h{frame.width}" stroke="#666" stroke-width="0.5"/>'


def _axis(heat_map: HeatMap, frame: _Frame) -> Iterator[str]:
    y = _TOP + frame.height + 16
    columns = len(heat_map.at_s)
    if columns < 2:
        return
    for part in range(4):
        at = columns * part // 4
        x = _LEFT + at * frame.cell
        yield f'<path d="M{x} {y - 16}v4" stroke="#666"/>'
        yield _text(x, y, seconds_words(float(heat_map.at_s[at])))
    yield _text(_LEFT + frame.width, y, seconds_words(heat_map.seconds), anchor="end")


def _legend(heat_map: HeatMap, shades: Shades, y: float) -> Iterator[str]:
    """Both ramps with the heat of their levels, and what they are of."""
    both = len(heat_map.tiers) > 1
    for line, tier in enumerate(heat_map.tiers):
        name, ramp = tier_words(tier, both=both), RAMPS[tier]
        top = y - 10 + line * 14
        yield _text(_LEFT - 6, top + 10, name, anchor="end")
        for level in range(LEVELS + 1):
            x = _LEFT + level * 84
            fill = hex_of(mixed(ramp, level / LEVELS))
            yield f'<rect x="{x}" y="{top}" width="80" height="12" fill="{fill}"/>'
            if both and tier == "slow":
                yield f'<path d="M{x} {top + 5}h80M{x} {top + 11}h80" stroke="#234" opacity=".5"/>'
    words = ["no access", *bounds_words(shades, heat_map.unit)]
    below = y + 14 * len(heat_map.tiers)
    yield from (_text(_LEFT + at * 84, below, text) for at, text in enumerate(words))
    note = f"; {heat_map.note}" if heat_map.note else ""
    grey = hex_of(UNKNOWN)
    yield f'<rect x="12" y="{y - 10}" width="12" height="12" fill="{grey}"/>'
    yield _text(28, y, "not known")
    yield _text(12, below + 22, f"{unit_words(heat_map.unit)}; scale {shades.words}{note}")


def mixed(ramp: tuple[tuple[int, int, int], ...], shade: float) -> tuple[int, int, int]:
    """Red, green and blue of a shade from 0 to 1."""
    place = shade * (len(ramp) - 1)
    low = min(int(place), len(ramp) - 2)
    pairs = zip(ramp[low], ramp[low + 1], strict=True)
    red, green, blue = (round(a + (b - a) * (place - low)) for a, b in pairs)
    return red, green, blue


def hex_of(colour: tuple[int, int, int]) -> str:
    """As SVG, CSS and matplotlib take it."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def tier_words(tier: Tier, *, both: bool) -> str:
    """What the legend calls it; where there are both, cells of one of them are ruled."""
    return f"{tier} tier (ruled)" if both and tier == "slow" else f"{tier} tier"


def shortened(label: str) -> str:
    """A path's end says most."""
    return label if len(label) <= _MOST_LETTERS else "…" + label[1 - _MOST_LETTERS :]


def facts(band: Band) -> str:
    """Its size, and how much of it is on the fast tier."""
    size = size_words(band.pages)
    return size if band.fast_percent is None else f"{size}, {band.fast_percent:.0f} %"


def _text(
    x: float, y: float, text: str, *, size: int = 0, anchor: str = "", title: str = ""
) -> str:
    attributes = f' font-size="{size}"' if size else ""
    attributes += f' text-anchor="{anchor}"' if anchor else ""
    tooltip = f"<title>{escape(title)}</title>" if title and title != text else ""
    return f'<text x="{x:g}" y="{y:g}"{attributes}>{tooltip}{escape(text)}</text>'
