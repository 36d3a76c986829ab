"""Recordings of several machines in one picture, by the wall clock."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmscand.cli.app import main
from mmscand.errors import UsageError
from mmscand.heatmap import fleet as module
from mmscand.heatmap.fleet import fleet
from mmscand.heatmap.model import Gathered, Sum
from support.sim_daemon import HOT, tiers
from unit.heatmap.test_drawing import gathered
from unit.record.test_recorder import tape, touch


def machine(path: Path, name: bytes) -> Path:
    world = tiers()
    world.vma.name, world.process.cgroup = name, "/db"
    world.machine.map(world.process, 8 << 30, 512, 0)
    tape(world.machine, path, [touch(world, HOT)] * 2)
    return path


@pytest.mark.parametrize(
    ("by", "bands"),
    [
        ("file", [("a", 5), ("b", 5)]),
        ("cgroup", [("/db", 10)]),
        ("mapping", [("[heap]", 4), ("[other]", 4), ("without a name", 2)]),
    ],
)
def test_bands_of_one_name_are_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str, bands: list
) -> None:
    # Both begin at one time: the first may have ended before the second begins.
    read = module._part
    monkeypatch.setattr(
        module, "_part", lambda *args, **more: replace(read(*args, **more), started_unix_s=0.0)
    )
    paths = [machine(tmp_path / "a.mms", b"[heap]"), machine(tmp_path / "b.mms", b"[other]")]
    with ThreadPoolExecutor(2) as executor:
        found = fleet(paths, by, executor)  # type: ignore[arg-type]
    assert sorted(found.bands) == bands
    assert found.title == "2 recordings"
    assert found.sums[Sum.HEAT].max() > 0
    assert found.sums[Sum.PRESENT].sum(axis=1).max() == 2 * 2560


def test_a_file_that_is_no_recording_is_named(tmp_path: Path) -> None:
    with (
        ThreadPoolExecutor(1) as executor,
        pytest.raises(UsageError, match=r"^/etc/passwd is no rec"),
    ):
        fleet([Path("/etc/passwd")], "file", executor)


def test_looks_are_where_the_wall_clock_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (replace(gathered(looks=4), bands=((name, 8),)) for name in "ab")
    for part, looks in ((first, 4), (second, 4)):
        part.sums[:] = 1 + np.arange(looks)[None, :, None]
    second = replace(second, started_unix_s=first.started_unix_s + 2, at_s=np.arange(4) * 2.0)
    parts = {Path("a"): first, Path("b"): second}

    def part(path: Path, label: str, by: str) -> Gathered:
        return parts[path]

    monkeypatch.setattr(module, "_part", part)
    with ThreadPoolExecutor(1) as executor:
        found = fleet([*parts], "file", executor)
    assert found.at_s.tolist() == [*range(9)]
    a, b = found.sums[0, :, 0].tolist(), found.sums[0, :, 8].tolist()
    assert a == [1, 2, 3, 4, 0, 0, 0, 0, 0]
    assert b == [0, 0, 1, 1, 2, 2, 3, 3, 4]


def test_looks_that_are_too_close_are_one_with_their_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    part = replace(gathered(looks=1200), bands=(("a", 8),))
    part.sums[:] = 7
    monkeypatch.setattr(module, "_part", lambda path, label, by: part)
    with ThreadPoolExecutor(1) as executor:
        found = fleet([Path("a")], "file", executor)
    assert found.sums.shape[1] == 512
    assert (found.sums == 7).all()


def test_the_command_reads_several_in_processes_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [str(machine(tmp_path / f"{name}.mms", b"[heap]")) for name in "ab"]
    assert main(["heat", "--from", files[0], "--from", files[1], "--by", "file"]) == 0
    lines = capsys.readouterr().out.splitlines()
    # 20 MiB, or 10 where the first had ended when the second began.
    assert lines[0].startswith("2 recordings: ")
    assert lines[1].startswith("a ")
    assert main(["heat", "7", "--from", files[0], "--from", files[1]]) == 2
    assert "a PID is of one machine" in capsys.readouterr().err
