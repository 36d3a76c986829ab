"""Serving over TCP: the address, its socket, and the token that stands for the right to change."""

import ipaddress
import os
import socket
import stat
from dataclasses import dataclass
from pathlib import Path

from mmscand.control.causes import cannot
from mmscand.errors import MachineCannot, MmscandError, UsageError
from mmscand.shown import quoted

_BACKLOG = 128
_LEAST_TOKEN = 16
"""Letters: 96 bits where they are random, as of `openssl rand -hex 16` and more."""
_MOST_TOKEN = 4096
_HINT = "give it as 127.0.0.1:9807 or [::1]:9807"


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen."""

    host: str
    """An IP address as text."""
    port: int
    """0 is any that is free."""

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        return ipaddress.ip_address(self.host).is_loopback

    @property
    def url(self) -> str:
        """As a client writes it."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


def address_of(text: str) -> Address:
    """HOST:PORT, HOST being an IP address or `localhost`; UsageError when it is not."""
    host, colon, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not colon or not port.isascii() or not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"--listen: {quoted(text)} is no address with a port", hint=_HINT)
    try:
        found = ipaddress.ip_address("127.0.0.1" if bare == "localhost" else bare)
    except ValueError:
        raise UsageError(f"--listen: {quoted(bare)} is no IP address", hint=_HINT) from None
    return Address(str(found), int(port))


def require_token(address: Address, token: str | None) -> None:
    """UsageError where others than this machine could use the API without one."""
    if not address.is_loopback and token is None:
        raise UsageError(
            f"--listen {address.host}: other machines could use the API",
            hint="give --token-file too, or listen on 127.0.0.1",
        )


def listen_tcp(address: Address) -> tuple[socket.socket, Address]:
    """A listening socket, and the address with the port that it has."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        sock = socket.create_server((address.host, address.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        words = f"cannot listen on {address.host}:{address.port}: {os.strerror(error.errno or 0)}"
        raise MmscandError(
            words, hint="choose another port, or stop the program that uses it"
        ) from None
    return sock, Address(address.host, sock.getsockname()[1])


def token_of(path: Path) -> str:
    """The token in a file that nobody but its owner may read; UsageError when it is no secret.

    Where we are not root, root's file may be readable by its group: Kubernetes mounts secrets so.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            text = file.read(_MOST_TOKEN + 1)
    except OSError as error:
        raise cannot("read", path, error) from None
    by_group = 0o040 if status.st_uid == 0 != os.geteuid() else 0
    if stat.S_ISREG(status.st_mode) and status.st_mode & 0o077 & ~by_group:
        raise MachineCannot(f"{path} can be read by others", hint=f"chmod 600 {path}")
    words = text.split()
    if len(words) != 1 or not words[0].isascii() or not _LEAST_TOKEN <= len(words[0]) < _MOST_TOKEN:
        raise UsageError(
            f"{path} holds no token: one word of {_LEAST_TOKEN} letters and more",
            hint=f"openssl rand -hex 32 > {path}",
        )
    return words[0].decode()
