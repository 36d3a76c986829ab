"""docs/reference/support.md: a row for each kernel on which the tests of its areas have run."""

import json
import re
from pathlib import Path
from typing import Any

from mmscand_lab.standings_table import markdown
from support.kernel_areas import AREAS

COLUMNS = (
    "reading",
    "aging",
    "moving",
    "huge pages",
    "shared memory",
    "processes",
    "namespaces",
    "promotion",
    "KVM",
    "check",
)
_HEADER = ("kernel", "read by", "shared memory aged", *COLUMNS)


def row_of(results: Path) -> list[str]:
    """Of the kernel that wrote `AREAS` there."""
    found: dict[str, Any] = json.loads((results / AREAS).read_text(encoding="utf-8"))
    checks = found["checks"]
    aged = "no" if checks["bulk aging"] == "no" else "by MGLRU"
    read = "no" if checks["reading"] == "no" else checks["reading"].removeprefix("by ")
    return [found["kernel"], read, aged, *(_cell(found, area) for area in COLUMNS)]


def _cell(found: dict[str, Any], area: str) -> str:
    passed, failed = found["passed"].get(area, 0), found["failed"].get(area, 0)
    if not passed and not failed:
        return "-"
    return f"**{failed} of {passed + failed} failed**" if failed else str(passed)


def write_row(document: Path, row: list[str]) -> None:
    """Take the place of the row of the same series, the kernel's first two numbers."""
    text = document.read_text(encoding="utf-8")
    rows = {_series(each[0]): each for each in _rows(text)} | {_series(row[0]): row}
    table = markdown(_HEADER, [rows[series] for series in sorted(rows)])
    text, tables = re.subn(r"^\|.*\|$(\n\|.*\|$)*", table, text, count=1, flags=re.MULTILINE)
    assert tables == 1, f"{document} has no table"
    document.write_text(text, encoding="utf-8")


def _rows(text: str) -> list[list[str]]:
    """Of the table in a text; those of another shape are left out."""
    lines = re.findall(r"^\| \d.*\|$", text, flags=re.MULTILINE)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in rows if len(row) == len(_HEADER)]


def _series(release: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", release)[:2])
