"""The head of `top`: three lines of 80 columns."""

from collections.abc import Mapping
from typing import Any

from mmscand.cli.quantities import percent, short_size
from mmscand.reasons import HOT

Answer = Mapping[str, Any]
_BAR = 12


def head(status: Answer) -> tuple[str, str, str]:
    """Tiers; moves and benefit; cost and pressure."""
    return _tiers(status), _moves(status), _cost(status)


def _tiers(status: Answer) -> str:
    parts = []
    for tier, pages in status["tier_pages"].items():
        used, total = pages["used"], sum(pages.values())
        full = round(_BAR * used / total) if total else 0
        bar = "#" * full + "." * (_BAR - full)
        parts.append(f"{tier} [{bar}] {short_size(used)} of {short_size(total)}")
    return "   ".join(parts) or "no tiers are known"


def _moves(status: Answer) -> str:
    minute, slow = status["minute"], status["slow_by_reason"]
    hot = sum(slow.get(reason, 0) for reason in HOT)
    return (
        f"up {short_size(minute.get('promoted', 0))}/min "
        f"down {short_size(minute.get('demoted', 0))}/min, "
        f"hot and slow {short_size(hot)}, served fast {percent(status['fast_ratio'])}, "
        f"saves {minute.get('saved_s', 0.0):.2g} s/min"
    )


def _cost(status: Answer) -> str:
    budget, pressure = status["budget"] or {}, status["pressure"]
    state = ("DRY RUN" if status.get("dry_run") else "on") if status["enabled"] else "OFF"
    cost = "nothing runs"
    if budget:
        cost = f"cpu {budget['used_percent']:.2f} of {budget['limit_percent']:.2f} %"
    waits = f"  {budget['waiting']} wait" if budget.get("waiting") else ""
    some = f"  memory pressure {pressure['some']:.1f} %" if pressure else ""
    trouble = f"  {status['trouble']}" if status.get("trouble") else ""
    return f"{state}  {cost}{waits}{some}  processes {status.get('processes', '-')}{trouble}"
