"""`mmscand check --config`: a configuration without a daemon and without root."""

import json
from pathlib import Path

import pytest

from mmscand.cli.app import main


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "c.toml"


def test_a_configuration_that_is_right(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("[settings]\nhot_passes = 4\n[[rule]]\nuid = 'root'\n")
    assert main(["check", "--config", str(file)]) == 0
    assert capsys.readouterr() == (f"{file} is a configuration, with 1 rules\n", "")


def test_warnings_are_no_mistakes(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("[settings]\nscan_period_ms = 20000\n[[rule]]\nuid = 1\n[[rule]]\nuid = 1")
    assert main(["check", "--config", str(file)]) == 0
    _, *lines = capsys.readouterr().out.splitlines()
    clamp, doubt = (line.removeprefix("warning: ") for line in lines)
    assert clamp.startswith("scan_period_ms 20000 became 10000")
    assert doubt == "rule 2 (uid=1) has the same conditions as rule 1: that one never decides"
    assert main(["check", "--config", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "file": str(file),
        "mistakes": [],
        "warnings": [clamp, doubt],
    }


@pytest.mark.parametrize("command", [["check"], ["run"]])
def test_all_mistakes_are_reported_a_line_each(
    file: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text("[settings]\nhot_passes = '2'\n[[rule]]\npid = 'x'\n")
    assert main([*command, "--config", str(file)]) == 2
    out, complaints = capsys.readouterr()
    lines = complaints.splitlines()
    assert (out, len(lines)) == ("", 2)
    assert all(line.startswith(f"mmscand: {file}: ") for line in lines)


def test_mistakes_as_json(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("hello")
    assert main(["check", "--config", str(file), "--json"]) == 2
    out, complaint = capsys.readouterr()
    assert [f"mmscand: {each}" for each in json.loads(out)["mistakes"]] == complaint.splitlines()


def test_a_target_that_this_machine_lacks_is_a_mistake(file: Path) -> None:
    file.write_text("[settings]\ntarget_node = 1000")
    assert main(["check", "--config", str(file)]) == 2
