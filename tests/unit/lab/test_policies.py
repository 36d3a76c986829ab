"""Ways of tiering: what they set, what they start, and that all is as before afterwards."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mmscand.errors import UsageError
from mmscand_lab import policies
from mmscand_lab.kernel import LabError
from mmscand_lab.policies import POLICIES, Stage, policy_named
from mmscand_lab.standings import IDLE, OURS


def node(number: int) -> SimpleNamespace:
    return SimpleNamespace(frame_ranges=((100 * number, 100 * number + 10),))


KNOBS = (["policy=first-touch"], ["scan_period_ms=7", "cpu_budget_percent=5"])
TOPOLOGY: Any = SimpleNamespace(fast={0}, slow={1}, node=node)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(TOPOLOGY, ("--pid", "7"), tmp_path)


@contextmanager
def no_policy(node: int | None) -> Iterator[None]:
    yield


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What damo was asked for; nobody was."""
    calls: list[list[str]] = []
    monkeypatch.setattr(policies, "_damo", calls.append)
    monkeypatch.setattr(policies, "preferring", no_policy)
    return calls


@pytest.mark.parametrize(("name", "mode", "demotion"), [("1", "1", "false"), ("2", "2", "true")])
def test_numa_balancing_is_set_and_given_back(
    name: str, mode: str, demotion: str, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    balancing, demoting = stage.results / "balancing", stage.results / "demotion"
    balancing.write_text("0\n")
    demoting.write_text("false\n")
    monkeypatch.setattr(policies, "_NUMA_BALANCING", balancing)
    monkeypatch.setattr(policies, "_DEMOTION", demoting)
    with POLICIES[f"numa-balancing-{name}"].at_work(stage) as daemon:
        assert daemon is None
        assert (balancing.read_text(), demoting.read_text()) == (mode, demotion)
    assert (balancing.read_text(), demoting.read_text()) == ("0", "false")


def test_a_kernel_without_it_is_reported(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policies, "_NUMA_BALANCING", stage.results / "none")
    with pytest.raises(LabError, match="none: No such file"), policies._numa_balancing(1)(stage):
        pass


def test_damon_has_a_thread_for_each_tier_and_is_stopped(
    stage: Stage, asked: list[list[str]]
) -> None:
    with POLICIES["damon"].at_work(stage):
        [start] = asked
    assert asked[1:] == [["stop"]]
    slow, fast = start.index("100-110"), start.index("0-10")
    assert slow < start.index("migrate_hot") < fast < start.index("migrate_cold")
    assert start[start.index("migrate_hot") + 1] == "0"
    assert start[start.index("migrate_cold") + 1] == "1"


def test_hot_regions_are_promoted_at_once_and_cold_ones_are_demoted_after_a_while(
    stage: Stage, asked: list[list[str]]
) -> None:
    """As damo itself reads it: it deals out options to schemes by their order alone."""
    with POLICIES["damon"].at_work(stage):
        pass
    damo = [str(Path(sys.executable).parent / "damo"), "args", "damon", "--format", "json"]
    reported = subprocess.run([*damo, *asked[0][1:]], capture_output=True, text=True, check=True)
    schemes = [one["contexts"][0]["schemes"][0] for one in json.loads(reported.stdout)["kdamonds"]]
    found = {
        scheme["action"]: (
            scheme["access_pattern"]["age"]["min"],
            scheme["access_pattern"]["nr_accesses"],
            [(one["filter_type"], one["matching"], one["allow"]) for one in scheme["filters"]],
        )
        for scheme in schemes
    }
    assert found == {
        "migrate_hot": ("0 ns", {"min": "5 %", "max": "100 %"}, [("young", False, False)]),
        "migrate_cold": ("10 s", {"min": "0 %", "max": "0 %"}, [("young", True, False)]),
    }


def test_damo_that_fails_or_is_missing_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policies.sys, "executable", str(tmp_path / "python"))
    with pytest.raises(LabError, match="damo is not installed"):
        policies._damo(["stop"])
    (tmp_path / "damo").write_text("#!/bin/sh\necho first >&2\necho no sysfs >&2\nexit 1\n")
    (tmp_path / "damo").chmod(0o755)
    with pytest.raises(LabError, match="damo stop failed: no sysfs"):
        policies._damo(["stop"])


def test_the_daemon_is_ours_with_its_knobs_and_counts_from_its_first_process(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[str]] = []
    (stage.results / "events.jsonl").write_text('{"event": "process_entered"}\n')

    class Daemon:
        process = SimpleNamespace(pid=42)
        stopped = False

        def wait_for(self, done: Callable[[], bool], what: str, limit_s: float) -> None:
            assert done()

        def stop(self) -> None:
            self.stopped = True

    daemon = Daemon()

    @contextmanager
    def running(name: str, argv: list[str], folder: Path, output: Path) -> Iterator[Daemon]:
        started.append(argv)
        yield daemon

    monkeypatch.setattr(policies, "running", running)
    monkeypatch.setattr(policies, "preferring", no_policy)
    with POLICIES["mmscand-first-touch"].at_work(stage) as pid:
        assert pid == 42
    assert daemon.stopped
    with policy_named("mmscand:scan_period_ms=7:cpu_budget_percent=5").at_work(stage):
        pass
    for argv, knobs in zip(started, KNOBS, strict=True):
        assert argv[:4] == ["mmscand", "run", "--pid", "7"]
        assert [argv[-1 - 2 * place] for place in range(len(knobs))] == knobs[::-1]


def test_a_way_that_nobody_knows_is_reported() -> None:
    for name in ("mmscandx:a=1", "mmscand:a", "mmscand:a=../b", "mmscand:a=1:"):
        with pytest.raises(UsageError, match=re.escape(f"no policy '{name}'")):
            policy_named(name)


def test_names_say_whose_they_are() -> None:
    assert IDLE in POLICIES
    ours = [name for name in POLICIES if name.startswith(OURS)]
    assert len(ours) >= 2
    assert all(each.summary for each in POLICIES.values())
