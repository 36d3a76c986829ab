"""The picture of a contest, from files that the test writes."""

from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

from mmscand_lab.contest_figure import draw, drawn
from mmscand_lab.standings import LEVELS, THROUGHPUT, Run, run_folder, save_curve


@pytest.mark.parametrize("loads", [["gups"], ["gups", "redis", "zipf"]])
def test_a_panel_a_load_is_drawn_also_with_runs_that_have_no_levels(
    loads: list[str], tmp_path: Path
) -> None:
    runs = [
        Run(load, policy, seed, {"memory_share" if load == "redis" else "hit_share": 0.5})
        for load in loads
        for policy in ("damon", "mmscand")
        for seed in (1, 2)
    ]
    for run in runs[1:]:
        folder = run_folder(tmp_path, run.load, run.policy, run.seed)
        folder.mkdir()
        save_curve(folder, LEVELS, [(0.0, 0.0), (0.5, 0.2), (1.0, 0.8)])
    picture = tmp_path / "new" / "p.png"
    draw(tmp_path, runs, picture)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 5000


def test_throughput_is_drawn_where_it_is_known_each_second_as_the_median_of_three(
    tmp_path: Path,
) -> None:
    run = Run("gups", "mmscand", 1, {"hit_share": 0.5, "throughput_alone": 0.4})
    folder = run_folder(tmp_path, run.load, run.policy, run.seed)
    folder.mkdir()
    save_curve(folder, LEVELS, [(0.0, 0.1)])
    save_curve(folder, THROUGHPUT, [(0.0, 0.4), (1.0, 0.1), (2.0, 0.9), (3.0, 0.9)])
    panel = drawn(tmp_path, [run]).axes[0]
    assert panel.get_ylabel() == "% of all-fast"
    assert list(panel.lines[0].get_ydata()) == pytest.approx([25, 40, 90, 90])
