"""The comparison as a picture: regret by intensity, a panel for each workload."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.typing import ColorType

from mmscand.sim.judgement import Table

_COLUMNS = 4
_PANEL_INCHES = (3.2, 2.2)
_Style = Literal["-", "--", ":", "-."]
_STYLES: tuple[_Style, ...] = ("-", "--", ":", "-.")
_COLOURS = mpl.color_sequences["tab10"]


def draw(table: Table, path: Path) -> None:
    """Write the picture; the format is by the file's name."""
    figure_of(table).savefig(path, dpi=110)


def figure_of(table: Table) -> Figure:
    """A panel for each workload, in it a line for each policy, by its colour, and ratio."""
    workloads = list(dict.fromkeys(cell.workload for cell in table))
    policies = list(dict.fromkeys(cell.policy for cell in table))
    ratios = sorted({cell.ratio for cell in table})
    colours = dict(zip(policies, _COLOURS, strict=False))
    styles = dict(zip(ratios, _STYLES, strict=False))
    rows = -(-len(workloads) // _COLUMNS)
    size = (_PANEL_INCHES[0] * _COLUMNS, _PANEL_INCHES[1] * rows + 0.8)
    figure = Figure(figsize=size, layout="constrained")
    panels = list(figure.subplots(rows, _COLUMNS, squeeze=False).flat)
    for workload, panel in zip(workloads, panels, strict=False):
        panel.set_title(workload, fontsize=9)
        for policy, colour in colours.items():
            for ratio, style in styles.items():
                _line(panel, table, (workload, policy, ratio), colour, style)
        panel.set(xscale="log", ylim=(0, 100))
        panel.set_yscale("symlog", linthresh=1)
        panel.grid(alpha=0.25)
    for panel in panels[len(workloads) :]:
        panel.set_axis_off()
    _explain(figure, colours, styles)
    return figure


def _line(
    panel: Axes, table: Table, which: tuple[str, str, int], colour: ColorType, style: _Style
) -> None:
    points = sorted(
        (cell.intensity, figures["regret_pp"])
        for cell, figures in table.items()
        if (cell.workload, cell.policy, cell.ratio) == which
    )
    panel.plot(*zip(*points, strict=True), color=colour, linestyle=style, marker=".", linewidth=1)


def _explain(
    figure: Figure, colours: Mapping[str, ColorType], styles: Mapping[int, _Style]
) -> None:
    handles = [Line2D([], [], color=colour, label=name) for name, colour in colours.items()]
    handles += [
        Line2D([], [], color="black", linestyle=style, label=f"1:{ratio}")
        for ratio, style in styles.items()
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), fontsize=8)
    figure.supxlabel("accesses a page and window", fontsize=9)
    figure.supylabel("regret, points of hit share", fontsize=9)
