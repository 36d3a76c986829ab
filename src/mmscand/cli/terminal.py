"""What the terminal can show: its size, its colours, its letters."""

import shutil
from collections.abc import Mapping
from typing import TYPE_CHECKING, TextIO, cast

if TYPE_CHECKING:
    from mmscand.heatmap.terminal import Colours, Terminal

_PIPED = (80, 24)
"""Columns and lines of what is no terminal."""


def terminal_of(
    stream: TextIO, environment: Mapping[str, str], colours: str = "auto"
) -> "Terminal":
    """Of a stream. COLUMNS and LINES count before what the terminal says."""
    from mmscand.heatmap.terminal import Terminal  # noqa: PLC0415 - numpy

    size = shutil.get_terminal_size(_PIPED)
    chosen = _colours(stream, environment) if colours == "auto" else cast("Colours", colours)
    return Terminal(size.columns, size.lines, chosen, _is_unicode(stream))


def _colours(stream: TextIO, environment: Mapping[str, str]) -> "Colours":
    """None for a pipe, and where NO_COLOR (no-color.org) or the kind of terminal says so."""
    kind = environment.get("TERM", "dumb")
    if not stream.isatty() or environment.get("NO_COLOR") or kind == "dumb":
        return "none"
    if environment.get("COLORTERM") in ("truecolor", "24bit"):
        return "truecolor"
    return "256" if "256color" in kind else "16"


def _is_unicode(stream: TextIO) -> bool:
    return (stream.encoding or "").lower().replace("-", "") in ("utf8", "utf16", "gb18030")
