"""Talks to the daemon over its socket; every failure is one line."""

import errno
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

from mmscand import __version__
from mmscand.control.causes import who_may
from mmscand.errors import MachineCannot, MmscandError, UsageError
from mmscand.shown import json_text

_Kind = type | list[type] | tuple[type, ...]
"""Of a value, several that are possible, or of each in a list."""
_TIMEOUT_S = 10.0
"""The daemon answers from memory; only one that hangs takes this long."""
_BUDGET = (dict, type(None))
_IS_JSON = {"Content-Type": "application/json"}
_NO_DAEMON = {errno.ENOENT, errno.ECONNREFUSED, errno.ENOTDIR}
_NOT_ALLOWED = {errno.EACCES, errno.EPERM}


class _Answer(dict[str, Any]):
    """An object of an answer; a missing key means that the daemon has another version."""

    def __init__(self, values: Mapping[str, Any], missing: Callable[[], MmscandError]) -> None:
        super().__init__(values)
        self._missing = missing

    def __missing__(self, key: str) -> NoReturn:
        raise self._missing()


class ControlClient:
    """One method for each operation of the API; answers are its JSON objects."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def status(self) -> dict[str, Any]:
        """The whole daemon."""
        return self._ask("GET", "status", version=str, enabled=bool, budget=_BUDGET)

    def processes(self) -> dict[str, Any]:
        """All processes that are watched."""
        return self._ask("GET", "processes", processes=[dict], left_alone=[dict], budget=_BUDGET)

    def process(self, pid: int) -> dict[str, Any]:
        """One process."""
        return self._ask("GET", f"processes/{pid}", pid=int)

    def knobs(self) -> dict[str, Any]:
        """All knobs."""
        return self._ask("GET", "knobs", knobs=[dict])

    def knob(self, name: str) -> dict[str, Any]:
        """One knob."""
        return self._ask("GET", f"knobs/{quote(name, safe='')}", name=str)

    def change(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Change knobs, all or none."""
        return self._ask("PATCH", "knobs", values, values=dict, clamped=[str])

    def reset(self, names: Iterable[str] = ()) -> dict[str, Any]:
        """These knobs, or all, back to the values of the configuration."""
        query = "&".join(f"name={quote(name, safe='', errors='replace')}" for name in names)
        path = f"knobs?{query}" if query else "knobs"
        return self._ask("DELETE", path, values=dict, clamped=[str])

    def enable(self) -> dict[str, Any]:
        """Scan (again)."""
        return self._ask("POST", "enable", enabled=bool)

    def disable(self) -> dict[str, Any]:
        """Scan no more."""
        return self._ask("POST", "disable", enabled=bool)

    def reload(self) -> dict[str, Any]:
        """Read the configuration again."""
        return self._ask("POST", "reload", changed=[str])

    def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, **shape: _Kind
    ) -> dict[str, Any]:
        """The answer, which has what `shape` says; MmscandError says why there is none."""
        status, answer = self._send(method, path, body)
        if not isinstance(answer, dict):
            raise self._stranger()
        # A path that is not there is another version too: all of ours are.
        elsewhere = status in (404, 405) and f"{answer.get('error')}".startswith(f"{method} /")
        if status >= 400 and "error" in answer and not elsewhere:
            raise _refused(status, answer)
        if status >= 400 or not all(_is(answer.get(key), kind) for key, kind in shape.items()):
            raise self._other_version()
        return answer

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None) -> tuple[int, Any]:
        import httpx  # noqa: PLC0415 - 60 ms that no other command should pay

        self._require_daemon()
        # Without certificates: loading them takes longer than everything else here.
        transport = httpx.HTTPTransport(uds=str(self._path), verify=False)
        with (
            self._one_line_errors(),
            httpx.Client(
                transport=transport,
                base_url="http://mmscand/v1/",
                timeout=_TIMEOUT_S,
                trust_env=False,
            ) as client,
        ):
            response = client.request(method, path, content=_json(body), headers=_IS_JSON)
            answer = response.json(object_hook=lambda each: _Answer(each, self._other_version))
        return response.status_code, answer

    def _other_version(self) -> MmscandError:
        """Of a daemon whose answer lacks something; by its status, which all versions have."""
        try:
            answer = self._send("GET", "status", None)[1]
        except MmscandError as error:
            return error
        version = answer.get("version") if isinstance(answer, dict) else None
        if not isinstance(version, str):
            return self._stranger()
        return MmscandError(
            f"the daemon on {self._path} is version {version}, this is {__version__}",
            hint="restart it" if version != __version__ else "restart it, it answers otherwise",
        )

    def _require_daemon(self) -> None:
        """Connect once by hand: httpx hides the errno, and leaks the socket when it cannot."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(_TIMEOUT_S)
            try:
                probe.connect(str(self._path))
            except OSError as error:  # also a path that is too long for a socket
                raise self._not_connected(error.errno) from None

    @contextmanager
    def _one_line_errors(self) -> Iterator[None]:
        import httpx  # noqa: PLC0415

        try:
            yield
        except httpx.TimeoutException:
            raise MmscandError(
                f"the daemon on {self._path} does not answer", hint="look at what it prints"
            ) from None
        except (httpx.HTTPError, ValueError, RecursionError):
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
        return MmscandError(f"cannot connect to {self._path}", hint="is it a socket?")

    def _stranger(self) -> MmscandError:
        return MmscandError(
            f"what answers on {self._path} is not mmscand, or was stopped just now",
            hint="try again, or give --socket",
        )


def _is(value: object, kind: _Kind) -> bool:
    if isinstance(kind, list):
        return isinstance(value, list) and all(isinstance(each, kind[0]) for each in value)
    return isinstance(value, kind)


def _json(body: Mapping[str, Any] | None) -> str | None:
    return None if body is None else json_text(body)


def _refused(status: int, answer: Mapping[str, Any]) -> MmscandError:
    kind = UsageError if status in (404, 422) else MmscandError
    return kind(str(answer.get("error", status)), hint=str(answer.get("hint", "")))
