"""Whether something is wrong with a running daemon: for a screen, and for a monitoring system."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from mmscand.cli.quantities import percent, span
from mmscand.reasons import failures

Level = Literal["WARNING", "CRITICAL"]
EXIT_CODES = {"OK": 0, "WARNING": 1, "CRITICAL": 2, "UNKNOWN": 3}
"""As plugins of Nagios, Icinga and Checkmk end (Monitoring Plugins Development Guidelines)."""
_SILENT_S = 300.0
"""Without a look at any process, though some run: five of the longest usual periods."""
_RUN = ("watched", "new", "waits")
"""States of processes that are to be looked at."""
_LEAST_MOVED = 256
"""Moves in a minute, and promotions since the start, below which a share of them says nothing."""
_LEAST_REUSED = 0.2


class Finding(NamedTuple):
    """One thing that is wrong."""

    level: Level
    words: str


def findings(status: Mapping[str, Any], now: float) -> list[Finding]:
    """What is wrong, the worst first, from the answer to `status` and the Unix time."""
    return sorted(_found(status, now), key=lambda each: each.level)


def _found(status: Mapping[str, Any], now: float) -> Iterator[Finding]:
    if status["trouble"]:
        yield Finding("CRITICAL", status["trouble"])
    if not status["enabled"]:
        yield Finding("WARNING", "scanning is switched off (`mmscand enable`)")
    elif sum(status["states"].get(state, 0) for state in _RUN):
        silent = now - (status["last_pass_timestamp"] or status["start_timestamp"])
        if silent > _SILENT_S:
            yield Finding("WARNING", f"no process was looked at for {span(silent)}")
    yield from _of_budget(status["budget"])
    yield from _of_moves(status, now - status["start_timestamp"])


def _of_budget(budget: Mapping[str, Any] | None) -> Iterator[Finding]:
    if budget and budget["used_percent"] > 1.1 * budget["limit_percent"]:
        used, limit = budget["used_percent"], budget["limit_percent"]
        yield Finding("WARNING", f"{used:.2g} % of a core used, {limit:.2g} % allowed")


def _of_moves(status: Mapping[str, Any], up_s: float) -> Iterator[Finding]:
    minute, reused = status["minute"], status["reused_ratio"]
    failed = failures(minute).get("ENOMEM", 0)
    if failed >= _LEAST_MOVED and failed > minute.get("promoted", 0):
        yield Finding("WARNING", f"{failed:.0f} pages found a full node in the last minute")
    judged = status["counters"].get("promoted", 0) >= _LEAST_MOVED and up_s > _SILENT_S
    if judged and reused is not None and reused < _LEAST_REUSED:
        yield Finding("WARNING", f"only {percent(reused)} of promoted pages were used again")
