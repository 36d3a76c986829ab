"""The configuration of a daemon over its socket, and what a reload of a file would change."""

import json
from pathlib import Path

import pytest

from mmscand import config, config_snapshot
from mmscand.cli.controlled import ControlledDaemon
from mmscand.config import load_config
from mmscand.config_snapshot import preview
from mmscand.daemon import Daemon
from mmscand.errors import UsageError
from mmscand.node_lists import NamedNodes
from mmscand.sim.machine import SimMachine
from mmscand.sim.nodes import sim_topology

OLD = """
[settings]
headroom_percent = 3
scan_enabled = false

[[rule]]
name = "^post"
uid = 26
aggressiveness = 7

[[rule]]
cgroup = "/system.slice"
unseen_use = true
"""
NEW = """
[settings]
headroom_percent = 5
hot_passes = 4
scan_period_ms = 20000

[[rule]]
name = "^post"
uid = 26
aggressiveness = 2

[[rule]]
pid = 9
exclude = true

[[rule]]
pid = 9
exclude = true
"""


class World:
    """A daemon that was started with a file and an assignment, and a knob set since."""

    def __init__(self, file: Path) -> None:
        self.file = file
        file.write_text(OLD)
        loaded = self.load()
        daemon = Daemon(
            SimMachine(sim_topology((0,), (1,), {0: 512, 1: 512})),
            settings=loaded.settings,
            rules=loaded.rules,
        )
        self.controlled = ControlledDaemon(daemon, loaded, self.load)
        daemon.settings.change({"headroom_percent": 7.0})

    nodes = NamedNodes()
    """Of the command line."""

    def load(self):  # noqa: ANN201
        return load_config(
            self.file, ["scan_sleep_ms=30"], socket=Path("/run/x.sock"), nodes=self.nodes
        )

    def preview(self, file: Path | None = None) -> list[str]:
        """By an answer that was on the wire."""
        answer = json.loads(json.dumps(self.controlled.configuration()))
        return list(preview(answer, file, "whole"))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "mmscand.toml")


def test_the_file_in_force_would_change_nothing_but_what_was_set_since(world: World) -> None:
    (line,) = world.preview()
    assert line.startswith("headroom_percent stays 7.0, as it was set at run time")


@pytest.mark.parametrize("text", ["", OLD, NEW, "[control]\ngroup = 'root'", "[nodes]\nfast = '0'"])
def test_it_says_what_the_reload_says(world: World, text: str) -> None:
    """The same lines, and the daemon is unchanged by the question."""
    world.file.write_text(text)
    before = world.controlled.configuration()
    wanted = world.preview()
    assert world.controlled.configuration() == before
    assert world.controlled.reload() == wanted
    assert len(wanted) >= (text == NEW) * 6


def test_nodes_of_the_command_line_count_whatever_the_file_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = "fast and slow nodes change when mmscand is started again"
    for nodes, wanted in ((NamedNodes(), True), (NamedNodes(slow=frozenset({1})), False)):
        monkeypatch.setattr(World, "nodes", nodes)
        world = World(tmp_path / "c.toml")
        world.file.write_text(OLD + "[nodes]\nslow = '2'")
        assert (named in world.preview()) is wanted


def test_another_file_is_compared_with_the_one_in_force(world: World, tmp_path: Path) -> None:
    other = tmp_path / "canary.toml"
    other.write_text(NEW)
    assert "hot_passes 2 became 4" in world.preview(other)


def test_a_file_that_a_reload_would_refuse_is_refused(world: World, tmp_path: Path) -> None:
    world.controlled.settings.change({"scan_period_min_ms": 2000})
    world.file.write_text("[settings]\nscan_period_max_ms = 1500")
    with pytest.raises(UsageError, match="is above"):
        world.preview()
    with pytest.raises(UsageError, match="no such file"):
        world.preview(tmp_path / "nothing.toml")


def test_a_default_file_that_was_removed_is_an_empty_one(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "DEFAULT_FILE", world.file)
    monkeypatch.setattr(config_snapshot, "DEFAULT_FILE", world.file)
    world.file.unlink()
    assert "scan_enabled off became on" in world.preview()
