"""The file, the command line on top of it, and one line for every mistake."""

from pathlib import Path
from typing import Any

import pytest

from mmscand import config
from mmscand.config import (
    Config,
    configured_socket,
    load_config,
    parse_assignment,
    parse_assignments,
)
from mmscand.errors import UsageError
from mmscand.model import Process, ProcessFacts
from mmscand.scan.rules import Rules
from mmscand.settings import Settings

FULL = """
[settings]
scan_period_ms = 500
cpu_budget_percent = 2
profile = "v1"

[control]
socket = "/run/other.sock"
group = "adm"

[[rule]]
exclude = true

[[rule]]
name = "^post"
uid = 26

[[rule]]
cgroup = "/system.slice"
aggressiveness = 9
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mmscand.toml"
    path.write_text(FULL)
    return path


def test_everything_that_a_file_can_say(file: Path) -> None:
    read = load_config(file)
    wanted = Settings(scan_period_ms=500, cpu_budget_percent=2.0, profile="v1")
    assert (read.settings, read.group, read.clamped) == (wanted, "adm", ())
    assert read.socket == Path("/run/other.sock")
    assert [(r.aggressiveness, r.source) for r in read.rules.rules] == [
        (0, "default"),
        (5, "name=^post uid=26"),
        (9, "cgroup=/system.slice"),
    ]
    postgres = ProcessFacts(Process(1, 1, "postgres"), 0, 26, "/")
    assert read.rules.decide(postgres).aggressiveness == 5


def test_the_command_line_is_on_top(file: Path) -> None:
    read = load_config(file, ["scan_period_ms=700", "scan_enabled=off"], socket=Path("s"))
    assert read.settings.scan_period_ms == 700
    assert (read.settings.profile, read.settings.scan_enabled) == ("v1", False)
    assert read.socket == Path("s")


def test_a_default_file_need_not_be_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(config, "DEFAULT_FILE", tmp_path / "none")
    assert load_config() == Config(Settings(), Rules())


def test_a_clamp_is_told_for_what_is_in_force(tmp_path: Path) -> None:
    path = tmp_path / "c"
    path.write_text("[settings]\nscan_period_ms = 20000")
    read = load_config(path)
    assert read.settings.scan_period_ms == 10_000
    assert read.clamped[0].startswith("scan_period_ms 20000 became 10000")
    assert load_config(path, ["scan_period_max_ms=30000"]).clamped == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = y", "Invalid value .*line 1.*: it has to be TOML"),
        ("[setting]", "no key 'setting' is known: known are settings, control, rule"),
        ("settings = 3", "settings: is not a table"),
        ("[settings]\nscan_perod_ms = 5", "settings: no knob 'scan_perod_ms': did you mean scan_p"),
        ("[settings]\nscan_period_ms = 0", "settings: scan_period_ms: .* 1"),
        ("[settings]\nscan_period_ms = '5'", "settings: scan_period_ms: .*integer"),
        ("[settings]\nscan_enabled = 1", "settings: scan_enabled: .*boolean"),
        ("[settings]\ncpu_budget_percent = nan", "settings: cpu_budget_percent: "),
        ("[settings]\nscan_size_min_mb = 2000000", "settings: scan_size_min_mb is above"),
        ("[control]\npath = '/x'", "control: no key 'path' is known"),
        ("[control]\nsocket = 'x'", "control: socket: 'x' does not begin with /"),
        ("[control]\ngroup = 4", "control: group: 4 is not text"),
        ("[control]\ngroup = ''", "control: group: '': 1 to 4096 characters"),
        ("rule = 1", "rule: is not a list of tables"),
        ("[rule]\npid = 1", "rule: is not a list of tables"),
        ("[[rule]]\npid=1\n[[rule]]", "rule 2: is empty"),
        ("[[rule]]\ncomm = 'x'", "rule 1: no key 'comm'"),
        ("[[rule]]\npid = 0", "rule 1: pid: 0: 1 to 4194304 allowed"),
        ("[[rule]]\npid = true", "rule 1: pid: True is not a whole number"),
        ("[[rule]]\nuid = -1", "rule 1: uid: -1"),
        ("[[rule]]\nname = '['", "rule 1: name: unterminated"),
        ("[[rule]]\ncgroup = 'a'", "rule 1: cgroup 'a' does not begin with /"),
        ("[[rule]]\naggressiveness = 11", "rule 1: aggressiveness: 11: 0 to 10 allowed"),
        ("[[rule]]\naggressiveness = 5.0", "rule 1: aggressiveness: 5.0 is not a whole"),
        ("[[rule]]\nexclude = true\naggressiveness = 3", "rule 1: has exclude and aggressiveness"),
    ],
)
def test_a_mistake_is_one_line_with_file_and_key(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=words) as refused:
        load_config(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert "\n" not in str(refused.value)


def test_a_file_that_was_named_must_be_there_and_be_text(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        load_config(tmp_path / "none")
    with pytest.raises(UsageError, match="Is a directory"):
        load_config(tmp_path)
    (tmp_path / "b").write_bytes(b"\xff")
    with pytest.raises(UsageError, match="UTF-8"):
        load_config(tmp_path / "b")


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("scan_period_ms=500", ("scan_period_ms", 500)),
        (" target_node = -1 ", ("target_node", -1)),
        ("scan_enabled=off", ("scan_enabled", False)),
        ("scan_enabled=TRUE", ("scan_enabled", True)),
        ("cpu_budget_percent=1.5", ("cpu_budget_percent", 1.5)),
        ("profile=v3", ("profile", "v3")),
    ],
)
def test_a_value_has_the_type_of_its_knob(text: str, parsed: tuple[str, Any]) -> None:
    name, value = parse_assignment(text)
    assert ((name, value), type(value)) == (parsed, type(parsed[1]))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("scan_period_ms", "is not NAME=VALUE: say it like"),
        ("scan_period_ms=1.5", "'1.5' is not a whole number"),
        ("scan_period_ms=", "'' is not a whole number"),
        ("scan_enabled=2", "'2' is not on or off"),
        ("cpu_budget_percent=x", "'x' is not a number"),
        ("period=1", "no knob 'period'"),
        ("=1", "no knob ''"),
    ],
)
def test_what_is_no_assignment_is_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse_assignment(text)


def test_of_a_knob_that_is_named_twice_the_last_counts() -> None:
    assert parse_assignments(["hot_passes=2", "hot_passes=4"]) == {"hot_passes": 4}


def test_a_client_finds_the_socket_of_the_file(file: Path, tmp_path: Path) -> None:
    assert configured_socket(file) == Path("/run/other.sock")
    assert configured_socket(tmp_path / "none") == config.DEFAULT_SOCKET
    file.write_text("nonsense")
    assert configured_socket(file) == config.DEFAULT_SOCKET
