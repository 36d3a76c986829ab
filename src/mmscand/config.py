"""The configuration: a TOML file, and what the command line sets on top of it.

[settings]                  # any knob that `mmscand get` lists
scan_period_ms = 500

[nodes]                     # where the kernel does not know the tiers; the options count first
slow = "1"                  # as --slow-nodes; fast = "0" as --fast-nodes

[control]
socket = "/run/mmscand.sock"
group = "adm"               # who may use it beside root

[[rule]]                    # all conditions must hold; see scan/rules.py for which rule wins
cgroup = "/system.slice/redis-server.service"
aggressiveness = 8          # 0..10, 5 when left out

[[rule]]
name = "^ssh"
uid = "backup"              # a user's name or number
exclude = true              # the same as aggressiveness = 0
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmscand.assignments import parse_assignments
from mmscand.config_file import (
    Found,
    digest_of,
    read_toml_and_data,
    require_known,
    table_of,
    text_of,
)
from mmscand.config_nodes import read_nodes
from mmscand.config_rules import read_rules
from mmscand.config_socket import DEFAULT_FILE, DEFAULT_SOCKET, absolute_socket, require_group
from mmscand.node_lists import NamedNodes
from mmscand.scan.doubts import CgroupView, doubts
from mmscand.scan.rules import Rules
from mmscand.settings import KNOBS, Changed, Settings, changed, require_knobs

_NO_NODES = NamedNodes()


@dataclass(frozen=True, slots=True)
class Source:
    """What a configuration was read from; another file can be read in the same way."""

    file: Path = DEFAULT_FILE
    digest: str = ""
    """Of the bytes of the file (config_file.digest_of); '' without a file."""
    assignments: tuple[str, ...] = ()
    """NAME=VALUE of the command line, which count before those of the file."""
    socket: Path | None = None
    """Of the command line."""
    nodes: NamedNodes = _NO_NODES
    """Of the command line."""


@dataclass(frozen=True, slots=True)
class Config:
    """All that a file and a command line say."""

    settings: Settings
    rules: Rules
    socket: Path = DEFAULT_SOCKET
    group: str | None = None
    """The group whose members may use the socket beside root."""
    nodes: NamedNodes = _NO_NODES
    """What they name of the machine's nodes: all of it by the command line, or all by the file."""
    clamped: tuple[str, ...] = ()
    """Settings that were asked for and given otherwise, in words."""
    doubts: tuple[str, ...] = ()
    """Rules that never match or never decide, in words."""
    source: Source = field(default_factory=Source)


@dataclass(frozen=True, slots=True)
class _Said:
    """All that a file says."""

    digest: str = ""

    settings: Mapping[str, Any] = field(default_factory=dict)
    socket: Path | None = None
    group: str | None = None
    nodes: NamedNodes = _NO_NODES
    rules: Rules = field(default_factory=Rules)


def load_config(
    file: Path | None = None,
    assignments: Iterable[str] = (),
    *,
    socket: Path | None = None,
    nodes: NamedNodes = _NO_NODES,
    cgroups: CgroupView = "whole",
) -> Config:
    """Read `file`, and set `assignments` (NAME=VALUE), `socket` and `nodes` on top of it.

    Without a file it is DEFAULT_FILE, which need not be there. UsageError has all mistakes.
    """
    found, said, taken = Found(), _Said(), Changed(Settings(), ())
    assignments, path = tuple(assignments), file or DEFAULT_FILE
    with found.caught():
        said = _read(path, required=file is not None)
    with found.caught():
        taken = changed(Settings(), {**said.settings, **parse_assignments(assignments)})
    found.end()
    return Config(
        taken.settings,
        said.rules,
        socket.absolute() if socket else said.socket or DEFAULT_SOCKET,
        said.group,
        nodes if nodes.given else said.nodes,
        taken.clamped,
        tuple(doubts(said.rules.rules, cgroups)),
        Source(path.absolute(), said.digest, assignments, socket, nodes),
    )


def _read(path: Path, *, required: bool) -> _Said:
    table, data = read_toml_and_data(path, required=required)
    found = Found()
    with found.caught(f"{path}"):
        require_known(table, ("settings", "control", "nodes", "rule"))
    with found.caught(f"{path}"):
        in_file = Found()
        wanted = _settings(in_file, table)
        socket, group = _control(in_file, table)
        nodes = read_nodes(in_file, table)
        rules = Rules(read_rules(in_file, table.get("rule", [])))
        in_file.end()
    found.end()
    return _Said(digest_of(data), wanted, socket, group, nodes, rules)


def _settings(found: Found, table: Mapping[str, Any]) -> Mapping[str, Any]:
    """Knobs of the file that make sense by themselves."""
    with found.caught():
        wanted = table_of(table, "settings")
        before = len(found)
        with found.caught("settings"):
            require_knobs(wanted)
        known = {name: value for name, value in wanted.items() if name in KNOBS}
        with found.caught("settings"):
            changed(Settings(), known)
        return wanted if len(found) == before else {}
    return {}


def _control(found: Found, table: Mapping[str, Any]) -> tuple[Path | None, str | None]:
    socket = group = None
    with found.caught():
        control = table_of(table, "control")
        with found.caught("control"):
            require_known(control, ("socket", "group"))
        with found.caught("control: socket"):
            socket = absolute_socket(text_of(control, "socket"))
        with found.caught("control: group"):
            group = text_of(control, "group")
            if group is not None:
                require_group(group)
    return socket, group
