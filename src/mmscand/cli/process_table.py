"""The table of `mmscand ps`: 80 columns, and more where there is room."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mmscand.cli.quantities import short_size, short_span
from mmscand.shown import shown

Row = Mapping[str, Any]
_WIDTHS = (7, 15, 6, 6, 8, 6, 6, 6, 6, 7)
_GAP = " "
_LEAST_RULE = 8
"""Columns below which the rule is left out."""


def _counted(name: str) -> Callable[[Row], str]:
    return lambda row: short_size(row["counters"].get(name, 0))


COLUMNS: Mapping[str, Callable[[Row], str]] = {
    "PID": lambda row: str(row["pid"]),
    "NAME": lambda row: shown(str(row["name"])),
    "FAST": lambda row: short_size(row["fast_pages"]),
    "SLOW": lambda row: short_size(row["slow_pages"]),
    "HOT SLOW": lambda row: short_size(row["hot_slow_pages"]),
    "UP": _counted("promoted"),
    "DOWN": _counted("demoted"),
    "SAVED": lambda row: short_span(row["saved_s"]),
    "COST": lambda row: short_span(row["spent_s"]),
    "STATE": lambda row: str(row["state"]),
    "RULE": lambda row: shown(str(row["rule"])),
}
"""By heading. Sizes are bytes; UP and DOWN since it was taken up."""


def process_table(rows: Sequence[Row], columns: int | None) -> list[str]:
    """A heading and a line for each process, cut to this number of columns; None cuts nothing."""
    cells = [list(COLUMNS), *([cell(row) for cell in COLUMNS.values()] for row in rows)]
    return [_line(row, columns) for row in cells]


def _line(cells: Sequence[str], columns: int | None) -> str:
    fixed = _GAP.join(
        f"{cell[:width]:{'<' if name in ('NAME', 'STATE') else '>'}{width}}"
        for name, cell, width in zip(COLUMNS, cells, _WIDTHS, strict=False)
    )
    if columns is None:
        return f"{fixed}{_GAP}{cells[-1]}".rstrip()
    room = columns - len(fixed) - len(_GAP)
    rule = cells[-1][:room] if room >= _LEAST_RULE else ""
    return f"{fixed}{_GAP}{rule}".rstrip()[:columns]
