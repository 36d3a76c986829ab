"""`mmscand simulate` and `compare`: what they print and write, and what goes wrong in one line."""

import json
from pathlib import Path

import pytest

from mmscand.cli import simulate
from mmscand.cli.app import main

SMALL = ["--pages", "512", "--windows", "20"]


def test_simulate_prints_figures_and_writes_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "f.json"
    assert main(["simulate", "--workload", "gups", *SMALL, "--json", str(file)]) == 0
    assert "regret_pp" in capsys.readouterr().out
    assert json.loads(file.read_text())["case"]["workload"] == "gups"


def test_compare_prints_writes_draws_and_resumes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["compare", "--workloads", "gups,uniform", "--policies", "capacity,nothing"]
    arguments += ["--ratios", "1:8", "--intensities", "1", "--seeds", "1", "--pages", "256"]
    arguments += ["--resume", str(tmp_path / "cases"), "--jobs", "1"]
    arguments += ["--json", str(tmp_path / "c.json"), "--picture", str(tmp_path / "c.png")]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "where capacity loses: 0 places" in said
    assert "slower than doing nothing" in said
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    assert len(json.loads((tmp_path / "c.json").read_text())["cases"]) == 4
    assert len(list((tmp_path / "cases").glob("*.json"))) == 4


@pytest.mark.parametrize(
    ("arguments", "reported"),
    [
        (["simulate", "--workload", "zip"], "no workload 'zip': there are zipf-0.7"),
        (["simulate", "--workload", "gups", "--policy", "x"], "no policy 'x': there are capacity"),
        (["simulate", "--workload", "gups", "--ratio", "8"], "write 1:8"),
        (["simulate", "--workload", "gups", "--ratio", "1:x"], "numbers above 0"),
        (["simulate", "--workload", "gups", "--ratio", "1:64"], "at most 1:63"),
        (["simulate", "--workload", "gups", "--intensity", "0"], "intensity: '0.0' does not work"),
        (["simulate", "--workload", "gups", "--intensity", "nan"], "does not work"),
        (["simulate", "--workload", "gups", "--windows", "1"], "between 4 and a million"),
        (["simulate", "--workload", "gups", "--pages", "3"], "pages"),
        (["simulate"], "workload"),
        (["compare", "--seeds", "1,a"], "seeds: '1,a' does not work"),
        (["compare", "--workloads", "gups,nope"], "no workload 'nope'"),
    ],
)
def test_mistakes_are_one_line_with_what_to_do(
    arguments: list[str], reported: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert reported in error
    assert error.count("\n") == 1


def test_a_file_that_cannot_be_written_is_said_before_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", "--workload", "gups", "--json", str(tmp_path)]) == 2
    assert "cannot write" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["simulate", "--workload", "gups"], ["compare"]])
def test_a_folder_that_cannot_be_made_is_one_line_too(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main([*command, "--json", str(tmp_path / "file" / "folder" / "x.json")]) == 2
    assert "x.json: Not a directory: choose" in capsys.readouterr().err


def test_without_matplotlib_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(simulate.importlib.util, "find_spec", lambda name: None)
    assert main(["compare"]) == 3
    assert "pip install 'mmscand[compare]'" in capsys.readouterr().err
