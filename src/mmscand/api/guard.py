"""Rights: a client of the unix socket may do all, one of TCP what its token allows.

A web page that somebody looks at on this machine can send requests to 127.0.0.1. It cannot choose
the Host that the browser sends, the name of its own server (DNS rebinding), nor the Origin.
"""

import hmac
import ipaddress
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from mmscand.api.refusals import refusal
from mmscand.shown import quoted

_READS = {"GET", "HEAD", "OPTIONS"}
_BEARER = "bearer "


@dataclass(frozen=True, slots=True)
class Refusal:
    """Status code, what is wrong, what to do."""

    status: int
    error: str
    hint: str
    headers: Mapping[str, str] | None = None


class Rights:
    """What requests over TCP may do; those over the unix socket may do all."""

    def __init__(
        self, token: str | None = None, *, names: Iterable[str] = (), loopback: bool = True
    ) -> None:
        """`names` are of this machine, `loopback` says whether only this machine reaches it."""
        self._token = None if token is None else token.encode()
        self._names = {"localhost", *(name.lower() for name in names)}
        self._reads_need_token = not loopback

    def refusal(self, method: str, headers: Headers, *, tcp: bool) -> Refusal | None:
        """Why a request may not be answered; None where it may."""
        reads = method in _READS
        host = headers.get("host", "")
        if tcp and not self._is_ours(host):
            return Refusal(
                403,
                f"Host {quoted(host)} is not this machine",
                "use its IP address, or name it by --host-name",
            )
        origin = headers.get("origin")
        if not reads and origin is not None and origin != f"http://{host}":
            return Refusal(403, f"Origin {quoted(origin)} may change nothing", "use curl")
        return self._without_token(headers, reads=reads) if tcp else None

    def _is_ours(self, host: str) -> bool:
        """A name that others cannot have made lead here: an address leads where it says."""
        name = host.rpartition(":")[0] if _has_port(host) else host
        with suppress(ValueError):
            ipaddress.ip_address(name[1:-1] if name.startswith("[") else name)
            return True
        return name.lower() in self._names

    def _without_token(self, headers: Headers, *, reads: bool) -> Refusal | None:
        given = headers.get("authorization")
        if given is None and reads and not self._reads_need_token:
            return None
        if self._token is None:
            if given is not None:  # a proxy's, perhaps: it gives no rights, and takes none
                return None if reads else _no_changes()
            return _no_changes()
        scheme, word = (given or "")[: len(_BEARER)], (given or "")[len(_BEARER) :].strip()
        # Of bytes: text that is not ASCII is refused by compare_digest with an error.
        if scheme.lower() == _BEARER and hmac.compare_digest(word.encode(), self._token):
            return None
        why = "the token is wrong" if given else "a token is needed"
        hint = "send Authorization: Bearer TOKEN, with the one of --token-file"
        return Refusal(401, why, hint, {"WWW-Authenticate": "Bearer"})


def _no_changes() -> Refusal:
    return Refusal(
        403,
        "over TCP nothing can be changed without a token",
        "use the unix socket, or start mmscand-api with --token-file",
    )


def _has_port(host: str) -> bool:
    """A colon inside of [] is of an IPv6 address."""
    return ":" in host.rpartition("]")[2]


class Guard:
    """ASGI middleware that asks the rights."""

    def __init__(self, app: ASGIApp, rights: Rights) -> None:
        self._app = app
        self._rights = rights

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse."""
        server = scope.get("server")
        tcp = server is not None and server[1] is not None  # of a unix socket it has no port
        found = self._rights.refusal(scope["method"], Headers(scope=scope), tcp=tcp)
        if found is None:
            await self._app(scope, receive, send)
            return
        answer = refusal(found.status, found.error, found.hint, found.headers)
        await answer(scope, receive, send)
