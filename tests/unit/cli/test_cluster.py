"""Commands that send their work to a Dask cluster: a real scheduler with a worker."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from subprocess import DEVNULL, Popen, TimeoutExpired

import pytest

from mmscand.cli.app import main
from unit.record.test_sizes import recorded

SRC = Path(__file__).resolve().parents[3] / "src"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a scheduler of Dask on this machine, with one worker in a process of its own."""
    folder = tmp_path_factory.mktemp("dask")
    file = folder / "scheduler.json"
    known = ("--scheduler-file", str(file))
    with ExitStack() as stack:
        scheduler = started(stack, folder, "dask_scheduler", "--port", "0", *known)
        while not (known_at := address_in(file)):
            with suppress(TimeoutExpired):
                assert scheduler.wait(0.05) is None, "the scheduler has ended"
        started(stack, folder, "dask_worker", "--no-nanny", "--nthreads", "1", *known)
        yield known_at


def address_in(file: Path) -> str:
    """Empty until the scheduler has written all of it."""
    with suppress(OSError, ValueError):
        return str(json.loads(file.read_text())["address"])
    return ""


def started(stack: ExitStack, folder: Path, name: str, *options: str) -> "Popen[bytes]":
    command = [sys.executable, "-m", f"distributed.cli.{name}", "--host", "127.0.0.1"]
    process = stack.enter_context(
        Popen(
            [*command, "--no-dashboard", *options],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(SRC), "DASK_TEMPORARY_DIRECTORY": str(folder)},
            stderr=DEVNULL,
        )
    )
    stack.callback(process.terminate)
    return process


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    paths = [recorded(tmp_path / name) for name in ("a.mms", "b.mms")]
    return [word for path in paths for word in ("--from", str(path))]


def test_size_of_several_recordings_is_the_same_there_as_here(
    address: str, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    answers = []
    for options in ((), ("--address", address)):
        assert main(["size", *files, "--json", *options]) == 0
        answers.append(json.loads(capsys.readouterr().out))
    assert answers[0] == answers[1]
    assert answers[0]["of"] == "2 recordings"
    assert [part["of"] for part in answers[0]["recordings"]] == [files[1], files[3]]
    pages = [part["pages"] for part in answers[0]["recordings"]]
    assert sum(pages) == pytest.approx(answers[0]["pages"])
    assert main(["size", *files]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith(f" {files[3]}")


def test_one_recording_there_has_its_name_and_none_is_counted_twice(
    address: str, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["size", *files[:2], "--json", "--address", address]) == 0
    assert json.loads(capsys.readouterr().out)["of"] == files[1]
    assert main(["size", *files[:2], *files[:2]]) == 2
    assert "a recording is named twice: name each once" in capsys.readouterr().err


def test_a_heat_map_of_several_recordings_is_drawn_there(
    address: str, files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = []
    for options in ((), ("--address", address)):
        svg = tmp_path / f"{len(options)}.svg"
        assert main(["heat", *files, "--by", "file", "--svg", str(svg), *options]) == 0
        pictures.append(svg.read_text())
    assert pictures[0] == pictures[1]


def test_cases_are_simulated_there(address: str, tmp_path: Path) -> None:
    cases = ["--workloads", "gups", "--policies", "nothing", "--ratios", "1:8", "--pages", "256"]
    found = []
    for options in ((), ("--address", address)):
        json_file, folder = tmp_path / f"{len(options)}.json", tmp_path / f"{len(options)}"
        more = ["--intensities", "1", "--seeds", "1", "--resume", str(folder)]
        assert main(["compare", *cases, *more, "--json", str(json_file), *options]) == 0
        found.append(json.loads(json_file.read_text()))
    assert found[0] == found[1]


def test_without_recordings_an_address_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["size", "--address", "tcp://127.0.0.1:1"]) == 2
    assert "--address is for recordings: name them by --from" in capsys.readouterr().err
