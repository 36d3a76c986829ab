"""`mmscand history`: in words, as JSON, and its refusals."""

import json
import time
from pathlib import Path

import pytest

from mmscand.cli.app import main
from mmscand.history.changes import Change
from mmscand.history.writer import HistoryWriter
from support.samples import sample


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path, now = tmp_path / "history.db", int(time.time())
    last = {"promoted": 51200, "demoted": 256, "again": 25600, "failed_ENOMEM": 5120, "shared": 512}
    groups = {"name=redis": {"promoted": 51200, "saved_s": 30.0, "spent_s": 2.0}}
    with HistoryWriter(path) as writer:
        writer.add(now - 20, sample(promoted=0, groups={"name=redis": {}}))
        writer.add(now - 15, None, [Change("setting", "hot_passes 2 became 3")])
        writer.add(now - 10, sample(groups=groups, **last))
    return path


def run(*words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = main(["history", *words])
    return code, *capsys.readouterr()


def test_a_period_in_words(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run("--since", "1min", "--file", str(path), capsys=capsys)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert any(line.endswith("  hot_passes 2 became 3") for line in lines)
    assert "  200 MiB promoted, 1.0 MiB demoted" in lines
    assert any("about 50 % was used again" in line for line in lines)
    assert any("about 30 s saved for 51 s of CPU time (scanning 51 s)" in line for line in lines)
    assert any("20.0 MiB did not move, 9.0 % of all: ENOMEM, no room" in line for line in lines)
    assert any("2.0 MiB hot and kept back: mapped by other processes" in line for line in lines)
    assert lines[-1].split() == ["name=redis", "1", "200", "MiB", "0", "KiB", "30", "s", "2.0", "s"]


def test_a_period_as_json(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run("--since", "1min", "--json", "--file", str(path), capsys=capsys)
    found = json.loads(out)
    assert code == 0
    assert found["counters"]["promoted"] == 51200
    assert found["failed"] == {"ENOMEM": 5120}
    assert found["saved_s"] == 30.0
    assert found["changes"][0]["kind"] == "setting"


def test_nothing_recorded_is_said(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--since", "2d", "--until", "1d", "--file", str(path))
    code, out, _ = run(*words, capsys=capsys)
    assert code == 0
    assert "nothing was recorded in it" in out
    assert "brought" not in out


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (("--since", "soon"), 2, "is no time: write yesterday"),
        (("--since", "now"), 2, "is not before"),
        (("--file", "/nowhere/history.db"), 1, "there is no history in /nowhere/history.db"),
    ],
)
def test_refusals(
    path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, why: str
) -> None:
    given = ("--file", str(path), *words)
    got, out, err = run(*given, capsys=capsys)
    assert (got, out, err.count("\n")) == (code, "", 1)
    assert why in err
