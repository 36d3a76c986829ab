"""The file, the command line on top of it, and one line for every mistake."""

import os
from pathlib import Path
from typing import Any

import pytest

from mmscand import config
from mmscand.assignments import parse_assignment, parse_assignments
from mmscand.config import Config, Source, load_config
from mmscand.config_socket import configured_socket
from mmscand.errors import UsageError
from mmscand.model import Process, ProcessFacts
from mmscand.node_lists import NamedNodes
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

[nodes]
slow = "1,3-4"

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
    assert read.nodes == NamedNodes(slow=frozenset({1, 3, 4}))
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
    assert read.socket == Path.cwd() / "s"


def test_nodes_are_those_of_the_command_line_or_those_of_the_file(file: Path) -> None:
    options = NamedNodes(fast=frozenset({2}))
    assert load_config(file, nodes=options).nodes == options
    assert load_config(file, nodes=options).source.nodes == options
    assert load_config(file, nodes=NamedNodes()).nodes.slow == {1, 3, 4}
    assert load_config(Path("/dev/null")).nodes == NamedNodes()


def test_a_default_file_need_not_be_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(config, "DEFAULT_FILE", tmp_path / "none")
    none = Source(tmp_path / "none")
    assert load_config() == Config(Settings(), Rules(), source=none)


def test_a_clamp_is_reported_for_what_is_in_force(tmp_path: Path) -> None:
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
        ("[setting]", "no key 'setting' is known: known are settings, control, nodes, rule"),
        ("settings = 3", "settings: is not a table"),
        ("[settings]\nscan_perod_ms = 5", "settings: no knob 'scan_perod_ms': did you mean scan_p"),
        (
            "[settings]\nscan_period_ms = 0",
            "settings: scan_period_ms: 0 is not allowed, give at least 1",
        ),
        ("[settings]\nscan_period_ms = '5'", "scan_period_ms: '5' is text, give a whole number"),
        (
            "[settings]\nscan_enabled = 1",
            "settings: scan_enabled: 1 is a whole number, give true or false",
        ),
        (
            "[settings]\ncpu_budget_percent = nan",
            "cpu_budget_percent: nan is not allowed, give at most 100",
        ),
        (
            "[settings]\ncpu_budget_percent = 5e-324",
            "cpu_budget_percent: 5e-324 is not allowed, give at least 0.01",
        ),
        (
            "[settings]\ncpu_budget_percent = true",
            "cpu_budget_percent: true is a truth value, give a number",
        ),
        ("[settings]\nscan_size_min_mb = 2000000", "settings: scan_size_min_mb is above"),
        ("[control]\npath = '/x'", "control: no key 'path' is known"),
        ("[control]\nsocket = 'x'", "control: socket: 'x' does not begin with /"),
        ("[control]\nsocket = '/" + "x" * 107 + "'", "control: socket: '/x+.*' is too long"),
        ("[control]\ngroup = 4", "control: group: 4 is not text"),
        ("[control]\ngroup = ''", "control: group: '': 1 to 4096 characters"),
        ("nodes = 1", "nodes: is not a table: begin it with"),
        ("[nodes]\nslwo = '1'", "nodes: no key 'slwo' is known: known are fast, slow"),
        ("[nodes]\nslow = 1", 'nodes: slow: 1 is a whole number, give text like "0,2-3"'),
        ("[nodes]\nslow = [1]", "nodes: slow: .* is a list, give text like"),
        ("[nodes]\nfast = 'x'", "nodes: fast: 'x' is not a list of nodes: write it like 0,2-3"),
        ("[nodes]\nfast = ''", "nodes: '': 1 to 4096 characters"),
        ("[nodes]\nslow = '1024'", "nodes: slow: '1024' is not a list of nodes"),
        ("[nodes]\nfast='0-1'\nslow='1'", "nodes: node 1 is named fast and slow: name each"),
        ("rule = 1", "rule: is not a list of tables"),
        ("[rule]\npid = 1", "rule: is not a list of tables"),
        ("[[rule]]\npid=1\n[[rule]]", "rule 2: is empty"),
        ("[[rule]]\ncomm = 'x'", "rule 1: no key 'comm'"),
        ("[[rule]]\npid = 0", "rule 1: pid: 0: 1 to 4194304 is allowed"),
        ("[[rule]]\npid = 2026-01-02", "rule 1: pid: 2026-01-02 is a date, give a whole number"),
        ("[[rule]]\npid = 12:30:00", "rule 1: pid: 12:30:00 is a time, give a whole number"),
        ("[[rule]]\npid = true", "rule 1: pid: true is a truth value, give a whole number"),
        ("[[rule]]\nuid = -1", "rule 1: uid: -1"),
        ("[[rule]]\nname = '['", "rule 1: name: .* is no Python regular expression: unterminated"),
        ("[[rule]]\ncgroup = 'a'", "rule 1: cgroup 'a' does not begin with /"),
        ("[[rule]]\naggressiveness = 11", "rule 1: aggressiveness: 11: 0 to 10 is allowed"),
        (
            "[[rule]]\naggressiveness = 5.0",
            "rule 1: aggressiveness: 5.0 is a number with a point, give a whole",
        ),
        ("[[rule]]\npid = '200'", "rule 1: pid: '200' is text, give a whole number"),
        ("[[rule]]\nexclude = 'yes'", "rule 1: exclude: 'yes' is text, give true or false"),
        ("[[rule]]\nuid = 'no one has it'", "rule 1: uid: no user 'no one has it'"),
        ('[[rule]]\nuid = "a\\u0000b"', "rule 1: uid: no user"),
        ("[[rule]]\nname = '(a+)+$'", "rule 1: name: .* may take forever"),
        ('[control]\nsocket = "/a\\u0000b"', "control: socket: .* has a NUL in it"),
        ('[control]\ngroup = "a\\u0000b"', "control: group: .* has a NUL in it"),
        ("[control]\ngroup = 'nobody-has-it'", "control: group: no group 'nobody-has-it'"),
        ("x = " + "[" * 5000 + "]" * 5000, "is nested too deeply"),
        ("[[rule]]\npid = 0x" + "f" * 9999, "rule 1: pid: a number of thousands of digits"),
        ("[settings]\nhot_passes = 0x" + "f" * 9999, "hot_passes: a number of thousands"),
        ("[settings]\nhot_passes = " + "9" * 9999, "it has to be TOML"),
        ("[settings]\nprofile = '" + "x" * 9999 + "'", "profile: 'x+[.]+x+' is not allowed, give"),
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


def test_all_mistakes_are_reported_at_once(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(
        "[settings]\nscan_period_ms = '200'\nhot_pases = 1\n[control]\nsocket = 'x'\n"
        "[[rule]]\npid = 0\nname = '['\n[[rule]]\n[other]\n"
    )
    with pytest.raises(UsageError) as refused:
        load_config(path, ["scan_sleep_ms=x", "profile=v1", "no"])
    known = "known are settings, control, nodes, rule"
    assert refused.value.lines == [
        f"{path}: no key 'other' is known: {known}",
        f"{path}: settings: no knob 'hot_pases': did you mean hot_passes?",
        f"{path}: settings: scan_period_ms: '200' is text, give a whole number: "
        "`mmscand get --defaults` lists all bounds",
        f"{path}: control: socket: 'x' does not begin with /: the file counts wherever mmscand is "
        "started; give a whole path",
        f"{path}: rule 1: pid: 0: 1 to 4194304 is allowed",
        f"{path}: rule 1: name: '[' is no Python regular expression: unterminated character set at "
        "position 0",
        f"{path}: rule 2: is empty: give a condition, or aggressiveness",
        "scan_sleep_ms: 'x' is not a whole number",
        "'no' is not NAME=VALUE: say it like scan_period_ms=500",
    ]
    assert str(refused.value) == "; ".join(refused.value.lines)


def test_a_file_that_is_missing_hides_no_mistake_of_the_command_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refused:
        load_config(tmp_path / "none", ["hot_pases=1"])
    assert refused.value.lines == [
        f"{tmp_path / 'none'}: no such file: name one that is there",
        "no knob 'hot_pases': did you mean hot_passes?",
    ]


def test_a_user_is_named_or_numbered(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("[[rule]]\nuid = 'root'\n[[rule]]\nuid = 26")
    assert [rule.uid for rule in load_config(path).rules.rules] == [0, 26]


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_bytes(b"\xef\xbb\xbf[settings]\nhot_passes = 4\n")
    assert load_config(path).settings.hot_passes == 4


def test_rules_that_never_decide_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("[[rule]]\ncgroup = '/a'\n[[rule]]\ncgroup = '/a'\nexclude = true")
    assert len(load_config(path).doubts) == 1
    assert len(load_config(path, cgroups="none").doubts) == 3


def denied(*_: object) -> int:
    raise PermissionError(13, "Permission denied")


def test_a_file_that_was_named_must_be_there_and_be_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="no such file"):
        load_config(tmp_path / "none")
    with pytest.raises(UsageError, match="Is a directory"):
        load_config(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="is a pipe or a socket"):
        load_config(tmp_path / "pipe")
    assert load_config(Path("/dev/null")).settings == Settings()
    with pytest.raises(UsageError, match="is larger than 1 MiB"):
        load_config(Path("/dev/zero"))
    with pytest.raises(UsageError, match=r"null (byte|character)"):
        load_config(Path("a\0b"))
    monkeypatch.setattr("os.open", denied)
    with pytest.raises(UsageError, match="Permission denied"):
        load_config(tmp_path / "b")
    monkeypatch.undo()
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
