"""The picture is written, whatever the experiment was like."""

from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

from mmscand_lab.figure import draw
from mmscand_lab.result import EVENTS, Recording, Result
from mmscand_lab.samples import SAMPLES
from mmscand_lab.scenario import SCENARIOS

MakeResult = Callable[..., Result]


def is_picture(path: Path) -> bool:
    return path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 10_000


def test_a_png_in_a_folder_that_is_made_for_it(make_result: MakeResult, recorded: Path) -> None:
    picture = recorded / "new" / "folder" / "figure.png"
    draw(SCENARIOS["random"], make_result(), Recording.load(recorded), picture)
    assert is_picture(picture)


def test_an_experiment_without_passes_and_batches(make_result: MakeResult, recorded: Path) -> None:
    (recorded / EVENTS).write_text("")
    (recorded / "workload" / "ops.csv").write_text("monotonic_s,ops_per_s\n")
    result = make_result()
    (recorded / SAMPLES).write_text("")
    draw(SCENARIOS["thp"], result, Recording.load(recorded), recorded / "figure.png")
    assert is_picture(recorded / "figure.png")
