"""The configuration: a TOML file, and what the command line sets on top of it.

[settings]                  # any knob that `mmscand get` lists
scan_period_ms = 500

[control]
socket = "/run/mmscand.sock"
group = "adm"               # who may use it beside root

[[rule]]                    # all conditions must hold; see scan/rules.py for which rule wins
cgroup = "/system.slice/postgresql.service"
aggressiveness = 8          # 0..10, 5 when left out

[[rule]]
name = "^ssh"
uid = "backup"              # a user's name or number
exclude = true              # the same as aggressiveness = 0
"""

import difflib
import grp
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmscand.config_file import Found, read_toml, require_known, table_of, text_of
from mmscand.config_rules import read_rules
from mmscand.errors import UsageError
from mmscand.scan.doubts import CgroupView, doubts
from mmscand.scan.rules import Rules
from mmscand.settings import Changed, Settings, changed
from mmscand.shown import quoted

DEFAULT_FILE = Path("/etc/mmscand.toml")
DEFAULT_SOCKET = Path("/run/mmscand.sock")
MAX_SOCKET_BYTES = 107
"""sun_path of unix(7) without its final NUL."""

_TRUTH = {"1": True, "0": False} | dict.fromkeys(("true", "on", "yes"), True)
_TRUTH |= dict.fromkeys(("false", "off", "no"), False)
_PARSERS: dict[Any, tuple[str, Callable[[str], object]]] = {
    bool: ("on or off", lambda text: _TRUTH[text.lower()]),
    int: ("a whole number", int),
    float: ("a number", float),
}
"""By the type of a knob: what it wants, in words, and how a text becomes it."""


@dataclass(frozen=True, slots=True)
class Config:
    """All that a file and a command line say."""

    settings: Settings
    rules: Rules
    socket: Path = DEFAULT_SOCKET
    group: str | None = None
    """Whose members may use the socket beside root."""
    clamped: tuple[str, ...] = ()
    """Settings that were asked for and given otherwise, in words."""
    doubts: tuple[str, ...] = ()
    """Rules that never match or never decide, in words."""


@dataclass(frozen=True, slots=True)
class _Said:
    """All that a file says."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    socket: Path | None = None
    group: str | None = None
    rules: Rules = field(default_factory=Rules)


def load_config(
    file: Path | None = None,
    assignments: Iterable[str] = (),
    *,
    socket: Path | None = None,
    cgroups: CgroupView = "whole",
) -> Config:
    """Read `file`, and set `assignments` (NAME=VALUE) and `socket` on top of it.

    Without a file it is DEFAULT_FILE, which need not be there. UsageError has all mistakes.
    """
    found, said, taken = Found(), _Said(), Changed(Settings(), ())
    with found.caught():
        said = _read(file or DEFAULT_FILE, required=file is not None)
    with found.caught():
        taken = changed(Settings(), {**said.settings, **_assigned(assignments)})
    found.end()
    return Config(
        taken.settings,
        said.rules,
        socket.absolute() if socket else said.socket or DEFAULT_SOCKET,
        said.group,
        taken.clamped,
        tuple(doubts(said.rules.rules, cgroups)),
    )


def _read(path: Path, *, required: bool) -> _Said:
    table = read_toml(path, required=required)
    found = Found()
    with found.caught(f"{path}"):
        require_known(table, ("settings", "control", "rule"))
    with found.caught(f"{path}"):
        in_file = Found()
        wanted = _settings(in_file, table)
        socket, group = _control(in_file, table)
        rules = Rules(read_rules(in_file, table.get("rule", [])))
        in_file.end()
    found.end()
    return _Said(wanted, socket, group, rules)


def configured_socket(file: Path = DEFAULT_FILE) -> Path:
    """Where a client finds the daemon; the default when the file cannot tell."""
    try:
        control = table_of(read_toml(file, required=False), "control")
        return _absolute(text_of(control, "socket")) or DEFAULT_SOCKET
    except UsageError:  # it may be readable for root alone; the daemon complains of mistakes
        return DEFAULT_SOCKET


def _settings(found: Found, table: Mapping[str, Any]) -> Mapping[str, Any]:
    """Knobs of the file that make sense by themselves."""
    with found.caught():
        wanted = table_of(table, "settings")
        before = len(found)
        with found.caught("settings"):
            require_knobs(wanted)
        known = {name: value for name, value in wanted.items() if name in Settings.model_fields}
        with found.caught("settings"):
            changed(Settings(), known)
        return wanted if len(found) == before else {}
    return {}


def _assigned(texts: Iterable[str]) -> Mapping[str, Any]:
    found, values = Found(), dict[str, Any]()
    for text in texts:
        with found.caught():
            name, value = parse_assignment(text)
            values[name] = value
    found.end()
    return values


def _control(found: Found, table: Mapping[str, Any]) -> tuple[Path | None, str | None]:
    socket = group = None
    with found.caught():
        control = table_of(table, "control")
        with found.caught("control"):
            require_known(control, ("socket", "group"))
        with found.caught("control: socket"):
            socket = _absolute(text_of(control, "socket"))
        with found.caught("control: group"):
            group = text_of(control, "group")
            if group is not None:
                require_group(group)
    return socket, group


def require_group(name: str) -> int:
    """Its number; UsageError when there is no such group."""
    try:
        return grp.getgrnam(name).gr_gid
    except (KeyError, ValueError):  # ValueError: it has a NUL
        raise UsageError(f"no group {quoted(name)}", hint="`getent group` lists them") from None


def _absolute(text: str | None) -> Path | None:
    if text is not None and not text.startswith("/"):
        hint = "the file counts wherever mmscand is started; give a whole path"
        raise UsageError(f"{quoted(text)} does not begin with /", hint=hint)
    if text is not None and len(os.fsencode(text)) > MAX_SOCKET_BYTES:
        hint = f"at most {MAX_SOCKET_BYTES} bytes are possible"
        raise UsageError(f"{quoted(text)} is too long", hint=hint)
    return None if text is None else Path(text)


def parse_assignments(texts: Iterable[str]) -> dict[str, Any]:
    """Knobs and values of many NAME=VALUE; of a knob that is named twice the last one."""
    return dict(_assigned(texts))


def parse_assignment(text: str) -> tuple[str, Any]:
    """A knob and its value, of the knob's type; UsageError when it is not NAME=VALUE."""
    name, equals, value = (part.strip() for part in text.partition("="))
    if not equals:
        raise UsageError(f"{quoted(text)} is not NAME=VALUE", hint="say it like scan_period_ms=500")
    require_knobs([name])
    wants, parse = _PARSERS.get(Settings.model_fields[name].annotation, ("a word", str))
    try:
        return name, parse(value)
    except (KeyError, ValueError):
        raise UsageError(f"{name}: {quoted(value)} is not {wants}") from None


def require_knobs(names: Iterable[str]) -> None:
    """UsageError for each of `names` that is no knob, with the name that was probably meant."""
    found = Found()
    for name in names:
        if name not in Settings.model_fields:
            with found.caught():
                hint = _meant(name, Settings.model_fields)
                raise UsageError(f"no knob {quoted(name)}", hint=hint)
    found.end()


def _meant(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f"did you mean {close[0]}?" if close else "`mmscand get --defaults` lists them"
