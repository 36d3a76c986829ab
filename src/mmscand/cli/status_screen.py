"""The screen of `mmscand status`: 80 columns, 24 lines, the answers to what an operator asks."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmscand.cli.health import findings
from mmscand.cli.quantities import percent, size, span
from mmscand.reasons import HOT, failures
from mmscand.shown import shown

_WIDTH, _INDENT = 80, 13
_STATES = {
    "idle": "idle",
    "new": "new",
    "waits": "wait for the CPU budget",
    "slowed": "slowed as promoting does not pay",
    "stopped": "stopped as promoting does not pay",
}
_REASONS = {
    "queued": "on the list",
    "planned": "next to be promoted",
    "unsure": "not sure yet",
    "no_room": "no room",
    "refused": "would not move",
}


def screen(status: Mapping[str, Any], now: float) -> list[str]:
    """Lines of the answer to `status`; `now` is Unix time."""
    lines = [_head(status, now)]
    for label, words in _rows(status, now):
        wrapped = textwrap.wrap(words, _WIDTH - _INDENT)
        lines += [f"{label:{_INDENT}}{wrapped[0]}", *(" " * _INDENT + line for line in wrapped[1:])]
    return lines


def _head(status: Mapping[str, Any], now: float) -> str:
    state = ("dry run" if status.get("dry_run") else "on") if status["enabled"] else "off"
    last = status["last_pass_timestamp"]
    passed = "no pass yet" if last is None else f"last pass {span(max(0.0, now - last))} ago"
    return (
        f"mmscand {status['version']}, pid {status['pid']}: {state} for "
        f"{span(max(0.0, now - status['switch_timestamp']))}, {passed}"
    )


def _rows(status: Mapping[str, Any], now: float) -> Iterator[tuple[str, str]]:
    wrong = findings(status, now)
    yield "health", "; ".join(f"{shown(each.words)}" for each in wrong) or "nothing is wrong"
    for tier, pages in status["tier_pages"].items():
        yield f"{tier} tier", _tier(pages, status["nodes"][tier])
    yield "moves", _moves(status["minute"])
    yield "benefit", _benefit(status)
    yield "served fast", _served(status)
    yield "cost", _cost(status)
    yield "processes", _processes(status)
    yield "hot and slow", _hot_slow(status)
    yield "pressure", _pressure(status["pressure"])


def _tier(pages: Mapping[str, int], nodes: Sequence[int]) -> str:
    total = sum(pages.values())
    names = ("node " if len(nodes) == 1 else "nodes ") + ",".join(map(str, nodes))
    cache = f"{size(pages['cache'])} page cache, " if pages["cache"] else ""
    return f"{size(pages['used'])} of {size(total)} used, {cache}{names if nodes else 'no node'}"


def _moves(minute: Mapping[str, float]) -> str:
    failed = failures(minute).items()
    words = ", ".join(f"{pages:.0f} {reason}" for reason, pages in failed if pages)
    return (
        f"{size(minute.get('promoted', 0))} promoted, {size(minute.get('demoted', 0))} demoted in "
        f"the last minute" + (f"; pages that did not move: {words}" if words else "")
    )


def _benefit(status: Mapping[str, Any]) -> str:
    minute, reused = status["minute"], status["reused_ratio"]
    again = "" if reused is None else f"; {percent(reused)} of promoted pages used again"
    saved, spent = minute.get("saved_s", 0.0), minute.get("spent_s", 0.0)
    return f"{saved:.2g} s saved for {spent:.2g} s spent in the last minute{again}"


def _served(status: Mapping[str, Any]) -> str:
    share, low, high = (status[f"fast_ratio{end}"] for end in ("", "_low", "_high"))
    if share is None:
        return "not known: the policy keeps no rates, or nothing was observed yet"
    return f"{percent(share)} of accesses (between {percent(low)} and {percent(high)})"


def _cost(status: Mapping[str, Any]) -> str:
    budget = status["budget"]
    if budget is None:
        return "nothing runs"
    used, limit, earned = (budget[f"{name}_percent"] for name in ("used", "limit", "earned"))
    return (
        f"{_points(used)} % of a core, {_points(limit)} % allowed ({_points(earned)} % earned); "
        "average of ten minutes"
    )


def _points(number: float) -> str:
    return f"{number:.2f}" if number < 10 else f"{number:.0f}"


def _processes(status: Mapping[str, Any]) -> str:
    states = [f"{n} {_STATES[s]}" for s, n in status["states"].items() if s in _STATES and n]
    words = f"{status['processes']} watched" + (f": {', '.join(states)}" if states else "")
    others = status["left_alone"]
    return words + (f"; {others} left alone (`mmscand ps` says why)" if others else "")


def _hot_slow(status: Mapping[str, Any]) -> str:
    slow, edge = status["slow_by_reason"], status["edge"]
    hot = {reason: slow[reason] for reason in HOT if slow.get(reason)}
    if not hot:
        return "no page on the slow tier is known to be hot"
    words = [f"{size(pages)} {_REASONS[reason]}" for reason, pages in hot.items()]
    border = "" if edge is None else f"; the fast tier has pages from {edge:.2g} accesses/s on"
    return f"{size(sum(hot.values()))}: {', '.join(words)}{border}"


def _pressure(pressure: Mapping[str, float]) -> str:
    if not pressure:
        return "not counted by this kernel (psi)"
    some, full = pressure.get("some", 0.0), pressure.get("full", 0.0)
    return f"{some:.1f} % of the last 10 s some task waited for memory, {full:.1f} % all"
