"""Samples of a history, with what a test says about them."""

from collections.abc import Mapping
from typing import Any


def sample(
    start: float = 1.0, groups: Mapping[str, Mapping[str, float]] | None = None, **counters: float
) -> dict[str, Any]:
    """Of a daemon that was started at `start`; groups have one process each."""
    return {
        "status": {
            "start_timestamp": start,
            "counters": counters,
            "cpu_seconds": {"scanning": counters.get("promoted", 0) / 1000},
        },
        "groups": {
            name: {"processes": 1, "now": {}, "sums": dict(sums)}
            for name, sums in (groups or {}).items()
        },
    }
