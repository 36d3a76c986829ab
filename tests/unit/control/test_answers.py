"""The answers one by one, through the real socket and the real client."""

from pathlib import Path
from typing import Any

import pytest

from mmscand import __version__
from mmscand.control.client import ControlClient
from mmscand.control.listener import ControlServer
from mmscand.errors import MachineCannot, MmscandError, UsageError
from mmscand.settings import KNOBS, Settings, values_of
from support.fake_daemon import FakeDaemon


@pytest.fixture
def client(server: ControlServer, socket_path: Path) -> ControlClient:
    return ControlClient(socket_path)


def test_the_status_is_the_whole_daemon_without_its_processes(client: ControlClient) -> None:
    status = client.status()
    assert (status["version"], status["enabled"], status["processes"]) == (__version__, True, 2)
    assert status["counters"] == {"promoted": 1024}
    assert status["cpu_seconds"] == {"scanning": 0.25, "aging": 0.125, "moving": 0.5}
    assert status["credit_percent"] == 87
    assert status["hotness"] == {"1": [18, 0, 0, 0, 0, 6, 8]}


def test_processes_are_in_order_and_one_can_be_asked_for(client: ControlClient) -> None:
    listed = client.processes()["processes"]
    assert [each["pid"] for each in listed] == [7, 20]
    assert client.process(7) == listed[0]
    assert (listed[0]["rule"], listed[0]["aggressiveness"]) == ("name=^app", 8)
    assert (listed[0]["target_node"], listed[1]["target_node"]) == (None, 0)


def test_a_process_that_is_not_watched_is_a_usage_error(client: ControlClient) -> None:
    with pytest.raises(UsageError, match="process 300 is not watched: it owns a KVM machine"):
        client.process(300)
    with pytest.raises(UsageError, match="there is no process 4194303"):
        client.process(4_194_303)


def test_processes_that_are_left_alone_and_the_budget_are_listed(client: ControlClient) -> None:
    listed = client.processes()
    assert [(each["pid"], each["why"]) for each in listed["left_alone"]] == [
        (300, "it owns a KVM machine"),
        (301, "excluded by a rule: name=^app"),
    ]
    assert listed["budget"] == client.status()["budget"]
    assert listed["budget"]["used_percent"] == 0.97


def test_knobs_carry_their_unit_bounds_default_and_reason(client: ControlClient) -> None:
    knobs = {knob["name"]: knob for knob in client.knobs()["knobs"]}
    assert list(knobs) == list(KNOBS)
    period = knobs["scan_period_ms"]
    assert (period["value"], period["unit"], period["bounds"]) == (1000, "ms", "1..3600000")
    assert knobs["scan_enabled"]["value"] is True
    assert knobs["profile"]["choices"] == ["auto", "v0", "v1", "v3"]
    assert knobs["cpu_budget_percent"]["bounds"] == "0.01..100"
    assert client.knob("hot_passes")["value"] == 3


def test_the_configuration_has_what_a_reload_compares(
    client: ControlClient, daemon: FakeDaemon
) -> None:
    client.change({"headroom_percent": 7})
    answer = client.configuration()
    assert answer["at_run_time"] == {"headroom_percent": 7.0}
    assert answer["settings"] == values_of(daemon.settings.initial)
    assert [(each["name"], each["aggressiveness"]) for each in answer["rules"]] == [("^app", 8)]
    assert (answer["file"], answer["hash"], answer["generation"]) == ("/etc/mmscand.toml", "", 1)


def test_a_change_is_in_force_at_once_and_a_clamp_is_reported(
    client: ControlClient, daemon: FakeDaemon
) -> None:
    answer = client.change({"scan_period_ms": 5, "scan_sleep_ms": 0})
    assert answer["values"] == {"scan_period_ms": 400, "scan_sleep_ms": 0}
    assert answer["clamped"] == [
        "scan_period_ms 5 became 400, its limits are scan_period_min_ms and scan_period_max_ms"
    ]
    assert daemon.settings.current.scan_sleep_ms == 0


def test_what_a_new_limit_did_to_another_knob_is_reported_too(client: ControlClient) -> None:
    answer = client.change({"scan_period_min_ms": 2000})
    assert answer["values"] == {"scan_period_min_ms": 2000, "scan_period_ms": 2000}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"scan_sleep_ms": 7, "hot_passes": 0}, "hot_passes: 0 is not allowed, give at least 1"),
        ({"scan_sleep_ms": 7, "hot_passes": "2"}, "hot_passes: '2' is text, give a whole number"),
        ({"scan_sleep_ms": 7, "hot_pases": 2}, "no knob 'hot_pases': did you mean hot_passes"),
        ({"scan_sleep_ms": 7, "scan_period_min_ms": 20_000}, "is above scan_period_max_ms"),
        ({"scan_sleep_ms": 7, "profile": None}, "profile: "),
        ({"scan_sleep_ms": -1, "hot_passes": 9}, "at least 0; hot_passes: 9 is not allowed"),
    ],
)
def test_a_change_with_one_mistake_changes_nothing(
    client: ControlClient, daemon: FakeDaemon, changes: dict[str, Any], words: str
) -> None:
    before = daemon.settings.current
    with pytest.raises(UsageError, match=words):
        client.change(changes)
    assert daemon.settings.current == before


def test_a_reset_goes_back_to_the_values_of_the_start(
    client: ControlClient, daemon: FakeDaemon
) -> None:
    client.change({"hot_passes": 5, "scan_sleep_ms": 1, "target_node": 2})
    assert client.reset(["hot_passes", "scan_sleep_ms"])["values"] == {
        "hot_passes": 3,
        "scan_sleep_ms": 0,
    }
    assert daemon.settings.current.target_node == 2
    assert client.reset()["values"].keys() == KNOBS.keys()
    assert daemon.settings.current == Settings(hot_passes=3)


def test_a_reset_of_an_unknown_knob_resets_none(client: ControlClient, daemon: FakeDaemon) -> None:
    client.change({"hot_passes": 5})
    with pytest.raises(UsageError, match="no knob 'x'"):
        client.reset(["hot_passes", "x"])
    assert daemon.settings.current.hot_passes == 5


def test_enable_disable_and_reload_reach_the_daemon(
    client: ControlClient, daemon: FakeDaemon
) -> None:
    assert client.disable() == {"enabled": False}
    assert not client.status()["enabled"]
    assert client.enable() == {"enabled": True}
    assert client.reload() == {"changed": ["scan_sleep_ms 0 became 30"]}
    assert daemon.reloads == 1


@pytest.mark.parametrize("kind", [UsageError, MachineCannot])
def test_a_reload_that_fails_says_why(
    client: ControlClient, daemon: FakeDaemon, kind: type[MmscandError]
) -> None:
    daemon.fails = kind("x.toml: line 3", hint="fix it")
    with pytest.raises(MmscandError, match=r"x\.toml: line 3: fix it"):
        client.reload()


def test_a_bug_in_the_daemon_is_an_answer_too(client: ControlClient, daemon: FakeDaemon) -> None:
    daemon.pids = None
    with pytest.raises(MmscandError, match="please report it"):
        client.status()


def test_heat_is_reported_piece_by_piece(client: ControlClient) -> None:
    heat = client.heat(7)
    assert (heat["pid"], heat["name"], heat["unit"]) == (7, "app", "rate")
    assert heat["mappings"] == [{"name": "[heap]", "start": 1 << 30, "end": 3 << 30}]
    assert heat["pieces"] == [
        {
            "mapping": 0,
            "start": 1 << 30,
            "end": (1 << 30) + (2 << 20),
            "heat": 2.5,
            "told_pages": 512,
            "slow_pages": 512,
            "fast_pages": 256,
        },
        {
            "mapping": None,
            "start": 3 << 30,
            "end": (3 << 30) + (2 << 20),
            "heat": None,
            "told_pages": 0,
            "slow_pages": 256,
            "fast_pages": 512,
        },
    ]


def test_heat_of_a_process_that_is_not_watched_says_why_not(client: ControlClient) -> None:
    with pytest.raises(UsageError, match="process 300 is not watched: it owns a KVM machine"):
        client.heat(300)
    with pytest.raises(UsageError, match="give a whole number"):
        client.heat("x")  # type: ignore[arg-type]
