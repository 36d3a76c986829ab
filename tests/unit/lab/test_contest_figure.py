"""The picture of a contest, from files that the test writes."""

from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

from mmscand_lab.contest_figure import draw
from mmscand_lab.standings import Run, run_folder, save_levels


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
        save_levels(folder, [0.0, 0.5, 1.0], [0.0, 0.2, 0.8])
    picture = tmp_path / "new" / "p.png"
    draw(tmp_path, runs, picture)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 5000
