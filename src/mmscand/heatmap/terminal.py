"""A heat map as lines of text: the glyph says how hot and on which tier, the hue the tier again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mmscand.heatmap.drawing import drawn
from mmscand.heatmap.model import Band, Gathered, HeatMap, Tier
from mmscand.heatmap.scale import (
    Scale,
    Shades,
    about_words,
    bounds_words,
    seconds_words,
    shades_of,
    size_words,
    unit_words,
)

Colours = Literal["truecolor", "256", "16", "none"]
_FAST, _SLOW = "_░▒▓█", ".:+x#"
_FAST_ASCII = "_1234"
_UNKNOWN, _NOTHING = "?", " "
_AROUND_LINES = 6
"""Title, axis, and four of explanation."""
_LEAST_COLUMNS, _LEAST_LINES = 40, 8
_MOST_STRETCH = 4
_LEAST_LABEL = 15
"""`12 smaller ones`."""
_LABEL_COLUMNS, _RIGHT_COLUMNS = 20, 13
_RAMPS: dict[Colours, tuple[Sequence[str], Sequence[str]]] = {
    "truecolor": (
        (
            "38;2;125;100;75",
            "38;2;170;115;50",
            "38;2;210;135;40",
            "38;2;240;160;45",
            "38;2;255;190;60",
        ),
        (
            "38;2;85;100;125",
            "38;2;75;120;170",
            "38;2;75;145;205",
            "38;2;90;175;240",
            "38;2;140;205;255",
        ),
    ),
    "256": (
        ("38;5;95", "38;5;136", "38;5;172", "38;5;208", "38;5;214"),
        ("38;5;60", "38;5;67", "38;5;74", "38;5;75", "38;5;117"),
    ),
    "16": (("33", "33", "33", "93", "93"), ("34", "34", "94", "94", "96")),
}
"""SGR codes of the fast tier and of the slow one, from no access to the hottest."""
_END = "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Terminal:
    """What it can show."""

    columns: int
    lines: int
    colours: Colours
    unicode: bool


def lines_of(gathered: Gathered, scale: Scale, terminal: Terminal) -> list[str]:
    """At most as many lines as the terminal has, less one for the prompt, and none wider."""
    if terminal.columns < _LEAST_COLUMNS or terminal.lines < _LEAST_LINES:
        least = f"{_LEAST_COLUMNS} columns and {_LEAST_LINES} lines"
        return [
            f"a heat map needs {least} of terminal, or --png, --svg, --html"[: terminal.columns]
        ]
    label, right, width = _widths(gathered, terminal.columns)
    heat_map = drawn(gathered, terminal.lines - _AROUND_LINES - 1, width)
    shades, glyphs = shades_of(heat_map.heat, scale), _Glyphs(terminal)
    lines = [f"{heat_map.title}: {about_words(heat_map)}"[: terminal.columns]]
    levels = shades.levels
    for band in heat_map.bands:
        for row in range(band.first, band.first + band.rows):
            is_first = row == band.first
            name = _short(band.label if is_first else "", label, glyphs.ellipsis)
            facts = _facts(band) if is_first and right else ""
            cells = glyphs.cells(levels[row].tolist(), heat_map.slow[row].tolist(), width)
            lines.append(f"{name:{label}} {cells} {facts}".rstrip())
    heads = f"{'size':>8} fast" if right else ""
    lines.append(f"{'':{label}} {_axis(heat_map, width):{width}} {heads}".rstrip())
    return lines + [line[: terminal.columns] for line in _explained(heat_map, shades, glyphs)]


def _explained(heat_map: HeatMap, shades: Shades, glyphs: "_Glyphs") -> list[str]:
    """At most four lines; letters have no colour, so that they may be cut anywhere."""
    bounds = [each.replace("≤", glyphs.at_most) for each in bounds_words(shades, heat_map.unit)]
    lines = [glyphs.legend(tier, ["no access", *bounds]) for tier in heat_map.tiers]
    lines.append(f"{unit_words(heat_map.unit)}; scale {shades.words}")
    notes = [heat_map.note] if heat_map.note else []
    if np.isnan(heat_map.heat[~np.isnan(heat_map.slow)]).any():
        notes.append(f"{_UNKNOWN} is not known")
    return [*lines, "; ".join(notes)] if notes else lines


def _widths(gathered: Gathered, columns: int) -> tuple[int, int, int]:
    """Of labels, of the facts at the right, and of the map."""
    longest = max(_LEAST_LABEL, *(len(label) for label, _ in gathered.bands))
    label = min(longest, _LABEL_COLUMNS if columns < 120 else 2 * _LABEL_COLUMNS, columns // 4)
    right = _RIGHT_COLUMNS if columns >= 60 else 0
    return label, right, columns - label - right - 2


def _facts(band: Band) -> str:
    """Its size, and how much of it is on the fast tier."""
    fast = "" if band.fast_percent is None else f"{band.fast_percent:.0f}%"
    return f"{size_words(band.pages):>8} {fast:>4}"


def _short(label: str, columns: int, ellipsis: str) -> str:
    """A path's end says most."""
    if len(label) <= columns:
        return label
    return ellipsis + label[len(label) - columns + len(ellipsis) :]


def _axis(heat_map: HeatMap, width: int) -> str:
    """Begin, middle and end of the time."""
    looks = _spread(len(heat_map.at_s), width)
    axis, middle = [" "] * width, len(looks) // 2
    end = seconds_words(heat_map.seconds)
    words = {
        len(looks) - len(end): end,
        0: seconds_words(0.0),
        middle: seconds_words(float(heat_map.at_s[looks[middle]])),
    }
    for at, text in words.items() if len(heat_map.at_s) > 1 else ():
        if at >= 0 and not "".join(axis[max(0, at - 1) : at + len(text) + 1]).strip():
            axis[at : at + len(text)] = text
    return "".join(axis).rstrip()


def _spread(columns: int, width: int) -> list[int]:
    """Which column of cells each character shows: up to four for one, where there are few."""
    characters = min(width, _MOST_STRETCH * columns)
    return [at * columns // characters for at in range(characters)]


class _Glyphs:
    def __init__(self, terminal: Terminal) -> None:
        self._fast = _FAST if terminal.unicode else _FAST_ASCII
        self._colours = terminal.colours
        self.ellipsis = "…" if terminal.unicode else "~"
        self.at_most = "≤" if terminal.unicode else "<="

    def cells(self, levels: list[int], slow: list[float], width: int) -> str:
        """A row of the map; a run of one colour has one escape sequence."""
        parts, colour, shown = list[str](), "", _spread(len(levels), width)
        for at in shown:
            glyph, code = self._cell(levels[at], slow[at])
            if code != colour:
                parts.append((_END if colour else "") + (f"\x1b[{code}m" if code else ""))
                colour = code
            parts.append(glyph)
        padding = " " * (width - len(shown))
        return "".join(parts) + (_END if colour else "") + padding

    def _cell(self, level: int, slow: float) -> tuple[str, str]:
        if np.isnan(slow):
            return _NOTHING, ""
        is_slow = slow >= 0.5
        glyph = _UNKNOWN if level < 0 else (_SLOW if is_slow else self._fast)[level]
        ramps = _RAMPS.get(self._colours)
        return glyph, ramps[is_slow][max(0, level)] if ramps else ""

    def legend(self, tier: Tier, words: Sequence[str]) -> str:
        """What the glyphs of a tier mean: no access, and each level."""
        family = self._fast if tier == "fast" else _SLOW
        pairs = zip(family, words, strict=True)
        return f"{tier} tier: " + "  ".join(f"{glyph} {text}" for glyph, text in pairs)
