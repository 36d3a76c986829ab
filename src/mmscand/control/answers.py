"""Answers to requests: what may be asked, with which arguments, and what the daemon says."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mmscand.control.controlled import Controlled
from mmscand.control.heat_snapshot import heat_object
from mmscand.control.knob_snapshots import Json, changes_object, knob_object, knobs_object
from mmscand.control.snapshots import (
    process_object,
    processes_object,
    rates_object,
    status_object,
    why_object,
)
from mmscand.control.wire import NotThere, OtherVersion, error_object, line_of, object_of
from mmscand.errors import UsageError
from mmscand.settings import KNOBS, require_knobs
from mmscand.shown import expected, quoted, shown

_HTTP = re.compile(rb"[A-Z]{3,8} \S+ HTTP/\d")
_ALWAYS = ("ask", "version")


class Answers:
    """What the daemon answers. Called from the control thread only, so changes never overlap."""

    def __init__(self, controlled: Controlled, version: str) -> None:
        self._controlled = controlled
        self._version = version

    def line(self, request: bytes) -> tuple[bytes, bool]:
        """The answer to a line, and whether the client speaks this protocol at all."""
        try:
            asked = object_of(request)
        except ValueError as error:
            return self.refusal(_no_request(request, error)), False
        try:
            return line_of({"version": self._version, "data": self._data(asked)}), True
        except Exception as error:  # the client gets an answer, also for a bug
            return self.refusal(error), True

    def refusal(self, error: Exception) -> bytes:
        """The line that says no."""
        return line_of({"version": self._version, "error": error_object(error)})

    def _data(self, asked: Mapping[str, Any]) -> Json:
        theirs = asked.get("version", self._version)
        if theirs != self._version:
            raise OtherVersion(shown(str(theirs))[:40], self._version)
        name = asked.get("ask")
        if not isinstance(name, str) or name not in _ASKS:
            hint = f"ask for one of {', '.join(_ASKS)}"
            raise UsageError(f"{quoted(name)} is nothing to ask for", hint=hint)
        answer, arguments, optional = _ASKS[name]
        given = {key: value for key, value in asked.items() if key not in _ALWAYS}
        if wrong := given.keys() - arguments or arguments - optional - given.keys():
            hint = f"it takes {', '.join(sorted(arguments)) or 'nothing else'}"
            raise UsageError(f"{name}: {quoted(min(wrong))} is missing or unknown", hint=hint)
        return answer(self, **given)

    def _status(self) -> Json:
        return status_object(self._controlled.status(), self._version)

    def _processes(self) -> Json:
        return processes_object(self._controlled.status())

    def _process(self, pid: object) -> Json:
        number = _require_whole("pid", pid)
        if (found := self._controlled.process(number)) is None:
            raise _not_watched(number, self._controlled.left_alone(number))
        return process_object(found)

    def _heat(self, pid: object) -> Json:
        number = _require_whole("pid", pid)
        if (found := self._controlled.heat(number)) is None:
            raise _not_watched(number, self._controlled.left_alone(number))
        return heat_object(found)

    def _rates(self) -> Json:
        return rates_object(self._controlled.rates())

    def _events(self, since: object = 0) -> Json:
        found = self._controlled.events(_require_whole("since", since))
        return {"events": [each._asdict() for each in found]}

    def _why(self, pid: object, address: object = None) -> Json:
        number = _require_whole("pid", pid)
        place = None if address is None else _require_whole("address", address)
        if (found := self._controlled.why(number, place)) is None:
            raise _not_watched(number, self._controlled.left_alone(number))
        return why_object(found, self._process(number))

    def _knobs(self) -> Json:
        return knobs_object(self._controlled.settings.current)

    def _knob(self, name: object) -> Json:
        _require([name])
        return knob_object(KNOBS[str(name)], self._controlled.settings.current)

    def _set(self, values: object) -> Json:
        if not isinstance(values, dict):
            raise UsageError(f"values: {expected('a table', values)}")
        before = self._controlled.settings.current
        done = self._controlled.settings.change(values)
        return changes_object(before, done.settings, values, done.clamped)

    def _reset(self, names: object = ()) -> Json:
        if not isinstance(names, Sequence) or isinstance(names, str):
            raise UsageError(f"names: {expected('a list', names)}")
        _require(names)
        before = self._controlled.settings.current
        return changes_object(before, self._controlled.settings.reset(names), names or KNOBS)

    def _configuration(self) -> Json:
        return self._controlled.configuration()

    def _enable(self) -> Json:
        self._controlled.enable()
        return {"enabled": True}

    def _disable(self) -> Json:
        self._controlled.disable()
        return {"enabled": False}

    def _reload(self) -> Json:
        return {"changed": self._controlled.reload()}


_NOTHING: frozenset[str] = frozenset()
_ASKS: dict[str, tuple[Callable[..., Json], frozenset[str], frozenset[str]]] = {
    "status": (Answers._status, _NOTHING, _NOTHING),
    "processes": (Answers._processes, _NOTHING, _NOTHING),
    "process": (Answers._process, frozenset({"pid"}), _NOTHING),
    "heat": (Answers._heat, frozenset({"pid"}), _NOTHING),
    "rates": (Answers._rates, _NOTHING, _NOTHING),
    "events": (Answers._events, frozenset({"since"}), frozenset({"since"})),
    "why": (Answers._why, frozenset({"pid", "address"}), frozenset({"address"})),
    "knobs": (Answers._knobs, _NOTHING, _NOTHING),
    "knob": (Answers._knob, frozenset({"name"}), _NOTHING),
    "set": (Answers._set, frozenset({"values"}), _NOTHING),
    "reset": (Answers._reset, frozenset({"names"}), frozenset({"names"})),
    "configuration": (Answers._configuration, _NOTHING, _NOTHING),
    "enable": (Answers._enable, _NOTHING, _NOTHING),
    "disable": (Answers._disable, _NOTHING, _NOTHING),
    "reload": (Answers._reload, _NOTHING, _NOTHING),
}
"""By the word that is asked with: its answer, its arguments, and those that may be left out."""


def _no_request(request: bytes, error: ValueError) -> UsageError:
    if _HTTP.match(request):
        return UsageError(
            "this socket takes JSON lines; the HTTP API is served by mmscand-api",
            hint="start mmscand-api, and use its socket",
        )
    words = " ".join(shown(str(error)).split())
    return UsageError(f"the line is no JSON object: {words}", hint='send {"ask": "status"}')


def _require_whole(name: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise UsageError(f"{name}: {expected('a whole number', value)}")
    return value


def _require(names: Sequence[object]) -> None:
    for name in names:
        if not isinstance(name, str):
            raise UsageError(f"name: {expected('text', name)}")
        try:
            require_knobs([name])
        except UsageError as error:
            raise NotThere(error.message, hint=error.hint) from None


def _not_watched(pid: int, why: str) -> NotThere:
    """Why a process is not watched, and what to do about it."""
    if why:
        return NotThere(f"process {pid} is not watched: {shown(why)}")
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return NotThere(
            f"there is no process {quoted(pid)}", hint="`mmscand ps` lists those that are watched"
        )
    except OSError:
        pass  # there is one, of another user
    hint = (
        "it is a kernel thread, is not meant by --pid or --match, came a moment ago, or a security "
        "module keeps it from us"
    )
    return NotThere(f"process {pid} is not watched", hint=hint)
