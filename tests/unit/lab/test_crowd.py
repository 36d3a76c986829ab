"""The other end of the crowd, with a few lines of shell in its place."""

import subprocess
from collections.abc import Iterator

import pytest

from mmscand_lab.crowd import Crowd
from mmscand_lab.kernel import LabError

ODD = ["kvm", "bound", "pinned", "container"]
Process = subprocess.Popen[str]


def line(name: str, pid: int = 1) -> str:
    return f'{{"name": "{name}", "pid": {pid}, "address": 4096, "pages": 2}}'


@pytest.fixture
def processes() -> Iterator[list[Process]]:
    started: list[Process] = []
    yield started
    for process in started:
        process.communicate()


def crowd(processes: list[Process], answers: list[str], small: int) -> Crowd:
    script = "\n".join(["cat << 'END'", *answers, "END", "cat > /dev/null"])
    pipe = subprocess.PIPE
    processes.append(
        subprocess.Popen(["/bin/sh", "-c", script], stdin=pipe, stdout=pipe, text=True)
    )
    return Crowd(processes[-1], small)


def test_inhabitants_are_known_by_name_and_answers_follow(processes: list[Process]) -> None:
    answers = [line("small", 8), *map(line, ODD), line("small", 9), line("idle"), '{"storm": 300}']
    found = crowd(processes, answers, 2)
    assert [each.pid for each in found.small] == [8, 9]
    assert sorted(found.named) == sorted(ODD)
    found.fill_fast_node(100)
    assert found.named["idle"].pages == 2
    assert found.storm(300) == 300


def test_one_that_fails_is_an_error_in_its_words(processes: list[Process]) -> None:
    with pytest.raises(LabError, match="kvm: no such device"):
        crowd(processes, ['{"error": "kvm: no such device"}'], 0)


def test_a_crowd_that_ends_is_an_error(processes: list[Process]) -> None:
    script = subprocess.Popen(["true"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    processes.append(script)
    with pytest.raises(LabError, match="has ended"):
        Crowd(script, 0)
