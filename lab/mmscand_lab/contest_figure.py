"""The picture of a contest: throughput over time, a panel a load, a colour a policy.

Throughput is a share of all-fast. Where all memory is as fast as the host's: what was up.

Imports matplotlib; import it where a picture is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmscand_lab.standings import LEVELS, THROUGHPUT, Curve, Run, load_curve, run_folder

# Different in grey, and to the colour-blind too (Okabe-Ito); ours is the red one.
_COLOURS = ("#999999", "#0072b2", "#56b4e9", "#009e73", "#cc79a7", "#e69f00", "#000000")
_OURS = "#d55e00"
_INCHES = (5.0, 3.0)
"""Of a panel."""
_COLUMNS = 2
_DPI = 110


def draw(results: Path, runs: Sequence[Run], picture: Path) -> None:
    """Write the picture as a PNG file, its folder made when it is missing."""
    picture.parent.mkdir(parents=True, exist_ok=True)
    drawn(results, runs).savefig(picture, format="png")


def drawn(results: Path, runs: Sequence[Run]) -> Figure:
    """The picture, from the curves in the folders of the runs."""
    loads = list(dict.fromkeys(run.load for run in runs))
    policies = list(dict.fromkeys(run.policy for run in runs))
    rows = -(-len(loads) // _COLUMNS)
    size = (_INCHES[0] * _COLUMNS, _INCHES[1] * rows)
    figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
    panels = list(figure.subplots(rows, _COLUMNS, squeeze=False).flat)
    others = iter(_COLOURS * len(policies))
    colours = {name: _OURS if name == "mmscand" else next(others) for name in policies}
    for load, panel in zip(loads, panels, strict=False):
        _draw_load(panel, results, [run for run in runs if run.load == load], colours)
    for panel in panels[len(loads) :]:
        panel.set_axis_off()
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=9)
    return figure


def _smooth(curve: Curve) -> Curve:
    """Each point is the median of itself and its neighbours: one second is noise."""
    shares = [share for _, share in curve]
    return [(at, median(shares[max(0, i - 1) : i + 2])) for i, (at, _) in enumerate(curve)]


def _draw_load(panel: Axes, results: Path, runs: Sequence[Run], colours: dict[str, str]) -> None:
    """A line for each run; all seeds of a policy have one colour, and one label."""
    named: set[str] = set()
    what = THROUGHPUT if any("throughput_alone" in run.figures for run in runs) else LEVELS
    for run in runs:
        curve = _smooth(load_curve(run_folder(results, run.load, run.policy, run.seed), what))
        at, share = [at for at, _ in curve], [100 * share for _, share in curve]
        label = run.policy if run.policy not in named else f"_{run.policy}"
        named.add(run.policy)
        panel.plot(at, share, color=colours[run.policy], linewidth=1.6, alpha=0.8, label=label)
    hits = any("hit_share" in run.figures for run in runs)
    up = "% of accesses" if hits else "% of memory"
    panel.set_title(runs[0].load, loc="left", fontsize=11, fontweight="bold")
    panel.set_ylabel("% of all-fast" if what == THROUGHPUT else up)
    panel.set_xlabel("seconds")
    panel.set_ylim(bottom=-2)
    panel.grid(alpha=0.25)
    panel.spines[["top", "right"]].set_visible(False)
