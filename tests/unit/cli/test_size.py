"""`mmscand size`, against a real socket and of a real recording."""

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from mmscand.cli.app import main
from mmscand.control.listener import ControlServer

Run = Callable[..., list[str]]


@pytest.fixture
def run(server: ControlServer, socket_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str, code: int = 0) -> list[str]:
        assert main(["size", *arguments, "--socket", str(socket_path)]) == code
        captured = capsys.readouterr()
        return (captured.out or captured.err).splitlines()

    return call


def test_the_curve_of_a_process_has_its_knee_and_what_is_fast_now(run: Run) -> None:
    lines = run("7")
    assert lines[0] == "app[7]: 39.1 MiB"
    assert next(line.split()[:4] for line in lines if "3.9 MiB" in line) == [
        "3.9",
        "MiB",
        "91",
        "%",
    ]
    assert "knee: 3.9 MiB serve 91 %" in lines
    assert lines[-1] == "now: 3.5 MiB are fast; 82 % with the hottest pages there"


def test_all_processes_and_a_cgroup_are_summed(run: Run) -> None:
    assert run()[0] == "all processes that are watched: 78.1 MiB"
    assert run("--cgroup", "/app")[0] == "cgroup '/app': 78.1 MiB"
    assert run("--cgroup", "/app/7/")[0] == "cgroup '/app/7/': 39.1 MiB"
    assert "no rates are known of cgroup '/ap'" in run("--cgroup", "/ap", code=2)[0]


def test_json_and_svg_have_the_same_curve(run: Run, tmp_path: Path) -> None:
    found = json.loads("\n".join(run("7", "--json", "--svg", str(tmp_path / "size.svg"))))
    assert (found["pages"], found["knee_pages"], found["fast_pages_now"]) == (10_000, 1000, 900)
    assert found["curve"][-1] == {"fast_pages": 10_000, "share": 1.0}
    text = (tmp_path / "size.svg").read_text()
    assert "knee 3.9 MiB: 91 %" in text
    assert ElementTree.fromstring(text).tag.endswith("svg")


def test_mistakes_are_one_line(run: Run, tmp_path: Path) -> None:
    (line,) = run("9", code=2)
    assert "no rates are known of process 9" in line
    (line,) = run("7", "--from", str(tmp_path / "no.mms"), code=2)
    assert "--from is of all that was recorded" in line
