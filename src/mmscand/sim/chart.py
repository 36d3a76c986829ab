"""The comparison as a picture: regret by intensity, a panel for each workload."""

from pathlib import Path
from typing import Literal

import matplotlib as mpl
from matplotlib.figure import Figure

from mmscand.sim.judgement import Table

_COLUMNS = 4
_STYLES: tuple[Literal["-", "--", ":", "-."], ...] = ("-", "--", ":", "-.")


def draw(table: Table, path: Path) -> None:
    """A line for each policy and ratio; the format is by the file's name."""
    workloads = list(dict.fromkeys(cell.workload for cell in table))
    policies = list(dict.fromkeys(cell.policy for cell in table))
    ratios = sorted({cell.ratio for cell in table})
    rows = -(-len(workloads) // _COLUMNS)
    figure = Figure(figsize=(13, 2.6 * rows + 0.8), layout="constrained")
    axes = figure.subplots(rows, _COLUMNS, squeeze=False, sharex=True).flat
    for panel in axes:
        panel.set_visible(False)
    for workload, panel in zip(workloads, axes, strict=False):
        panel.set_visible(True)
        panel.set_title(workload, fontsize=9)
        for policy in policies:
            for ratio, style in zip(ratios, _STYLES, strict=False):
                _line(
                    panel,
                    table,
                    (workload, policy, ratio),
                    mpl.color_sequences["tab10"][policies.index(policy)],
                    style,
                )
        panel.set(xscale="log", ylim=(0, None))
    handles = [
        mpl.lines.Line2D([], [], color=mpl.color_sequences["tab10"][at], label=name)
        for at, name in enumerate(policies)
    ] + [
        mpl.lines.Line2D([], [], color="black", linestyle=style, label=f"1:{ratio}")
        for ratio, style in zip(ratios, _STYLES, strict=False)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=8)
    figure.supxlabel("accesses a page and window", fontsize=9)
    figure.supylabel("regret, points of hit share", fontsize=9)
    figure.savefig(path, dpi=110)


def _line(
    panel: object, table: Table, which: tuple[str, str, int], color: object, style: str
) -> None:
    workload, policy, ratio = which
    points = sorted(
        (cell.intensity, figures["regret_pp"])
        for cell, figures in table.items()
        if (cell.workload, cell.policy, cell.ratio) == (workload, policy, ratio)
    )
    if points:
        x, y = zip(*points, strict=True)
        panel.plot(x, y, color=color, linestyle=style, marker=".", linewidth=1)  # type: ignore[attr-defined]
