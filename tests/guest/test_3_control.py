"""A running daemon, steered by its own commands as an operator does it."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmscand.cli.app import main
from support.guest_daemon import line_with
from support.guest_world import nodes_in_a_file
from support.live_world import LiveActor, LiveWorld

Json = dict[str, object]


@pytest.fixture
def actor(world: LiveWorld) -> LiveActor:
    actor = world.actor()
    assert isinstance(actor, LiveActor)
    actor.map(1024)
    return actor


@pytest.fixture
def config(tmp_path: Path, actor: LiveActor) -> Path:
    path = tmp_path / "mmscand.toml"
    path.write_text(
        "[settings]\nscan_period_ms = 500\ncpu_budget_percent = 50.0\n"
        f"{nodes_in_a_file()}[control]\nsocket = '{tmp_path}/mmscand.sock'\n"
        "[[rule]]\nname = '^python'\naggressiveness = 8\n"
        "[[rule]]\nname = '^sleep'\naggressiveness = 0\n"
    )
    return path


@pytest.fixture
def daemon(config: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "mmscand", "run", "--json", "--config", str(config)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    line_with(process, "pass_end")
    yield process
    process.send_signal(signal.SIGTERM)
    _, complaints = process.communicate()
    assert (process.returncode, complaints) == (0, "")


def test_an_operator_sees_and_steers_a_running_daemon(
    daemon: subprocess.Popen[str],
    config: Path,
    actor: LiveActor,
    capsys: pytest.CaptureFixture[str],
) -> None:
    socket = str(config.parent / "mmscand.sock")

    def ask(*words: str, code: int = 0) -> Json:
        assert main([*words, "--json", "--socket", socket]) == code
        out = capsys.readouterr().out
        answer: Json = json.loads(out) if code == 0 else {}
        return answer

    status = ask("status")
    assert (status["enabled"], status["pid"]) == (True, daemon.pid)
    processes = ask("ps")["processes"]
    assert isinstance(processes, list)
    mine = next(p for p in processes if p["pid"] == actor.process.pid)
    assert (mine["aggressiveness"], mine["rule"]) == (8, "name=^python")

    assert main(["set", "scan_period_ms=0", "--socket", socket]) == 2
    assert "scan_period_ms" in capsys.readouterr().err
    ask("set", "hot_passes=3", "scan_period_ms=700")
    assert "3" in str(ask("get", "hot_passes"))
    ask("disable")
    assert ask("status")["enabled"] is False
    ask("enable")
    assert ask("status")["enabled"] is True

    config.write_text(config.read_text().replace("aggressiveness = 8", "aggressiveness = 3"))
    daemon.send_signal(signal.SIGHUP)
    line_with(daemon, '"note"')
    judged = -1
    while judged != 3:  # by the look that follows, after visits that are under way
        line_with(daemon, "pass_end")
        changed = ask("ps")["processes"]
        assert isinstance(changed, list)
        judged = next(p for p in changed if p["pid"] == actor.process.pid)["aggressiveness"]

    second = [sys.executable, "-m", "mmscand", "run", "--config", str(config)]
    refused = subprocess.run(second, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert f"pid {daemon.pid}" in refused.stderr
    assert refused.stderr.count("\n") == 1
