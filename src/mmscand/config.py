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
exclude = true              # the same as aggressiveness = 0
"""

import difflib
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmscand.errors import UsageError
from mmscand.scan.pacing import DEFAULT_AGGRESSIVENESS
from mmscand.scan.rules import MIN_AGGRESSIVENESS, Rule, Rules
from mmscand.settings import Changed, Settings, changed

DEFAULT_FILE = Path("/etc/mmscand.toml")
DEFAULT_SOCKET = Path("/run/mmscand.sock")

_TRUTH = {"1": True, "0": False} | dict.fromkeys(("true", "on", "yes"), True)
_TRUTH |= dict.fromkeys(("false", "off", "no"), False)
_PARSERS: dict[Any, tuple[str, Callable[[str], object]]] = {
    bool: ("on or off", lambda text: _TRUTH[text.lower()]),
    int: ("a whole number", int),
    float: ("a number", float),
}
"""By the type of a knob: what it wants, in words, and how a text becomes it."""
RULE_KEYS: dict[str, tuple[type, int, int]] = {
    "name": (str, 1, 4096),
    "cgroup": (str, 1, 4096),
    "pid": (int, 1, 1 << 22),  # PID_MAX_LIMIT
    "uid": (int, 0, (1 << 32) - 2),  # (uid_t)-1 is nobody's
    "aggressiveness": (int, 0, 10),
    "exclude": (bool, 0, 1),
    "unseen_use": (bool, 0, 1),
}
"""Type, and bounds of the value or of its length."""


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


def load_config(
    file: Path | None = None,
    assignments: Iterable[str] = (),
    *,
    socket: Path | None = None,
) -> Config:
    """Read `file`, and set `assignments` (NAME=VALUE) and `socket` on top of it.

    Without a file it is DEFAULT_FILE, which need not be there.
    """
    path = file or DEFAULT_FILE
    table = _read(path, required=file is not None)
    _known(path, "", table, ("settings", "control", "rule"))
    settings = _settings(path, _table(path, table, "settings"), assignments)
    control = _table(path, table, "control")
    _known(path, "control", control, ("socket", "group"))
    return Config(
        settings.settings,
        Rules(_rules(path, table.get("rule", []))),
        socket or _absolute(path, _text(path, control, "socket")) or DEFAULT_SOCKET,
        _text(path, control, "group"),
        settings.clamped,
    )


def configured_socket(file: Path = DEFAULT_FILE) -> Path:
    """Where a client finds the daemon; the default when the file cannot tell."""
    try:
        control = _table(file, _read(file, required=False), "control")
        return _absolute(file, _text(file, control, "socket")) or DEFAULT_SOCKET
    except UsageError:  # it may be readable for root alone; the daemon complains of mistakes
        return DEFAULT_SOCKET


def parse_assignments(texts: Iterable[str]) -> dict[str, Any]:
    """Knobs and values of many NAME=VALUE; of a knob that is named twice the last one."""
    return dict(map(parse_assignment, texts))


def parse_assignment(text: str) -> tuple[str, Any]:
    """A knob and its value, of the knob's type; UsageError when it is not NAME=VALUE."""
    name, equals, value = (part.strip() for part in text.partition("="))
    if not equals:
        raise UsageError(f"{text!r} is not NAME=VALUE", hint="say it like scan_period_ms=500")
    require_knobs([name])
    wants, parse = _PARSERS.get(Settings.model_fields[name].annotation, ("a word", str))
    try:
        return name, parse(value)
    except (KeyError, ValueError):
        raise UsageError(f"{name}: {value!r} is not {wants}") from None


def require_knobs(names: Iterable[str]) -> None:
    """UsageError, with the name that was probably meant, when one of `names` is no knob."""
    for name in names:
        if name not in Settings.model_fields:
            raise UsageError(f"no knob {name!r}", hint=_meant(name, Settings.model_fields))


def _meant(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f"did you mean {close[0]}?" if close else "`mmscand get --defaults` lists them"


def _read(path: Path, *, required: bool) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if not required:
            return {}
        raise UsageError(f"{path}: no such file", hint="name one that is there") from None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", hint="name a file to read") from None
    except ValueError as error:  # no TOML, or no UTF-8
        raise UsageError(f"{path}: {error}", hint="it has to be TOML in UTF-8") from None


def _settings(path: Path, table: Mapping[str, Any], assignments: Iterable[str]) -> Changed:
    """Both sources together; each is told of its own mistakes."""
    try:
        require_knobs(table)
        changed(Settings(), table)
    except UsageError as error:
        raise UsageError(f"{path}: settings: {error.message}", hint=error.hint) from None
    return changed(Settings(), {**table, **parse_assignments(assignments)})


def _rules(path: Path, tables: object) -> Iterable[Rule]:
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise UsageError(f"{path}: rule: is not a list of tables", hint="begin each with [[rule]]")
    for number, table in enumerate(tables, 1):
        yield _rule(path, f"rule {number}", table)


def _rule(path: Path, where: str, table: Mapping[str, Any]) -> Rule:
    _known(path, where, table, RULE_KEYS)
    if not table:
        raise UsageError(f"{path}: {where}: is empty", hint="give a condition, or aggressiveness")
    for key, value in table.items():
        _check(path, f"{where}: {key}", value, *RULE_KEYS[key])
    if {"exclude", "aggressiveness"} <= table.keys():
        raise UsageError(
            f"{path}: {where}: has exclude and aggressiveness",
            hint="exclude means aggressiveness 0, leave one of them out",
        )
    try:
        name = re.compile(table["name"]) if "name" in table else None
    except re.error as error:
        raise UsageError(f"{path}: {where}: name: {error}", hint="it is a pattern") from None
    given = MIN_AGGRESSIVENESS if table.get("exclude") else DEFAULT_AGGRESSIVENESS
    try:
        return Rule(
            table.get("aggressiveness", given),
            name=name,
            pid=table.get("pid"),
            uid=table.get("uid"),
            cgroup=table.get("cgroup"),
            unseen_use=table.get("unseen_use", False),
        )
    except UsageError as error:
        raise UsageError(f"{path}: {where}: {error.message}", hint=error.hint) from None


def _check(path: Path, where: str, value: object, kind: type, low: int, high: int) -> None:
    """The exact type, as True is an int too, and the bounds."""
    names = {str: "text", int: "a whole number", bool: "true or false"}
    if type(value) is not kind:
        raise UsageError(f"{path}: {where}: {value!r} is not {names[kind]}")
    size = len(value) if isinstance(value, str) else value
    if not isinstance(size, int) or not low <= size <= high:
        what = "characters" if kind is str else "allowed"
        raise UsageError(f"{path}: {where}: {value!r}: {low} to {high} {what}")


def _known(path: Path, where: str, table: Mapping[str, Any], keys: Iterable[str]) -> None:
    for key in table:
        if key not in keys:
            place = f"{path}: {where}" if where else f"{path}"
            known = ", ".join(keys)
            raise UsageError(f"{place}: no key {key!r} is known", hint=f"known are {known}")


def _table(path: Path, table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = table.get(key, {})
    if not isinstance(value, dict):
        raise UsageError(f"{path}: {key}: is not a table", hint=f"begin it with [{key}]")
    return value


def _text(path: Path, table: Mapping[str, Any], key: str) -> str | None:
    value = table.get(key)
    if value is not None:
        _check(path, f"control: {key}", value, str, 1, 4096)
    return value


def _absolute(path: Path, text: str | None) -> Path | None:
    if text is not None and not text.startswith("/"):
        raise UsageError(f"{path}: control: socket: {text!r} does not begin with /")
    return None if text is None else Path(text)
