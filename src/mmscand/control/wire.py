"""What goes over the daemon's socket: a request and its answer are one line of JSON each.

{"ask": "knob", "name": "hot_passes", "version": "0.1.0"}
{"version": "0.1.0", "data": {...}}
{"version": "0.1.0", "error": {"cause": "not there", "message": "...", "hint": "..."}}
"""

import json
from collections.abc import Mapping
from typing import Any

from mmscand.errors import MmscandError, UsageError
from mmscand.shown import json_text

MAX_REQUEST_BYTES = 64 * 1024
"""All knobs at once are 1 KiB."""


class NotThere(UsageError):
    """A process that is not watched, or a knob that does not exist."""


class Refused(MmscandError):
    """The daemon cannot do it now."""


class Bug(MmscandError):
    """The daemon failed where it must not."""


class OtherVersion(MmscandError):
    """Daemon and client are not of the same version."""

    def __init__(self, ours: str, theirs: str, hint: str = "restart it") -> None:
        super().__init__(f"this is mmscand {ours}, the daemon is {theirs}", hint=hint)


CAUSES: dict[str, type[MmscandError]] = {
    "not there": NotThere,
    "usage": UsageError,
    "failed": Refused,
    "bug": Bug,
}
"""By the word for it on the wire; the first that an error is an instance of counts."""


def line_of(message: Mapping[str, Any]) -> bytes:
    """One line, with its end."""
    try:
        return json_text(message).encode() + b"\n"
    except RecursionError:
        raise UsageError("the value is nested too deeply", hint="give a plain one") from None


def object_of(line: bytes, kind: type[dict[str, Any]] = dict) -> dict[str, Any]:
    """The object in a line, `kind` as each object in it; ValueError when there is none."""
    try:
        found = json.loads(line, object_hook=kind)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("it is no object")
    return found


def error_object(error: Exception) -> dict[str, str]:
    """An error as an answer has it."""
    if not isinstance(error, MmscandError):
        message = f"{type(error).__name__}: {error}"
        return {"cause": "bug", "message": message, "hint": "please report it"}
    cause = next((word for word, kind in CAUSES.items() if isinstance(error, kind)), "failed")
    return {"cause": cause, "message": error.message, "hint": error.hint}


def error_of(found: Mapping[str, Any]) -> MmscandError:
    """The error that an answer has."""
    kind = CAUSES.get(str(found.get("cause")), Refused)
    return kind(str(found.get("message", "")), hint=str(found.get("hint", "")))
