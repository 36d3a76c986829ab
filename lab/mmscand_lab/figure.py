"""The picture of an experiment: where its pages were, and how fast its workload ran.

Imports matplotlib; import it where a picture is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmscand.model import FloatArray
from mmscand_lab.result import Recording, Result
from mmscand_lab.scenario import Scenario
from mmscand_lab.verdict import EMULATION, verdict

# Different in grey, and to the colour-blind too (Okabe-Ito).
_HOT = "#d55e00"
_COLD = "#0072b2"
_APP = "#009e73"
_QUIET = "#777777"

_INCHES = (10.0, 6.4)
_DPI = 120


@dataclass(frozen=True, slots=True, eq=False)
class _Axis:
    """Seconds since the daemon's start; the moment from which it watched; the end."""

    start: float
    watching: float | None
    end: float

    def __call__(self, moments: npt.ArrayLike) -> FloatArray:
        return np.asarray(moments, dtype=np.float64) - self.start


def draw(scenario: Scenario, result: Result, record: Recording, picture: Path) -> None:
    """Write the picture as a PNG file, its folder made when it is missing."""
    start, ready = result["daemon_started_at"], result["daemon_start_s"]
    axis = _Axis(start, ready, result["ended_at"] - start)
    # Not pyplot: a bare figure draws by Agg, needs no display and leaves no global state.
    figure = Figure(figsize=_INCHES, dpi=_DPI, layout="constrained")
    pages, work = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    _draw_pages(pages, axis, record)
    _draw_work(work, axis, record, result)
    for panel in (pages, work):
        _draw_moments(panel, axis)
    figure.suptitle(_title(scenario, result), x=0.01, ha="left", fontsize=13, fontweight="bold")
    pages.set_title(_subtitle(scenario, result), loc="left", fontsize=9, color=_QUIET)
    work.set_xlabel("seconds since the start of mmscand")
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, format="png")


def _title(scenario: Scenario, result: Result) -> str:
    hot, cold = result["hot_promoted_share"], result["cold_promoted_share"]
    return (
        f"{scenario.name}: {hot:.2%} of the hot pages promoted, {cold:.2%} of the cold ones: "
        f"{verdict(scenario, result)}"
    )


def _subtitle(scenario: Scenario, result: Result) -> str:
    passes = result["passes_to_99"]
    pace = "99 % never reached" if passes is None else f"99 % after {passes} passes"
    where = "QEMU without KVM" if result["accelerator"] == EMULATION else result["accelerator"]
    return f"{scenario.summary}; {pace}; Linux {result['kernel']}, {where}"


def _draw_pages(panel: Axes, axis: _Axis, record: Recording) -> None:
    samples = [s for s in record.samples if s.phase != "fill"]
    at = axis([s.at for s in samples])
    hot, cold = (100 * np.array([getattr(s, name) for s in samples]) for name in ("hot", "cold"))
    panel.fill_between(at, hot, color=_HOT, alpha=0.12, linewidth=0)
    panel.plot(at, hot, color=_HOT, linewidth=2.2, label="hot pages", marker="o", markersize=3)
    panel.plot(at, cold, color=_COLD, linewidth=2.2, label="cold pages", linestyle="--")
    _mark_events(panel, axis, record)
    panel.set_ylim(-4, 109)
    panel.set_ylabel("% in the top tier")
    panel.legend(loc="center left", framealpha=0.95, fontsize=9)


def _mark_events(panel: Axes, axis: _Axis, record: Recording) -> None:
    """Promotions as triangles over the curve, ends of passes as ticks below it."""
    moved = [event for event in record.of_kind("moved") if event["promoted"]]
    at = axis([event["at"] for event in moved])
    total = sum(event["promoted"] for event in moved)
    label = f"promotions: {total} pages in {len(moved)} batches"
    if moved:
        top = np.full(at.size, 104.5)
        panel.plot(at, top, "v", color=_HOT, markersize=7, alpha=0.7, label=label)
    passes = axis([event["at"] for event in record.of_kind("pass_end")])
    if passes.size:
        low = np.full(passes.size, -2.0)
        panel.plot(passes, low, "|", color="black", markersize=9, label="pass complete")


def _draw_work(panel: Axes, axis: _Axis, record: Recording, result: Result) -> None:
    at = axis(record.ops[:, 0])
    inside = at <= axis.end + 1
    millions = record.ops[inside, 1] / 1e6
    panel.step(at[inside], millions, where="pre", color=_APP, linewidth=1.6)
    before, after = result["app_ops_per_s_before"] / 1e6, result["app_ops_per_s_after"] / 1e6
    if axis.watching is not None:
        _say(panel, axis.watching, "and watches")
    left = float(at.min(initial=0.0)) - 1
    _draw_median(panel, (max(left, -10.0), 0.0), before)
    _draw_median(panel, (max(axis.end - 10.0, 0.0), axis.end), after)
    if result["app_ops_per_s_all_fast"] is not None:
        _draw_all_fast(panel, result["app_ops_per_s_all_fast"] / 1e6)
    panel.set_ylim(0, 1.35 * max(millions.max(initial=0.0), before, after, 1e-6))
    panel.set_ylabel("touches a second\n(millions)")


def _draw_all_fast(panel: Axes, millions: float) -> None:
    panel.axhline(millions, color=_HOT, linewidth=1.2, linestyle=":")
    panel.annotate(
        f"all memory fast: {millions:.2f} M",
        (1, millions),
        (-4, 4),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        ha="right",
        fontsize=9,
        color=_HOT,
    )


def _draw_median(panel: Axes, span: tuple[float, float], value: float) -> None:
    panel.hlines(value, *span, color="black", linewidth=1.4, linestyle=(0, (4, 2)))
    panel.text(
        sum(span) / 2,
        0.06,
        f"median {value:.2f} M",
        transform=panel.get_xaxis_transform(),
        ha="center",
        fontsize=10,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.5},
    )


def _draw_moments(panel: Axes, axis: _Axis) -> None:
    panel.axvline(0, color="black", linewidth=1.2)
    _say(panel, 0.0, "mmscand starts")
    if axis.watching is not None:
        # Its imports take seconds under emulation: nothing is scanned in the grey band.
        panel.axvspan(0, axis.watching, color=_QUIET, alpha=0.15, linewidth=0)
    panel.grid(alpha=0.25)
    panel.spines[["top", "right"]].set_visible(False)


def _say(panel: Axes, moment: float, text: str) -> None:
    """Words at the upper end of the panel, right of that moment."""
    panel.annotate(
        text,
        (moment, 1),
        (4, -12),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        fontsize=9,
        color="#444444",
    )
