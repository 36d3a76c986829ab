"""`mmscand lab compare`, with a guest that has run already."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from mmscand.cli.app import main
from mmscand_lab import experiment
from mmscand_lab.kernel import LabError
from mmscand_lab.standings import LEVELS, Run, run_folder, save_curve

RUNS = [
    Run("zipf", "damon", 1, {"hit_share": 0.6}),
    Run("zipf", "mmscand", 1, {"hit_share": 0.5}),
    Run("zipf", "mmscand", 2, {"hit_share": 0.4}),
    Run("gups", "mmscand", 1, {"hit_share": 0.9}),
]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[object]]:
    """What was asked of the guest, each time."""
    calls: list[Sequence[object]] = []

    def run(results: Path, *what: Sequence[object], progress: object) -> list[Run]:
        calls.extend(what)
        return RUNS

    monkeypatch.setattr(experiment, "run_contest", run)
    return calls


def test_medians_losses_and_the_command_are_printed_and_written(
    asked: list[Sequence[object]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "f.json"
    argv = ["lab", "compare", "--workloads", "zipf", "--policies", "damon,mmscand"]
    argv += ["--seeds", "1,2", "--results", str(tmp_path), "--json", str(file)]
    argv += ["--picture", str(tmp_path / "p.png")]
    folder = run_folder(tmp_path, "zipf", "mmscand", 1)
    folder.mkdir()
    save_curve(folder, LEVELS, [(0.0, 0.1), (1.0, 0.5)])
    monkeypatch.setattr("sys.argv", ["mmscand", *argv])
    assert main(argv) == 0
    assert asked == [["zipf"], ["damon", "mmscand"], [1, 2]]
    said = capsys.readouterr().out
    assert "| hits at the end | 60.0% |  45.0%* |" in said
    assert "gups" not in said
    written = json.loads(file.read_text())
    assert written["command"].startswith("mmscand lab compare --workloads zipf")
    assert written["medians"]["zipf"]["mmscand"] == {"hit_share": 0.45}
    assert [loss["other"] for loss in written["losses"]] == ["damon"]
    assert len(written["runs"]) == 3
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def test_the_daemon_with_another_knob_is_a_way_of_its_own(
    asked: list[Sequence[object]], tmp_path: Path
) -> None:
    ways = "mmscand,mmscand:migrate_rate_mb_s=8:cpu_budget_percent=10"
    assert main(["lab", "compare", "--policies", ways, "--results", str(tmp_path)]) == 0
    assert asked[1] == ways.split(",")


def test_all_workloads_and_ways_are_compared_if_none_are_named(
    asked: list[Sequence[object]], tmp_path: Path
) -> None:
    assert main(["lab", "compare", "--results", str(tmp_path)]) == 0
    loads, ways, seeds = asked
    assert {"gups", "zipf", "shift", "stream", "redis", "postgres"} <= set(loads)
    assert {"nothing", "numa-balancing-1", "numa-balancing-2", "damon", "mmscand"} <= set(ways)
    assert seeds == [1, 2, 3]


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--workloads", "nope", "no workload 'nope'"),
        ("--policies", "nope", "no policy 'nope'"),
        ("--policies", "mmscand:policies=two-pass", "no knob 'policies': did you mean policy?"),
        ("--policies", "mmscand:scan_period_ms=x", "scan_period_ms: 'x' is not"),
        ("--policies", "damon:policy=two-pass", "no policy 'damon:policy=two-pass'"),
        ("--policies", "mmscand:", "no policy 'mmscand:': there are"),
        ("--policies", "mmscand:policy = two-pass", "no policy 'mmscand:policy = two-pass'"),
        ("--policies", "mmscand:scan_period_ms=7", "scan_period_ms 7 became 1000, its limits"),
        ("--policies", "mmscand:scan_period_min_ms=5000", "is above"),
        ("--seeds", "x", "seeds: 'x'"),
        ("--json", "/proc/no/such", "cannot write"),
    ],
)
def test_what_cannot_be_is_one_line_before_the_guest(
    asked: list[Sequence[object]],
    option: str,
    value: str,
    words: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["lab", "compare", option, value, "--results", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
    assert asked == []


def test_an_interruption_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(experiment, "run_contest", interrupted)
    assert main(["lab", "compare", "--results", str(tmp_path)]) == 1
    assert f"goes on from {tmp_path}" in capsys.readouterr().err


def test_what_the_guest_says_is_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failed(*_: object, **__: object) -> None:
        raise LabError("the guest is gone", hint="look")

    monkeypatch.setattr(experiment, "run_contest", failed)
    assert main(["lab", "compare", "--results", str(tmp_path)]) == 1
    assert "the guest is gone" in capsys.readouterr().err
