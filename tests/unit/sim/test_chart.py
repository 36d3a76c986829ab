"""The picture of a comparison: every workload has its panel, every policy and ratio its line."""

from pathlib import Path
from typing import Any

import pytest

from mmscand.sim.chart import draw, figure_of
from mmscand.sim.judgement import Cell, Table

WORKLOADS, POLICIES, RATIOS, INTENSITIES = "abcde", ("capacity", "nothing"), (2, 8), (0.1, 1.0)


@pytest.fixture
def table() -> Table:
    figures: Any = {"regret_pp": 1.5}
    return {
        Cell(workload, ratio, intensity, policy): figures
        for workload in WORKLOADS
        for ratio in RATIOS
        for intensity in INTENSITIES
        for policy in POLICIES
    }


def test_every_workload_has_a_panel_and_every_policy_and_ratio_a_line(table: Table) -> None:
    panels = [panel for panel in figure_of(table).axes if panel.axison]
    assert [panel.get_title() for panel in panels] == [*WORKLOADS]
    for panel in panels:
        looks = {(line.get_color(), line.get_linestyle()) for line in panel.lines}
        assert len(looks) == len(POLICIES) * len(RATIOS)
        for line in panel.lines:
            assert [*line.get_xdata()] == [*INTENSITIES]
            assert [*line.get_ydata()] == [1.5, 1.5]


def test_the_format_is_by_the_files_name(table: Table, tmp_path: Path) -> None:
    draw(table, tmp_path / "picture.svg")
    assert "<svg" in (tmp_path / "picture.svg").read_text()
