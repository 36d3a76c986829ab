"""A reload of a daemon whose knobs were set at run time."""

import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from mmscand.cli.controlled import ControlledDaemon
from mmscand.config import Config, load_config
from mmscand.daemon import Daemon
from mmscand.errors import UsageError
from mmscand.node_lists import NamedNodes
from mmscand.scan.rules import Rule, Rules
from mmscand.settings import Settings
from mmscand.sim.machine import SimMachine
from mmscand.sim.nodes import sim_topology


@dataclass
class World:
    """A daemon that is not started, and the file that it reads."""

    file: Config

    def __post_init__(self) -> None:
        machine = SimMachine(sim_topology((0,), (1,), {0: 512, 1: 512}))
        self.daemon = Daemon(machine, settings=self.file.settings)
        self.controlled = ControlledDaemon(self.daemon, self.file, lambda: self.file)

    def write(self, **settings: object) -> None:
        self.file = replace(self.file, settings=Settings(**settings))


@pytest.fixture
def world() -> World:
    return World(Config(Settings(headroom_percent=3.0), Rules()))


def test_what_was_set_at_run_time_survives_a_reload_and_is_named(world: World) -> None:
    world.controlled.disable()
    world.daemon.settings.change({"headroom_percent": 7.0, "hot_passes": 4})
    world.write(headroom_percent=5.0, hot_passes=4, scan_sleep_ms=30)
    for changes in (["scan_sleep_ms 0 became 30"], []):
        assert world.controlled.reload() == [
            *changes,
            "scan_enabled stays off, as it was set at run time; the configuration says on: "
            "`mmscand reset scan_enabled` takes that",
            "headroom_percent stays 7.0, as it was set at run time; the configuration says 5.0: "
            "`mmscand reset headroom_percent` takes that",
        ]
    now = world.daemon.settings.current
    assert (now.scan_enabled, now.headroom_percent, now.hot_passes) == (False, 7.0, 4)


def test_after_a_reset_the_configuration_counts_again(world: World) -> None:
    world.daemon.settings.change({"headroom_percent": 7.0})
    world.write(headroom_percent=5.0)
    world.controlled.reload()
    assert world.daemon.settings.reset(["headroom_percent"]).headroom_percent == 5.0
    world.write(headroom_percent=6.0)
    assert world.controlled.reload() == ["headroom_percent 5.0 became 6.0"]
    assert world.controlled.reload_or_why_not() == ["configuration read again, nothing changed"]


def test_other_nodes_take_a_restart(world: World) -> None:
    world.file = replace(world.file, nodes=NamedNodes(slow=frozenset({1})))
    line = "fast and slow nodes change when mmscand is started again"
    assert world.controlled.reload() == [line]
    assert world.controlled.reload() == []


def test_a_file_against_what_was_set_at_run_time_changes_nothing(world: World) -> None:
    world.daemon.settings.change({"scan_period_min_ms": 2000})
    before = world.daemon.settings.current
    world.write(scan_period_max_ms=1500)
    with pytest.raises(UsageError, match="is above"):
        world.controlled.reload()
    assert world.daemon.settings.current == before


@pytest.mark.parametrize("text", ["x = " + "[" * 5000, '[control]\nsocket = "/\\u0000"', "x"])
def test_a_mistake_in_the_file_changes_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text("[settings]\nhot_passes = 4")
    config = load_config(path)
    machine = SimMachine(sim_topology((0,), (1,), {0: 512, 1: 512}))
    daemon = Daemon(machine, settings=config.settings)
    controlled = ControlledDaemon(daemon, config, lambda: load_config(path))
    path.write_text(text)
    (line,) = controlled.reload_or_why_not()
    assert line.startswith(f"configuration not taken over: {path}: ")
    assert daemon.settings.current == config.settings


def test_each_change_that_takes_effect_is_one_generation(world: World) -> None:
    def generation() -> int:
        return world.controlled.status().config_generation

    settings = world.daemon.settings
    assert generation() == 0
    settings.change({"hot_passes": 4})
    settings.change({"hot_passes": 4})
    assert generation() == 1
    with pytest.raises(UsageError):
        settings.change({"hot_passes": 0})
    world.controlled.disable()
    settings.reset()
    assert generation() == 3
    world.controlled.reload()
    assert generation() == 3
    world.write(hot_passes=5)
    rules = Rules([Rule(3, pid=9)])
    world.file = replace(world.file, rules=rules)
    world.controlled.reload()
    assert generation() == 4
    world.file = replace(world.file, rules=Rules())
    world.controlled.reload()
    assert generation() == 5


def test_the_hash_is_what_sha256sum_prints_of_the_file_in_force(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("[settings]\nhot_passes = 4")
    config = load_config(path)
    daemon = Daemon(
        SimMachine(sim_topology((0,), (1,), {0: 512, 1: 512})), settings=config.settings
    )
    controlled = ControlledDaemon(daemon, config, lambda: load_config(path))

    def sha256sum() -> str:
        done = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True)
        return done.stdout[:12]

    first = sha256sum()
    assert controlled.status().config_hash == first
    path.write_text("[settings]\nhot_passes = 0")
    with pytest.raises(UsageError):
        controlled.reload()
    assert controlled.status().config_hash == first
    path.write_text("[settings]\nhot_passes = 5")
    controlled.reload()
    assert controlled.status().config_hash == sha256sum() != first
