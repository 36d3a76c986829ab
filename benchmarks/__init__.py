"""Measurements: each prints ratios against the alternative, taken in the same run."""

import json
from collections.abc import Mapping
from pathlib import Path


def tell(figures: Mapping[str, object], json_file: Path | None) -> None:
    """Print the figures of a benchmark, a line each, and write them as JSON when asked to."""
    for name, value in figures.items():
        print(f"{name:36} {value}")
    if json_file:
        json_file.write_text(json.dumps(figures, indent=2) + "\n")
