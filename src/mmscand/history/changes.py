"""What is another than in the answer before: settings, on and off, versions, restarts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mmscand.shown import shown

SETTING, SWITCH, START, VERSION, AWAY, BACK = (
    "setting",
    "switch",
    "start",
    "version",
    "away",
    "back",
)
KINDS = (SETTING, SWITCH, START, VERSION, AWAY, BACK)
_SWITCH_KNOB = "scan_enabled"
"""Is a change of the switch too."""


@dataclass(frozen=True, slots=True)
class Change:
    """One of them, in words."""

    kind: str
    words: str


def known_of(status: Mapping[str, Any], knobs: Mapping[str, Any]) -> dict[str, Any]:
    """What the next answer is compared with."""
    return {
        "version": status["version"],
        "start": status["start_timestamp"],
        "enabled": status["enabled"],
        "knobs": {each["name"]: each["value"] for each in knobs["knobs"]},
        "away": False,
    }


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Change]:
    """From one `known_of` to the next; of an empty one nothing is known but the start."""
    if before.get("start") != now["start"]:
        yield Change(START, f"the daemon was started, version {shown(str(now['version']))}")
    if before.get("version", now["version"]) != now["version"]:
        yield Change(VERSION, f"version {before['version']} became {now['version']}")
    if before.get("enabled", True) != now["enabled"]:
        yield Change(SWITCH, f"scanning was switched {'on' if now['enabled'] else 'off'}")
    if before.get("away") and before.get("start") == now["start"]:
        yield Change(BACK, "the daemon answers again")
    old = before.get("knobs", {})
    for name, value in now["knobs"].items():
        if name in old and old[name] != value and name != _SWITCH_KNOB:
            yield Change(SETTING, f"{name} {_said(old[name])} became {_said(value)}")


def gone(before: Mapping[str, Any], why: str) -> Iterator[Change]:
    """The daemon does not answer; said once."""
    if before and not before.get("away"):
        yield Change(AWAY, shown(why))


def _said(value: object) -> str:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else shown(str(value))
