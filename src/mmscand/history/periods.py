"""A time in the past as people write it."""

import re
from datetime import datetime, timedelta

from mmscand.errors import UsageError
from mmscand.shown import quoted

_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_AGO = re.compile(r"-?(\d{1,9}) ?(s|m|min|h|d|w)( ago)?", re.ASCII)
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})", re.ASCII)
_LATEST = 1 << 40
HINT = "write yesterday, today, now, 3h, 2d, 14:00, 2026-05-31 or '2026-05-31 14:00'"


def time_of(text: str, now: float) -> int:
    """Unix time in seconds, by the local clock; UsageError when it says nothing."""
    words = " ".join(text.lower().split())
    found = _day(words, now) or _ago(words, now) or _stamp(words, now)
    if found is None:
        raise UsageError(f"{quoted(text)} is no time", hint=HINT)
    return found


def period(since: str, until: str, now: float) -> tuple[int, int]:
    """Begin and end, see time_of; UsageError where the end is not after the begin."""
    begin, end = time_of(since, now), time_of(until, now)
    if begin >= end:
        raise UsageError(f"--since {since} is not before --until {until}", hint="swap them")
    return begin, end


def _day(words: str, now: float) -> int | None:
    today = datetime.fromtimestamp(now).replace(hour=0, minute=0, second=0, microsecond=0)
    days = {"today": today, "yesterday": today - timedelta(days=1)}
    if words in days:
        return int(days[words].timestamp())
    return int(now) if words == "now" else None


def _ago(words: str, now: float) -> int | None:
    if found := _AGO.fullmatch(words):
        return max(0, int(now) - int(found[1]) * _UNITS[found[2]])
    return None


def _stamp(words: str, now: float) -> int | None:
    if words.isascii() and words.isdecimal() and len(words) >= 9:
        return min(int(words[:13]), _LATEST)
    try:
        if found := _CLOCK.fullmatch(words):
            today = datetime.fromtimestamp(now)
            moment = today.replace(hour=int(found[1]), minute=int(found[2]), second=0)
        else:
            moment = datetime.fromisoformat(words.upper())
        return int(moment.timestamp())
    except (ValueError, OverflowError, OSError):
        return None
