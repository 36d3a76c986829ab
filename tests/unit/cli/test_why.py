"""`mmscand why`, against a real socket."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mmscand.cli.app import main
from mmscand.control.listener import ControlServer
from support.fake_daemon import FakeDaemon

Run = Callable[..., list[str]]


@pytest.fixture
def run(server: ControlServer, socket_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str, code: int = 0) -> list[str]:
        assert main(["why", *arguments, "--socket", str(socket_path)]) == code
        captured = capsys.readouterr()
        return (captured.out or captured.err).splitlines()

    return call


def test_a_process_has_its_reasons_and_its_mappings(run: Run) -> None:
    lines = run("7")
    assert lines[0].startswith("app[7]: slowed, rule name=^app; 4.0 MiB on the fast tier, 16.0 MiB")
    assert "  800 KiB  no room: accessed often enough" in lines[2]
    assert "(from 40 accesses/s on)" in lines[2]
    assert lines[3].strip().startswith("400 KiB  refused: hot, but would not move")
    rows = [line.split() for line in lines[lines.index("") + 1 :]]
    assert rows[0] == ["FAST", "SLOW", "HOT", "SLOW", "MOSTLY", "MAPPING"]
    assert rows[1] == ["4.0M", "16.0M", "1.2M", "cold", "[heap]"]
    assert lines[-1] == "1 more left out: memory of a device or of the kernel"


def test_a_page_says_what_is_known_of_it(run: Run) -> None:
    assert run("7", "0x40001000") == [
        "0x40001000 of app[7], in [heap]: 4 KiB page, slow tier",
        "  12 accesses/s, known from 16 accesses in 1.3 s",
        "  refused: hot, but would not move when it was tried (pinned, or in use); it is tried "
        "again",
        "  would not move 2 times; next try in 30 s",
        "  demoted 1 min 35 s ago",
    ]
    assert run("7", "1073745920")[0].startswith("0x40001000 of app[7]")


def test_a_mapping_is_found_by_a_part_of_its_name(run: Run) -> None:
    assert run("7", "hea")[-1].split()[-1] == "[heap]"
    assert "no mapping of app[7] with memory in it has 'none'" in run("7", "none", code=2)[0]


def test_what_is_not_watched_has_its_reason_too(run: Run) -> None:
    assert run("300") == ["process 300 is not watched: it owns a KVM machine"]
    assert run("301") == ["process 301 is not watched: excluded by a rule: name=^app"]
    assert json.loads("".join(run("300", "--json")))["watched"] is False
    assert "there is no process 4194303" in run("4194303", code=2)[0]


def test_top_has_the_reasons_by_hot_memory(run: Run) -> None:
    lines = run("--top")
    assert lines[0].startswith("1.6 MiB: no room: ")
    assert sorted(line.split()[-1] for line in lines[1:3]) == ["app[20]", "app[7]"]
    assert lines[3].startswith("800 KiB: refused: ")


def test_top_names_the_processes_that_a_cpuset_or_a_policy_binds(
    run: Run, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    skipped = [{"cpuset": 1 << 18, "special": 6}, {"bound": 1 << 16}]
    status = daemon.status()
    both = zip(status.processes, skipped, strict=True)
    processes = tuple(replace(one, skipped_pages=pages) for one, pages in both)
    monkeypatch.setattr(daemon, "status", lambda: replace(status, processes=processes))
    lines = run("--top")
    assert lines[-4].startswith("1.0 GiB of address space: kept on slow nodes by the cpuset")
    assert lines[-2].startswith("256 MiB of address space: bound to slow nodes by a memory policy")
    assert [lines[at].split() for at in (-3, -1)] == [
        ["1.0", "GiB", "app[20]"],
        ["256", "MiB", "app[7]"],
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "name one process, or all by --top"),
        (("7", "--top"), "name one process, or all by --top"),
        (("7", "0xzz"), "'0xzz' is no address"),
        (("7", "0x1ffffffffffffffff"), "addresses have 64 bits"),
    ],
)
def test_mistakes_are_one_line(run: Run, arguments: tuple[str, ...], words: str) -> None:
    (line,) = run(*arguments, code=2)
    assert words in line
