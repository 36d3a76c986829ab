"""Moments that wake the scanner together, so that hundreds of idle processes cost two wake-ups."""

import math

_STEP_S = 0.5
"""Two wake-ups a second; a visit comes a quarter of a second early or late at most."""
_QUIET_S = 1.0
"""Visits closer than this are not moved: half a second would be too much of their period."""


def next_visit(started: float, period_s: float) -> float:
    """When the next visit is due, by the start of this one."""
    due = started + period_s
    return nearest(due) if period_s >= _QUIET_S else due


def nearest(moment: float) -> float:
    """To the nearest, as a thread that wakes on the grid starts a little behind it."""
    return round(moment / _STEP_S) * _STEP_S


def not_before(moment: float) -> float:
    """The first moment of the grid from here on."""
    return math.ceil(moment / _STEP_S) * _STEP_S
