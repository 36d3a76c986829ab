"""The sockets that mmscand-api serves: its own, that of systemd, and one of TCP."""

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from mmscand.api.tcp import Address, listen_tcp
from mmscand.control.unix_socket import listen
from mmscand.errors import UsageError

_FIRST_INHERITED = 3
"""SD_LISTEN_FDS_START of sd_listen_fds(3)."""


def open_sockets(
    opened: ExitStack, path: Path, group: str | None, address: Address | None
) -> tuple[list[socket.socket], list[str]]:
    """Listening sockets, closed by `opened`, and where each is for a person."""
    found = inherited()
    socks = [opened.enter_context(_listening(path, group) if found is None else found)]
    places = [str(path) if found is None else str(found.getsockname())]
    if address is not None:
        sock, bound = listen_tcp(address)
        socks.append(opened.enter_context(sock))
        places.append(bound.url)
    return socks, places


def inherited(
    environ: Mapping[str, str] = os.environ, first: int = _FIRST_INHERITED
) -> socket.socket | None:
    """The unix socket that systemd listens on for us (sd_listen_fds(3)); None where it does not."""
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return None
    found: socket.socket | None = None
    with suppress(OSError):
        found = socket.socket(fileno=first)
    if found is None or environ.get("LISTEN_FDS") != "1" or found.family != socket.AF_UNIX:
        if found is not None:
            found.close()
        raise UsageError(
            "systemd gives other sockets than one unix socket", hint="use --listen for TCP"
        )
    found.set_inheritable(False)
    return found


@contextmanager
def _listening(path: Path, group: str | None) -> Iterator[socket.socket]:
    """A socket that root made stays, as its folder is root's; the next start replaces it."""
    with listen(path, group) as sock:
        try:
            yield sock
        finally:
            with suppress(OSError):
                path.unlink()
