"""The standings of a contest as text: a table for each load, and where mmscand loses.

Markdown, so that what is printed is what docs/archive/results.md shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import geometric_mean, median

from mmscand_lab.standings import FIGURES, Loss, Standings, losses

_QUIET_CORES = 0.1
"""Of others on the host: a pass that took 0.4 to 1.3 s took 5.5 s beside tests at nice 19."""
_LOST = "*"
"""After a figure of ours in which another is better."""


def report(standings: Standings, summaries: Mapping[str, str]) -> str:
    """All of it; `summaries` says of each load what it does."""
    lost = losses(standings)
    parts = [
        *_at_a_glance(standings),
        *(
            f"{load}: {summaries[load]}\n\n{_table(policies, [x for x in lost if x.load == load])}"
            for load, policies in standings.items()
        ),
    ]
    found = "\n".join(f"- {loss}" for loss in lost) or "- nowhere"
    parts += _disturbed(standings)
    return "\n\n".join([*parts, f"where mmscand loses ({_LOST}):\n\n{found}"])


def _disturbed(standings: Standings) -> list[str]:
    """A line where others used the host while it was measured; else nothing."""
    runs = [
        f"{load} with {name} ({others:.1f} cores)"
        for load, policies in standings.items()
        for name, figures in policies.items()
        if (others := figures.get("others_cores") or 0.0) >= _QUIET_CORES
    ]
    return [f"disturbed by other work of the host: {', '.join(runs)}"] if runs else []


def _at_a_glance(standings: Standings) -> list[str]:
    """One table of throughput; none where all memory is equally fast."""
    known = {
        load: policies
        for load, policies in standings.items()
        if all("throughput_alone" in figures for figures in policies.values())
    }
    if not known:
        return []
    names = list(dict.fromkeys(name for policies in known.values() for name in policies))
    rows = [[load, *_shares(policies, names)] for load, policies in known.items()]
    rows.append(["geometric mean", *_means(known, names)])
    title = (
        "Throughput as a share of that with all memory fast; at rest, or where hot pages change all"
        " the time, over all of it:"
    )
    return [f"{title}\n\n{markdown(['', 'all slow', *names], rows)}"]


def _shares(policies: Mapping[str, Mapping[str, float | None]], names: Sequence[str]) -> list[str]:
    """Of one load: with all memory slow, then by each policy, the best of them in bold."""
    slow = median(figures["throughput_alone"] or 0.0 for figures in policies.values())
    shares = [_throughput(policies[name]) if name in policies else None for name in names]
    best = max((share for share in shares if share is not None), default=0.0)
    cells = ["" if share is None else f"{share:.0%}" for share in shares]
    bold = [f"**{cell}**" if cell == f"{best:.0%}" else cell for cell in cells]
    return [f"{slow:.0%}", *bold]


def _throughput(figures: Mapping[str, float | None]) -> float:
    return figures.get("throughput_rest", figures["throughput_moving"]) or 0.0


def _means(standings: Standings, names: Sequence[str]) -> list[str]:
    """Over all loads that every policy has run."""
    whole = [policies for policies in standings.values() if set(names) <= set(policies)]
    if not whole:
        return [""] * (1 + len(names))
    slow = [median(f["throughput_alone"] or 0.0 for f in policies.values()) for policies in whole]
    with_policy = [[_throughput(policies[name]) for policies in whole] for name in names]
    least = 1e-9  # a mean of logarithms takes no zero
    return [f"{geometric_mean([max(each, least) for each in c]):.0%}" for c in (slow, *with_policy)]


def _table(policies: Mapping[str, Mapping[str, float | None]], lost: Sequence[Loss]) -> str:
    """A row for each figure that any policy has, a column for each policy."""
    worse = {(loss.ours, loss.key) for loss in lost}
    keys = [key for key in FIGURES if any(key in figures for figures in policies.values())]
    rows = [
        [
            FIGURES[key].title,
            *(
                _cell(key, figures) + (_LOST if (name, key) in worse else "")
                for name, figures in policies.items()
            ),
        ]
        for key in keys
    ]
    return markdown(["", *policies], rows)


def _cell(key: str, figures: Mapping[str, float | None]) -> str:
    return FIGURES[key].shown(figures[key]) if key in figures else ""


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, aligned for who reads it as text; the first column is words."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    rules = [f"{'':-<{widths[0]}}", *(f"{'':->{width - 1}}:" for width in widths[1:])]
    lines = [header, rules, *rows]
    return "\n".join(
        f"| {line[0]:<{widths[0]}} | "
        + " | ".join(f"{cell:>{w}}" for cell, w in zip(line[1:], widths[1:], strict=True))
        + " |"
        for line in lines
    )
