"""Talks to the daemon over its socket; every failure is one line."""

import errno
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from mmscand import __version__
from mmscand.control.causes import who_may
from mmscand.control.wire import OtherVersion, error_of, line_of, object_of
from mmscand.errors import MachineCannot, MmscandError
from mmscand.shown import shown

_Kind = type | list[type] | tuple[type, ...]
"""Of a value, several that are possible, or of each in a list."""
_TIMEOUT_S = 10.0
"""The daemon answers from memory; only one that hangs takes this long."""
_MOST_BYTES = 1 << 26
"""50 000 processes with a kilobyte each. What is not mmscand must not fill the memory."""
_BUDGET = (dict, type(None))
_NO_DAEMON = {errno.ENOENT, errno.ECONNREFUSED, errno.ENOTDIR}
_NOT_ALLOWED = {errno.EACCES, errno.EPERM}
_ANSWERS_OTHERWISE = "restart it, it answers otherwise"


class _Answer(dict[str, Any]):
    """An object of an answer; one that lacks a key is of a daemon with other code."""

    def __missing__(self, key: str) -> NoReturn:
        raise OtherVersion(__version__, __version__, _ANSWERS_OTHERWISE)


class ControlClient:
    """One method for each thing that can be asked for; answers are JSON objects."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def status(self) -> dict[str, Any]:
        """The whole daemon."""
        return self._ask("status", version=str, enabled=bool, budget=_BUDGET)

    def processes(self) -> dict[str, Any]:
        """All processes that are watched."""
        return self._ask("processes", processes=[dict], left_alone=[dict], budget=_BUDGET)

    def process(self, pid: int) -> dict[str, Any]:
        """One process."""
        return self._ask("process", {"pid": pid}, pid=int)

    def why(self, pid: int, address: int | None = None) -> dict[str, Any]:
        """Why the memory of a process is where it is."""
        asked = {"pid": pid} if address is None else {"pid": pid, "address": address}
        return self._ask("why", asked, process=dict, mappings=[dict])

    def rates(self) -> dict[str, Any]:
        """How often pages are accessed, by process."""
        return self._ask("rates", processes=[dict])

    def events(self, since: int = 0) -> dict[str, Any]:
        """The latest events, after the one of this number."""
        return self._ask("events", {"since": since}, events=[dict])

    def heat(self, pid: int) -> dict[str, Any]:
        """How hot the memory of one process is, piece by piece."""
        return self._ask("heat", {"pid": pid}, pid=int, unit=str, mappings=[dict], pieces=[dict])

    def knobs(self) -> dict[str, Any]:
        """All knobs."""
        return self._ask("knobs", knobs=[dict])

    def knob(self, name: str) -> dict[str, Any]:
        """One knob."""
        return self._ask("knob", {"name": name}, name=str)

    def change(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Change knobs, all or none."""
        return self._ask("set", {"values": values}, values=dict, clamped=[str])

    def reset(self, names: Iterable[str] = ()) -> dict[str, Any]:
        """These knobs, or all, back to the values of the configuration."""
        return self._ask("reset", {"names": list(names)}, values=dict, clamped=[str])

    def configuration(self) -> dict[str, Any]:
        """The configuration in force; see config_snapshot."""
        return self._ask(
            "configuration", file=str, settings=dict, at_run_time=dict, rules=[dict], nodes=dict
        )

    def enable(self) -> dict[str, Any]:
        """Scan (again)."""
        return self._ask("enable", enabled=bool)

    def disable(self) -> dict[str, Any]:
        """Scan no more."""
        return self._ask("disable", enabled=bool)

    def reload(self) -> dict[str, Any]:
        """Read the configuration again."""
        return self._ask("reload", changed=[str])

    def _ask(
        self, ask: str, arguments: Mapping[str, Any] | None = None, **shape: _Kind
    ) -> dict[str, Any]:
        """The answer, which has what `shape` says; MmscandError says why there is none."""
        request = {"ask": ask, "version": __version__, **(arguments or {})}
        answer = self._answer_to(line_of(request))
        theirs, error, data = map(answer.get, ("version", "error", "data"))
        if not isinstance(theirs, str):
            raise self._stranger()
        if theirs != __version__:
            raise OtherVersion(__version__, shown(theirs))
        if isinstance(error, dict):
            raise error_of(error)
        if not isinstance(data, dict) or not all(_is(data.get(k), v) for k, v in shape.items()):
            raise OtherVersion(__version__, theirs, _ANSWERS_OTHERWISE)
        return data

    def _answer_to(self, line: bytes) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(_TIMEOUT_S)
            try:
                sock.connect(str(self._path))
            except OSError as error:  # also a path that is too long for a socket
                raise self._not_connected(error.errno) from None
            try:
                with suppress(BrokenPipeError):  # it has refused already: that is its answer
                    sock.sendall(line)
                with sock.makefile("rb") as answers:
                    return object_of(answers.readline(_MOST_BYTES), _Answer)
            except TimeoutError:
                raise MmscandError(
                    f"the daemon on {self._path} does not answer", hint="look at what it prints"
                ) from None
            except (OSError, ValueError):
                raise self._stranger() from None

    def _not_connected(self, number: int | None) -> MmscandError:
        if number in _NOT_ALLOWED:
            return MachineCannot(
                f"not allowed to use {self._path}",
                hint=f"only {who_may(self._path)} may; run as one of these",
            )
        if number in _NO_DAEMON:
            return MmscandError(
                f"no daemon on {self._path}", hint="start it with `mmscand run`, or give --socket"
            )
        if number == errno.EAGAIN:
            return MmscandError(
                f"too many clients ask the daemon on {self._path}", hint="try again"
            )
        return MmscandError(f"cannot connect to {self._path}", hint="is it a socket?")

    def _stranger(self) -> MmscandError:
        return MmscandError(
            f"what answers on {self._path} is not mmscand, or was stopped just now",
            hint="try again, or give --socket; a daemon that speaks HTTP is older: restart it",
        )


def _is(value: object, kind: _Kind) -> bool:
    if isinstance(kind, list):
        return isinstance(value, list) and all(isinstance(each, kind[0]) for each in value)
    return isinstance(value, kind)
