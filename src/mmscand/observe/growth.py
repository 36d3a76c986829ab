"""Sums that begin again at 0, as after a restart or an execve, added up. No numpy."""

from collections.abc import Mapping, MutableMapping


def add_growth(
    sums: MutableMapping[str, float], before: Mapping[str, float], now: Mapping[str, float]
) -> None:
    """Add to `sums` what was counted since `before`; all of a number that is less than it was."""
    for name, value in now.items():
        was = before.get(name, 0)
        sums[name] = sums.get(name, 0) + (value - was if value >= was else value)
