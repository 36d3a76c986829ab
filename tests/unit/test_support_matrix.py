"""docs/reference/support.md keeps its text, and each kernel has one row."""

import json
from pathlib import Path
from typing import Any

from support.kernel_areas import AREAS
from support.support_matrix import COLUMNS, row_of, write_row


def found(folder: Path, kernel: str, **counts: dict[str, int]) -> list[str]:
    checks = {"reading": "by bpf", "bulk aging": "no"}
    result: dict[str, Any] = {"kernel": kernel, "checks": checks, "passed": {}, "failed": {}}
    (folder / AREAS).write_text(json.dumps(result | counts))
    return row_of(folder)


def test_a_cell_has_what_passed_or_what_failed(tmp_path: Path) -> None:
    row = found(tmp_path, "6.1.0-56-amd64", passed={"aging": 2, "KVM": 1}, failed={"KVM": 2})
    assert row[:3] == ["6.1.0-56-amd64", "bpf", "no"]
    cells = dict(zip(COLUMNS, row[3:], strict=True))
    assert (cells["aging"], cells["KVM"], cells["moving"]) == ("2", "**2 of 3 failed**", "-")


def test_a_kernel_takes_the_row_of_its_series_and_the_text_stays(tmp_path: Path) -> None:
    document = tmp_path / "support.md"
    document.write_text("# Kernels\n\n| kernel |\n| - |\n\nIts text | stays.\n")
    for kernel in ("6.12.117+deb12-amd64", "6.1.0-55-amd64", "7.3.4+deb14-amd64", "6.1.0-56-amd64"):
        write_row(document, found(tmp_path, kernel, passed={"aging": 3}))
    lines = document.read_text().splitlines()
    rows = [line for line in lines if line.startswith("| ")][2:]
    assert [row.split()[1] for row in rows] == [
        "6.1.0-56-amd64",
        "6.12.117+deb12-amd64",
        "7.3.4+deb14-amd64",
    ]
    assert (lines[0], lines[-1]) == ("# Kernels", "Its text | stays.")
