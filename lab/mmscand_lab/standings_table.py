"""The standings of a contest as text: a table for each load, and where mmscand loses.

Markdown, so that what is printed is what docs/results.md shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmscand_lab.standings import FIGURES, Loss, Standings, losses

_LOST = "*"
"""After a figure of ours in which another is better."""


def report(standings: Standings, summaries: Mapping[str, str]) -> str:
    """All of it; `summaries` says of each load what it does."""
    lost = losses(standings)
    parts = [
        f"{load}: {summaries[load]}\n\n{_table(policies, [x for x in lost if x.load == load])}"
        for load, policies in standings.items()
    ]
    told = "\n".join(f"- {loss}" for loss in lost) or "- nowhere"
    return "\n\n".join([*parts, f"where mmscand loses ({_LOST}):\n\n{told}"])


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
