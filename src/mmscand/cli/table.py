"""Aligned text for people, and the client of a command."""

import shutil
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmscand.config_socket import configured_socket
from mmscand.control.client import ControlClient
from mmscand.shown import json_text, shown

_NARROWEST_COLUMN = 30
"""Text that has less room than this is not wrapped."""


def client_for(socket: Path | None) -> ControlClient:
    """The client of the daemon that is meant."""
    return ControlClient(socket or configured_socket())


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Columns wide enough for what is in them; numbers at the right, a long last column wrapped."""
    cells = [[_shown(value) for value in row] for row in (header, *rows)]
    numeric = [all(isinstance(row[at], int | float) for row in rows) for at in range(len(header))]
    widths = [max(len(row[at]) for row in cells) for at in range(len(header))]
    return "\n".join(_line(row, widths, numeric) for row in cells)


def _line(row: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    columns = zip(row[:-1], widths, numeric, strict=False)
    start = "".join(f"{c:>{w}}  " if n else f"{c:{w}}  " for c, w, n in columns)
    last = f"{row[-1]:>{widths[-1]}}" if numeric[-1] else row[-1]
    return (start + _wrapped(last, len(start))).rstrip()


def _wrapped(text: str, indent: int) -> str:
    """In the room that a terminal leaves; not for files and pipes, where a row is one line."""
    room = shutil.get_terminal_size().columns - indent
    if not sys.stdout.isatty() or room < _NARROWEST_COLUMN:
        return text
    return f"\n{'':{indent}}".join(textwrap.wrap(text, room)) or text


def pairs(values: Sequence[tuple[str, object]]) -> str:
    """A name and its value in each line."""
    rows = [(shown(name), _shown(value)) for name, value in values]
    width = max((len(name) for name, _ in rows), default=0)
    return "\n".join(f"{name:{width}}  {_wrapped(value, width + 2)}" for name, value in rows)


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:g}"
    return "-" if value is None or value == "" else shown(str(value))


def print_answer(answer: dict[str, Any], text: str, *, as_json: bool) -> None:
    """One or the other."""
    print(json_text(answer, indent=2) if as_json else text)
